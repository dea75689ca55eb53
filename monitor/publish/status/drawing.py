"""Draws a column's shares by bin as a small SVG: an area for the reference, a line for the live window.

Both are scaled to the largest share. The style of the page enlarges the drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

#: size of the drawing, in its own units
WIDTH: Final = 90
HEIGHT: Final = 20


def drawing(reference: Sequence[int], live: Sequence[int]) -> str:
    """An SVG with one path for each side that has counts; "" if neither has."""
    bins = max(len(reference), len(live))
    merged = -(-bins // WIDTH)  # neighbouring bins drawn as one, if there are more bins than units
    shares = [_shares(series, merged) for series in (reference, live)]
    largest = max((share for series in shares for share in series), default=0.0)
    if largest == 0:
        return ""
    width = WIDTH // -(-bins // merged)
    area, line = (_steps(series, width, largest) for series in shares)
    label = "live against reference" if area and line else "reference alone" if area else "live alone"
    paths = (f'<path d="{area}V{HEIGHT}H0z"/>' if area else "") + (f'<path d="{line}"/>' if line else "")
    only = ' class="only"' if not area else ""
    return f'<svg role="img" aria-label="{label}"{only}>{paths}</svg>'


def _shares(counts: Sequence[int], merged: int) -> list[float]:
    total = sum(counts)
    return [sum(counts[at : at + merged]) / total for at in range(0, len(counts), merged)] if total else []


def _steps(shares: Sequence[float], width: int, largest: float) -> str:
    """An SVG path along the tops of the bins, from the left; "" without shares."""
    if not shares:
        return ""
    tops = [HEIGHT - _height(share / largest) for share in shares]
    moves = [f"v{after - before}" if after != before else "" for before, after in pairwise(tops)]
    return f"M0 {tops[0]}h{width}" + "".join(f"{move}h{width}" for move in moves)


def _height(ratio: float) -> int:
    """The height in units: an integer, at least 1 for a ratio above 0."""
    return max(1, round(ratio * HEIGHT)) if ratio > 0 else 0
