"""Every p-value that a page may rest on is uniform or conservative where nothing changed, at 1e-2 to 1e-5.

Reference and window are drawn anew together, as the promise is one over references. How often p <= alpha is held to
what chance allows beside alpha: 99.99 % of a Poisson count of that mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

from monitor.stats.bins.name_bins import (
    BUCKETS,
    NameBins,
    allowed_cuts,
    bucket_of,
    constant_log_chance,
    hashes_of,
    joined_chi_square,
    regroup,
)
from monitor.stats.performance.figures import CALIBRATION_ERROR, Meaning
from monitor.stats.performance.judged_errors import moments, other_side
from monitor.stats.performance.label_sums import of_scores
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.testing.directional import DirectionReference, evaluate
from monitor.stats.testing.directions import ColumnDirections, Directions, category_directions, numeric_directions
from monitor.stats.testing.evidence import chi_square_tail
from monitor.stats.testing.mean_difference import chance, difference
from monitor.stats.variance.equal_runs import ExpectedRuns, RunLengths
from monitor.stats.variance.long_run import LongRun
from monitor.stats.variance.quality_dispersion import excess_tail, windows_tail
from tests.traffic import Floats, Ints, zipf

#: (hits of windows, hits of their references) -> p
Tail = Callable[[Ints, Ints], Floats]

ALPHAS = (1e-2, 1e-3, 1e-4, 1e-5)


def held(p: Floats, tests: int = 1) -> None:
    """So many `tests` were made for each p."""
    for alpha in ALPHAS:
        most = stats.poisson.ppf(0.9999, tests * alpha * len(p))
        seen = int((p <= alpha).sum())
        assert seen <= most, f"{seen} of {len(p)} at {alpha:g}, and {most:.0f} may be"


def worst_p(reference: DirectionReference, windows: Ints) -> Floats:
    """Of the direction of one column that is the furthest over, by windows (W, B)."""
    found = evaluate(reference, windows[:, None], max(ALPHAS))
    sizes = np.maximum(reference.sizes[0, found.at[:, 0]], 1)
    return np.asarray(np.minimum(1.0, 2 * ndtr(-np.abs(found.z[:, 0])) * sizes), np.float64)


CLOSED = {
    "ten bins": (numeric_directions(10), np.full(10, 0.1)),
    "one bin of nine in ten": (numeric_directions(4), np.array([0.9, 0.04, 0.03, 0.03])),
    "two categories": (category_directions(2), np.array([0.6, 0.4])),
    "four categories": (category_directions(4), np.array([0.35, 0.47, 0.16, 0.02])),
    "a rare category": (category_directions(3), np.array([0.7, 0.298, 0.002])),
}


@pytest.mark.parametrize(("n", "m"), [(250, 10_000), (2_000, 10_000), (500, 2_000)])
@pytest.mark.parametrize("kind", CLOSED)
def test_directions_of_independent_events(kind: str, n: int, m: int) -> None:
    """The groups of a number's directions are two tests."""
    directions, shares = CLOSED[kind]
    rng = np.random.default_rng([1, n, m, len(shares)])
    p = [
        worst_p(one_column(directions, rng.multinomial(m, shares)), rng.multinomial(n, shares, 4_000))
        for _ in range(20)
    ]
    held(np.concatenate(p), tests=len(set(directions.group.tolist())))


def one_column(directions: ColumnDirections, counts: Ints) -> DirectionReference:
    return DirectionReference.of(
        Directions.of([directions], len(counts)), counts[None], [LongRun.independent(directions.count)]
    )


def name_bins_of(counts: Ints) -> tuple[NameBins, Ints]:
    """The bins that a reference of these counts by name makes, and the bin of every name."""
    order = np.argsort(-counts, kind="stable")
    cuts = allowed_cuts(counts[order][counts[order] > 0])
    buckets = bucket_of(hashes_of(f"n{at}" for at in range(len(counts))))
    places = cuts[-1] + buckets
    places[order[: cuts[-1]]] = np.arange(cuts[-1])
    reference = np.bincount(places, counts, minlength=cuts[-1] + BUCKETS).astype(np.int64)
    return NameBins(cuts, buckets[order[: cuts[-1]]], reference), places


@pytest.mark.parametrize("names", [200, 2_000])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
@pytest.mark.parametrize(("n", "m"), [(1_000, 2_000), (4_000, 10_000)])
def test_chi_square_of_joined_names(names: int, exponent: float, n: int, m: int) -> None:
    """The names of a reference are chosen by their counts in it."""
    shares = zipf(names, exponent)
    rng = np.random.default_rng([2, names, n])
    p = []
    for _ in range(40):
        counts = rng.multinomial(m, shares)
        bins, places = name_bins_of(counts)
        groups = bins.join(float(n))
        reference = regroup(bins.reference, groups)
        live = rng.multinomial(n, np.bincount(groups[places], shares), 3_000)
        value, freedom = joined_chi_square(reference, live)
        p.append(chi_square_tail(value, float(freedom)))
    # Pearson's statistic itself is 1.5 to 2 times above its limit where groups are expected 20 times
    held(np.concatenate(p), tests=2)


@pytest.mark.parametrize("share", [0.0002, 0.002, 0.02, 0.2])
@pytest.mark.parametrize(("n", "m"), [(50, 10_000), (1_000, 10_000), (2_000, 2_000)])
def test_the_excess_of_a_quality_count(share: float, n: int, m: int) -> None:
    rng = np.random.default_rng([3, n, m])
    held(_by_pairs(_excess_of(n, m, 1.0), rng.binomial(n, share, 400_000), rng.binomial(m, share, 400_000)))


@pytest.mark.parametrize("clump", [4, 10])
def test_the_excess_of_a_quality_count_that_comes_in_bursts(clump: int) -> None:
    """Each hit brings so many: the dispersion that the reference learns."""
    rng = np.random.default_rng([4, clump])
    hits, known = (clump * rng.binomial(rows // clump, 0.05, 400_000) for rows in (1_000, 10_000))
    held(_by_pairs(_excess_of(1_000, 10_000, float(clump)), hits, known))


@pytest.mark.parametrize(("classes", "sure"), [(3, 1.0), (3, 0.1), (16, 0.3)])
@pytest.mark.parametrize(("n", "m"), [(250, 10_000), (2_000, 10_000)])
def test_the_calibration_of_the_predicted_class(classes: int, sure: float, n: int, m: int) -> None:
    """It is the label with the largest of all classes' probabilities. Both sides, counted as labels are."""
    rng = np.random.default_rng([6, classes, n, int(100 * sure)])
    largest = rng.dirichlet(np.full(classes, sure), 50_000).max(1)
    p = []
    for _ in range(30):
        known, windows = _residuals(rng, largest, 1, m)[0], _residuals(rng, largest, 100_000 // n, n)
        for way in (np.ones(4), other_side(np.ones(4), CALIBRATION_ERROR)):
            found = difference(windows * way, known * way, 1.0)
            z = found.higher / np.maximum(found.error, 1e-12)
            p += [chance(a, b, np.inf) for a, b in zip(z.tolist(), found.skew.tolist(), strict=True)]
    held(np.array(p))


def _residuals(rng: np.random.Generator, largest: Floats, windows: int, rows: int) -> Floats:
    """(windows, 4) moments of the error, each of so many rows."""
    drawn, of_window = rng.choice(largest, windows * rows), np.repeat(np.arange(windows), rows)
    right, sign = rng.random(len(drawn)) < drawn, np.ones(len(drawn), np.int64)
    sums = of_scores(of_window, windows, drawn, right, sign, steps=False)
    meaning = Meaning("multiclass")
    return np.array([moments(LabelTally(sums=one), CALIBRATION_ERROR, meaning) for one in sums])


@pytest.mark.parametrize("share", [0.02, 0.2, 0.4])
@pytest.mark.parametrize(("length", "windows"), [(2, 40), (16, 40), (64, 8)])
def test_base_windows_with_a_hit(share: float, length: int, windows: int) -> None:
    rng = np.random.default_rng([5, length])

    def tail(hits: Ints, known: Ints) -> Floats:
        return windows_tail(hits.astype(float), _all(length, hits), known.astype(float), _all(windows, hits))

    held(_by_pairs(tail, rng.binomial(length, share, 400_000), rng.binomial(windows, share, 400_000)))


def _excess_of(n: int, m: int, clump: float) -> Tail:
    def tail(hits: Ints, known: Ints) -> Floats:
        phi = _all(clump, hits)
        return excess_tail(hits.astype(float), _all(n, hits), known.astype(float), _all(m, hits), phi, phi)

    return tail


def _all(value: float, like: Ints) -> Floats:
    return np.full(len(like), float(value))


def _by_pairs(tail: Tail, hits: Ints, known: Ints) -> Floats:
    """Each different pair is worked out once."""
    pairs, place = np.unique(np.stack([hits, known]), axis=1, return_inverse=True)
    return np.asarray(tail(pairs[0], pairs[1])[place.ravel()], np.float64)


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=20), st.integers(1, 60))
def test_the_chance_of_one_value_is_never_below_the_true_one(weights: list[float], n: int) -> None:
    shares = np.array(weights) / sum(weights)
    claimed = float(np.exp(constant_log_chance(np.array([n]), shares.max(keepdims=True), np.ones(1))[0]))
    assert claimed >= float((shares**n).sum()) * (1 - 1e-9)


@pytest.mark.parametrize("stays", [0.5, 0.8, 0.95])
def test_the_chance_of_a_run_of_one_value(stays: float) -> None:
    """Geometric runs: each live run against that of one of many references."""
    p = []
    for rng in _generators(6, 60):
        known = np.repeat(rng.standard_normal(4_000), rng.geometric(1 - stays, 4_000))[:10_000]
        distinct, counts = np.unique(known.view(np.uint64), return_counts=True)
        lengths = RunLengths(int(distinct[counts.argmax()]))
        lengths.add(known.view(np.uint64))
        expected = ExpectedRuns.of([lengths.finish()], np.array([counts.max() / 1e4]))
        live = rng.geometric(1 - stays, 10_000).astype(np.float64)
        log_p = expected.log_chance(live[:, None], np.zeros((10_000, 1), np.bool_))[:, 0]
        p.append(np.where(np.isinf(log_p) | expected.others.heavy[0], 1.0, np.exp(log_p)))
    held(np.concatenate(p))


def _generators(seed: int, number: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng([seed, at]) for at in range(number))
