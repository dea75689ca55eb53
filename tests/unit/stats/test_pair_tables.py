"""Tables of two columns, against independent arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from monitor.stats.pairs.levels import category_levels, number_levels
from monitor.stats.pairs.tables import (
    Floats,
    correlation,
    divergence,
    level_scores,
    likelihood_root,
    raked,
    smoothed,
    tie,
    weights,
    without_margins,
)


@pytest.fixture
def counts() -> Floats:
    """Tables of every kind: tied closely, loosely and not at all, with rare cells."""
    rng = np.random.default_rng(5)
    tables = rng.integers(1, 400, (40, 3, 3)).astype(np.float64)
    tables[:10] += 3_000 * np.eye(3)
    tables[10:15, 0, 2] = 0
    return tables


def shares_of(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum((1, 2), keepdims=True))


def margins_of(count: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(6)
    return rng.dirichlet([3, 3, 3], count), rng.dirichlet([3, 3, 3], count)


def test_a_raked_table_has_the_margins_asked_for_and_the_odds_ratios_it_had(counts: Floats) -> None:
    shares = smoothed(counts)
    rows, columns = margins_of(len(shares))
    fitted = raked(shares, rows, columns)
    assert np.allclose(fitted.sum(2), rows, atol=1e-9)
    assert np.allclose(fitted.sum(1), columns, atol=1e-9)
    for now, before in zip(fitted, shares, strict=True):  # together these make it the only such table
        odds, known = (np.log(t[:-1, :-1] * t[1:, 1:] / (t[1:, :-1] * t[:-1, 1:])) for t in (now, before))
        assert np.allclose(odds, known, atol=1e-3)


def test_a_raked_table_is_the_one_with_these_margins_that_diverges_least(counts: Floats) -> None:
    shares = smoothed(counts)[:6]
    rows, columns = margins_of(len(shares))
    fitted = raked(shares, rows, columns)
    for table, row, column, found in zip(shares, rows, columns, fitted, strict=True):
        bounds = [{"type": "eq", "fun": lambda x, r=row: x.reshape(3, 3).sum(1) - r}]
        bounds += [{"type": "eq", "fun": lambda x, c=column: x.reshape(3, 3).sum(0)[:2] - c[:2]}]
        best = minimize(  # type: ignore[call-overload]  # its types know no list of bounds and constraints
            lambda x, t=table: float((x * np.log(x / t.ravel())).sum()),
            np.outer(row, column).ravel(),
            bounds=[(1e-9, 1)] * 9,
            constraints=bounds,
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-14},
        )
        assert divergence(found, table) <= best.fun + 1e-6
        assert np.allclose(best.x.reshape(3, 3), found, atol=2e-3)


def test_the_tie_is_that_of_the_entropies(counts: Floats) -> None:
    def entropy(p: Floats) -> float:
        return float(-(p[p > 0] * np.log(p[p > 0])).sum())

    for table in shares_of(counts):
        information = entropy(table.sum(1)) + entropy(table.sum(0)) - entropy(table.ravel())
        assert tie(table * 1e6) == pytest.approx(np.sqrt(1 - np.exp(-2 * max(information, 0.0))), abs=1e-6)
    assert tie(np.outer([1, 2, 3], [4, 5, 6]).astype(np.float64)) == pytest.approx(0, abs=1e-6)


def test_what_is_left_of_the_weights_sees_no_change_of_the_margins(counts: Floats) -> None:
    shares = smoothed(counts)
    weight = weights(shares)
    for table, w, inner in zip(shares, weight, without_margins(weight, shares), strict=True):
        design = np.concatenate([np.kron(np.eye(3), np.ones((3, 1))), np.kron(np.ones((3, 1)), np.eye(3))], axis=1)
        root = np.sqrt(table.ravel())[:, None]
        part = np.linalg.lstsq(design * root, w.ravel() * root[:, 0], rcond=None)[0]
        assert np.allclose(inner.ravel(), w.ravel() - design @ part, atol=1e-4)
        assert np.allclose((table * inner).sum(0), 0, atol=1e-5)
        assert np.allclose((table * inner).sum(1), 0, atol=1e-5)


def test_a_correlation_is_that_of_the_events(counts: Floats) -> None:
    first, second = np.array([-1.0, 0.2, 2.0]), np.array([0.5, -0.5, 1.0])
    for table in counts.astype(np.int64):
        a, b = (np.repeat(axis, table.ravel()) for axis in np.indices((3, 3)).reshape(2, 9))
        expected = np.corrcoef(first[a], second[b])[0, 1]
        assert correlation(table / table.sum(), first, second) == pytest.approx(expected, abs=1e-9)


def test_no_other_scores_of_the_levels_correlate_more(counts: Floats) -> None:
    shares = smoothed(counts)
    first, second = level_scores(shares)
    own = correlation(shares, first, second)
    assert (first[:, -1] >= first[:, 0]).all()
    rng = np.random.default_rng(1)
    for _ in range(200):
        others = rng.standard_normal((2, len(shares), 3))
        assert (correlation(shares, *others) <= own + 1e-9).all()


def test_the_likelihood_root_is_that_of_the_best_tilt(counts: Floats) -> None:
    shares = smoothed(counts)
    weight = without_margins(weights(shares), shares)
    rng = np.random.default_rng(2)
    events = np.full(len(shares), 400.0)
    live = np.stack([rng.multinomial(400, table.ravel()) / 400 for table in shares[::-1]]).reshape(-1, 3, 3)
    mean = ((live - shares) * weight).sum((1, 2))
    found = likelihood_root(mean, shares, weight, events)
    centered = weight - (shares * weight).sum((1, 2))[:, None, None]
    for at, (t, table, w) in enumerate(zip(mean, shares, centered, strict=True)):

        def lost(theta: float, t: float = t, table: Floats = table, w: Floats = w) -> float:
            return float(np.log((table * np.exp(theta * w)).sum()) - theta * t)

        best = minimize_scalar(lost, bounds=(-20, 20), method="bounded", options={"xatol": 1e-10})
        assert found[at] == pytest.approx(np.sqrt(2 * 400 * max(-best.fun, 0)), rel=1e-3, abs=1e-3)


def test_a_small_move_has_the_root_that_a_plain_z_has() -> None:
    shares = smoothed(np.array([[[300.0, 100, 50], [100, 300, 100], [50, 100, 300]]]))
    weight = without_margins(weights(shares), shares)
    error = np.sqrt((shares * weight**2).sum() / 10_000)
    root = likelihood_root(np.array([0.5 * error]), shares, weight, np.array([10_000.0]))
    assert root[0] == pytest.approx(0.5, rel=0.01)


def test_numbers_are_cut_into_thirds_along_whole_bins() -> None:
    assert number_levels([10] * 9) == (0, 0, 0, 1, 1, 1, 2, 2, 2)
    assert number_levels([500, 1, 1, 1]) == (1, 2, 2, 2)  # equal values stay together
    assert number_levels([5, 5]) == (0, 1)


def test_categories_are_the_two_most_frequent_and_a_rest_that_is_worth_it() -> None:
    assert category_levels([10, 50, 40, 5], 4) == (2, 0, 1, 2)
    assert category_levels([600, 400, 1, 1], 4) == (0, 1, 1, 1)
    assert category_levels([60, 40, 30, 30], 2) == (0, 1, 2, 2)  # two buckets of others
    assert category_levels([7], 1) == (0,)
