"""What a change costs: the tree of a revision and this one measured in turn, in one run.

usage: bench-compare [--rounds N] [--quick] REV [SET,SET ... | NAME OPTION ...]

REV is checked out into a folder of its own, and measured with the libraries that are installed here. Of a set of
`bench` (by default `daemon`) both daemons read the same topics; any other name is a benchmark that each tree runs
itself, of whose tables every figure is compared.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.material import MissingError, say, table
from tests.benchmarks.sets.all import SETS
from tests.benchmarks.sets.place import POLL, Place
from tests.benchmarks.side_by_side import (
    FailedError,
    Figures,
    Measured,
    Program,
    Spread,
    lines_of,
    one_round,
    quantities,
    ratios,
)
from tests.real_parts.install import ROOT, missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

HEAD = ("what", "", "base", "head", "head / base")
BASE = "base: "
OF_DAEMON = {"cpu": "µs of CPU per event", "rate": "events/s", "rss_mb": "RSS MB"}


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bench-compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revision", metavar="REV")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a quarter of the events, in sets of bench")
    parser.add_argument("names", nargs=argparse.REMAINDER, metavar="SET or NAME")
    asked = parser.parse_args(arguments)
    try:
        _compare(asked.revision, asked.names or ["daemon"], asked.rounds, quick=asked.quick)
    except FailedError as failed:
        raise MissingError(str(failed)) from failed
    say(f"{asked.rounds} rounds in turn: median [least - most]; base is {asked.revision}")


def _compare(revision: str, names: Sequence[str], rounds: int, *, quick: bool) -> None:
    first, *options = names
    sets = first.split(",")
    with ExitStack() as stack:
        base = stack.enter_context(tree_of(revision))
        if {*sets} <= {*SETS}:
            if missing := missing_kafka_parts():
                raise MissingError("; ".join(missing))
            for name in sets:
                with KafkaBroker() as broker, tempfile.TemporaryDirectory(prefix="driftd-bench-") as folder:
                    _of_set(name, base, Place(broker, Path(folder), quick), rounds)
        else:
            rows = compared_rows(*of_benchmark((base, ROOT), (first, *options), rounds))
            table(HEAD, rows)


@contextmanager
def tree_of(revision: str, repository: Path = ROOT) -> Iterator[Path]:
    """The files of a revision in a folder of their own, until the end of the block.

    Raises:
        MissingError: git does not know it.
    """
    with tempfile.TemporaryDirectory(prefix="driftd-base-") as name:
        folder = Path(name) / "tree"
        git = ["git", "-C", str(repository), "worktree"]
        made = [*git, "add", "--detach", "--quiet", str(folder), revision]
        done = subprocess.run(made, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"{revision}: {done.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True, capture_output=True)


def _of_set(name: str, base: Path, head: Place, rounds: int) -> None:
    one = SETS[name]
    if not one.compared:
        raise MissingError(
            f"{name} does not compare daemons; these do: {', '.join(s for s in SETS if SETS[s].compared)}"
        )
    older = replace(head, tree=base, label=BASE, references={})
    pairs = []
    for of in (head, older):
        pairs.append([program for program in one.programs(of) if POLL not in program.name])
    programs = [program for pair in zip(*reversed(pairs), strict=True) for program in pair]
    measured = Measured()
    for _ in range(rounds):
        one_round(programs, measured)
    table(HEAD, daemon_rows([program.name for program in pairs[0]], measured))
    for left_out, reason in (head.left_out | measured.left_out).items():
        say(f"left out: {left_out}: {reason}")


def daemon_rows(names: Sequence[str], measured: Measured) -> list[list[str]]:
    """A row for each figure of each program that ran in both trees."""
    rows = []
    for name in names:
        if not {name, f"{BASE}{name}"} <= measured.runs.keys():
            continue
        base, head = measured.runs[f"{BASE}{name}"], measured.runs[name]
        for figure, words in OF_DAEMON.items():
            form = ",.0f" if figure == "rate" else ".2f"
            both = [quantities(runs, figure).shown(form) for runs in (base, head)]
            rows.append([name, words, *both, ratios(head, base, figure).shown(".3f")])
    return rows


def of_benchmark(
    trees: tuple[Path, Path], command: Sequence[str], rounds: int
) -> tuple[list[list[Figures]], list[list[Figures]]]:
    """What the benchmark says in each round, in the one tree and in the other.

    Raises:
        MissingError: it says no JSON in one of the trees.
    """
    told: tuple[list[list[Figures]], list[list[Figures]]] = ([], [])
    line = [sys.executable, "-m", "tests.benchmarks", "--json", *command]
    for _ in range(rounds):
        for of, tree in zip(told, trees, strict=True):
            try:
                of.append(lines_of(Program(command[0], line, folder=tree)))
            except FailedError as failed:
                raise MissingError(
                    f"{'head' if tree == trees[1] else 'base'} cannot tell {command[0]} as JSON: {last_line(failed)}"
                ) from failed
    return told


def last_line(failed: FailedError) -> str:
    return str(failed).strip().splitlines()[-1]


def compared_rows(base: Sequence[Sequence[Figures]], head: Sequence[Sequence[Figures]]) -> list[list[str]]:
    """Under HEAD: every number that both trees tell in all rounds, by the name of its row."""
    before, after = [_by_name(lines) for lines in base], [_by_name(lines) for lines in head]
    rows = []
    for name, figure in after[0]:
        if not all((name, figure) in of for of in (*before, *after)):
            continue
        old, new = [of[name, figure] for of in before], [of[name, figure] for of in after]
        ratio = "" if 0.0 in old else Spread.of([b / a for a, b in zip(old, new, strict=True)]).shown(".3f")
        rows.append([name, figure, Spread.of(old).shown(), Spread.of(new).shown(), ratio])
    return rows


def _by_name(lines: Sequence[Figures]) -> dict[tuple[str, str], float]:
    return {
        (str(line["name"]), figure): float(value)
        for line in lines
        for figure, value in line.items()
        if isinstance(value, int | float)
    }
