"""The fast decoder and the reference decoder give the same events for any bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.decode.columns import ABSENT_BITS, MISSING_BITS, TYPE_BITS, Events, Limits, Rules, Shape
from monitor.decode.native.decoder import Fast, NativeDecoder
from monitor.decode.native.reference_decoder import ReferenceDecoder, parse
from monitor.decode.native.versions import Versions
from monitor.events import FEATURES, LABEL, ModelKey, Partition
from monitor.records import RecordBatch
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC

T0_MS = 1_764_000_000_000
NOW_US = T0_MS * 1_000
LIMITS = Limits(record_bytes=4_000, events_per_record=6, features=40)
SKEW_US = 60_000_000

SHAPES = {
    ModelKey("credit", "1"): Shape((("AGE", NUMERIC), ("年齢 x", NUMERIC), ("sex.1", CATEGORICAL)), "1"),
    ModelKey("credit", "2"): Shape((("AGE", CATEGORICAL), ("sex.1", NUMERIC)), "yes"),
    ModelKey("quoted", ""): Shape((('a"b', NUMERIC), ("back\\slash", CATEGORICAL), ("1st", NUMERIC)), "1"),
    ModelKey("none", ""): Shape((), "1"),
}


class ByDefinition(NativeDecoder):
    """The same decoder without its fast path and without its fast parser."""

    def __init__(self, model: str | None = None, version: str | None = None, zone: tzinfo | None = None) -> None:
        super().__init__(SHAPES.get, Rules(LIMITS, SKEW_US, model, version, zone))
        self._reader = ReferenceDecoder(self._rules, self._versions.decoder_of, parse)

    def _decode_fast(
        self, batch: RecordBatch, first: int, values: Sequence[bytes | None], record_us: NDArray[np.int64]
    ) -> Fast:
        return Fast.nothing(len(record_us))


def _never(*_: object) -> None:
    pytest.fail("the definition has no fast path")


def test_the_definition_takes_no_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Versions, "decode", _never)
    assert len(ByDefinition().decode(batch_of([b'{"model":"none","features":{}}'], [T0_MS]))) == 1


def batch_of(values: Sequence[bytes | None], times_ms: list[int] | None = None) -> RecordBatch:
    offsets = np.arange(7, 7 + 2 * len(values), 2)
    times = None if times_ms is None else np.array(times_ms, np.int64)
    return RecordBatch(Partition("events", 0), list(values), offsets, times, 7 + 2 * len(values), NOW_US)


def typed(values: Sequence[object]) -> list[tuple[str, str]]:
    return [(type(value).__name__, repr(value)) for value in values]


def quality_counts(events: Events) -> dict[str, object]:
    """Everything that was decoded, comparable to the last bit."""
    return {
        "kind": events.kind.tolist(),
        "keys": events.keys,  # in the order in which they come, in which they are let in
        "key": [events.keys[i] for i in events.key],
        "ts": events.ts.tolist(),
        "offset": events.offset.tolist(),
        "id_key": events.id_key.tolist(),
        "join_key": events.join_key.tolist(),
        "labels": (events.label_rows.tolist(), typed(events.label_values), bits(events.label_amounts)),
        "outcomes": (
            events.outcomes.label.tolist(),
            [events.outcomes.names[at] for at in events.outcomes.name.tolist()],
            typed(events.outcomes.values),
        ),
        "rejected": events.rejected,
        "tombstones": events.tombstones,
        "groups": {
            group.key: (
                group.rows.tolist(),
                group.has_features.tolist(),
                bits(group.numeric),
                [typed(column) for column in group.categorical],
                bits(group.score),
                typed(group.prediction),
                typed(group.label),
            )
            for group in events.groups
        },
    }


def bits(values: np.ndarray[Any, np.dtype[np.float64]]) -> object:
    return values.view(np.uint64).tolist()


def assert_same(
    values: Sequence[bytes | None], times_ms: list[int] | None = None, zone: tzinfo | None = None, **overrides: str
) -> Events:
    """Decode twice by one decoder (what it learned from the first time must change nothing) and by the definition."""
    batch = batch_of(values, times_ms)
    model, version = overrides.get("model"), overrides.get("version")
    expected = quality_counts(ByDefinition(model, version, zone).decode(batch))
    fast = NativeDecoder(SHAPES.get, Rules(LIMITS, SKEW_US, model, version, zone))
    for _ in range(3):
        events = fast.decode(batch)
        assert quality_counts(events) == expected
    return events


NUMBER_TEXTS = [
    "0", "-0", "-0.0", "1", "1.0", "0.5", "1e999", "-1e999", "1e-400", "9007199254740993",
    "123456789012345678901234567",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "1" * 400, "1" * 5000,
    "1" * 309, "2" * 308, "NaN", "Infinity", "-Infinity", "01", "1.", "1e5",
    "0.1234567890123456789012345678901234567890",
]  # fmt: skip
TIME_TEXTS = [
    str(T0_MS), str(T0_MS // 1000), str(T0_MS * 1000), str(T0_MS * 10**6), f"{T0_MS / 1000}", f"{T0_MS}.25",
    "1e11", "1e14",
    "99999999999", "100000000000", "-5", "true", "null", '"2025-11-24T16:00:00Z"', '"2025-11-24T17:00:00.123456+01:00"',
    '"2025-11-24t16:00:00.5z"', '"2025-11-24T16:00:00"', '"2025-11-24"', '"20251124T160000Z"', '"2025-13-24T16:00:00Z"',
    '"2025-11-24 16:00:00.25"', '"2024-12-31T23:59:60Z"', '"2024-12-31T23:59:60"', '"2025-11-24T16:00:60Z"',
    '"9999-12-31T23:59:59-23:59"', '"0001-01-01T00:00:00+23:59"', '""', "[]", str(T0_MS + 60_000), str(T0_MS + 60_001),
]  # fmt: skip
STRING_TEXTS = [
    '""', '"red"', '"赤"', '"\\u8d64"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00x"', '"a\\nb"', '"a\\tb"',
    '"\\u0001"', '"\\u007f"',
    '"\x7f"', '"\x85"', '"\\u0085"', '"\\u00e9"', '"\\\\n"', '"\\""', '"NaN"', '"a:NaN,"', '"[[{{"',
    f'"{"x" * 256}"', f'"{"é" * 257}"',
]  # fmt: skip
OTHER_TEXTS = [
    "NaN",
    '"~nan~"',
    '["~nan~"]',
    '["N"]',
    "null",
    "true",
    "false",
    "[]",
    "[1,2]",
    "{}",
    '{"a":1}',
    '{"a":[{"b":NaN}]}',
]

numbers = st.sampled_from(NUMBER_TEXTS) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
strings = st.sampled_from(STRING_TEXTS) | st.text(max_size=5).map(json.dumps)
anything = numbers | strings | st.sampled_from(OTHER_TEXTS)
feature_names = st.sampled_from(
    [
        '"AGE"',
        '"sex.1"',
        '"年齢 x"',
        '"\\u5e74\\u9f62 x"',
        '"a\\"b"',
        '"back\\\\slash"',
        '"1st"',
        '"\\u0041GE"',
        '"other"',
    ]
)
usual_features = st.fixed_dictionaries({}, optional={'"AGE"': numbers, '"sex.1"': strings, '"年齢 x"': numbers})


def object_text(items: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}:{value}" for name, value in items) + "}"


features = st.one_of(
    usual_features.map(lambda found: object_text(list(found.items()))),
    st.lists(st.tuples(feature_names | strings, anything), max_size=5).map(object_text),
    st.integers(38, 42).map(lambda count: object_text([(f'"n{i}"', "1") for i in range(count)])),
)
FIELDS: dict[str, st.SearchStrategy[str]] = {
    '"type"': st.sampled_from(['"prediction"', '"features"', '"label"', '"Label"', "null"]),
    '"id"': st.sampled_from(['"p-1"', '"p-2"', '"ü"', "17", "null", '"a\\nb"']) | anything,
    '"ts"': st.sampled_from(TIME_TEXTS) | anything,
    '"features"': features | anything,
    '"prediction"': anything,
    '"score"': st.sampled_from(["0", "1", "0.25", "1.5", "-0.0"]) | anything,
    '"scores"': st.sampled_from(["null", '{"1":0.25,"0":0.75}', '{"yes":1}', '{"1":null}', '{"1":NaN}']) | anything,
    '"label"': anything,
    '"value"': anything,
    '"tags"': st.sampled_from(
        ["null", '{"region":null}', '{"region":"eu"}', '{"region":1}', '{"a\\nb":"x"}', '{"a":"x\\ny"}']
    )
    | anything,
    '"outcomes"': st.lists(st.tuples(feature_names | strings, anything), max_size=3).map(object_text)
    | st.sampled_from(["null", "{}", '{"judge":0.5}', '{"judge":null,"refund":true}', '{"a":"x","b":[1]}', '{"a":NaN}'])
    | anything,
    '"extra"': anything,
}
MODELS = st.sampled_from(
    [
        [('"model"', '"credit"'), ('"version"', '"1"')],
        [('"model"', '"credit"'), ('"version"', '"2"')],
        [('"model"', '"credit"'), ('"version"', "2")],
        [('"model"', '"quoted"'), ('"version"', "null")],
        [('"model"', '"quoted"')],
        [('"model"', '"none"')],
        [('"model"', '"unheard"'), ('"version"', '"9"')],
        [('"version"', '"1"')],
    ]
)


@st.composite
def event_texts(draw: st.DrawFn) -> str:
    """An event that is mostly right, with some fields of any value."""
    items = list(draw(MODELS))
    usual = draw(st.sampled_from(["prediction", "features", "label", "untyped", "any"]))
    if usual == "prediction":
        items += [('"id"', '"p-1"'), ('"features"', draw(features)), ('"prediction"', "1"), ('"score"', "0.5")]
    elif usual == "features":
        items += [('"features"', draw(features)), ('"type"', '"features"')]
    elif usual == "label":
        items += [('"id"', '"p-1"'), ('"label"', draw(st.sampled_from(["1", "null", '"x"', "true"])))]
    elif usual == "untyped":
        present = draw(st.sets(st.sampled_from(['"features"', '"label"', '"prediction"', '"score"'])))
        usual_values = {'"features"': "{}", '"label"': "1", '"prediction"': "null", '"score"': "0.5"}
        items += [('"id"', '"p-1"'), *((name, usual_values[name]) for name in sorted(present))]
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
        items.append((name, draw(FIELDS[name])))
    if draw(st.integers(0, 9)) == 0:
        items.append((draw(st.sampled_from(['"model"', '"version"'])), draw(anything)))
    return object_text(draw(st.permutations(items)) if draw(st.booleans()) else items)


arrays = st.lists(event_texts() | anything, max_size=7).map(lambda events: f"[{','.join(events)}]")
texts = st.one_of(event_texts(), event_texts(), arrays, anything)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A record with some bytes changed, cut off or put in."""
    value = draw(texts).encode("utf-8", "surrogatepass")
    at = draw(st.integers(0, len(value)))
    cut = draw(st.integers(0, 3))
    return (
        value[:at]
        + draw(st.binary(max_size=3) | st.sampled_from([b" ", b",", b'"', b"\\", b"NaN"]))
        + value[at + cut :]
    )


records = st.one_of(
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    texts.map(lambda text: b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")),
    spoiled(),
    event_texts().map(lambda text: text.encode("utf-16")),
    st.none(),
    st.just(b""),
    st.binary(max_size=20),
)
record_times = st.lists(
    st.sampled_from([T0_MS, -1, -(2**62), 2**62, T0_MS - 60_001, T0_MS + 3_600_000, T0_MS + 3_600_001]),
    min_size=9,
    max_size=9,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(records, max_size=9), record_times | st.none())
@example([b'{"model":"credit","version":"1","features":{"AGE":' + b"[" * 600 + b"]" * 600 + b"}}"], None)
@example([b'{"model":"credit","version":"1","ts":1,"x":' + b"[" * 499 + b"]" * 499 + b"}"], None)
@example([b'{"model":"credit","version":"1","ts":1,"x":' + b"[" * 500 + b"]" * 500 + b"}"], None)
def test_the_fast_path_agrees_with_the_definition(values: list[bytes | None], times_ms: list[int] | None) -> None:
    assert_same(values, None if times_ms is None else times_ms[: len(values)])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(records, max_size=5),
    st.sampled_from([{"model": "credit"}, {"version": "1"}, {"model": "m", "version": "2"}]),
)
def test_the_settings_of_the_input_win_on_both_paths(values: list[bytes | None], overrides: dict[str, str]) -> None:
    assert_same(values, [T0_MS] * len(values), None, **overrides)


def test_every_mix_of_times_is_read_alike_in_columns_and_alone() -> None:
    for first in TIME_TEXTS:
        for second in TIME_TEXTS:
            values = [f'{{"model":"none","features":{{}},"ts":{text}}}'.encode() for text in (first, second)]
            assert_same(values)
            assert_same(values, [T0_MS, T0_MS])
            assert_same(values, zone=ZoneInfo("Europe/Berlin"))


def test_a_feature_that_keeps_failing_is_still_read_by_the_definition() -> None:
    texts = [text for text in NUMBER_TEXTS + STRING_TEXTS + OTHER_TEXTS if len(text) < 3_000]
    for bad in ('"3.5"', "NaN", "true", "[]"):
        values = [f'{{"model":"credit","version":"1","features":{{"AGE":{bad},"sex.1":[]}}}}'] * 30
        values += [f'{{"model":"credit","version":"1","features":{{"AGE":{text},"sex.1":{text}}}}}' for text in texts]
        assert_same([value.encode("utf-8", "surrogatepass") for value in values], [T0_MS] * len(values))


@settings(max_examples=60, deadline=None)
@given(st.lists(records, min_size=1, max_size=6), st.integers(1, 3))
def test_a_decoder_that_has_seen_much_agrees_with_a_fresh_one(values: list[bytes | None], rounds: int) -> None:
    batch = batch_of(values * 30 * rounds, [T0_MS] * len(values) * 30 * rounds)
    fast = NativeDecoder(SHAPES.get, Rules(LIMITS, SKEW_US))
    expected = quality_counts(ByDefinition().decode(batch))
    assert quality_counts(fast.decode(batch)) == expected
    assert quality_counts(fast.decode(batch)) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(records, max_size=9))
def test_every_record_has_a_fate(values: list[bytes | None]) -> None:
    events = assert_same(values, [T0_MS] * len(values))
    bad = {rejected.offset for rejected in events.rejected}
    fates = set(events.offset.tolist()) | bad
    assert events.tombstones == values.count(None)
    assert len(fates) == len(values) - values.count(None)
    assert len(bad) == len(events.rejected)
    assert all(rejected.count >= max(1, len(rejected.indices)) for rejected in events.rejected)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(NUMBER_TEXTS) | st.integers().map(str) | st.floats().map(json.dumps), min_size=1, max_size=8
    )
)
def test_a_number_is_read_as_python_reads_it(literals: list[str]) -> None:
    kept = [text for text in literals if _is_json(text)]
    values = [
        f'{{"model":"credit","version":"1","features":{{"AGE":{text},"sex.1":{text}}}}}'.encode() for text in kept
    ]
    readable = [value for value in values if len(value) <= LIMITS.record_bytes]
    events = assert_same(readable, [T0_MS] * len(readable))
    group = next(iter(events.groups), None)
    short = [text for text, value in zip(kept, values, strict=True) if len(value) <= LIMITS.record_bytes]
    assert len(short) == (0 if group is None else len(group.rows))
    for i, text in enumerate(short):
        assert group is not None
        expected = float(text)
        cell, raw = group.numeric[0, i], group.categorical[0][i]
        if math.isfinite(expected):
            assert cell == expected
            assert raw == json.loads(text)
        elif math.isnan(expected):
            assert cell.view(np.uint64) == MISSING_BITS
            assert raw is None
        else:
            assert cell.view(np.uint64) == TYPE_BITS
            assert repr(raw) == "TYPE_VALUE"
        assert group.numeric[1, i].view(np.uint64) == ABSENT_BITS


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=float)
    except ValueError:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(st.lists(event_texts(), max_size=6))
def test_an_array_holds_what_its_elements_hold_alone(texts: list[str]) -> None:
    single = assert_same([text.encode() for text in texts], [T0_MS] * len(texts))
    array = assert_same([f"[{','.join(texts)}]".encode()], [T0_MS])
    if not texts or (array.rejected and array.rejected[0].reason in {"json", "too_large", "nesting", "encoding"}):
        return
    for name in ("kind", "ts", "id_key", "join_key"):
        assert quality_counts(array)[name] == quality_counts(single)[name]
    assert quality_counts(array)["groups"] == quality_counts(single)["groups"]
    lost = [rejected.index for rejected in single.rejected]
    assert [list(rejected.indices) for rejected in array.rejected] == ([lost] if lost else [])
    assert set(np.unique(array.kind)) <= {0, FEATURES, LABEL}
