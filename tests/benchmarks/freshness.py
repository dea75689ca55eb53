"""How fresh what is shown is, and what showing costs: event to series, scrapes, start, memory, CPU at rest.

On a real Kafka with the daemon as a process; in every stream each model has one event a second of event time.

1. Event to series: at rest one event at a time; seconds from the broker's acknowledgement to the end of the scrape of
   /metrics that counts it. Scrapes are 10 ms apart.
2. Scrape: GET /metrics as a whole, while the daemon works off a backlog and at rest afterwards, for few and for many
   groups (a group: one feature of one model version).
3. Start: from the start of the process to /readyz, on an empty topic, without state.
4. Memory of the process, idle and after 10 models of 25 features were judged; its CPU afterwards, without traffic.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import math
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from confluent_kafka import KafkaError, Message, Producer

from tests.benchmarks.material import MissingError, say, table
from tests.benchmarks.perf_events import NAMES, START_MS, PerfEvents, write_perf_settings
from tests.daemons import DaemonProcess
from tests.real_parts.install import missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

PARTITIONS = 3
MODELS = 10
MODEL_GAP_MS = 1_000
#: different events in a backlog; a multiple of every number of models used here
DIFFERENT = 20_000
SCRAPE_GAP, REQUEST_GAP = 1.0, 0.01
EVENT_GAPS = 0.1, 1.0
WORKED_OFF_SECONDS = 900.0
PROC = Path("/proc")


@dataclass(frozen=True)
class Case:
    """Models of the given number of features each."""

    name: str
    models: int
    features: int

    @property
    def gap_ms(self) -> float:
        return MODEL_GAP_MS / self.models

    def __str__(self) -> str:
        return f"{self.models} x {self.features}"


REST = Case("rest", MODELS, len(NAMES))
#: the second has nearly as many series as are shown at most, the third many more
CASES = (Case("few", 1, 10), Case("some", 10, len(NAMES)), Case("many", 40, len(NAMES)))


@dataclass(frozen=True)
class Scrape:
    """One GET of the whole page: how long it took and when it ended (both in seconds), and what it showed."""

    took: float
    ended: float
    page: bytes
    #: bytes as they came
    size: int

    def samples(self, name: str) -> list[float]:
        """The values of one series."""
        return [float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$".encode(), self.page, re.MULTILINE)]

    @property
    def records(self) -> float:
        return sum(self.samples("driftd_records_total"))

    @property
    def series(self) -> int:
        return sum(not line.startswith(b"#") for line in self.page.splitlines())


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="freshness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, few rounds")
    parser.add_argument("--events", type=int, help="in each backlog; 1,000,000 without --quick")
    asked = parser.parse_args(arguments)
    quick, events = asked.quick, asked.events or (100_000 if asked.quick else 1_000_000)
    if missing := missing_kafka_parts():
        raise MissingError("; ".join(missing))
    if not (PROC / "self" / "status").is_file():
        raise MissingError("this system has no /proc, memory and CPU of another process are not told")
    with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
        bench = _Bench(broker, Path(name), events)
        bench.show_starts(2 if quick else 5)
        bench.show_rest(events=20 if quick else 100, seconds=5 if quick else 20)
        bench.show_scrapes(5 if quick else 30)


class _Bench:
    """A broker, a folder for settings and state, and the number of events in a backlog."""

    def __init__(self, broker: KafkaBroker, folder: Path, events: int) -> None:
        self._broker = broker
        self._folder = folder
        self._events = events

    def show_starts(self, rounds: int) -> None:
        config = self._prepared(Case("start", MODELS, len(NAMES)))
        took = [_start_seconds(_afresh(config, at)) for at in range(rounds)]
        say(f"start to ready, {MODELS} models, empty topic: {min(took):.2f} - {max(took):.2f} s in {rounds} starts")

    def show_rest(self, events: int, seconds: float) -> None:
        """Memory, CPU and delay of one process: idle, after a stream, then with one event at a time."""
        with DaemonProcess(self._prepared(REST)) as daemon:
            daemon.wait_ready()
            idle = memory_mb(daemon.pid)
            self._fill(REST)
            _wait_for_records(daemon, self._events)
            judged = memory_mb(daemon.pid)
            began, cpu = time.monotonic(), cpu_seconds(daemon.pid)
            time.sleep(seconds)
            share = (cpu_seconds(daemon.pid) - cpu) / (time.monotonic() - began)
            delays = sorted(delays_of(self._broker.bootstrap, daemon.port, range(self._events, self._events + events)))
        say(f"CPU without traffic, {MODELS} models: {share:.1%} of a core, over {seconds:g} s")
        median, high = statistics.median(delays), delays[math.ceil(0.99 * len(delays)) - 1]
        say(f"event to series: median {median:.3f} s, 99 % {high:.3f} s, most {delays[-1]:.3f} s of {events} events")
        say()
        head = (f"memory, {MODELS} models x {len(NAMES)} features", "RSS MB", "largest so far")
        table(head, [["idle: ready, empty topic", *idle], [f"after {self._events:,} events", *judged]])

    def show_scrapes(self, number: int) -> None:
        rows = []
        for case in CASES:
            config = self._prepared(case)
            self._fill(case)
            with DaemonProcess(config) as daemon:
                port = daemon.port
                _wait_for_records(daemon, 1, REQUEST_GAP)
                rows.append(_row(case, "backlog", _scrapes(port, number, self._events)))
                _wait_for_records(daemon, self._events)
                rows.append(_row(case, "at rest", _scrapes(port, number)))
        say()
        head = ("models x features", "", "scrapes", "median ms", "most ms", "bytes", "series", "dropped", "events/s")
        table(head, rows)

    def _prepared(self, case: Case) -> Path:
        """Its topic, and its own folder with settings."""
        self._broker.create_topic(case.name, PARTITIONS)
        folder = self._folder / case.name
        folder.mkdir()
        return write_perf_settings(
            folder,
            case.models,
            MODEL_GAP_MS,
            features=case.features,
            inputs=[{"topic": case.name}],
            kafka={"bootstrap_servers": [self._broker.bootstrap], "group_id": case.name, "start": "earliest"},
            outputs={"alerts_topic": None, "rejects_topic": None},
            state={"path": "state"},
            http={"port": 0},
        )

    def _fill(self, case: Case) -> None:
        """All partitions hold the same stretch of event time."""
        templates = _templates(case)
        for partition in range(PARTITIONS):
            values = _stream(templates, range(partition, self._events, PARTITIONS), case.gap_ms)
            self._broker.produce(case.name, values, partition, compression_type="lz4")


def _templates(case: Case) -> list[bytes]:
    return PerfEvents(DIFFERENT, case.models, features=case.features, seed=2).templates()


def _stream(templates: Sequence[bytes], numbers: Sequence[int], gap_ms: float) -> Iterator[bytes]:
    return (templates[n % len(templates)] % (n, START_MS + round(n * gap_ms)) for n in numbers)


def _afresh(config: Path, number: int) -> Path:
    """The same settings with a group and a state that were never used."""
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    tree["kafka"]["group_id"] += f"-{number}"
    tree["state"]["path"] += f"-{number}"
    fresh = config.with_name(f"driftd-{number}.yaml")
    fresh.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return fresh


def _start_seconds(config: Path) -> float:
    began = time.monotonic()
    with DaemonProcess(config) as daemon:
        daemon.wait_ready()
        return time.monotonic() - began


def delays_of(bootstrap: str, port: int, numbers: Sequence[int]) -> Iterator[float]:
    """Seconds from each acknowledgement to the end of the scrape that counts the event."""
    rng = random.Random(0)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})
    acknowledged: list[float] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        assert error is None, f"an event did not reach the topic: {error}"
        acknowledged.append(time.monotonic())

    for number, value in zip(numbers, _stream(_templates(REST), numbers, REST.gap_ms), strict=True):
        time.sleep(rng.uniform(*EVENT_GAPS))
        producer.produce(REST.name, value, partition=number % PARTITIONS, on_delivery=delivered)
        producer.flush()
        shown = scrape(port)
        while shown.records <= number:
            time.sleep(max(REQUEST_GAP - shown.took, 0))
            shown = scrape(port)
        yield shown.ended - acknowledged[-1]


def scrape(port: int, *, packed: bool = False) -> Scrape:
    """With `packed` as gzip, which Prometheus asks for."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.monotonic()
    try:
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"} if packed else {})
        sent = connection.getresponse().read()
    finally:
        connection.close()
    ended = time.monotonic()
    return Scrape(ended - began, ended, gzip.decompress(sent) if packed else sent, len(sent))


def _scrapes(port: int, number: int, until: float = float("inf")) -> list[Scrape]:
    """So many scrapes, a second apart; fewer when `until` records were read before."""
    made = [scrape(port)]
    while len(made) < number and made[-1].records < until:
        time.sleep(max(SCRAPE_GAP - made[-1].took, 0))
        made.append(scrape(port))
    # the one that shows the end may have come after it
    return made[:-1] if made[-1].records >= until and len(made) > 1 else made


def _row(case: Case, when: str, scrapes: Sequence[Scrape]) -> list[object]:
    took = [scrape.took * 1000 for scrape in scrapes]
    first, last = scrapes[0], scrapes[-1]
    rate = (last.records - first.records) / (last.ended - first.ended) if len(scrapes) > 1 else 0.0
    times = [f"{statistics.median(took):.1f}", f"{max(took):.1f}"]
    sizes = [f"{len(last.page):,}", f"{last.series:,}", f"{sum(last.samples('driftd_series_dropped')):,.0f}"]
    return [case, when, len(scrapes), *times, *sizes, f"{rate:,.0f}"]


def _wait_for_records(daemon: DaemonProcess, records: int, pause: float = SCRAPE_GAP) -> None:
    port, deadline = daemon.port, time.monotonic() + WORKED_OFF_SECONDS
    while scrape(port).records < records:
        assert time.monotonic() < deadline, f"{records:,} records were not read within {WORKED_OFF_SECONDS:g} s"
        time.sleep(pause)


def memory_mb(pid: int) -> tuple[str, str]:
    """Resident memory now, and the largest so far."""
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    kilobytes = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return f"{int(kilobytes['VmRSS']) / 1024:.0f}", f"{int(kilobytes['VmHWM']) / 1024:.0f}"


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    after_name = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
