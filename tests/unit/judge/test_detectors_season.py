"""Detectors on a column with a daily wave: a usual day is no change to them, and a shift of it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.clock import DAY_US
from monitor.findings import Finding
from monitor.judge.causes.detectors import Detectors
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.season import SeasonClock
from monitor.settings.model import Model
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from tests.engine import START_US
from tests.simulated import Simulation
from tests.unit.judge.test_season import PANE_US, columns_of, pieces, times_of, usual

DAYS = 4


def alarms(level: float, *, with_wave: bool) -> list[str]:
    """Details of what Page-Hinkley finds in some days of the wave, moved by so much in their second half."""
    reference = usual()
    known = reference if with_wave else replace(reference, seasons=None)
    assert reference.seasons is not None
    model = Model.model_validate(
        {"name": "credit", "reference": "r.json", "detectors": [{"kind": "page_hinkley", "on": "amount"}]}
    )
    cause, clock = Detectors(PreparedReference.of(known), Policy(model)), SeasonClock(reference.seasons)
    times = times_of(DAYS, START_US + 10 * DAY_US)
    live = columns_of(times, 5)
    live["amount"][len(times) // 2 :] += level
    found: list[Finding] = []
    for pane in Simulation(reference, pane_us=PANE_US).panes(live, pieces(times)):
        timed = clock.timed(pane)
        found += cause.follow(Block(timed.start_us, timed.end_us, timed.tally), LabelTally())
    return [one.detail for one in found]


def test_a_usual_wave_is_no_change() -> None:
    assert alarms(0.0, with_wave=True) == []
    assert alarms(0.0, with_wave=False), "without its wave each day is one"


@pytest.mark.parametrize("level", [-1.0, 1.0])
def test_a_shift_of_the_wave_is_found_and_said(level: float) -> None:
    first = alarms(level, with_wave=True)[0]
    assert "the mean of amount, less its usual wave, " + ("rose" if level > 0 else "fell") in first
