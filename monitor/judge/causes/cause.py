"""The interface of a cause: one kind of change that can be found in a model version, from its test to its texts.

A cause is one class in one file of this folder and one line in the tuple of `catalog.py`. Judging, rechecks, budget,
checkpoints, series, alert texts and status page iterate over that tuple; none of them names a cause.

To add a cause:

1. `causes/<name>.py`: a class of `Cause` (judged on windows) or of `SequentialCause` (fed pane by pane, keeps a state),
   with `names` and every abstract method. Pure arithmetic goes to `monitor/stats/`. Where a change has a size, also
   `change`, `left` and `effect`: a finding ends when little of its change is left, and can page again if it grows.
2. `causes/catalog.py`: one line in `CAUSES`. Of two causes that find the same thing the more severe one comes first.
3. `tests/floors.py`: the file's name, before `causes.catalog`.
4. `monitor/settings/model.py`: its names in `Cause`, so that `severity` and `least_effect` can be set by them (remove
   them from `LATER_CAUSES` in `later.py` if they are there); then `python -m tests.documents`, and `driftd rules
   --config docs/example/driftd.yaml > deploy/prometheus/driftd.rules.yml`, as alert texts contain them.
5. `docs/deciding.md`: a row in the table of tests.
6. `tests/laws/cause_examples.py`: an effect of any size from 0 to 1 on a stream that is like the reference. The laws of
   `tests/laws/test_cause_laws.py` then hold for it; a cause without an example fails them.

The cause decides what its findings are about: `FindingKey.subject` is a column's subject or the model's name. It reads
the `Windows` of an evaluation, or the tallies of `windows.parts`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from monitor.cached import cached_property
from monitor.findings import Figures, Finding, FindingEnd, FindingKey
from monitor.judge.causes.around import Around
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import Floats, PreparedReference, Variability
from monitor.judge.windows.pyramid import Windows
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.testing.promise import ExcessDetection, ShareDetection
from monitor.text import number

Ints = NDArray[np.int64]
M = TypeVar("M")
#: how a finding of a cause's own windows goes on: exceedance, remaining part of the change, effect; or a text, why it
#: ends without being measured; None: nothing is known yet
Again = tuple[float, float, float] | str | None


class CauseName(NamedTuple):
    """A `cause` as settings, series and JSON spell it, with its texts for people.

    `in_alert` and `on_page` follow the column's name in an alert and on the status page ("" is the name itself).
    `share` names the figure of a finding that is a share of events: "value", "effect", or "" for none.
    `of_model` names what changed in an alert about the model itself ("" is its predictions). `sample` names what the
    `events` of its windows are. `next_step` is what a person does first, as a sentence without its full stop.
    """

    name: str
    in_alert: str = ""
    on_page: str = ""
    share: str = ""
    of_model: str = ""
    sample: str = "event"
    next_step: str = ""


class TicketReason(NamedTuple):
    """Why a subject's findings are at most tickets: one word for series and log, and a sentence for people."""

    word: str
    text: str


class Candidate(NamedTuple):
    """A window over its threshold, with what is needed to choose one per key; only the chosen one becomes a finding.

    `start_us` is the start of the window, `began_us` gives the event time at which the change began.
    """

    key: FindingKey
    severity: str
    exceedance: float
    start_us: int
    began_us: Callable[[], int]
    finding: Callable[[], Finding]


class PlannedWindows(NamedTuple):
    """Windows of L lengths that traffic of one rate will be evaluated in.

    `lengths` (L,) base windows, `events` (L,) in each; `rate` how many times as fast as the reference's they come, and
    `alpha` what each test may spend.
    """

    lengths: Ints
    events: Floats
    rate: float
    alpha: float


@dataclass(frozen=True)
class Evaluation:
    """Windows that end at the same moment, shortest first, and what each cause measured in them.

    Each cause measures once, on first use. `alpha` in (0, 1) is the tail probability each test may spend.
    """

    prepared: PreparedReference
    windows: Windows
    alpha: float
    #: windows of more events get the variability of this many: it is not extrapolated; None: no limit
    most_events: int | None = None
    #: tail probability that each test of `Cause.tickets` may spend; 0: as each other test
    of_tickets: float = 0.0
    _measured: dict[Hashable, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def ticket_alpha(self) -> float:
        """The tail probability that each test outside the page budget may spend."""
        return self.of_tickets or self.alpha

    @cached_property
    def variability(self) -> Variability:
        """The variability to expect of windows of these sizes."""
        return self.prepared.variability(self.known_sizes([span.events for span in self.windows.spans]))

    @cached_property
    def carried(self) -> NDArray[np.int64]:
        """Events (W, C) that carried each column."""
        return self._inside + self.prepared.events_in_no_bin(self.windows.counts) if self.has_hits else self._inside

    @cached_property
    def values(self) -> NDArray[np.int64]:
        """Values (W, C) of each column, in a bin or in none."""
        return self._inside + self.prepared.values_in_no_bin(self.windows.counts) if self.has_hits else self._inside

    @cached_property
    def has_hits(self) -> bool:
        """Whether any event of the windows is in a quality count: in most newest panes none is."""
        return bool(self.windows.counts[..., self.prepared.width :].any())

    @cached_property
    def _inside(self) -> NDArray[np.int64]:
        return self.prepared.inside(self.windows.counts)

    @cached_property
    def fewest_values(self) -> int:
        """At most the fewest values of any column in any window."""
        return int(self._inside.min(initial=1 << 62))

    def known_sizes(self, sizes: Sequence[float]) -> Sequence[float]:
        """`sizes` (events), each capped at `most_events`."""
        return sizes if self.most_events is None else [min(events, self.most_events) for events in sizes]

    def of(self, cause: Cause[M]) -> M:
        """The measurements of this cause."""
        if cause not in self._measured:
            self._measured[cause] = cause.measure(self)
        return cast("M", self._measured[cause])


class Cause(ABC, Generic[M]):
    """One kind of change, judged on windows of one model version. `M` is its type of measurements of an evaluation.

    Equal windows give equal findings, however their events came. A cause may remember what it observed of panes and
    base windows (`observe`); then its findings do not depend on where checkpoints cut the stream.
    """

    #: the names that its findings may have
    names: ClassVar[tuple[CauseName, ...]]
    #: causes that are not reported for a subject while this one is open on it
    explains: ClassVar[tuple[str, ...]] = ()
    #: its findings are no pages, and its tests spend a budget of false tickets of its own
    own_budget: ClassVar[bool] = False
    #: key of its state in checkpoints, "" if it has none; never change it
    state_name: ClassVar[str] = ""

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        self.prepared = prepared
        self.policy = policy

    @classmethod
    def of_judge(cls, prepared: PreparedReference, policy: Policy, around: Around) -> Self:
        """For a judge, of which most causes ask nothing."""
        return cls(prepared, policy)

    def meet(self, others: Sequence[Cause[Any]]) -> None:  # most causes need no other
        """Told once, before anything is judged: all causes of the judge, itself among them."""

    @abstractmethod
    def tests(self) -> int:
        """Number of tests per window length, over all columns: its part of the page budget."""

    def tickets(self) -> int:
        """Number of tests per window length outside the page budget: they share a budget of tickets of the same size.

        Their findings are at most tickets.
        """
        return 0

    def tests_of_recent(self) -> int:
        """Number of tests on the newest panes; 0 if `recent_candidates` gives none."""
        return 0

    #: from how many values of every column on all tests on the newest panes are made
    values_for_all_tests: ClassVar[int] = 0

    def tests_made(self, evaluation: Evaluation) -> int:
        """Number of tests really made on an evaluation's windows: a column without values is not tested.

        A window of length 0 are the newest panes.
        """
        return sum(self.tests() if length else self.tests_of_recent() for length in evaluation.windows.lengths)

    @abstractmethod
    def measure(self, evaluation: Evaluation) -> M:
        """Measure all windows at once, vectorised, as `candidates` needs; the rest is computed on demand."""

    @abstractmethod
    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        """Windows over their thresholds; for each key the shortest window first.

        `recent` are the newest panes as one window, None where they are not known.
        """

    def recent_candidates(self, evaluation: Evaluation) -> Iterator[Candidate]:
        """Candidates in the newest panes (an evaluation with one window), at most one per key.

        Called with every pane: most panes must cost next to nothing.
        """
        return iter(())

    def may_find_in_whole(self, events: int, alpha: float) -> bool:
        """Whether it may find something in newest panes in which every event has a value in a bin of every column."""
        return True

    @abstractmethod
    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        """Exceedance of a finding's subject in the single window of an evaluation (1: at the threshold).

        None where the finding is not of this cause.
        """

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The change of a finding's subject in one window, to be compared by `left` later.

        None where the finding is not of this cause, or where evidence alone decides when it ends.
        """
        return None

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        """The part of the change `then` that is left in the single window of an evaluation; NaN: unknown.

        1: all of it, below 0: a change the other way.
        """
        return 0.0

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        """Effect of a finding in the single window of an evaluation; None: the effect of this cause is fixed."""
        return None

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """(subject, figures of its worst window) of every subject that was measured, over its threshold or not."""
        return iter(())

    def remarks(self, evaluation: Evaluation) -> Mapping[str, str]:
        """{subject: a sentence for the findings that other causes have on it, as this cause has none of its own}."""
        return {}

    def observe(self, pane: Block, base: Block | None) -> None:  # most causes remember nothing
        """Take the next pane, before it is judged; `base` is the base window that it completes."""

    def to_state(self) -> dict[str, Any]:
        """Its memory for a checkpoint: bounded, of types that the codec knows (plain values and arrays)."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # as above
        """Restore from `to_state`. A cause that is not restored starts from scratch."""

    def ticket_reasons(self) -> dict[str, TicketReason]:
        """{subject: why its findings are at most tickets now}, without the subjects that may page."""
        return {}

    def share_detections(self, planned: PlannedWindows) -> list[ShareDetection]:
        """By column what such windows detect of its distribution; empty where the cause is about something else."""
        return []

    def missing_detections(self, planned: PlannedWindows) -> dict[int, ExcessDetection]:
        """By the place of a column what such windows detect of its missing values; only where they may page."""
        return {}

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        """The size of a change in words, for the status page; `numeric`: of a column of numbers."""
        return f"effect {number(figures.effect)}, statistic {number(figures.value)}{limit(figures)}"


class SequentialCause(Cause[None]):
    """A cause that is fed each pane in event-time order: a sequential detector, whose state cannot be merged.

    Its findings do not depend on where checkpoints cut the stream: `restore(to_state())` changes nothing.
    """

    def follows(self) -> bool:
        """Whether it takes panes at all, as its reference and the settings are: else it is never asked to."""
        return True

    @abstractmethod
    def follow(self, pane: Block, labels: LabelTally) -> Iterable[Finding]:
        """Take the next pane, and the labels that are known of its predictions; gives what is found with it."""

    def judges(self, key: FindingKey) -> bool:
        """Whether findings of this key are judged in windows of its own, which `opened` and `again` measure."""
        return False

    def opened(self, finding: Finding) -> Floats:
        """The change in the window of a finding of its own windows, to be compared by `again` later."""
        return np.zeros(0)

    def again(self, finding: Finding, since_us: int, base_windows: int, then: Floats) -> Again:
        """How a finding with the change `then` goes on in the newest of its own base windows.

        None where there are fewer, or where they begin before `since_us`.
        """
        return None

    def key_remarks(self) -> Mapping[FindingKey, str]:
        """Sentences for the details of other causes' findings, by their keys."""
        return {}

    def key_next_steps(self) -> Mapping[FindingKey, str]:
        """What a person does first about other causes' findings, by their keys, in place of what these say."""
        return {}

    def due_us(self, from_us: int) -> int | None:
        """Event time at which something is found if no event comes until then, none being wanted before `from_us`.

        None if nothing is.
        """
        return None

    def ends(self) -> Sequence[FindingEnd]:
        """Findings that ended with the newest pane, which `follow` or `skip` took."""
        return ()

    def skip(self, pane: Block) -> None:
        """The next pane lies in a time that the settings exclude: it is not judged."""

    def events_ahead(self) -> int:
        """Events in panes behind the time that `due_us` counts from: they were ahead of the others."""
        return 0

    def stopped_since_us(self) -> int | None:
        """Time of the last event, while it is known that events have stopped; None if that is not known."""
        return None

    def passed(self, until_us: int) -> Iterable[Finding]:
        """What is found because event time has come to `until_us` and no event has come since the last pane."""
        return ()

    def tests(self) -> int:
        """None on windows: a detector has its own false-alarm rate."""
        return 0

    def measure(self, evaluation: Evaluation) -> None:
        """Nothing is measured in windows."""

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        return iter(())

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return None


def limit(figures: Figures) -> str:
    """The threshold as text after a figure, empty if there is none."""
    return f" (threshold {number(figures.threshold)})" if figures.threshold == figures.threshold else ""


def places(over: NDArray[np.bool_]) -> Iterator[tuple[int, ...]]:
    """The indexes of what is true, in the order of the first axis."""
    return zip(*(axis.tolist() for axis in np.nonzero(over)), strict=True)
