"""Where a pipeline writes to: what it asks for, and nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from monitor.events import Partition
from monitor.findings import Transition
from monitor.records import DeadLetter
from monitor.state.parts import Cut


class Outputs(Protocol):
    """Where the pipeline writes to. Each call raises ExternalError when what it was given is not safe yet."""

    def reject(self, letter: DeadLetter) -> None:
        """Take a dead letter."""

    def rejects_safe(self) -> None:
        """Come back when all dead letters are acknowledged."""

    def save(self, cut: Cut) -> None:
        """Keep the state."""

    def tell(self, transitions: Sequence[Transition]) -> None:
        """Send transitions, in order; come back when they are acknowledged."""

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Mirror the positions to the consumer group."""


class ToNowhere:
    """Outputs of a replay: transitions go to a callable, the rest is dropped."""

    def __init__(self, tell: Callable[[Transition], object]) -> None:
        self._tell = tell

    def reject(self, letter: DeadLetter) -> None:
        """Drop it: it is counted."""

    def rejects_safe(self) -> None:
        """Nothing is kept."""

    def save(self, cut: Cut) -> None:
        """Nothing is kept."""

    def tell(self, transitions: Sequence[Transition]) -> None:
        for transition in transitions:
            self._tell(transition)

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """There is no group."""
