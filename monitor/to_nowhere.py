"""Where a replay writes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.events import Partition
from monitor.findings import Transition
from monitor.records import DeadLetter


class ToNowhere:
    """Outputs of a replay: transitions go to a callable, the rest is dropped."""

    def __init__(self, tell: Callable[[Transition], object]) -> None:
        self._tell = tell

    def reject(self, letter: DeadLetter) -> None:
        """Drop it: it is counted."""

    def rejects_safe(self) -> None:
        """Nothing is kept."""

    def save(self, tree: dict[str, Any]) -> None:
        """Nothing is kept."""

    def tell(self, transitions: Sequence[Transition]) -> None:
        for transition in transitions:
            self._tell(transition)

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """There is no group."""
