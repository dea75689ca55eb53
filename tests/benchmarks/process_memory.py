"""Memory of the daemon over the first minute: many models of many features, at full speed from a real Kafka.

Each model has its own reference; a tenth of its features are names, the others numbers. RSS is read twice a second
from the start of the process to the end of the minute, which the daemon spends working off a backlog.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from monitor.events import ModelKey
from monitor.reference.file.encoding import with_hash
from monitor.run.reference_file import save_reference
from monitor.settings.tree import Settings
from tests.benchmarks.freshness import memory_mb, scrape
from tests.benchmarks.material import MissingError, say, table
from tests.benchmarks.perf_events import COLOURS, START_MS, perf_tree
from tests.daemons import DaemonProcess
from tests.engine import build
from tests.real_parts.install import missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

TOPIC = "memory"
PARTITIONS = 3
DIFFERENT = 20_000
REFERENCE_ROWS = 10_000
REQUEST_GAP = 0.5
EVERY = 5.0


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="process-memory", description=__doc__)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--features", type=int, default=50, help="of each model")
    parser.add_argument("--gap", type=float, default=1000, help="ms of event time between two events of one model")
    parser.add_argument("--events", type=int, default=1_000_000, help="in the backlog")
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args(arguments)
    if missing := missing_kafka_parts():
        raise MissingError("; ".join(missing))
    with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
        broker.create_topic(TOPIC, PARTITIONS)
        config = _settings(Path(name), broker.bootstrap, asked.models, asked.features, asked.gap)
        _fill(broker, asked.models, asked.features, asked.gap, asked.events)
        rows = list(_minute(config, asked.seconds))
    say(f"{asked.models} models x {asked.features} features, {asked.gap:g} ms between two events of one model")
    table(("s", "records", "RSS MB", "largest so far"), rows)


def _minute(config: Path, seconds: float) -> Iterator[list[object]]:
    with DaemonProcess(config) as daemon:
        daemon.wait_for("reading")
        began = reported = time.monotonic()
        yield [0, 0, *memory_mb(daemon.pid)]
        while reported - began < seconds:
            time.sleep(EVERY)
            reported = time.monotonic()
            yield [f"{reported - began:.0f}", f"{scrape(daemon.port).records:,.0f}", *memory_mb(daemon.pid)]


def _event(rng: random.Random, number: int, models: int, features: int) -> dict[str, object]:
    numbers = features - features // 10
    values: dict[str, object] = {
        f"feature_{k:02d}": round(rng.gauss(k, 1 + k / 10), 6) if k < numbers else rng.choice(COLOURS)
        for k in range(features)
    }
    return {
        "type": "prediction",
        "id": f"p-{number:09d}",
        "model": f"perf-{number % models}",
        "version": "1",
        "ts": START_MS,
        "features": values,
        "prediction": rng.randrange(2),
        "score": round(rng.random(), 6),
    }


def _settings(folder: Path, bootstrap: str, models: int, features: int, gap_ms: float) -> Path:
    rng = random.Random(1)
    rows = [_event(rng, at, 1, features) | {"ts": START_MS + round(at * gap_ms)} for at in range(REFERENCE_ROWS)]
    built = build(Settings.model_validate(perf_tree(1)), rows, ModelKey("perf-0", "1"))
    for at in range(models):
        save_reference(with_hash(replace(built, key=ModelKey(f"perf-{at}", "1"))), folder / f"perf-{at}.json")
    names = [f"perf-{at}" for at in range(models)]
    tree = perf_tree(1) | {
        "inputs": [{"topic": TOPIC}],
        "kafka": {"bootstrap_servers": [bootstrap], "group_id": TOPIC, "start": "earliest"},
        "outputs": {"alerts_topic": None, "rejects_topic": None},
        "state": {"path": "state"},
        "http": {"port": 0},
        "models": [{"name": name, "versions": ["1"], "reference": f"{name}.json"} for name in names],
    }
    config = folder / "driftd.yaml"
    config.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return config


def _fill(broker: KafkaBroker, models: int, features: int, gap_ms: float, events: int) -> None:
    rng = random.Random(2)
    different = (_event(rng, at, models, features) | {"id": "p-%09d", "ts": "%d"} for at in range(DIFFERENT))
    templates = [json.dumps(e, separators=(",", ":")).replace('"ts":"%d"', '"ts":%d').encode() for e in different]
    for partition in range(PARTITIONS):
        values = (
            templates[n % DIFFERENT] % (n, START_MS + round(n * gap_ms / models))
            for n in range(partition, events, PARTITIONS)
        )
        broker.produce(TOPIC, values, partition, compression_type="lz4")
