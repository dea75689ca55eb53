"""Commands in turn, A B C A B C ...: medians, ranges, and the ratio of each to another one, round by round.

usage: side-by-side [-n 5] 'COMMAND A' 'COMMAND B' ...

A command prints one line of JSON with `name`, `events`, `wall_s`, `cpu_s` and `rss_mb`, and what else it measures, as
its last line. Ratios are of two runs of the same round, so that what other processes do falls on both.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.material import say, table
from tests.real_parts.install import ROOT

#: what a program says of one run: texts, numbers, and mappings of them
Figures = dict[str, Any]
Runs = Sequence[Mapping[str, Any]]


class FailedError(Exception):
    """A program ended with an error, or without figures; the message has the end of what it said."""


@dataclass(frozen=True)
class Program:
    """A command that prints its figures; `against` is the program whose runs its own are divided by."""

    name: str
    command: Sequence[str]
    against: str = ""
    #: what has to be done before each run, such as to begin without state
    before: Callable[[], object] = lambda: None
    folder: Path = ROOT
    leaves_out: str = ""
    #: what its figures are for, where it reads more records than that, such as labels; 0: what it says itself
    events: int = 0


@dataclass
class Measured:
    """The runs of each program by round, and the programs that failed with their reason."""

    runs: dict[str, list[Figures]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def lines_of(program: Program) -> list[Figures]:
    """All lines of JSON of one run.

    Raises:
        FailedError: the command fails, or says none.
    """
    program.before()
    # started by a shell, which is small: a child's largest memory begins at what its parent held
    line = shlex.join(program.command) + "; exit $?"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=program.folder, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = (done.stderr or done.stdout)[-2000:]
        message = f"{program.name} ended with {done.returncode}:\n{said}"
        raise FailedError(message)
    return [json.loads(line) for line in lines]


def one_run(program: Program) -> Figures:
    """What one run says of itself, last."""
    figures = lines_of(program)[-1]
    return figures | {"events": program.events} if program.events else figures


def in_turn(programs: Sequence[Program], rounds: int) -> Measured:
    """Every program once in each round.

    Raises:
        FailedError: one fails.
    """
    measured = Measured()
    for _ in range(rounds):
        one_round(programs, measured)
        if measured.left_out:
            raise FailedError(next(iter(measured.left_out.values())))
    return measured


def one_round(programs: Sequence[Program], measured: Measured, tell: Callable[[str], object] = lambda _: None) -> None:
    """Every program once more; one that fails is left out with its reason, and the others go on."""
    for program in programs:
        if program.name in measured.left_out:
            continue
        try:
            measured.runs.setdefault(program.name, []).append(one_run(program))
            tell(program.name)
        except FailedError as failed:
            measured.left_out[program.name] = str(failed)
            measured.runs.pop(program.name, None)


@dataclass(frozen=True)
class Spread:
    """Median, least and most of some rounds."""

    median: float
    least: float
    most: float
    #: what it is of, where several are compared and one is told
    of_which: str = ""

    @staticmethod
    def of(figures: Sequence[float]) -> Spread:
        return Spread(statistics.median(figures), min(figures), max(figures))

    def shown(self, form: str = "") -> str:
        """`0.71 [0.68 - 0.75]`; one figure alone where they do not differ. `form` as of `format`, or by size."""
        if self.least == self.most:
            return shown(self.median, form)
        return f"{shown(self.median, form)} [{shown(self.least, form)} - {shown(self.most, form)}]"


def shown(figure: float, form: str = "") -> str:
    """Three digits where there is no form; whole from a hundred on."""
    if form:
        return f"{figure:{form}}"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def quantity(run: Mapping[str, Any], name: str) -> float:
    """A figure of a run; `cpu` is µs of CPU per event, `rate` is events per second."""
    if name == "cpu":
        return float(run["cpu_s"]) / float(run["events"]) * 1e6
    if name == "rate":
        return float(run["events"]) / float(run["wall_s"])
    return float(run[name])


def tells(run: Mapping[str, Any], name: str) -> bool:
    """Whether a run has what the figure is made of."""
    try:
        quantity(run, name)
    except KeyError:
        return False
    return True


def quantities(runs: Runs, name: str) -> Spread:
    return Spread.of([quantity(run, name) for run in runs])


def ratios(runs: Runs, others: Runs, name: str) -> Spread:
    """Of one program's runs to another's, round by round."""
    pairs = zip(runs, others, strict=True)
    return Spread.of([quantity(run, name) / quantity(other, name) for run, other in pairs])


def rows_of(programs: Sequence[Program], measured: Measured) -> list[list[str]]:
    """Under HEAD, for programs that tell their CPU."""
    rows = []
    for program in programs:
        runs, others = measured.runs.get(program.name, []), measured.runs.get(program.against, [])
        if not runs or "cpu_s" not in runs[0]:
            continue
        compared = [ratios(runs, others, name).shown(".2f") if others else "" for name in ("cpu", "rate")]
        memory = quantities(runs, "rss_mb").shown(".0f") if "rss_mb" in runs[0] else ""
        cpu, rate = quantities(runs, "cpu").shown(".2f"), quantities(runs, "rate").shown(",.0f")
        rows.append([program.name, cpu, rate, memory, *compared, program.against])
    return rows


HEAD = ("program", "µs of CPU per event", "events/s", "RSS MB", "CPU", "throughput", "of")


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="side-by-side", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--rounds", type=int, default=5)
    parser.add_argument("commands", nargs="+", metavar="COMMAND")
    asked = parser.parse_args(arguments)
    first = asked.commands[0]
    programs = [Program(one, shlex.split(one), against="" if one is first else first) for one in asked.commands]
    measured = in_turn(programs, asked.rounds)
    table(HEAD, rows_of(programs, measured))
    say(f"{asked.rounds} rounds in turn: median [least - most]")
