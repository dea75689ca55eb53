"""docs/platforms/*.md on a real Kafka: the commands for one's own topic, on a topic of the captured traffic."""

from __future__ import annotations

import base64
import gzip
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.parser import main
from tests.integration.conftest import Running
from tests.platform_pages import Way, ways
from tests.real_parts.kafka import KafkaBroker

WAYS = ways()
#: those whose daemon is started, which takes longer than all else: what it says is that of the replay of each sample
RUN = WAYS[::4]
DONE = 0


def incidents(broker: KafkaBroker, topic: str) -> list[dict[str, Any]]:
    """The transitions on the alert topic."""
    told = [json.loads(record.value or b"")["data"] for record in broker.records(topic)]
    return [data for data in told if data["kind"] == "transition"]


def produce(way: Way, broker: KafkaBroker) -> None:
    """The recording, on the topics of the settings."""
    by_topic: dict[str, list[dict[str, Any]]] = {}
    for line in gzip.decompress(way.sample.read_bytes()).splitlines():
        record = json.loads(line)
        by_topic.setdefault(record["topic"], []).append(record)
    for topic, records in by_topic.items():
        broker.create_topic(topic)
        broker.produce(
            topic,
            [base64.b64decode(one["value"]) for one in records],
            keys=[None if one["key"] is None else base64.b64decode(one["key"]) for one in records],
            headers=[[(name, base64.b64decode(text)) for name, text in one["headers"]] for one in records],
            timestamps_ms=[int(one["timestamp"]) for one in records],
        )


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_the_commands_of_a_page_lead_from_a_topic_to_the_first_finding(
    way: Way,
    kafka: KafkaBroker,
    topic: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    produce(way, kafka)
    alerts, rejects = f"{topic}.alerts", f"{topic}.rejects"
    for name in (alerts, rejects):
        kafka.create_topic(name)
    here = {
        "DRIFTD_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "DRIFTD_KAFKA__GROUP_ID": topic,
        "DRIFTD_OUTPUTS__ALERTS_TOPIC": alerts,
        "DRIFTD_OUTPUTS__REJECTS_TOPIC": rejects,
        "DRIFTD_HTTP__PORT": "0",
    }
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "driftd.yaml").write_text(way.settings)

    *before, check, run = way.on_topic
    for line in before:
        assert main(shlex.split(line)[1:]) == DONE, line
    capsys.readouterr()
    assert main(shlex.split(check)[1:]) == DONE
    shown = capsys.readouterr().out
    assert "prediction of credit/12: at 2026-03-04T11:34:30Z" in shown
    assert "3 features: " in shown

    assert run == "driftd run --config driftd.yaml"
    if way not in RUN:
        return
    with Running(tmp_path / "driftd.yaml", (), here) as daemon:
        daemon.wait_until(lambda: incidents(kafka, alerts) != [], "the first finding is published")
        assert daemon.stop() == DONE
    first = incidents(kafka, alerts)[0]
    assert [one["subject"] for one in first["findings"]] == ["income"]
    assert any(first["summary"] in line for line in way.shown)
    assert kafka.records(rejects) == []
