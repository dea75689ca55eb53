"""When nothing was monitored: from the notices of starts and stops, and of records that were gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from monitor.clock import parse_rfc3339
from monitor.notices import GAP, STARTED, STOPPED
from monitor.told.line import NOTICE_KIND, Line


class Without(NamedTuple):
    """A time in which the daemon did not run; None: it is not known when that began, or it has not ended.

    What came meanwhile was read afterwards, but for what `gaps` say.
    """

    start_us: int | None
    end_us: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Monitoring:
    """`starts`, `without`, and `gaps`: notices of records that were gone; `known`: there are any notices at all."""

    starts: list[Line] = field(default_factory=list)
    without: list[Without] = field(default_factory=list)
    gaps: list[Line] = field(default_factory=list)
    known: bool = False


def monitoring_of(lines: Iterable[Line], start_us: int | None, end_us: int) -> Monitoring:
    """What is known of the time from `start_us` up to `end_us`."""
    notices = [line for line in lines if line.kind == NOTICE_KIND]
    notices.sort(key=lambda line: (parse_rfc3339(line.data["at"]), line.link.number if line.link else 0))
    runs = [line for line in notices if line.data["notice"] in {STARTED, STOPPED}]
    without = [gap for before, now in pairwise(runs) if (gap := _between(before, now)) is not None]
    if runs and runs[0].data["notice"] == STARTED:
        without.insert(0, Without(None, _at(runs[0]), "before the first start that is known"))
    if runs and runs[-1].data["notice"] == STOPPED:
        without.append(Without(_at(runs[-1]), None, "stopped"))
    inside = [
        one
        for one in without
        if (one.start_us is None or one.start_us < end_us)
        and (one.end_us is None or start_us is None or one.end_us > start_us)
    ]
    here = [line for line in notices if (start_us is None or _at(line) >= start_us) and _at(line) < end_us]
    return Monitoring(
        [line for line in here if line.data["notice"] == STARTED],
        inside,
        [line for line in here if line.data["notice"] == GAP],
        bool(notices),
    )


def _between(before: Line, now: Line) -> Without | None:
    """The time without monitoring that a start ends."""
    if now.data["notice"] != STARTED:
        return None
    if before.data["notice"] == STOPPED:
        return Without(_at(before), _at(now), "stopped" + _afresh(now))
    saved = now.data.get("saved")
    since = parse_rfc3339(saved) if isinstance(saved, str) else None
    why = "ended without stopping; the last state is of the beginning" if since else "ended without stopping"
    return Without(since, _at(now), why + _afresh(now))


def _afresh(start: Line) -> str:
    return "" if start.data.get("state") == "restored" else ", and began without the state before"


def _at(line: Line) -> int:
    return parse_rfc3339(line.data["at"])
