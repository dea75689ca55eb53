"""The immutable snapshot from which series and status page are rendered, and the health of the main loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Final

from monitor.clock import Clock
from monitor.events import ModelKey, Partition
from monitor.findings import Figures, FindingKey, Span
from monitor.judge.causes.fairness import GroupRate, Unfairness
from monitor.judge.causes.segment_errors import SegmentFigures
from monitor.judge.estimated import Estimated
from monitor.judge.warmup import Progress
from monitor.settings.tree import Links
from monitor.stats.testing.promise import ModelPromise

#: the main loop releases the GIL this often, and for this long; both in seconds
YIELD_EVERY: Final = 0.01
YIELD_FOR: Final = 50e-6


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column in the reference and in the latest long window.

    `role` is feature, score or prediction; `bins` are readable names. `reference` and `live` are counts by bin, `total`
    counts since the process began. `quality_counts` are (name, share in the reference, share in the window).
    `live_since_us` is when the window begins if it is another one: that of an open finding's events alone. `distances`
    are always of the long window.
    `distances` and `figures` are empty before the first base window was judged. `unwatched` is why a
    change of the distribution would not be detected, "" if it would; `ticket_reason` why it would be at most a ticket,
    in one word, and `ticket_text` in a sentence.
    """

    name: str
    role: str
    kind: str
    bins: tuple[str, ...] = ()
    reference: tuple[int, ...] = ()
    live: tuple[int, ...] = ()
    total: tuple[int, ...] = ()
    quality_counts: tuple[tuple[str, float, float], ...] = ()
    distances: tuple[tuple[str, float], ...] = ()
    live_since_us: int | None = None
    figures: tuple[Figures, ...] = ()
    unwatched: str = ""
    ticket_reason: str = ""
    ticket_text: str = ""


@dataclass(frozen=True, slots=True)
class OutcomeSegment:
    """The same of the predictions in one `segment`."""

    segment: str
    values: int
    mean: float | None = None
    mean_before: float | None = None
    shares: tuple[tuple[str, float], ...] = ()
    shares_before: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """The newest `values` of a named outcome, of predictions up to `until_us`: their mean, or the shares of categories.

    `mean_before` and `shares_before` are the reference's. Not `judged`: the reference has too few values.
    """

    name: str
    values: int
    until_us: int
    mean: float | None = None
    mean_before: float | None = None
    shares: tuple[tuple[str, float], ...] = ()
    shares_before: tuple[tuple[str, float], ...] = ()
    judged: bool = True
    segments: tuple[OutcomeSegment, ...] = ()

    @property
    def whole(self) -> OutcomeSegment:
        """All its values, as those of the segment without a name."""
        return OutcomeSegment("", self.values, self.mean, self.mean_before, self.shares, self.shares_before)


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model version with its page budget and columns. All counts are the state's.

    `judged_us` is the event time up to which it was judged, None before the first verdict; `stopped_since_us` the time
    of the last event while events have stopped, else None. `expected_before` and `pages_before` are the values of the
    restored state: series count from there. `figures` are those of subjects that
    are not columns, such as the model itself: (subject, figures). `promise` is for today's traffic, None before a base
    window was judged. `estimated` is the performance of the latest long window, None where it cannot be known,
    `contradicted` whether labels say that its assumption does not hold.
    `warmup` is how far its warm-up has come, None behind it or without one.
    """

    key: ModelKey
    team: str = ""
    runbook: str = ""
    reference: str = ""
    expected_false_pages: float = 0.0
    expected_before: float = 0.0
    pages: int = 0
    pages_before: int = 0
    task: str = ""
    budget_pages: float = 0.0
    budget_us: int = 0
    predictions: int = 0
    labels: int = 0
    judged_us: int | None = None
    stopped_since_us: int | None = None
    knows_gaps: bool = False
    columns: tuple[ColumnView, ...] = ()
    figures: tuple[tuple[str, Figures], ...] = ()
    #: figures of the newest labelled predictions, how many these are, and the end of their time; why they are not
    #: judged, "" where they are
    performance: tuple[tuple[str, float], ...] = ()
    performance_labels: int = 0
    performance_segments: tuple[SegmentFigures, ...] = ()
    #: where the settings ask for them: rates of groups, and by feature and metric the pair that is furthest apart
    group_rates: tuple[GroupRate, ...] = ()
    fairness: tuple[Unfairness, ...] = ()
    performance_until_us: int | None = None
    performance_not_judged: str = ""
    #: those whose values come
    outcomes: tuple[OutcomeView, ...] = ()
    #: share of the reference's late labels that had come after rising delays, microseconds
    labels_came: tuple[tuple[int, float], ...] = ()
    estimated: Estimated | None = None
    contradicted: bool = False
    promise: ModelPromise | None = None
    #: events of excluded times, and those of the restored state
    excluded: int = 0
    excluded_before: int = 0
    #: until when (microseconds of event time) and why nothing pages; None while no silence lasts
    silence: tuple[int, str] | None = None
    warmup: Progress | None = None


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident of a judged model version: `severity` is "" and `since_us` None while none is open.

    `lasting`: a page that has become a ticket; the model version may have another open incident. `summary` is the same
    as in its transitions; `lead` says what changed first, "" where that is plain.
    """

    key: ModelKey
    severity: str = ""
    since_us: int | None = None
    id: str = ""
    lasting: bool = False
    summary: str = ""
    lead: str = ""


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding that is over its threshold now; `lasting`: of the lasting ticket, `silenced`: no page for a silence.

    `records` are the first and last offset by partition of the `window` that its figures are of. `rank` is its place
    among the findings of its incident, from 1: the likely first cause, then the worst. `p` and `exceedance` are as in
    the finding; `newest` are the figures of the newest base window, None where it shows nothing or was not measured.
    `renamed_to` is the finding about the new column, of a column that is gone whose values that one has. `next_step` is
    what a person does first, without a full stop, about the column or the `parent` that it was computed from.
    """

    key: ModelKey
    finding: FindingKey
    severity: str
    since_us: int | None = None
    headline: str = ""
    detail: str = ""
    lasting: bool = False
    records: tuple[tuple[Partition, tuple[int, int]], ...] = ()
    silenced: bool = False
    rank: int = 1
    window: Span | None = None
    p: float | None = None
    exceedance: float = 0.0
    renamed_to: FindingKey | None = None
    newest: Figures | None = None
    next_step: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class EndedView:
    """An incident that has ended: `severity` is the worst it had, times are event times in microseconds.

    `since_us` is when its change began, `opened_us` when it was opened. `summary` is the one of its last transition,
    `findings` has a line for each of its findings.
    """

    key: ModelKey
    severity: str
    since_us: int
    opened_us: int
    ended_us: int
    summary: str = ""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeView:
    """An informational finding, and the event time at which it was made (microseconds)."""

    key: ModelKey
    finding: FindingKey
    at_us: int
    detail: str


@dataclass(frozen=True)
class Snapshot:
    """Everything that is shown, at one moment. Mappings are copied, so a snapshot never changes.

    Counts are since the process began, times in microseconds of Unix time. `events` is keyed by topic, outcome and
    reason, `model_events` by model version and kind of event. `retention_gaps`, `lags` and `unreadable` (also by
    reason) are numbers of records, `watermarks` event times. `stalled` has a sentence for each stalled partition,
    `positions_stalled` 1 for those and 0 for the others. `incidents` lacks model versions that were never judged, and
    has a lasting ticket behind the other incident of its model version; `ended` are the last ended ones and `notices`
    the last informational findings since the process began, the newest first. `references` is whether any model of the
    settings has a reference. `lost_topics` and `lost_models` are shares of the newest 1,000 events; `formats` are those
    that were found, by topic, `pairs_given_up` by topic and side, `pairs_waiting` by the topics that may have sides
    of calls; `not_fine` has a sentence for each reason why the monitor misses events, `unwatched` for each model
    version whose events came and that is not watched. `slow_because` is why record batches are not unpacked fast, "" if
    they are, None without Kafka.
    """

    restored: bool = False
    references: bool = False
    records: Mapping[Partition, int] = field(default_factory=dict)
    events: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    lost_topics: Mapping[str, float] = field(default_factory=dict)
    lost_models: Mapping[str, float] = field(default_factory=dict)
    not_fine: tuple[str, ...] = ()
    dead_letters: int = 0
    retention_gaps: Mapping[Partition, int] = field(default_factory=dict)
    formats: Mapping[str, str] = field(default_factory=dict)
    pairs_waiting: Mapping[str, int] = field(default_factory=dict)
    pairs_given_up: Mapping[tuple[str, str], int] = field(default_factory=dict)
    watermarks: Mapping[Partition, int] = field(default_factory=dict)
    skewed: Mapping[Partition, int] = field(default_factory=dict)
    lags: Mapping[Partition, int] = field(default_factory=dict)
    unreadable: Mapping[tuple[Partition, str], int] = field(default_factory=dict)
    stalled: tuple[str, ...] = ()
    positions_stalled: Mapping[Partition, int] = field(default_factory=dict)
    slow_because: str | None = None
    open_panes: int = 0
    loop_seconds: Mapping[str, float] = field(default_factory=dict)
    checkpoint_us: int | None = None
    checkpoint_bytes: int = 0
    checkpoint_parts: int = 0
    checkpoint_seconds: float | None = None
    checkpoint_stop_seconds: float = 0.0
    checkpoint_failures: int = 0
    models: tuple[ModelView, ...] = ()
    model_events: Mapping[tuple[ModelKey, str], int] = field(default_factory=dict)
    #: labels by model version and fate, and those without one; predictions that wait and those let go, by model
    label_fates: Mapping[tuple[ModelKey, str], int] = field(default_factory=dict)
    #: outcomes by model version, name and fate
    outcome_fates: Mapping[tuple[ModelKey, str, str], int] = field(default_factory=dict)
    labels_waiting: Mapping[ModelKey, int] = field(default_factory=dict)
    predictions_waiting: Mapping[str, int] = field(default_factory=dict)
    predictions_let_go: Mapping[str, int] = field(default_factory=dict)
    #: by model: up to when labels are joined, microseconds, and the partition of labels that holds the join back
    labels_joined_us: Mapping[str, int] = field(default_factory=dict)
    labels_held_by: Mapping[str, str] = field(default_factory=dict)
    unjudged: Mapping[ModelKey, int] = field(default_factory=dict)
    incidents: tuple[IncidentView, ...] = ()
    findings: tuple[FindingView, ...] = ()
    ended: tuple[EndedView, ...] = ()
    notices: tuple[NoticeView, ...] = ()
    unwatched: tuple[str, ...] = ()
    links: Links = field(default_factory=Links)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, one.name, MappingProxyType(dict(value)))


@dataclass(frozen=True, slots=True)
class Health:
    """The health of the main loop.

    `turned_monotonic` is when its last iteration ended, in monotonic seconds; `failure` is why it makes no progress
    now, "" if it does.
    """

    turned_monotonic: float
    assigned: bool = False
    restored: bool = False
    caught_up_once: bool = False
    failure: str = ""

    def stuck(self, now: float, limit: float) -> str:
        """Why the process should be restarted, "" if it should not. Only the loop counts, not the health of Kafka.

        `now` is in monotonic seconds, `limit` in seconds.
        """
        idle = now - self.turned_monotonic
        return f"the loop has not turned for {idle:.0f} s, the limit is {limit:.0f} s" if idle > limit else ""

    def missing(self) -> tuple[str, ...]:
        """Why the process is not ready; empty if it is."""
        steps = (
            (self.assigned, "no partitions are assigned"),
            (self.restored, "the state is not restored"),
            (self.caught_up_once, "the end of the topics has not been reached yet"),
            (not self.failure, self.failure),
        )
        return tuple(text for done, text in steps if not done)


class SnapshotHolder:
    """Holds the newest snapshot and the heartbeat of the loop; other threads may read both at any time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot = Snapshot()
        self._health = Health(turned_monotonic=clock.monotonic())
        self._yielded_at = clock.monotonic()

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot; an empty one before the first."""
        return self._snapshot

    @property
    def health(self) -> Health:
        """The newest health."""
        return self._health

    def show(self, snapshot: Snapshot) -> None:
        """Replace the snapshot."""
        self._snapshot = snapshot

    def beat(
        self,
        *,
        assigned: bool | None = None,
        restored: bool | None = None,
        caught_up_once: bool | None = None,
        failure: str | None = None,
    ) -> None:
        """Record an iteration of the loop. None leaves a value as it was; `failure=""` ends a failure.

        Also releases the GIL for the server's thread. A loop that releases it only in short system calls takes it back
        before a waiting thread has woken, and `/metrics` can starve for many seconds.
        """
        now = self._clock.monotonic()
        given = {"assigned": assigned, "restored": restored, "caught_up_once": caught_up_once, "failure": failure}
        changes = {name: value for name, value in given.items() if value is not None}
        with self._lock:
            self._health = replace(self._health, turned_monotonic=now, **changes)  # type: ignore[arg-type]  # each value has its field's type
        if now - self._yielded_at >= YIELD_EVERY:
            time.sleep(YIELD_FOR)
            self._yielded_at = now

    def stuck_reason(self, limit: float) -> str:
        """Why `/livez` fails, "" if it does not; `limit` in seconds."""
        return self._health.stuck(self._clock.monotonic(), limit)
