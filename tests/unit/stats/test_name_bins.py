"""Long-tailed categories: no name is chosen by luck, every other one is counted by its hash."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.bins import name_bins
from monitor.stats.bins.name_bins import (
    BUCKETS,
    KnownNames,
    NameBins,
    allowed_cuts,
    as_extreme,
    bucket_of,
    buckets_of,
    category_bins,
    constant_log_chance,
    hash_of,
    hashes_of,
    join_neighbours,
    joined_chi_square,
    regroup,
    total_variation,
)
from monitor.stats.bins.reference_bins import NAMES_SHOWN
from tests.traffic import Floats, Ints, drawn, zipf

tails = st.sampled_from([np.full(50, 0.02), np.full(200, 0.005), zipf(200, 1.0), zipf(2_000, 1.5), zipf(2_000, 0.8)])


def ranked(codes: Ints) -> tuple[Ints, Ints]:
    """Names by falling count, and their counts."""
    counts = np.bincount(codes)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    return order, counts[order]


def binned(codes: Ints) -> tuple[NameBins, Ints]:
    """The bins of a reference column, and the bin of every name."""
    order, counts = ranked(codes)
    cuts = allowed_cuts(counts)
    buckets = bucket_of(hashes_of(map(str, range(60_000))))
    place = cuts[-1] + 0 * buckets + buckets
    place[order[: cuts[-1]]] = np.arange(cuts[-1])
    reference = np.bincount(place[codes], minlength=cuts[-1] + BUCKETS)
    return NameBins(cuts, buckets[order[: cuts[-1]]], reference), place


def test_few_names_all_have_their_own_bins() -> None:
    assert allowed_cuts(np.array([6_000, 4_000]))[-1] == 2
    assert allowed_cuts(np.array([4_700, 3_500, 1_600, 150, 50]))[-1] == 5
    assert allowed_cuts(np.array([7])) == (0, 1)


def test_no_near_tie_is_cut() -> None:
    equal = ranked(drawn(np.random.default_rng(1), np.full(200, 0.005), 10_000))[1]
    assert allowed_cuts(equal) == (0,)
    max_reference_distance = ranked(drawn(np.random.default_rng(2), zipf(2_000, 1.0), 10_000))[1]
    assert 3 <= allowed_cuts(max_reference_distance)[-1] <= 20
    assert 5 not in allowed_cuts(np.array([500, 400, 300, 200, 100, 100, 90]))
    assert all(
        cut == 0 or cut == len(max_reference_distance) or max_reference_distance[cut - 1] > max_reference_distance[cut]
        for cut in allowed_cuts(max_reference_distance)
    )


@settings(deadline=None, max_examples=20)
@given(tails, st.integers(0, 1_000))
def test_the_surplus_of_the_chosen_is_a_small_part_of_their_deviation(shares: Floats, seed: int) -> None:
    """Against SciPy's Poisson law, over all names rather than the near ones."""
    counts = ranked(drawn(np.random.default_rng(seed), shares, 5_000))[1]
    for cut in allowed_cuts(counts):
        if cut in {0, len(counts)}:
            continue
        surplus = (counts * stats.poisson.pmf(counts[cut - 1] - 1, counts)).sum()
        share = counts[:cut].sum() / 5_000
        assert surplus <= 0.25 * math.sqrt(5_000 * share * (1 - share)) + 1e-6


def test_a_hash_is_of_the_text_alone_and_fills_all_buckets_alike() -> None:
    assert hash_of("a") == 0xE6C632B61E964E1F  # part of the format: xxh3_64 of the byte 0x61
    hashes = hashes_of(str(at) for at in range(32_000))
    spread = np.bincount(bucket_of(hashes), minlength=BUCKETS)
    assert stats.chisquare(spread).pvalue > 1e-6
    assert hash_of("\udcff") != hash_of("\udcfe")


def test_lowest_and_highest_hash_are_equal_for_one_value_only() -> None:
    extremes = as_extreme(hashes_of(str(at) for at in range(10_000)))
    assert len(np.unique(extremes)) == 10_000
    assert extremes.max() < 2.0**52
    assert (extremes == np.floor(extremes)).all()


@settings(deadline=None, max_examples=30)
@given(tails, st.integers(0, 1_000), st.floats(50, 50_000))
def test_joined_groups_are_expected_often_enough_and_follow_the_hash(
    shares: Floats, seed: int, effective: float
) -> None:
    bins, _ = binned(drawn(np.random.default_rng(seed), shares, 5_000))
    groups = bins.join(effective)
    assert sorted(set(groups.tolist())) == list(range(int(groups.max()) + 1))
    expected = regroup(bins.reference, groups) / bins.reference.sum() * effective
    if len(expected) > 1:
        assert expected.min() >= name_bins.MIN_EXPECTED - 1e-9
    buckets = groups[bins.names :]
    assert (np.diff(buckets) >= 0).all()
    alone = [at for at in range(bins.names) if (groups == groups[at]).sum() == 1]
    assert alone == list(range(len(alone)))  # the most frequent, without a gap
    for at in range(len(alone), bins.names):
        own = groups[bins.names + bins.homes[at]]
        assert groups[at] in {own, len(alone) - 1}


def test_neighbours_are_joined_in_their_order() -> None:
    assert join_neighbours(np.array([25.0, 5, 16, 30, 3])).tolist() == [0, 1, 1, 2, 2]
    assert join_neighbours(np.array([5.0, 5.0])).tolist() == [0, 0]
    assert join_neighbours(np.zeros(0)).tolist() == []
    assert join_neighbours(np.array([20.0, 20.0])).tolist() == [0, 1]


def test_regrouping_keeps_every_event() -> None:
    rng = np.random.default_rng(3)
    counts, groups = rng.integers(0, 9, (4, 3, 12)), rng.integers(0, 5, 12)
    groups[:5] = np.arange(5)
    found = regroup(counts, groups)
    for group in range(5):
        assert (found[..., group] == counts[..., groups == group].sum(-1)).all()


def test_chi_square_of_joined_groups_is_that_of_scipy() -> None:
    rng = np.random.default_rng(4)
    reference, windows = rng.integers(50, 900, 9), rng.integers(20, 90, (5, 9))
    found, freedom = joined_chi_square(reference, windows)
    assert freedom == 8
    for statistic, window in zip(found, windows, strict=True):
        wanted = stats.chi2_contingency(np.array([reference, window]), correction=False)
        assert statistic == pytest.approx(wanted.statistic)


@pytest.mark.parametrize("shares", [np.full(100, 0.01), zipf(2_000, 1.0)], ids=["equal", "zipf"])
def test_nothing_changes_and_chi_square_says_so(shares: Floats) -> None:
    """Names chosen by their luck made this wrong by a hundred times; windows as long as the reference show it."""
    rng = np.random.default_rng(5)
    exceedance, evaluations = np.zeros(2), 0
    for _ in range(40):
        bins, place = binned(drawn(rng, shares, 2_000))
        groups = bins.join(1_000)
        live = place[drawn(rng, shares, 20_000)].reshape(20, 1_000)
        counts = np.array([np.bincount(row, minlength=len(bins.reference)) for row in live])
        statistic, freedom = joined_chi_square(regroup(bins.reference, groups), regroup(counts, groups))
        p = stats.chi2.sf(statistic, freedom)
        exceedance += [(p < 1e-2).sum(), (p < 1e-3).sum()]
        evaluations += 20
    assert exceedance[0] / evaluations <= 2e-2
    assert exceedance[1] / evaluations <= 7e-3


def test_total_variation_is_half_the_sum_of_changes_less_what_chance_gives() -> None:
    rng = np.random.default_rng(6)
    shares = zipf(40, 0.5)
    reference = rng.multinomial(20_000, shares)
    same = total_variation(reference, rng.multinomial(1_000, shares, size=400))
    assert same.mean() < 0.01
    assert (same >= 0).all()
    assert total_variation(reference, reference[None])[0] == 0
    moved = shares.copy()
    moved[20:] = 0
    lost = shares[20:].sum()
    gone = total_variation(10 * reference, rng.multinomial(20_000, moved / moved.sum(), size=50))
    assert gone.mean() == pytest.approx(lost, abs=0.03)
    assert (total_variation(reference, np.zeros((2, 40), np.int64)) == 0).all()
    clumped = total_variation(reference, rng.multinomial(100, shares, size=200) * 10, variance=10.0)
    assert clumped.mean() < 0.03


@pytest.mark.parametrize("number", [2, 5])
def test_the_chance_of_one_value_is_exact_for_equal_names(number: int) -> None:
    """k^n draws, k of which are one and the same."""
    for n in (2, 3, 6):
        exact = number / number**n
        found = math.exp(float(constant_log_chance(np.array([n]), np.array([1 / number]), np.array([1.0]))[0]))
        assert found == pytest.approx(exact)
    assert constant_log_chance(np.array([0, 1]), np.array([0.3, 0.3]), np.ones(2)).tolist() == [0, 0]
    more = constant_log_chance(np.arange(1, 9), np.full(8, 0.5), np.full(8, 2.0))
    assert (np.diff(more) < 0).all()


def test_known_names_are_the_most_frequent_and_come_back_from_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = hashes_of(str(at) for at in range(3_000))
    known = KnownNames.of(hashes, np.ones(3_000, np.int64))
    assert known.holds(hashes).all()
    assert not known.holds(hashes_of(["3000", "x"])).any()
    again = KnownNames.from_bytes(known.to_bytes())
    assert (again.hashes == known.hashes).all()
    assert again.hashes.dtype == np.uint64
    monkeypatch.setattr(name_bins, "MAX_KNOWN", 100)
    counts = np.ones(3_000, np.int64)
    counts[::100] = 9
    few = KnownNames.of(hashes, counts)
    assert len(few.hashes) == 100
    assert few.holds(hashes[::100]).all()
    shuffled = np.random.default_rng(7).permutation(3_000)
    assert (KnownNames.of(hashes[shuffled], counts[shuffled]).hashes == few.hashes).all()
    nothing = KnownNames.from_bytes(b"")
    assert not nothing.holds(hashes[:3]).any()
    with pytest.raises(ValueError, match=r"."):
        KnownNames.from_bytes(b"123")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 70).map(lambda n: "ten"[: n % 4] + str(n * n % 71)), min_size=1, max_size=400), st.data()
)
def test_the_bins_of_categories_hold_each_name_once(values: list[str], data: st.DataObject) -> None:
    bins = category_bins(values)
    counted = Counter(values)
    ranked = sorted(counted, key=lambda name: (-counted[name], name))
    assert bins.categories == tuple(ranked[: len(bins.categories)])
    assert bins.cuts == allowed_cuts(np.array([counted[name] for name in ranked]))
    assert len(bins.categories) == bins.cuts[-1]
    others = ranked[bins.cuts[-1] :]
    assert bins.buckets == (BUCKETS if others else 0)
    assert bins.bins == len(bins.categories) + bins.buckets
    for bucket, names in enumerate(bins.bucket_names):
        assert list(names) == [name for name in others if hash_of(name) % BUCKETS == bucket][:NAMES_SHOWN]
    assert KnownNames.from_bytes(bins.known).holds(hashes_of(counted)).all()
    assert category_bins(data.draw(st.permutations(values))) == bins
    assert buckets_of(others).tolist() == [hash_of(name) % BUCKETS for name in others]


def test_a_closed_set_has_a_bin_for_each_name_and_no_bucket() -> None:
    bins = category_bins(["b", "a", "c", "a", "b", "d"] * 30)
    assert (bins.categories, bins.buckets, bins.bucket_names) == (("a", "b", "c", "d"), 0, ())
    many = category_bins([f"c{i}" for i in range(40) for _ in range(100)])
    assert many.categories == ()  # equally common ones: none is chosen by its luck
    assert many.bins == BUCKETS
