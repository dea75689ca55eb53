"""A value whose share truly rose makes longer runs: once that is a finding, they are no stuck column."""

from __future__ import annotations

import numpy as np

from tests.engine import (
    EVENTS,
    NAMES,
    Credit,
    Event,
    MemorySource,
    credit_reference,
    replayed,
    settings,
    transitions_in,
)

CHANGE, EVENTS_OF_STREAM = 1_500, 4_000
#: the change and two base windows: before, little is known of the new share
KNOWN = CHANGE + 600


def rises(made: Event, rng: np.random.Generator) -> None:
    if rng.random() < 0.96:
        made["features"][NAMES[3]] = "none"


def sticks(made: Event, _rng: np.random.Generator) -> None:
    made["features"][NAMES[3]] = "none"


def causes_after(fault: object, known: int) -> set[str]:
    """Of the findings of transitions after so many predictions."""
    stream = list(Credit(EVENTS_OF_STREAM, seed=3, change=CHANGE, fault=fault))  # type: ignore[arg-type]
    lines, _ = replayed(settings(), credit_reference(), MemorySource({EVENTS: stream}))
    after = [one for one in transitions_in(lines) if one["predictions"] > known]
    return {found["cause"] for one in after for found in one["findings"]}


def test_a_share_that_rose_is_not_stuck_besides() -> None:
    assert causes_after(rises, CHANGE) >= {"distribution"}
    assert "constant" not in causes_after(rises, KNOWN)


def test_a_stuck_column_is_stuck() -> None:
    assert "constant" in causes_after(sticks, CHANGE)
