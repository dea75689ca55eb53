"""An audit as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.clock import rfc3339
from monitor.text import many
from monitor.told.audit import Audit
from monitor.told.incidents import Story
from monitor.told.line import Line
from monitor.visible import one_line


def audit_text(audit: Audit) -> str:
    """The text."""
    return "\n".join(one_line(line) if line else "" for line in _lines(audit))


def _lines(audit: Audit) -> Iterator[str]:
    begin = "the beginning" if audit.start_us is None else rfc3339(audit.start_us)
    yield f"Told on {audit.told.where} from {begin} to {rfc3339(audit.end_us)}"
    yield ""
    yield from verdict(audit)
    yield ""
    yield from _monitoring(audit)
    yield ""
    yield many(len(audit.stories), "incident")
    for story in audit.stories:
        yield ""
        yield from _story(story, audit)
    if audit.acts:
        yield ""
        yield "What people decided"
        for line in audit.acts:
            yield f"  {rfc3339(line.told_us)}  {act_words(line)}"


def verdict(audit: Audit) -> Iterator[str]:
    """Whether it is all there, and how that is known."""
    for fault in audit.faults:
        yield f"FAULT {fault.text}" + (f" ({fault.place})" if fault.place else "")
    for chain in audit.chains:
        again = f", {many(chain.repeats, 'line')} sent again" if chain.repeats else ""
        state = many(len(chain.faults), "fault") if chain.faults else "each follows the one before"
        yield f"chain {chain.name}: lines {chain.first} to {chain.last}, {state}{again}; head {chain.head}"
        for note in chain.notes:
            yield f"  {note}"
    if not audit.chains:
        yield "no line is in a chain: nothing tells whether one is missing or was changed"
    if audit.unchained:
        yield f"{many(audit.unchained, 'line')} from before the first chain: nothing tells whether they were changed"
    if audit.told.compacted:
        yield "the topic is compacted: of each incident only the newest transition is sure to be there"


def _monitoring(audit: Audit) -> Iterator[str]:
    found = audit.monitoring
    if not found.known:
        yield "No start or stop of the daemon is told: nothing is known of times without monitoring"
        return
    yield many(len(found.starts), "start") + " of the daemon in that time"
    for one in found.without:
        begin = "an unknown time" if one.start_us is None else rfc3339(one.start_us)
        end = "now" if one.end_us is None else rfc3339(one.end_us)
        yield f"  not running from {begin} to {end}: {one.why}"
    for line in found.gaps:
        yield f"  {rfc3339(line.told_us)}  {gap_words(line)}"


def _story(story: Story, audit: Audit) -> Iterator[str]:
    over = story.resolved
    team = audit.team_of(story.model)
    end = "open" if over is None else f"resolved {rfc3339(over.told_us)}"
    yield f"{story.incident}  {story.worst}  {end}" + (f"  for {team}" if team else "")
    if not story.is_whole:
        yield "  its beginning is not there"
    for line in story.lines:
        data = line.data
        sent = "" if audit.is_within(line) else "  (outside of that time)"
        yield f"  {rfc3339(line.told_us)}  {data['transition']}  {data['severity']}{sent}"
        yield f"    {data['summary']}"
        yield f"    reference {data['reference']}, settings {data['settings']}, record {line.place}"


def act_words(line: Line) -> str:
    """What an operator did."""
    data = line.data
    note = f" ({data['note']})" if data.get("note") else ""
    if data["act"] == "accept":
        return f"accepted {data.get('incident', '?')}{note}"
    reference = data.get("reference")
    after = reference.get("after", "?") if isinstance(reference, dict) else "?"
    return f"{data['act']} of {data.get('model', '?')} {data.get('version', '?')}: reference {after} from now on{note}"


def gap_words(line: Line) -> str:
    """Which records were gone."""
    data = line.data
    return (
        f"records of {data.get('partition', '?')} from {data.get('first', '?')} up to {data.get('next', '?')} were gone"
    )
