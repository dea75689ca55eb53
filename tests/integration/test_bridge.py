"""The bridge on a real Kafka: what is answered with 202 is on the topic, whatever happens to brokers and clients."""

from __future__ import annotations

import http.client
import json
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.bridges import JSON, NDJSON, BridgeProcess, bridge_tree, posted
from tests.daemons import write_settings
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

STUCK: Final = 500
Start = Callable[..., BridgeProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a bridge to a topic on a broker; it is ready when the call returns."""
    with ExitStack() as stack:

        def started(broker: KafkaBroker, topic: str, *, wait: bool = True, **bridge: object) -> BridgeProcess:
            config = write_settings(tmp_path, bridge_tree(broker.bootstrap, topic, **bridge))
            one = stack.enter_context(BridgeProcess(config))
            if wait:
                one.wait_ready()
            return one

        yield started


def ids_on(broker: KafkaBroker, topic: str) -> Counter[str]:
    return Counter(json.loads(record.value or b"{}")["id"] for record in broker.records(topic))


class Clients:
    """Threads that post events one after another, and keep the ids that were answered with 202."""

    def __init__(self, bridge: BridgeProcess, number: int, path: str = "/events") -> None:
        self._bridge, self._path = bridge, path
        self.taken: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(at,)) for at in range(number)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, number: int) -> None:
        before = len(self.taken)
        wait_until(lambda: len(self.taken) > before + number, f"{number} more posts are taken", 60)

    def _run(self, at: int) -> None:
        with self._bridge.client() as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                event = f"{at}-{number}"
                try:
                    status, _ = posted(client, self._path, json.dumps({"id": event}).encode(), JSON)
                except (OSError, http.client.HTTPException):
                    client.close()
                    self.statuses[0] += 1
                    continue
                self.statuses[status] += 1
                if status == 202:
                    self.taken.append(event)
                else:
                    self._stop.wait(0.02)


def test_every_202_of_an_outage_is_on_the_topic_and_taking_goes_on_afterwards(
    kafka_parts: None, start: Start, topic: str
) -> None:
    with KafkaBroker() as broker:
        broker.create_topic(topic, partitions=3)
        bridge = start(broker, topic, answer_timeout="4s")
        with Clients(bridge, 8) as clients:
            wait_until(lambda: len(clients.taken) > 200, "posts are taken")
            broker.kill()
            wait_until(lambda: clients.statuses[503] > 20, "posts are refused")
            assert bridge.get("/livez")[0] == 200
            wait_until(lambda: bridge.get("/readyz")[0] == 503, "it is not ready")
            broker.start()
            clients.wait_for_more(200)
        assert bridge.get("/readyz")[0] == 200
        assert set(clients.statuses) == {202, 503}
        found = ids_on(broker, topic)
        assert not set(clients.taken) - set(found)
        assert not [event for event in clients.taken if found[event] != 1]
        assert bridge.stop() == 0


def test_a_broker_that_is_stopped_in_order_loses_nothing(kafka_parts: None, start: Start, topic: str) -> None:
    with KafkaBroker() as broker:
        broker.create_topic(topic)
        bridge = start(broker, topic, answer_timeout="15s")
        with Clients(bridge, 4) as clients:
            clients.wait_for_more(100)
            for _ in range(2):
                broker.restart()
                clients.wait_for_more(100)
        found = ids_on(broker, topic)
        assert not [event for event in clients.taken if found[event] != 1]


def test_a_full_queue_is_429_with_when_to_come_again(kafka_parts: None, start: Start, topic: str) -> None:
    with KafkaBroker() as broker:
        broker.create_topic(topic)
        bridge = start(broker, topic, queue_bytes=21_000, body_bytes=10_000, answer_timeout="30s")
        body = json.dumps({"id": "large", "text": "x" * 9_000}).encode()
        subprocess.run(["kill", "-STOP", str(broker.pid)], check=True)
        try:
            with ExitStack() as stack:
                clients = [stack.enter_context(bridge.client(60)) for _ in range(3)]
                for client in clients[:2]:
                    client.request("POST", "/events", body, JSON)
                wait_until(lambda: bridge.series("driftd_bridge_waiting_bytes")[""] > 18_000, "two wait")
                clients[2].request("POST", "/events", body, JSON)
                answer = clients[2].getresponse()
                assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
                assert "bridge.queue_bytes" in answer.read().decode()
                subprocess.run(["kill", "-CONT", str(broker.pid)], check=True)
                assert [client.getresponse().status for client in clients[:2]] == [202, 202]
                wait_until(lambda: bridge.series("driftd_bridge_waiting_bytes")[""] == 0, "nothing waits")
                assert posted(clients[2], "/events", body, JSON)[0] == 202
        finally:
            subprocess.run(["kill", "-CONT", str(broker.pid)], check=True)
        assert ids_on(broker, topic) == {"large": 3}


def test_clients_that_are_stuck_time_out_and_do_not_stop_the_others(
    kafka: KafkaBroker, start: Start, topic: str
) -> None:
    kafka.create_topic(topic)
    bridge = start(kafka, topic, request_timeout="3s", connections=STUCK + 50)
    head = b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n"
    some = (b"", b"P", head, head + b"\r\n" + b'{"id": "never"' + b" " * 50_000)
    with ExitStack() as stack:
        stuck = []
        for at in range(STUCK):
            one = stack.enter_context(bridge.connect())
            one.sendall(some[at % len(some)])
            stuck.append(one)
        began = time.monotonic()
        with Clients(bridge, 4) as clients:
            wait_until(lambda: len(clients.taken) > 200, "posts are taken beside them")
            assert bridge.get("/livez")[0] == bridge.get("/readyz")[0] == 200
            assert time.monotonic() - began < 20
            wait_until(
                lambda: bridge.series("driftd_bridge_dropped_connections_total")['{reason="slow"}'] == STUCK,
                "all stuck clients are dropped",
                30,
            )
        assert set(clients.statuses) == {202}
        assert all(_is_closed(one) for one in stuck)
    assert not set(clients.taken) ^ set(ids_on(kafka, topic))


def _is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_more_stuck_clients_than_connections_make_way(kafka: KafkaBroker, start: Start, topic: str) -> None:
    kafka.create_topic(topic)
    bridge = start(kafka, topic, connections=40, request_timeout="1m")
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(bridge.connect())
        with Clients(bridge, 8) as clients:
            wait_until(lambda: len(clients.taken) > 200, "posts are taken beside them")
        assert set(clients.statuses) == {202}


def test_a_stop_answers_what_is_in_flight_and_takes_nothing_new(kafka_parts: None, start: Start, topic: str) -> None:
    with KafkaBroker() as broker:
        broker.create_topic(topic)
        bridge = start(broker, topic, answer_timeout="30s")
        with bridge.client(60) as one, bridge.client(60) as half, bridge.client() as idle:
            assert posted(idle, "/events", b'{"id": "before"}')[0] == 202
            subprocess.run(["kill", "-STOP", str(broker.pid)], check=True)
            one.request("POST", "/events", b'{"id": "in-flight"}', NDJSON)
            half.putrequest("POST", "/events")
            half.putheader("Content-Type", "application/json")
            half.putheader("Content-Length", "14")
            half.endheaders(b'{"id": ')
            wait_until(lambda: bridge.series("driftd_bridge_waiting_requests")[""] == 1, "one waits")
            bridge.send_signal(signal.SIGTERM)
            bridge.wait_for("ending")
            wait_until(lambda: _refuses(bridge.port), "it listens no more")
            half.send(b'"half"}')
            subprocess.run(["kill", "-CONT", str(broker.pid)], check=True)
            answers = [client.getresponse() for client in (one, half)]
            assert [(answer.status, answer.headers["Connection"]) for answer in answers] == [(202, "close")] * 2
            with pytest.raises((OSError, http.client.HTTPException)):
                posted(idle, "/events", b'{"id": "late"}')
        assert bridge.wait() == 0
        assert ids_on(broker, topic) == {"before": 1, "in-flight": 1, "half": 1}


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_ctrl_c_ends_it_with_its_own_code(kafka: KafkaBroker, start: Start, topic: str) -> None:
    kafka.create_topic(topic)
    bridge = start(kafka, topic)
    bridge.send_signal(signal.SIGINT)
    assert bridge.wait() == 130


def test_a_topic_that_is_not_there_ends_the_start_with_the_command_that_makes_it(
    kafka: KafkaBroker, start: Start, topic: str
) -> None:
    bridge = start(kafka, topic, wait=False)
    assert bridge.wait() == 4
    assert f"the topic {topic} does not exist; make it: kafka-topics.sh" in bridge.text()


def test_without_a_broker_it_listens_refuses_and_takes_posts_once_there_is_one(
    kafka_parts: None, start: Start, topic: str
) -> None:
    with KafkaBroker() as broker:
        broker.create_topic(topic)
        broker.stop()
        bridge = start(broker, topic, wait=False)
        bridge.wait_for("listening")
        assert bridge.get("/livez")[0] == 200
        assert bridge.get("/readyz") == (503, "not connected to Kafka yet\n")
        assert bridge.post("/events", b'{"id": 1}') == (503, "not connected to Kafka yet\n")
        broker.start()
        bridge.wait_ready(60)
        assert bridge.post("/events", b'{"id": 1}')[0] == 202


def test_a_record_that_the_topic_does_not_take_is_413_and_others_go_on(
    kafka: KafkaBroker, start: Start, topic: str
) -> None:
    kafka.create_topic(topic, max_message_bytes="2000")
    bridge = start(kafka, topic)
    large = json.dumps({"id": "large", "text": "x" * 5_000}).encode()
    status, text = bridge.post("/events", large, JSON)
    assert (status, text) == (413, f"a record is too large for the topic {topic}; raise its max.message.bytes\n")
    with Clients(bridge, 4) as clients:
        for _ in range(5):
            assert bridge.post("/events", large, JSON)[0] == 413
        wait_until(lambda: len(clients.taken) > 100, "posts are taken beside them")
    assert set(clients.statuses) == {202}
    assert bridge.get("/readyz")[0] == 200
    assert not set(clients.taken) ^ set(ids_on(kafka, topic))


def test_the_commands_of_curl(kafka: KafkaBroker, start: Start, topic: str, tmp_path: Path) -> None:
    kafka.create_topic(topic)
    bridge = start(kafka, topic)
    (tmp_path / "events.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n\n{"id": "c"}')

    def curl(arguments: str) -> tuple[int, str]:
        line = f"curl -s -w '%{{http_code}}' http://127.0.0.1:{bridge.port}{arguments}"
        done = subprocess.run(shlex.split(line), cwd=tmp_path, capture_output=True, text=True, check=True)
        return int(done.stdout[-3:]), done.stdout[:-3]

    lines = "-H 'Content-Type: application/x-ndjson' --data-binary @events.jsonl"
    assert curl(f"/events {lines}") == (202, f"3 on {topic}\n")
    assert curl(f"/topics/{topic} {lines}")[0] == 202
    assert curl("/events --data-binary @events.jsonl")[0] == 400
    (tmp_path / "large").write_bytes(b" " * 3_000_000)
    for more in ("", " -H 'Expect:'", " -H 'Transfer-Encoding: chunked'"):
        assert curl(f"/events -H 'Content-Type: application/json' --data-binary @large{more}")[0] == 413
    assert ids_on(kafka, topic) == {"a": 2, "b": 2, "c": 2}
