"""How fast it is and what it takes: sets of programs in turn on a real Kafka; an hour or more, --quick some minutes.

Each set compares programs by CPU, throughput and memory, round by round. The results are kept in `.bench/` with date,
revision, versions and the kind of machine, after each round; `bench-table` makes the tables of docs/performance.md from
such a file. Only ratios of one run are comparable; figures of a machine that does something else meanwhile are of no
use.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks.kept import FOLDER, Result, head, keep, load
from tests.benchmarks.material import Form, MissingError, say, table
from tests.benchmarks.sets.all import SETS, USUAL
from tests.benchmarks.sets.place import USUAL_TOPIC, Place, Set
from tests.benchmarks.side_by_side import (
    HEAD,
    FailedError,
    Measured,
    Program,
    one_round,
    quantities,
    quantity,
    rows_of,
    tells,
)
from tests.real_parts.install import missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

ROUNDS, QUICK_ROUNDS = 7, 1
#: figures of a run that are of no use afterwards
NOT_KEPT = ("name", "ended_at")


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a quarter of the events, one round, the smaller cases")
    parser.add_argument("--rounds", type=int, help=f"at most; {ROUNDS}, with --quick {QUICK_ROUNDS}")
    parser.add_argument("--minutes", type=float, help="as many rounds of each set as fit into so many, at least one")
    parser.add_argument("--only", default=",".join(USUAL), help=f"sets, between commas: {','.join(SETS)}")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the results are kept")
    parser.add_argument("--onto", type=Path, metavar="FILE", help="add the sets to a kept run of the same kind")
    asked = parser.parse_args(arguments)
    wanted = _sets(parser, asked.only)
    rounds = asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS)
    result = head(rounds, quick=asked.quick)
    if asked.onto is not None:
        result = continued(result, load(asked.onto))
    shares = Shares(None if asked.minutes is None else time.monotonic() + 60 * asked.minutes, wanted)
    say(f"{result['revision']}, up to {rounds} rounds, {result['machine']}, load {result['load']}")
    with ExitStack() as stack:
        broker = None if missing_kafka_parts() else stack.enter_context(KafkaBroker())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftd-bench-")))
        place = Place(broker, folder, asked.quick)
        for number, one in enumerate(wanted, 1):
            say(f"{number} of {len(wanted)}, {one.name}: {one.about}")
            until = shares.next(time.monotonic())
            for so_far in measured_set(one, place.of(one.name), rounds, until):
                result["sets"][one.name] = so_far
                file = keep(result, asked.folder)
            say(f"kept in {file}; {one.name} took {so_far['seconds']} s\n")


class Shares:
    """When each set has to end, so that all of them end in time: one that is done sooner leaves more to the others."""

    def __init__(self, deadline: float | None, wanted: Sequence[Set]) -> None:
        self._deadline = deadline
        self._weights = [one.weight for one in wanted]

    def next(self, now: float) -> float:
        """Of the set that begins now."""
        if self._deadline is None:
            return math.inf
        share = self._weights[0] / sum(self._weights)
        del self._weights[0]
        return now + max(self._deadline - now, 0.0) * share


def continued(begun: Result, kept: Result) -> Result:
    """The kept run, if what begins is the same in all that figures depend on.

    Raises:
        MissingError: it is not.
    """
    same = ("revision", "quick", "rounds", "machine", "versions", "peers")
    if other := [name for name in same if begun[name] != kept[name]]:
        raise MissingError(f"the kept run is another one: {', '.join(other)}")
    return kept


def _sets(parser: argparse.ArgumentParser, names: str) -> list[Set]:
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in SETS]:
        parser.error(f"no such set: {', '.join(unknown)}; there are {', '.join(SETS)}")
    return [SETS[name] for name in wanted]


def measured_set(one: Set, place: Place, rounds: int, until: float = math.inf) -> Iterator[Result]:
    """One set as it is kept, after each round; what cannot be measured here is in `left_out` with the reason.

    The last one is shown. There is no other round where it would not end `until` then.
    """
    began, programs, measured = time.monotonic(), list[Program](), Measured()
    try:
        programs = list(one.programs(place))
    except (FailedError, MissingError) as failed:
        measured.left_out["the set"] = str(failed)
    for number in range(1, 1 + min(rounds, one.most_rounds) * bool(programs)):
        round_began = time.monotonic()
        one_round(programs, measured, _progress(number, measured))
        drop_unequal(measured)
        yield _as_kept(programs, measured, place, began)
        if 2 * time.monotonic() - round_began > until:
            break
    place.drop(USUAL_TOPIC)
    show(one, programs, measured)
    for name, reason in (place.left_out | measured.left_out).items():
        say(f"left out: {name}: {reason}")
    yield _as_kept(programs, measured, place, began)


def _progress(number: int, measured: Measured) -> Callable[[str], None]:
    def tell(name: str) -> None:
        run = measured.runs[name][-1]
        told = f"{quantity(run, 'cpu'):.2f} µs of CPU per event" if tells(run, "cpu") else "done"
        say(f"  round {number}: {name}: {told}")

    return tell


def _as_kept(programs: Sequence[Program], measured: Measured, place: Place, began: float) -> Result:
    left_out = place.left_out | measured.left_out
    kept = {name: [_kept(figures) for figures in runs] for name, runs in measured.runs.items()}
    return {
        "seconds": round(time.monotonic() - began),
        "programs": [
            {
                "name": program.name,
                "against": program.against,
                "leaves_out": program.leaves_out,
                "runs": kept[program.name],
            }
            for program in programs
            if program.name in kept
        ],
        "left_out": {name: short(reason) for name, reason in left_out.items()},
    }


def drop_unequal(measured: Measured) -> None:
    """Leave out a program that tallied another number of values than most of them: its work is not the same."""
    tallied = {name: runs[0]["tallied"] for name, runs in measured.runs.items() if runs and "tallied" in runs[0]}
    usual = statistics.mode(tallied.values()) if tallied else 0
    for name, number in tallied.items():
        if number != usual:
            measured.left_out[name] = f"it tallied {number:,} values, the others {usual:,}"
            del measured.runs[name]


def _kept(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figure for name, figure in figures.items() if name not in NOT_KEPT}


def short(reason: str) -> str:
    """The last line that a program said; not kept where it could hold a path of the machine."""
    last = (reason.strip().splitlines() or [""])[-1]
    return "it failed" if "/" in last else last[:200]


def show(one: Set, programs: Sequence[Program], measured: Measured) -> None:
    """Tables of one set."""
    if rows := rows_of(programs, measured):
        table(HEAD, rows)
    if rows := list(_figures(one, measured)):
        table(("program", *one.figures.values()), rows)
    if not Form.as_json:
        say()


def _figures(one: Set, measured: Measured) -> Iterator[list[str]]:
    for name, runs in measured.runs.items():
        cells = [quantities(runs, figure).shown() if runs and tells(runs[0], figure) else "" for figure in one.figures]
        if any(cells):
            yield [name, *cells]
