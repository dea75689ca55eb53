"""What a form gives."""

from __future__ import annotations

from typing import NamedTuple


class Written(NamedTuple):
    """The text of a form, and what it has no place for in words; None: it holds all."""

    text: str
    left_out: str | None = None
