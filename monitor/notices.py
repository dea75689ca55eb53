"""What the daemon tells of itself on the alert topic: when it started and stopped, and what it could not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.clock import rfc3339

STARTED: Final = "started"
STOPPED: Final = "stopped"
#: records that were gone before they were read
GAP: Final = "gap"


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact about the monitoring itself. `at_us` is of the wall clock; `facts` are plain JSON values.

    `place` tells two notices of the same moment apart.
    """

    notice: str
    at_us: int
    place: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The CloudEvent's id: the same after a crash."""
        return "/".join(filter(None, (self.notice, self.place, str(self.at_us))))

    def to_json(self) -> dict[str, Any]:
        """The notice as on the alert topic."""
        return {"kind": "notice", "notice": self.notice, "at": rfc3339(self.at_us), **self.facts}
