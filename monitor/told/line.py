"""One line of what was told: the event of a record, with its place in the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from monitor.chain import LEFT_OUT, LISTS, Head, Link, linked
from monitor.clock import parse_rfc3339
from monitor.kafka.cloud_events import ACT, INCIDENT, NOTICE, Tree

TRANSITION: Final = "transition"
ACT_KIND: Final = "act"
NOTICE_KIND: Final = "notice"
_KINDS: Final = {INCIDENT: TRANSITION, ACT: ACT_KIND, NOTICE: NOTICE_KIND}
#: the list of each kind that has one: hashed apart from the rest, so that no other may be there
_LIST_OF: Final = {TRANSITION: "findings", NOTICE_KIND: "models"}
#: what the data of each kind has at least, as text
_NEEDED: Final = {
    TRANSITION: ("incident", "transition", "model", "version", "severity", "at", "reference", "settings", "summary"),
    ACT_KIND: ("act",),
    NOTICE_KIND: ("notice", "at"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A transition, an act or a notice.

    `name` is the CloudEvent's id, `sent_us` when it was sent, `stored_us` the record's own time; None for the line of a
    replay, which was never sent. `link` is None where the line says nothing of a chain; `rest` stands for what was left
    out of its list.
    """

    kind: str
    name: str
    source: str
    data: Tree
    place: str
    sent_us: int | None = None
    stored_us: int | None = None
    link: Link | None = None
    rest: str = ""

    @property
    def told_us(self) -> int:
        """When it was told; of a replay, the time of its verdict."""
        return parse_rfc3339(self.data["at"]) if self.sent_us is None else self.sent_us

    def verifies(self) -> bool:
        """Whether its content gives the hash that it says; of a line in no chain nothing can be said."""
        said = self.link
        return said is None or (self._has_own_list() and self._link_of_content(said).hash == said.hash)

    def _has_own_list(self) -> bool:
        """Whether no list is there that lines of its kind do not have: its members would not be hashed."""
        own = _LIST_OF.get(self.kind, "")
        others = [name for name in LISTS if name != own]
        return not any(name in self.data or name + LEFT_OUT in self.data for name in others)

    def _link_of_content(self, said: Link) -> Link:
        return linked(Head(said.chain, said.number - 1, said.before), self.name, self.data, self.rest)


def line_of(event: Tree, place: str, stored_us: int | None) -> Line | None:
    """The line of an event in structured form; None if it is none that a daemon writes."""
    kind, data = _KINDS.get(str(event.get("type"))), event.get("data")
    if kind is None or not isinstance(data, dict) or not _is_whole(kind, data):
        return None
    try:
        sent_us = parse_rfc3339(event["time"])
        name, source, rest = str(event["id"]), str(event["source"]), str(event.get("chainrest", ""))
        return Line(kind, name, source, data, place, sent_us, stored_us, _link_in(event), rest)
    except (LookupError, TypeError, ValueError, OverflowError):
        return None


def line_of_replay(data: object, place: str) -> Line | None:
    """The line that `driftd replay --json` wrote; None if it is no transition."""
    if not isinstance(data, dict) or data.get("kind") != TRANSITION or not _is_whole(TRANSITION, data):
        return None
    return Line(TRANSITION, "", "", data, place)


def is_window(data: object) -> bool:
    """Whether it is a window of a column, as `driftd replay --json --windows` writes it."""
    if not isinstance(data, dict) or data.get("kind") != "window" or not isinstance(data.get("window"), dict):
        return False
    return all(isinstance(data.get(name), str) for name in ("model", "version")) and isinstance(
        data["window"].get("end"), str
    )


def _is_whole(kind: str, data: Tree) -> bool:
    if not all(isinstance(data.get(name), str) for name in _NEEDED[kind]):
        return False
    findings = data.get("findings", [])
    return isinstance(findings, list) and all(isinstance(one, dict) for one in findings) and _has_times(data)


def _has_times(data: Tree) -> bool:
    try:
        return all(parse_rfc3339(data[name]) > 0 for name in ("at", "since") if name in data)
    except (LookupError, TypeError, ValueError, OverflowError):
        return False


def _link_in(event: Tree) -> Link | None:
    if "chain" not in event:
        return None
    return Link(str(event["chain"]), int(event["chainnumber"]), str(event["chainbefore"]), str(event["chainhash"]))
