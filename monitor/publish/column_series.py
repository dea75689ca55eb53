"""What a series of the register is, and the series of the columns of model versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from monitor.publish import rows
from monitor.publish.rows import Row
from monitor.publish.snapshot import Snapshot

#: groups that are left out when there are too many series
BINS, DISTANCES, FIGURES = "bins", "distances", "figures"


class Series(NamedTuple):
    """One series of the register. `advice` is what to do about an unusual value.

    `of_model` series are only exposed once the state is restored. A series without a `group` is never left out.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    advice: str
    rows: Callable[[Snapshot], Iterable[Row]]
    of_model: bool = False
    group: str = ""


COLUMN_SERIES: Final = (
    Series(
        "driftd_drift_distance_ratio",
        "gauge",
        ("model", "version", "feature", "distance"),
        "Distance of the latest long window from the reference: psi, jensen_shannon, hellinger, linf, ks, wasserstein.",
        "For looking, not for paging: what a distance means depends on the number of events.",
        rows.distances,
        of_model=True,
        group=DISTANCES,
    ),
    Series(
        "driftd_smallest_detectable_effect_ratio",
        "gauge",
        ("model", "version", "feature"),
        "The share moved by the smallest lasting change that pages within a day of today's traffic with 95 % chance.",
        "Too large to be of use: give the reference more events, or wait for more traffic.",
        rows.smallest_effects,
        of_model=True,
        group=DISTANCES,
    ),
    Series(
        "driftd_feature_detection_seconds",
        "gauge",
        ("model", "version", "feature", "change"),
        "How soon a lasting change of that size pages with 95 % chance at today's traffic; absent where none does.",
        "Too long: more traffic, or a reference of more events. The change is the least of a few round ones that pages "
        "surely.",
        rows.detection_seconds,
        of_model=True,
        group=DISTANCES,
    ),
    Series(
        "driftd_feature_effective_events",
        "gauge",
        ("model", "version", "feature"),
        "Independent events that the reference's values of the feature are worth.",
        "Far fewer than its events: they depend on each other; build the reference from a longer time.",
        rows.effective_events,
        of_model=True,
        group=DISTANCES,
    ),
    Series(
        "driftd_feature_watched",
        "gauge",
        ("model", "version", "feature"),
        "1 where a change of the feature's distribution would be seen, 0 where it would not, though missing, unseen and"
        " other facts are.",
        "0: the page says why, mostly one value that nearly all events have, or many that few have; group them.",
        rows.watched,
        of_model=True,
        group=DISTANCES,
    ),
    Series(
        "driftd_feature_may_page",
        "gauge",
        ("model", "version", "feature", "reason"),
        "1 where a change of the feature's distribution may page, 0 where it is at most a ticket, with the reason.",
        "unsettled: a longer reference; few_days: one of seven days; order: one in the order of time; restless: one as "
        "varied as today's traffic; new: it passes by itself; settings: mute, severity or max_severity; unwatched: see "
        "driftd_feature_watched.",
        rows.may_page,
        of_model=True,
        group=DISTANCES,
    ),
    Series(
        "driftd_feature_bin_events_total",
        "counter",
        ("model", "version", "feature", "bin"),
        "Accepted events by bin of the reference.",
        "Plot its increase next to driftd_reference_bin_ratio.",
        rows.bins,
        of_model=True,
        group=BINS,
    ),
    Series(
        "driftd_reference_bin_ratio",
        "gauge",
        ("model", "version", "feature", "bin"),
        "Share of each bin in the reference.",
        "Constant until the reference is rebuilt.",
        rows.reference_bins,
        of_model=True,
        group=BINS,
    ),
)
