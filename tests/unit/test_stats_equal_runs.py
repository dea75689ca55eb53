"""Runs of equal values: counted as they are, however rows come; and what they make one expect."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.equal_runs import PIECE, EqualRuns, ExpectedRuns, Identities, RunLengths
from tests.traffic import Floats, in_batches

M = 10_000


def runs_of(values: Identities, pieces: int = 1) -> EqualRuns:
    lengths = RunLengths()
    for piece in np.array_split(values, pieces):
        lengths.add(piece)
    return lengths.finish()


def bits(values: Floats) -> Identities:
    return values.view(np.uint64)


def of(values: Floats) -> ExpectedRuns:
    _, counts = np.unique(values, return_counts=True)
    return ExpectedRuns.of([runs_of(bits(values))], np.array([counts.max() / len(values)]))


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 9))
def test_runs_are_those_of_a_plain_count_however_rows_come(values: list[int], pieces: int) -> None:
    lengths = [len(list(run)) for _, run in groupby(values)]
    found = runs_of(np.array(values, np.uint64), pieces)
    assert (found.values, found.number, found.longest) == (len(values), len(lengths), max(lengths, default=0))
    clump = sum(k * k for k in lengths) / len(values) if values else 1.0
    assert found.clump == pytest.approx(clump, abs=1e-6)


@pytest.mark.parametrize("pieces", [1, 3, 400])
def test_a_run_goes_on_over_the_rows_that_are_worked_on_at_once(pieces: int) -> None:
    values = np.concatenate([np.zeros(5), np.ones(PIECE + 3), np.zeros(7)])
    assert runs_of(bits(values), pieces) == runs_of(bits(values))
    assert (runs_of(bits(values)).number, runs_of(bits(values)).longest) == (3, PIECE + 3)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_the_runs_of_independent_values_are_explained(share: float) -> None:
    """A value's own share tells how long it may last by chance."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = of(np.where(rng.random(M) < share, 0.0, rng.standard_normal(M)))
        assert np.isnan(found.scale[0])
        assert not found.heavy[0]
        assert found.log_chance(np.array([1_000.0])).tolist() == [-np.inf]


def test_a_geometric_run_is_as_unlikely_as_it_is() -> None:
    """Sticky values of 0.9: a run of n more has the chance 0.9^n; the margin for the longest one makes it larger."""
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        fresh = rng.random(M) >= 0.9
        values = rng.standard_normal(M)[np.maximum.accumulate(np.where(fresh, np.arange(M), 0))]
        found = of(values)
        assert not np.isnan(found.scale[0])
        ratios.append(float(found.log_chance(np.array([300.0]))[0] / (300 * np.log(0.9))))
    assert 0.6 < np.median(ratios) < 0.9
    assert max(ratios) <= 1.05


def test_batches_of_clients_have_a_heavy_tail_and_runs_of_one_length_have_none() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        batches, equal = of(in_batches(rng, M)), of(np.repeat(rng.standard_normal(M // 10), 10))
        assert batches.heavy[0]
        assert batches.clump[0] > 10
        assert 1_000 < batches.surely[0] <= 2_000, "a batch has 200 at most"
        assert equal.surely[0] == 0
        assert not equal.heavy[0]
        assert equal.clump[0] == pytest.approx(10)
        assert equal.log_chance(np.array([60.0]))[0] < np.log(1e-9), "six runs in a row of one value"


def test_nothing_is_said_of_files_without_runs_and_of_a_column_without_values() -> None:
    unknown = ExpectedRuns.of([EqualRuns(), EqualRuns(5, 1, 5, 5.0)], np.array([0.1, 1.0]))
    assert np.isnan(unknown.scale).all()
    assert not unknown.heavy.any()
    assert unknown.log_chance(np.full((2, 2), 50.0)).tolist() == [[-np.inf] * 2] * 2
    assert ExpectedRuns.of([], np.zeros(0)).clump.shape == (0,)


def test_runs_come_back_from_what_is_written() -> None:
    runs = EqualRuns(100, 40, 7, 3.25)
    assert EqualRuns.from_plain(runs.to_plain()) == runs
