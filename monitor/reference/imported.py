"""What a reference knows of the import that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Limit(NamedTuple):
    """A limit that another system sets: `name` as it is spelt there, on a column ("" on the whole data).

    `measure` is what is held against `most`: a share of events (`missing`, `unseen`, `outside`, `type`), or a distance
    from the reference (`linf`, `jensen_shannon`, ...). "" is one that is not judged, for the reason `why`.
    """

    column: str
    name: str
    measure: str
    most: float
    why: str = ""

    def to_plain(self) -> dict[str, Any]:
        why = {"why": self.why} if self.why else {}
        return {"column": self.column, "name": self.name, "measure": self.measure, "most": self.most, **why}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Limit:
        return cls(plain["column"], plain["name"], plain["measure"], float(plain["most"]), plain.get("why", ""))


@dataclass(frozen=True, slots=True)
class Imported:
    """The `system` it comes from, what it could not give in `notes`, and the `limits` it sets.

    `partial` are the categorical columns of which it lists only the most frequent categories; `ranges` are the lowest
    and highest value that a column may have by its limits.
    """

    system: str
    notes: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    partial: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        return {
            "from": self.system,
            "notes": list(self.notes),
            "limits": [limit.to_plain() for limit in self.limits],
            "partial": list(self.partial),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Imported:
        limits = tuple(map(Limit.from_plain, plain["limits"]))
        return cls(plain["from"], tuple(plain["notes"]), limits, tuple(plain["partial"]))
