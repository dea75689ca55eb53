"""Which changes of distributions and of missing values planned windows detect; the promise is computed from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from monitor.findings import INFO, PAGE, UP
from monitor.judge.causes.cause import PlannedWindows
from monitor.judge.comparison.columns import Compared
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.windows.prepared_reference import DISTANCE_FACTOR, Floats, PreparedReference
from monitor.reference.column import FEATURE, Column
from monitor.reference.notes.paging import tickets_only
from monitor.stats.bins.reference_bins import MISSING, NUMERIC, QUALITY_COUNTS
from monitor.stats.testing.directional import smallest_over
from monitor.stats.testing.directions import LEAST_MOVE
from monitor.stats.testing.promise import DOUBTS, FEWEST_BINS, LARGEST_ATOM, ExcessDetection, ShareDetection
from monitor.stats.variance.live_watch import windows_before_pages
from monitor.stats.variance.quality_dispersion import excess_criticals

INFO_ONLY: Final = "an info finding, which alerts nobody"
NO_LENGTH: Final = "the reference is too short: it would take windows of which it holds fewer than three"


def cause_of(column: Column) -> str:
    """The cause of findings about the column's distribution."""
    return "distribution" if column.role == FEATURE else column.role


def share_detections(
    side: Compared, prepared: PreparedReference, policy: Policy, planned: PlannedWindows, reasons: Sequence[str]
) -> Iterator[tuple[int, ShareDetection]]:
    """(place of a column among the model's, what is detected of it); `reasons` (C,) why live traffic allows no page."""
    reference = side.reference
    values, variance = side.variance_of(planned.events, planned.rate)
    columns = [prepared.columns[at] for at in side.places.tolist()]
    least = np.array([_least(policy, column, reference.directions.kind[c]) for c, column in enumerate(columns)])
    expected = side.usually_expected(len(planned.events))
    over = smallest_over(reference, values, planned.alpha, variance, least.reshape(reference.shares.shape), expected)
    known = reference.rows if expected is None else expected.rows[0]
    allowed, starts_after = _allowed(side, prepared, planned), windows_before_pages(side.free)
    for c, (at, column) in enumerate(zip(side.places.tolist(), columns, strict=True)):
        count, bins = column.directions().count, column.bins.bins
        usual = float(np.median(reference.variance[c, :count])) if count else 1.0
        shares, sets = side.shares(c), reference.directions.sets[c, :bins, :count]
        usable = bool((np.isfinite(over[:, :, c, :count]).any((0, 2)) & (allowed[:, c] < np.inf)).any())
        why_not = _why_not(prepared, policy, at) or reasons[c] or ("" if usable else NO_LENGTH)
        yield (
            at,
            ShareDetection(
                bins=shares,
                sets=sets,
                over=over[:, :, c, :count],
                allowed=allowed[:, c],
                live=variance[:, c, :count] / np.maximum(values[:, c, None], 1e-9),
                reference=reference.variance[c, :count] / max(float(known[c]), 1.0),
                doubt=DOUBTS * np.sqrt(2 / reference.freedom[c, :count]),
                points=_points(column),
                rows=float(reference.rows[c]),
                worth=float(reference.rows[c]) / usual,
                starts_after=int(starts_after[c]),
                why_not=why_not,
                signs=tuple(1.0 if way == UP else -1.0 for way in policy.directions(column.feature)),
            ),
        )


def _least(policy: Policy, column: Column, kinds: Floats) -> list[float]:
    """The effect that a page needs in each direction."""
    return [policy.least_effect(cause_of(column), column.feature, float(LEAST_MOVE[kind])) for kind in kinds.tolist()]


def _allowed(side: Compared, prepared: PreparedReference, planned: PlannedWindows) -> Floats:
    """(L, C): the distance that a window must exceed; minus infinity if there is no such condition."""
    sizes = planned.events / max(planned.rate, 1.0)
    largest = prepared.variability(sizes.tolist()).max_reference_distance[:, side.places]
    held = np.where(np.isnan(largest), np.inf, DISTANCE_FACTOR * largest)
    return np.where(side.free[None], -np.inf, held)


def _why_not(prepared: PreparedReference, policy: Policy, at: int) -> str:
    """Why the reference or the settings allow no page of a column, or ""."""
    column = prepared.columns[at]
    if column.is_presence:
        return f"it is a {column.kind}, and judged by its derived columns"
    if reason := prepared.reference.unwatched_reason(column):
        return f"not watched: {reason}"
    if (most := policy.most_severe(cause_of(column), column.feature)) != PAGE:
        return f"by the settings it is at most {INFO_ONLY if most == INFO else 'a ticket'}"
    return tickets_only(prepared.reference, at)


def _points(column: Column) -> Floats:
    """The ends of the bins of a number that moves as a whole, in its standard deviations; else none."""
    bins = column.bins
    if bins.kind != NUMERIC or bins.bins < FEWEST_BINS or column.modal_share > LARGEST_ATOM or column.scale <= 0:
        return np.zeros(0)
    return np.array([bins.low, *bins.edges, bins.high]) / column.scale


def missing_detections(
    prepared: PreparedReference, policy: Policy, planned: PlannedWindows
) -> dict[int, ExcessDetection]:
    """By place, of the features whose missing values may page, and whose keys are there as often as in the reference.

    A few missing values in a hundred are spread wide enough to last longer than a burst does.
    """
    cause = QUALITY_COUNTS[MISSING]
    tested = np.flatnonzero(prepared.tested_quality[:, MISSING])
    features = [(at, prepared.columns[at].feature) for at in np.intersect1d(prepared.features, tested).tolist()]
    paging = [one for one in features if policy.severity(cause, one[1], np.inf, 0.0) == PAGE]
    places = np.array([at for at, _ in paging], np.int64)
    least = np.array([policy.least_effect(cause, name, LEAST_QUALITY_CHANGE) for _, name in paging])
    own = prepared.variability(planned.events.tolist()).quality_overdispersion[:, places, MISSING].T  # (N, L)
    reference, m, share = (
        np.repeat(x[:, None], len(planned.events), 1)
        for x in (
            prepared.quality_counts[places, MISSING],
            prepared.events[places],
            prepared.quality_shares[places, MISSING],
        )
    )
    n = planned.events * m / max(prepared.reference.events, 1)
    critical = excess_criticals(planned.alpha, *(x.ravel() for x in (n, reference, m, own, own))).reshape(n.shape)
    hits = np.where(critical <= n, np.maximum(critical, np.ceil(n * (share + least[:, None]))), np.inf)
    return {
        at: ExcessDetection(
            share=float(share[c, 0]),
            error=math.sqrt(share[c, 0] * (1 - share[c, 0]) * own[c, 0] / max(m[c, 0], 1.0)),
            events=n[c],
            critical=hits[c],
            overdispersion=own[c],
        )
        for c, at in enumerate(places.tolist())
    }
