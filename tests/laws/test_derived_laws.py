"""Vectors and texts: any cut into polls gives the same state and findings, and nothing of their values is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import pytest

from monitor.clock import ManualClock
from monitor.events import Partition
from monitor.judge.fleet import Fleet
from monitor.publish.site import Site
from monitor.publish.snapshot import SnapshotHolder
from monitor.reference.file.encoding import to_json
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.outputs import KafkaOutputs
from monitor.run.reference_build import build_reference
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.state.codec import encode
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    pipeline_of,
    plain,
    replayed,
    run_to_end,
    settings,
    settled,
    transitions_in,
    trees,
)
from tests.texts import embedded, of_another_subject, stream

TREE = settings({"features": {"note": {"kind": "text"}}})
OTHER = Partition("events", 1)
ROWS = 3_000
#: a word of every text, and a number of every vector, which nobody may see again
CANARY = "canary4c1a7e"
NUMBER = 0.0471351


def built(chunk: int) -> Reference:
    return build_reference(
        TREE,
        CREDIT,
        lambda: MemorySource({EVENTS: marked(stream(ROWS, seed=1))}, chunk),
        ManualClock(NOW_US),
        EventRange(rows=ROWS),
    )


@cache
def reference() -> Reference:
    return built(500)


def marked(events: Sequence[Event]) -> list[Event]:
    """The same events with the canaries in them."""
    for made in events:
        made["features"]["note"] += f" {CANARY}"
        made["features"]["emb"][7] = NUMBER
    return list(events)


@cache
def live() -> list[Event]:
    """A stream whose texts and embeddings change, with values of every kind that is none."""
    events = marked(stream(2_000, seed=2, first=ROWS))
    others = of_another_subject()
    vectors = embedded(others).tolist()
    for at, made in enumerate(events):
        features = made["features"]
        if at >= 600:
            features |= {"note": f"{others[at % len(others)]} {CANARY}", "emb": [*vectors[at % len(others)]]}
        if at % 50 == 7:
            features["emb"] = [None, [], [NUMBER] * 9, CANARY, [True], {CANARY: NUMBER}][at // 50 % 6]
            features["note"] = [None, "", 7, [CANARY], "日本語", {CANARY: 1}][at // 50 % 6]
        if at % 97 == 3:
            del features["emb"]
    return events


@pytest.mark.parametrize("chunk", [1, 37, 3_000])
def test_a_reference_is_the_same_however_the_polls_cut_its_events(chunk: int) -> None:
    assert to_json(built(chunk)) == to_json(reference())


@cache
def said() -> tuple[list[Any], Any]:
    return run(MemorySource({EVENTS: live()}))


def run(source: MemorySource) -> tuple[list[Any], Any]:
    """The transitions, and the state at the end."""
    outputs = Recorded()
    pipeline, _ = pipeline_of(TREE, admission_of(TREE, reference()), source, outputs)
    run_to_end(pipeline, source)
    return [one.to_json() for one in outputs.reported], settled(plain(trees(pipeline.to_state())))


@pytest.mark.parametrize("chunk", [1, 13, 2_000])
def test_any_cut_into_polls_gives_the_same_findings_and_the_same_state(chunk: int) -> None:
    transitions, state = run(MemorySource({EVENTS: live()}, chunk))
    assert transitions == said()[0]
    assert state == said()[1]
    found = {(one["subject"], one["cause"]) for transition in transitions for one in transition["findings"]}
    assert ("note.unknown_words", "distribution") in found


def test_partitions_say_the_same_in_any_interleaving() -> None:
    """Tallies of vectors are merged in any order."""
    halves = {EVENTS: live()[::2], OTHER: live()[1::2]}
    expected, _ = replayed(TREE, reference(), MemorySource(halves))
    for turns in ([EVENTS, OTHER, OTHER], [OTHER]):
        rest = [partition for partition in halves if partition not in turns]
        lines, _ = replayed(TREE, reference(), MemorySource(halves, 40, turns=[*turns * 100, *rest * 100]))
        assert transitions_in(lines) == transitions_in(expected)
        assert {**lines[-1], "seconds": 0} == {**expected[-1], "seconds": 0}


class _Outputs:
    checkpoint_us = None
    checkpoint_bytes = 0
    checkpoint_parts = 0


def test_nothing_of_a_vector_or_a_text_is_kept_or_shown(capsys: pytest.CaptureFixture[str]) -> None:
    source, outputs, admission = MemorySource({EVENTS: live()}), Recorded(), admission_of(TREE, reference())
    pipeline, _ = pipeline_of(TREE, admission, source, outputs)
    run_to_end(pipeline, source)
    builder = SnapshotBuilder(
        TREE, admission, pipeline, cast("Fleet", pipeline.fleet), cast("KafkaOutputs", _Outputs())
    )
    holder = SnapshotHolder(ManualClock(NOW_US))
    holder.show(builder.snapshot({EVENTS: 0}))
    site = Site(holder, clock=ManualClock(NOW_US))
    captured = capsys.readouterr()
    places: dict[str, bytes] = {
        "state": b"".join(bytes(encode(part.tree())) for part in pipeline.to_state().parts),
        "reference": json.dumps(to_json(reference())).encode(),
        "transitions": json.dumps([one.to_json() for one in outputs.reported]).encode(),
        "metrics": site.answer("GET", "/metrics").body,
        "page": site.answer("GET", "/").body,
        "log": (captured.out + captured.err).encode(),
    }
    assert b"emb.p1" in places["page"]
    assert b"note.unknown_words" in places["metrics"]
    assert outputs.reported
    for name, content in places.items():
        assert CANARY.encode() not in content, name
        assert str(NUMBER).encode() not in content, name
