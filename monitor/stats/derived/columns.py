"""The derived columns of one feature that is a vector or a text, and their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from monitor.stats.derived.texts import TextColumns
from monitor.stats.derived.vectors import VectorColumns

VECTOR: Final = "vector"
TEXT: Final = "text"
#: kinds of features of which driftd keeps derived columns only
DERIVED_KINDS: Final = (VECTOR, TEXT)
#: name of the derived column of a text's script
SCRIPT: Final = "script"


@dataclass(frozen=True)
class Derived:
    """What a feature's values become: columns of numbers and categories, and the *presence* of the feature.

    The presence has the feature's own name and one category, which every valid value has: only whether values are
    missing, absent or of the wrong type is counted with it. `left_out` are the full names of derived columns that are
    not wanted.
    """

    parent: str
    columns: VectorColumns | TextColumns
    left_out: frozenset[str] = frozenset()

    @property
    def kind(self) -> str:
        return VECTOR if isinstance(self.columns, VectorColumns) else TEXT

    @property
    def valid(self) -> str:
        """The category of a valid value."""
        return vector_of(self.columns.length) if isinstance(self.columns, VectorColumns) else TEXT

    @property
    def every_numeric(self) -> tuple[str, ...]:
        """Full names of the columns of numbers, wanted or not."""
        return tuple(derived_name(self.parent, name) for name in self.columns.numeric)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Full names of the columns of numbers: `emb.norm`."""
        return tuple(name for name in self.every_numeric if name not in self.left_out)

    @property
    def script(self) -> str:
        """Full name of the column of a text's script; "" if there is none."""
        name = derived_name(self.parent, SCRIPT)
        return name if self.kind == TEXT and name not in self.left_out else ""

    @property
    def categorical(self) -> tuple[str, ...]:
        """Full names of the columns of categories: the presence, and the script of a text."""
        return (self.parent, self.script) if self.script else (self.parent,)


def derived_name(parent: str, name: str) -> str:
    return f"{parent}.{name}"


def vector_of(numbers: int) -> str:
    """The category of vectors of this length."""
    return f"{numbers:,} number" + ("" if numbers == 1 else "s")
