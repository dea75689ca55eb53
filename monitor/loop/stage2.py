"""The protocol of stage 2: what receives the complete panes from the exchange."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Protocol

from monitor.chain import Head, Told
from monitor.count.exchange import Pane
from monitor.count.labels.cohorts import LabelCohort
from monitor.events import ModelKey
from monitor.judge.judge_state import JudgeState


class Stage2(Protocol):
    """Receives the complete panes: the fleet, or a collector that builds a reference."""

    #: what is to be told, oldest first, and where the chain of what was told before stands
    unsent: deque[Told]
    head: Head

    def meet(self, joined_until_us: Callable[[str], float]) -> None:
        """Be given, before all else, what tells up to when the labels of a model are joined with its predictions."""

    def judge(self, pane: Pane) -> None:
        """Take a pane; those of one model version come in time order."""

    def pass_time(self, now_us: int, waited_us: Callable[[ModelKey], int]) -> None:
        """The wall clock is at `now_us`: find what is due because no event comes.

        `waited_us`: for how many microseconds no event of a model version has arrived, all that came being judged.
        """

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        """Take labels that took effect before `until_us`, each once; no later call has an earlier time.

        Inline ones are of the predictions of the pane that comes next, which ends then.
        """

    def sent(self, told: Iterable[Told]) -> None:
        """Note that these were acknowledged, oldest first."""

    def begin(self, key: ModelKey, events: int, labels: int, at_us: int) -> None:
        """A model version is judged from its next pane on; so many events and labels came before, in its warm-up."""

    def forget(self, key: ModelKey) -> None:
        """The model version got another reference: drop its windows and incidents."""

    def judged(self) -> list[ModelKey]:
        """The model versions that have any state here."""

    def mark(self, key: ModelKey) -> Hashable:
        """Changes whenever `to_state` of the model version would."""

    def to_state(self, key: ModelKey) -> JudgeState | None:
        """What a checkpoint keeps of a model version."""

    def restore(self, judges: Iterable[JudgeState], unsent: Iterable[Told], head: Head | None = None) -> list[ModelKey]:
        """Continue from a saved state; returns the model versions that start from scratch."""


class StatelessStage2:
    """Base of a stage 2 that only collects: it has no incidents, ignores labels and saves nothing."""

    def __init__(self) -> None:
        self.unsent: deque[Told] = deque()
        self.head = Head()

    def meet(self, joined_until_us: Callable[[str], float]) -> None:
        """Ignored."""

    def pass_time(self, now_us: int, waited_us: Callable[[ModelKey], int]) -> None:
        """Ignored."""

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        """Ignored."""

    def sent(self, told: Iterable[Told]) -> None:
        """There are none."""

    def begin(self, key: ModelKey, events: int, labels: int, at_us: int) -> None:
        """There is no state."""

    def forget(self, key: ModelKey) -> None:
        """There is no state."""

    def judged(self) -> list[ModelKey]:
        return []

    def mark(self, key: ModelKey) -> Hashable:
        return None

    def to_state(self, key: ModelKey) -> JudgeState | None:
        return None

    def restore(self, judges: Iterable[JudgeState], unsent: Iterable[Told], head: Head | None = None) -> list[ModelKey]:
        return []
