"""Columns with a daily or weekly wave: false pages by kind of traffic, and how soon planted changes page.

Three columns a model at a steady rate; a month of live traffic follows each reference. The delays are those of a column
that has its part of the budget of a model of 25, from a reference of 14 days.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from monitor.clock import DAY_US, SECOND_US
from monitor.reference.reference import Reference
from tests.benchmarks.material import poisson_interval, say, table
from tests.benchmarks.quality import may_page
from tests.engine import START_US
from tests.seasonal_kinds import HOUR, KINDS, Floats, Seasonal
from tests.simulated import Ints, Judged, Simulation, part_of, reference_of

COLUMNS: Final = 3
MODEL_COLUMNS: Final = 25
MONTH_DAYS: Final = 30
#: of a panes' length a few events come
PANE_US: Final = 300 * SECOND_US
#: days that are waited for a page, and seconds before a change at most
WAITED_DAYS: Final = 10
BEFORE: Final = 24 * HOUR


@dataclass(slots=True)
class Cell:
    """What became of one reference and the month behind it."""

    kind: str
    days: int
    terms: list[str]
    judged: Judged = field(default_factory=Judged)


def _times(first_us: int, events: int, rate: float) -> Ints:
    return first_us + (np.arange(events) * (SECOND_US / rate)).astype(np.int64)


def _terms(reference: Reference) -> list[str]:
    known = reference.seasons.columns if reference.seasons else {}
    return ["+".join(known[at].terms) if at in known else "none" for at in range(len(reference.columns))]


def month(name: str, days: int, seed: int, rate: float) -> Cell:
    """False pages in the month behind one reference."""
    kind = next(one for one in KINDS if one.name == name)
    rows, live = (int(d * DAY_US / SECOND_US * rate) for d in (days, MONTH_DAYS))
    begin = START_US + int(np.random.default_rng([seed, 7]).integers(7)) * DAY_US
    times = _times(begin, rows + live, rate)
    seconds = times / SECOND_US
    columns = {f"x{at}": kind.values(np.random.default_rng([seed, days, at]), seconds) for at in range(COLUMNS)}
    reference = reference_of(columns, rows, PANE_US, SECOND_US / rate, begin)
    simulation = Simulation(reference, pane_us=PANE_US)
    judge = simulation.judge()
    cell = Cell(name, days, _terms(reference))
    cell.judged = simulation.run_at(part_of(columns, rows), times[rows:], judge)
    cell.judged.may_page = may_page(judge)
    return cell


@dataclass(frozen=True, slots=True)
class Change:
    """`level` in standard deviations; the wave comes so many hours later, and is so many times as high."""

    name: str
    level: float = 0.0
    later: float = 0.0
    times: float = 1.0

    def changed(self, kind: Seasonal, noise: Floats, seconds: Floats) -> Floats:
        return self.times * kind.wave(seconds - self.later * HOUR) + noise + self.level


CHANGES: Final = (
    Change("+0.3 sd", level=0.3),
    Change("+0.6 sd", level=0.6),
    Change("wave 2 h later", later=2),
    Change("wave doubled", times=2),
)
CHANGED: Final = ("no wave", "sine 0.3", "sine 0.6", "two peaks 0.3, AR 0.9")


def delays(name: str, seed: int, rate: float, runs: int) -> dict[str, list[float]]:
    """By change, events until its page behind one reference of 14 days; infinite: never."""
    kind = next(one for one in KINDS if one.name == name)
    rows = int(14 * DAY_US / SECOND_US * rate)
    rng = np.random.default_rng([seed, 77])
    times = _times(START_US, rows, rate)
    reference = reference_of({"x": kind.values(rng, times / SECOND_US)}, rows, PANE_US, SECOND_US / rate)
    simulation = Simulation(reference, 1 / MODEL_COLUMNS, PANE_US)
    found: dict[str, list[float]] = {}
    for change in CHANGES:
        if kind.amplitude or change.level:
            found[change.name] = [_delay(simulation, kind, change, rng, rate, int(times[-1])) for _ in range(runs)]
    return found


def _delay(
    simulation: Simulation, kind: Seasonal, change: Change, rng: np.random.Generator, rate: float, end_us: int
) -> float:
    begin = (end_us // PANE_US + 1) * PANE_US + int(rng.integers(24)) * int(HOUR) * SECOND_US
    times = _times(begin, int((BEFORE + WAITED_DAYS * 24 * HOUR) * rate), rate)
    at, seconds = int(rng.integers(int(BEFORE * rate / 2), int(BEFORE * rate))), times / SECOND_US
    noise = kind.noise(rng, seconds)
    values = kind.wave(seconds) + noise
    values[at:] = change.changed(kind, noise[at:], seconds[at:])
    judged = simulation.run_at({"x": values}, times, simulation.judge(), stop_at=at)
    late = [page[0] - at for page in judged.pages if page[0] > at]
    return float(late[0]) if late else np.inf


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="season", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", default="", help="parts of names, between commas")
    parser.add_argument("--days", default="7,14", help="of the references, between commas")
    parser.add_argument("--references", type=int, default=2, help="of each cell")
    parser.add_argument("--rate", type=float, default=0.1, help="events a second")
    parser.add_argument("--runs", type=int, default=4, help="of each planted change and reference")
    parser.add_argument("--part", default="months,delays", help="months, delays")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args(arguments)
    wanted = [word for word in asked.kinds.split(",") if word]
    names = [kind.name for kind in KINDS if not wanted or any(word in kind.name for word in wanted)]
    seeds = range(asked.seed, asked.seed + asked.references)
    with ProcessPoolExecutor(asked.processes) as pool:
        if "months" in asked.part:
            _show_months(
                pool, [(name, int(days)) for name in names for days in asked.days.split(",")], seeds, asked.rate
            )
        if "delays" in asked.part:
            _show_delays(pool, [name for name in names if name in CHANGED], seeds, asked)


def _show_months(
    pool: ProcessPoolExecutor, cells: Sequence[tuple[str, int]], seeds: Sequence[int], rate: float
) -> None:
    each: Callable[[str, int, int], Cell] = partial(month, rate=rate)
    runs = [(name, days, seed) for name, days in cells for seed in seeds]
    by_cell: dict[tuple[str, int], list[Cell]] = {}
    for cell in pool.map(each, *zip(*runs, strict=True)):
        of_cell = by_cell.setdefault((cell.kind, cell.days), [])
        of_cell.append(cell)
        if len(of_cell) == len(seeds):
            say("  ".join(map(str, _row(of_cell))))
    say()
    table(
        ("traffic", "days", "pages a month", "under a page", "may page", "terms"), [_row(c) for c in by_cell.values()]
    )
    total = sum(len(cell.judged.pages) for cells_ in by_cell.values() for cell in cells_)
    say(f"{total} pages in {sum(map(len, by_cell.values()))} months")


def _row(cells: Sequence[Cell]) -> list[object]:
    pages, months = sum(len(cell.judged.pages) for cell in cells), len(cells)
    events = sum(cell.judged.events for cell in cells)
    terms, often = Counter(term for cell in cells for term in cell.terms).most_common(1)[0]
    return [
        cells[0].kind,
        cells[0].days,
        f"{pages / months:.1f} (<= {poisson_interval(pages, 0.9)[1] / months:.1f})",
        f"{sum(cell.judged.paged_events for cell in cells) / events:.1%}",
        f"{np.mean([cell.judged.may_page for cell in cells]):.0%}",
        f"{terms} {often / (months * COLUMNS):.0%}",
    ]


def _show_delays(
    pool: ProcessPoolExecutor, names: Sequence[str], seeds: Sequence[int], asked: argparse.Namespace
) -> None:
    rows = []
    for name in names:
        found: dict[str, list[float]] = {}
        for one in pool.map(partial(delays, name, rate=asked.rate, runs=asked.runs), seeds):
            for change, late in one.items():
                found.setdefault(change, []).extend(late)
        rows += [[name, change, len(late), *_quantiles(late)] for change, late in found.items()]
    table(("column", "change", "runs", "median", "95 %", "never"), rows)


def _quantiles(late: Sequence[float]) -> list[str]:
    middle, high = (float(np.quantile(late, q, method="higher")) for q in (0.5, 0.95))
    shown = [f"{one:,.0f}" if np.isfinite(one) else "never" for one in (middle, high)]
    return [*shown, f"{np.mean(np.isinf(late)):.0%}"]
