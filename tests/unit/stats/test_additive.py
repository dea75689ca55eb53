"""The additive regression against NumPy's solver on the full matrix of indicators."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.stats.additive import NormalEquations

WIDTHS = (4, 7, 3)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rows(count: int, seed: int = 1) -> tuple[Ints, Floats]:
    """Slots (C, n), the second column's tied to the first's; and a value that depends on all of them."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, WIDTHS[0], count)
    codes = np.stack([first, np.minimum(first + rng.integers(0, 4, count), 6), rng.integers(0, WIDTHS[2], count)])
    return codes, codes[0] * 0.5 - codes[1] ** 2 * 0.1 + (codes[2] == 1) + rng.normal(0, 0.3, count)


def indicators(codes: Ints) -> Floats:
    return np.concatenate([own[:, None] == np.arange(width) for own, width in zip(codes, WIDTHS, strict=True)], axis=1)


def solved(codes: Ints, values: Floats, ridge: float, cuts: int = 1) -> Floats:
    equations = NormalEquations(WIDTHS)
    for piece in np.array_split(np.arange(len(values)), cuts):
        equations.add(codes[:, piece], values[piece])
    return equations.solve(ridge).effects


@pytest.mark.parametrize("ridge", [0.5, 20.0, 1_000.0])
def test_the_effects_are_those_of_least_squares_with_as_many_rows_of_zeros(ridge: float) -> None:
    codes, values = rows(3_000)
    matrix = indicators(codes).astype(np.float64)
    centred = matrix - matrix.mean(0)
    shrinking = np.sqrt(ridge) * np.eye(matrix.shape[1])
    target = np.concatenate([values - values.mean(), np.zeros(matrix.shape[1])])
    expected = np.linalg.lstsq(np.concatenate([centred, shrinking]), target, rcond=None)[0]
    assert solved(codes, values, ridge) == pytest.approx(expected, abs=1e-9)


def test_it_does_not_matter_how_the_rows_are_cut() -> None:
    codes, values = rows(2_000)
    whole = NormalEquations(WIDTHS)
    whole.add(codes, values)
    assert solved(codes, values, 20.0, cuts=7) == pytest.approx(solved(codes, values, 20.0), abs=1e-12)
    assert whole.solve().counts.tolist() == indicators(codes).sum(0).tolist()


def test_columns_that_go_together_are_told_apart_where_the_means_of_bins_are_not() -> None:
    codes, _ = rows(20_000)
    values = codes[0].astype(np.float64)  # the second column only goes with it
    equations = NormalEquations(WIDTHS)
    equations.add(codes, values)
    fit = equations.solve()
    second = slice(WIDTHS[0], WIDTHS[0] + WIDTHS[1])
    means = fit.sums[second] / np.maximum(fit.counts[second], 1)
    assert np.ptp(means) > 2
    assert np.ptp(fit.effects[second]) < 0.1
