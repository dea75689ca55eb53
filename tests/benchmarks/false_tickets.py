"""False tickets a month of cause `traffic`, on traffic of several kinds that never changes.

Counts by pane are simulated: a reference of its first days, then a month that is judged step by step.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US, SECOND_US
from monitor.judge.causes.traffic import LEAST_RATE_CHANGE
from monitor.judge.promise.budget import TicketBudget
from monitor.stats.traffic import LONGEST, STEPS, Traffic, judged, learned_levels, tests_of
from tests.benchmarks.material import poisson_interval, say, table

PANE_S = 10
#: events per second on average
RATE = 100 / 60
#: a ticket ends after three base windows
ENDS_AFTER = 3 * STEPS

Counts = NDArray[np.int64]
Kind = Callable[[np.random.Generator, int], Counts]


def steady(rng: np.random.Generator, panes: int) -> Counts:
    """Independent events."""
    return np.asarray(rng.poisson(RATE * PANE_S, panes), np.int64)


def bursty(rng: np.random.Generator, panes: int) -> Counts:
    """The rate wanders: an AR(1) in its logarithm, sd 0.4, forgotten within 10 minutes."""
    keep = np.exp(-PANE_S / 600)
    noise = rng.normal(0, 0.4 * np.sqrt(1 - keep**2), panes)
    log_rate = np.empty(panes)
    level = 0.0
    for at, step in enumerate(noise.tolist()):
        level = keep * level + step
        log_rate[at] = level
    return np.asarray(rng.poisson(RATE * PANE_S * np.exp(log_rate - 0.08)), np.int64)


def daily(rng: np.random.Generator, panes: int) -> Counts:
    """A wave of a day: at night a fifth of the mean, at noon 1.8 times."""
    wave = 1 + 0.8 * np.sin(2 * np.pi * np.arange(panes) * PANE_S / 86_400)
    return np.asarray(rng.poisson(RATE * PANE_S * wave), np.int64)


def pareto(rng: np.random.Generator, panes: int) -> Counts:
    """Batches of a Pareto size with an index of 1.5, at most 10,000 events."""
    batches = rng.poisson(RATE * PANE_S / 3, panes)
    sizes = np.minimum(np.ceil((1 - rng.random(int(batches.sum()))) ** (-1 / 1.5)), 10_000)
    sums = np.concatenate(([0], np.cumsum(sizes)))
    ends = np.cumsum(batches)
    return np.asarray(sums[ends] - sums[ends - batches], np.int64)


KINDS: dict[str, Kind] = {"steady": steady, "bursty": bursty, "daily": daily, "Pareto batches": pareto}
#: of the reference, in days; 10,000 events come within 0.07
DAYS = (0.07, 0.5, 2.0, 7.0)


def traffic_of(panes: Counts) -> Traffic:
    """What `reference build` learns of them."""
    step = max(1, round(250 / STEPS / RATE / PANE_S))
    counts = in_steps(panes, step)
    return Traffic(
        SECOND_US,
        step * PANE_S * SECOND_US,
        len(counts),
        float(counts.mean()),
        int(counts.max()),
        learned_levels(counts),
    )


def in_steps(panes: Counts, step: int) -> Counts:
    return np.asarray(panes[: len(panes) // step * step].reshape(-1, step).sum(1), np.int64)


def tickets(traffic: Traffic, counts: Counts) -> tuple[int, int]:
    """(fell, rose): how often a ticket opens."""
    alpha = TicketBudget(tests_of(traffic)).alpha(traffic.step_us)
    opened, last = {"down": 0, "up": 0}, -ENDS_AFTER
    for at in may_be_over(traffic, counts).tolist():
        rate = judged(traffic, counts[max(0, at - 2 * LONGEST) : at].tolist(), alpha, LEAST_RATE_CHANGE)
        if rate is not None and rate.exceedance > 1:
            opened[rate.direction] += at - last >= ENDS_AFTER
            last = at
    return opened["down"], opened["up"]


def may_be_over(traffic: Traffic, counts: Counts) -> Counts:
    """Where a window ends whose rate has changed enough: nowhere else can a test be over."""
    sums = np.concatenate(([0], np.cumsum(counts)))
    near = np.zeros(len(sums), np.bool_)
    for level in traffic.levels:
        ratio = (sums[level.steps :] - sums[: -level.steps]) / (traffic.per_step * level.steps)
        near[level.steps :] |= (ratio <= 1 - LEAST_RATE_CHANGE) | (ratio >= 1 / (1 - LEAST_RATE_CHANGE))
    return np.flatnonzero(near)


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="false-tickets", description=__doc__)
    parser.add_argument("--months", type=int, default=3, help="each with a reference of its own")
    parser.add_argument("--days", default=",".join(map(str, DAYS)))
    parser.add_argument("--only", default=",".join(KINDS))
    asked = parser.parse_args(arguments)
    rows = []
    for name in asked.only.split(","):
        for days in map(float, asked.days.split(",")):
            fell = rose = 0
            for seed in range(asked.months):
                reference, live = (round(span * DAY_US / SECOND_US / PANE_S) for span in (days, 30))
                panes = KINDS[name](np.random.default_rng(seed), reference + live)
                traffic = traffic_of(panes[:reference])
                down, up = tickets(traffic, in_steps(panes[reference:], traffic.step_us // SECOND_US // PANE_S))
                fell, rose = fell + down, rose + up
            low, high = (bound / asked.months for bound in poisson_interval(fell + rose))
            rows.append((name, f"{days:g}", fell, rose, f"{(fell + rose) / asked.months:.2g} [{low:.2g}, {high:.2g}]"))
    table(("traffic", "days of reference", "fell", "rose", "false tickets a month"), rows)
    say("promised: 1 a month where the reference covers the pattern")
