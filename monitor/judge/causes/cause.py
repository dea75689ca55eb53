"""What a cause is: one kind of change that can be found in one model version, from its test to its words.

A cause is one class in one file of this folder and one line in the tuple of `catalog.py`. Judging, rechecks, budget,
checkpoints, series, alert texts and status page go through that tuple; none of them knows a cause by its name.

To add a cause:

1. `causes/<name>.py`: a class of `Cause` (judged on windows) or of `SequentialCause` (fed pane by pane, keeps a state),
   with `names` and every abstract method. Pure arithmetic goes to `monitor/stats/`. Where a change has a size, also
   `change`, `left` and `effect`: a finding ends when little of its change is left, and is news again when it has grown.
2. `causes/catalog.py`: one line in `CAUSES`. Of two causes that find the same thing the graver one comes first.
3. `tests/house.py`: the file's name, before `causes.catalog`.
4. `monitor/settings/tree.py`: its names in `Cause`, so that `severity` and `least_effect` can be set by them (out of
   `LATER_CAUSES` in `later.py`, where they wait there); then `python -m tests.documents`, and `driftd rules --config
   docs/example/driftd.yaml > deploy/prometheus/driftd.rules.yml`, as alerts say the names in words.
5. `docs/deciding.md`: a row in the table of tests.
6. `tests/laws/cause_examples.py`: an effect of any size from 0 to 1 on a stream that is like the reference. The laws of
   `tests/laws/test_cause_laws.py` then hold for it; a cause without an example fails them.

What a cause is about is its own affair: `FindingKey.subject` is a column's subject or the model's name. It takes what
it needs from the `Windows` of an evaluation, or from the tallies of `windows.parts`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, Finding, FindingKey
from monitor.judge.policy import Policy
from monitor.judge.prepared_reference import Floats, PreparedReference, Variability
from monitor.judge.windows import Windows
from monitor.stats.block import Block
from monitor.stats.promise import ExcessSight, ShareSight
from monitor.text import number

Ints = NDArray[np.int64]
M = TypeVar("M")


class CauseName(NamedTuple):
    """A `cause` of findings, as settings, series and JSON spell it, and what it is called in texts for people.

    `in_alert` and `on_page` follow the column's name in an alert and on the status page ("" is the name itself).
    `share` says which figure of a finding is the share of events it is about: its "value", its "effect", or "" none.
    `of_model` is what moved, in an alert of a finding about the model itself ("" is its predictions).
    """

    name: str
    in_alert: str = ""
    on_page: str = ""
    share: str = ""
    of_model: str = ""


class TicketReason(NamedTuple):
    """Why a subject's findings are at most tickets: one word for series and log, and a sentence for people."""

    word: str
    text: str


class Candidate(NamedTuple):
    """A window over its threshold: as much as it takes to choose one of a key; its finding is made when it is chosen.

    `began_us` gives the event time at which the change began.
    """

    key: FindingKey
    severity: str
    exceedance: float
    began_us: Callable[[], int]
    finding: Callable[[], Finding]


class Looks(NamedTuple):
    """Windows of L lengths that traffic of one rate will be looked at in.

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

    A cause measures when it is first asked, and once. `alpha` in (0, 1) is what each test may spend.
    """

    prepared: PreparedReference
    windows: Windows
    alpha: float
    #: longer windows vary as one of so many events does: nothing is extrapolated; None: as they are
    most_events: int | None = None
    _measured: dict[Hashable, object] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def variability(self) -> Variability:
        """What to expect of windows of these sizes."""
        return self.prepared.variability(self.known_sizes([span.events for span in self.windows.spans]))

    def known_sizes(self, sizes: Sequence[float]) -> Sequence[float]:
        """Events of windows, each at most `most_events`."""
        return sizes if self.most_events is None else [min(events, self.most_events) for events in sizes]

    def of(self, cause: Cause[M]) -> M:
        """What this cause measured."""
        if cause not in self._measured:
            self._measured[cause] = cause.measure(self)
        return cast("M", self._measured[cause])


class Cause(ABC, Generic[M]):
    """One kind of change, judged on windows of one model version. `M` is what it measures in an evaluation's windows.

    Equal windows give equal findings, however their events came. A cause may remember what it observed of panes and
    base windows (`observe`); then its findings do not depend on where checkpoints cut the stream.
    """

    #: the causes of its findings
    names: ClassVar[tuple[CauseName, ...]]
    #: causes that are no news of a subject while one of this cause is open on it
    explains: ClassVar[tuple[str, ...]] = ()
    #: of its state among the model's, "" where it keeps none; fixed for ever, as checkpoints hold it
    state_name: ClassVar[str] = ""

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        self.prepared = prepared
        self.policy = policy

    @abstractmethod
    def tests(self) -> int:
        """Tests made of one window length, over all columns: so much of the page budget it spends."""

    def tests_of_recent(self) -> int:
        """Tests made of the newest panes; 0 where `recent_candidates` gives none."""
        return 0

    def tests_made(self, evaluation: Evaluation) -> int:
        """Tests really made of an evaluation's windows: a column that has nothing to compare is not tested.

        A window of length 0 are the newest panes.
        """
        return sum(self.tests() if length else self.tests_of_recent() for length in evaluation.windows.lengths)

    @abstractmethod
    def measure(self, evaluation: Evaluation) -> M:
        """What `candidates` needs of all windows at once, vectorised; what only a finding needs is made on demand."""

    @abstractmethod
    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        """What is over its threshold, of each key the shortest window first.

        `recent` are the newest panes as one window, None where they are not known.
        """

    def recent_candidates(self, evaluation: Evaluation) -> Iterator[Candidate]:
        """What is over in the newest panes (one window of an evaluation of their own), at most one of each key.

        Called with every pane: most panes must cost next to nothing.
        """
        return iter(())

    @abstractmethod
    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        """How far over its threshold the subject of a finding is in the one window of an evaluation (1: at it).

        None where the finding is not of this cause.
        """

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """What has changed of a finding's subject in one window, as `left` compares it later.

        None where the finding is not of this cause, or where evidence alone says when it is over.
        """
        return None

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        """The part of the change `then` that the one window of an evaluation holds; NaN: that cannot be told.

        1: all of it, below 0: a change the other way.
        """
        return 0.0

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        """The effect of a finding, measured in the one window of an evaluation; None: its findings have one effect."""
        return None

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """(subject, figures of its worst window) of all that has something to say, over its threshold or not."""
        return iter(())

    def observe(self, pane: Block, base: Block | None) -> None:  # most causes remember nothing
        """Take the next pane, before anything is judged by it; `base` is the base window that it completes."""

    def to_state(self) -> dict[str, Any]:
        """What it remembers: bounded, of what the codec of checkpoints knows (plain values and arrays)."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # as above
        """Take what `to_state` gave. A cause that is not restored begins from nothing."""

    def ticket_reasons(self) -> dict[str, TicketReason]:
        """By subject why its findings are at most tickets now; subjects that may page are not in it."""
        return {}

    def share_sights(self, looks: Looks) -> list[ShareSight]:
        """By column what such looks can see of its distribution; empty where the cause is about something else."""
        return []

    def missing_sights(self, looks: Looks) -> dict[int, ExcessSight]:
        """By the place of a column what such looks can see of its missing values; only where they may page."""
        return {}

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        """The size of a change in words, for the status page; `numeric`: of a column of numbers."""
        return f"effect {number(figures.effect)}, statistic {number(figures.value)}{limit(figures)}"


class SequentialCause(Cause[None]):
    """A cause that is fed each pane in event-time order: a sequential detector, whose state cannot be merged.

    Its findings do not depend on where checkpoints cut the stream: `restore(to_state())` goes on as if nothing was.
    """

    @abstractmethod
    def follow(self, pane: Block) -> Iterable[Finding]:
        """Take the next pane; gives what is found with it."""

    def tests(self) -> int:
        """None on windows: a detector has a false-alarm rate of its own."""
        return 0

    def measure(self, evaluation: Evaluation) -> None:
        """Nothing is measured in windows."""

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        return iter(())

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return None


def limit(figures: Figures) -> str:
    """The threshold behind a figure, nothing where there is none."""
    return f" (threshold {number(figures.threshold)})" if figures.threshold == figures.threshold else ""


def places(over: NDArray[np.bool_]) -> Iterator[tuple[int, ...]]:
    """The indexes of what is true, in the order of the first axis."""
    return zip(*(axis.tolist() for axis in np.nonzero(over)), strict=True)
