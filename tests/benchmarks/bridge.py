"""Requests a second through the bridge beside a plain producer loop, and how long answers take; real Kafka.

Clients keep their connections and send the next request once the answer is there. Told are requests and records a
second, CPU of the bridge for a record beside that of a loop of kafka-python's producer for the same records
(acks=all, idempotent), and quantiles of the time from a request to its 202.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.material import MissingError, say, table
from tests.bridges import BridgeProcess, bridge_tree
from tests.daemons import write_settings
from tests.real_parts.install import ROOT, missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

PARTITIONS = 3
FEATURES = 25
#: connections and events in a request
CASES = ((1, 1), (16, 1), (64, 1), (16, 100))
_TICKS = 100  # of /proc/PID/stat, a second


class Load(NamedTuple):
    """What clients saw: requests, seconds, and the sorted seconds of all answers."""

    requests: int
    seconds: float
    answers: list[float]

    def quantile(self, share: float) -> float:
        return self.answers[min(int(share * len(self.answers)), len(self.answers) - 1)]


def event(number: int) -> dict[str, Any]:
    features = {f"feature_{at}": round((number * 31 + at * 17) % 997 / 7, 3) for at in range(FEATURES)}
    return {
        "type": "prediction",
        "id": f"p-{number}",
        "model": "credit",
        "version": "1",
        "ts": 1_772_619_330_000 + number,
        "features": features,
        "score": number % 100 / 100,
    }


def request_of(first: int, events: int) -> bytes:
    body = b"\n".join(json.dumps(event(first + at), separators=(",", ":")).encode() for at in range(events))
    head = (
        f"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def loaded(port: int, connections: int, events: int, seconds: float) -> Load:
    """Requests over so many connections for so long."""
    requests = [request_of(at * events, events) for at in range(500)]
    answers: list[float] = []
    with selectors.DefaultSelector() as selector:
        begun: dict[int, float] = {}

        def send(client: socket.socket) -> None:
            begun[client.fileno()] = time.monotonic()
            client.sendall(requests[len(answers) % len(requests)])

        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        for client in clients:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client, selectors.EVENT_READ, client)
        start = time.monotonic()
        for client in clients:
            send(client)
        while (now := time.monotonic()) < start + seconds:
            for key, _ in selector.select(1.0):
                client = key.data
                answer = client.recv(65_536)
                if not answer.startswith(b"HTTP/1.1 202"):
                    raise SystemExit(f"not taken: {answer[:200]!r}")
                answers.append(time.monotonic() - begun[client.fileno()])
                send(client)
        for client in clients:
            client.close()
    return Load(len(answers), now - start, sorted(answers))


PRODUCER = """
import json, sys, time
from kafka import KafkaProducer
from tests.benchmarks.bridge import event
records = [(f"p-{n}".encode(), json.dumps(event(n), separators=(",", ":")).encode()) for n in range(500)]
producer = KafkaProducer(bootstrap_servers=sys.argv[1], acks="all", enable_idempotence=True, batch_size=262144)
producer.partitions_for(sys.argv[2])
sent, cpu, start = 0, time.process_time(), time.monotonic()
while time.monotonic() < start + float(sys.argv[3]):
    for key, value in records:
        producer.send(sys.argv[2], key=key, value=value)
    sent += len(records)
    if sent % 5000 == 0:
        producer.flush()
producer.flush()
print(json.dumps([sent, time.monotonic() - start, time.process_time() - cpu]))
"""


def produced(broker: KafkaBroker, topic: str, seconds: float) -> tuple[float, float]:
    """A plain loop: records a second, and µs of CPU for each."""
    done = subprocess.run(
        [sys.executable, "-c", PRODUCER, broker.bootstrap, topic, str(seconds)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    sent, took, cpu = json.loads(done.stdout)
    return sent / took, 1e6 * cpu / sent


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bridge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each case")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    if missing := missing_kafka_parts():
        raise MissingError("; ".join(missing))
    with tempfile.TemporaryDirectory() as folder, KafkaBroker() as broker:
        broker.create_topic("events", PARTITIONS)
        config = write_settings(Path(folder), bridge_tree(broker.bootstrap, "events"))
        with BridgeProcess(config) as bridge:
            bridge.wait_ready()
            loaded(bridge.port, 16, 1, 1.0)
            size = len(json.dumps(event(1), separators=(",", ":")))
            say(f"an event has {size} bytes; {asked.rounds} rounds, best of each")
            plain = [produced(broker, "events", asked.seconds) for _ in range(asked.rounds)]
            rate, cost = max(one[0] for one in plain), min(one[1] for one in plain)
            say(f"producer loop: {rate:,.0f} records/s, {cost:.0f} µs of CPU each")
            rows = [_case(bridge, case, asked, cost) for case in CASES]
            table(["connections", "events each", "requests/s", "records/s", "CPU µs/record", "x loop",
                   "p50 ms", "p99 ms", "p99.9 ms"], rows)  # fmt: skip
            say(f"highest memory of the bridge: {_memory(bridge.pid):.0f} MB")


def _case(bridge: BridgeProcess, case: tuple[int, int], asked: argparse.Namespace, cost: float) -> list[str]:
    connections, events = case
    found = []
    for _ in range(asked.rounds):
        before = _cpu(bridge.pid)
        load = loaded(bridge.port, connections, events, asked.seconds)
        found.append((load, 1e6 * (_cpu(bridge.pid) - before) / (load.requests * events)))
    best = max((load for load, _ in found), key=lambda load: load.requests / load.seconds)
    cpu, rate = min(cpu for _, cpu in found), best.requests / best.seconds
    times = [f"{1000 * best.quantile(share):.1f}" for share in (0.5, 0.99, 0.999)]
    return [
        str(connections),
        str(events),
        f"{rate:,.0f}",
        f"{rate * events:,.0f}",
        f"{cpu:.0f}",
        f"{cpu / cost:.1f}",
        *times,
    ]
