"""Incidents that are over: what they were, from when to when, in the words that were said while they lasted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from monitor.clock import SECOND_US
from monitor.findings import FindingKey
from monitor.settings.duration import in_words
from monitor.text import listed

#: ended incidents that are kept of a model version
KEPT: Final = 10
#: findings of one incident that are remembered in words, the first ones it had
MAX_SAID: Final = 20
#: findings that the sentence about an end names
MAX_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """An incident that is over. `severity` is the worst it had; times are microseconds of event time.

    `since_us` is when the change began, `opened_at` when it was told, `ended_at` when it was over; `summary` is what
    was said at the end, `findings` the newest headline of each of its findings.
    """

    id: str
    severity: str
    since_us: int
    opened_at: int
    ended_at: int
    summary: str
    findings: tuple[str, ...]


def lasted(us: int) -> str:
    """`34 min`, `2 h 5 min`, `3 d 4 h`."""
    return in_words(us) if us >= SECOND_US else "less than 1 s"


def named(key: FindingKey) -> str:
    """A finding in two words: `euribor3m (outside)`, or `score` where subject and cause are one."""
    return key.subject if key.cause in {key.subject, "distribution"} else f"{key.subject} ({key.cause})"


def end_summary(model: str, opened_at: int, ended_at: int, keys: list[FindingKey], reason: str) -> str:
    """`bank-yes 3: resolved after 34 min: euribor3m (outside), score`; `reason` where no finding ended it."""
    names = list(dict.fromkeys(named(key) for key in keys))
    what = listed(names, MAX_NAMED)
    why = f" ({reason})" if reason else ""
    return f"{model}: resolved{why} after {lasted(ended_at - opened_at)}" + (f": {what}" if what else "")
