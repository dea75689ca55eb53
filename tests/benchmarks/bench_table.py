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
from tests.benchmarks.sets.peers import APART, CONFLUENT, PROFILED, STEPS
from tests.benchmarks.side_by_side import HEAD, Measured, Program, Spread, quantities, rows_of, tells
from tests.real_parts.install import ROOT

DOCS: Final = ROOT / "docs"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "performance.json"
NOT_MEASURED: Final = "not measured"
_PART: Final = re.compile(r"(<!-- measured: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: steps of the loop that take a smaller share are not listed, nor parts that take fewer µs
LEAST_SHARE: Final = 0.01
CLIENTS: Final = ("kafka-python", "`client: confluent`")


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
    each = {len(one["runs"]) for kept in result["sets"].values() for one in kept["programs"]} or {0}
    least, most = min(each), max(each)
    rounds = f"{least}{f' to {most}' if most > least else ''} round{'s in turn' if most > 1 else ''}"
    return (
        f"Measured on {result['made'][:10]} at revision {result['revision']}, {rounds}, on a machine of the kind\n"
        f"{kind}; {result['load']} processes ran or waited when it began.{quick}\n\n{versions}."
    ) + (f" The peers' own: {peers}." if peers else "")


def goals(result: Result) -> str:
    return markdown(("goal", "limit", "measured", "met"), list(_goal_rows(GOALS, runs_of(result))))


def _goal_rows(wanted: Sequence[Goal], measured: Measurements) -> Iterator[list[str]]:
    for goal in wanted:
        figure = goal.figure(measured)
        if figure is None:
            yield [goal.words, goal.limit(), NOT_MEASURED, ""]
        else:
            which = f": {figure.of_which}" if figure.of_which else ""
            yield [goal.words, goal.limit(), figure.shown() + goal.unit + which, goal.met(figure)]


def memory(result: Result) -> str:
    rows = [[words, told] for words, _, told, _ in _goal_rows(MEMORY, runs_of(result))]
    return markdown(("memory of", "measured"), rows)


def steps(result: Result) -> str:
    """The share of each step of the loop, and the µs of CPU where they were taken apart, with either client."""
    runs = runs_of(result).get("steps", {})
    shares = [[_shares(run["steps"]) for run in runs.get(STEPS + client, ())] for client in ("", CONFLUENT)]
    stages = [[run["stages"] for run in runs.get(APART + client, ())] for client in ("", CONFLUENT)]
    told_shares = _beside(shares, lambda of: Spread.of([100 * one for one in of]).shown(".0f") + " %")
    told_stages = _beside(stages, lambda of: Spread.of(of).shown(".2f"))
    heads = ("step of the loop", *CLIENTS), ("taken apart, µs of CPU per event", *CLIENTS)
    return f"{markdown(heads[0], told_shares)}\n\n{markdown(heads[1], told_stages)}"


def _beside(each: Sequence[Sequence[Mapping[str, float]]], told: Callable[[list[float]], str]) -> list[list[str]]:
    """A row for each part that is not nothing, with the figures of both."""
    first = each[0]
    names = [name for name in (first[0] if first else ()) if max(one.get(name, 0.0) for one in first) >= LEAST_SHARE]
    return [
        [f"`{name}`", *(told([one.get(name, 0.0) for one in of]) if of else NOT_MEASURED for of in each)]
        for name in names
    ]


def _shares(seconds: Mapping[str, float]) -> dict[str, float]:
    every = sum(seconds.values())
    return {step: of / every for step, of in seconds.items()}


def profile(result: Result) -> str:
    """Functions by what is spent in themselves."""
    runs = runs_of(result).get("steps", {}).get(PROFILED, [])
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
