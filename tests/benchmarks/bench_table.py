"""Makes the tables of docs/performance.md from a kept run of `bench`: `bench-table [FILE]`, the newest without a name.

The file becomes docs/performance.json; the parts of the page between `<!-- measured: NAME -->` and `<!-- end -->` are
made of it, and the rest of the page is written by hand. `python -m tests.documents` makes the page anew, too.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.goals import GOALS, MEMORY, Goal, Measurements, runs_of
from tests.benchmarks.kept import Result, load, newest, written
from tests.benchmarks.material import MissingError, say
from tests.benchmarks.sets.all import SETS
from tests.benchmarks.side_by_side import HEAD, Measured, Program, Spread, quantities, rows_of, tells
from tests.real_parts.install import ROOT

DOCS: Final = ROOT / "docs"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "performance.json"
NOT_MEASURED: Final = "not measured"
_PART: Final = re.compile(r"(<!-- measured: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: steps of the loop that take less are not listed
LEAST_SHARE: Final = 0.01


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="bench-table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path, default=newest())
    asked = parser.parse_args(arguments)
    if asked.file is None:
        raise MissingError("there is no kept run: make bench")
    result = load(asked.file)
    FIGURES.write_text(written(result), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
    say(f"{PAGE.relative_to(ROOT)} tells the run of {result['made']}, revision {result['revision']}")


def page() -> str:
    """docs/performance.md"""
    return filled(PAGE.read_text(encoding="utf-8"), load(FIGURES))


def filled(text: str, result: Result) -> str:
    """The page with the tables of that run.

    Raises:
        KeyError: a part that nothing makes.
    """
    parts = {name: _of_set(name) for name in SETS} | PARTS
    return _PART.sub(lambda found: f"{found[1]}{parts[found[2]](result).strip()}\n{found[3]}", text)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; without rows what stands in its place."""
    if not rows:
        return NOT_MEASURED
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def about(result: Result) -> str:
    """What was measured, when and on what."""
    machine = result["machine"]
    kind = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}"
    versions, peers = (
        ", ".join(f"{name} {version}" for name, version in of.items())
        for of in (result["versions"], result.get("peers", {}))
    )
    quick = " **A quick run**: a quarter of the events." if result["quick"] else ""
    rounds = f"{result['rounds']} rounds in turn" if result["rounds"] > 1 else "one round"
    return (
        f"Measured on {result['made'][:10]} at revision {result['revision']}, {rounds}, on a machine of the kind\n"
        f"{kind}; {result['load']} processes ran or waited when it began.{quick}\n\n{versions}."
    ) + (f" The peers' own: {peers}." if peers else "")


def goals(result: Result) -> str:
    return markdown(("goal", "limit", "measured", "met"), list(_goal_rows(GOALS, runs_of(result))))


def _goal_rows(wanted: Sequence[Goal], measured: Measurements) -> Iterator[list[str]]:
    for goal in wanted:
        figure = goal.figure(measured)
        met = None if figure is None else goal.met(figure)
        told = NOT_MEASURED if figure is None else figure.shown() + goal.unit
        yield [goal.words, goal.limit(), told, {True: "yes", False: "**no**", None: ""}[met]]


def memory(result: Result) -> str:
    rows = [[words, told] for words, _, told, _ in _goal_rows(MEMORY, runs_of(result))]
    return markdown(("memory of", "measured"), rows)


def steps(result: Result) -> str:
    """The share of each step of the loop, and the µs of CPU where they were taken apart."""
    runs = runs_of(result).get("steps", {})
    looped, apart = runs.get("driftd, steps", []), runs.get("driftd, taken apart", [])
    shares = [_shares(run["steps"]) for run in looped]
    rows = [
        [f"`{step}`", Spread.of([100 * of[step] for of in shares]).shown(".0f") + " %"]
        for step in (shares[0] if shares else ())
        if max(of[step] for of in shares) >= LEAST_SHARE
    ]
    stages = [
        [stage, Spread.of([run["stages"][stage] for run in apart]).shown(".2f")]
        for stage in (apart[0]["stages"] if apart else ())
    ]
    return f"{markdown(('step', 'share'), rows)}\n\n{markdown(('taken apart', 'µs of CPU per event'), stages)}"


def _shares(seconds: Mapping[str, float]) -> dict[str, float]:
    every = sum(seconds.values())
    return {step: of / every for step, of in seconds.items()}


def profile(result: Result) -> str:
    """Functions by what is spent in themselves."""
    runs = runs_of(result).get("steps", {}).get("driftd, profiled", [])
    first = runs[0]["profile"] if runs else {}
    return markdown(("function", "share"), [[f"`{name}`", f"{share:.1%}"] for name, share in [*first.items()][:15]])


def _of_set(name: str) -> Callable[[Result], str]:
    return lambda result: of_set(name, result)


def of_set(name: str, result: Result) -> str:
    """Its tables, and what was left out of it."""
    if (kept := result["sets"].get(name)) is None:
        return NOT_MEASURED
    programs = [Program(one["name"], (), one["against"], leaves_out=one["leaves_out"]) for one in kept["programs"]]
    measured = Measured({one["name"]: one["runs"] for one in kept["programs"]})
    tables = [_ratios(programs, measured), _figures(SETS[name].figures, measured)]
    left_out = [f"Left out: {one}: {reason}." for one, reason in kept["left_out"].items()]
    return "\n\n".join([*filter(None, tables), *left_out]) or NOT_MEASURED


def _ratios(programs: Sequence[Program], measured: Measured) -> str:
    rows, leaves_out = rows_of(programs, measured), {one.name: one.leaves_out for one in programs}
    if not rows:
        return ""
    if not any(leaves_out.values()):
        return markdown(HEAD, rows)
    return markdown((*HEAD, "leaves out"), [[*row, leaves_out[row[0]]] for row in rows])


def _figures(wanted: Mapping[str, str], measured: Measured) -> str:
    rows: list[list[str]] = []
    for name, runs in measured.runs.items():
        cells = [quantities(runs, figure).shown() if tells(runs[0], figure) else "" for figure in wanted]
        rows += [[name, *cells]] if any(cells) else []
    return markdown(("", *wanted.values()), rows) if rows else ""


PARTS: Final[dict[str, Callable[[Result], str]]] = {
    "about": about,
    "goals": goals,
    "memory": memory,
    "steps": steps,
    "profile": profile,
}
