"""Exactly once with labels on a second topic and outcomes on a third: a daemon that is killed twenty times."""

from __future__ import annotations

import random
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.material import MissingError, counts_listed, say, yes
from tests.faulty_stream import credit_rows
from tests.killing import alert_faults, model_of, numbered, positions_of
from tests.late_results import LateTrial, Results, late_records, recount
from tests.real_parts.install import missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker


def run(options: Sequence[str]) -> None:
    """Prints the figures; every `NO` and every fault among them is one."""
    parser = ArgumentParser(prog="exactly-once-labels", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="predictions")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the stream and of the moments")
    given = parser.parse_args(options)
    if missing := missing_kafka_parts():
        raise MissingError("; ".join(missing))
    began = time.monotonic()
    rows, _ = credit_rows()
    records = list(late_records(rows, given.events, random.Random(given.seed)))
    with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="driftd-exactly-once-") as folder:
        trial = LateTrial(broker, Path(folder), "exactly-once-labels")
        trial.prepare(rows)
        trial.run_killed(records, given.kills, seed=given.seed)
        _report(trial, len(records))
    say(f"seconds               {time.monotonic() - began:.0f}")


def _report(trial: LateTrial, produced: int) -> None:
    expected = recount(trial)
    state = trial.finish_joined(lambda model: Results.of(model) == expected)
    found, alerts, replayed = Results.of(model_of(state)), trial.alerts(), trial.replay()
    counts, reported = list(found.faults(expected)), list(alert_faults(alerts, replayed))
    say(f"kills                 {len(trial.moments)}: {counts_listed(Counter(trial.moments))}")
    say(f"records               {produced:,}; positions at the end offsets: {yes(positions_of(state) == trial.ends())}")
    say(f"events                {counts_listed(state['outcomes'])}")
    say(f"labels                {counts_listed(model_of(state)['fates'])}")
    for name, fates in model_of(state)["outcome_fates"].items():
        say(f"{name:<22}{counts_listed(fates)}")
    say(f"confusion             {expected.confusion}")
    say(f"recount equal         {yes(not counts)}: confusion, values, outcomes and fates; {len(counts)} differences")
    transitions = len(numbered(replayed))
    say(f"transitions           {transitions}; live as in the replay: {yes(not reported)}")
    for fault in [*counts, *reported]:
        say(f"fault                 {fault}")
