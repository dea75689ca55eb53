"""From a platform's own requests over the bridge to the daemon's counts, for each platform that posts."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.parser import main
from tests.bridges import JSON, NDJSON, BridgeProcess, Captured, captured_posts, kserve_posts, posted
from tests.daemons import DaemonProcess, Tree, state_of, write_settings
from tests.platform_calls import CALL
from tests.platform_records import KINDS
from tests.real_parts.kafka import KafkaBroker
from tests.unit.test_platform_captures import CAPTURED, capture

KSERVE, SELDON = "org.kubeflow.serving.inference.", "io.seldon.serving.inference."
CONTENT = {file.stem: capture(file) for file in CAPTURED}


def as_posts(name: str, content_type: str) -> list[Captured]:
    """Captured records of a platform as a proxy of it would post them to their topics."""
    return [
        Captured(
            f"/topics/{one['topic']}",
            {"Content-Type": content_type, "x-request-id": one["key"], **one["headers"]},
            base64.b64decode(one["value"]),
            [],
        )
        for one in CONTENT[name]["records"]
    ]


def native_posts(topic: str) -> list[Captured]:
    events = [{**event, "model": "credit", "version": "12"} for event in CONTENT["kserve_v1"]["events"]]
    labels = [{"id": event["id"], "model": "credit", "ts": event["ts"], "label": 1} for event in events]
    half = len(events) // 2
    return [
        Captured("/events", NDJSON, "\n".join(map(json.dumps, events[:half])).encode(), []),
        Captured(f"/topics/{topic}", JSON, json.dumps(events[half:]).encode(), []),
        Captured("/labels", NDJSON, "\n".join(map(json.dumps, labels)).encode(), []),
    ]


def seldon_posts() -> list[Captured]:
    """Calls of the Open Inference Protocol as Seldon's own CloudEvents."""
    return [
        post._replace(headers={**post.headers, "Ce-Type": post.headers["Ce-Type"].replace(KSERVE, SELDON)})
        for post in kserve_posts(CONTENT["kserve_v2"]["records"])
    ]


def modelmesh_posts() -> list[Captured]:
    return [Captured("/", JSON, record.value or b"", []) for record in KINDS["modelmesh"][1](CALL)]


#: by platform: the format of its inputs, what they are besides, its requests, and the events in them
PLATFORMS: dict[str, tuple[str, Tree, Callable[[str], list[Captured]], int]] = {
    "native": ("native", {}, native_posts, 2 * len(CONTENT["kserve_v1"]["events"])),
    "kserve": ("kserve", {}, lambda _: kserve_posts(CONTENT["kserve_v1"]["records"]), 18),
    "kserve-binary": ("auto", {}, lambda _: kserve_posts(CONTENT["kserve_v2_binary"]["records"]), 18),
    "cloudevents": ("kserve", {}, lambda _: captured_posts("cloudevents")[:-1], 18),
    "azure": ("azure", {}, lambda _: captured_posts("azure"), 18),
    "modelmesh": ("oip", {}, lambda _: modelmesh_posts(), len(CALL.rows)),
    "seldon": ("seldon", {}, lambda _: as_posts("seldon_raw", "application/x-protobuf"), 18),
    "seldon-cloudevents": ("oip", {}, lambda _: seldon_posts(), 18),
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_daemon_counts_every_event_that_was_posted(
    platform: str, kafka: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    form, more, posts_of, events = PLATFORMS[platform]
    posts = posts_of(topic)
    named = {post.path.removeprefix("/topics/") for post in posts if post.path.startswith("/topics/")} - {topic}
    existing = named | {topic, f"{topic}.alerts", f"{topic}.rejects"}
    for name in existing:
        kafka.create_topic(name, partitions=3)
    tree: dict[str, Any] = {
        "kafka": {"bootstrap_servers": [kafka.bootstrap], "group_id": topic, "start": "earliest"},
        "inputs": [{"topic": name, "format": form, **more} for name in sorted(named | {topic})],
        "outputs": {"alerts_topic": f"{topic}.alerts", "rejects_topic": f"{topic}.rejects"},
        "state": {"path": "state", "every": "1s"},
        "http": {"port": 0},
        "bridge": {"port": 0, "topic": topic, "azure_source": "/x/onlineEndpoints/credit/deployments/blue"},
    }
    config = write_settings(tmp_path, tree)
    with BridgeProcess(config) as bridge:
        bridge.wait_ready()
        with bridge.client() as client:
            for post in posts:
                assert posted(client, post.path, post.body, post.headers)[0] == 202
        assert main(["check", "--config", str(config)]) == 0
        assert bridge.stop() == 0
    records = sum(len(kafka.records(name)) for name in named | {topic})
    with DaemonProcess(config) as daemon:
        daemon.wait_until(lambda: sum(daemon.series("driftd_records_total").values()) == records, "all are read")
        assert daemon.stop() == 0
    shown = state_of(config)
    assert shown["outcomes"] == {"accepted": events}
    assert [(one["model"], one["predictions"]) for one in shown["models"]] == [
        ("credit", events // 2 if platform == "native" else events)
    ]


def test_a_request_that_is_repeated_is_a_duplicate_for_the_daemon(
    kafka: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    """A client that lost its answer sends again: the same key, so the same partition."""
    for name in (topic, f"{topic}.alerts", f"{topic}.rejects"):
        kafka.create_topic(name, partitions=3)
    tree = {
        "kafka": {"bootstrap_servers": [kafka.bootstrap], "group_id": topic, "start": "earliest"},
        "inputs": [{"topic": topic}],
        "outputs": {"alerts_topic": f"{topic}.alerts", "rejects_topic": f"{topic}.rejects"},
        "state": {"path": "state", "every": "1s"},
        "http": {"port": 0},
        "bridge": {"port": 0},
    }
    config = write_settings(tmp_path, tree)
    post = native_posts(topic)[0]
    with BridgeProcess(config) as bridge:
        bridge.wait_ready()
        for _ in range(3):
            client = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=30)
            assert posted(client, post.path, post.body)[0] == 202
            client.close()
    events = len(post.body.splitlines())
    with DaemonProcess(config) as daemon:
        daemon.wait_until(lambda: sum(daemon.series("driftd_records_total").values()) == 3 * events, "all are read")
        assert daemon.stop() == 0
    assert state_of(config)["outcomes"] == {"accepted": events, "duplicate": 2 * events}
