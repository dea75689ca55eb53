"""What the decoder caches between batches, and when it needs the reference decoder."""

from __future__ import annotations

import gc
import json
from types import FrameType, TracebackType

import numpy as np
import pytest

from monitor.decode.columns import MISSING_BITS, TYPE_BITS, Limits, Shape
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.native.reference_decoder import ReferenceDecoder
from monitor.decode.native.versions import MOST_CACHED, SPELLING_BYTES
from monitor.events import ModelKey
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from tests.unit.decode.test_native import GOOD, KEY, SHAPE, T0_MS, as_bytes, batch_of, decoder, event


def test_shapes_are_asked_once_and_again_when_forgotten() -> None:
    asked: list[ModelKey] = []
    shapes: dict[ModelKey, Shape] = {}

    def shape_of(key: ModelKey) -> Shape | None:
        asked.append(key)
        return shapes.get(key)

    native = decoder(shapes=shape_of)
    batch = batch_of([as_bytes(GOOD)] * 3, [T0_MS] * 3)
    assert [native.decode(batch).groups for _ in range(2)] == [[], []]
    assert asked == [KEY]
    shapes[KEY] = SHAPE
    native.forget(KEY)
    assert len(native.decode(batch).groups[0].rows) == 3
    assert len(native.decode(batch).groups[0].rows) == 3
    assert asked == [KEY, KEY]


def test_a_flood_of_model_versions_is_not_kept() -> None:
    native = decoder()
    for start in range(0, 3 * MOST_CACHED, MOST_CACHED // 2):
        values = [as_bytes(event(model=f"m{i}")) for i in range(start, start + MOST_CACHED // 2)]
        assert len(native.decode(batch_of(values, [T0_MS] * len(values))).keys) == len(values)
    native.decode(batch_of([as_bytes(GOOD)], [T0_MS]))
    assert len(native._versions._decoders) <= MOST_CACHED + 1


def _never(_value: bytes, _limits: Limits) -> object:
    raise AssertionError("the definition was asked")


def _without_definition(native: NativeDecoder) -> NativeDecoder:
    reader = native._reader
    native._reader = ReferenceDecoder(reader.rules, reader.cells_of, parse=_never)
    return native


def test_clean_events_never_need_the_definition() -> None:
    shapes = {KEY: SHAPE, ModelKey("other", "1"): Shape((("AGE", CATEGORICAL), ("年", NUMERIC)), "1")}
    native = decoder(shapes=shapes.get)
    values = [
        as_bytes(event(ts="2025-11-24T16:00:00Z", tags={"region": "eu"}, label=0)),
        as_bytes(event(type="label", label=1)),
        as_bytes(event(type=..., prediction="yes", id="é")),
        json.dumps({"model": "other", "version": "1", "features": {"AGE": "old", "年": 1, "é": 1}}).encode(),
        as_bytes(event(model="unheard")),
    ]
    batch = batch_of(values * 300, [T0_MS] * 1_500)
    native.decode(batch)
    events = _without_definition(native).decode(batch)
    assert len(events) == 1_500
    assert [group.rows[:3].tolist() for group in events.groups] == [[0, 2, 5], [3, 8, 13]]
    assert events.groups[1].numeric.tolist() == [[1.0] * 300]


@pytest.mark.parametrize(
    ("bad", "bits"),
    [('"3.5"', TYPE_BITS), ("[1]", TYPE_BITS), ("NaN", MISSING_BITS), ("-Infinity", TYPE_BITS)],
)
def test_a_feature_that_keeps_failing_soon_costs_no_more(bad: str, bits: int) -> None:
    native = decoder()
    value = f'{{"model":"credit","version":"1","features":{{"LIMIT":7,"AGE":{bad}}}}}'.encode()
    batch = batch_of([value] * 100, [T0_MS] * 100)
    native.decode(batch)
    (group,) = _without_definition(native).decode(batch).groups
    assert group.numeric[0].view(np.uint64).tolist() == [bits] * 100
    assert group.numeric[1].tolist() == [7.0] * 100


def test_rows_rise_through_chunks_with_bad_records_in_them() -> None:
    values = [as_bytes(event(id=f"p-{i}", features={"AGE": i}) if i % 7 else event(score=7)) for i in range(1_300)]
    events = decoder().decode(batch_of(values, [T0_MS] * len(values)))
    good = [i for i in range(1_300) if i % 7]
    assert events.offset.tolist() == [100 + i for i in good]
    assert [bad.index for bad in events.rejected] == [i for i in range(1_300) if not i % 7]
    (group,) = events.groups
    assert group.rows.tolist() == list(range(len(good)))
    assert group.numeric[0].tolist() == good
    assert [len(column) for column in group.categorical] == [len(good)]


def test_a_failure_in_the_middle_of_a_chunk_keeps_the_rows_before_it() -> None:
    values = [as_bytes(event(id=f"p-{i}", features={"AGE": "x" if i in {3, 4, 9} else i})) for i in range(10)]
    native = decoder()
    for _ in range(2):
        (group,) = native.decode(batch_of(values, [T0_MS] * 10)).groups
        expected = [float(i) for i in range(10) if i not in {3, 4, 9}]
        assert group.numeric[0][np.isfinite(group.numeric[0])].tolist() == expected
        assert np.flatnonzero(group.numeric[0].view(np.uint64) == TYPE_BITS).tolist() == [3, 4, 9]


def test_rows_that_waited_come_before_those_of_the_next_chunk() -> None:
    values = [as_bytes(event(features={"AGE": i})) for i in range(1_000)]
    values[3] = as_bytes(event(type="label", label=1))
    (group,) = decoder().decode(batch_of(values, [T0_MS] * 1_000)).groups
    expected = [i for i in range(1_000) if i != 3]
    assert group.rows.tolist() == expected
    assert group.numeric[0].tolist() == expected


def test_bad_records_leave_nothing_for_the_collector() -> None:
    bad = json.dumps([event(id=f"p-{i}") for i in range(3)] + [event(score=2)]).encode()
    values = [bad, b"", b"{", b"\xff", b"[3]", as_bytes(event(ts="x")), as_bytes(event(features={"AGE": "x"})), b'"{}"']
    native = decoder()
    batch = batch_of(values * 20, [T0_MS] * 160)
    native.decode(batch)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(5):
            assert len(native.decode(batch).rejected) == 7 * 20
        gc.collect()
        # other threads leave things, too
        cyclic = (FrameType, TracebackType, BaseException)
        ours = [one for one in gc.garbage if isinstance(one, cyclic) or type(one).__module__.startswith("monitor")]
        assert not ours
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_line_breaks_in_values_need_no_definition() -> None:
    native = decoder()
    values = [
        as_bytes(event(features={"AGE": i, "SEX": "a\nb"}, prediction="x\ty", tags={"note": "one\r\ntwo"}))
        for i in range(100)
    ]
    batch = batch_of(values, [T0_MS] * 100)
    native.decode(batch)
    (group,) = _without_definition(native).decode(batch).groups
    assert group.categorical == [["a\nb"] * 100]
    odd = [as_bytes(event(id="a\nb")), as_bytes(event(tags={"a\nb": "x"})), as_bytes(event(features={"a\nb": 1}))]
    mixed = [value for bad in odd for value in (values[0], bad, values[1])]
    events = decoder().decode(batch_of(mixed, [T0_MS] * 9))
    assert [(bad.index, bad.reason) for bad in events.rejected] == [(1, "names"), (4, "names"), (7, "names")]


def test_a_spelling_is_remembered_within_bounds() -> None:
    long = as_bytes(event(model="m" * 256, x='"model"' + "y" * 10_000))
    native = decoder(shapes=lambda _: SHAPE)
    native.decode(batch_of([long, as_bytes(GOOD)] * 50, [T0_MS] * 100))
    assert native._versions._spellings
    assert max(map(len, native._versions._spellings)) <= 2 * SPELLING_BYTES
