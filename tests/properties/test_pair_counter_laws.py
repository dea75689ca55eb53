"""Tables of pairs: the same as a recount event by event, however a stream is cut into polls and panes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.count.columns.pair_counter import GROUP, grouped
from monitor.count.exchange import Pane
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.reference.relations import PAIR_COUNTS
from monitor.stats.tallies.tally import Tally, merged, pack, unpack
from tests.engine import (
    EVENTS,
    NOW_US,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    blank,
    categorical,
    event,
    numeric,
    run_to_end,
    with_pairs,
)
from tests.engine import settings as settings_of

#: numbers with edges 1, 2, 3 within 0 to 10, and a category of three
COLUMNS = [numeric("a"), numeric("b"), categorical("c", ("x", "y", "z")), numeric("score", role="score")]
LEVELS = [(0, 0, 1, 2), (0, 1, 1, 2), (0, 1, 2), (0, 1, 2, 2)]
PAIRS = [(0, 1), (0, 2), (1, 2), (1, 3)]
REFERENCE = with_pairs(blank(COLUMNS), PAIRS, LEVELS)

numbers = st.none() | st.just(...) | st.sampled_from([-5, 0, 0.5, 1, 1.5, 2, 3, 4, 10, 99]) | st.just("text")
events_of = st.lists(
    st.fixed_dictionaries(
        {
            "a": numbers,
            "b": numbers,
            "c": st.none() | st.just(...) | st.sampled_from(["x", "y", "z", "new"]),
            "score": st.just(...) | st.sampled_from([0.0, 0.5, 1.0]),
            "features": st.booleans(),
        }
    ),
    min_size=1,
    max_size=40,
)


def made(values: Sequence[dict[str, Any]]) -> list[Event]:
    out = []
    for at, one in enumerate(values):
        fields: dict[str, Any] = {"id": str(at), "prediction": 1}
        if one["score"] is not ...:
            fields["score"] = one["score"]
        if one["features"]:
            fields["features"] = {name: one[name] for name in "abc" if one[name] is not ...}
        out.append(event(at * 3, **fields))
    return out


def level_of(name: str, value: object) -> int | None:
    """By hand: outside the range is the end level, a new category the last one."""
    levels = LEVELS[["a", "b", "c", "score"].index(name)]
    if value is None or value is ... or (name != "c" and isinstance(value, str)):
        return None
    if name == "c":
        return levels["xyz".index(value)] if value in {"x", "y", "z"} else max(levels)
    return levels[sum(value > edge for edge in (1, 2, 3))]  # type: ignore[operator]


def recounted(values: Iterable[dict[str, Any]]) -> list[int]:
    counted: Counter[tuple[int, int, int]] = Counter()
    for one in values:
        shown = one if one["features"] else one | dict.fromkeys("abc")
        levels = [level_of(name, shown[name]) for name in ("a", "b", "c", "score")]
        for number, (first, second) in enumerate(PAIRS):
            i, j = levels[first], levels[second]
            if i is not None and j is not None:
                counted[number, i, j] += 1
    return [counted[number, i, j] for number in range(len(PAIRS)) for i in range(3) for j in range(3)]


class Panes(StatelessStage2):
    def __init__(self) -> None:
        super().__init__()
        self.tallies: list[Tally] = []

    def judge(self, pane: Pane) -> None:
        self.tallies.append(pane.tally)


def tallies_of(values: Sequence[dict[str, Any]], poll: int) -> list[Tally]:
    tree, panes = settings_of(), Panes()
    source = MemorySource({EVENTS: made(values)}, chunk=poll)
    clock = ManualClock(NOW_US)
    pipeline = Pipeline(tree, admission_of(tree, REFERENCE), source, clock, Recorded(), stage2=panes, live=False)
    run_to_end(pipeline, source)
    return panes.tallies


@settings(max_examples=60, deadline=None)
@given(values=events_of, poll=st.integers(1, 50))
def test_tables_are_a_recount_of_the_events_and_do_not_depend_on_polls(values: list[dict[str, Any]], poll: int) -> None:
    tallies = tallies_of(values, poll)
    whole = merged(tallies).further[PAIR_COUNTS]
    assert whole.tolist() == recounted(values)
    assert merged(tallies[::-1]).further[PAIR_COUNTS].tolist() == whole.tolist()
    kept = merged([one.narrowed() for one in unpack(pack(tallies))])
    assert kept.further[PAIR_COUNTS].tolist() == whole.tolist()
    assert [one.further[PAIR_COUNTS].tolist() for one in tallies] == [
        one.further[PAIR_COUNTS].tolist() for one in tallies_of(values, 1_000)
    ]


@given(pairs=st.sets(st.sampled_from(list(combinations(range(12), 2))), min_size=1))
def test_every_pair_lies_in_a_group_of_a_few_columns(pairs: set[tuple[int, int]]) -> None:
    groups = grouped(sorted(pairs))
    assert all(any({a, b} <= set(group) for group in groups) for a, b in pairs)
    assert all(2 <= len(group) == len(set(group)) <= GROUP for group in groups)
    assert len(groups) <= len(pairs)
    assert grouped(sorted(pairs, reverse=True)) == groups


def test_columns_tied_in_a_circle_take_few_groups() -> None:
    circle = [(at, at + 1) for at in range(23)] + [(0, 23)]
    assert len(grouped(circle)) <= 9
    assert np.unique(np.concatenate(grouped(circle))).tolist() == list(range(24))
