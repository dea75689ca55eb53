"""Replay = live, to the last digit: no verdict depends on polls, on the interleaving of partitions, or on the clock."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey, Partition
from monitor.pipeline import Pipeline
from monitor.reference.file.encoding import with_hash
from monitor.run.replay import replay
from monitor.sources.files import open_source
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    SECOND,
    START_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    credit_reference,
    plain,
    raw,
    replayed,
    run_to_end,
    settings,
    settled,
    transitions_in,
    trees,
)

OTHER = Partition("events", 1)
TREE = settings()


def fault(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 8


def credit(seed: int = 5) -> Credit:
    return Credit(3_000, seed=seed, change=1_000, fault=fault)


def halves(seed: int = 5) -> dict[Partition, list[Any]]:
    """The stream, spread over two partitions by a coin."""
    rng = np.random.default_rng(seed)
    parts: dict[Partition, list[Any]] = {EVENTS: [], OTHER: []}
    for made in credit(seed):
        parts[EVENTS if rng.random() < 0.3 else OTHER].append(made)
    return parts


def without_time(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was said, without how long it took."""
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def messages(source: MemorySource) -> list[dict[str, Any]]:
    lines, _ = replayed(TREE, credit_reference(), source, windows=True)
    return without_time(lines)


@cache
def reading_of_halves() -> list[dict[str, Any]]:
    lines = messages(MemorySource(halves()))
    assert [line["transition"] for line in transitions_in(lines)][:1] == ["opened"]
    return lines


@pytest.mark.parametrize("chunk", [1, 7, 500])
def test_a_file_says_the_same_under_any_size_of_polls(chunk: int, tmp_path: Path) -> None:
    file = tmp_path / "stream.jsonl"
    file.write_bytes(b"".join((raw(made) or b"") + b"\n" for made in credit()))
    source, lines = open_source([file], ManualClock(NOW_US), chunk=chunk), list[dict[str, Any]]()
    replay(TREE, admission_of(TREE, credit_reference()), source, ManualClock(NOW_US), lines.append, windows=True)
    expected = json.loads(json.dumps(messages(MemorySource({Partition(file.name, 0): list(credit())}))))
    assert json.loads(json.dumps(without_time(lines))) == expected
    assert transitions_in(expected)


@pytest.mark.parametrize("turns", [[EVENTS, OTHER], [EVENTS, OTHER, OTHER], [OTHER], [EVENTS]])
@pytest.mark.parametrize("chunk", [40, 1_000])
def test_partitions_say_the_same_in_any_interleaving(turns: list[Partition], chunk: int) -> None:
    """A list of one partition reads that one to its end before the other begins."""
    rest = [partition for partition in (EVENTS, OTHER) if partition not in turns]
    source = MemorySource(halves(), chunk, turns=[*turns * 100, *rest * 100])
    assert messages(source) == reading_of_halves()


def test_it_does_not_matter_which_of_the_partitions_an_event_came_by() -> None:
    """But for the offsets of its evidence: each time is in order, so nothing is late in either."""
    one = MemorySource({EVENTS: list(credit())})
    assert shown(messages(one)) == shown(reading_of_halves())


def shown(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = json.loads(json.dumps([line for line in lines if line["kind"] in {"transition", "window"}]))
    for line in kept:
        for finding in line.get("findings", ()):
            del finding["records"]
    return kept  # type: ignore[no-any-return]  # JSON


def test_a_live_run_says_what_a_replay_says() -> None:
    expected = transitions_in(reading_of_halves())
    source, outputs, clock = MemorySource(halves(), 13, live=True), Recorded(), ManualClock(NOW_US)
    pipeline = Pipeline(TREE, admission_of(TREE, credit_reference()), source, clock, outputs)
    while not pipeline.caught_up():
        pipeline.turn()
        clock.advance(0.7)
    clock.advance(61)
    pipeline.turn()
    assert [one.to_json() for one in outputs.reported] == expected
    assert pipeline.exchange.unjudged == {}


LATE = Partition("late", 0)
TWO_MODELS = settings(
    inputs=[{"topic": "events", "model": "credit"}, {"topic": "late", "model": "slow"}],
    # the silence behind the last event is known to a live run alone
    models=[
        {"name": "credit", "reference": "c.json", "severity": {"traffic": "info"}},
        {"name": "slow", "reference": "s.json", "severity": {"traffic": "info"}},
    ],
)


def two_models() -> dict[Partition, list[Any]]:
    """Each model on its own topic, that of `slow` an hour behind; labels of now between, and clocks far ahead."""
    parts: dict[Partition, list[Any]] = {EVENTS: [], LATE: []}
    for number, (made, other) in enumerate(zip(credit(), credit(6), strict=True)):
        parts[EVENTS].append(made)
        parts[LATE].append(other | {"model": "slow", "ts": other["ts"] - 3_600_000_000})
        if number % 400 == 150:  # time arrives at those that lie 500 s ahead
            ahead = made["ts"] + (500 if number < 1_200 else 3_540) * SECOND
            parts[EVENTS].append(made | {"id": f"ahead-{number}", "ts": ahead})
        if number % 50 == 0:
            label = {"type": "label", "version": "1", "id": made["id"], "label": 1}
            parts[EVENTS].append(label | {"model": "credit", "ts": made["ts"] + 900_000_000})
            parts[LATE].append(label | {"model": "slow", "ts": made["ts"]})
    return parts


def admission_of_two() -> Admission:
    built = credit_reference()
    return admission_of(TWO_MODELS, built, with_hash(replace(built, key=ModelKey("slow", "1"))))


def by_model(transitions: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [one for one in transitions if one["model"] == name] for name in ("credit", "slow")}


def test_a_model_is_reported_the_same_live_and_in_a_replay_whatever_comes_of_the_other_and_of_labels() -> None:
    lines: list[dict[str, Any]] = []
    ran = replay(TWO_MODELS, admission_of_two(), MemorySource(two_models()), ManualClock(NOW_US), lines.append)
    expected = by_model(transitions_in(lines))
    assert all(expected.values())
    assert ran.summary["outcomes"] == {"accepted": 6_000 + 2 * 60 + 8}
    source, outputs, clock = MemorySource(two_models(), 13, live=True), Recorded(), ManualClock(NOW_US)
    pipeline = Pipeline(TWO_MODELS, admission_of_two(), source, clock, outputs)
    while not pipeline.caught_up():
        pipeline.turn()
        clock.advance(0.7)
        assert pipeline.partition_state(EVENTS).clock.us < START_US + 2_400 * SECOND
    clock.advance(7_200)
    pipeline.turn()
    assert by_model([one.to_json() for one in outputs.reported]) == expected
    assert pipeline.exchange.unjudged == {}
    assert pipeline.partition_state(EVENTS).clock.skewed == 8


def test_the_same_run_twice_leaves_the_same_state() -> None:
    states = []
    for chunk in (50, 333):
        source, outputs = MemorySource(halves(), chunk), Recorded()
        pipeline = Pipeline(
            TREE, admission_of(TREE, credit_reference()), source, ManualClock(NOW_US), outputs, live=False
        )
        run_to_end(pipeline, source)
        states.append(settled(plain(trees(pipeline.to_state()))))
    assert states[0] == states[1]


def test_the_summary_adds_up() -> None:
    lines, ran = replayed(TREE, credit_reference(), MemorySource(halves()))
    summary = lines[-1]
    assert summary == ran.summary
    assert (summary["kind"], summary["records"], summary["outcomes"]) == ("summary", 3_000, {"accepted": 3_000})
    (model,) = summary["models"]
    reported = transitions_in(lines)
    assert (model["model"], model["version"]) == CREDIT
    assert model["predictions"] == 3_000
    assert model["pages"] == len({one["incident"] for one in reported if one["severity"] == "page"})
    assert 0 < model["expected_false_pages"] < 0.01
    assert ran.worst == "page"
