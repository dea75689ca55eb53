"""What everything shown is made from: one immutable snapshot, swapped as a whole, and how the loop is doing."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Final

from monitor.clock import Clock
from monitor.events import ModelKey, Partition
from monitor.findings import Figures, FindingKey
from monitor.settings.tree import Links

#: the loop makes way for other threads this often, and for this long; both in seconds
MAKE_WAY_EVERY: Final = 0.01
MAKE_WAY_FOR: Final = 50e-6


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column in the reference and in the latest long window.

    `role` is feature, score or prediction; `bins` are readable names. `reference` and `live` are counts by bin,
    `total` counts since the process began; `facts` are shares (reference, live) by fact. `distances` and `figures` are
    empty before the first base window was judged. `smallest_effect` is the smallest lasting change that a day of
    today's traffic would show, as a share moved; None while that is not known. `unwatched` says why a change of its
    distribution would not be seen, "" where it would be.
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
    figures: tuple[Figures, ...] = ()
    smallest_effect: float | None = None
    unwatched: str = ""


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model version, its promise and what it was found to hold. All counts are the state's.

    `judged_us` is the event time up to which it was judged, None before its first verdict. `expected_before` and
    `pages_before` are what the state held when the process began. `figures` are those of subjects that are no column,
    by subject: of the model itself, for one.
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
    columns: tuple[ColumnView, ...] = ()
    figures: tuple[tuple[str, Figures], ...] = ()
    performance: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentView:
    """What is known of a model version that was judged: `severity` is "" and `since_us` None while it is fine.

    `lasting`: a page that has become a ticket; it may stand beside another incident of the same model version.
    """

    key: ModelKey
    severity: str = ""
    since_us: int | None = None
    id: str = ""
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding that is over now, of the lasting ticket or of the other incident."""

    key: ModelKey
    finding: FindingKey
    severity: str
    since_us: int | None = None
    headline: str = ""
    detail: str = ""
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class EndedView:
    """An incident that is over: `severity` is the worst it had, times are event times in microseconds.

    `since_us` is when its change began, `opened_us` when it was told. `summary` is what was said at its end, `findings`
    what was said of each of its findings.
    """

    key: ModelKey
    severity: str
    since_us: int
    opened_us: int
    ended_us: int
    summary: str = ""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """One moment of everything shown. Mappings are copied, so a board never changes after it was made.

    Counts are since the process began, times in microseconds of Unix time. `events` is keyed by topic, outcome and
    reason, `model_events` by model version and kind of event, both of them since the process began as well.
    `retention_gaps`, `lags` and `unreadable` (also by reason) are numbers of records, `watermarks` event times.
    `stalled` has a sentence for each partition that stands still though there is more in it, `positions_stalled` 1 for
    it and 0 for the others. A model version that was never judged has no place in `incidents`, one with a lasting
    ticket beside another incident has two, the lasting one last; `ended` are the last ones that are over, the newest
    first. `references` says whether there is a reference for any model of the settings.
    `lost_topics` and `lost_models` are shares of the newest 1,000 events; `not_fine` says in a sentence each what keeps
    the monitor from seeing what it should.
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
    watermarks: Mapping[Partition, int] = field(default_factory=dict)
    skewed: Mapping[Partition, int] = field(default_factory=dict)
    lags: Mapping[Partition, int] = field(default_factory=dict)
    unreadable: Mapping[tuple[Partition, str], int] = field(default_factory=dict)
    stalled: tuple[str, ...] = ()
    positions_stalled: Mapping[Partition, int] = field(default_factory=dict)
    open_panes: int = 0
    loop_seconds: Mapping[str, float] = field(default_factory=dict)
    checkpoint_us: int | None = None
    checkpoint_bytes: int = 0
    checkpoint_seconds: float | None = None
    checkpoint_failures: int = 0
    models: tuple[ModelView, ...] = ()
    model_events: Mapping[tuple[ModelKey, str], int] = field(default_factory=dict)
    unjudged: Mapping[ModelKey, int] = field(default_factory=dict)
    incidents: tuple[IncidentView, ...] = ()
    findings: tuple[FindingView, ...] = ()
    ended: tuple[EndedView, ...] = ()
    links: Links = field(default_factory=Links)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, one.name, MappingProxyType(dict(value)))


@dataclass(frozen=True, slots=True)
class Health:
    """How the loop is doing. `turned_monotonic` is when it last turned; `trouble` says why it makes no progress now."""

    turned_monotonic: float
    assigned: bool = False
    restored: bool = False
    caught_up_once: bool = False
    failure: str = ""

    def stuck(self, now: float, limit: float) -> str:
        """Why the process should be started again, "" when it should not: only the loop counts, never Kafka's health.

        Both arguments are seconds of the monotonic clock.
        """
        idle = now - self.turned_monotonic
        return f"the loop has not turned for {idle:.0f} s, the limit is {limit:.0f} s" if idle > limit else ""

    def missing(self) -> tuple[str, ...]:
        """What stands between the process and being ready; empty when it is ready."""
        steps = (
            (self.assigned, "no partitions are assigned"),
            (self.restored, "the state is not restored"),
            (self.caught_up_once, "the end of the topics has not been reached yet"),
            (not self.failure, self.failure),
        )
        return tuple(text for done, text in steps if not done)


class SnapshotHolder:
    """Where the loop puts the newest board and its heartbeat; other threads look at both at any time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot = Snapshot()
        self._health = Health(turned_monotonic=clock.monotonic())
        self._made_way = clock.monotonic()

    @property
    def snapshot(self) -> Snapshot:
        """The newest board; an empty one before the first."""
        return self._snapshot

    @property
    def health(self) -> Health:
        """The newest health."""
        return self._health

    def show(self, snapshot: Snapshot) -> None:
        """Replace the board as a whole."""
        self._snapshot = snapshot

    def beat(
        self,
        *,
        assigned: bool | None = None,
        restored: bool | None = None,
        caught_up_once: bool | None = None,
        failure: str | None = None,
    ) -> None:
        """The loop has turned. What is None stays as it was; `trouble=""` ends a trouble.

        Also makes way for the server's thread: a loop that only ever lets go of the interpreter's lock for short
        system calls takes it back before a waiting thread has woken, and `/metrics` can starve for many seconds.
        """
        now = self._clock.monotonic()
        reported = {"assigned": assigned, "restored": restored, "caught_up_once": caught_up_once, "failure": failure}
        news = {name: value for name, value in reported.items() if value is not None}
        with self._lock:
            self._health = replace(self._health, turned_monotonic=now, **news)  # type: ignore[arg-type]  # each value has its field's type
        if now - self._made_way >= MAKE_WAY_EVERY:
            time.sleep(MAKE_WAY_FOR)
            self._made_way = now

    def silence(self, limit: float) -> str:
        """Why `/livez` fails, "" when it does not. `limit` in seconds."""
        return self._health.stuck(self._clock.monotonic(), limit)
