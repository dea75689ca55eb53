"""Exactly once at length: 200,000 real rows through a daemon that is killed more than twenty times."""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.material import MissingError, counts_listed, data_folder, say, yes
from tests.daemons import state_of
from tests.faulty_stream import credit_rows, faulty_records
from tests.killing import Trial, alert_faults, count_faults, numbered, positions_of
from tests.real_parts.install import missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker


def run(options: Sequence[str]) -> None:
    """Prints the figures; every `NO` among them is a fault."""
    parser = ArgumentParser(prog="exactly-once", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1, help="of the stream and of the moments")
    given = parser.parse_args(options)
    data_folder()  # says what is missing
    if missing := missing_kafka_parts():
        raise MissingError("; ".join(missing))
    began = time.monotonic()
    rows, _ = credit_rows()
    records = faulty_records(rows, given.events, seed=given.seed)
    with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="driftd-exactly-once-") as folder:
        trial = Trial(broker, Path(folder), "exactly-once")
        trial.prepare(rows)
        trial.run_killed(records, given.kills, seed=given.seed)
        trial.finish()
        trial.record()
        _report(trial, len(records))
    say(f"seconds               {time.monotonic() - began:.0f}")


def _report(trial: Trial, produced: int) -> None:
    state, recount, alerts, replayed = state_of(trial.config), trial.recount(), trial.alerts(), trial.replay()
    counts, reported = list(count_faults(state, recount)), list(alert_faults(alerts, replayed))
    say(f"kills                 {len(trial.moments)}: {counts_listed(Counter(trial.moments))}")
    say(f"records               {produced:,}; positions at the end offsets: {yes(positions_of(state) == trial.ends())}")
    say(f"outcomes              {recount.events:,}: {counts_listed(state['outcomes'])}")
    say(f"recount equal         {yes(not counts)}: outcomes, reasons, every bin and fact of every feature")
    say(f"dead letters equal    {yes(trial.dead_letters() == recount.rejected)}: {len(recount.rejected):,} records")
    say(f"transitions           {len(numbered(replayed))}; live as in the replay: {yes(not reported)}")
    say(f"told more than once   {len(alerts) - len({alert['id'] for alert in alerts})} messages, each as before")
    for fault in [*counts, *reported]:
        say(f"fault                 {fault}")
