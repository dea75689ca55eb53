"""Formats counts, shares, probabilities and JSON values for people."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from difflib import get_close_matches

from monitor.visible import one_line


def many(count: int, one: str, more: str = "") -> str:
    """`1 page`, `2 pages`, `1,000 pages`; `more` is the plural if it is not the singular with an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def listed(names: Iterable[str], most: int) -> str:
    """`a, b, c and 4 more`: the first ones by name."""
    several = list(names)
    more = f" and {len(several) - most:,} more" if len(several) > most else ""
    return ", ".join(several[:most]) + more


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean sex?` of the known word that is nearest, whatever its case; "" if none is near."""
    by_lower = {one.lower(): one for one in sorted(known)}
    near = get_close_matches(word.lower(), by_lower, 1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def probability(p: float) -> str:
    """`p = 3.1e-12`; `p < 1e-300` below that, where floats lose their digits."""
    return "p < 1e-300" if 0 <= p < 1e-300 else f"p = {p:.2g}" if not math.isnan(p) else "p not known"


def quoted(value: object, longest: int = 40) -> str:
    """A value as JSON, cut after `longest` characters; control characters are escaped."""
    text = json.dumps(value if not isinstance(value, str) else value[: longest + 1], ensure_ascii=False)
    text = one_line(text)
    if len(text) <= longest + 2:
        return text
    return text[:longest] + ('…"' if isinstance(value, str) else "…")


def percent(share: float) -> str:
    """`45.3 %`: three significant digits; 0 % and 100 % only if it is exactly that."""
    if math.isnan(share):
        return "not known"
    percentage = 100 * share
    if 0 < percentage < 0.01:
        return "under 0.01 %"
    if 99.9 < percentage < 100:
        return "over 99.9 %"
    return f"{percentage:.3g} %"


def number(value: float) -> str:
    """Three significant digits; all digits of the integer part below a million."""
    if math.isnan(value):
        return "not known"
    return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def expected(count: float) -> str:
    """How many of something rare are to be expected: `2.3`, `0.41`, `fewer than 0.01`, `none`."""
    if count <= 0:
        return "none"
    return "fewer than 0.01" if count < 0.01 else f"{count:,.0f}" if count >= 10 else f"{count:.2g}"
