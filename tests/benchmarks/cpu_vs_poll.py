"""CPU of the daemon on a real Kafka, as a multiple of a loop that only polls; in turn, several rounds.

200,000 events of 25 features in a topic of 3 partitions are read from the beginning to the end: decoded, counted,
judged, checkpointed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.material import MissingError, say, table
from tests.benchmarks.perf_events import PerfEvents, write_perf_settings
from tests.benchmarks.sets.place import POLL, without_state
from tests.benchmarks.side_by_side import HEAD, Figures, Program, in_turn, one_run, rows_of
from tests.real_parts.install import missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

TOPIC = "perf"
PARTITIONS = 3
GAP_MS = 10
CLIENTS = ("kafka-python", "confluent")


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="cpu-vs-poll", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", type=int, default=1)
    parser.add_argument("--codec", default="none")
    parser.add_argument("--no-fast-path", action="store_true", help="the library decodes each record")
    parser.add_argument(
        "--client",
        default="kafka-python",
        choices=[*CLIENTS, "both"],
        help="kafka.client of the daemon; both: each in every round",
    )
    parser.add_argument("--profile", action="store_true", help="where the daemon's time goes, after the rounds")
    asked = parser.parse_args(arguments)
    if missing := missing_kafka_parts():
        raise MissingError("; ".join(missing))
    with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
        _fill(broker, asked.events, asked.models, asked.codec)
        clients = CLIENTS if asked.client == "both" else [asked.client]
        config = _write_settings(Path(name), broker.bootstrap, asked.models, fast_path=not asked.no_fast_path)
        where = ["--bootstrap", broker.bootstrap, "--topic", TOPIC, "--events", str(asked.events)]
        poll = Program(POLL, [sys.executable, "-m", "tests.benchmarks.yardsticks.bare_poll", *where])
        daemons = [_daemon(config, asked.events, client) for client in clients]
        table(HEAD, rows_of([poll, *daemons], in_turn([poll, *daemons], asked.rounds)))
        for client in clients:
            _show_stages(one_run(_daemon(config, asked.events, client, "--stages")))
            if asked.profile:
                _show_profile(one_run(_daemon(config, asked.events, client, "--profile")))


def _daemon(config: Path, events: int, client: str, *options: str) -> Program:
    """It begins without state."""
    of_client = ["--client", client, *options]
    command = [sys.executable, "-m", "tests.benchmarks.daemon_child", str(config), str(events), *of_client]
    return Program(f"driftd, {client}", command, POLL, without_state(config))


def _fill(broker: KafkaBroker, events: int, models: int, codec: str) -> None:
    broker.create_topic(TOPIC, PARTITIONS, **{"retention.ms": "-1"})
    values = PerfEvents(events, models).values()
    for partition in range(PARTITIONS):
        own = values[partition::PARTITIONS]
        keys = [f"p-{partition}-{at}".encode() for at in range(len(own))]
        broker.produce(TOPIC, own, partition, keys=keys, compression_type=codec)


def _write_settings(folder: Path, bootstrap: str, models: int, *, fast_path: bool) -> Path:
    return write_perf_settings(
        folder,
        models,
        GAP_MS * models,
        kafka={"bootstrap_servers": [bootstrap], "group_id": "bench", "start": "earliest", "fast_path": fast_path},
        outputs={"alerts_topic": None, "rejects_topic": None},
        state={"path": "state"},
    )


def _show_stages(figures: Figures) -> None:
    say()
    total = figures["cpu_s"] / figures["events"] * 1e6
    rows = [[stage, f"{cpu:.2f}"] for stage, cpu in figures["stages"].items()]
    table(("stage", "µs of CPU per event"), [*rows, ["all", f"{total:.2f}"]])
    say(
        f"{figures['name']}: {figures['turns']} turns, {figures['panes']} base windows; "
        f"one more checkpoint took {figures['checkpoint_s']} s of CPU"
    )


def _show_profile(figures: Figures) -> None:
    table(("function", "share of all"), [[name, f"{share:.1%}"] for name, share in figures["profile"].items()])
