"""An audit: all that was told in a range of time, whether it can be as it was sent, and when nothing was monitored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monitor import __version__
from monitor.chain import Head
from monitor.clock import rfc3339
from monitor.told.chains import Chain, Fault, Kept, chains_of, outside
from monitor.told.incidents import Story, stories_of
from monitor.told.line import ACT_KIND, Line
from monitor.told.monitoring import Monitoring, monitoring_of
from monitor.told.reading import Told, once

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was told from `start_us` up to `end_us`; the chains are those of the whole topic.

    `unchained`: lines of versions that had no chain; `team_of` gives whom a model's incidents are for, "" if unknown.
    """

    told: Told
    start_us: int | None
    end_us: int
    made_us: int
    stories: list[Story]
    acts: list[Line]
    monitoring: Monitoring
    chains: list[Chain]
    unchained: int
    faults: list[Fault]
    team_of: Callable[[str], str]

    def is_within(self, line: Line) -> bool:
        return (self.start_us is None or line.told_us >= self.start_us) and line.told_us < self.end_us


def audit_of(
    told: Told,
    start_us: int | None,
    end_us: int,
    made_us: int,
    *,
    head: Head | None = None,
    team_of: Callable[[str], str] = lambda _: "",
) -> Audit:
    """`head` is where the daemon's own state says that its chain stands, None where that is not known."""
    lines = list(once(told.lines))
    kept = Kept(told.from_beginning, told.keeps_all)
    chains = chains_of(told.lines, kept, head)
    unchained, faults = outside(lines)
    if head is not None and head.number and head.chain not in {chain.name for chain in chains}:
        faults = [Fault(f"the chain of the daemon's state, {head.chain}, is not there at all"), *faults]
    within = [line for line in lines if (start_us is None or line.told_us >= start_us) and line.told_us < end_us]
    return Audit(
        told,
        start_us,
        end_us,
        made_us,
        [story for story in stories_of(lines) if story.touches(start_us, end_us)],
        sorted((line for line in within if line.kind == ACT_KIND), key=lambda line: line.told_us),
        monitoring_of(lines, start_us, end_us),
        chains,
        unchained,
        [*(fault for chain in chains for fault in chain.faults), *faults],
        team_of,
    )


def audit_json(audit: Audit) -> Tree:
    """The object of `driftd audit --json`."""
    told = audit.told
    return {
        "kind": "audit",
        "driftd": __version__,
        "made": rfc3339(audit.made_us),
        "from": _time(audit.start_us),
        "to": rfc3339(audit.end_us),
        "read": {
            "source": told.where,
            "lines": len(told.lines),
            "of_other_groups": told.others,
            "not_understood": told.not_understood,
            "compacted": told.compacted,
            "offsets_missing": told.holes,
            "first_offsets": {str(partition): offset for partition, offset in sorted(told.begins.items())},
        },
        "faults": [_fault(fault) for fault in audit.faults],
        "chains": [_chain(chain) for chain in audit.chains],
        "before_chains": audit.unchained,
        "monitoring": _monitoring(audit.monitoring),
        "incidents": [_story(story, audit) for story in audit.stories],
        "acts": [line_json(line) for line in audit.acts],
    }


def line_json(line: Line) -> Tree:
    """A line with when it was sent, where it is, and its place in the chain."""
    link = line.link
    return {
        "sent": _time(line.sent_us),
        "stored": _time(line.stored_us),
        "place": line.place,
        "chain": None if link is None else {**link._asdict(), "verifies": line.verifies()},
        "data": line.data,
    }


def _story(story: Story, audit: Audit) -> Tree:
    over = story.resolved
    return {
        "incident": story.incident,
        "model": story.model,
        "version": story.version,
        "team": audit.team_of(story.model),
        "worst": story.worst,
        "opened": _time(story.lines[0].told_us) if story.is_whole else None,
        "resolved": None if over is None else _time(over.told_us),
        "transitions": [line_json(line) | {"within": audit.is_within(line)} for line in story.lines],
    }


def _monitoring(monitoring: Monitoring) -> Tree:
    return {
        "known": monitoring.known,
        "starts": [line_json(line) for line in monitoring.starts],
        "without": [
            {"from": _time(one.start_us), "to": _time(one.end_us), "why": one.why} for one in monitoring.without
        ],
        "records_gone": [line_json(line) for line in monitoring.gaps],
    }


def _chain(chain: Chain) -> Tree:
    return {
        "chain": chain.name,
        "first": chain.first,
        "last": chain.last,
        "lines": chain.lines,
        "sent_again": chain.repeats,
        "head": chain.head,
        "faults": [_fault(fault) for fault in chain.faults],
        "notes": chain.notes,
    }


def _fault(fault: Fault) -> Tree:
    return {"what": fault.text, "place": fault.place}


def _time(us: int | None) -> str | None:
    return None if us is None else rfc3339(us)
