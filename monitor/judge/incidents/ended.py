"""Resolved incidents: their findings, severity and times, with the headlines they had while open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monitor.clock import SECOND_US
from monitor.findings import FindingKey
from monitor.settings.duration import in_words
from monitor.text import listed

#: resolved incidents kept per model version
KEPT: Final = 10
#: findings of one incident whose headlines are kept, the first ones it had
MAX_HEADLINES: Final = 20
#: findings named in the summary of a resolved incident
MAX_NAMED: Final = 5
#: reasons that a message gives for findings that ended at one moment
MAX_REASONS: Final = 3


@dataclass(frozen=True, slots=True)
class Ended:
    """A resolved incident. `severity` is the worst it had; times are microseconds of event time.

    `since_us` is when the change began, `opened_at` when the incident opened, `ended_at` when it was resolved;
    `summary` is that of the resolving transition, `findings` the newest headline of each of its findings, `keys` what
    these are about; none where the incident did not end with its findings, but for a reason outside the stream.
    """

    id: str
    severity: str
    since_us: int
    opened_at: int
    ended_at: int
    summary: str
    findings: tuple[str, ...]
    keys: tuple[FindingKey, ...] = ()


def lasted(us: int) -> str:
    """`34 min`, `2 h 5 min`, `3 d 4 h`."""
    return in_words(us) if us >= SECOND_US else "less than 1 s"


def named(key: FindingKey) -> str:
    """A finding's short name: `euribor3m (outside)`, or `score` where subject and cause have the same name.

    Of a segment `AGE in SEX=2`.
    """
    of = f"{key.subject} in {key.segment}" if key.segment else key.subject
    return of if key.cause in {key.subject, "distribution"} else f"{of} ({key.cause})"


def end_summary(model: str, opened_at: int, ended_at: int, keys: list[FindingKey], reason: str) -> str:
    """`bank 3: resolved after 34 min; it was euribor3m (outside), score`; with `reason` if no finding ended it."""
    names = list(dict.fromkeys(named(key) for key in keys))
    what = listed(names, MAX_NAMED)
    why = f" ({reason})" if reason else ""
    return f"{model}: resolved{why} after {lasted(ended_at - opened_at)}" + (f"; it was {what}" if what else "")


def why_ended(reasons: Iterable[str]) -> str:
    """Why findings ended at one moment, "" where any ended by its windows."""
    each = dict.fromkeys(reasons)
    return listed(each, MAX_REASONS) if "" not in each else ""


def also_ended(reason: str) -> str:
    """The same at the end of the summary of an incident that goes on."""
    return f"; no longer in it: {reason}" if reason else ""
