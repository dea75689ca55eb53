"""The model versions that had events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.events import ModelKey
from monitor.reference.monitored import Monitored

#: model versions without a reference that are remembered by name
WITHOUT_REFERENCE: Final = 20


class VersionsSeen:
    """Monitored model versions in order of first event, and the first ones that are not monitored."""

    def __init__(self) -> None:
        self._monitored: dict[ModelKey, Monitored] = {}
        #: the first model versions that had events but no reference
        self.without_reference: list[ModelKey] = []
        #: those that had no events for long while another version of their model had them
        self.retired: set[ModelKey] = set()

    def monitored(self, key: ModelKey) -> Monitored | None:
        return self._monitored.get(key)

    def __iter__(self) -> Iterator[ModelKey]:
        """The monitored ones, in order of first event."""
        return iter(self._monitored)

    def of_model(self, model: str) -> int:
        """Number of monitored versions of a model that are not retired."""
        return sum(key.model == model for key in self._monitored if key not in self.retired)

    def add(self, monitored: Monitored) -> None:
        """Add a model version, or replace its reference and settings."""
        self._monitored[monitored.key] = monitored

    def add_without_reference(self, key: ModelKey) -> None:
        if len(self.without_reference) < WITHOUT_REFERENCE and key not in self.without_reference:
            self.without_reference.append(key)
