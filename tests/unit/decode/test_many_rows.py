"""Records of thousands of events take memory for the events that they give, and not much more."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import pytest

from monitor.decode.columns import Limits, Shape
from monitor.decode.decoder import decoder_for
from monitor.decode.native.fast_decoder import may_exceed_with_rows
from monitor.events import Partition
from monitor.records import RecordBatch
from monitor.settings.tree import Settings

T0_MS = 1_764_000_000_000
ROWS = 500
FIELDS: Mapping[str, object] = {
    "topic": "t", "format": "fields", "rows": "rows", "fields": {"model": "^.model", "features": "f"},
}  # fmt: skip


def fields_of(rows: int) -> bytes:
    return b'{"model":"m","rows":[' + b", ".join([b'{"f":{"a":1}}'] * rows) + b"]}"


def native(rows: int) -> bytes:
    return b"[" + b",".join([b'{"model":"m","features":{"a":1}}'] * rows) + b"]"


@pytest.mark.parametrize(("made", "entry"), [(fields_of, FIELDS), (native, {"topic": "t"})])
@pytest.mark.parametrize("before", [900])
def test_memory_is_that_of_the_events(made: Callable[[int], bytes], entry: Mapping[str, object], before: int) -> None:
    """Also where the records before had one event each."""
    models = [{"name": "m", "reference": "r.json"}]
    settings = Settings.model_validate({"inputs": [entry], "models": models})
    decoder = decoder_for(settings, "t", lambda _: Shape((("a", "numeric"),), "1"))
    values: list[bytes | None] = [*[made(1)] * before, *[made(ROWS)] * 200]
    count = len(values)
    batch = RecordBatch(Partition("t", 0), values, np.arange(count), np.full(count, T0_MS), count, T0_MS * 1_000)
    tracemalloc.start()
    try:
        events = decoder.decode(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(events) == before + 200 * ROWS
    assert peak < 250 * len(events)


def test_what_separates_many_rows_is_not_taken_for_depth() -> None:
    value, limits = fields_of(5_000), Limits(1 << 20, 10_000, 100)
    rows = msgspec.json.decode(value, type=dict[str, msgspec.Raw])["rows"]
    texts = msgspec.json.decode(rows, type=list[msgspec.Raw])
    assert not may_exceed_with_rows(value, texts, 2, limits)
    deep = value[:-1] + b',"x":' + b"[" * 500 + b"]" * 500 + b"}"
    assert may_exceed_with_rows(deep, texts, 2, limits)
    wide = value[:-1] + b',"x":{' + b",".join([b'"n":1'] * 101) + b"}}"
    assert may_exceed_with_rows(wide, texts, 2, limits)
