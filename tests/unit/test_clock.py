"""RFC 3339 times: exact, and never an error for an accepted event time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import FIRST_US, HOUR_US, LAST_US, parse_rfc3339, rfc3339
from monitor.decode.values import time_of
from monitor.kafka.clock_check import clock_is_wrong


@given(st.integers(FIRST_US, LAST_US))
def test_a_time_survives_being_written(us: int) -> None:
    assert parse_rfc3339(rfc3339(us)) == us


@pytest.mark.parametrize("us", [-(2**63), FIRST_US - 1, LAST_US + 1, 2**63])
def test_a_time_that_cannot_be_written_is_the_nearest_one_that_can(us: int) -> None:
    assert parse_rfc3339(rfc3339(us)) in (FIRST_US, LAST_US)


@pytest.mark.parametrize("ts", ["0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59Z", -99_999_999_999])
def test_an_event_of_such_a_time_is_refused(ts: object) -> None:
    with pytest.raises(ValueError, match="outside of the years 1 to 9999"):
        time_of(ts)


NOW_MS = 1_764_000_000_000
AHEAD, NOT_AHEAD = NOW_MS + HOUR_US // 1000 + 1, NOW_MS + HOUR_US // 1000


@pytest.mark.parametrize(
    ("times_ms", "wrong"),
    [
        ([], False),
        ([[]], False),
        ([[NOW_MS, -1]], False),
        ([[AHEAD]], True),
        ([[NOT_AHEAD] * 9], False),
        ([[AHEAD, NOT_AHEAD]], False),
        ([[AHEAD, AHEAD, NOT_AHEAD]], True),
        ([[AHEAD] * 5, [NOW_MS] * 5], False),
        ([[AHEAD] * 6, [NOW_MS] * 5], True),
        ([[AHEAD], [], [NOW_MS] * 2], False),
        ([[2**62] * 9], False),
        ([[2**62] * 9, [AHEAD] * 9], False),
    ],
)
def test_the_clock_is_wrong_where_most_records_are_more_than_an_hour_ahead(
    times_ms: list[list[int]], wrong: bool
) -> None:
    batches = (np.array(times, np.int64) for times in times_ms)
    assert clock_is_wrong(batches, NOW_MS * 1000) is wrong
