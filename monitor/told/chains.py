"""Verifies the hash chains of what was told: is a line missing, changed or added?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from monitor.chain import Head
from monitor.text import many
from monitor.told.line import ACT_KIND, Line


class Fault(NamedTuple):
    """Something that can not be as it was sent; `place` is a record, "" where there is none."""

    text: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain: the numbers of its first and last line, how many are there, how many came again; its faults, and what
    is missing for a reason that is known."""

    name: str
    first: int
    last: int
    lines: int
    repeats: int
    head: str
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Kept(NamedTuple):
    """What the topic still has: `from_beginning` no partition has lost its first records, `all` nor any in between."""

    from_beginning: bool
    all: bool


def chains_of(lines: Sequence[Line], kept: Kept, head: Head | None = None) -> list[Chain]:
    """Every chain, in the order in which they began; `head` is where the daemon's state says that its own stands."""
    by_name: dict[str, list[Line]] = {}
    for line in lines:
        if line.link is not None:
            by_name.setdefault(line.link.chain, []).append(line)
    return [_chain(name, of_chain, kept, head) for name, of_chain in by_name.items()]


def outside(lines: Iterable[Line]) -> tuple[int, list[Fault]]:
    """How many lines from before the first chain there are, and those in no chain that came after it.

    What an operator did is never in a chain: its effect is.
    """
    before, faults, began = 0, list[Fault](), False
    for line in sorted(lines, key=lambda one: one.told_us):
        began |= line.link is not None
        if line.link is None and not (line.kind == ACT_KIND and line.data["act"] == "accept"):
            if began:
                faults.append(Fault(f"{line.name or line.kind} is in no chain, and a chain had begun", line.place))
            else:
                before += 1
    return before, faults


def _chain(name: str, lines: Sequence[Line], kept: Kept, head: Head | None) -> Chain:
    by_number: dict[int, dict[str, Line]] = {}
    faults, repeats = list[Fault](), 0
    for line in lines:
        assert line.link is not None  # noqa: S101  # these are those that have one
        if not line.verifies():
            faults.append(Fault(f"line {line.link.number} ({line.name}) was changed: its hash is another", line.place))
        same = by_number.setdefault(line.link.number, {})
        repeats += line.link.hash in same
        same.setdefault(line.link.hash, line)
    for number, several in sorted(by_number.items()):
        if len(several) > 1:
            places = ", ".join(one.place for one in several.values())
            text = f"line {number} is there {len(several)} times with different content: two states went on from one"
            faults.append(Fault(text, places))
    numbers = sorted(by_number)
    notes: list[str] = []
    _follow(by_number, numbers, kept, faults, notes)
    if numbers[0] > 1:
        _miss(1, numbers[0] - 1, faults, notes, "" if kept.from_beginning and kept.all else _BEGINNING)
    if head is not None and head.chain == name:
        faults += _of_state(by_number, numbers[-1], head)
    last = by_number[numbers[-1]]
    return Chain(name, numbers[0], numbers[-1], len(numbers), repeats, next(reversed(last)), faults, notes)


_BEGINNING = "the topic keeps no records of that age"
_COMPACTED = "the topic is compacted, or records of it are missing"


def _follow(
    by_number: Mapping[int, Mapping[str, Line]],
    numbers: Sequence[int],
    kept: Kept,
    faults: list[Fault],
    notes: list[str],
) -> None:
    """Whether each line follows the one before it, and none is missing in between."""
    for before, number in pairwise(numbers):
        if number > before + 1:
            reason = _COMPACTED if not kept.all else "" if kept.from_beginning else _ELSEWHERE
            _miss(before + 1, number - 1, faults, notes, reason)
            continue
        for line in by_number[number].values():
            if line.link is not None and line.link.before not in by_number[before]:
                faults.append(Fault(f"line {number} ({line.name}) does not follow line {before}", line.place))


_ELSEWHERE = "a partition of the topic keeps no records of that age"


def _miss(first: int, last: int, faults: list[Fault], notes: list[str], reason: str) -> None:
    what = f"line {first} is" if first == last else f"the lines {first} to {last} are"
    if reason:
        notes.append(f"{what} not there: {reason}")
    else:
        faults.append(Fault(f"{what} missing ({many(last - first + 1, 'line')})"))


def _of_state(by_number: Mapping[int, Mapping[str, Line]], last: int, head: Head) -> list[Fault]:
    """What the daemon's state knows to be acknowledged has to be there."""
    if last < head.number:
        return [Fault(f"the lines {last + 1} to {head.number} are missing: the daemon's state says they were sent")]
    known = by_number.get(head.number)
    return (
        [Fault(f"line {head.number} is not the one that the daemon's state knows")]
        if known and head.hash not in known
        else []
    )
