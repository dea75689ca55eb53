"""Requests and responses become the same events in whatever order their partitions are read, cut anywhere."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from monitor.clock import rfc3339
from monitor.events import Partition
from monitor.findings import Transition
from monitor.pipeline import Pipeline
from tests.engine import (
    CREDIT,
    SECOND,
    START_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    credit_reference,
    pipeline_of,
    plain,
    run_to_end,
    trees,
)
from tests.engine import settings as settings_of

PARTITIONS = [Partition("events", number) for number in range(3)]
TREE = settings_of({"task": "binary"}, inputs=[{"topic": "events", "format": "kserve"}], id_memory=5_000)
NATIVE = settings_of({"task": "binary"})
SIDE = "org.kubeflow.serving.inference."


def cloud_event(side: str, identity: str, ts_us: int, data: object) -> dict[str, Any]:
    """A side of a call as KServe's logger writes it, in structured mode."""
    return {
        "specversion": "1.0",
        "id": identity,
        "source": "http://localhost:9081/",
        "type": SIDE + side,
        "time": rfc3339(ts_us),
        "datacontenttype": "application/json",
        "inferenceservicename": "credit",
        "annotations": '{"modelVersion":"1"}',
        "data": data,
    }


def fault(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 6


@cache
def streams() -> tuple[dict[Partition, list[Any]], list[Event]]:
    """Calls of one to three rows, their sides in any partitions, and the same rows as native events.

    Some sides come alone, some twice, some late, some far apart; labels and broken records are between them.
    """
    rng = np.random.default_rng(5)
    timed: dict[Partition, list[tuple[float, Any]]] = {partition: [] for partition in PARTITIONS}
    native: list[Event] = []
    rows = list(Credit(2_000, seed=4, change=700, fault=fault))
    at, number = 0, 0
    while at < len(rows):
        own = rows[at : at + int(rng.choice([1, 1, 3]))]
        at += len(own)
        number += 1
        identity, ts_us = f"call-{number}", own[0]["ts"]
        answered = ts_us + int(rng.integers(1_000, 2_000_000))
        lost = rng.choice(["none", "request", "response"], p=[0.94, 0.03, 0.03])
        sides = []
        if lost != "request":
            body = {"instances": [one["features"] for one in own]}
            sides.append((ts_us, cloud_event("request", identity, ts_us, body)))
        if lost != "response":
            body = {"predictions": [one["score"] for one in own]}
            sides.append((answered, cloud_event("response", identity, answered, body)))
        for time, side in sides:
            part = timed[PARTITIONS[int(rng.integers(3))]]
            part.append((time, side))
            if rng.random() < 0.02:
                part.append((time + 1_000, side))
            if rng.random() < 0.01:
                late = ts_us - 300 * SECOND
                part.append((time, cloud_event("request", f"late-{number}", late, {"instances": [own[0]["features"]]})))
            if rng.random() < 0.02:
                part += [(time, {"id": identity, "label": 1, "model": "credit"}), (time, b"{")]
        native += [
            {
                "model": "credit",
                "version": "1",
                "ts": answered if lost == "request" else ts_us,
                "id": f"{identity}#{row}",
                **({} if lost == "request" else {"features": one["features"]}),
                **({"type": "features"} if lost == "response" else {"type": "prediction", "score": one["score"]}),
            }
            for row, one in enumerate(own)
        ]
    ordered = {
        partition: [made for _, made in sorted(part, key=lambda pair: pair[0])] for partition, part in timed.items()
    }
    return ordered, sorted(native, key=lambda one: one["ts"])


def start(chunk: int, turns: list[int]) -> tuple[Pipeline, MemorySource, Recorded]:
    outputs = Recorded()
    source = MemorySource(streams()[0], chunk, [PARTITIONS[number] for number in turns])
    pipeline, _ = pipeline_of(TREE, admission_of(TREE, credit_reference()), source, outputs)
    return pipeline, source, outputs


def told(reported: list[Transition], pipeline: Pipeline) -> Any:  # noqa: ANN401 - a tree
    """Everything but the order in which it was read."""
    return reported, plain(trees(pipeline.to_state()))


@cache
def uncut() -> Any:  # noqa: ANN401 - a tree
    pipeline, source, outputs = start(500, [])
    run_to_end(pipeline, source)
    return told(outputs.reported, pipeline)


def test_the_stream_tells_something_and_holds_every_outcome() -> None:
    reported, state = uncut()
    assert {finding.key.subject for one in reported for finding in one.findings} >= {"AGE"}
    outcomes = {outcome for task in ("task/0", "task/1", "task/2") for _, outcome, _, _ in state[task]["outcomes"]}
    assert outcomes == {"accepted", "duplicate", "late", "rejected"}
    assert "pairs" not in state


def test_the_events_are_counted_as_the_same_native_ones() -> None:
    pipeline, source, _ = start(500, [])
    run_to_end(pipeline, source)
    native = MemorySource({PARTITIONS[0]: streams()[1]})
    same, _ = pipeline_of(NATIVE, admission_of(NATIVE, credit_reference()), native)
    run_to_end(same, native)
    counted, expected = pipeline.totals.events.get(CREDIT), same.totals.events.get(CREDIT)
    assert counted is not None
    assert expected is not None
    assert counted.events == expected.events == len(streams()[1])
    assert plain(counted.counts) == plain(expected.counts)


@given(
    chunk=st.integers(60, 700),
    turns=st.lists(st.integers(0, 2), min_size=3, max_size=9).filter(lambda turns: len(set(turns)) == 3),
    cuts=st.sets(st.integers(0, 30), max_size=3),
)
@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_the_order_of_partitions_and_restarts_change_nothing(chunk: int, turns: list[int], cuts: set[int]) -> None:
    pipeline, source, outputs = start(chunk, turns)
    reported, ended, turn = list[Transition](), False, 0
    while not ended:
        if turn in cuts:
            state = pipeline.to_state().state()
            reported += outputs.reported
            pipeline, source, outputs = start(chunk, turns)
            assert pipeline.restore(state) == []
            source.next.update(pipeline.positions())
        ended = source.ended()
        pipeline.turn()
        turn += 1
    assert told(reported + outputs.reported, pipeline) == uncut()


def test_times_are_in_the_stream() -> None:
    """The stream begins where the engine's tests begin."""
    assert min(one["ts"] for one in streams()[1]) >= START_US
