"""A format is one decoder and one line: a made-up one, named in FORMATS, is surveyed, counted and judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.decode import decoder
from monitor.decode.columns import ABSENT, ABSENT_VALUE, MISSING, Events, Group, Rejected, Rules
from monitor.decode.raw import OneEvent, RawColumn, RawFields
from monitor.decode.surveyed import Ints
from monitor.decode.values import category_value, numeric_value
from monitor.events import PREDICTION, ModelKey
from monitor.records import RecordBatch
from monitor.reference.file.encoding import to_json
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.settings.tree import Settings
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from tests.engine import CREDIT, EVENTS, NOW_US, Credit, Event, MemorySource, build, replayed, settings


class Line(NamedTuple):
    record: int
    key: ModelKey
    ts: int
    score: float
    prediction: int
    features: dict[str, object]


class TabLines:
    """Predictions as lines of `model version ts score prediction name=value ...` with tabs; several to a record."""

    def __init__(self, shapes: decoder.Shapes, _rules: Rules) -> None:
        self._shapes = shapes

    def forget(self, key: ModelKey) -> None:
        """Nothing is cached."""

    def decode(self, batch: RecordBatch) -> Events:
        lines, rejected = self._lines(batch)
        keys = sorted({line.key for line in lines})
        record = np.array([line.record for line in lines], np.int64)
        return Events(
            kind=np.full(len(lines), PREDICTION, np.int8),
            key=np.array([keys.index(line.key) for line in lines], np.int32),
            keys=keys,
            ts=np.array([line.ts for line in lines], np.int64),
            offset=np.array(batch.offsets, np.int64)[record],
            id_key=np.zeros(len(lines), np.uint64),
            join_key=np.zeros(len(lines), np.uint64),
            groups=[self._group(key, lines) for key in keys if self._shapes(key) is not None],
            label_rows=np.zeros(0, np.int64),
            label_values=[],
            label_amounts=np.zeros(0),
            rejected=rejected,
            tombstones=0,
        )

    def survey(self, batch: RecordBatch) -> tuple[Events, list[RawFields]]:
        events, (lines, _) = self.decode(batch), self._lines(batch)
        return events, [self._fields([lines[row].features for row in group.rows]) for group in events.groups]

    def features(self, batch: RecordBatch, places: Iterable[int]) -> list[OneEvent | None]:
        lines, _ = self._lines(batch)
        first = {line.record: OneEvent(0, line.features) for line in reversed(lines)}
        return [first.get(place) for place in places]

    def _lines(self, batch: RecordBatch) -> tuple[list[Line], list[Rejected]]:
        lines: list[Line] = []
        rejected: list[Rejected] = []
        for index, value in enumerate(batch.values):
            try:
                lines += [_line(index, text) for text in (value or b"").decode().splitlines()]
            except ValueError:
                rejected.append(Rejected(index, batch.offsets[index], "json", "no line of tabs", (), 1))
        return lines, rejected

    def _group(self, key: ModelKey, lines: Sequence[Line]) -> Group:
        shape = self._shapes(key)
        assert shape is not None
        rows = [row for row, line in enumerate(lines) if line.key == key]
        own = [lines[row] for row in rows]
        wanted = {kind: [name for name, of in shape.key_features if of == kind] for kind in (NUMERIC, CATEGORICAL)}
        cells = [[numeric_value(line.features.get(name, ABSENT)) for line in own] for name in wanted[NUMERIC]]
        numeric = [[MISSING if cell is None else cell for cell in column] for column in cells]
        return Group(
            key=key,
            rows=np.array(rows, np.int64),
            has_features=np.ones(len(rows), np.bool_),
            numeric=np.array(numeric, np.float64).reshape(len(numeric), len(rows)),
            categorical=[
                [category_value(line.features.get(name, ABSENT_VALUE)) for line in own] for name in wanted[CATEGORICAL]
            ],
            score=np.array([line.score for line in own], np.float64),
            prediction=[line.prediction for line in own],
            label=[None] * len(rows),
        )

    def _fields(self, features: Sequence[dict[str, object]]) -> RawFields:
        names = dict.fromkeys(name for one in features for name in one)
        rows: dict[str, Ints] = {
            name: np.array([row for row, one in enumerate(features) if name in one], np.int64) for name in names
        }
        columns = {name: RawColumn(of_name, [features[row][name] for row in of_name]) for name, of_name in rows.items()}
        return RawFields(columns, {}, {})


def _line(index: int, text: str) -> Line:
    model, version, ts, score, prediction, *pairs = text.split("\t")
    features = {name: _value(value) for name, value in (pair.split("=") for pair in pairs)}
    return Line(index, ModelKey(model, version), int(ts), float(score), int(prediction), features)


def _value(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text or None


def as_line(made: Event) -> str:
    pairs = [f"{name}={'' if value is None else value}" for name, value in made["features"].items()]
    return "\t".join(
        [made["model"], made["version"], str(made["ts"]), str(made["score"]), str(made["prediction"]), *pairs]
    )


@pytest.fixture
def tabs(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an input in the made-up format; its line is the first one."""
    monkeypatch.setitem(decoder.FORMATS, "tabs", TabLines)
    tree = settings()
    return tree.model_copy(update={"inputs": (tree.inputs[0].model_copy(update={"format": "tabs"}),)})


def stream_of(events: int) -> list[Event]:
    """Predictions of which some lack a feature, and some have a null."""
    stream = list(Credit(events))
    for at, made in enumerate(stream):
        if at % 11 == 0:
            del made["features"]["AGE"]
        elif at % 7 == 0:
            made["features"]["EDU"] = None
        del made["id"]
    return stream


def lines_of(stream: Sequence[Event], each: int) -> list[object]:
    """Records of `each` events."""
    return ["\n".join(map(as_line, stream[at : at + each])).encode() for at in range(0, len(stream), each)]


def built(tree: Settings, records: list[object], event_range: EventRange) -> Reference:
    source = {EVENTS: records}
    return build_reference(tree, CREDIT, lambda: MemorySource(source), ManualClock(NOW_US), event_range)


@pytest.mark.parametrize("each", [1, 7])
def test_a_reference_of_a_second_format_is_that_of_the_same_native_events(tabs: Settings, each: int) -> None:
    stream = stream_of(2_000)
    expected = build(settings(), stream[:1_500])
    assert to_json(built(tabs, lines_of(stream, each), EventRange(rows=1_500))) == to_json(expected)


def test_a_bad_record_of_a_second_format_is_left_out(tabs: Settings) -> None:
    stream = stream_of(1_000)
    records = lines_of(stream, 1)
    records.insert(500, b"no tabs")
    assert to_json(built(tabs, records, EventRange(rows=1_000))) == to_json(build(settings(), stream))


def test_events_of_a_second_format_are_judged_as_the_same_native_events(tabs: Settings) -> None:
    stream = stream_of(3_000)
    for made in stream[1_500:]:
        made["features"]["LIMIT"] *= 4
    reference = build(settings(), stream_of(1_500))
    lines, _ = replayed(tabs, reference, MemorySource({EVENTS: lines_of(stream, 1)}))
    expected, _ = replayed(settings(), reference, MemorySource({EVENTS: stream}))
    assert without_seconds(lines) == without_seconds(expected)
    assert any(line["kind"] == "transition" for line in lines)


def without_seconds(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    """Nor the hash of the settings: of a format that is not native it is another one."""
    left_out = {"seconds", "settings"}
    return [{name: value for name, value in line.items() if name not in left_out} for line in lines]
