"""A fault that comes and goes: how often the same was found before, as words.

By the resolved incidents that a book keeps. A column is the same whatever its cause; the model itself with the same
cause alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from monitor.clock import DAY_US
from monitor.findings import FindingKey
from monitor.judge.incidents.ended import Ended
from monitor.settings.duration import about

#: an incident that opened longer ago than this is no earlier time of the same fault
REACH_US: Final = 30 * DAY_US
_ORDINALS: Final = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def recurring(key: FindingKey, model: str, before: Iterable[Ended], at_us: int) -> str:
    """`third time in 2 days` for a finding of an incident that opened at `at_us`; "" for the first time."""
    times = [one.opened_at for one in before if at_us - one.opened_at <= REACH_US and _has(one, key, model)]
    if not times:
        return ""
    number = f"{_ORDINALS[len(times) - 1]} time" if len(times) <= len(_ORDINALS) else f"more than {len(times)} times"
    return f"{number} in {about(max(at_us - min(times), 1))}"


def _has(ended: Ended, key: FindingKey, model: str) -> bool:
    return any(one.subject == key.subject and (one.cause == key.cause or key.subject != model) for one in ended.keys)
