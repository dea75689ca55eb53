"""Sides of calls that wait: which belong together, how long they wait, and how many may."""

from __future__ import annotations

import math

import pytest

from monitor.count.pairs_waiting import PairsWaiting
from monitor.decode.formats.bodies import Unnamed
from monitor.decode.formats.call import REQUEST, RESPONSE, WHOLE, Call, Row, Side, Wrong
from monitor.decode.half import Half, half_of, half_tree
from monitor.events import Partition
from monitor.state import pairs_part

WITHIN = 60


def half(side: Side, pair: str, ts: int, model: str = "credit", number: int = 0) -> Half:
    rows: list[Row] = [{"a": 1}]
    request = side == REQUEST
    call = Call(side, pair, pair, model, None, None, rows if request else None, None if request else [0.5])
    return Half(Partition("traffic", number), ts, ts, -1, model, call)


def waiting(most: int = 100) -> PairsWaiting:
    return PairsWaiting(WITHIN, most)


@pytest.mark.parametrize(("first", "second"), [(REQUEST, RESPONSE), (RESPONSE, REQUEST)])
def test_sides_are_joined_in_either_order_at_the_place_of_the_request(first: Side, second: Side) -> None:
    pairs = waiting()
    sides = {REQUEST: half(REQUEST, "x", 100, number=1), RESPONSE: half(RESPONSE, "x", 130, number=2)}
    assert pairs.add(sides[first]) is None
    assert len(pairs) == 1
    pair = pairs.add(sides[second])
    assert pair is not None
    assert pair.at == sides[REQUEST]
    assert pair.others == (sides[RESPONSE],)
    assert pair.call is not None
    assert (pair.call.side, pair.call.rows, pair.call.answers) == (WHOLE, [{"a": 1}], [0.5])
    assert not pairs


@pytest.mark.parametrize(("apart", "joined"), [(WITHIN, True), (-WITHIN, True), (WITHIN + 1, False)])
def test_sides_belong_together_within_a_time(apart: int, joined: bool) -> None:
    pairs = waiting()
    pairs.add(half(REQUEST, "x", 1_000))
    assert (pairs.add(half(RESPONSE, "x", 1_000 + apart)) is not None) == joined


def test_what_waits_too_long_is_given_up_by_its_model() -> None:
    pairs = waiting()
    for at, model in ((10, "credit"), (20, "fraud"), (30, "credit")):
        pairs.add(half(REQUEST, f"{model}-{at}", at, model))
    given_up = pairs.due(lambda model: 30 if model == "credit" else -math.inf)
    assert [pair.at.ts_us for pair in given_up] == [10]
    assert pairs.given_up == {("traffic", REQUEST): 1}
    assert (pairs.oldest_us("credit"), pairs.oldest_us("fraud"), pairs.oldest_us("other")) == (30, 20, None)


def test_a_side_without_a_model_holds_every_model() -> None:
    pairs = waiting()
    pairs.add(half(RESPONSE, "x", 5, model=""))
    assert pairs.oldest_us("credit") == 5


def test_beyond_the_limit_the_oldest_are_given_up() -> None:
    pairs = waiting(most=2)
    for at, model in ((30, "a"), (10, "b"), (20, "a"), (40, "b")):
        pairs.add(half(REQUEST, str(at), at, model))
    assert [pair.at.ts_us for pair in pairs.due(lambda _: -math.inf)] == [10, 20]
    assert len(pairs) == 2


def test_a_state_holds_what_waits_to_the_last_bit() -> None:
    rows: list[Row] = [
        {"a": math.nan, "b": 2**70, "c": "\ud800"},
        [1, None],
        Unnamed([1.5, 2.0], "x"),
        Wrong("arity", "no"),
    ]
    call = Call(REQUEST, "id", "pair", None, "1", 5, rows, None, None, {"t": "u"})
    kept = Half(Partition("traffic", 3), 7, 8, -1, "credit", call)
    assert repr(half_of(half_tree(kept))) == repr(kept)
    again = waiting()
    again.restore(pairs_part.decode(pairs_part.encode([kept])))
    assert repr(again.halves()) == repr([kept])
    assert pairs_part.decode(None) == []
