"""How well it judges: false pages by kind of traffic, and how soon planted changes page.

Without drift: pages a month of 4.32 million events with their 95 % upper bound, the share of time under a page, and of
the columns those that may page for their distribution at the end. A column that vanishes after 1,000 events: events
until its page. Planted changes in one column of a model of 25 independent ones: events until the page, from references
of 10,000 rows. Each cell has its own reference, stream and seeds.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from monitor.clock import SECOND_US
from monitor.errors import UsageError
from monitor.judge.causes.distribution import Distribution
from monitor.judge.model import ModelJudge
from monitor.reference.reference import Reference
from tests.benchmarks.material import poisson_interval, say, table
from tests.benchmarks.planted import PLANTED, Delays, planted
from tests.simulated import MONTH_EVENTS, Judged, Simulation, part_of, reference_of
from tests.traffic_kinds import KINDS, Values

#: events before a column vanishes, and for how long its page is waited for
BEFORE = 1_000
WAITED = 4_000


@dataclass(slots=True)
class Cell:
    """A kind of traffic with one reference; `why` says why there is none."""

    kind: str
    rows: int
    seed: int
    judged: Judged = field(default_factory=Judged)
    #: by column, events from its vanishing to its page; None: no page
    vanished: dict[str, int | None] = field(default_factory=dict)
    why: str = ""
    seconds: float = 0.0


def judge_kind(name: str, rows: int, seed: int, months: float, pane_us: int) -> Cell:
    """One reference, and a stream of so many months."""
    began, kind = time.process_time(), next(one for one in KINDS if one.name == name)
    cell = Cell(name, rows, seed)
    columns = kind.columns((seed, rows), rows + BEFORE + WAITED + round(months * MONTH_EVENTS), rows)
    try:
        reference = reference_of(columns, rows, pane_us)
    except UsageError as nothing:
        cell.why = str(nothing)
        return cell
    simulation = Simulation(reference, pane_us=pane_us)
    judge = simulation.judge()
    cell.judged = simulation.run(part_of(columns, rows), seed, judge)
    cell.judged.may_page = may_page(judge)
    cell.vanished = dict(
        _vanished(Simulation(reference), reference, part_of(columns, rows, rows + BEFORE + WAITED), seed)
    )
    cell.seconds = time.process_time() - began
    return cell


def may_page(judge: ModelJudge) -> float:
    """The share of columns whose distribution may page now."""
    distribution = next(cause for cause in judge.judge.causes if isinstance(cause, Distribution))
    return 1 - len(distribution.ticket_reasons()) / len(judge.prepared.columns)


def _vanished(
    simulation: Simulation, reference: Reference, live: dict[str, Values], seed: int
) -> Iterator[tuple[str, int | None]]:
    for column in reference.columns:
        values = live[column.name].astype(object)
        values[BEFORE:] = None
        judged = simulation.run({**live, column.name: values}, seed, to_page=True)
        found = [at for at, subject, _, _ in judged.pages if subject == column.name and at > BEFORE]
        yield column.name, found[0] - BEFORE if found else None


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--months", type=float, default=0.25, help="simulated for each cell")
    parser.add_argument("--kinds", default="", help="parts of names, between commas; `planted` for the planted changes")
    parser.add_argument("--rows", default="2000,10000", help="of the references, between commas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pane", type=int, default=10, help="seconds; 30 take half of the time")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args(arguments)
    wanted = [word for word in asked.kinds.split(",") if word]
    kinds = [kind for kind in KINDS if not wanted or any(word in kind.name for word in wanted)]
    sizes = [int(rows) for rows in asked.rows.split(",")]
    with ProcessPoolExecutor(asked.processes) as pool:
        if kinds:
            _show_kinds(pool, [(kind.name, rows) for kind in kinds for rows in sizes], asked)
        if not wanted or "planted" in wanted:
            _show_planted(pool, asked.seed)


def _show_kinds(pool: ProcessPoolExecutor, places: Sequence[tuple[str, int]], asked: argparse.Namespace) -> None:
    # no cell is longer than a quarter of a month: a longer one has more references
    number = max(1, round(asked.months / 0.25))
    each = partial(judge_kind, months=asked.months / number, pane_us=asked.pane * SECOND_US)
    runs = [(name, rows, asked.seed + at) for name, rows in places for at in range(number)]
    by_place: dict[tuple[str, int], list[Cell]] = {}
    for cell in pool.map(each, *zip(*runs, strict=True)):
        cells = by_place.setdefault((cell.kind, cell.rows), [])
        cells.append(cell)
        _say_pages(cell)
        if len(cells) == number:
            say("  ".join(map(str, _row(cells))))
    say()
    head = ("traffic", "rows", "pages a month", "under a page", "may page", "vanished: median / worst", "CPU s")
    table(head, [_row(cells) for cells in by_place.values()])


def _say_pages(cell: Cell) -> None:
    first = {page[1:]: page[0] for page in reversed(cell.judged.pages)}
    for (subject, cause, windows), pages in Counter(page[1:] for page in cell.judged.pages).most_common(5):
        at = f"{windows} base windows, first after {first[subject, cause, windows]:,} events"
        say(f"    {cell.kind}, {cell.rows:,} rows, seed {cell.seed}: {pages} x {subject} {cause}, {at}")


def _row(cells: Sequence[Cell]) -> list[object]:
    known = [cell for cell in cells if not cell.why]
    if not known:
        return [cells[0].kind, f"{cells[0].rows:,}", "left out at build", "", "", "", ""]
    events = sum(cell.judged.events for cell in known)
    months, pages = events / MONTH_EVENTS, sum(len(cell.judged.pages) for cell in known)
    upper = poisson_interval(pages, 0.9)[1] / months
    delays = [delay for cell in known for delay in cell.vanished.values()]
    return [
        known[0].kind,
        f"{known[0].rows:,}",
        f"{pages / months:.1f} (<= {upper:.1f}, {pages} seen)",
        f"{sum(cell.judged.paged_events for cell in known) / events:.1%}",
        f"{np.mean([cell.judged.may_page for cell in known]):.0%}",
        _delays(delays),
        f"{sum(cell.seconds for cell in known):.0f}",
    ]


def _delays(delays: Sequence[int | None]) -> str:
    seen = [delay for delay in delays if delay is not None]
    never = f", {len(delays) - len(seen)} of {len(delays)} never" if len(seen) < len(delays) else ""
    return (f"{np.median(seen):,.0f} / {max(seen):,}" if seen else "-") + never


def _show_planted(pool: ProcessPoolExecutor, seed: int, references: int = 5) -> None:
    found: dict[str, list[int | None]] = {name: [] for name in PLANTED}
    measure: Callable[[int], Delays] = partial(planted)
    for delays in pool.map(measure, range(seed, seed + references)):
        for name, these in delays.items():
            found[name] += these
    table(("planted change", "runs", "median", "95 %", "never"), [_planted_row(*one) for one in found.items()])


def _planted_row(name: str, delays: Sequence[int | None]) -> list[object]:
    late = [np.inf if delay is None else float(delay) for delay in delays]
    middle, high = (float(np.quantile(late, q, method="higher")) for q in (0.5, 0.95))
    shown = [f"{one:,.0f}" if np.isfinite(one) else "never" for one in (middle, high)]
    return [name, len(late), *shown, f"{np.mean(np.isinf(late)):.0%}"]
