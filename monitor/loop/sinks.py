"""The protocol of a pipeline's outputs, and the outputs of a replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from monitor.events import Partition
from monitor.findings import Rebase, Transition
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

    def publish(self, transitions: Sequence[Transition]) -> None:
        """Send transitions, in order, and wait until they are acknowledged."""

    def record(self, rebases: Sequence[Rebase]) -> None:
        """Send changes of references, in order, and wait until they are acknowledged."""

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

    def publish(self, transitions: Sequence[Transition]) -> None:
        for transition in transitions:
            self._on_transition(transition)

    def record(self, rebases: Sequence[Rebase]) -> None:
        """A replay has one reference from its beginning to its end."""

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """A replay has no consumer group."""
