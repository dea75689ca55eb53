"""The series of formats that were found, and of calls whose sides are records of their own."""

from __future__ import annotations

from monitor.publish.series import render
from monitor.publish.snapshot import Snapshot
from tests.snapshots import CALLS
from tests.unit.publish.test_series import read, values


def test_figures_come_out_as_they_went_in() -> None:
    samples = read(render(Snapshot(**CALLS)))
    assert values(samples, "driftd_input_format_info", topic="events", format="kserve") == [1]
    assert values(samples, "driftd_pairs_waiting", topic="calls") == [6]
    assert values(samples, "driftd_pairs_given_up_total", topic="events", side="request") == [2]


def test_where_no_input_has_sides_of_calls_nothing_is_said_of_them() -> None:
    assert not [name for name, _ in read(render(Snapshot())) if "pairs" in name or "input" in name]
