"""Counts in words."""

from __future__ import annotations


def many(count: int, one: str, more: str = "") -> str:
    """`1 page`, `2 pages`, `1,000 pages`; `more` where the plural is not the word with an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
