"""The windows of an outcome in a checkpoint: whole, small, and read from the layout of before."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.events import Partition
from monitor.judge.windows.outcome_windows import OutcomePyramid
from monitor.reference.outcome_part import ReferenceOutcome
from monitor.state import codec
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import OTHER, OutcomeTally, fixed_sums, place_of

NAME = "judge"
OUTCOME = ReferenceOutcome(NUMERIC, (), OutcomeTally(), 0, 0.0, 0, {})


def pyramid(cohorts: int, values: int = 100) -> OutcomePyramid:
    """One with cohorts of so many values, of which hardly two have the same place."""
    made, rng = OutcomePyramid(64, NAME, OUTCOME), np.random.default_rng(3)
    for at in range(cohorts):
        numbers = rng.lognormal(0, 9, values) * rng.choice((-1, 1), values)
        places, counts = np.unique(place_of(numbers), return_counts=True)
        (total,) = fixed_sums(np.zeros(values, np.int64), 1, numbers, np.ones(values, np.int64))
        tally = OutcomeTally(dict(zip(places.tolist(), counts.tolist(), strict=True)) | {OTHER: 1 + at}, total)
        made.add(at * 10, at * 10 + 10, LabelTally(outcomes={NAME: tally}), {Partition("labels", 0): (at, at)})
    return made


def restored(state: dict[str, Any]) -> OutcomePyramid:
    made = OutcomePyramid(64, NAME, OUTCOME)
    made.restore(codec.decode(codec.encode(state)))
    return made


def blocks(of: OutcomePyramid) -> list[Any]:
    return [(one.start_us, one.end_us, one.tally, one.records, one.moments.tolist(), one.rows) for one in held(of)]


def held(of: OutcomePyramid) -> list[Any]:
    return [*([] if of.open is None else [of.open]), *(block for level in of.levels for block in level)]


def values_of(tree: object) -> int:
    """Plain values of a tree: an array is one."""
    if isinstance(tree, dict):
        return sum(map(values_of, tree.values()))
    return sum(map(values_of, tree)) if isinstance(tree, list) else 1


def test_windows_come_back_from_their_state() -> None:
    for cohorts in (0, 1, 2, 20):
        made = pyramid(cohorts)
        assert blocks(restored(made.to_state())) == blocks(made)
        assert restored(made.to_state()).closed == made.closed


def test_states_of_before_have_the_numbers_in_the_tallies() -> None:
    made = pyramid(20)
    state = made.to_state()
    state["levels"] = [dict(level) for level in state["levels"]]
    of_state = [[made.open] if made.open is not None else [], *made.levels]
    for packed, level in zip(state["levels"], of_state, strict=True):
        del packed["numbers"]
        packed["tallies"] = [one.tally.to_state() for one in level]
    assert blocks(restored(state)) == blocks(made)


def test_what_a_state_holds_beside_arrays_does_not_grow_with_the_values() -> None:
    few, many = (pyramid(6, values) for values in (250, 2_500))
    assert sum(len(one.tally.outcomes[NAME].counts) for one in held(many)) > 3 * sum(
        len(one.tally.outcomes[NAME].counts) for one in held(few)
    )
    assert values_of(many.to_state()) == values_of(few.to_state())
