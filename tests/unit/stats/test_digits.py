"""Numbers in words: different numbers never read the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stats.digits import KEPT_DIGITS, all_rounded, before_and_after, number, rounded, told_apart

finite = st.floats(allow_nan=False, allow_infinity=False)
near = st.tuples(finite, st.integers(1, 5)).map(lambda pair: _next(*pair))


def _next(value: float, steps: int) -> float:
    for _ in range(steps):
        value = math.nextafter(value, math.inf if value < 0 else -math.inf)
    return value


@given(st.lists(finite | near, max_size=12), st.integers(1, 17))
def test_different_numbers_have_different_words_and_equal_ones_the_same(values: list[float], digits: int) -> None:
    words = told_apart(values, digits)
    for value, word in zip(values, words, strict=True):
        for other, its_word in zip(values, words, strict=True):
            assert (word == its_word) == (value == other)


@given(finite, st.integers(1, 15))
def test_a_number_reads_as_itself_to_its_digits(value: float, digits: int) -> None:
    assert float(number(value, digits)) == pytest.approx(value, rel=10.0 ** (1 - digits), abs=5e-324)


@given(finite, st.integers(1, 5))
def test_neighbouring_floats_are_distinguished(value: float, steps: int) -> None:
    other = _next(value, steps)
    assert (before_and_after(value, other).split(" -> ")[0] == before_and_after(value, other).split(" -> ")[1]) == (
        value == other
    )


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (0.483, -1.364e-08, "0.483 -> 0"),
        (45217.0, 45.6612345, "45217 -> 45.7"),
        (0.4829991234, 0.4830211234, "0.483 -> 0.48302"),
        (52.370004, 52.370012, "52.370004 -> 52.370012"),
        (0.0, 0.0, "0 -> 0"),
    ],
)
def test_of_two_numbers_what_is_nothing_beside_the_other_is_not_written_out(
    before: float, after: float, words: str
) -> None:
    assert before_and_after(before, after) == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([52.370004, 52.370012], ["52.370004", "52.370012"]),
        ([35.5, 38.2], ["35.5", "38.2"]),
        ([1_790_000_000_000.0, 1_790_000_100_000.0], ["1790000000000", "1790000100000"]),
        ([0.3, 0.30000000000000004], ["0.3", "0.30000000000000004"]),
        ([1e300, 0.0, -2.5e-9], ["1e+300", "0", "-2.5e-09"]),
        ([40.123456789], ["40.12"]),
        ([123456.7], ["123457"]),
    ],
)
def test_words_are_short_where_that_is_enough(values: list[float], words: list[str]) -> None:
    assert told_apart(values, 4) == words


def test_what_is_kept_is_within_half_a_unit_of_its_last_digit_and_stays_as_it_is() -> None:
    values = np.random.default_rng(1).lognormal(0, 30, (50, 4))
    kept = all_rounded(values)
    assert kept.shape == values.shape
    assert np.abs(kept / values - 1).max() <= 0.5 * 10.0 ** (1 - KEPT_DIGITS)
    assert np.array_equal(all_rounded(kept), kept)
    assert [rounded(value) for value in values.ravel().tolist()] == kept.ravel().tolist()
    assert rounded(123_456.789, 3) == 123_000
    assert np.isnan(rounded(np.nan))
