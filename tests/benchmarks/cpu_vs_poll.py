"""CPU of the daemon on a real Kafka, as a multiple of a loop that only polls; in turn, several rounds.

200,000 events of 25 features in a topic of 3 partitions are read from the beginning to the end: decoded, counted,
judged, checkpointed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.material import MissingError, perf_folder, say, table
from tests.benchmarks.perf_events import PerfEvents, write_perf_settings
from tests.real_parts.install import ROOT, missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

TOPIC = "perf"
PARTITIONS = 3
GAP_MS = 10

Figures = dict[str, Any]


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
        choices=["kafka-python", "confluent", "both"],
        help="kafka.client of the daemon; both: each in every round",
    )
    parser.add_argument("--profile", action="store_true", help="where the daemon's time goes, after the rounds")
    asked = parser.parse_args(arguments)
    yardstick = perf_folder() / "bare_poll.py"
    if missing := missing_kafka_parts():
        raise MissingError("; ".join(missing))
    with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="driftd-bench-") as name:
        folder = Path(name)
        _fill(broker, asked.events, asked.models, asked.codec)
        clients = ["kafka-python", "confluent"] if asked.client == "both" else [asked.client]
        config = _write_settings(folder, broker.bootstrap, asked.models, fast_path=not asked.no_fast_path)
        poll = [str(yardstick), "--bootstrap", broker.bootstrap, "--topic", TOPIC, "--events", str(asked.events)]
        daemon = ["-m", "tests.benchmarks.daemon_child", str(config), str(asked.events)]
        rounds = [
            (_measured(poll, folder), *(_measured([*daemon, "--client", client], folder) for client in clients))
            for _ in range(asked.rounds)
        ]
        _show(rounds)
        for client in clients:
            _show_stages(_measured([*daemon, "--client", client, "--stages"], folder))
            if asked.profile:
                _measured([*daemon, "--client", client, "--profile"], folder, show=True)


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


def _measured(command: Sequence[str], folder: Path, *, show: bool = False) -> Figures:
    """What a child says of itself; it begins without state."""
    for checkpoint in (folder / "state").glob("*"):
        checkpoint.unlink()
    # started by a shell, which is small: a child's largest memory begins at what its parent held
    line = shlex.join([sys.executable, *command]) + "; exit $?"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=ROOT, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        message = f"{command[0]}: exit {done.returncode}: {done.stderr[-2000:]}"
        raise RuntimeError(message)
    if show:
        say(done.stderr)
    figures: Figures = json.loads(lines[-1])
    return figures


def _show(rounds: Sequence[tuple[Figures, ...]]) -> None:
    rows = []
    for at in range(len(rounds[0])):
        mine = [one[at] for one in rounds]
        cpu = [run["cpu_s"] / run["events"] * 1e6 for run in mine]
        rate = [run["events"] / run["wall_s"] for run in mine]
        rss = [run["rss_mb"] for run in mine]
        rows.append([mine[0]["name"], _spread(cpu, ".2f"), _spread(rate, ",.0f"), _spread(rss, ".0f")])
    table(("program", "µs of CPU per event", "events/s", "RSS MB"), rows)
    for at in range(1, len(rounds[0])):
        cpu = [one[at]["cpu_s"] / one[0]["cpu_s"] for one in rounds]
        wall = [one[at]["wall_s"] / one[0]["wall_s"] for one in rounds]
        say(
            f"{rounds[0][at]['name']}: CPU {_spread(cpu, '.2f')} times, wall {_spread(wall, '.2f')} times that of "
            "polling, round by round"
        )


def _spread(figures: Sequence[float], form: str) -> str:
    return f"{statistics.median(figures):{form}} [{min(figures):{form}} - {max(figures):{form}}]"


def _show_stages(figures: Figures) -> None:
    say()
    total = figures["cpu_s"] / figures["events"] * 1e6
    rows = [[stage, f"{cpu:.2f}"] for stage, cpu in figures["stages"].items()]
    table(("stage", "µs of CPU per event"), [*rows, ["all", f"{total:.2f}"]])
    say(
        f"{figures['name']}: {figures['turns']} turns, {figures['panes']} base windows; "
        f"one more checkpoint took {figures['checkpoint_s']} s of CPU"
    )
