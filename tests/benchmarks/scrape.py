"""What scrapes of many series cost a daemon that reads at full speed, and how long they take; real Kafka.

/metrics is asked as Prometheus does, over one connection and with gzip, not at all, once a second and 4 times a second,
in turn. Told are the scrapes, CPU of the whole process per event, and the longest that one turn of the loop took and
that its thread waited in it: for a processor, for the interpreter, or for Kafka.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import math
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.material import MissingError, say, table
from tests.benchmarks.perf_events import START_MS, PerfEvents, write_perf_settings
from tests.real_parts.install import ROOT, missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

PARTITIONS = 3
#: of event time between two events of one model
GAP_MS = 100
DIFFERENT = 20_000
RATES = (0, 1, 4)
START_SECONDS = 120.0

Figures = dict[str, Any]


@dataclass(frozen=True)
class Scrape:
    """Seconds from the request to the last byte, bytes as they came, series, and whether records were read already."""

    took: float
    size: int
    series: int
    reads: bool


class Prometheus:
    """One client that keeps its connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def scrape(self) -> Scrape | None:
        """None while nobody listens."""
        began = time.monotonic()
        try:
            self._connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
            body = self._connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None
        took, page = time.monotonic() - began, gzip.decompress(body)
        read = re.findall(rb"^driftd_records_total{.*} (\S+)$", page, re.MULTILINE)
        lines = sum(not line.startswith(b"#") for line in page.splitlines())
        return Scrape(took, len(body), lines, reads=sum(map(float, read)) > 0)


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="scrape", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=int, nargs="*", default=[10, 100], help="of 25 features, 1,000 series each")
    asked = parser.parse_args(arguments)
    if missing := missing_kafka_parts():
        raise MissingError("; ".join(missing))
    with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
        for models in asked.models:
            _show(models, _measured(broker, Path(name), models, asked.events, asked.rounds))


def _measured(broker: KafkaBroker, folder: Path, models: int, events: int, rounds: int) -> dict[int, list[Figures]]:
    topic, own = f"scrape-{models}", folder / f"{models}"
    own.mkdir()
    broker.create_topic(topic, PARTITIONS, **{"retention.ms": "-1"})
    templates = PerfEvents(DIFFERENT, models, seed=2).templates()
    for partition in range(PARTITIONS):
        values = _stream(templates, range(partition, events, PARTITIONS), GAP_MS / models)
        broker.produce(topic, values, partition, compression_type="lz4")
    port = _free_port()
    config = write_perf_settings(
        own,
        models,
        GAP_MS,
        inputs=[{"topic": topic}],
        kafka={"bootstrap_servers": [broker.bootstrap], "group_id": topic, "start": "earliest"},
        outputs={"alerts_topic": None, "rejects_topic": None},
        state={"path": "state", "every": "1h"},
        http={"port": port},
        limits={"series": 1_000_000},
    )
    found: dict[int, list[Figures]] = {rate: [] for rate in RATES}
    for _ in range(rounds):
        for rate, runs in found.items():
            shutil.rmtree(own / "state", ignore_errors=True)
            runs.append(_one(config, events, port, rate))
    return found


def _stream(templates: Sequence[bytes], numbers: Sequence[int], gap_ms: float) -> Iterator[bytes]:
    return (templates[n % len(templates)] % (n, START_MS + round(n * gap_ms)) for n in numbers)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _one(config: Path, events: int, port: int, rate: int) -> Figures:
    """One run to the end of the topic, scraped so often a second."""
    result, log = config.parent / "result.json", config.parent / "child.log"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.scrape_child", str(config), str(events), str(result)]
    with log.open("wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT)
    prometheus, scrapes, latest = Prometheus(port), list[Scrape](), time.monotonic() + START_SECONDS + events / 2_000
    try:
        while not result.is_file():
            if child.poll() is not None or time.monotonic() > latest:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
            time.sleep(1 / rate if rate else 0.1)
            if rate and (one := prometheus.scrape()) is not None and one.reads:
                scrapes.append(one)
    finally:
        child.terminate()
        child.wait(60)
    figures: Figures = json.loads(result.read_text(encoding="utf-8"))
    return figures | {"scrapes": scrapes}


def _show(models: int, found: dict[int, list[Figures]]) -> None:
    rows = []
    alone = statistics.median(_cpu(one) for one in found[0])
    for rate, runs in found.items():
        scrapes = [scrape for one in runs for scrape in one["scrapes"]]
        took = sorted(1e3 * scrape.took for scrape in scrapes)
        times = [f"{took[math.ceil(q * len(took)) - 1]:.1f}" for q in (0.5, 0.99, 1)] if took else ["", "", ""]
        shown = [f"{scrapes[-1].series:,}", f"{scrapes[-1].size:,}"] if scrapes else ["", ""]
        cpu, wall = (statistics.median(figure(one) for one in runs) for figure in (_cpu, _wall))
        turns = [
            " / ".join(f"{max(one[of][at] for one in runs):.1f}" for at in (1, 2)) for of in ("turn_ms", "waited_ms")
        ]
        rows.append(
            [f"{rate} a second", len(took), *times, *shown, f"{cpu:.2f}", f"{cpu / alone:.3f}", f"{wall:.2f}", *turns]
        )
    head = ("scraped", "scrapes", "p50 ms", "p99 ms", "most ms", "series", "bytes", "CPU µs/event", "of nobody's")
    say(f"{models} models of 25 features, {found[0][0]['events']:,} events")
    table((*head, "wall µs/event", "turn, 99 % / most ms", "waited, 99 % / most ms"), rows)
    say()


def _cpu(one: Figures) -> float:
    return float(one["cpu_s"] / one["events"] * 1e6)


def _wall(one: Figures) -> float:
    return float(one["wall_s"] / one["events"] * 1e6)
