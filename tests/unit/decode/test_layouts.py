"""A format is an encoding and a layout: whatever they are, the events they give obey the rules of native events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from monitor.decode.columns import Events, Limits, Rules, Shape
from monitor.decode.encodings.encoding import RecordInfo
from monitor.decode.encodings.json import JsonEncoding
from monitor.decode.layout import Event, LeftAside
from monitor.decode.layout_decoder import LayoutDecoder
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.raw import OneEvent
from monitor.errors import RejectedRecord
from monitor.events import ModelKey, Partition
from monitor.records import Envelope, RecordBatch
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC

LIMITS = Limits(1 << 20, 100, 100)
SKEW_US = 60_000_000
KEY = ModelKey("credit", "1")
SHAPE = Shape((("AGE", NUMERIC), ("SEX", CATEGORICAL)), "1", raw=True)
NOW_MS = 1_763_805_600_000


class Boxed:
    """A record of a batch of rows: {"box": [event, ...]}; {"ping": true} is of a kind that is left aside."""

    places: Mapping[str, str] = {"score": "box[].p"}

    def events(self, tree: object, record: RecordInfo) -> object | Sequence[Event | RejectedRecord] | LeftAside:
        assert isinstance(tree, dict)
        if "ping" in tree:
            return LeftAside.KIND
        if "box" not in tree:
            raise RejectedRecord("no_event", "`box` is missing; write a list of rows")
        return [self._event(row, index, record) for index, row in enumerate(tree["box"])]

    def _event(self, row: object, index: int, record: RecordInfo) -> Event | RejectedRecord:
        if not isinstance(row, dict):
            return RejectedRecord("no_event", f"box[{index}] is not an object")
        key = record.key.decode() if record.key is not None else "none"
        return {"model": "credit", "version": "1", "id": f"{key}#{index}", "score": row.get("p"), **row}


def decoder() -> LayoutDecoder:
    return LayoutDecoder(JsonEncoding(LIMITS), Boxed(), {KEY: SHAPE}.get, Rules(LIMITS, SKEW_US))


def batch_of(values: Sequence[object]) -> RecordBatch:
    records = [None if value is None else json.dumps(value).encode() for value in values]
    count = len(records)
    return RecordBatch(
        Partition("boxes", 0), records, np.arange(count), np.full(count, NOW_MS), count, NOW_MS * 1_000,
        lambda place: Envelope(b"k%d" % place, ()),
    )  # fmt: skip


def decoded(*values: object) -> Events:
    return decoder().decode(batch_of(values))


def test_rows_of_a_record_are_events_with_its_key_and_time() -> None:
    events = decoded({"box": [{"p": 0.25, "features": {"AGE": 41, "SEX": "2"}}, {"p": 0.5, "features": {"AGE": 7}}]})
    (group,) = events.groups
    assert group.score.tolist() == [0.25, 0.5]
    assert group.numeric.tolist() == [[41, 7]]
    assert events.ts.tolist() == [NOW_MS * 1_000] * 2
    native = [{"model": "credit", "version": "1", "id": f"k0#{i}", "score": 0.5} for i in range(2)]
    ids = NativeDecoder({KEY: SHAPE}.get, Rules(LIMITS, SKEW_US)).decode(batch_of([native])).id_key
    assert events.id_key.tolist() == ids.tolist()


def test_a_record_that_is_left_aside_is_counted_and_is_no_event() -> None:
    events = decoded({"ping": True}, {"box": [{"p": 0.25}]}, None)
    assert (events.left_aside, events.tombstones, len(events), events.rejected) == (1, 1, 1, [])


def test_a_bad_row_is_one_of_its_record_and_the_others_count() -> None:
    events = decoded({"box": [{"p": 0.25}, 7, {"p": 2}]})
    (rejected,) = events.rejected
    assert (len(events), rejected.reason, rejected.indices, rejected.count) == (1, "no_event", (1, 2), 2)


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        ({"box": [{"p": 2}]}, "score", "(`score` is read from box[].p)"),
        ({"rows": []}, "no_event", "`box` is missing"),
        ({"box": []}, "no_event", "array is empty"),
    ],
)
def test_a_rejection_says_where(value: object, reason: str, message: str) -> None:
    (rejected,) = decoded(value).rejected
    assert rejected.reason == reason
    assert message in rejected.message


def test_a_survey_has_all_fields_and_those_that_nobody_reads() -> None:
    box = {"box": [{"p": 0.25, "features": {"AGE": 1, "NEW": [2]}}, 7, {"p": 0.5, "features": {"SEX": None}}]}
    events, (fields,) = decoder().survey(batch_of([{"ping": 1}, box]))
    assert {name: (column.rows.tolist(), list(column.values)) for name, column in fields.features.items()} == {
        "AGE": ([0], [1]), "NEW": ([0], [[2]]), "SEX": ([1], [None]),
    }  # fmt: skip
    assert {name: rows.tolist() for name, rows in fields.unread.items()} == {"p": [0, 1]}
    raw = events.groups[0].raw
    assert raw is not None
    assert raw.features.keys() == fields.features.keys()
    assert decoder().features(batch_of([box]), [0]) == [OneEvent(0, {"AGE": 1, "NEW": [2]})]
