"""Each platform's records become the same events as the same rows would as native events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from monitor.clock import rfc3339
from monitor.events import ModelKey, Partition
from monitor.pipeline import Pipeline
from monitor.records import RecordBatch
from monitor.reference.reference import Reference
from monitor.settings.tree import Settings
from tests.engine import (
    MemorySource,
    Recorded,
    admission_of,
    blank,
    categorical,
    numeric,
    pipeline_of,
    plain,
    run_to_end,
)
from tests.platform_calls import CALL, T0_US, Called, Record
from tests.platform_records import KINDS, batch_of, settings_for

KEY = ModelKey("credit", "12")
COLUMNS = [numeric("age", (30, 38, 45), 18, 90), numeric("income", (3e4, 4e4, 5e4), 0, 2e5), categorical("grade", "AB")]
NATIVE = Settings.model_validate(
    {"inputs": [{"topic": "traffic"}], "models": [{"name": "credit", "reference": "credit.json", "task": "binary"}]}
)


def reference(order: tuple[str, ...] = ()) -> Reference:
    """With the features in that order in every event."""
    return replace(blank(COLUMNS, KEY), feature_order=order)


class RecordSource(MemorySource):
    """A source of records with headers and keys."""

    def _read(self, partition: Partition) -> RecordBatch:
        first = self.next[partition]
        records = cast("list[Record]", self.records[partition][first : first + self._chunk])
        self.next[partition] += len(records)
        return batch_of(records, first, T0_US + 600_000_000)


def source_of(records: Sequence[Record], chunk: int = 500) -> RecordSource:
    by_topic: dict[Partition, list[Any]] = {}
    for record in records:
        by_topic.setdefault(Partition(record.topic, 0), []).append(record)
    return RecordSource(by_topic, chunk)


def ran(tree: Settings, source: MemorySource, order: tuple[str, ...] = ()) -> tuple[Pipeline, Recorded]:
    outputs = Recorded()
    pipeline, clock = pipeline_of(tree, admission_of(tree, reference(order)), source, outputs)
    clock.advance(10**9)
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    return pipeline, outputs


def read(name: str, records: Sequence[Record], **over: object) -> tuple[Pipeline, Recorded]:
    return ran(settings_for(name, **over), source_of(records))


def outcomes(pipeline: Pipeline) -> dict[str, int]:
    """By outcome, with the reason if it has one."""
    found: dict[str, int] = {}
    for (_, outcome, reason), count in pipeline.outcomes.items():
        name = f"{outcome} {reason}".strip()
        found[name] = found.get(name, 0) + count
    return found


def native_of(call: Called) -> list[dict[str, Any]]:
    whole = {"model": "credit", "version": "12", "ts": rfc3339(call.ts_us), "type": "prediction"}
    return [
        whole | {"id": f"{call.id}#{at}", "features": row, "score": score}
        for at, (row, score) in enumerate(zip(call.rows, call.scores, strict=True))
    ]


def over_of(kind: str) -> dict[str, object]:
    """The gateway's table does not hold the model."""
    return {"model": "credit"} if kind == "databricks gateway" else {}


def calls() -> list[Called]:
    rng = np.random.default_rng(3)
    made = []
    for number in range(60):
        rows = [
            {
                "age": int(rng.integers(18, 90)),
                "income": round(float(rng.normal(45_000, 9_000)), 1) + 0.25,
                "grade": str(rng.choice(["A", "B", "C é"])),
            }
            for _ in range(int(rng.choice([1, 3])))
        ]
        scores = [float(np.float32(rng.integers(1, 100) / 128)) for _ in rows]
        made.append(Called(f"r-{number}", T0_US + number * 1_000_000, rows, scores))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_are_counted_as_native_events_to_the_last_count(kind: str) -> None:
    name, make = KINDS[kind]
    pipeline, outputs = read(name, [record for call in calls() for record in make(call)], **over_of(kind))
    native = [event for call in calls() for event in native_of(call)]
    expected, _ = ran(NATIVE, MemorySource({Partition("traffic", 0): native}))
    assert outputs.letters == []
    assert outcomes(pipeline) == {"accepted": len(native)} == outcomes(expected)
    found, wanted = pipeline.totals.events.get(KEY), expected.totals.events.get(KEY)
    assert found is not None
    assert wanted is not None
    assert plain(found.counts) == plain(wanted.counts)
    assert found.events == wanted.events == len(native)


@pytest.mark.parametrize("kind", [kind for kind, (_, make) in KINDS.items() if len(make(CALL)) == 2])
def test_a_response_may_come_first(kind: str) -> None:
    name, make = KINDS[kind]
    request, response = make(CALL)
    if name != "seldon":
        pipeline, _ = read(name, [response, request])
        assert outcomes(pipeline) == {"accepted": 2}
        assert not pipeline.pairing.waiting
    pipeline, _ = read(name, [request])
    total = pipeline.totals.events.get(KEY) or pipeline.totals.events.get(ModelKey("credit", ""))
    assert outcomes(pipeline) in ({"accepted": 2}, {"unknown_model no_reference": 2}), (
        "the version may be the response's"
    )
    assert sum(pipeline.pairing.waiting.given_up.values()) == 1
    if total is not None:
        assert total.predictions == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_comes_twice_is_counted_once(kind: str) -> None:
    name, make = KINDS[kind]
    records = make(CALL)
    pipeline, _ = read(name, [*records, *records], **over_of(kind))
    if kind == "prediction log":  # it has no id
        assert outcomes(pipeline) == {"accepted": 4}
    else:
        assert outcomes(pipeline) == {"accepted": 2, "duplicate": 2 * len(records)}
