"""docs/platforms/*.md on a real Kafka: the commands for one's own topic, on a topic of the captured traffic, and those
of the result, from the topic of alerts."""

from __future__ import annotations

import base64
import gzip
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli.parser import main
from monitor.findings import PAGE
from monitor.kafka.cloud_events import event_in
from tests.integration.conftest import Running
from tests.platform_pages import Around, Way, arounds, ways
from tests.platforms.readers.knative import Record, Request, subscriber, triggered
from tests.real_parts.kafka import KafkaBroker
from tests.tracking_server import tracking_server

WAYS = ways()
#: those whose daemon is started, one of each page, as it takes longer than all else, with what the page has beside it
RUN = {one.way.name: one for one in arounds()}
DAEMON = "driftd run --config driftd.yaml"
DONE = 0


def incidents(broker: KafkaBroker, topic: str) -> list[dict[str, Any]]:
    """The transitions on the alert topic."""
    told = [event_in(record.value, record.headers) for record in broker.records(topic)]
    return [event["data"] for event in told if event is not None and event["data"]["kind"] == "transition"]


def pages_sent(broker: KafkaBroker, topic: str, trigger: str) -> list[Request]:
    """What the service behind the trigger of a page of docs gets."""
    wanted = next(one for one in yaml.safe_load_all(trigger) if one["kind"] == "Trigger")["spec"]["filter"][
        "attributes"
    ]
    records = [
        Record([(name, value or b"") for name, value in one.headers], one.value or b"") for one in broker.records(topic)
    ]
    with subscriber() as (port, got):
        triggered(records, wanted, port)
    return got


def send_result(around: Around, broker: KafkaBroker, topic: str) -> None:
    """Run the page's command of the result, and look at what it wrote."""
    (line,) = around.result
    words = shlex.split(line)[1:]
    if words[0] == "run":  # the alert topic is the result
        for trigger in around.yaml[1:]:
            pages = [data for data in incidents(broker, topic) if data["severity"] == PAGE]
            assert [json.loads(one.body) for one in pages_sent(broker, topic, trigger)] == pages != []
        assert all(dict(one.headers)["ce_specversion"] == b"1.0" for one in broker.records(topic))
    elif "-o" in words:
        assert main(words) == DONE
        assert "income" in Path(words[words.index("-o") + 1]).read_text(encoding="utf-8")
    else:
        with tracking_server() as (uri, calls):
            assert main([uri if word.startswith("http://") else word for word in words]) == DONE
        assert [body["value"] for _, body in calls if body.get("key") == "driftd.status"] == [PAGE]


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
    around = RUN.get(way.name)
    outputs = around.yaml[0] if around and around.result[0] == DAEMON else ""
    (tmp_path / "driftd.yaml").write_text(way.settings + outputs)

    *before, check, run = way.on_topic
    for line in before:
        assert main(shlex.split(line)[1:]) == DONE, line
    capsys.readouterr()
    assert main(shlex.split(check)[1:]) == DONE
    shown = capsys.readouterr().out
    assert "prediction of credit/12: at 2026-03-04T11:34:30Z" in shown
    assert "3 features: " in shown

    assert run == DAEMON
    if around is None:
        return
    with Running(tmp_path / "driftd.yaml", (), here) as daemon:
        daemon.wait_until(
            lambda: any(one["severity"] == PAGE for one in incidents(kafka, alerts)), "the page is published"
        )
        assert daemon.stop() == DONE
    first = incidents(kafka, alerts)[0]
    assert [one["subject"] for one in first["findings"]] == ["income"]
    assert any(first["summary"] in line for line in way.shown)
    assert kafka.records(rejects) == []
    send_result(around, kafka, alerts)
