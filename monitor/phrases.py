"""Counts and chances in words."""

from __future__ import annotations

import math


def many(count: int, one: str, more: str = "") -> str:
    """`1 page`, `2 pages`, `1,000 pages`; `more` where the plural is not the word with an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def probability(p: float) -> str:
    """`p = 3.1e-12`; what is too small for a float is said to be less."""
    return "p < 1e-300" if 0 <= p < 1e-300 else f"p = {p:.2g}" if not math.isnan(p) else "p not known"
