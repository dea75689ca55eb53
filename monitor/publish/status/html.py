"""Text for people in HTML: escaped names, times in UTC, ages, shares and numbers that say when nothing is known."""

from __future__ import annotations

import html
import re
from typing import Final

from monitor.clock import SECOND_US, rfc3339
from monitor.settings.duration import in_words

#: what a name, and what a sentence may take of the page, in characters
NAME_LIMIT: Final = 80
SENTENCE_LIMIT: Final = 600
#: controls, which HTML cannot hold, and marks that turn the direction of the text around them
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def text(words: str, limit: int = SENTENCE_LIMIT) -> str:
    """Words from outside, for an element or a quoted attribute: cut at `limit`, escaped."""
    cut = words if len(words) <= limit else words[: limit - 1] + "…"
    return html.escape(_UNPRINTABLE.sub("\ufffd", cut))


def name(words: str) -> str:
    """A name from outside, in an element of its own: its direction of writing does not spill over."""
    return f"<bdi>{text(words, NAME_LIMIT)}</bdi>"


def moment(us: int, *, seconds: bool = False) -> str:
    """A time in UTC, for machines to the second, for people to the minute unless they want `seconds`."""
    stamp = rfc3339(us - us % SECOND_US)
    return f'<time datetime="{stamp}">{stamp[:10]} {stamp[11 : 19 if seconds else 16]} UTC</time>'


def ago(us: int, now_us: int) -> str:
    """How long before now; a clock that is ahead of ours is said, not hidden."""
    return f"{in_words(now_us - us)} ago" if now_us >= us else f"{in_words(us - now_us)} ahead of this clock"


def since(us: int | None, now_us: int) -> str:
    """`since <time>, 3 h ago`, or that the time is not known."""
    return "since an unknown time" if us is None else f"since {moment(us)}, {ago(us, now_us)}"


def aged(us: int, now_us: int) -> str:
    """How long ago large, the time itself small."""
    return f"{ago(us, now_us)} <small>{moment(us)}</small>"
