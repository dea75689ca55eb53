"""A warm-up from outside: what it says of itself, what it lets in, and how it ends without a reference."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock, parse_rfc3339, rfc3339
from monitor.count.admission.versions import Admission
from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.judge import warmup
from monitor.judge.warmup import Progress
from monitor.loop.warming import LearningStopped
from monitor.pipeline import Pipeline
from monitor.publish.series import render
from monitor.publish.snapshot import Health, ModelView, Snapshot
from monitor.publish.status.page import monitor_state, status_page
from monitor.reference.file.encoding import with_hash
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.reference.season import SeasonCalendar, Seasons
from monitor.run.human_lines import human_line
from monitor.run.replay import Replay, replay
from monitor.run.warmup_learning import learn
from monitor.run.warmup_lines import learned_file, ticking
from monitor.settings.tree import Settings
from monitor.state.parts import State
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    SECOND,
    Credit,
    Event,
    MemorySource,
    Recorded,
    event,
    pipeline_of,
    run_to_end,
    settings,
)
from tests.snapshots import IN_WARMUP

WINDOWS = 4
UNNAMED = Settings.model_validate({"inputs": [{"topic": "events"}]})


@pytest.fixture(autouse=True)
def few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "BASE_WINDOWS", WINDOWS)


def run(tree: Settings, events: Iterable[Event]) -> tuple[list[dict[str, Any]], Replay]:
    lines: list[dict[str, Any]] = []
    admission = Admission(tree, References({}), warms_up=True)
    source = MemorySource({EVENTS: list(events)})
    return lines, replay(tree, admission, source, ManualClock(NOW_US), lines.append)


def learning(predictions: int, **model: object) -> Settings:
    return settings({"reference": {"warmup": predictions}, **model})


def test_the_forecast_of_a_steady_stream_is_when_the_first_verdict_comes() -> None:
    tree, events = learning(3_000), list(Credit(4_000))
    _, half = run(tree, events[:1_500])
    (model,) = half.summary["models"]
    lines, _ = run(tree, events)
    (ended,) = [line for line in lines if line["kind"] == "warmup"]
    first_verdict = parse_rfc3339(ended["at"]) + 250 * 600_000
    assert parse_rfc3339(model["warmup"]["first_verdict"].replace("Z", ":00Z")) == pytest.approx(
        first_verdict, abs=200 * SECOND
    )
    assert model["warmup"]["text"].startswith("in its warm-up: 1,")
    assert " of 3,000 predictions, " in model["warmup"]["text"]


def test_a_replay_that_ends_in_the_warm_up_fails_and_says_what_is_missing() -> None:
    _, done = run(learning(3_000), Credit(1_500))
    assert done.failed == "nothing was judged: no model has a reference yet"
    (line,) = done.lost
    assert "credit 1: not judged, still in its warm-up: 1,5" in line
    assert "smaller reference.warmup" in line


def test_a_replay_that_judged_something_says_which_model_it_did_not_judge() -> None:
    events = [*Credit(3_000), *(event(1_900 + at, model="loan", score=0.5) for at in range(20))]
    lines, done = run(UNNAMED.model_copy(update={"models": learning(1_000).models}), events)
    assert not done.failed
    assert [line["model"] for line in lines if line["kind"] == "warmup"] == ["credit"]
    assert any("loan 1: not judged, still in its warm-up: 20 of 10,000 predictions" in line for line in done.lost)
    assert "loan 1: 20 predictions, 0 pages, 0 tickets; in its warm-up" in str(human_line(done.summary))


def test_nothing_but_a_topic_gives_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.count.admission.versions.WARMUP_PREDICTIONS", 1_500)

    def older(made: Event, _rng: object) -> None:
        made["features"]["AGE"] += 20

    lines, done = run(UNNAMED, Credit(3_500, change=2_500, fault=older))
    assert not done.failed
    assert [line["kind"] for line in lines][:2] == ["warmup", "transition"], "what is judged stands behind it"
    opened = [line for line in lines if line["kind"] == "transition"]
    assert {finding["subject"] for line in opened for finding in line["findings"]} == {"AGE"}
    assert done.summary["models"][0]["pages"] == 1


def test_more_models_than_the_limit_are_counted_and_not_watched() -> None:
    tree = Settings.model_validate({"inputs": [{"topic": "events"}], "limits": {"models": 2}})
    events = [event(at, model=f"m{at % 4}", score=0.5) for at in range(40)]
    _, done = run(tree, events)
    assert done.summary["outcomes"] == {"accepted": 20, "over_limit": 20}
    assert done.summary["reasons"] == {"over_limit/models": 20}
    assert [model["model"] for model in done.summary["models"]] == ["m0", "m1"]


@pytest.mark.parametrize("unknown", ["ignore", "reject"])
def test_other_models_are_unknown_where_the_settings_say_so(unknown: str) -> None:
    tree = settings({"reference": "c-{version}.json"}, unknown_models=unknown)
    _, done = run(tree, [event(1, score=0.5), event(2, model="loan", score=0.5)])
    assert done.summary["reasons"] == {"unknown_model/no_reference": 1, "unknown_model/not_configured": 1}


def test_a_version_that_has_no_file_is_in_its_warm_up() -> None:
    _, done = run(settings({"reference": "c-{version}.json"}), [event(1, score=0.5)])
    assert [model["warmup"]["of_predictions"] for model in done.summary["models"]] == [10_000]


def ends(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["kind"] == "warmup"]


def test_settings_that_the_events_contradict_end_a_try_without_a_reference() -> None:
    tree = learning(1_000, features={"EDU": {"kind": "numeric"}})
    lines, done = run(tree, Credit(3_300))
    assert len(ends(lines)) == 3
    for ended in ends(lines):
        assert "no reference could be learned" in ended["text"]
        assert ended["failure"].startswith("features.EDU.kind: numeric, but all 1,0")
        assert "the warm-up begins again with the next events; correct the settings or the events" in ended["text"]
        assert ended["reference"] == ""
        assert 1_000 <= ended["predictions"] < 1_100
    (model,) = done.summary["models"]
    assert model["predictions"] == 3_300
    assert model["warmup"]["predictions"] == 3_300 - sum(ended["predictions"] for ended in ends(lines))
    assert model["warmup"]["text"].startswith("in its warm-up again: ")
    assert "none could be learned from the events before: features.EDU.kind" in model["warmup"]["text"]
    assert any("or give it a reference file (driftd reference build)" in line for line in done.lost)


def test_after_a_try_without_a_reference_the_events_behind_it_give_one() -> None:
    events = list(Credit(4_000))
    for made in events[:1_020]:
        made["features"]["AGE"] = str(made["features"]["AGE"]) + " years"
    tree = learning(1_000, features={"AGE": {"kind": "numeric"}})
    lines, done = run(tree, events)
    failed, learned = ends(lines)
    assert "features.AGE.kind" in failed["failure"]
    assert learned["reference"]
    assert learned["failure"] == ""
    alone, _ = run(tree, [made for made in events if made["ts"] >= parse_rfc3339(failed["at"])])
    assert ends(alone)[0]["reference"] == learned["reference"]
    assert done.summary["models"][0]["predictions"] == 4_000
    assert "warmup" not in done.summary["models"][0]


@pytest.mark.parametrize(
    ("on", "known"), [("NOPE", "error, AGE, LIMIT, BILL, score"), ("EDU", "error, AGE, LIMIT, BILL, score")]
)
def test_a_detector_on_what_is_no_number_is_told_and_the_process_goes_on(on: str, known: str) -> None:
    lines, done = run(learning(1_000, detectors=[{"kind": "adwin", "on": on}]), Credit(2_000))
    (ended,) = ends(lines)
    message = f"detectors[0].on: '{on}' is no numeric column of the reference; write one of "
    assert ended["failure"].startswith(message)
    assert set(known.split(", ")) <= set(ended["failure"].removeprefix(message).split(", "))
    assert done.summary["models"][0]["predictions"] == 2_000


@pytest.mark.parametrize(
    "fault",
    [FloatingPointError("x"), np.linalg.LinAlgError("x"), ValueError("secret"), KeyError("secret"), TypeError()],
)
def test_a_fault_in_the_arithmetic_is_a_failure_of_the_warm_up_and_quotes_no_value(fault: Exception) -> None:
    def learn(*_given: object) -> Reference:
        raise fault

    source, outputs = MemorySource({EVENTS: list(Credit(2_000))}), Recorded()
    admission = Admission(learning(1_000), References({}), warms_up=True)
    pipeline, _ = pipeline_of(learning(1_000), admission, source, outputs, learn=learn)
    run_to_end(pipeline, source)
    (ended,) = pipeline.warming.ended
    assert ended.state.failure.startswith(f"a fault of driftd, {type(fault).__name__} at test_warmup.py:")
    assert "secret" not in ended.state.failure
    assert pipeline.totals.events[CREDIT].events == 2_000


@pytest.mark.parametrize("value", [1.797e308, 3.4e38, 1e154, -1.797e308])
def test_predictions_of_any_size_are_learned_from(value: float) -> None:
    rng = np.random.default_rng(1)
    events = [
        event(at * 0.6, id=str(at), features={"A": rng.normal()}, prediction=value if at % 50 == 0 else rng.normal())
        for at in range(2_000)
    ]
    lines, _ = run(learning(1_000), events)
    assert [line["failure"] for line in ends(lines)] == [""]


def learned_pipeline(tree: Settings, events: list[Event]) -> tuple[Pipeline, State]:
    source = MemorySource({EVENTS: events})
    admission = Admission(tree, References({}), warms_up=True)
    pipeline, _ = pipeline_of(tree, admission, source, learn=learn)
    run_to_end(pipeline, source)
    assert pipeline.warming.warmups[CREDIT].state.reference is not None
    return pipeline, pipeline.to_state().state()


def restarted(state: State, tree: Settings) -> tuple[Pipeline, list[ModelKey]]:
    admission = Admission(tree, References({}), warms_up=True)
    pipeline, _ = pipeline_of(tree, admission, MemorySource({EVENTS: []}), learn=learn)
    return pipeline, pipeline.restore(state)


def test_a_detector_that_the_learned_reference_contradicts_is_refused_at_the_restart() -> None:
    _, state = learned_pipeline(learning(1_000), list(Credit(2_000)))
    with pytest.raises(UsageError, match=r"model credit/1: detectors\[0\].on: 'NOPE' is no numeric column"):
        restarted(state, learning(1_000, detectors=[{"kind": "adwin", "on": "NOPE"}]))


def test_daily_waves_in_another_time_zone_are_learned_again() -> None:
    tree, events = learning(1_000), list(Credit(2_000))
    pipeline, _ = learned_pipeline(tree, events)
    state = pipeline.warming.warmups[CREDIT].state
    assert state.reference is not None
    state.reference = with_hash(replace(state.reference, seasons=Seasons(SeasonCalendar("UTC"), {})))
    cut = pipeline.to_state().state()
    again, reset = restarted(cut, learning(1_000, timezone="Asia/Tokyo"))
    assert reset == [CREDIT]
    assert again.warming.warmups == {}
    again.warming.restore(cut.warmups, ())
    assert again.warming.warmups == {}


def test_excluded_times_count_neither_towards_the_end_nor_in_the_reference() -> None:
    events = list(Credit(4_000))
    until = events[1_800]["ts"]
    exclude = [{"from": rfc3339(events[0]["ts"] - SECOND), "to": rfc3339(until)}]
    lines, done = run(learning(1_000, exclude=exclude), events)
    (ended,) = ends(lines)
    panes_end = -(-until // (10 * SECOND)) * 10 * SECOND
    counted = [made for made in events if panes_end <= made["ts"] < parse_rfc3339(ended["at"])]
    assert ended["predictions"] == len(counted)
    alone, _ = run(learning(1_000), [made for made in events if made["ts"] >= panes_end])
    assert ends(alone)[0]["reference"] == ended["reference"]
    assert done.summary["models"][0]["predictions"] == 4_000


def labelled(events: Iterable[Event], delay: float) -> list[Event]:
    """The events, each with its label so many seconds later; with 0 in the same event."""
    if not delay:
        return [made | {"label": made["prediction"]} for made in events]
    of = [
        {**{name: made[name] for name in ("id", "model", "version")}, "type": "label", "label": made["prediction"]}
        | {"ts": made["ts"] + round(delay * SECOND)}
        for made in events
    ]
    return sorted([*events, *of], key=lambda one: one["ts"])


def test_labels_that_come_later_are_not_learned_and_the_end_of_the_warm_up_says_so() -> None:
    tree = learning(1_000)
    lines, done = run(tree, labelled(list(Credit(3_000)), 300))
    (ended,) = ends(lines)
    alone, _ = run(tree, Credit(3_000))
    assert ended["reference"] == ends(alone)[0]["reference"]
    assert " that came later than their predictions: performance, outcomes and the times of labels" in ended["text"]
    (model,) = done.summary["models"]
    assert model["performance"]["accuracy"]["realised"] == 1.0
    assert not model["performance_judged"]
    assert model["performance_not_judged"].startswith("the reference was made without labels; build one with them")
    assert f"not judged: {model['performance_not_judged']}" in str(human_line(done.summary))


def test_labels_that_come_with_their_predictions_are_learned() -> None:
    lines, done = run(learning(1_000), labelled(list(Credit(3_000)), 0))
    assert "later than their predictions" not in ends(lines)[0]["text"]
    assert "made without labels" not in str(done.summary)


def test_more_rows_than_the_limit_end_it_early_and_it_says_so() -> None:
    lines, done = run(settings({"reference": {"warmup": 3_000}}, limits={"warmup_rows": 600}), Credit(2_000))
    (ended,) = ends(lines)
    assert 600 <= ended["predictions"] < 650
    assert (
        "fewer than 40, as their rows reached limits.warmup_rows: build a reference from more events" in ended["text"]
    )
    assert "warmup" not in done.summary["models"][0]


def test_what_a_version_learns_is_of_that_version_whatever_it_is_called() -> None:
    events = [made | {"version": "*"} for made in Credit(2_000)]
    events += [event(1_300 + at, version="2", score=0.5) for at in range(20)]
    lines, done = run(learning(1_000), events)
    assert [line["version"] for line in ends(lines)] == ["*"]
    (second,) = [model for model in done.summary["models"] if model["version"] == "2"]
    assert second["warmup"]["predictions"] == 20


def test_a_stop_is_seen_while_a_reference_is_learned() -> None:
    source, beats = MemorySource({EVENTS: list(Credit(3_000))}), list[int]()
    tree = learning(2_500)
    pipeline, _ = pipeline_of(tree, Admission(tree, References({}), warms_up=True), source, learn=learn)
    pipeline.warming.tick = ticking(lambda: beats.append(1), lambda: len(beats) == 2)
    with pytest.raises(LearningStopped):
        run_to_end(pipeline, source)
    assert len(beats) == 2


def test_rows_that_take_too_many_bytes_end_it_early_and_it_says_so() -> None:
    tree = settings({"reference": {"warmup": 50_000}}, limits={"warmup_bytes": 60_000})
    lines, done = run(tree, Credit(4_000))
    (ended,) = [line for line in lines if line["kind"] == "warmup"]
    assert ended["predictions"] < 4_000
    assert done.summary["models"][0]["predictions"] == 4_000
    assert "warmup" not in done.summary["models"][0]


def test_a_model_without_predictions_ends_it_by_its_features_events() -> None:
    events = [{name: one[name] for name in ("model", "version", "ts", "features")} for one in Credit(2_000)]
    lines, _ = run(learning(1_000), [one | {"type": "features"} for one in events])
    assert [line["reference"][:7] for line in lines if line["kind"] == "warmup"] == ["sha256:"]


def test_the_page_says_how_far_it_is_and_when_it_is_judged() -> None:
    progress = Progress(3_412, 10_000, 13, 40, parse_rfc3339("2026-11-30T14:04:10Z"), "")
    snapshot = Snapshot(restored=True, references=True, models=(ModelView(CREDIT, predictions=3_412, warmup=progress),))
    health = Health(0.0, assigned=True, restored=True, caught_up_once=True)
    assert monitor_state(snapshot, health, "")[1] == "warming up"
    words = "in its warm-up: 3,412 of 10,000 predictions, 13 of 40 base windows; first verdict about 2026-11-30T14:05Z"
    assert str(progress) == words
    assert words in status_page(snapshot, health, "", NOW_US).decode()


def test_the_series_have_the_share_and_the_time_of_the_first_verdict() -> None:
    shown = render(Snapshot(restored=True, models=(ModelView(CREDIT, warmup=IN_WARMUP),))).decode()
    labels = '{model="credit",version="1"}'
    assert f"driftd_warmup_ratio{labels} 0.225\n" in shown
    assert f"driftd_first_verdict_timestamp_seconds{labels} 1.8001e+09\n" in shown
    judged = render(Snapshot(restored=True, models=(ModelView(CREDIT),))).decode()
    assert "driftd_warmup_ratio{" not in judged
    assert "driftd_first_verdict_timestamp_seconds{" not in judged


def test_the_name_of_a_learned_file_is_safe_whatever_a_model_is_called() -> None:
    path = learned_file(UNNAMED.state.path, ModelKey("../../etc/passwd", "a b"))
    assert path.parent == UNNAMED.state.path
    assert path.name == "warmup-..%2F..%2Fetc%2Fpasswd-a%20b.json"
    assert json.dumps(path.name)


def test_after_a_warm_up_figures_of_many_classes_do_not_depend_on_polls() -> None:
    tree = settings(
        {"versions": ["1", "2"], "reference": {"warmup": 1_000}, "task": "multiclass", "labels": {"horizon": "1h"}}
    )
    rng, made = np.random.default_rng(1), list[tuple[int, Event]]()
    for version, classes, begins in (("1", "abc", 0), ("2", "abcde", 1_500)):
        for at in range(begins, begins + 3_000):
            of_this = {"id": f"{version}-{at}", "version": version}
            right, wrong = (classes[place] for place in rng.integers(len(classes), size=2))
            said = right if rng.random() < 0.7 else wrong
            scores = {one: 0.5 if one == said else 0.5 / (len(classes) - 1) for one in classes}
            features = {"x": float(rng.normal())}
            made.append((at, event(at, **of_this, prediction=said, scores=scores, features=features)))
            made.append((at + 5, event(at + 5, **of_this, type="label", label=right)))
    events, found = [one for _, one in sorted(made, key=lambda pair: pair[0])], []
    for poll in (20, 1_000, 6_000):
        admission = Admission(tree, References({}), warms_up=True)
        source, clock = MemorySource({EVENTS: events}, poll), ManualClock(NOW_US)
        found.append(replay(tree, admission, source, clock, lambda _: None).summary["models"])
    assert found[0] == found[1] == found[2]
    assert all("accuracy" in one["performance"] and "log_loss" not in one["performance"] for one in found[0])
