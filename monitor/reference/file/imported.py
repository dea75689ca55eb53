"""What a reference file says of the import that it comes from, as it is validated."""

from __future__ import annotations

from typing import Annotated

import msgspec


class LimitRow(msgspec.Struct, gc=False):
    """A limit that the other system sets."""

    column: str
    name: str
    measure: str
    most: float
    why: str = ""


class ImportedRow(msgspec.Struct, gc=False, kw_only=True):
    """All of it."""

    source: Annotated[str, msgspec.Meta(min_length=1)] = msgspec.field(name="from")
    notes: list[str]
    limits: list[LimitRow]
    partial: list[str]
