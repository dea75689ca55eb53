"""Incidents from their transitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monitor.findings import SEVERITY_RANK
from monitor.told.line import TRANSITION, Line

OPENED: Final = "opened"
RESOLVED: Final = "resolved"


@dataclass(frozen=True, slots=True)
class Story:
    """The transitions of one incident that are there, in their order."""

    incident: str
    lines: tuple[Line, ...]

    @property
    def model(self) -> str:
        return str(self.lines[0].data["model"])

    @property
    def version(self) -> str:
        return str(self.lines[0].data["version"])

    @property
    def worst(self) -> str:
        """The worst severity that was told."""
        told = [str(line.data["severity"]) for line in self.lines]
        return max(told, key=lambda severity: SEVERITY_RANK.get(severity, -1))

    @property
    def is_whole(self) -> bool:
        """Whether its first transition is there."""
        return str(self.lines[0].data["transition"]) == OPENED

    @property
    def resolved(self) -> Line | None:
        last = self.lines[-1]
        return last if last.data["transition"] == RESOLVED else None

    def touches(self, start_us: int | None, end_us: int) -> bool:
        """Whether it was open, or told of, at any time from `start_us` up to `end_us`."""
        over = self.resolved
        return self.lines[0].told_us < end_us and (start_us is None or over is None or over.told_us >= start_us)


def stories_of(lines: Iterable[Line]) -> list[Story]:
    """Every incident, in the order in which they were told of first."""
    by_incident: dict[str, list[Line]] = {}
    for line in lines:
        if line.kind == TRANSITION:
            by_incident.setdefault(str(line.data["incident"]), []).append(line)
    return [
        Story(incident, tuple(sorted(several, key=_number)))
        for incident, several in sorted(by_incident.items(), key=lambda one: min(line.told_us for line in one[1]))
    ]


def _number(line: Line) -> int:
    """Its number within the incident; lines of a replay are in their order."""
    number = line.name.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0
