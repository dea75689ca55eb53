"""Never-seen names: what leaving a window out says, by brute force and against traffic that does not change."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.stats.bins.name_bins import hashes_of
from monitor.stats.bins.unseen import FEWEST_HITS, LeftOut, NamesByWindow
from monitor.stats.variance.quality_dispersion import by_length, excess_tail
from tests.traffic import Ints, drawn, zipf

HASHES = hashes_of(map(str, range(60_000)))


def of_windows(windows: list[list[int]]) -> LeftOut:
    found = NamesByWindow()
    for names in windows:
        found.add(HASHES[np.array(names, np.int64)])
    return found.left_out()


def of_codes(codes: Ints, size: int = 250) -> LeftOut:
    return of_windows([codes[at : at + size].tolist() for at in range(0, len(codes), size)])


windows_of_names = st.lists(st.lists(st.integers(0, 12), max_size=20), min_size=1, max_size=9)


@settings(deadline=None, max_examples=50)
@given(windows_of_names)
def test_hits_are_the_events_whose_name_no_other_window_has(windows: list[list[int]]) -> None:
    found = of_windows(windows)
    for at, names in enumerate(windows):
        elsewhere = {name for other, those in enumerate(windows) if other != at for name in those}
        assert found.hits[at] == sum(name not in elsewhere for name in names)
        assert found.events[at] == len(names)
    clumps = [n for at, names in enumerate(windows) for name, n in Counter(names).items() if alone(windows, at, name)]
    total = sum(clumps)
    assert found.total == total
    assert found.clump == pytest.approx(sum(n * n for n in clumps) / max(total, 1))


def alone(windows: list[list[int]], at: int, name: int) -> bool:
    return all(name not in names for other, names in enumerate(windows) if other != at)


@settings(deadline=None, max_examples=50)
@given(windows_of_names)
def test_the_error_is_that_of_a_jackknife_over_windows(windows: list[list[int]]) -> None:
    found = of_windows(windows)
    total, m = found.total, sum(map(len, windows))
    if total < FEWEST_HITS or len(windows) < 2:
        assert found.error == 1
        return
    rates = []
    for at in range(len(windows)):
        rest = [names for other, names in enumerate(windows) if other != at]
        rates.append(of_windows(rest).total / max(sum(map(len, rest)), 1))
    w = len(windows)
    variance = (w - 1) / w * ((np.array(rates) - np.mean(rates)) ** 2).sum()
    assert found.error == pytest.approx(max(1.0, variance * m * m / total))


@settings(deadline=None, max_examples=40)
@given(windows_of_names, st.randoms(use_true_random=False))
def test_the_order_of_events_in_a_window_does_not_matter(windows: list[list[int]], random: Random) -> None:
    before = of_windows(windows)
    for names in windows:
        random.shuffle(names)
    after = of_windows(windows)
    assert (before.hits == after.hits).all()
    assert (before.clump, before.error) == (after.clump, after.error)


def test_a_closed_set_leaves_nothing_out() -> None:
    found = of_codes(np.arange(5_000) % 40)
    assert found.total == 0
    assert (found.clump, found.error) == (0, 1)


def test_all_names_are_known_with_their_counts() -> None:
    collected = NamesByWindow()
    for names in ([3, 3, 5], [5, 9]):
        collected.add(HASHES[names])
    known, counts = collected.known()
    assert dict(zip(known.tolist(), counts.tolist(), strict=True)) == {
        int(HASHES[3]): 2,
        int(HASHES[5]): 2,
        int(HASHES[9]): 1,
    }


@pytest.mark.parametrize("run", [1, 10])
@pytest.mark.parametrize("exponent", [1.0, 1.5])
def test_what_a_window_brings_is_what_the_reference_made_expect(exponent: float, run: int) -> None:
    """The exact test at 1e-2 and 1e-3, over many references: never more often than it says."""
    rng, shares = np.random.default_rng(1), zipf(2_000, exponent)
    exceedance, evaluations = np.zeros(2), 0
    for _ in range(40):
        codes = drawn(rng, shares, 5_000, run)
        found = of_codes(codes)
        overdispersion = by_length(found.hits[:, None], found.events[:, None], None, np.array([found.clump]))[0, 0]
        live = drawn(rng, shares, 10_000, run).reshape(-1, 250)
        hits = np.isin(live, codes, invert=True).sum(1).astype(np.float64)
        each = np.ones(len(hits))
        p = excess_tail(
            hits,
            250 * each,
            found.total * each,
            5_000 * each,
            overdispersion * each,
            max(overdispersion, found.error) * each,
        )
        exceedance += [(p < 1e-2).sum(), (p < 1e-3).sum()]
        evaluations += len(hits)
    assert exceedance[0] <= 2e-2 * evaluations
    assert exceedance[1] <= 5e-3 * evaluations
