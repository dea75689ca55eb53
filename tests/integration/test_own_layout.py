"""A topic of records in a layout of one's own, as it is: checked, a reference built, replayed, and watched live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from monitor.cli.parser import main
from monitor.reference.file.encoding import to_json
from monitor.run.reference_file import load_reference
from tests.engine import Credit, Event
from tests.integration.conftest import Site

DONE, REFUSED = 0, 4
CALM, CHANGED = 3_000, 2_000
FIELDS = {
    "id": "request.id",
    "ts": "scored_at",
    "model": {"value": "credit"},
    "version": {"header": "model-version"},
    "score": "result.proba",
    "prediction": "result.class",
    "features": "request.inputs",
}


def own(event: Event) -> Event:
    """A native event as this company writes it."""
    return {
        "request": {"id": event["id"], "inputs": event["features"], "trace": "t"},
        "scored_at": event["ts"],
        "result": {"proba": event["score"], "class": event["prediction"]},
        "host": "scorer-1",
    }


def larger(event: Event, _rng: np.random.Generator) -> None:
    event["features"]["LIMIT"] *= 4


def stream() -> list[Event]:
    return list(Credit(CALM + CHANGED, change=CALM, fault=larger))


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def without_hashes(line: dict[str, Any]) -> dict[str, Any]:
    left_out = {"seconds", "settings", "reference"}
    found = {name: value for name, value in line.items() if name not in left_out}
    return found | {"findings": [{**one, "records": None} for one in line.get("findings", [])]}


def test_a_topic_in_its_own_layout_is_watched_as_the_same_native_events(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = stream()
    site.make_topics()
    headers = [[("model-version", b"1")] for _ in events]
    values = [json.dumps(own(event)).encode() for event in events]
    times = [event["ts"] // 1000 for event in events]
    site.broker.produce(site.topic, values, 0, headers=headers, timestamps_ms=times)
    native = tmp_path / "native.jsonl"
    native.write_text("\n".join(map(json.dumps, events)))
    site.write(inputs=[{"topic": site.topic, "format": "fields", "fields": FIELDS}])
    config, built = ["--config", str(site.config)], site.folder / "credit.json"

    what = ["reference", "build", *config, "--model", "credit", "--rows", str(CALM), "-o"]
    assert main([*what, str(built), f"kafka://{site.topic}"]) == DONE
    assert "fields that nobody reads: host (3,000 events), request.trace (3,000 events)" in capsys.readouterr().err
    reference = load_reference(built)

    assert main(["check", *config]) == DONE
    table = capsys.readouterr().out
    assert f"{site.topic}-0@{len(events) - 1}: prediction of credit/1: at 2025-" in table
    assert "with an id, score 0." in table
    assert "4 features: AGE " in table
    assert "fields that nobody reads: request.trace (100), host (100)" in table

    assert main(["replay", *config, "--json", f"kafka://{site.topic}"]) == DONE
    replayed = lines_of(capsys)
    running = site.start()
    running.wait_records(len(events))
    assert running.outcomes() == {("accepted", ""): len(events)}
    running.wait_until(lambda: site.transitions() != [], "a transition is published")
    assert site.transitions()[0]["findings"][0]["subject"] == "LIMIT"
    running.stop()

    site.write(inputs=[{"topic": site.topic}])
    assert main([*what, str(tmp_path / "native.json"), str(native)]) == DONE
    capsys.readouterr()
    of_native = to_json(load_reference(tmp_path / "native.json"))
    built.write_bytes((tmp_path / "native.json").read_bytes())
    assert {**to_json(reference), "unread": None, "hash": None} == {**of_native, "unread": None, "hash": None}
    assert main(["replay", *config, "--json", str(native)]) == DONE
    assert list(map(without_hashes, lines_of(capsys))) == list(map(without_hashes, replayed))
    assert any(line["kind"] == "transition" for line in replayed)


def test_the_settings_of_a_topic_are_suggested(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make_topics()
    site.produce([own(event) for event in Credit(300)])
    monkeypatch.setenv("DRIFTD_KAFKA__BOOTSTRAP_SERVERS", site.broker.bootstrap)
    assert main(["fields", "suggest", f"kafka://{site.topic}"]) == DONE
    (entry,) = yaml.safe_load(capsys.readouterr().out)["inputs"]
    expected = {name: place for name, place in FIELDS.items() if name != "version"} | {"model": {"value": "NAME"}}
    assert entry == {"topic": site.topic, "format": "fields", "fields": expected}


def test_a_topic_that_is_not_understood_fails_the_check(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.make_topics()
    site.produce([own(event) for event in list(Credit(20))])
    assert main(["check", "--config", str(site.config)]) == REFUSED
    table = capsys.readouterr().out
    assert f"BAD   input topic {site.topic}" in table
    assert "none of its newest 20 records is understood" in table
    assert f"20 events of 20 records rejected (model): {site.topic}-0@0: `model` is missing" in table
