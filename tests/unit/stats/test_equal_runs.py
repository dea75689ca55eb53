"""Runs of equal values: counted as they are, however rows come; and what they make one expect."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.variance.equal_runs import (
    LEAST_SINGLE,
    LONGEST,
    PIECE,
    EqualRuns,
    ExpectedRuns,
    Identities,
    RunLengths,
    Runs,
)
from tests.traffic import Floats, in_batches

M = 10_000


def runs_of(values: Identities, pieces: int = 1, modal: int | None = None) -> EqualRuns:
    lengths = RunLengths(modal)
    for piece in np.array_split(values, pieces):
        lengths.add(piece)
    return lengths.finish()


def bits(values: Floats) -> Identities:
    return values.view(np.uint64)


def of(values: Floats) -> ExpectedRuns:
    modal, share = modal_of(values)
    return ExpectedRuns.of([runs_of(bits(values), modal=modal)], np.array([share]))


def modal_of(values: Floats) -> tuple[int, float]:
    distinct, counts = np.unique(bits(values), return_counts=True)
    return int(distinct[counts.argmax()]), float(counts.max() / len(values))


def with_run(values: Floats, length: int) -> Floats:
    """One value for so many rows in the middle: an outage."""
    begin = len(values) // 2
    return np.concatenate([values[:begin], np.full(length, values[begin]), values[begin + length :]])


def day_and_night(rng: np.random.Generator, days: int = 10) -> Floats:
    """0 for 400 of every 1,000 rows."""
    return np.where(np.arange(1_000 * days) % 1_000 < 400, 0.0, rng.normal(5, 1, 1_000 * days))


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 9))
def test_runs_are_those_of_a_plain_count_however_rows_come(values: list[int], pieces: int) -> None:
    lengths = [len(list(run)) for _, run in groupby(values)]
    found = runs_of(np.array(values, np.uint64), pieces, modal=1)
    assert found.modal is not None
    assert found.others is not None
    for runs, of_kind in ((found.modal, [1]), (found.others, [0, 2])):
        own = [len(list(run)) for value, run in groupby(values) if value in of_kind]
        assert (runs.values, runs.number) == (sum(own), len(own))
        assert list(runs.longest) == sorted([*own, 0, 0, 0], reverse=True)[:LONGEST]
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
        for tails in (found.modal, found.others):
            assert np.isnan(tails.scale[0])
            assert not tails.heavy[0]
        assert found.clump[0] == 1
        assert found.single[0] == (M * (1 - share) >= LEAST_SINGLE)
        for is_modal in (True, False):
            assert found.log_chance(np.array([1_000.0]), np.array([is_modal])).tolist() == [-np.inf]
            assert (found.surely(0, is_modal=is_modal), found.scale(0, is_modal=is_modal)) == (0, 0)


@pytest.mark.parametrize("length", [60, 200, 2_000])
def test_one_outage_is_an_incident_and_no_habit(length: int) -> None:
    """As the most frequent value, as a rarer one beside zeros, and as one of a few categories."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        zeros = np.where(rng.random(M) < 0.5, 0.0, rng.standard_normal(M))
        names = rng.integers(0, 4, M).astype(np.float64)
        for values in (rng.standard_normal(M), zeros, names):
            found = of(with_run(values, length))
            assert np.isnan([found.modal.scale[0], found.others.scale[0]]).all()
            modal, share = modal_of(with_run(values, length))
            one_long = runs_of(bits(with_run(values, length)), modal=modal).incidents(share)
            assert len(one_long) == 1
            assert one_long[0] >= length
            modal, share = modal_of(values)
            assert runs_of(bits(values), modal=modal).incidents(share) == []


def test_two_outages_are_told_and_three_as_long_are_a_habit() -> None:
    rng = np.random.default_rng(5)
    pieces = np.split(rng.standard_normal(M), 4)
    for outages in (2, 3):
        values = np.concatenate([with_run(piece, 100 * (at < outages)) for at, piece in enumerate(pieces)])
        modal, share = modal_of(values)
        assert runs_of(bits(values), modal=modal).incidents(share) == ([100, 100] if outages == 2 else [])
        assert np.isnan(of(values).others.scale[0]) == (outages == 2)


def test_values_that_last_by_night_excuse_no_value_of_the_day() -> None:
    for seed in range(10):
        found = of(day_and_night(np.random.default_rng(seed)))
        assert np.isnan(found.others.scale[0])
        assert (found.clump[0], found.single[0]) == (1, True)
        assert found.log_chance(np.array([50.0]), np.array([False]))[0] == -np.inf
        assert found.log_chance(np.array([400.0]), np.array([True]))[0] > np.log(1e-6), "a night as long as any"
        assert found.surely(0, is_modal=False) == 0


def test_where_all_values_last_the_most_frequent_one_may_last_as_long() -> None:
    rng = np.random.default_rng(2)
    values = in_batches(rng, M)
    found = of(values)
    each, both = (found.log_chance(np.array([150.0]), np.array([is_modal]))[0] for is_modal in (False, True))
    assert both >= each > -np.inf
    assert found.surely(0, is_modal=True) >= found.surely(0, is_modal=False) > 0


def test_a_geometric_run_is_as_unlikely_as_it_is() -> None:
    """Sticky values of 0.9: a run of n more has the chance 0.9^n; the margin for the longest one makes it larger."""
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        fresh = rng.random(M) >= 0.9
        values = rng.standard_normal(M)[np.maximum.accumulate(np.where(fresh, np.arange(M), 0))]
        found = of(values)
        assert not np.isnan(found.others.scale[0])
        ratios.append(float(found.others.log_chance(np.array([300.0]))[0] / (300 * np.log(0.9))))
    assert 0.6 < np.median(ratios) < 0.9
    assert max(ratios) <= 1.05


def test_batches_of_clients_have_a_heavy_tail_and_runs_of_one_length_have_none() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        batches, equal = of(in_batches(rng, M)), of(np.repeat(rng.standard_normal(M // 10), 10))
        assert batches.others.heavy[0]
        assert batches.clump[0] > 10
        assert 1_000 < batches.others.surely[0] <= 2_000, "a batch has 200 at most"
        assert equal.others.surely[0] == 0
        assert not equal.others.heavy[0]
        assert equal.clump[0] == pytest.approx(10)
        assert equal.others.log_chance(np.array([60.0]))[0] < np.log(1e-9), "six runs in a row of one value"


def test_nothing_is_said_of_files_without_runs_and_of_a_column_without_values() -> None:
    unknown = ExpectedRuns.of([EqualRuns(), EqualRuns(5, 1, 5, 5.0)], np.array([0.1, 1.0]))
    assert np.isnan([unknown.modal.scale, unknown.others.scale]).all()
    assert not (unknown.others.heavy | unknown.modal.heavy | unknown.single).any()
    assert unknown.log_chance(np.full((2, 2), 50.0), np.zeros((2, 2), np.bool_)).tolist() == [[-np.inf] * 2] * 2
    assert ExpectedRuns.of([], np.zeros(0)).clump.shape == (0,)


def test_runs_come_back_from_what_is_written() -> None:
    runs = EqualRuns(100, 40, 7, 3.25, Runs(40, 10, (7, 6, 6), 5.5), Runs(60, 30, (3, 2, 2), 1.75))
    assert EqualRuns.from_plain(runs.to_plain()) == runs


def test_runs_of_files_that_do_not_tell_the_kinds_apart_hold_for_both() -> None:
    before = EqualRuns.from_plain({"values": 10_000, "number": 400, "longest": 300, "clump": 60.0})
    assert before.to_plain() == {"values": 10_000, "number": 400, "longest": 300, "clump": 60.0}
    assert before.incidents(0.1) == []
    found = ExpectedRuns.of([before], np.array([0.1]))
    assert found.others.scale[0] == found.modal.scale[0] > 0
    assert found.surely(0, is_modal=False) == 3_000
    assert (found.clump[0], found.single[0]) == (60, False)
