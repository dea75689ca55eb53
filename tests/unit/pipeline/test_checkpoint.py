"""State is saved before transitions are published: the order of a checkpoint, and the effect of a step that fails."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from monitor.clock import ManualClock
from monitor.events import ModelKey, Partition
from monitor.findings import PAGE
from monitor.judge.fleet import Fleet
from monitor.loop.saving import LAST_PAUSE, MOST_SECONDS
from monitor.pipeline import Pipeline
from monitor.records import RecordBatch, UnreadableRecords
from monitor.reference.reference import Reference
from monitor.settings.tree import Settings
from monitor.state.codec import encode
from monitor.state.model_part import name_of
from monitor.state.parts import Cut
from tests.engine import (
    CREDIT,
    EVENTS,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    batch_of,
    blank,
    credit_reference,
    event,
    numeric,
    pipeline_of,
    plain,
    run_to_end,
    settings,
    trees,
)

TREE = settings()
BROKEN = b"{"


@pytest.fixture(scope="module")
def reference() -> Reference:
    return credit_reference()


def gone(made: Event, _rng: object) -> None:
    """AGE is gone."""
    del made["features"]["AGE"]


def stream() -> list[object]:
    return list(Credit(2_000, seed=2, change=1_000, fault=gone))


def start(
    reference: Reference, records: list[object], tree: Settings = TREE
) -> tuple[Pipeline, MemorySource, Recorded, ManualClock]:
    outputs, source = Recorded(), MemorySource({EVENTS: records})
    pipeline, clock = pipeline_of(tree, admission_of(tree, reference), source, outputs)
    return pipeline, source, outputs, clock


def test_rejects_are_safe_then_the_state_then_transitions_then_offsets(reference: Reference) -> None:
    pipeline, source, outputs, _ = start(reference, [BROKEN, *stream()])
    run_to_end(pipeline, source)
    assert outputs.calls[:5] == ["reject", "flush_rejects", "save", "publish", "commit"]
    assert [one.transition for one in outputs.reported][:1] == ["opened"]
    assert outputs.reported[0].severity == PAGE
    assert outputs.committed[0] == {EVENTS: 1_500}


def test_a_transition_is_in_the_state_until_it_was_published(reference: Reference) -> None:
    pipeline, source, outputs, _ = start(reference, stream())
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    saved = outputs.saved[0].outbox.unsent
    assert [one.id for one in saved] == [f"{outputs.reported[0].incident}/1"]
    assert outputs.saved[-1].outbox.unsent == ()
    assert len({one.id for one in outputs.reported}) == len(outputs.reported)


def run_into_trouble(pipeline: Pipeline, source: MemorySource) -> None:
    run_to_end(pipeline, source)
    assert pipeline.saving.failure.endswith("fails")


@pytest.mark.parametrize("failing", ["flush_rejects", "save", "publish", "commit"])
def test_a_step_that_fails_holds_up_the_ones_behind_it_and_is_made_again(reference: Reference, failing: str) -> None:
    pipeline, source, outputs, clock = start(reference, stream())
    outputs.failing = {failing}
    run_into_trouble(pipeline, source)
    order = ["flush_rejects", "save", "publish", "commit"]
    assert outputs.calls == order[: order.index(failing) + 1]
    outputs.failing, outputs.calls = set(), []
    clock.advance(10)
    run_to_end(pipeline, source)
    assert [call for call in outputs.calls if call != "publish"][:3] == ["flush_rejects", "save", "commit"]
    assert [one.number for one in outputs.reported][:1] == [1]
    assert len({one.id for one in outputs.reported}) == len(outputs.reported)


def test_a_dead_letter_that_is_not_taken_stops_reading_and_is_sent_once(reference: Reference) -> None:
    pipeline, source, outputs, clock = start(reference, [BROKEN, *stream()])
    outputs.failing = {"reject"}
    pipeline.turn()
    read = source.next[EVENTS]
    for _ in range(30):
        clock.advance(1)
        pipeline.turn()
    assert source.next[EVENTS] == read
    assert pipeline.dead_letters == 0
    assert pipeline.saving.failure == "reject fails"
    assert not pipeline.reads()
    assert pipeline.saving.message(reads=pipeline.reads()).endswith("reject fails; reading waits for it")
    outputs.failing = set()
    clock.advance(LAST_PAUSE)
    run_to_end(pipeline, source)
    assert [(letter.offset, letter.value) for letter in outputs.letters] == [(0, BROKEN)]
    assert pipeline.outcomes["events", "rejected", "json"] == 1
    assert pipeline.saving.failure == ""


def test_dead_letters_that_are_taken_hold_up_nothing(reference: Reference) -> None:
    pipeline, source, outputs, _ = start(reference, [BROKEN, *stream()])
    while not source.ended():
        pipeline.turn()
        assert pipeline.reads(), "a loop that waits after each record that is rejected is slow"
    pipeline.turn()
    assert len(outputs.letters) == 1


def test_while_checkpoints_fail_judging_goes_on_and_nothing_is_published(reference: Reference) -> None:
    pipeline, source, outputs, clock = start(reference, stream())
    outputs.failing = {"save"}
    run_to_end(pipeline, source)
    assert isinstance(pipeline.fleet, Fleet)
    (judge,) = pipeline.fleet.judges.values()
    assert judge.book.incident is not None
    assert source.next[EVENTS] == 2_000
    assert outputs.reported == []
    assert pipeline.saving.message(reads=pipeline.reads()).endswith("; reading goes on, but no incident is sent")
    outputs.failing = set()
    clock.advance(LAST_PAUSE)
    pipeline.turn()
    assert [one.transition for one in outputs.reported][:1] == ["opened"]
    assert outputs.calls.index("save") < outputs.calls.index("publish")


@pytest.mark.parametrize("kind", ["records", "seconds"])
def test_reading_waits_when_a_crash_would_make_it_read_too_much_again(
    reference: Reference, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.loop.saving.MOST_RECORDS", 1_000)
    pipeline, source, outputs, clock = start(reference, stream())
    outputs.failing = {"flush_rejects"}
    clock.advance(10)
    pipeline.turn()
    assert source.next[EVENTS] == 500
    if kind == "seconds":
        clock.advance(MOST_SECONDS)
    for _ in range(10):
        clock.advance(1)
        pipeline.turn()
    assert source.next[EVENTS] == (1_000 if kind == "records" else 500)
    outputs.failing = set()
    clock.advance(LAST_PAUSE)
    run_to_end(pipeline, source)
    assert source.next[EVENTS] == 2_000


def test_reading_goes_on_while_the_state_is_saved_and_publishing_fails(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.loop.saving.MOST_RECORDS", 1_000)
    pipeline, source, outputs, clock = start(reference, stream())
    outputs.failing = {"publish", "commit"}
    while not source.ended():
        clock.advance(LAST_PAUSE)
        pipeline.turn()
    assert pipeline.saving.failure
    assert source.next[EVENTS] == 2_000


def test_a_checkpoint_that_fails_is_tried_after_growing_pauses(reference: Reference) -> None:
    pipeline, _, outputs, clock = start(reference, [])
    outputs.failing = {"save"}
    clock.advance(10)
    tries = []
    for second in range(120):
        pipeline.turn()
        tries.append(outputs.calls.count("save"))
        assert pipeline.saving.failures == tries[second]
        clock.advance(1)
    assert tries[0] == 1
    assert tries[10] >= 4
    assert tries[119] - tries[59] == 6, "one every ten seconds at last"


def test_records_that_cannot_be_read_are_counted_and_dead_lettered_and_hide_none(reference: Reference) -> None:
    pipeline, source, outputs, _ = start(reference, list(Credit(500, seed=2)))
    lost = UnreadableRecords(EVENTS, 500, 520, 20, "checksum", "the checksum does not match", b"bytes")
    source.new_changes.append(lost)
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    assert pipeline.outcomes["events", "accepted", ""] == 500
    assert dict(pipeline.unreadable) == {(EVENTS, "checksum"): 20}
    assert not pipeline.gaps
    assert pipeline.positions() == {EVENTS: 520}
    (letter,) = outputs.letters
    assert (letter.offset, letter.value, letter.reason) == (500, b"bytes", "unreadable_checksum")


def test_the_time_of_the_loop_is_given_to_its_steps(reference: Reference) -> None:
    pipeline, source, outputs, clock = start(reference, [BROKEN, *stream()])
    poll, save = source.poll, outputs.save
    costs = {"poll": 0.25, "save": 2.0}

    def slow_poll(paused: Collection[Partition]) -> list[RecordBatch]:
        clock.advance(costs["poll"])
        return poll(paused)

    def slow_save(cut: Cut) -> None:
        clock.advance(costs["save"])
        save(cut)

    source.poll, outputs.save = slow_poll, slow_save  # type: ignore[method-assign]
    run_to_end(pipeline, source)
    turns = 1 + 2_001 // 500
    assert pipeline.time.spent["poll"] + pipeline.time.spent["idle"] == pytest.approx(0.25 * (turns + 1))
    assert pipeline.time.spent["idle"] == pytest.approx(0.25)
    assert pipeline.time.spent["checkpoint"] == pytest.approx(2.0 * len(outputs.saved))
    assert outputs.saved


def test_a_crash_between_saving_and_publishing_publishes_after_the_restart_under_the_same_id(
    reference: Reference,
) -> None:
    pipeline, source, outputs, _ = start(reference, stream())
    outputs.failing = {"publish"}
    run_into_trouble(pipeline, source)
    again, source, reported, _ = start(reference, stream())
    again.restore(outputs.saved[-1])
    source.next[EVENTS] = again.positions()[EVENTS]
    run_to_end(again, source)
    uncut, source, expected, _ = start(reference, stream())
    run_to_end(uncut, source)
    assert reported.reported == expected.reported
    assert reported.reported


def test_without_transitions_a_checkpoint_is_made_when_it_is_due() -> None:
    pipeline, source, outputs, clock = start(blank([numeric("x")]), [])
    source.live = True
    pipeline.turn()
    assert outputs.calls == []
    clock.advance(9.9)
    pipeline.turn()
    assert outputs.calls == []
    clock.advance(0.1)
    pipeline.turn()
    assert outputs.calls == ["flush_rejects", "save", "commit"]
    pipeline.turn()
    assert len(outputs.saved) == 1


# settings that changed

TWO = [{"name": "credit", "reference": "c.json"}, {"name": "loan", "reference": "l.json"}]
LOAN = ModelKey("loan", "1")


def both(stream: list[object]) -> list[object]:
    """Every event once for each of two models."""
    return [one | {"model": model} for one in stream if isinstance(one, dict) for model in ("credit", "loan")]


def of_two(reference: Reference, tree: Settings, records: list[object]) -> tuple[Pipeline, MemorySource, Recorded]:
    outputs, source = Recorded(), MemorySource({EVENTS: records})
    loan = Reference(**{**{name: getattr(reference, name) for name in reference.__dataclass_fields__}, "key": LOAN})
    references = [one for one in (reference, loan) if tree.model(one.key.model) is not None]
    pipeline, _ = pipeline_of(tree, admission_of(tree, *references), source, outputs)
    return pipeline, source, outputs


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "loan", "reference": "l.json", "allowed_lateness": 1}, "settings changed"),
        (None, "no longer in the settings"),
    ],
)
def test_only_a_model_whose_settings_changed_starts_from_scratch(
    reference: Reference, change: dict[str, object] | None, reason: str
) -> None:
    records = both(stream())
    first, _, outputs = of_two(reference, settings(models=TWO), records)
    for _ in range(7):
        first.turn()
    assert {one.key for one in outputs.reported} == {CREDIT, LOAN}
    models = [one for one in ({"name": "credit", "reference": "c.json"}, change) if one is not None]
    again, rest, reported = of_two(reference, settings(models=models), records)
    assert again.restore(first.to_state().state()) == [LOAN]
    assert again.fleet.judged() == [CREDIT]
    name = name_of(CREDIT)
    kept, before = (encode(plain(trees(one.to_state())[name])) for one in (again, first))
    assert kept == before  # bytes: what is not a number equals itself there
    rest.next[EVENTS] = again.positions()[EVENTS]
    again.turn()
    assert [(one.key, one.transition) for one in reported.reported[:1]] == [(LOAN, "resolved")]
    assert reported.reported[0].summary.startswith(f"loan 1: resolved ({reason}) after ")
    assert reported.reported[0].incident == next(one.incident for one in outputs.reported if one.key == LOAN)
    assert CREDIT not in {one.key for one in reported.reported}


@pytest.mark.parametrize("columns", [[numeric("x", edges=(5, 6, 7))], [numeric("x"), numeric("y", edges=range(9))]])
def test_a_model_with_another_reference_starts_from_scratch_before_its_first_pane_was_judged(
    columns: list[object],
) -> None:
    """Its open panes were counted by other bins: added up with the new ones they would mean nothing."""
    first, _ = pipeline_of(TREE, admission_of(TREE, blank([numeric("x")])), MemorySource({EVENTS: []}))
    first.count([batch_of([event(0, prediction=1, features={"x": 1})])])
    other = admission_of(TREE, blank(columns))  # type: ignore[arg-type]  # parametrize knows no types
    again, _ = pipeline_of(TREE, other, MemorySource({EVENTS: []}))
    assert again.restore(first.to_state().state()) == [CREDIT]
    again.count([batch_of([event(1, prediction=1, features={"x": 1})], 1)])
    assert again.totals.events[CREDIT].events == 1
    assert again.tasks[0].outcomes == {("events", "accepted", ""): 2}
