"""Columns that follow time: what is found, and what is left alone although it moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.clock import DAY_US, SECOND_US
from monitor.reference.survey.order import (
    LEAVES_LEAST,
    are_dates,
    are_events_dates,
    dates_move_on,
    direction,
    has_order,
    leaves_range,
    renewed,
    renews,
    stays_outermost,
    steady_trend,
    time_read_as,
)
from tests.engine import START_US
from tests.traffic import autoregressive, in_batches, in_blocks, mostly, with_days

N = 4_000
RNG = np.random.default_rng(5)
ORDER = np.arange(N, dtype=np.float64)
NOISE = RNG.normal(0, 1, N)
TIMES: NDArray[np.int64] = (START_US + ORDER * 3 * SECOND_US).astype(np.int64)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (ORDER + 7e6, 1),
        (-3 * ORDER, -1),
        (ORDER + 50 * NOISE, 1),
        (ORDER // 100, 1),
        (ORDER // 800, 1),
        (ORDER // 2_000, 0),
        (np.exp(ORDER / 400), 1),
        (NOISE, 0),
        (np.full(N, 4.0), 0),
        (np.sin(ORDER / 300), 0),
        (NOISE + 3 * ORDER / N, 0),
        (ORDER % 500, 0),
        (np.where(np.arange(N) % 2 == 0, ORDER, 1e9 + NOISE), 0),
    ],
    ids="counter stock disordered batch five-levels two-levels growth noise constant wave trend restarts mixed".split(),  # noqa: SIM905
)
def test_only_what_leaves_its_own_range_in_one_direction_only_rises_or_falls(
    values: NDArray[np.float64], found: int
) -> None:
    assert direction(values) == found
    assert direction(-values) == -found


def test_a_few_values_say_nothing_of_a_direction() -> None:
    assert direction(ORDER[:199]) == 0
    assert direction(ORDER[:200]) == 1


@pytest.mark.parametrize(("unit", "us"), [("s", 1e6), ("ms", 1e3), ("µs", 1.0), ("ns", 1e-3)])
def test_numbers_that_move_with_the_events_time_are_read_as_it(unit: str, us: float) -> None:
    assert time_read_as(TIMES / us - 90e6 / us, TIMES) == f"{unit} since 1970"
    shuffled = RNG.permutation(TIMES / us)
    assert time_read_as(shuffled, TIMES) == "", "near the event's time, but not following it"


def test_the_day_is_read_as_the_events_time_even_where_the_reference_has_but_one() -> None:
    day = (TIMES // DAY_US).astype(np.float64)
    assert time_read_as(day, TIMES) == "days since 1970"
    assert time_read_as(day + 400, TIMES) == ""
    written = [datetime.fromtimestamp(ts / 1e6, UTC).strftime("%Y%m%d") for ts in TIMES.tolist()]
    assert time_read_as(np.array(written, np.float64), TIMES) == "YYYYMMDD"


def test_texts_are_the_events_dates_when_they_begin_with_its_day_or_one_next_to_it() -> None:
    def texts(days: float, form: str) -> list[str]:
        return [(datetime.fromtimestamp(ts / 1e6, UTC) + timedelta(days)).strftime(form) for ts in TIMES.tolist()]

    times = TIMES.tolist()
    assert are_events_dates(texts(0, "%Y-%m-%d"), times)
    assert are_events_dates(texts(1, "%Y-%m-%dT%H:%M:%S"), times)
    assert not are_events_dates(texts(3, "%Y-%m-%d"), times)
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y/%m/%d %H:%M"):
        assert are_dates(texts(0, form)), form
    assert not are_dates(["12-34", "2026", "a 2026-01-01"])
    assert not are_dates([])


@pytest.mark.parametrize("days", [2, 5, 16, 400])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y"])
def test_dates_that_move_on_with_the_events_come_once(days: int, form: str) -> None:
    moving = [(datetime(2025, 11, 20, tzinfo=UTC) + timedelta(n * days // N)).strftime(form) for n in range(N)]
    assert dates_move_on(moving)
    assert dates_move_on(moving[::-1])
    assert not dates_move_on(RNG.permutation(moving).tolist())
    assert not dates_move_on(moving[:150])


def test_the_share_of_new_values_is_what_the_next_events_bring() -> None:
    assert renewed([f"id{n}" for n in range(N)]) == 1.0
    assert renewed([f"day{n * 8 // N}" for n in range(N)]) == 1.0, "each lives in one eighth alone"
    assert renewed(["a", "b"] * N) == 0.0
    half = [f"id{n}" if n % 2 else "usual" for n in range(N)]
    assert renewed(half) == 0.5
    assert renewed([]) == 0.0


@pytest.mark.parametrize("names", [300, 2_000, 6_000])
def test_it_foretells_a_stationary_stream_whatever_the_number_of_names(names: int) -> None:
    """An eighth is compared with the seven others: that is a reference an eighth shorter, so a little more is new."""
    drawn = RNG.integers(0, names, 16_000).tolist()
    reference, later = [str(x) for x in drawn[:8_000]], [str(x) for x in drawn[8_000:9_000]]
    known = set(reference)
    came = sum(name not in known for name in later) / len(later)
    assert came - 0.03 <= renewed(reference) <= came + 0.06


def january_to_july(seed: int) -> NDArray[np.float64]:
    noise = np.random.default_rng(seed).normal(0, 3, N)
    return np.asarray(-10 * np.cos(np.pi * ORDER / N) + noise, np.float64)


@pytest.mark.parametrize(
    ("values", "leaves"),
    [(NOISE, False), (np.exp(3 * NOISE), False), (np.full(N, 0.3), False)],
    ids=["normal", "long-tailed", "constant"],
)
def test_a_column_that_stays_where_it_was_does_not_leave_its_range(values: NDArray[np.float64], leaves: bool) -> None:
    assert (leaves_range(values, TIMES) > 0) is leaves


def test_a_column_that_leaves_its_range_says_by_how_much() -> None:
    first = np.linspace(0, 10, N // 2)
    assert leaves_range(np.concatenate([first, np.full(N // 2, 10.9)]), TIMES) == 0.0, "within the margin"
    assert leaves_range(np.concatenate([first, np.repeat([11.1, 5.0], N // 4)]), TIMES) == 0.5
    assert all(leaves_range(january_to_july(seed), TIMES) >= LEAVES_LEAST for seed in range(5))


@pytest.mark.parametrize("rise", [0.5, 1.0, 2.0, -1.0])
def test_a_column_whose_level_rises_steadily_goes_on(rise: float) -> None:
    for seed in range(5):
        noise = np.random.default_rng(seed).standard_normal(N)
        assert steady_trend(noise + rise * ORDER / N, TIMES) == pytest.approx(rise, rel=0.35)
        ties = np.round(noise + rise * ORDER / N)
        assert steady_trend(ties, TIMES) * rise > 0
        assert steady_trend(np.exp(noise + rise * ORDER / N), TIMES) == steady_trend(noise + rise * ORDER / N, TIMES)


@pytest.mark.parametrize("seed", range(20))
def test_what_moves_otherwise_is_no_steady_trend(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(N)
    others = [noise, 0.1 * ORDER / N + noise, in_blocks(rng, N, 700), with_days(rng, N, N / 3, 0.5), np.zeros(N)]
    others += [autoregressive(rng, N, one) for one in (0.5, 0.9, 0.99)]
    others += [noise + (ORDER > N / 2), np.sort(rng.integers(0, 2, N).astype(float)), in_batches(rng, N)]
    assert [steady_trend(values, TIMES) for values in others] == [0.0] * len(others)
    assert steady_trend(noise + ORDER / N, np.zeros(N, np.int64)) == 0.0, "no order of time"


def test_a_column_that_wanders_stays_at_its_outermost_values() -> None:
    flagged = [stays_outermost(autoregressive(np.random.default_rng(seed), N, 0.99), TIMES) for seed in range(20)]
    assert sum(flagged) >= 18, "its range is known from a few extremes"


@pytest.mark.parametrize("seed", range(5))
def test_a_column_whose_extremes_come_one_by_one_does_not_stay_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    usual = [rng.standard_normal(N), rng.lognormal(0, 2, N), autoregressive(rng, N, 0.7), in_blocks(rng, N, 700)]
    usual += [with_days(rng, N, N / 3, 1.0), mostly(rng, rng.lognormal(3, 1, N), 0.0, 0.8), np.full(N, 4.0)]
    assert not any(stays_outermost(values, TIMES) for values in usual)


def texts(kind: str, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    ranks = np.arange(1, 2_001)
    usual = rng.choice(2_000, N, p=(1 / ranks) / (1 / ranks).sum())
    made = {
        "long tail": usual,
        "equal": rng.integers(0, 200, N),
        "a tenth lives for 200 events": np.where(rng.random(N) < 0.2, 10_000 + np.arange(N) // 200, usual % 50),
        "stores in blocks": np.repeat(rng.permutation(25), 700)[:N],
    }[kind]
    return [str(value) for value in made.tolist()]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("long tail", False), ("equal", False), ("a tenth lives for 200 events", True), ("stores in blocks", True)],
)
def test_names_that_come_for_a_while_renew_a_column_and_a_long_tail_does_not(kind: str, expected: bool) -> None:
    for seed in range(5):
        assert (renews(texts(kind, seed), TIMES) > 0) is expected


def test_without_an_order_of_time_nothing_is_reported_of_order() -> None:
    at_once = np.full(N, TIMES[0])
    assert not has_order(at_once)
    assert has_order(np.where(np.arange(N) < N // 2, TIMES[0], TIMES))
    assert leaves_range(january_to_july(1), at_once) == 0.0
    assert not stays_outermost(np.repeat([1.0, 2.0, 3.0], [N - 100, 50, 50]), at_once)
    assert renews(texts("stores in blocks", 1), at_once) == 0.0


def test_names_that_come_one_after_the_other_until_all_were_there_do_not_renew_a_column() -> None:
    in_turn = [f"s{n // 280 % 12}" for n in range(N)]
    assert renews(in_turn, TIMES) == 0.0
    assert renews(in_turn[: N // 2], TIMES[: N // 2]) > 0, "before all of them were there"
