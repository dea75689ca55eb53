"""The memory of which model versions events came of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.events import ModelKey
from monitor.reference.monitored import Monitored

#: model versions without a reference that are remembered by name
WITHOUT_REFERENCE: Final = 20


class VersionsSeen:
    """Model versions that are monitored, in the order in which they came first; and the first ones that are not."""

    def __init__(self) -> None:
        self._monitored: dict[ModelKey, Monitored] = {}
        #: the first model versions that events came of, and that there was no reference for
        self.without_reference: list[ModelKey] = []

    def monitored(self, key: ModelKey) -> Monitored | None:
        return self._monitored.get(key)

    def __iter__(self) -> Iterator[ModelKey]:
        """The monitored ones, in the order in which they came first."""
        return iter(self._monitored)

    def of_model(self, model: str) -> int:
        """How many of one model are monitored."""
        return sum(key.model == model for key in self._monitored)

    def add(self, monitored: Monitored) -> None:
        """Remember it, or what it is judged by from now on."""
        self._monitored[monitored.key] = monitored

    def add_without_reference(self, key: ModelKey) -> None:
        if len(self.without_reference) < WITHOUT_REFERENCE and key not in self.without_reference:
            self.without_reference.append(key)
