"""Waves of a week without one of a day."""

from __future__ import annotations

import numpy as np

from monitor.clock import DAY_US
from tests.engine import START_US
from tests.simulated import Simulation, part_of, reference_of


def test_a_week_without_a_wave_by_day_is_judged_too() -> None:
    """An event a day: there is a weekly wave, and no day whose hours could move."""
    rng = np.random.default_rng(5)
    values = {"x": 3 * np.sin(2 * np.pi * np.arange(2_600) / 7) + rng.normal(0, 0.5, 2_600)}
    reference = reference_of(values, 2_000, gap_us=DAY_US)
    assert reference.seasons is not None
    assert not reference.seasons.columns[0].has_day
    simulation = Simulation(reference)
    judge = simulation.judge()
    judged = simulation.run_at(part_of(values, 2_000), START_US + DAY_US * np.arange(2_000, 2_600), judge)
    assert (judged.events, judged.pages) == (600, [])
    judge.restore(judge.to_state())
