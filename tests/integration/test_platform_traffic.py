"""KServe's traffic on a real Kafka, as it is: checked, a reference built, recorded, replayed, and watched."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.cli.parser import main
from monitor.clock import rfc3339
from monitor.reference.file.encoding import to_json
from monitor.run.reference_file import load_reference
from tests.engine import Credit, Event
from tests.integration.conftest import Site

DONE = 0
CALM, CHANGED, PARTITIONS, KILLS = 3_000, 2_000, 3, 3
Sent = tuple[int, bytes, list[tuple[str, bytes]]]


def larger(event: Event, _rng: np.random.Generator) -> None:
    event["features"]["LIMIT"] *= 4


def events_of() -> list[Event]:
    made = list(Credit(CALM + CHANGED, change=CALM, fault=larger))
    for number, event in enumerate(made):
        del event["prediction"]
        event["id"] = f"call-{number}#0"
    return made


def side(event: Event, number: int, kind: str, ts_us: int, body: object) -> Sent:
    """A side of a call as KnativeKafka writes it in binary mode."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": f"call-{number}",
        "ce_type": f"org.kubeflow.serving.inference.{kind}",
        "ce_source": "http://localhost:9081/",
        "ce_time": rfc3339(ts_us),
        "ce_inferenceservicename": event["model"],
        "ce_component": "predictor",
        "ce_annotations": json.dumps({"modelVersion": event["version"]}),
        "content-type": "application/json",
    }
    return ts_us, json.dumps(body).encode(), [(name, value.encode()) for name, value in headers.items()]


def traffic() -> list[list[Sent]]:
    """By partition; a response is up to two seconds behind its request, in any partition."""
    rng = random.Random(7)
    parts: list[list[Sent]] = [[] for _ in range(PARTITIONS)]
    for number, event in enumerate(events_of()):
        ts_us = event["ts"]
        answered = ts_us + rng.randrange(1_000, 2_000_000)
        rows = {"instances": [list(event["features"].values())]}
        parts[rng.randrange(PARTITIONS)].append(side(event, number, "request", ts_us, rows))
        parts[rng.randrange(PARTITIONS)].append(
            side(event, number, "response", answered, {"predictions": [event["score"]]})
        )
    return [sorted(part, key=lambda sent: sent[0]) for part in parts]


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def told(line: dict[str, Any]) -> dict[str, Any]:
    """A line without what differs by the records that the events were in."""
    found = {name: value for name, value in line.items() if name not in {"seconds", "settings", "reference", "records"}}
    return found | {"findings": [{**one, "records": None} for one in line.get("findings", [])]}


def test_a_topic_of_kserve_is_watched_as_the_same_native_events(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.make_topics(PARTITIONS)
    for partition, part in enumerate(traffic()):
        site.broker.produce(
            site.topic,
            [value for _, value, _ in part],
            partition,
            headers=[headers for _, _, headers in part],
            timestamps_ms=[ts_us // 1000 for ts_us, _, _ in part],
        )
    native = tmp_path / "native.jsonl"
    native.write_text("\n".join(map(json.dumps, events_of())))
    models = [{"name": "credit", "versions": ["1"], "reference": "credit.json", "task": "binary"}]
    names = ["AGE", "LIMIT", "BILL", "EDU"]
    site.write(models=models, inputs=[{"topic": site.topic, "format": "auto", "feature_names": names}])
    config, built = ["--config", str(site.config)], site.folder / "credit.json"

    until = rfc3339(events_of()[CALM]["ts"] // 10_000_000 * 10_000_000)
    what = ["reference", "build", *config, "--model", "credit", "--from", "2020-01-01T00:00:00Z", "--to", until, "-o"]
    assert main([*what, str(built), f"kafka://{site.topic}"]) == DONE
    reference = load_reference(built)

    assert main(["check", *config]) == DONE
    table = capsys.readouterr().out
    assert "format: kserve, recognised from its records" in table
    assert "prediction of credit/1: at 2025-" in table
    assert "4 features: AGE " in table

    assert main(["replay", *config, "--json", f"kafka://{site.topic}"]) == DONE
    replayed = lines_of(capsys)
    recording = tmp_path / "kept.records.jsonl"
    assert main(["record", *config, "-o", str(recording), f"kafka://{site.topic}"]) == DONE
    capsys.readouterr()
    assert main(["replay", *config, "--json", str(recording)]) == DONE
    assert list(map(told, lines_of(capsys))) == list(map(told, replayed))

    for _ in range(KILLS):
        running = site.start()
        running.wait_until(lambda: site.checkpoints() != [], "a checkpoint")
        running.kill()
    running = site.start()
    running.wait_until(lambda: sum(site.positions().values()) == 2 * (CALM + CHANGED), "everything is read")
    running.wait_until(lambda: site.transitions() != [], "a transition is published")
    assert running.values("driftd_input_format_info") == {(site.topic, "kserve"): 1}
    assert running.values("driftd_pairs_waiting") == {(site.topic,): 0}
    assert running.stop() == DONE
    assert site.shown()["outcomes"] == {"accepted": CALM + CHANGED}
    opened = next(line for line in replayed if line["kind"] == "transition")
    assert site.transitions()[0]["findings"][0]["subject"] == opened["findings"][0]["subject"] == "LIMIT"

    site.write(models=models, inputs=[{"topic": site.topic}])
    assert main([*what, str(tmp_path / "native.json"), str(native)]) == DONE
    capsys.readouterr()
    of_native = to_json(load_reference(tmp_path / "native.json"))
    assert {**to_json(reference), "hash": None} == {**of_native, "hash": None}
    built.write_bytes((tmp_path / "native.json").read_bytes())
    assert main(["replay", *config, "--json", str(native)]) == DONE
    assert list(map(told, lines_of(capsys))) == list(map(told, replayed))
