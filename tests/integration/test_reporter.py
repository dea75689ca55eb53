"""The reporter on a real broker: what is reported is in the topic, each event once, also through fork and exit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.client import Reporter
from tests.integration import kafka_reading
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected

#: a service as gunicorn runs one with --preload: it reports before it forks, and both ends exit without a word
SERVICE = """
import os, sys
from monitor.client import Reporter

reporter = Reporter(sys.argv[1], sys.argv[2], "credit", "1", flush_seconds=20)
for number in range(300):
    reporter.prediction({"AGE": number}, id=f"parent-{number}")
    if number == 200 and sys.argv[3] == "connected":
        reporter.flush(20)
child = os.fork()
name = "parent" if child else "child"
for number in range(300, 400):
    reporter.prediction({"AGE": number}, id=f"{name}-{number}")
if sys.version_info[:2] == (3, 12):  # it opens no connection while it ends: the remedy of docs/python.md
    reporter.close()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_predictions_frames_and_labels_are_in_the_topic(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic, partitions=3)
    with Reporter(kafka.bootstrap, topic, "credit", "1") as reporter:
        first = reporter.prediction({"AGE": 41}, prediction=True, score=0.75)
        rows = reporter.prediction(pd.DataFrame({"AGE": [1.0, 2.0]}), np.array([0, 1]))
        reporter.label(first, False)
        assert reporter.flush(20)
        assert (reporter.sent, reporter.dropped) == (4, {})
    records = kafka.records(topic)
    found = Counter((json.loads(record.value or b"")["type"], (record.key or b"").decode()) for record in records)
    assert found == Counter({("label", first): 1, **{("prediction", id_of): 1 for id_of in (first, *rows)}})
    places = [record.partition for record in records if record.key == first.encode()]
    assert len(set(places)) == 1  # the label lies beside its prediction


@pytest.mark.parametrize("when", ["connected", "not-yet"])
def test_each_process_sends_its_own_events_once_and_all_of_them_at_exit(
    kafka: KafkaBroker, topic: str, tmp_path: Path, when: str
) -> None:
    kafka.create_topic(topic)
    script = tmp_path / "service.py"
    script.write_text(SERVICE)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script), kafka.bootstrap, topic, when],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    wanted = {f"parent-{number}" for number in range(400)} | {f"child-{number}" for number in range(300, 400)}
    assert Counter((record.key or b"").decode() for record in kafka.records(topic)) == Counter(wanted)


def test_events_wait_for_a_topic_that_is_not_there_yet(
    kafka: KafkaBroker, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Reporter(kafka.bootstrap, topic, "credit", "1", flush_seconds=20) as reporter:
        reporter.prediction({"AGE": 1}, id="a")
        wait_until(lambda: topic in caplog.text, "the trouble is logged")
        kafka.create_topic(topic)
        assert reporter.flush(20)
    assert [record.key for record in kafka.records(topic)] == [b"a"]
    assert reporter.dropped == {}


def test_what_the_brokers_refuse_is_dropped_and_the_next_goes_on(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic, max_message_bytes="2000")
    with Reporter(kafka.bootstrap, topic, "credit", "1", flush_seconds=20) as reporter:
        reporter.prediction({"text": "x" * 5_000}, id="large")
        reporter.prediction({"text": "x" * 2_000_000}, id="larger")
        wait_until(lambda: "refused" in reporter.dropped, "the large one is refused")
        reporter.prediction({"AGE": 1}, id="small")
        assert reporter.flush(20)
        assert (reporter.sent, reporter.dropped) == (1, {"too_large": 1, "refused": 1})
    assert [record.key for record in kafka.records(topic)] == [b"small"]


def test_security_has_the_names_of_the_daemon(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    kafka.create_topic(topic)
    password = tmp_path / "password"
    password.write_text(kafka.sasl_password + "\n")
    security: Mapping[str, object] = {
        "protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": kafka.sasl_user,
        "sasl_password_file": password,
        "ssl_cafile": kafka.ca_file,
        "ssl_check_hostname": True,
    }
    with Reporter(kafka.sasl_bootstrap, topic, "credit", "1", security=security) as reporter:
        reporter.prediction({"AGE": 1}, id="a")
        assert reporter.flush(20)
    assert [record.key for record in kafka.records(topic)] == [b"a"]
