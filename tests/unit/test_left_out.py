"""Events that do not come into a reference: one line a reason with count, place and remedy, and when it is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from monitor.cli.parser import main
from monitor.clock import DAY_US, HOUR_US, SECOND_US, ManualClock
from monitor.errors import UsageError
from monitor.events import ModelKey, Partition
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.left_out import Times, place_text
from monitor.run.reference_build import build_reference
from monitor.settings.duration import about
from monitor.sources.files import open_source
from tests.engine import CREDIT, EVENTS, NOW_US, Credit, MemorySource, event, settings

N = 400
ALL = EventRange(start_us=-(10**18))


def built(
    stream: list[Any],
    *,
    key: ModelKey = CREDIT,
    event_range: EventRange | None = None,
    partial: bool = False,
    model: dict[str, object] | None = None,
) -> tuple[Reference, list[str]]:
    lines: list[str] = []
    reference = build_reference(
        settings(model),
        key,
        lambda: MemorySource({EVENTS: stream}),
        ManualClock(NOW_US),
        event_range or ALL,
        lines.append,
        accept_partial=partial,
    )
    return reference, lines


def refused(stream: list[Any], **how: Any) -> list[str]:  # noqa: ANN401 - arguments of `built`
    with pytest.raises(UsageError) as caught:
        built(stream, **how)
    return list(caught.value.faults)


def good(n: int = N, first: int = 0) -> list[dict[str, Any]]:
    return [event(i, id=f"p{i}", features={"x": i % 7}, prediction=i % 2) for i in range(first, first + n)]


def test_each_reason_of_a_rejection_is_a_line_with_its_count_and_first_place() -> None:
    stream = [*good(3), *[e | {"score": 7} for e in good(5)], *[e | {"ts": "yesterday"} for e in good(2)], *good(20)]
    _, lines = built(stream)
    rejected = [line for line in lines if "rejected" in line]
    assert rejected[0].startswith("credit/1: 5 of 30 events were rejected: score 5, first at events-0@3: ")
    assert rejected[1].startswith("credit/1: 2 of 30 events were rejected: ts 2, first at events-0@8: ")
    assert len(rejected) == 2


def test_nothing_but_rejected_events_says_so_and_never_blames_the_model() -> None:
    (line,) = refused([e | {"score": "high"} for e in good(12)])
    assert line.startswith("credit/1: all 12 events were rejected: score 12, first at events-0@0: ")
    assert "model" not in line


def test_other_models_and_versions_are_named_with_their_counts_and_places() -> None:
    stream = [*[e | {"model": "Credit"} for e in good(7)], *[e | {"version": "1.0"} for e in good(5)]]
    (line,) = refused(stream)
    assert "the source holds none of its events" in line
    assert "Credit/1 (7 events, first at events-0@0), credit/1.0 (5 events, first at events-0@7)" in line
    assert line.endswith("choose it with --version 1.0")


@pytest.mark.parametrize(("spoiled", "is_refused"), [(199, False), (201, True)])
def test_a_reference_of_less_than_half_of_its_events_is_refused_unless_that_is_accepted(
    spoiled: int, *, is_refused: bool
) -> None:
    stream = [e | {"score": 7} for e in good(spoiled)] + good(N - spoiled, spoiled)
    if is_refused:
        assert refused(stream)[-1] == "more than half of the events were lost; --accept-partial takes the others"
    reference, lines = built(stream, partial=is_refused)
    assert reference.events == N - spoiled
    assert any(line.startswith(f"credit/1: {spoiled} of {N} events were rejected") for line in lines)


def test_ids_that_repeat_are_reported_with_the_first_place_and_refused_when_they_are_most() -> None:
    some = [e | {"id": f"c{i}" if i < 300 else f"c{i - 300}"} for i, e in enumerate(good())]
    reference, lines = built(some)
    assert reference.events == 300
    repeat = "events repeat an id (duplicate); first at events-0"
    assert any(line.startswith(f"credit/1: 100 of 400 {repeat}@300: ") for line in lines)
    customers = [e | {"id": f"c{i % 60}"} for i, e in enumerate(good())]
    assert refused(customers)[0].startswith(f"credit/1: 340 of 400 {repeat}@60: ")


def test_late_events_are_reported_with_the_lateness_that_would_accept_them() -> None:
    stream = [*good(100), *[e | {"id": f"late{i}"} for i, e in enumerate(good(10))], *good(200, 500)]
    _, lines = built(stream)
    (late,) = [line for line in lines if "late" in line]
    assert late.startswith("credit/1: 10 of 310 events are late, up to 1.65 min behind (first at events-0@100); ")
    assert "models[0].allowed_lateness: 2m would accept them" in late
    again, nothing = built(stream, model={"allowed_lateness": 120 * SECOND_US})
    assert (again.events, nothing) == (310, [])


def test_events_cut_by_a_range_of_time_are_distinguished_from_lost_ones() -> None:
    start = good()[0]["ts"] + 5 * SECOND_US
    reference, lines = built(good(), event_range=EventRange(start_us=start))
    assert reference.events == 390
    assert "5 events in panes that --from or --to cuts: not in the reference" in lines


def test_every_event_is_in_the_reference_or_in_a_line() -> None:
    """An its own oracle: a stream with known numbers of each loss."""
    bad, old = [e | {"score": 7} for e in good(9)], [e | {"id": "new"} for e in good(1)]
    stream = [*good(200), *bad, *good(6), *good(150, 900), *old]
    reference, lines = built(stream)
    assert reference.events == 350
    reported = {word: line for line in lines for word in ("rejected", "late") if word in line}
    assert " 9 of 366 " in reported["rejected"]
    assert " 7 of 357 " in reported["late"]


@pytest.mark.parametrize("name", ["live.jsonl", "live.jsonl.gz"])
def test_a_place_in_a_file_is_its_line(tmp_path: Path, name: str) -> None:
    stream = [*good(4), event(9, id="x", score=-1), *good(20, 10)]
    data = "".join(json.dumps(e) + "\n" for e in stream).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    lines: list[str] = []
    clock = ManualClock(NOW_US)
    build_reference(settings(), CREDIT, lambda: open_source([tmp_path / name], clock), clock, ALL, lines.append)
    assert f"score 1, first at {tmp_path / name}:5: " in lines[-1]


def test_a_place_on_kafka_is_partition_and_offset_and_a_csv_has_a_header() -> None:
    assert place_text(Partition("events", 3), 12) == "events-3@12"
    assert place_text(Partition("a.records.jsonl", 0), 12) == "a.records.jsonl-0@12"
    assert place_text(Partition("a.csv.gz", 0), 0) == "a.csv.gz:2"


def test_lengths_of_time_are_reported_in_the_unit_a_person_would_use() -> None:
    lengths = [3 * SECOND_US, 90 * SECOND_US, 10 * HOUR_US, 3 * DAY_US, 73 * 365.25 * DAY_US]
    assert [about(round(us)) for us in lengths] == ["3 s", "1.5 min", "10 h", "3 days", "73 years"]


def test_only_what_lies_far_beyond_all_others_is_of_a_wrong_clock() -> None:
    times = Times()
    times.add(np.arange(1_000) * SECOND_US, np.arange(1_000), EVENTS)
    times.add(np.array([2**52]), np.array([1_000]), EVENTS)
    low, high = times.usual()
    assert low < 0 < 1_000 * SECOND_US < high < 2**52
    assert times.last == (2**52, (EVENTS, 1_000))


@pytest.mark.parametrize(("ts", "messages"), [(2**52, "ahead of"), (-(2**50), "behind")])
def test_an_event_of_a_wrong_clock_is_left_out_and_told_with_its_place(ts: int, messages: str) -> None:
    wrong = Partition("events", 1)
    records: dict[Partition, list[Any]] = {EVENTS: good(), wrong: [event(0, id="w", features={"x": 3}) | {"ts": ts}]}
    lines: list[str] = []
    clock = ManualClock(NOW_US)
    reference = build_reference(settings(), CREDIT, lambda: MemorySource(records), clock, ALL, lines.append)
    usual, _ = built(good())
    assert (reference.events, reference.start_us, reference.end_us) == (N, usual.start_us, usual.end_us)
    (line,) = lines
    assert line.startswith("1 event is ")
    assert f" years {messages} the others (events-1@0): left out" in line


def test_the_warnings_of_a_command_reach_the_terminal_and_the_file_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = {"name": "credit", "versions": ["1"], "reference": "r.json", "positive": "yes"}
    Path("driftd.yaml").write_text(yaml.safe_dump({"inputs": [{"topic": "t"}], "models": [model]}))
    Path("ref.jsonl").write_text("".join(json.dumps(e) + "\n" for e in Credit(300)))
    command = ["reference", "build", "--config", "driftd.yaml", "--model", "credit", "--rows", "300", "ref.jsonl"]
    assert main([*command, "-o", "r.json"]) == 0
    assert 'positive is yes, and no class is: "0" ' in capsys.readouterr().err
    assert main(["check", "--config", "driftd.yaml", "--offline"]) == 0
    assert 'positive is yes, and no class is: "0" ' in capsys.readouterr().out
