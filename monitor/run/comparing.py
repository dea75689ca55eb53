"""Two replays of the same records, under the settings of today and under others: the incidents each would have had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.findings import PAGE, SEVERITY_RANK, TICKET
from monitor.text import many

#: what became of an incident under the other settings, and its mark in front of a line for people
SAME, CHANGED, NEW, GONE = "same", "changed", "new", "gone"
MARKS: Final = {SAME: " ", CHANGED: "~", NEW: "+", GONE: "-"}

Line = dict[str, Any]


@dataclass(slots=True)
class Incident:
    """An incident of one replay. Times are RFC 3339; `paged` is "" if it never was a page, `resolved` while open.

    `severity` is the worst it had, `summary` that of the transition with which it got it; `findings` are all it had, as
    (subject, cause).
    """

    id: str
    model: str
    version: str
    severity: str
    since: str
    opened: str
    summary: str
    paged: str = ""
    resolved: str = ""
    findings: set[tuple[str, str]] = field(default_factory=set)

    def to_json(self) -> Line:
        return {
            "incident": self.id,
            "severity": self.severity,
            "since": self.since,
            "opened": self.opened,
            "paged": self.paged or None,
            "resolved": self.resolved or None,
            "findings": [{"subject": subject, "cause": cause} for subject, cause in sorted(self.findings)],
            "summary": self.summary,
        }

    def overlaps(self, other: Incident) -> bool:
        """Whether both were open at one time for one subject of the same model version."""
        if (self.model, self.version) != (other.model, other.version):
            return False
        begins, ends = max(self.opened, other.opened), [end for end in (self.resolved, other.resolved) if end]
        shared = {subject for subject, _ in self.findings} & {subject for subject, _ in other.findings}
        return bool(shared) and all(begins < end for end in ends)


class IncidentLog:
    """The incidents of a replay, from its lines."""

    def __init__(self) -> None:
        self._by_id: dict[str, Incident] = {}

    def take(self, line: Line) -> None:
        """Take any line of a replay; only transitions count."""
        if line["kind"] != "transition":
            return
        name = line["incident"]
        known = self._by_id.get(name)
        if known is None:
            place = (line["model"], line["version"], line["severity"], line["since"], line["at"], line["summary"])
            known = self._by_id[name] = Incident(name, *place)
        elif SEVERITY_RANK[line["severity"]] > SEVERITY_RANK[known.severity]:
            known.severity, known.summary = line["severity"], line["summary"]
        if line["severity"] == PAGE and not known.paged:
            known.paged = line["at"]
        if line["transition"] == "resolved":
            known.resolved = line["at"]
        known.findings |= {(finding["subject"], finding["cause"]) for finding in line["findings"]}

    def incidents(self) -> list[Incident]:
        """In the order in which they opened."""
        return list(self._by_id.values())


@dataclass(frozen=True, slots=True)
class Comparison:
    """One incident under both settings; at most one side is None. `differences` are texts, old before new."""

    old: Incident | None
    new: Incident | None
    differences: tuple[str, ...] = ()

    @property
    def change(self) -> str:
        if self.old is None:
            return NEW
        return GONE if self.new is None else CHANGED if self.differences else SAME

    @property
    def incident(self) -> Incident:
        """The new one, the old one if it is gone."""
        incident = self.new or self.old
        assert incident is not None, "one side is there"  # noqa: S101  # holds by construction
        return incident

    def to_json(self) -> Line:
        """A line of `replay --compare --json`."""
        return {
            "kind": "comparison",
            "model": self.incident.model,
            "version": self.incident.version,
            "change": self.change,
            "differences": list(self.differences),
            "old": None if self.old is None else self.old.to_json(),
            "new": None if self.new is None else self.new.to_json(),
        }


def compare(old: Sequence[Incident], new: Sequence[Incident]) -> list[Comparison]:
    """Pair the incidents of two replays, in order of time: by id, else by a common subject and time.

    An id tells the first window's end, so a finding that opens earlier or later gives another one.
    """
    by_id, taken = {one.id: one for one in new}, set[str]()
    pairs: list[Comparison] = []
    left = []
    for one in old:
        if one.id in by_id:
            taken.add(one.id)
            pairs.append(_pair(one, by_id[one.id]))
        else:
            left.append(one)
    for one in left:
        other = next((other for other in new if other.id not in taken and one.overlaps(other)), None)
        if other is not None:
            taken.add(other.id)
        pairs.append(Comparison(one, None) if other is None else _pair(one, other))
    pairs += [Comparison(None, one) for one in new if one.id not in taken]
    return sorted(pairs, key=lambda pair: (pair.incident.model, pair.incident.version, pair.incident.opened))


def _pair(old: Incident, new: Incident) -> Comparison:
    return Comparison(old, new, tuple(_differences(old, new)))


def _differences(old: Incident, new: Incident) -> Iterator[str]:
    if old.severity != new.severity:
        yield f"{old.severity} -> {new.severity}"
    if old.opened != new.opened:
        yield f"opened {old.opened} -> {new.opened}"
    if old.severity == new.severity == PAGE and old.paged != new.paged:
        yield f"paged {old.paged} -> {new.paged}"
    if old.resolved != new.resolved:
        yield f"resolved {old.resolved or 'still open'} -> {new.resolved or 'still open'}"
    for more, words in ((new.findings - old.findings, "with"), (old.findings - new.findings, "without")):
        if more:
            yield f"{words} {', '.join(f'{subject} ({cause})' for subject, cause in sorted(more))}"


def summary_line(pairs: Iterable[Comparison], old: Line, new: Line) -> Line:
    """The last line of `replay --compare --json`; `old` and `new` are the summaries of both replays."""
    counts = Counter(pair.change for pair in pairs)
    return {
        "kind": "comparison_summary",
        "incidents": {change: counts[change] for change in (SAME, CHANGED, NEW, GONE)},
        "old": old,
        "new": new,
    }


def human_lines(pairs: Sequence[Comparison], old: Line, new: Line, names: tuple[str, str]) -> Iterator[str]:
    """The comparison for a terminal; `names` of the settings files."""
    for pair in pairs:
        severity = pair.incident.severity
        if pair.change == CHANGED and pair.old is not None and pair.old.severity != severity:
            severity = f"{pair.old.severity} -> {severity}"
        yield f"{MARKS[pair.change]} {pair.change:<8} {severity:<16} {pair.incident.opened}  {pair.incident.summary}"
        for difference in pair.differences:
            yield f"{'':28}{difference}"
    yield "" if pairs else "no incident under either settings\n"
    for name, which, summary in ((names[0], "old", old), (names[1], "new", new)):
        for model in summary["models"]:
            counts = f"{many(model['pages'], PAGE)}, {many(model['tickets'], TICKET)}"
            yield f"{which} ({name}): {model['model']} {model['version']}: {counts}"
    counted = summary_line(pairs, old, new)["incidents"]
    yield f"{many(len(pairs), 'incident')}: " + ", ".join(f"{count} {change}" for change, count in counted.items())
