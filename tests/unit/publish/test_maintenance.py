"""Series of silences and excluded times."""

from __future__ import annotations

import pytest

from monitor.publish.series import render
from monitor.publish.snapshot import ModelView, Snapshot
from tests.engine import CREDIT


@pytest.mark.parametrize(("silence", "shown"), [(None, 0), ((1_800_000_060_000_000, "a release"), 1)])
def test_a_silence_and_the_events_of_excluded_times_since_the_start_are_shown(
    silence: tuple[int, str] | None, shown: int
) -> None:
    watched = ModelView(CREDIT, excluded=12, excluded_before=2, silence=silence)
    lines = render(Snapshot(restored=True, models=(watched,))).decode().splitlines()
    assert 'driftd_excluded_events_total{model="credit",version="1"} 10.0' in lines
    assert f'driftd_silenced{{model="credit",version="1"}} {shown}.0' in lines
