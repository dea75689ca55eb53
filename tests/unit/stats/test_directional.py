"""The test of directions: honest tails under every null, and the plain formulas one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import stdtrit

from monitor.stats.testing import directional
from monitor.stats.testing.directional import DirectionReference, evaluate, largest_move
from monitor.stats.testing.directions import LEAST_MOVE, NO_GROUP, Directions, category_directions, numeric_directions
from monitor.stats.variance.long_run import INDEPENDENT, BlockSums, LongRun, settle
from tests.traffic import Floats, Ints, autoregressive, deciles, in_runs, windows_of

NUMERIC = numeric_directions(10)


def independent(count: int) -> LongRun:
    return LongRun(0, True, INDEPENDENT, np.ones(count), np.full(count, np.inf), np.ones((0, count)))


def reference_of(counts: Ints, long_run: LongRun | None = None) -> DirectionReference:
    """One numeric column of ten bins."""
    directions = Directions.of([NUMERIC], 10)
    return DirectionReference.of(directions, counts[None], [long_run or independent(NUMERIC.count)])


def learned(codes: Ints) -> DirectionReference:
    sums = BlockSums(NUMERIC.sets)
    sums.add(codes)
    return reference_of(np.bincount(codes, minlength=10), settle(sums.finish(), NUMERIC.group))


def root(x: float, p: float, n: float, m: float) -> float:
    """Signed root of the likelihood ratio of two binomials, by SciPy's binomial likelihoods' kernel."""

    def log_likelihood(share: float, seen: float, events: float) -> float:
        parts = [(seen, share), (1 - seen, 1 - share)]
        return events * sum(a * math.log(b) for a, b in parts if a > 0)

    pool = (x * n + p * m) / (n + m)
    apart = log_likelihood(x, x, n) + log_likelihood(p, p, m)
    ratio = apart - log_likelihood(pool, x, n) - log_likelihood(pool, p, m)
    return math.copysign(math.sqrt(max(2 * ratio, 0.0)), x - p)


def test_z_is_the_root_of_the_likelihood_ratio_where_it_matters() -> None:
    rng = np.random.default_rng(1)
    counts = rng.multinomial(8_000, np.full(10, 0.1))
    long_run = LongRun(16, True, "dependent", np.full(21, 4.0), np.full(21, 60.0), np.ones((6, 21)))
    reference = reference_of(counts, long_run)
    windows = rng.multinomial(1_000, np.array([4, 1, 1, 1, 1, 1, 1, 1, 1, 1]) / 13, size=20)
    found = evaluate(reference, windows[:, None], 1e-6)
    for w in range(20):
        d = int(found.at[w, 0])
        x = windows[w][NUMERIC.sets[:, d]].sum() / 1_000
        assert found.z[w, 0] == pytest.approx(root(x, float(reference.shares[0, d]), 1_000 / 4, 8_000 / 4), rel=1e-6)
        assert found.exceedance[w, 0] == pytest.approx(abs(found.z[w, 0]) / found.critical[w, 0])
        assert found.moved[w, 0, d] == pytest.approx(x - reference.shares[0, d])


@settings(deadline=None)
@given(st.floats(0.02, 0.98), st.floats(0.0, 1.0), st.integers(1_100, 200_000), st.integers(20, 50_000))
def test_the_likelihood_root_is_at_most_root_two_of_the_plain_difference(p: float, x: float, m: int, n: int) -> None:
    """So what the plain difference leaves below 0.7 of the critical value cannot be over."""
    pool = (p * m + x * n) / (m + n)
    plain = abs(x - p) / math.sqrt(max(pool * (1 - pool), 1e-12) * (1 / n + 1 / m))
    assert abs(root(x, p, n, m)) * directional.NEARLY <= plain + 1e-4  # of the sums of logarithms


@pytest.mark.parametrize("alpha", [1e-2, 1e-5, 4e-8, 1e-12])
def test_critical_values_are_t_quantiles_of_the_group_on_a_step_of_alpha(alpha: float) -> None:
    freedom = np.full(21, np.inf)
    freedom[3], freedom[12] = 14.6, 300.0
    long_run = LongRun(64, True, "dependent", np.ones(21), freedom, np.ones((8, 21)))
    reference = reference_of(np.full(10, 1_000), long_run)
    found = reference.critical(alpha)[0]
    step = 2.0 ** (math.floor(math.log2(alpha) * 8) / 8)
    assert alpha / 2 ** (1 / 8) <= step <= alpha
    assert found[0] == pytest.approx(stats.norm.isf(step / 2 / 9))
    assert found[3] == pytest.approx(stats.t.isf(step / 2 / 9, 14.6), rel=1e-6)
    assert found[12] == pytest.approx(-stdtrit(300.0, step / 2 / 12))
    assert reference.critical(step) is reference.critical(alpha)


def test_a_chance_is_the_one_that_the_critical_value_stands_for() -> None:
    freedom = np.full(21, np.inf)
    freedom[12] = 25.0
    long_run = LongRun(64, True, "dependent", np.ones(21), freedom, np.ones((8, 21)))
    reference = reference_of(np.full(10, 1_000), long_run)
    for d in (0, 12):
        critical = float(reference.critical(2.0**-20)[0, d])
        assert reference.chance(critical, 0, d) == pytest.approx(2.0**-20)
        assert reference.chance(-critical, 0, d) == pytest.approx(2.0**-20)
        assert reference.chance(0.0, 0, d) == 1.0


def rate(reference: DirectionReference, windows: Ints, alpha: float) -> float:
    return float((evaluate(reference, windows[:, None], alpha).exceedance > 1).mean())


@pytest.mark.parametrize(("n", "m"), [(250, 10_000), (2_000, 10_000), (500, 2_000)])
def test_independent_events_are_over_as_often_as_alpha_says(n: int, m: int) -> None:
    """Two groups, so twice alpha by the union; the mean over references."""
    rng = np.random.default_rng(2)
    each, references, shares = 5_000, 12, np.full(10, 0.1)
    alphas = (2.0**-7, 2.0**-10, 2.0**-17)
    found = np.zeros(3)
    for _ in range(references):
        reference = reference_of(rng.multinomial(m, shares))
        found += [rate(reference, rng.multinomial(n, shares, size=each), alpha) for alpha in alphas]
    for seen, alpha in zip(found / references, alphas, strict=True):
        assert seen <= 2 * alpha * 1.1 + 5 * math.sqrt(2 * alpha / each / references)
        assert seen >= 0.3 * alpha - 5 * math.sqrt(alpha / each / references)  # and not blind


@pytest.mark.parametrize("shares", [[0.47, 0.35, 0.16, 0.015, 0.005], [0.6, 0.4], [0.002, 0.998]])
def test_categories_too(shares: list[float]) -> None:
    rng = np.random.default_rng(3)
    directions = Directions.of([category_directions(len(shares))], len(shares))
    alphas, found = (2.0**-7, 2.0**-13), np.zeros(2)
    for _ in range(10):
        counts = rng.multinomial(10_000, shares)
        reference = DirectionReference.of(directions, counts[None], [independent(directions.group.shape[1])])
        windows = rng.multinomial(1_000, shares, size=10_000)
        found += [rate(reference, windows, alpha) for alpha in alphas]
    for seen, alpha in zip(found / 10, alphas, strict=True):
        assert seen <= 1.15 * alpha + 5 * math.sqrt(alpha / 100_000)


def autoregressive_codes(coefficient: float, rng: np.random.Generator, rows: int) -> Ints:
    return deciles(autoregressive(rng, rows, coefficient))


@pytest.mark.parametrize("kind", ["ar 0.5", "ar 0.9", "runs of 10"])
def test_dependent_columns_are_over_at_most_as_often(kind: str) -> None:
    """The mean over references: a single one may be unlucky."""
    rng = np.random.default_rng(4)

    def make(rows: int) -> Ints:
        if kind.startswith("ar"):
            return deciles(autoregressive(rng, rows, float(kind[3:])))
        return deciles(in_runs(rng, rows, 10))

    alphas, lengths = (1e-2, 1e-3, 1e-5), (4, 8)
    found, live = np.zeros(3), [windows_of(make(500_000), 10) for _ in range(2)]
    references = 24
    for number in range(references):
        reference = learned(make(10_000))
        for length in lengths:
            windows = live[number % 2].reshape(-1, length, 10).sum(1)
            found += [rate(reference, windows, alpha) for alpha in alphas]
    seen = found / references / len(lengths)
    assert seen[0] <= 2 * 1e-2
    assert seen[1] <= 2 * 2e-3
    assert seen[2] <= 3e-4  # 36,000 windows: a handful of one unlucky reference


def test_what_is_expected_too_seldom_or_shorter_than_the_dependence_is_not_compared() -> None:
    variance = np.full(21, 5.0)
    long_run = LongRun(600, True, "dependent", variance, np.full(21, 30.0), np.ones((10, 21)))
    reference = reference_of(np.full(10, 1_000), long_run)
    gone = np.zeros((1, 1, 10), np.int64)
    gone[..., 0] = 599
    assert evaluate(reference, gone, 1e-3).exceedance[0, 0] == 0
    gone[..., 0] = 600
    assert evaluate(reference, gone, 1e-3).exceedance[0, 0] > 1
    thin = reference_of(np.array([9_000, 1_000, 0, 0, 0, 0, 0, 0, 0, 0]), long_run)
    few = np.array([0, 600, 0, 0, 0, 0, 0, 0, 0, 0])[None, None]
    assert evaluate(thin, few, 1e-3).exceedance[0, 0] == 0  # worth 12 of the 120 that are expected on the thinner side
    assert evaluate(thin, 2 * few, 1e-3).exceedance[0, 0] > 1


def test_of_independent_events_more_than_a_few_expected_ones_are_seen_and_fewer_are_not() -> None:
    directions = Directions.of([category_directions(2)], 2)
    reference = DirectionReference.of(directions, np.array([[9_990, 10]]), [independent(1)])
    jumped = np.array([[[125, 125]], [[245, 5]], [[250, 0]]])
    exceedance = evaluate(reference, jumped, 1e-6).exceedance[:, 0]
    assert exceedance[0] > 3
    assert 0 < exceedance[1] < 1
    assert exceedance[2] == 0
    none = DirectionReference.of(directions, np.array([[10_000, 0]]), [independent(1)])
    assert none.sizes[0, 0] == 0  # a value that was never there is for other tests


@pytest.mark.parametrize(("share", "n"), [(0.0005, 250), (0.0005, 8_000), (0.004, 250), (0.02, 500), (0.9995, 2_000)])
def test_rare_directions_are_over_at_most_as_often_as_alpha_says(share: float, n: int) -> None:
    rng = np.random.default_rng(8)
    directions = Directions.of([category_directions(2)], 2)
    alphas, found, references, each = (2.0**-5, 2.0**-9, 2.0**-13), np.zeros(3), 40, 10_000
    for _ in range(references):
        first = rng.binomial(10_000, share)
        reference = DirectionReference.of(directions, np.array([[first, 10_000 - first]]), [independent(1)])
        hits = rng.binomial(n, share, each)
        found += [rate(reference, np.stack([hits, n - hits], axis=1), alpha) for alpha in alphas]
    for seen, alpha in zip(found / references, alphas, strict=True):
        assert seen <= 1.15 * alpha + 5 * math.sqrt(alpha / references / each)


def test_an_empty_window_and_a_column_without_directions_are_never_over() -> None:
    directions = Directions.of([NUMERIC, numeric_directions(1)], 10)
    counts = np.array([[500] * 10, [5_000] + [0] * 9])
    reference = DirectionReference.of(directions, counts, [independent(21), independent(0)])
    found = evaluate(reference, np.array([np.zeros((2, 10)), counts / 10], np.int64), 1e-3)
    assert (found.exceedance == 0).all()
    alone = Directions.of([numeric_directions(1)], 1)
    lonely = DirectionReference.of(alone, np.array([[5]]), [independent(0)])
    assert evaluate(lonely, np.array([[[5]]]), 1e-3).exceedance.tolist() == [[0.0]]


def test_a_page_names_a_direction_that_moved_enough_with_a_margin() -> None:
    """Many events prove a tiny change of a cut and a smaller one of a bin; neither is large, then one of them is."""
    reference = reference_of(np.full(10, 100_000))
    counts = np.full(10, 40_000)
    counts[4:6] += [-3_000, 3_000]
    small = evaluate(reference, counts[None, None], 1e-6)
    assert small.exceedance[0, 0] > 1
    assert not small.large[0, 0]
    counts[4:6] += [-10_000, 10_000]
    big = evaluate(reference, counts[None, None], 1e-6)
    assert big.large[0, 0]
    d = int(big.at[0, 0])
    assert abs(big.moved[0, 0, d]) >= LEAST_MOVE[reference.directions.kind[0, d]]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9), st.integers(1, 60))
def test_more_of_the_same_change_is_further_over(at: int, step: int) -> None:
    reference = reference_of(np.full(10, 1_000))
    windows = np.full((4, 1, 10), 200)
    windows[:, 0, at] += step * np.arange(4)
    exceedance = evaluate(reference, windows, 1e-6).exceedance[:, 0]
    assert (np.diff(exceedance) > 0).all()


def test_many_windows_and_columns_at_once_are_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(5)
    columns = [NUMERIC, category_directions(4), numeric_directions(3)]
    counts = [rng.integers(50, 900, len(c.sets)) for c in columns]
    padded = np.zeros((3, 10), np.int64)
    for at, row in enumerate(counts):
        padded[at, : len(row)] = row
    runs = [
        LongRun(0, True, "x", rng.uniform(1, 3, c.count), rng.uniform(20, 90, c.count), np.ones((4, c.count)))
        for c in columns
    ]
    together = DirectionReference.of(Directions.of(columns, 10), padded, runs)
    windows = rng.poisson(np.broadcast_to(padded / 3.0, (6, 3, 10)))
    found = evaluate(together, windows, 1e-4)
    for c, column in enumerate(columns):
        bins = column.sets.shape[0]
        alone = DirectionReference.of(Directions.of([column], bins), padded[c : c + 1, :bins], [runs[c]])
        for w in range(6):
            one = evaluate(alone, windows[w : w + 1, c : c + 1, :bins], 1e-4)
            for name in ("exceedance", "z", "critical", "large", "at"):
                assert getattr(one, name)[0, 0] == getattr(found, name)[w, c]


def test_faster_traffic_has_the_variance_of_the_same_stretch_of_time() -> None:
    """V of n events at `rate` times the speed is 1 + rate (V(n / rate) - 1), and never less than was learned."""
    by_rows = np.tile(np.array([1.0, 1.8, 2.6, 4.2, 9.9])[:, None], (1, 21))
    long_run = LongRun(8, True, "dependent", np.full(21, 5.0), np.full(21, 99.0), by_rows)
    reference = reference_of(np.full(10, 1_000), long_run)
    n = np.array([[40], [400]])
    assert (reference.faster(n, 1.0) == 5.0).all()
    assert (reference.faster(n, 0.1) == 5.0).all()
    faster = reference.faster(n, 10.0)
    assert faster.shape == (2, 1, 21)
    assert faster[0] == pytest.approx(1 + 10 * (2.6 - 1))  # the reference's 4 rows
    assert faster[1] == pytest.approx(1 + 10 * (5.0 - 1))  # 40 of its rows: V itself
    assert (reference.faster(n, 1.01) >= 5.0).all()
    still = reference_of(np.full(10, 1_000))
    assert (still.faster(n, 50.0) == 1.0).all()
    quiet = evaluate(reference, np.full((1, 1, 10), 40), 1e-3, variance=faster[1:])
    assert quiet.exceedance[0, 0] == 0


def test_the_largest_move_is_the_largest_over_what_is_compared() -> None:
    rng = np.random.default_rng(6)
    directions = Directions.of([NUMERIC, category_directions(3)], 10)
    reference, windows = rng.integers(1, 99, (2, 10)), rng.integers(0, 99, (7, 2, 10))
    reference[1, 3:], windows[:, 1, 3:], windows[0, 0] = 0, 0, 0
    found = largest_move(directions, reference[None], windows)
    assert found[0, 0] == 0
    for w in range(1, 7):
        change = windows[w, 0] / windows[w, 0].sum() - reference[0] / reference[0].sum()
        assert found[w, 0] == pytest.approx(np.abs(change @ NUMERIC.sets).max())
        share = windows[w, 1] / windows[w, 1].sum() - reference[1] / reference[1].sum()
        assert found[w, 1] == pytest.approx(np.abs(share).max())
    assert (largest_move(directions, reference[None], reference[None]) == 0).all()
    assert directions.group[1, 3:].tolist() == [NO_GROUP] * 18


def shifted(rng: np.random.Generator, rows: int, by: float) -> Floats:
    return rng.standard_normal(rows) + by


@pytest.mark.parametrize(("change", "events"), [(0.3, 1_000), (1.0, 500)])
def test_a_shift_is_seen_within_the_events_that_are_promised(change: float, events: int) -> None:
    rng = np.random.default_rng(7)
    seen = 0
    for _ in range(20):
        reference = learned(deciles(rng.standard_normal(10_000)))
        window = np.bincount(deciles(shifted(rng, events, change)), minlength=10)
        seen += bool(evaluate(reference, window[None, None], 4.35e-8).exceedance[0, 0] > 1)
    assert seen >= 15
