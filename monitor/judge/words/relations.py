"""Which column a changed relation is about, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.reference.column import SCORE

#: less than this part of a correlation is left: the columns no longer go together
LOST: Final = 0.3
#: pairs in a headline
NAMED: Final = 5


class Group(NamedTuple):
    """Pairs over their threshold that share a column; `key` is the one of them with the strongest tie."""

    column: int
    pairs: tuple[int, ...]
    key: int


def groups_of(over: Sequence[int], pairs: Sequence[tuple[int, int]], ties: Sequence[float]) -> list[Group]:
    """Pairs that are over, by the column that is in most of them; of two, that with the larger share of its pairs."""
    left, groups = list(over), []
    while left:
        columns = sorted({column for pair in left for column in pairs[pair]})
        column = max(columns, key=lambda one: (_within(one, left, pairs), -_watched(one, pairs), -one))
        own = tuple(pair for pair in left if column in pairs[pair])
        groups.append(Group(column, own, max(own, key=lambda pair: (ties[pair], -pair))))
        left = [pair for pair in left if pair not in own]
    return groups


def _within(column: int, some: Sequence[int], pairs: Sequence[tuple[int, int]]) -> int:
    return sum(column in pairs[pair] for pair in some)


def _watched(column: int, pairs: Sequence[tuple[int, int]]) -> int:
    return sum(column in pair for pair in pairs)


def headline(
    prepared: PreparedReference,
    pairs: Sequence[tuple[int, int]],
    group: Group,
    changes: Mapping[int, tuple[float, float]],
    exchanged: tuple[int, int] | None,
) -> str:
    """`A no longer goes with B (0.89 -> 0.02), C; A alone is unchanged: ...`; `changes` by pair."""
    names, column = prepared.subjects, prepared.columns[group.column]
    before, now = changes[group.key]
    first = [group.key, *(pair for pair in group.pairs if pair != group.key and pair in changes)]
    others = [names[_other(pairs[pair], group.column)] for pair in first]
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    partners = ", ".join([f"{others[0]} ({_arrow(before, now)})", *others[1:NAMED]]) + more
    what = f"{names[group.column]} {_verb(before, now)} {partners}"
    if exchanged is not None:
        return f"{names[exchanged[0]]} and {names[exchanged[1]]} look exchanged: {what}"
    if column.role == SCORE:
        return f"{what}; the score alone is unchanged: another model, or features of other events?"
    alone = names[group.column] if len(first) > 1 else "each"
    return f"{what}; {alone} alone is unchanged: a wrong join or shuffled rows?"


def detail(
    prepared: PreparedReference, pairs: Sequence[tuple[int, int]], changes: Mapping[int, tuple[float, float]]
) -> str:
    names = prepared.subjects
    shown = [f"{names[pairs[at][0]]}~{names[pairs[at][1]]}: {_arrow(*changes[at])}" for at in sorted(changes)]
    return (
        "how much they go together, -1 to 1, by three levels of each column, against the reference with the same "
        "shares of each: " + ", ".join(shown)
    )


def remark(other: str, before: float, now: float) -> str:
    """A relation that changed with a column that moved."""
    return f"{other} ({_arrow(before, now)})"


def _verb(before: float, now: float) -> str:
    kept = now / before if before else 1.0
    if kept < -LOST:
        return "goes the other way than"
    if kept < LOST:
        return "no longer goes with"
    return "goes less with" if kept < 1 else "goes more closely with"


def _arrow(before: float, now: float) -> str:
    return f"{before:.2f} -> {now + 0.0:.2f}".replace("-0.00", "0.00")


def _other(pair: tuple[int, int], column: int) -> int:
    return pair[1] if pair[0] == column else pair[0]
