"""The drawings, numbers and times of the status page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import FIRST_US, LAST_US, SECOND_US, parse_rfc3339
from monitor.publish.status.drawing import HEIGHT, WIDTH, drawing
from monitor.publish.status.html import ago, moment
from monitor.settings.duration import in_words
from monitor.text import expected, number, percent, probability
from tests.snapshots import NOW_US

# the drawing


heights = st.lists(st.integers(0, 10**12), max_size=200)


@given(heights, heights)
def test_a_drawing_has_one_path_for_each_series_with_counts_and_stays_in_its_frame(
    reference: list[int], live: list[int]
) -> None:
    paths = re.findall(r' d="([^"]*)"', drawing(reference, live))
    assert len(paths) == (sum(reference) > 0) + (sum(live) > 0)
    for path in paths:
        x, y, seen = 0, 0, []
        for command, value in re.findall(r"([Mhv])(?:0 )?(-?\d+)", path.split("V")[0]):
            x, y = (x + int(value), y) if command == "h" else (x, int(value) if command == "M" else y + int(value))
            seen.append(y)
        assert 0 < x <= WIDTH
        assert 0 <= min(seen) <= max(seen) <= HEIGHT


def test_a_drawing_is_to_scale_and_shows_what_is_small() -> None:
    svg = drawing([50, 50], [100, 0])
    assert f'd="M0 {HEIGHT // 2}h45h45V{HEIGHT}H0z"' in svg
    assert f'd="M0 0h45v{HEIGHT}h45"' in svg
    assert f'd="M0 0h45v{HEIGHT - 1}h45"' in drawing([], [10_000, 1])


# numbers and times in words


@given(st.integers(FIRST_US, LAST_US))
def test_a_time_is_the_same_for_people_and_machines(us: int) -> None:
    stamp = re.search(r'datetime="([^"]*)">(.*) UTC<', moment(us, seconds=True))
    assert stamp is not None
    assert parse_rfc3339(stamp[1]) == us - us % SECOND_US
    assert stamp[2] == stamp[1][:10] + " " + stamp[1][11:19]


@given(st.floats(0, 1))
def test_a_percentage_is_0_or_100_only_if_it_is_exactly_that(value: float) -> None:
    assert (percent(value) == "0 %") == (value == 0)
    assert (percent(value) == "100 %") == (value == 1)


def test_words_for_numbers() -> None:
    assert [number(v) for v in (0.1234, 12.34, 31_900.4, 2e7, float("inf"), float("nan"))] == [
        "0.123", "12.3", "31,900", "2e+07", "inf", "not known",
    ]  # fmt: skip
    assert [probability(p) for p in (0.0, 0.031, float("nan"))] == ["p < 1e-300", "p = 0.031", "p not known"]
    assert [in_words(s * SECOND_US) for s in (0, 59, 60, 3_661, 90_061, 86_400)] == [
        "0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h", "1 d",
    ]  # fmt: skip
    assert ago(NOW_US + 5 * SECOND_US, NOW_US) == "5 s ahead of this clock"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0.0, "none"), (0.000416, "fewer than 0.01"), (0.2134, "0.21"), (2.345, "2.3"), (1234.5, "1,234")],
)
def test_what_is_to_be_expected_has_no_more_digits_than_it_is_sure_of(count: float, words: str) -> None:
    assert expected(count) == words
