"""`driftd fields suggest`: its settings are settings, and read the same events; what is not sure is marked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.cli.parser import main
from monitor.decode.columns import Shape
from monitor.decode.decoder import decoder_for
from monitor.decode.fields.suggest import suggest
from monitor.settings.tree import Settings
from tests.engine import CREDIT, Credit, Event, batch_of
from tests.properties.test_decode_laws import quality_counts

DONE, USAGE = 0, 2


def nested(event: Event) -> Event:
    return {
        "request": {"id": event["id"], "inputs": event["features"], "trace": "t"},
        "scored_at": "2026-11-22T10:00:00Z",
        "model": {"name": event["model"], "version": event["version"]},
        "result": {"proba": event["score"], "class": event["prediction"]},
        "debug": {"host": "h"},
    }


def flat(event: Event) -> Event:
    beside: Event = {"requestId": event["id"], "ts": event["ts"], "creditScore": event["score"]}
    return {**beside, **event["features"]}


def in_rows(event: Event) -> Event:
    row = {"input": event["features"], "probability": event["score"], "predicted": event["prediction"]}
    return {"request_id": event["id"], "event_time": event["ts"], "model_version": "1", "predictions": [row, row]}


def label(event: Event) -> Event:
    return {"prediction_id": event["id"], "ground_truth": event["prediction"], "at": event["ts"]}


def local(event: Event) -> Event:
    return {
        "id": event["id"],
        "timestamp": "2026-11-22 10:00:00",
        "score": 0,
        "features": {"a": 1},
        "x_id": event["id"],
    }


def suggested(form: Callable[[Event], Event], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    """The input that is suggested for a file, and the text."""
    file = tmp_path / "scores.jsonl"
    file.write_text("\n".join(json.dumps(form(event)) for event in Credit(200)))
    assert main(["fields", "suggest", str(file)]) == DONE
    text = capsys.readouterr().out
    (entry,) = yaml.safe_load(text)["inputs"]
    return entry, text


@pytest.mark.parametrize(
    ("form", "expected", "marked"),
    [
        (nested, {"topic": "scores", "format": "fields", "fields": {
            "id": "request.id", "ts": "scored_at", "model": "model.name", "version": "model.version",
            "score": "result.proba", "prediction": "result.class", "features": "request.inputs",
        }}, ["nobody reads: request.trace, debug.host"]),
        (flat, {"topic": "scores", "format": "fields", "fields": {
            "model": {"value": "NAME"}, "id": "requestId", "ts": "ts", "score": "creditScore", "features": "rest",
        }}, ["unsure: no field names the model", "by the end of its name", "unsure: which of them are features?"]),
        (in_rows, {"topic": "scores", "format": "fields", "rows": "predictions", "fields": {
            "model": {"value": "NAME"}, "id": "^.request_id", "ts": "^.event_time", "version": "^.model_version",
            "score": "probability", "prediction": "predicted", "features": "input",
        }}, ["from 400 rows"]),
        (label, {"topic": "scores", "format": "fields", "fields": {
            "model": {"value": "NAME"}, "id": "prediction_id", "ts": "at", "label": "ground_truth",
        }}, []),
        (local, {"topic": "scores", "format": "fields", "timezone": "UTC", "fields": {
            "model": {"value": "NAME"}, "id": "id", "ts": "timestamp", "score": "score", "features": "features",
        }}, ["unsure: the times have no offset", "unsure: only 0 and 1", "nobody reads: x_id"]),
    ],
)  # fmt: skip
def test_the_settings_of_a_layout(
    form: Callable[[Event], Event], expected: object, marked: Sequence[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    entry, text = suggested(form, tmp_path, capsys)
    assert entry == expected
    for words in marked:
        assert words in text
    Settings.model_validate({"inputs": [entry]})


def test_the_suggested_settings_read_the_same_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry, _ = suggested(lambda event: nested(event) | {"scored_at": event["ts"]}, tmp_path, capsys)
    shapes = {CREDIT: Shape((("AGE", "numeric"), ("EDU", "categorical")), "1")}
    events = [event | {"type": "prediction"} for event in Credit(50)]
    own = [nested(event) | {"scored_at": event["ts"]} for event in events]
    read = decoder_for(Settings.model_validate({"inputs": [entry]}), "scores", shapes.get).decode(batch_of(own))
    native = decoder_for(Settings.model_validate({"inputs": [{"topic": "t"}]}), "t", shapes.get)
    assert quality_counts(read) == quality_counts(native.decode(batch_of(events)))


def test_a_file_without_records_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text('"text"\n{broken\n')
    assert main(["fields", "suggest", str(file)]) == USAGE
    assert "no record holds an object; the first is rejected: " in capsys.readouterr().err


@pytest.mark.parametrize("records", ["[1,2]\n", '"text"\n', "[]\n[[{}]]\n", ""])
def test_records_without_an_object_have_no_settings(
    records: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text(records)
    assert main(["fields", "suggest", str(file)]) == USAGE
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("form", "missing"),
    [
        (nested, set()),
        (flat, {"version", "prediction"}),
        (lambda event: {"ts": event["ts"], "features": event["features"]}, {"id", "version", "prediction"}),
        (label, set()),
        (lambda event: {"ground_truth": event["prediction"], "at": event["ts"]}, {"id"}),
    ],
)
def test_what_no_field_is_found_for_is_marked(
    form: Callable[[Event], Event], missing: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text = suggested(form, tmp_path, capsys)
    lines = [line.strip() for line in text.splitlines()]
    assert {line.split(":")[0].removeprefix("# ") for line in lines if ": unsure: no field was" in line} == missing


names = st.text(max_size=6) | st.sampled_from(["id", "ts", "score", "y", "features", "a.b", "rest"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100)
@given(st.lists(st.dictionaries(names, values), min_size=1, max_size=5))
@example([{"rest": {"a": 1, "b": 2, "c": 3, "d": 4}}])
@example([{"": {"a": 1, "b": 2, "c": 3, "d": 4}}])
def test_any_records_have_a_suggestion_that_is_settings(trees: list[object]) -> None:
    found = suggest(trees)
    fields = {choice.name: choice.place for choice in found.choices}
    entry = {"topic": "t", "format": "fields", "fields": fields | {"score": "added", "id": "added"}}
    Settings.model_validate({"inputs": [entry | ({"rows": found.rows} if found.rows else {})]})
