"""No broker answers: every address is named with its own reason, in one line."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from kafka import KafkaAdminClient

from monitor.cli.parser import main
from monitor.errors import ExternalError
from monitor.kafka.connect import client_config, connect
from monitor.settings.kafka import Kafka
from tests.integration import kafka_reading

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected

USAGE, REFUSED = 2, 4


def kafka_settings(**changed: object) -> Kafka:
    return Kafka.model_validate(changed)


class Silent(ThreadingTCPServer):
    """Takes connections and does with each what `handler` says, which speaks no Kafka."""

    daemon_threads = True

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Closes(BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(64)


class SpeaksHttp(BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + self.request.recv(64))


@pytest.fixture(params=[Closes, SpeaksHttp], ids=["closes", "speaks HTTP"])
def no_kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    with Silent(("127.0.0.1", 0), request.param) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
def test_a_listener_that_is_not_kafka_is_distinguished_from_a_broker_that_is_down(no_kafka: str, protocol: str) -> None:
    settings = kafka_settings(bootstrap_servers=[no_kafka], request_timeout="2s", security={"protocol": protocol})
    with pytest.raises(ExternalError) as failure:
        connect(KafkaAdminClient, client_config(settings, "test"))
    assert f"kafka.bootstrap_servers did not answer: {no_kafka} (" in str(failure.value)
    assert "is it a Kafka listener, and one of this kafka.security.protocol?" in str(failure.value)


def test_every_address_that_does_not_answer_is_named_with_its_own_reason() -> None:
    servers = ["127.0.0.1:1", "nowhere.invalid:9092"]
    settings = kafka_settings(bootstrap_servers=servers, request_timeout="4s")
    with pytest.raises(ExternalError) as failure:
        connect(KafkaAdminClient, client_config(settings, "test"))
    # which one is tried when is left to chance: one may not have had its turn
    reported = re.fullmatch(r".*did not answer: (\S+) \((.*)\), (\S+) \((.*)\); start the .*", str(failure.value))
    assert reported is not None
    assert [reported[1], reported[3]] == servers
    assert reported[2] in {"connection refused", "not tried"}
    assert reported[4] in {"no such host", "not tried"}
    assert "bootstrap-" not in str(failure.value)


def test_a_check_still_asks_kafka_where_a_reference_is_wrong_and_usage_wins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "driftd.yaml"
    config.write_text(
        "kafka: {bootstrap_servers: ['127.0.0.1:1'], request_timeout: 2s}\n"
        "inputs: [{topic: events}]\n"
        "state: {path: state}\n"
        "models: [{name: credit, reference: credit.json}]\n"
    )
    assert main(["check", "--config", str(config)]) == USAGE
    out, err = capsys.readouterr()
    assert err == "", "what the client library logs is told in the table"
    reference, kafka = (line for line in out.splitlines() if line.startswith("BAD"))
    assert reference.startswith("BAD   reference credit")
    assert "kafka.bootstrap_servers did not answer: 127.0.0.1:1 (connection refused)" in kafka


def test_a_command_without_a_broker_fails_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTD_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DRIFTD_KAFKA__REQUEST_TIMEOUT", "2s")
    assert main(["record", "kafka://events", "-o", str(tmp_path / "out.records.jsonl")]) == REFUSED
    out, err = capsys.readouterr()
    assert out == ""
    why = "kafka.bootstrap_servers did not answer: 127.0.0.1:1 (connection refused)"
    remedy = "start the brokers there, or write where they are"
    assert err == f"driftd: cannot connect to Kafka now: {why}; {remedy}\n"
