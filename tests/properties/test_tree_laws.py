"""Events that a parser gave, of whatever encoding, are read alike by their fast path and by the definition."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.decode.columns import ABSENT_BITS, MISSING_BITS, TYPE_BITS, Rules, Shape
from monitor.decode.encodings.encoding import Encoding, RecordInfo
from monitor.decode.encodings.framing import HEADER, FramedJson
from monitor.decode.encodings.json import JsonEncoding
from monitor.decode.layout import NativeLayout
from monitor.decode.layout_decoder import LayoutDecoder
from monitor.decode.native.decoder import Fast
from monitor.decode.native.reference_decoder import ReferenceDecoder
from monitor.decode.native.rows import NativeRows
from monitor.events import ModelKey
from monitor.records import Envelope, RecordBatch
from tests.properties.test_decode_derived_laws import SHAPE as DERIVED
from tests.properties.test_decode_laws import LIMITS, SHAPES, SKEW_US, T0_MS, assert_same, batch_of, quality_counts
from tests.properties.test_decode_laws import records as json_records

ALL_SHAPES = {**SHAPES, ModelKey("derived", "1"): DERIVED, ModelKey("tags", ""): Shape((), "1", tags=("region",))}
RULES = Rules(LIMITS, SKEW_US)


class Trees:
    """An encoding that knows the trees: a value is a place among them."""

    def __init__(self, trees: Sequence[object]) -> None:
        self.trees = trees

    def read(self, value: bytes, _record: RecordInfo) -> object:
        return self.trees[int(value)]


class ByDefinition(LayoutDecoder):
    """Without the fast path."""

    def _decode_fast(
        self, batch: RecordBatch, first: int, values: Sequence[bytes | None], record_us: NDArray[np.int64]
    ) -> Fast:
        return Fast.nothing(len(record_us))


def assert_trees_same(trees: Sequence[object], rules: Rules = RULES) -> None:
    batch = batch_of([b"%d" % at for at in range(len(trees))], [T0_MS] * len(trees))
    expected = quality_counts(ByDefinition(Trees(trees), NativeLayout(), ALL_SHAPES.get, rules).decode(batch))
    fast = LayoutDecoder(Trees(trees), NativeLayout(), ALL_SHAPES.get, rules)
    for _ in range(3):
        assert quality_counts(fast.decode(batch)) == expected


def _nan(bits: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


numbers = (
    st.sampled_from([0, 1, -1, 0.5, -0.0, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400, 1e308, True, False])
    | st.sampled_from([math.nan, math.inf, -math.inf, *map(_nan, (ABSENT_BITS, MISSING_BITS, TYPE_BITS, 2**64 - 1))])
    | st.floats()
    | st.integers()
)
texts = st.sampled_from(["", "red", "赤", "\ud800", "a\udc00", "a\nb", "\x7f", "\x85", "x" * 256, "é" * 257, "eu"])
scalars = numbers | texts | st.none() | st.text(max_size=4)
anything = scalars | st.lists(scalars, max_size=3) | st.dictionaries(texts, scalars, max_size=2)
names = (
    st.sampled_from(["AGE", "年齢 x", "sex.1", 'a"b', "back\\slash", "1st", "x", "c", "emb", "note", "other"]) | texts
)
usual = st.fixed_dictionaries({}, optional={"AGE": numbers, "sex.1": texts, "x": numbers, "c": scalars})
vectors = st.lists(numbers | st.just(1.0), max_size=4) | st.just([1.0, 2.0, 3.0])
features = (
    usual
    | st.dictionaries(names, anything, max_size=5)
    | st.fixed_dictionaries({"emb": vectors | anything, "note": texts | anything})
    | st.integers(38, 42).map(lambda count: {f"n{i}": 1 for i in range(count)})
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["prediction", "features", "label", "Label", None]) | anything,
    "id": st.sampled_from(["p-1", "ü", 17, None, 2**64]) | anything,
    "ts": st.sampled_from([T0_MS, T0_MS / 1000, "2025-11-24T16:00:00Z", T0_MS + 60_001, None, True, 2**64]) | anything,
    "features": features | anything,
    "prediction": anything,
    "score": st.sampled_from([0, 1, 0.25, 1.5, -0.0]) | anything,
    "scores": st.dictionaries(texts, numbers | st.none(), max_size=3) | anything,
    "label": anything,
    "value": anything,
    "tags": st.dictionaries(texts | st.just("region"), texts | st.none() | st.just(1), max_size=2) | anything,
    "outcomes": st.dictionaries(texts, scalars, max_size=2) | anything,
    "model": anything,
    "version": anything,
    "extra": anything,
}
MODELS: st.SearchStrategy[dict[str, Any]] = st.sampled_from([
    {"model": "credit", "version": "1"}, {"model": "credit", "version": 2}, {"model": "quoted", "version": None},
    {"model": "none"}, {"model": "unheard", "version": "9"}, {"model": "derived", "version": 1}, {"model": "tags"},
])  # fmt: skip


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """An event that is mostly right."""
    event = dict(draw(MODELS)) | {"id": "p-1"}
    kind = draw(st.sampled_from(["prediction", "features", "label"]))
    if kind == "label":
        event |= {"label": draw(scalars)}
    else:
        event |= {"features": draw(features)}
    if kind == "prediction":
        event |= {"prediction": 1, "score": 0.5}
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
        event[name] = draw(FIELDS[name])
    return event


trees = events() | st.lists(events() | anything, max_size=7) | anything


@settings(max_examples=300, deadline=None)
@given(st.lists(trees, max_size=9))
@example([{"model": "credit", "version": "1", "features": {"AGE": _nan(ABSENT_BITS), "sex.1": math.nan}}])
@example([{"model": "credit", "version": "1", "features": {"AGE": math.inf, "sex.1": "\ud800"}}])
@example([[{"model": "credit", "version": version, "features": {"AGE": 1}}] * 2 for version in (1, "1", 2, 1)])
@example([[{"model": "credit", "version": version, "features": {"AGE": 1}} for version in "12"]] * 2)
def test_the_fast_path_for_trees_agrees_with_the_definition(of: list[object]) -> None:
    assert_trees_same(of)


@settings(max_examples=80, deadline=None)
@given(st.lists(trees, max_size=6), st.sampled_from([("credit", None), (None, "1"), ("credit", "2")]))
def test_the_settings_of_the_input_win_on_both_paths(of: list[object], own: tuple[str | None, str | None]) -> None:
    assert_trees_same(of, replace(RULES, model=own[0], version=own[1]))


@settings(max_examples=40, deadline=None)
@given(st.lists(trees, min_size=1, max_size=5))
def test_a_decoder_that_has_seen_much_agrees_with_a_fresh_one(of: list[object]) -> None:
    """Features that keep failing are widened; more records than a chunk has."""
    assert_trees_same(of * 140)


@settings(max_examples=100, deadline=None)
@given(st.lists(json_records, max_size=9))
def test_json_that_is_read_as_trees_is_native_events(values: list[bytes | None]) -> None:
    expected = assert_same(values, [T0_MS] * len(values))
    found = LayoutDecoder(JsonEncoding(LIMITS), NativeLayout(), SHAPES.get, RULES)
    for _ in range(2):
        assert quality_counts(found.decode(batch_of(values, [T0_MS] * len(values)))) == quality_counts(expected)


PREFIXES = [b"\0\0\0\0\1", b"\1" + b"g" * 16, b"", b"\0\0", b"\2\0\0\0\1", b"\0\0\0\0\1\0"]
HEADERS = st.sampled_from([(), ((HEADER, b"\0\0\0\0\1"),), ((HEADER, None),), ((HEADER, b"x"),), (("other", b"1"),)])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(json_records, st.sampled_from(PREFIXES), HEADERS), max_size=9))
@example([(b'{"model":"credit","version":"1","features":{"AGE":1}}', PREFIXES[0], ((HEADER, b"\0\0\0\0\1"),))])
@example([(b"", PREFIXES[0], ()), (b"{}", PREFIXES[0], ())])
def test_framed_json_is_read_alike_by_both_paths(
    of: list[tuple[bytes | None, bytes, tuple[tuple[str, bytes | None], ...]]],
) -> None:
    values = [None if value is None else prefix + value for value, prefix, _ in of]
    batch = batch_of(values, [T0_MS] * len(values))
    batch = replace(batch, envelope=lambda place: Envelope(None, of[place][2]))
    encoding: Encoding = FramedJson(LIMITS, _never)
    expected = quality_counts(ByDefinition(encoding, NativeLayout(), SHAPES.get, RULES).decode(batch))
    fast = LayoutDecoder(encoding, NativeLayout(), SHAPES.get, RULES, NativeRows())
    for _ in range(3):
        assert quality_counts(fast.decode(batch)) == expected


def _never(*_: object) -> Any:  # noqa: ANN401  # never returns
    pytest.fail("not the fast path")


def test_usual_events_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the laws above would compare the definition with itself."""
    monkeypatch.setattr(ReferenceDecoder, "content", _never)
    event = {"model": "m", "features": {"x": 1, "c": "a", "emb": [1.0, 2.0, 3.0], "note": "known"}, "score": 0.5}
    odd = {"model": "m", "features": {"x": math.nan, "c": "\ud800"}, "prediction": "yes", "tags": {"region": "eu"}}
    shapes = {ModelKey("m", ""): DERIVED}
    decoder = LayoutDecoder(Trees([[event, odd] * 3, event]), NativeLayout(), shapes.get, RULES)
    (group,) = decoder.decode(batch_of([b"0", b"1"], [T0_MS] * 2)).groups
    assert len(group.rows) == 7
    framed = LayoutDecoder(FramedJson(LIMITS, _never), NativeLayout(), shapes.get, RULES, NativeRows())
    text = PREFIXES[0] + json.dumps(event).encode()
    assert len(framed.decode(batch_of([text] * 3, [T0_MS] * 3))) == 3
