"""Ids, times and counters are found; stationary columns are left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from monitor.stats.name_bins import hashes_of
from monitor.stats.no_feature import (
    DATES,
    FALLS,
    IDENTIFIER,
    IGNORE,
    LEAVES_RANGE,
    OUTSIDE_TICKET,
    RENEWS,
    RISES,
    TIME_OF_EVENT,
    UNSEEN_TICKET,
    WATCH,
    Verdict,
    has_order,
    judge_numbers,
    judge_texts,
    leaves_range,
    new_later,
    trend,
)
from tests.traffic import Floats, autoregressive, drawn, zipf

ROWS = 10_000
TIMES_US = (1_790_000_000 + np.arange(ROWS)) * 1_000_000
Make = Callable[[np.random.Generator], Floats]
NUMBERS: dict[str, tuple[Make, str, str]] = {
    "row numbers": (lambda _: np.arange(ROWS, dtype=np.float64), IGNORE, RISES),
    "ids out of order by 200": (
        lambda r: np.float64(3) * np.arange(ROWS, dtype=np.float64) + 3 * r.integers(0, 200, ROWS) + 7e6,
        IGNORE,
        RISES,
    ),
    "falling stock": (lambda r: 1e6 - np.cumsum(r.exponential(1, ROWS)), IGNORE, FALLS),
    "seconds": (lambda _: TIMES_US / 1e6, IGNORE, TIME_OF_EVENT),
    "milliseconds": (lambda r: TIMES_US / 1e3 - r.integers(0, 86_400_000, ROWS), IGNORE, TIME_OF_EVENT),
    "nanoseconds": (lambda _: TIMES_US.astype(np.float64) * 1e3, IGNORE, TIME_OF_EVENT),
    "day number": (lambda _: np.floor(TIMES_US / 86_400e6), IGNORE, TIME_OF_EVENT),
    "normal": (lambda r: r.standard_normal(ROWS), WATCH, ""),
    "heavy tail": (lambda r: r.pareto(1.2, ROWS), WATCH, ""),
    "slow but stationary": (lambda r: autoregressive(r, ROWS, 0.99), WATCH, ""),
    "trend of 3 sd": (lambda r: r.standard_normal(ROWS) + 3 * np.arange(ROWS) / ROWS, WATCH, ""),
    "constant": (lambda _: np.full(ROWS, 0.3), WATCH, ""),
    "temperature of half a year": (
        lambda r: -10 * np.cos(np.pi * np.arange(ROWS) / ROWS) + 3 * r.standard_normal(ROWS),
        OUTSIDE_TICKET,
        LEAVES_RANGE,
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    make, action, reason = NUMBERS[name]
    for seed in range(5):
        found = judge_numbers(make(np.random.default_rng(seed)), TIMES_US)
        assert (found.action, found.reason) == (action, reason)


def test_a_time_names_its_unit() -> None:
    units = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "days": 86_400e6}
    for unit, microseconds in units.items():
        assert judge_numbers(TIMES_US / microseconds, TIMES_US).unit == unit


def text_of(seed: int, name: str) -> list[str]:
    r = np.random.default_rng(seed)
    common = drawn(r, zipf(200, 1.0), ROWS)
    made: dict[str, Callable[[], Any]] = {
        "zipf": lambda: drawn(r, zipf(2_000, 1.0), ROWS),
        "long tail": lambda: drawn(r, zipf(50_000, 1.0), ROWS),
        "each new": lambda: np.arange(ROWS),
        "sessions of 8": lambda: np.arange(ROWS) // 8,
        "a tenth are short-lived": lambda: np.where(r.random(ROWS) < 0.1, 1_000 + np.arange(ROWS) // 200, common),
        "stores in blocks": lambda: np.repeat(r.integers(0, 25, 15), 700)[:ROWS],
        "dates that go on": lambda: np.datetime64("2026-09-01") + np.arange(ROWS) // 400,
        "birth dates": lambda: np.datetime64("1950-01-01") + r.integers(0, 3_000, ROWS),
    }
    return [str(value) for value in made[name]()]


@pytest.mark.parametrize(
    ("name", "action", "reason"),
    [
        ("zipf", WATCH, ""),
        ("long tail", WATCH, ""),
        ("each new", IGNORE, IDENTIFIER),
        ("sessions of 8", IGNORE, IDENTIFIER),
        ("a tenth are short-lived", UNSEEN_TICKET, RENEWS),
        ("stores in blocks", UNSEEN_TICKET, RENEWS),
        ("dates that go on", IGNORE, DATES),
        ("birth dates", WATCH, ""),
    ],
)
def test_texts(name: str, action: str, reason: str) -> None:
    for seed in range(3):
        texts = text_of(seed, name)
        found = judge_texts(texts, hashes_of(texts), TIMES_US)
        assert (found.action, found.reason) == (action, reason)


def test_without_an_order_of_time_nothing_is_said_of_order() -> None:
    at_once = np.full(ROWS, TIMES_US[0])
    assert not has_order(at_once)
    assert has_order(TIMES_US)
    assert judge_numbers(np.arange(ROWS, dtype=np.float64), at_once) == Verdict(WATCH)
    texts = text_of(1, "stores in blocks")
    assert judge_texts(texts, hashes_of(texts), at_once) == Verdict(WATCH)
    assert judge_numbers(TIMES_US / 1e6, at_once).reason == TIME_OF_EVENT  # that needs none
    half = np.where(np.arange(ROWS) < ROWS // 2, TIMES_US[0], TIMES_US)
    assert has_order(half)


def test_shuffled_rows_rise_no_more() -> None:
    values = np.random.default_rng(1).permutation(np.arange(ROWS, dtype=np.float64))
    assert judge_numbers(values, TIMES_US) == Verdict(WATCH)


def test_few_rows_are_watched() -> None:
    assert judge_numbers(np.arange(39.0), TIMES_US[:39]) == Verdict(WATCH)
    assert judge_texts([], hashes_of([]), TIMES_US[:0]) == Verdict(WATCH)


@pytest.mark.parametrize("seed", range(6))
def test_the_trend_is_kendalls_tau_of_block_medians(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.round(rng.standard_normal(600) + np.arange(600) / 200 * (seed - 3), seed % 2)
    medians = [float(np.median(part)) for part in np.array_split(values, 20)]
    assert trend(values) == pytest.approx(stats.kendalltau(np.arange(20), medians).statistic)
    assert trend(np.zeros(600)) == 0


def test_the_range_left_has_the_margin_that_outside_has() -> None:
    first = np.linspace(0, 10, 100)
    assert leaves_range(np.concatenate([first, np.full(100, 11.0)])) == 0
    assert leaves_range(np.concatenate([first, np.repeat([11.1, 5.0], 50)])) == 0.5
    assert leaves_range(np.full(50, 0.3)) == 0


def test_names_that_come_later_are_counted_by_event() -> None:
    hashes = hashes_of(["a"] * 500 + ["a"] * 300 + ["b"] * 200)
    later, between = new_later(hashes)
    assert later == 0.4
    assert between == 0.2  # the last 200 events are all of b, in one of the two kinds of window
