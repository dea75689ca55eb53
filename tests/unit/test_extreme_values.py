"""References of extreme numbers: they can be built, written, read, and judged by."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.reference.file.encoding import from_json, to_json
from monitor.stats.tallies.tally import CLIP_SD
from tests.engine import EVENTS, MemorySource, build, event, replayed, settings

ROWS = 2_000
LARGEST, SMALLEST = 1.797e308, 5e-324

Make = Callable[[int, np.random.Generator], dict[str, Any]]


def of_feature(value: float) -> Make:
    return lambda at, rng: {"features": {"A": value if at % 50 == 0 else rng.normal()}, "score": rng.random()}


def of_prediction(value: float) -> Make:
    return lambda at, rng: {"features": {"A": rng.normal()}, "prediction": value if at % 50 == 0 else rng.normal()}


def once(value: float) -> Make:
    return lambda at, rng: {"features": {"A": rng.normal()}, "prediction": value if at == 700 else rng.normal()}


def scaled(by: float) -> Make:
    return lambda _, rng: {"features": {"A": rng.normal() * by}, "prediction": rng.normal() * by}


CASES: dict[str, Make] = {
    **{f"a prediction of {value}": of_prediction(value) for value in (LARGEST, -LARGEST, 3.4e38, 1e154, SMALLEST)},
    **{f"one prediction of {value}": once(value) for value in (LARGEST, -LARGEST, 1e200)},
    **{f"a feature of {value}": of_feature(value) for value in (LARGEST, -LARGEST, SMALLEST)},
    **{f"everything by {by}": scaled(by) for by in (1e80, 1e160, 1e300, 1e-160, 1e-300, 1e-310, SMALLEST)},
    "both ends": lambda at, rng: {"features": {"A": rng.normal()}, "prediction": LARGEST * (-1) ** at},
    "a feature that is always missing": lambda _, rng: {"features": {"A": None, "B": rng.normal()}, "score": 0.5},
    "features that are not numbers": lambda _, rng: {"features": {"A": math.nan, "B": rng.normal()}, "score": 0.5},
    "a constant score": lambda _, rng: {"features": {"A": rng.normal()}, "score": 0.5},
    "a constant feature": lambda _, rng: {"features": {"A": 1}, "score": rng.random()},
    "scores that hardly differ": lambda at, rng: {"features": {"A": rng.normal()}, "score": 0.5 + (at % 2) * 1e-16},
    "scores of nearly zero": lambda at, rng: {"features": {"A": rng.normal()}, "score": SMALLEST * (at % 3)},
}


@pytest.mark.parametrize("name", CASES)
def test_a_reference_of_extreme_numbers_is_built_written_read_and_used(name: str) -> None:
    rng = np.random.default_rng(1)
    events = [event(at * 0.6, id=str(at), **CASES[name](at, rng)) for at in range(ROWS)]
    built = build(settings(), events)
    text = json.dumps({**to_json(built), "hash": built.hash}, allow_nan=False)
    assert to_json(from_json(json.loads(text))) == to_json(built)
    if built.effects is not None:
        assert built.effects.is_finite()
        assert np.abs(built.effects.means).max() <= 2 * CLIP_SD
    lines, _ = replayed(settings(), built, MemorySource({EVENTS: events}), windows=True)
    json.dumps(lines, allow_nan=False)
