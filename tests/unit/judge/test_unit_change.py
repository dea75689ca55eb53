"""A changed unit is distinguished from other values outside the range, and no value can make that fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.judge.causes.distribution_words import unit_of
from monitor.judge.causes.unit_change import FACTORS, SCALES, UnitChange, unit_change, without_unit
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import window_of
from monitor.reference.column import FEATURE, Column
from monitor.stats.bins.numeric_bins import numeric_bins
from monitor.stats.bins.reference_bins import OUTSIDE, QUALITY_COUNTS
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import (
    BELOW,
    CLIP_SD,
    FAR_COUNT,
    FAR_SD,
    FAR_SQUARE_UNIT,
    FAR_SQUARES,
    FAR_SUM,
    FAR_UNIT,
    OUTSIDE_COUNT,
    OUTSIDE_LOG,
    OUTSIDE_LOG_SQUARES,
    SQUARE_UNIT,
    SQUARES,
    SUM,
    UNIT,
    Tally,
)
from tests.books import finding
from tests.engine import blank

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def column_of(values: Floats) -> Column:
    logs = np.log10(np.abs(values[values != 0])) if (values != 0).any() else np.array([math.nan])
    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = float(values.mean()), float(values.std())
    usable = math.isfinite(center) and math.isfinite(scale)
    return Column(
        "x",
        FEATURE,
        numeric_bins(values),
        center if usable else float(np.sort(values)[len(values) // 2]),
        (scale or 1.0) if usable else 1.0,
        float(logs.mean()),
        float(logs.std()),
        float(np.unique(values, return_counts=True)[1].max() / len(values)),
    )


def tally_of(column: Column, values: Floats) -> Tally:
    """As the kernel counts them, in plain words."""
    width = column.bins.bins
    tally = Tally.empty(1, width)
    inside = (values >= column.bins.low) & (values <= column.bins.high)
    tally.counts[0, :width] = np.bincount(np.searchsorted(column.bins.edges, values[inside]), minlength=width)
    tally.counts[0, width + OUTSIDE] = (~inside).sum()
    with np.errstate(over="ignore"):
        z = (values - column.center) / column.scale
    far = z[~inside & (np.abs(z) <= FAR_SD)]
    logs = np.log10(np.abs(values[~inside & (values != 0)]))
    of_each = {
        SUM: np.clip(z[inside], -CLIP_SD, CLIP_SD) * UNIT,
        SQUARES: np.clip(z[inside], -CLIP_SD, CLIP_SD) ** 2 * SQUARE_UNIT,
        OUTSIDE_COUNT: np.ones(len(logs)),
        OUTSIDE_LOG: logs * UNIT,
        OUTSIDE_LOG_SQUARES: logs**2 * SQUARE_UNIT,
        BELOW: np.ones(int((values < column.bins.low).sum())),
        FAR_COUNT: np.ones(len(far)),
        FAR_SUM: far * FAR_UNIT,
        FAR_SQUARES: far**2 * FAR_SQUARE_UNIT,
    }
    for at, each in of_each.items():
        tally.sums[0, at] = int(np.rint(each).sum())
    tally.lows[0], tally.highs[0] = values.min(), values.max()
    tally.predictions = len(values)
    return tally


def found(reference: Floats, live: Floats) -> UnitChange | None:
    column = column_of(reference)
    known = replace(blank([column]), counts=tally_of(column, reference).counts)
    assert known.counts.shape == (1, column.bins.bins + len(QUALITY_COUNTS))
    return unit_change(PreparedReference.of(known), window_of(0, (Block(0, 1, tally_of(column, live)),)), 0, 0)


def in_any_unit(reference: Floats, live: Floats) -> float | None:
    """As `found`, wherever the values lie."""
    column = column_of(reference)
    known = PreparedReference.of(replace(blank([column]), counts=tally_of(column, reference).counts))
    change = unit_of(known, window_of(0, (Block(0, 1, tally_of(column, live)),)), 0, 0)
    return None if change is None else change.factor


def factor(reference: Floats, live: Floats) -> float | None:
    change = found(reference, live)
    return None if change is None else change.factor


SHAPES: dict[str, Draw] = {
    "uniform": lambda r, n: r.uniform(5, 100, n).round(2),
    "normal": lambda r, n: r.normal(55, 8, n),
    "narrow": lambda r, n: r.normal(1_000, 3, n),
    "lognormal": lambda r, n: r.lognormal(3, 1, n),
    "skewed counts": lambda r, n: r.poisson(4, n).astype(np.float64),
    "both signs": lambda r, n: r.normal(0, 10, n),
    "mostly zero": lambda r, n: np.where(r.random(n) < 0.6, 0.0, r.lognormal(4, 0.5, n)),
}


def draw(shape: str, seed: int, count: int) -> Floats:
    return np.asarray(SHAPES[shape](np.random.default_rng(seed), count), np.float64)


@pytest.mark.parametrize("shape", ["uniform", "normal", "narrow", "lognormal"])
@pytest.mark.parametrize("usual", [f for f in FACTORS if not 0.3 < f < 3])
def test_a_usual_factor_is_named(shape: str, usual: float) -> None:
    named = factor(draw(shape, 1, 6_000), draw(shape, 2, 500) * usual)
    if named is None:
        # what lies within the range for the most part cannot be told, nor a day from 1e5 in a wide column
        assert shape in {"uniform", "lognormal"}
        assert usual < 1 or usual in {86_400.0, 1e5}
    else:
        assert named == pytest.approx(usual, rel=0.08)  # 1,000 and 1,024 are one in a wide column


@pytest.mark.parametrize("usual", [2.54, 1.609344, 1 / 0.45359237, 1 / 2.54])
def test_inches_miles_and_pounds_are_named_where_the_spread_allows_it(usual: float) -> None:
    assert factor(draw("normal", 1, 6_000), draw("normal", 2, 500) * usual) == pytest.approx(usual)
    assert factor(draw("narrow", 1, 6_000), draw("narrow", 2, 500) * usual) == pytest.approx(usual)


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("usual", [10.0, 100.0, 1_000.0])
def test_whole_powers_of_ten_are_named_in_every_shape(shape: str, usual: float) -> None:
    assert factor(draw(shape, 1, 6_000), draw(shape, 2, 1_000) * usual) == usual


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"both signs"}))
@pytest.mark.parametrize("usual", [0.1, 0.01, 0.001])
def test_a_larger_unit_is_named_though_its_values_lie_in_the_range_near_0(shape: str, usual: float) -> None:
    assert in_any_unit(draw(shape, 1, 6_000), draw(shape, 2, 1_000) * usual) == usual


@pytest.mark.parametrize(
    ("reference", "live"),
    [
        (draw("lognormal", 1, 6_000), draw("lognormal", 2, 1_000) * 0.5),
        (draw("lognormal", 1, 6_000), np.full(1_000, 0.02)),
        (draw("lognormal", 1, 6_000), np.random.default_rng(5).uniform(0.01, 0.02, 1_000)),
        (draw("mostly zero", 1, 6_000), np.zeros(1_000)),
        (draw("uniform", 1, 6_000), draw("uniform", 2, 1_000) - 50),
        (draw("both signs", 1, 6_000), draw("both signs", 2, 1_000) / 1_000),
    ],
    ids=["half", "one small value", "small values of another shape", "zeros", "a shift", "no sign to tell by"],
)
def test_small_values_that_are_no_other_unit_are_not_named(reference: Floats, live: Floats) -> None:
    assert in_any_unit(reference, live) is None


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_a_part_of_the_events_in_another_unit_is_enough(share: float) -> None:
    live = draw("lognormal", 2, 2_000)
    hit = np.random.default_rng(3).random(len(live)) < share
    assert factor(draw("lognormal", 1, 6_000), np.where(hit, live * 1_000, live)) in {1_000.0, 1_024.0}


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("sd", [-40.0, -8.5, -4.0, 4.0, 8.5, 12.0, 40.0, 300.0])
def test_values_moved_by_a_constant_are_not_another_unit(shape: str, sd: float) -> None:
    reference = draw(shape, 1, 6_000)
    assert found(reference, draw(shape, 2, 500) + sd * float(reference.std())) is None


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize("unusual", [1.2, 1.5, 3.6, 5.0, 40.0, 370.0])
def test_a_factor_that_is_not_a_unit_is_not_named(shape: str, unusual: float) -> None:
    assert found(draw(shape, 1, 6_000), draw(shape, 2, 2_000) * unusual) is None


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_values_of_another_spread_are_not_a_changed_unit(shape: str) -> None:
    reference = draw(shape, 1, 6_000)
    assert found(reference, np.full(500, 100 * reference.mean() + 1)) is None


def test_of_few_values_sixty_and_a_hundred_are_not_mistaken() -> None:
    reference = draw("lognormal", 1, 6_000)
    of_few = [factor(reference, draw("lognormal", seed, 12) * 100.0) for seed in range(100)]
    assert of_few.count(60.0) < 0.1 * len(of_few)
    of_many = [factor(reference, draw("lognormal", seed, 300) * 100.0) for seed in range(100)]
    assert of_many.count(100.0) > 0.8 * len(of_many)


@pytest.mark.parametrize(
    ("mean", "spread", "to", "words"),
    [
        (20.0, 3.0, lambda v: v * 1.8 + 32, "Celsius has become Fahrenheit"),
        (68.0, 5.4, lambda v: (v - 32) / 1.8, "Fahrenheit has become Celsius"),
        (4.0, 6.0, lambda v: v * 1.8 + 32, "Celsius has become Fahrenheit"),
        (15.0, 4.0, lambda v: v + 273.15, "Celsius has become Kelvin"),
    ],
)
def test_another_temperature_scale_is_reported_without_a_factor(
    mean: float, spread: float, to: Callable[[Floats], Floats], words: str
) -> None:
    def degrees(seed: int, count: int) -> Floats:
        return np.random.default_rng(seed).normal(mean, spread, count)

    for count in (60, 1_000):
        change = found(degrees(1, 6_000), to(degrees(2, count)))
        assert change is not None
        assert change.factor is None
        assert words in change.headline
        assert words in change.detail


@pytest.mark.parametrize("change", [*map(UnitChange.by, FACTORS), *map(UnitChange.to, SCALES)])
def test_what_is_said_of_a_unit_can_be_left_out(change: UnitChange) -> None:
    plain = finding()
    said = replace(
        plain, headline=plain.headline + change.headline, detail=plain.detail + change.detail, factor=change.factor
    )
    assert said != plain
    assert without_unit(said) == plain == without_unit(plain)


def test_a_constant_has_a_factor_only_where_it_is_exact() -> None:
    constant = np.full(1_000, 0.3)
    assert factor(constant, np.full(100, 30.0)) == 100.0
    assert found(constant, np.full(100, 0.45)) is None
    assert found(constant, np.full(100, 31.0)) is None
    assert found(constant, np.full(100, 0.3000001)) is None
    assert found(constant, np.linspace(29, 31, 100)) is None


values = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


@settings(deadline=None)
@given(values, values)
def test_no_value_makes_it_fail(reference: list[float], live: list[float]) -> None:
    change = found(np.array(reference), np.array(live))
    assert change is None or change.factor is None or change.factor in FACTORS
