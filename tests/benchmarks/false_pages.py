"""Pages where nothing drifts: simulated months of 25 real columns, with the exact 95 % interval of the rate.

A month is 4.32 million events, 100 a minute, each column drawn on its own with replacement; every month has a
its own reference. Panes are counted and judged by the daemon's own code. `--clusters K`
sends every row K times in a row, `--columns N` takes the first N columns, `--segments NAMES` cuts the events by some
of them. With a budget of many `--pages` a month a short time shows whether it is kept.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from monitor.clock import DAY_US
from monitor.count.columns.aggregator import Aggregator
from monitor.findings import PAGE, Transition
from monitor.judge.model import ModelJudge
from tests.benchmarks.material import in_processes, poisson_interval, say, table
from tests.benchmarks.real_columns import CATEGORIES, PANE_US, Draws, real_columns
from tests.engine import CREDIT, START_US, admission_of, build, settings

MONTH_US = 30 * DAY_US
PANES = MONTH_US // PANE_US


@dataclass(frozen=True)
class Plan:
    """What is simulated."""

    reference_rows: int
    columns: int
    clusters: int
    days: float
    segments: tuple[str, ...] = ()
    pages: float = 1.0


@dataclass(slots=True)
class Month:
    """What came of one month; `pages` are (subject, cause, base windows) of the finding that paged."""

    number: int
    pages: list[tuple[str, str, int]] = field(default_factory=list)
    tickets: int = 0
    events: int = 0
    expected: float = 0.0
    seconds: float = 0.0


def simulate(plan: Plan, number: int) -> Month:
    """One month with its own reference, from its own seed."""
    began = time.process_time()
    month = Month(number)
    columns = dict(islice(real_columns().items(), plan.columns))
    draws = Draws(columns, np.random.default_rng([2_026, number]), plan.clusters)
    kinds = {name: {"kind": "categorical"} for name in CATEGORIES if name in columns}
    tree = settings({"features": kinds, "segments": plan.segments, "budget": {"pages": plan.pages}})
    reference = build(tree, list(draws.events(plan.reference_rows, CREDIT, START_US)))
    monitored = admission_of(tree, reference).monitored(CREDIT)
    assert monitored is not None, "the settings name this model"
    judge = ModelJudge(monitored, plan.pages, tree.budget.per, show_values=True)
    for pane in draws.panes(round(plan.days * DAY_US / PANE_US), Aggregator(reference), CREDIT, START_US + DAY_US):
        _, transitions = judge.add(pane, 1.0)
        for worst in (one.findings[0] for one in transitions if _pages_now(one, judge, len(month.pages))):
            month.pages.append((worst.key.subject, worst.key.cause + worst.key.segment, worst.base_windows))
    month.events = judge.predictions
    month.tickets, month.expected = judge.book.tickets, judge.budget.expected
    month.seconds = time.process_time() - began
    return month


def _pages_now(transition: Transition, judge: ModelJudge, before: int) -> bool:
    return transition.severity == PAGE and judge.book.pages > before


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="false-pages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--first", type=int, default=1, help="number of the first month: the seed")
    parser.add_argument("--days", type=float, default=30, help="of a month, for a quick look")
    parser.add_argument("--reference-rows", type=int, default=10_000)
    parser.add_argument("--columns", type=int, default=25)
    parser.add_argument("--clusters", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="where the time goes, in this process")
    parser.add_argument("--segments", default="", help="names of columns")
    parser.add_argument("--pages", type=float, default=1.0, help="budget of a month")
    asked = parser.parse_args(arguments)
    segments = tuple(asked.segments.split(",")) if asked.segments else ()
    plan = Plan(asked.reference_rows, asked.columns, asked.clusters, asked.days, segments, asked.pages)
    numbers = range(asked.first, asked.first + asked.months)
    if asked.profile:
        _profile(plan, asked.first)
        return
    months = []
    for month in in_processes(simulate, plan, numbers, asked.processes):
        months.append(month)
        say(
            f"month {month.number}: {month.events:,} events, {len(month.pages)} pages {month.pages}, "
            f"{month.tickets} tickets, {month.expected:.3f} expected, {month.seconds:.0f} s of CPU"
        )
    _show(months, plan)


def _profile(plan: Plan, number: int) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    simulate(plan, number)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


def _show(months: Sequence[Month], plan: Plan) -> None:
    length = len(months) * plan.days / 30
    by_cause = Counter(cause for month in months for _, cause, _ in month.pages)
    rows = [_rate(cause, count, length) for cause, count in by_cause.most_common()]
    rows.append(_rate("all", by_cause.total(), length))
    say()
    table(("cause", "pages", "a month", "95 % interval"), rows)
    listed = ", ".join(plan.segments) or "nothing"
    expected = sum(month.expected for month in months) / length
    say(
        f"{len(months)} months of {plan.days:g} days, reference {plan.reference_rows:,} rows, {plan.columns} columns, "
        f"clusters of {plan.clusters}, segments by {listed}: {expected:.3f} pages a month were to be expected, "
        f"{sum(month.tickets for month in months)} tickets"
    )


def _rate(name: str, count: int, months: float) -> list[object]:
    low, high = poisson_interval(count)
    return [name, count, f"{count / months:.3f}", f"{low / months:.3f} to {high / months:.3f}"]
