"""Formats foreign text, names, times and ages as HTML."""

from __future__ import annotations

import html
import re
from typing import Final

from monitor.clock import SECOND_US, rfc3339
from monitor.settings.duration import in_words

#: longest name and longest sentence on the page, in characters
NAME_LIMIT: Final = 80
SENTENCE_LIMIT: Final = 600
#: control characters, which HTML cannot hold, and marks that change the direction of the surrounding text
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def text(words: str, limit: int = SENTENCE_LIMIT) -> str:
    """Foreign text for an element or a quoted attribute: escaped, cut at `limit` characters."""
    cut = words if len(words) <= limit else words[: limit - 1] + "…"
    return html.escape(_UNPRINTABLE.sub("\ufffd", cut))


def name(words: str) -> str:
    """A foreign name in a `bdi` element, so that its writing direction does not affect the text around it."""
    return f"<bdi>{text(words, NAME_LIMIT)}</bdi>"


def moment(us: int, *, seconds: bool = False) -> str:
    """A `time` element in UTC; its text is to the minute, or to the second with `seconds`."""
    stamp = rfc3339(us - us % SECOND_US)
    return f'<time datetime="{stamp}">{stamp[:10]} {stamp[11 : 19 if seconds else 16]} UTC</time>'


def ago(us: int, now_us: int) -> str:
    """`3 h 5 min ago`; a time after `now_us` is shown as ahead of this clock."""
    return f"{in_words(now_us - us)} ago" if now_us >= us else f"{in_words(us - now_us)} ahead of this clock"


def since(us: int | None, now_us: int) -> str:
    """`since <time>, 3 h ago`, or `since an unknown time`."""
    return "since an unknown time" if us is None else f"since {moment(us)}, {ago(us, now_us)}"


def aged(us: int, now_us: int) -> str:
    """`3 h ago`, with the time in small print."""
    return f"{ago(us, now_us)} <small>{moment(us)}</small>"
