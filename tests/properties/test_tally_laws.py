"""Tallies: merging is exact in any order and grouping, and counting is the same however events are cut into batches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import SECOND_US
from monitor.events import Partition
from monitor.reference.column import PREDICTION, SCORE, Column
from monitor.state.codec import decode, encode
from monitor.stats.bins.name_bins import as_extreme, hashes_of
from monitor.stats.bins.reference_bins import QUALITY_COUNTS, UNSEEN
from monitor.stats.tallies.names import KEPT, Names, add, kept, shortened
from monitor.stats.tallies.tally import (
    BELOW,
    CLIP_SD,
    FAR_COUNT,
    FAR_SD,
    FAR_SQUARE_UNIT,
    FAR_SQUARES,
    FAR_SUM,
    FAR_UNIT,
    SQUARE_UNIT,
    SUMS,
    UNIT,
    Tally,
    merged,
    pack,
    pack_mixed,
    unpack,
    unpack_mixed,
)
from tests import oracles
from tests.engine import (
    CREDIT,
    EVENTS,
    START_US,
    Event,
    MemorySource,
    admission_of,
    batch_of,
    blank,
    categorical,
    event,
    numeric,
    pipeline_of,
    plain,
)
from tests.engine import settings as settings_of

COLUMNS = 2
BINS = 3


never_seen = st.dictionaries(st.integers(0, 40).map("new{}".format), st.integers(1, 9), min_size=1, max_size=30)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    tally = Tally.empty(COLUMNS, BINS)
    size = COLUMNS * (BINS + len(QUALITY_COUNTS))
    tally.counts += np.reshape(draw(st.lists(st.integers(0, 99), min_size=size, max_size=size)), (COLUMNS, -1))
    sums = draw(st.lists(st.integers(-(2**40), 2**40), min_size=COLUMNS * SUMS, max_size=COLUMNS * SUMS))
    tally.sums += np.reshape(sums, (COLUMNS, -1))
    for extremes in (tally.lows, tally.highs):
        if draw(st.booleans()):
            extremes[:] = draw(st.lists(st.floats(-1e300, 1e300), min_size=COLUMNS, max_size=COLUMNS))
    tally.predictions, tally.feature_events = (draw(st.integers(0, 50)) for _ in range(2))
    for topic, number, first, length in draw(
        st.lists(st.tuples(st.sampled_from("xy"), st.integers(0, 1), st.integers(0, 99), st.integers(0, 9)), max_size=3)
    ):
        tally.add_records(Partition(topic, number), first, first + length)
    for column, counted in draw(st.dictionaries(st.integers(0, COLUMNS - 1), never_seen, max_size=COLUMNS)).items():
        tally.unseen[column] = kept(Counter(counted))
    for name, size in draw(st.sets(st.sampled_from([("pairs", 4), ("clients", 2)]))):
        tally.further[name] = np.array(draw(st.lists(st.integers(-99, 99), min_size=size, max_size=size)), np.int64)
    return tally


def content(tally: Tally) -> object:
    state = tally.to_state()
    return plain({**state, "records": sorted(state["records"])})


@settings(deadline=None)
@given(tallies(), tallies(), tallies())
def test_merging_is_associative_and_commutative_to_the_last_digit(a: Tally, b: Tally, c: Tally) -> None:
    assert content(merged([merged([a, b]), c])) == content(merged([a, merged([b, c])]))
    assert content(merged([a, b])) == content(merged([b, a]))


@settings(deadline=None)
@given(tallies())
def test_an_empty_tally_changes_nothing(a: Tally) -> None:
    empty = Tally.empty(COLUMNS, BINS)
    assert content(merged([a, empty])) == content(merged([empty, a])) == content(a)


@settings(deadline=None)
@given(tallies(), tallies())
def test_merging_leaves_what_was_merged_as_it_was(a: Tally, b: Tally) -> None:
    before = content(a), content(b)
    total = merged([a, b])
    total.merge(b)
    assert (content(a), content(b)) == before
    assert total.events == a.events + 2 * b.events


@settings(deadline=None)
@given(tallies(), tallies(), st.sampled_from([1, 2**8, 2**16, 2**31, 2**40]))
def test_a_narrowed_tally_is_the_same_and_adds_up_as_it_does(a: Tally, b: Tally, scale: int) -> None:
    a.counts *= scale
    a.sums *= scale
    narrow, before = a.narrowed(), content(a)
    assert content(narrow) == before
    assert narrow.counts.nbytes <= a.counts.nbytes
    assert content(merged([narrow, b.narrowed()])) == content(merged([a, b]))
    twice = narrow.copy()
    twice.merge(narrow)
    assert twice.counts.tolist() == (2 * a.counts).tolist()
    assert (content(narrow), content(a)) == (before, before)
    assert [content(tally) for tally in unpack(decode(encode(pack([narrow, b]))))] == [before, content(b)]


@settings(deadline=None)
@given(tallies())
def test_a_tally_comes_back_from_its_state(a: Tally) -> None:
    back = Tally.from_state(decode(encode(a.to_state())))
    assert content(back) == content(a)
    back.merge(a)  # and its arrays may be written


@settings(deadline=None)
@given(st.lists(tallies(), max_size=4))
def test_many_tallies_come_back_from_their_pack(many: list[Tally]) -> None:
    back = unpack(decode(encode(pack(many))))
    assert [content(tally) for tally in back] == [content(tally) for tally in many]
    for tally in back:
        tally.merge(tally.copy())
    assert [tally.events for tally in back] == [2 * tally.events for tally in many]


@settings(deadline=None)
@given(st.lists(tallies(), min_size=1, max_size=4))
def test_tallies_of_the_version_before_are_taken(many: list[Tally]) -> None:
    for tally in many:
        tally.unseen.clear()
        tally.sums[:, BELOW:] = 0  # which it did not count
    state = pack(many)
    del state["unseen"]
    state |= {"events": np.insert(state["events"], 2, 7, axis=1), "pairs": [[["0", "1", 5]]] * len(many)}
    state["sums"] = np.stack([tally.sums[:, :BELOW] for tally in many]).reshape(len(many), -1)
    for back, tally in zip(unpack(decode(encode(state))), many, strict=True):
        assert (back.counts.tolist(), back.sums.tolist()) == (tally.counts.tolist(), tally.sums.tolist())
        assert (back.predictions, back.feature_events) == (tally.predictions, tally.feature_events)
        # what is not known to be one value is none
        assert ((back.lows == back.highs) <= (tally.lows == tally.highs)).all()
        assert not ((back.lows > back.highs) & (back.counts[:, :BINS].sum(1) > 0)).any()


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=40), min_size=1, max_size=5), st.randoms())
def test_the_names_that_are_kept_have_exact_counts_in_whatever_order_they_are_merged(
    parts: list[list[int]], random: Random
) -> None:
    exact = Counter(f"new{n}" for part in parts for n in part)
    counters = [kept(Counter(f"new{n}" for n in part)) for part in parts]
    together: Names = {}
    add(together, {0: counters[0]})
    for counter in counters[1:]:
        add(together, {0: counter})
    random.shuffle(counters)
    shuffled: Names = {}
    for counter in counters:
        add(shuffled, {0: counter})
    assert together == shuffled
    assert len(together[0]) == min(KEPT, len(exact))
    assert {name: exact[name] for name in together[0]} == together[0]


@settings(deadline=None)
@given(st.lists(tallies(), max_size=3), st.lists(st.integers(1, 4), max_size=3))
def test_tallies_of_any_columns_come_back_from_their_pack(many: list[Tally], columns: list[int]) -> None:
    mixed = [*many, *(Tally.empty(number, 5 - number) for number in columns)]
    back = unpack_mixed(decode(encode(pack_mixed(mixed))))
    assert [content(tally) for tally in back] == [content(tally) for tally in mixed]
    for tally in back:
        tally.merge(tally.copy())
    assert [tally.events for tally in back] == [2 * tally.events for tally in mixed]


# counting, against a recount in plain Python

TREE = settings_of()
OTHERS = ("7", "x")
REFERENCE = blank(
    [
        numeric("AGE", edges=(1, 2, 3.5), low=-1, high=10),
        categorical("EDU", ("a", "1", "b"), others=OTHERS),
        numeric("score", edges=(0.5,), low=0, high=1, role=SCORE),
        categorical("prediction", ("0", "1"), role=PREDICTION),
    ]
)
WIDTH = REFERENCE.width
KNOWN = {"a", "1", "b", *OTHERS}
AGE, EDU, SCORE_AT, PREDICTION_AT = range(4)

ages: st.SearchStrategy[object] = st.sampled_from(
    [..., None, -1, -1.0000001, 0.5, 1, 1.5, 2.0, 3.5, 3.6, 10, 10.5, -0.0, 1e300, "2", True, [1]]
)
educations: st.SearchStrategy[object] = st.sampled_from(
    [..., None, "a", "b", 1, 1.0, True, "1", "1.0", 7, "x", "never", "", {"a": 1}, [], 2.5]
)


CELLS: dict[str, list[object]] = {
    "score": [..., 0, 0.5, 0.7, 1],
    "prediction": [..., 0, 1, True, "1", "2"],
    "label": [..., 0, 1, "3"],
}


@st.composite
def counted_events(draw: st.DrawFn) -> Event:
    """A prediction or features event of the model, within two panes."""
    made = event(draw(st.integers(0, 19)))
    features = {"AGE": draw(ages), "EDU": draw(educations), "other": 5}
    if draw(st.booleans()) or draw(st.booleans()):
        made["features"] = {name: value for name, value in features.items() if value is not Ellipsis}
    if draw(st.booleans()):
        return made | {"type": "features", "features": made.get("features", {})}
    for name, values in CELLS.items():
        value = draw(st.sampled_from(values))
        if value is not Ellipsis:
            made[name] = value
    return made


@st.composite
def cuts(draw: st.DrawFn) -> list[list[Event]]:
    """Some events, cut into batches anywhere."""
    events = draw(st.lists(counted_events(), min_size=1, max_size=25))
    places = sorted(draw(st.lists(st.integers(0, len(events)), max_size=5)))
    return [events[a:b] for a, b in zip([0, *places], [*places, len(events)], strict=True)]


def counted(batches: Sequence[Sequence[Event]]) -> dict[int, Tally]:
    """The open panes after the batches; and the totals under -1."""
    pipeline, _ = pipeline_of(TREE, admission_of(TREE, REFERENCE), MemorySource({EVENTS: []}))
    first = 0
    for batch in batches:
        pipeline.count([batch_of(batch, first)])
        first += len(batch)
    task = pipeline.tasks[0]
    assert sum(task.outcomes.values()) == task.outcomes["events", "accepted", ""] == first
    return {pane: tally for by_pane in task.open.values() for pane, tally in by_pane.items()} | {
        -1: pipeline.totals.events[CREDIT]
    }


@settings(deadline=None)
@given(cuts())
def test_the_tally_of_a_batch_is_the_sum_of_the_tallies_of_its_rows(batches: list[list[Event]]) -> None:
    whole = counted([[one for batch in batches for one in batch]])
    one_by_one = counted([[one] for batch in batches for one in batch])
    assert {pane: content(tally) for pane, tally in counted(batches).items()} == {
        pane: content(tally) for pane, tally in whole.items()
    }
    assert {pane: content(tally) for pane, tally in one_by_one.items()} == {
        pane: content(tally) for pane, tally in whole.items()
    }


@settings(deadline=None)
@given(cuts())
def test_the_totals_are_the_sum_of_the_panes(batches: list[list[Event]]) -> None:
    panes = counted(batches)
    total = panes.pop(-1)
    summed = merged(list(panes.values()))
    summed.further.clear()  # these counts are of panes alone
    assert not total.further
    assert content(summed) == content(total)


@settings(deadline=None)
@given(cuts())
def test_every_value_is_counted_once_as_a_recount_in_plain_python_counts_it(batches: list[list[Event]]) -> None:
    events = [one for batch in batches for one in batch]
    for pane, tally in counted(batches).items():
        inside = [one for one in events if pane in (-1, one["ts"] // (10 * SECOND_US))]
        assert tally.counts.tolist() == recount(inside)
        assert tally.predictions == sum(one["type"] == "prediction" for one in inside)
        assert tally.feature_events == sum(one["type"] == "features" for one in inside)
        for at, values in numbers_of(inside).items():
            check_numbers(tally, at, REFERENCE.columns[at], values)
        check_categories(tally, inside)


def check_categories(tally: Tally, events: Sequence[Event]) -> None:
    """Names and the number of never-seen values, and whether all values are one and the same."""
    came = [oracles.category_of(one.get("features", {}).get("EDU")) for one in events]
    values = [value for value in came if value is not None]
    never_seen = Counter(shortened(value) for value in values if value not in KNOWN)
    assert tally.unseen.get(EDU, Counter()) == never_seen
    assert tally.counts[EDU, :WIDTH].sum() == len(values)  # each in a bin, a never-seen one in its bucket
    extremes = as_extreme(hashes_of(values))
    assert (tally.lows[EDU], tally.highs[EDU]) == (extremes.min(initial=math.inf), extremes.max(initial=-math.inf))
    if values:
        assert (tally.lows[EDU] == tally.highs[EDU]) == (len(set(values)) == 1)


def recount(events: Sequence[Event]) -> list[list[int]]:
    counts = [[0] * (WIDTH + len(QUALITY_COUNTS)) for _ in REFERENCE.columns]
    for one in events:
        for at in (AGE, EDU) if "features" in one else ():
            counts[at][oracles.slot_of(REFERENCE.columns[at], WIDTH, one["features"])] += 1
        education = oracles.category_of(one.get("features", {}).get("EDU"))
        counts[EDU][WIDTH + UNSEEN] += education is not None and education not in KNOWN  # next to its bucket
        for at in (SCORE_AT, PREDICTION_AT) if one["type"] == "prediction" else ():
            counts[at][oracles.slot_of(REFERENCE.columns[at], WIDTH, one)] += 1
    return counts


def numbers_of(events: Sequence[Event]) -> dict[int, list[float]]:
    ages = [one["features"].get("AGE") for one in events if "features" in one]
    scores = [one["score"] for one in events if one["type"] == "prediction" and "score" in one]
    return {
        AGE: [float(age) for age in ages if isinstance(age, int | float)],
        SCORE_AT: [float(score) for score in scores],
    }


def check_numbers(tally: Tally, at: int, column: Column, values: list[float]) -> None:
    """Sums in fixed point, extremes and the logarithms of what is outside."""
    inside = [value for value in values if column.bins.low <= value <= column.bins.high]
    outside = [value for value in values if value not in inside and value != 0]
    z = [max(-CLIP_SD, min(CLIP_SD, (value - column.center) / column.scale)) for value in inside]
    logs = [math.log10(abs(value)) for value in outside]
    sums = tally.sums[at].tolist()
    assert sums[:3] == [sum(round(x * UNIT) for x in z), sum(round(x * x * SQUARE_UNIT) for x in z), len(outside)]
    assert sums[3] == pytest.approx(sum(round(x * UNIT) for x in logs), abs=len(logs))
    assert sums[4] == pytest.approx(sum(round(x * x * SQUARE_UNIT) for x in logs), abs=len(logs))
    beyond = [value for value in values if not column.bins.low <= value <= column.bins.high]
    far = [(value - column.center) / column.scale for value in beyond]
    far = [z for z in far if abs(z) <= FAR_SD]
    assert sums[BELOW] == sum(value < column.bins.low for value in values)
    assert sums[FAR_COUNT] == len(far)
    assert sums[FAR_SUM] == sum(round(z * FAR_UNIT) for z in far)
    assert sums[FAR_SQUARES] == sum(round(z * z * FAR_SQUARE_UNIT) for z in far)
    assert (tally.lows[at], tally.highs[at]) == (min(values, default=math.inf), max(values, default=-math.inf))


def test_a_numeric_prediction_is_counted_in_bins_and_its_oddities_as_facts() -> None:
    tree = settings_of({"task": "regression"})
    reference = blank([numeric("prediction", edges=(1, 2), low=0, high=10, role=PREDICTION)])
    pipeline, _ = pipeline_of(tree, admission_of(tree, reference), MemorySource({EVENTS: []}))
    values = [0.5, 1, 2.5, 2.5, 11, "2", True, ...]
    pipeline.count([batch_of([event(0, prediction=value, features={}) for value in values])])
    tally = pipeline.totals.events[CREDIT]
    assert tally.counts.tolist() == [[2, 0, 2, 0, 1, 0, 1, 2]]  # bins | missing, absent, unseen, outside, type
    assert list(tally.records) == [EVENTS]
    assert tally.records[EVENTS] == (0, len(values) - 1)
    assert START_US // (10 * SECOND_US) in pipeline.tasks[0].open[next(iter(pipeline.tasks[0].open))]
