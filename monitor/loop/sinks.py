"""The protocol of a pipeline's outputs, and the outputs of a replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from monitor.chain import Head, Told
from monitor.events import Partition
from monitor.findings import Transition
from monitor.records import DeadLetter
from monitor.state.parts import Cut


class Outputs(Protocol):
    """The outputs of a pipeline. Each call raises ExternalError if it failed or was not acknowledged in time.

    `reject` and `freeze` are called by the loop, the others beside it, one at a time.
    """

    def reject(self, letter: DeadLetter) -> None:
        """Queue a dead letter."""

    def flush_rejects(self) -> None:
        """Wait until all dead letters are acknowledged."""

    def freeze(self, cut: Cut) -> Cut:
        """What `save` needs of a cut, as values that do not change; nothing is being saved meanwhile."""

    def save(self, cut: Cut) -> None:
        """Save the state durably; the cut is a frozen one."""

    def publish(self, told: Sequence[Told], head: Head) -> None:
        """Send these, in order, and wait until they are acknowledged; `head` is where their chain stands before."""

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Mirror the positions to the consumer group's offsets."""


class ReplayOutputs:
    """Outputs of a replay: transitions are passed to a callable, everything else is dropped."""

    def __init__(self, on_transition: Callable[[Transition], object]) -> None:
        self._on_transition = on_transition

    def reject(self, letter: DeadLetter) -> None:
        """Drop it; the pipeline has counted it."""

    def flush_rejects(self) -> None:
        """Nothing to wait for."""

    def freeze(self, cut: Cut) -> Cut:
        return cut.frozen(())

    def save(self, cut: Cut) -> None:
        """A replay has no checkpoints."""

    def publish(self, told: Sequence[Told], head: Head) -> None:
        """Its transitions; a replay has one reference from its beginning to its end, and says nothing of itself."""
        for one in told:
            if isinstance(one, Transition):
                self._on_transition(one)

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """A replay has no consumer group."""
