"""Base windows with a hit are those that looking at each of them finds, at every length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.judge.causes.cause import Evaluation
from monitor.judge.causes.quality import Quality
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import BLOCKS, WindowPyramid
from monitor.settings.model import Model
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally
from monitor.stats.variance.quality_dispersion import windows_tail
from tests.engine import blank, categorical, numeric

REFERENCE_WINDOWS = 40
WITH_HIT = np.array([[3, 0, 0, 25, 1], [0, 2, 6, 0, 0]])


def prepared() -> PreparedReference:
    made = blank([numeric("x"), categorical("c", "abc")])
    counts = np.zeros_like(made.counts)
    counts[:, 0] = 10_000
    variability = replace(made.variability, quality_windows=WITH_HIT)
    return PreparedReference.of(replace(made, counts=counts, variability=variability, base_windows=REFERENCE_WINDOWS))


def base_window(at: int, prepared: PreparedReference, rng: np.random.Generator) -> Block:
    tally = Tally.empty(2, prepared.width)
    tally.counts[:, 0] = 250
    hits = (rng.random((2, len(QUALITY_COUNTS))) < 0.1) * rng.integers(1, 9, (2, len(QUALITY_COUNTS)))
    tally.counts[:, prepared.width :] = hits * prepared.tested_quality
    tally.predictions = 250
    return Block(10 * at, 10 * at + 10, tally)


@pytest.mark.parametrize("closed", [1, 2, 7, BLOCKS, 100, 4 * BLOCKS])
def test_base_windows_with_a_hit_are_counted_at_every_length_up_to_the_blocks_that_are_kept(closed: int) -> None:
    base, rng, pyramid = prepared(), np.random.default_rng(closed), WindowPyramid(4 * BLOCKS)
    cause = Quality(base, Policy(Model.model_validate({"name": "credit", "reference": "r.json"})))
    for at in range(closed):
        windows = pyramid.add(base_window(at, base, rng))
    found = cause.measure(Evaluation(base, windows, 1e-6)).in_windows
    asked = 0
    for w, (length, parts) in enumerate(zip(windows.lengths, windows.parts, strict=True)):
        for column, slot in zip(*np.nonzero(base.tested_quality), strict=True):
            hits = [bool(part.tally.counts[column, base.width + slot]) for part in parts]
            expected = 1.0
            if 2 <= length <= BLOCKS and any(hits):
                arguments = (sum(hits), length, WITH_HIT[column, slot], REFERENCE_WINDOWS)
                expected = float(windows_tail(*(np.array([float(one)]) for one in arguments))[0])
                asked += 1
            assert found[w, column, slot] == expected
    assert asked or closed == 1
