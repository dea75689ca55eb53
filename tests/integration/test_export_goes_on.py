"""`driftd export mlflow --every`: what comes on the alert topic is told a server, until SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.integration import kafka_reading
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until
from tests.told import records_of, story
from tests.tracking_server import tracking_server

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected


def test_what_comes_on_the_alert_topic_is_told_the_server(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    kafka.create_topic(topic)
    config = tmp_path / "driftd.yaml"
    config.write_text(
        f"kafka: {{bootstrap_servers: ['{kafka.bootstrap}']}}\ninputs: [{{topic: events}}]\n"
        f"models: [{{name: credit, reference: credit.json}}]\noutputs: {{alerts_topic: {topic}}}\n"
    )
    with tracking_server("1") as (address, calls):
        command = [sys.executable, "-m", "monitor", "export", "mlflow", "--config", str(config), "--every", "1"]
        with subprocess.Popen([*command, "--tracking-uri", address], env=dict(os.environ), cwd=tmp_path) as running:
            try:
                messages = records_of(story())
                kafka.produce(topic, [message.value for message in messages])
                wait_until(lambda: any(path == "model-versions/set-tag" for path, _ in calls), "a tag", 60)
                running.send_signal(signal.SIGTERM)
                assert running.wait(20) == 0
            finally:
                running.kill()
    assert {"driftd.status", "driftd.incident"} <= {body["key"] for path, body in calls if path.endswith("set-tag")}
