"""What unrest to expect of a window of any size, and how far it may be from the reference before that is news."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.clock import DAY_US, SECOND_US
from monitor.judge.causes.cause import Evaluation
from monitor.judge.causes.distribution import Distribution, Measured
from monitor.judge.policy import Policy
from monitor.judge.prepared_reference import DISTANCE_FACTOR, LEARNED_REACH, LENGTH_TOLERANCE, PreparedReference
from monitor.judge.windows import Windows, window_of
from monitor.reference.learn import MIN_WINDOWS, measure_variability
from monitor.reference.reference import Level, Reference
from monitor.settings.tree import Model
from monitor.stats.bins import QUALITY_COUNTS
from monitor.stats.block import Block
from monitor.stats.tally import Tally
from tests.engine import blank, categorical, numeric

ALPHA = 1e-6
WIDTH = 4


def reference(
    overdispersion: list[float], max_reference_distance: list[float], learned: int = 3, events: float = 250
) -> Reference:
    """A numeric and a categorical column; levels of 1, 2, 4, ... base windows, the first ones learned."""
    levels = tuple(Level(1 << k, events * (1 << k), 32 >> k, k < learned) for k in range(len(overdispersion)))
    made = blank([numeric("x"), categorical("c", "abcd")])
    counts = np.array([[2_500] * WIDTH + [0] * len(QUALITY_COUNTS)] * 2)
    quality_overdispersion = np.full((2, len(QUALITY_COUNTS), len(overdispersion)), np.nan)
    quality_overdispersion[0, 0] = 7.0
    variability = np.array([overdispersion] * 2), np.array([max_reference_distance] * 2)
    return replace(
        made,
        levels=levels,
        counts=counts,
        overdispersion=variability[0],
        max_reference_distance=variability[1],
        quality_overdispersion=quality_overdispersion,
        events=10_000,
    )


def window(counts: list[int]) -> Windows:
    tally = Tally.empty(2, WIDTH)
    tally.counts[:, :WIDTH] = counts
    tally.predictions = sum(counts)
    return window_of(1, (Block(0, 10, tally),))


@pytest.mark.parametrize(
    ("events", "expected"),
    [(1, 1.0), (250, 1.0), (250 * LENGTH_TOLERANCE, 1.0), (301, 2.0), (600, 2.0), (601, 3.0), (1_500, 3.0)],
)
def test_the_dispersion_is_that_of_the_shortest_length_that_holds_the_window(events: float, expected: float) -> None:
    base = PreparedReference.of(reference([1.0, 2.0, 3.0, 9.0], [0.1] * 4))
    assert base.overdispersion(int(events)).tolist() == [expected] * 2


def test_beyond_what_was_learned_dispersion_grows_with_each_doubling_as_it_did_before() -> None:
    base = PreparedReference.of(reference([1.0, 2.0, 3.0], [0.1] * 3))
    reach = int(LEARNED_REACH * 1_000)
    assert base.overdispersion(reach).tolist() == [3.0] * 2
    assert base.overdispersion(2_000) == pytest.approx([3.0 * 1.5] * 2)
    assert base.overdispersion(8_000) == pytest.approx([3.0 * 1.5**3] * 2)
    assert base.overdispersion(3_000)[0] == pytest.approx(3.0 * 1.5 ** np.log2(3))


def test_a_fact_that_the_reference_hardly_has_is_as_restless_as_its_column() -> None:
    base = PreparedReference.of(reference([2.0], [0.1], learned=1))
    assert base.quality_overdispersion(250)[0].tolist() == [7.0, 2.0, 2.0, 2.0, 2.0]
    assert base.quality_overdispersion(250)[1].tolist() == [2.0] * 5


def test_a_numeric_column_has_no_unseen_values_and_a_category_is_never_outside() -> None:
    base = PreparedReference.of(reference([1.0], [0.1]))
    assert base.tested_quality.tolist() == [[True, True, False, True, True], [True, True, True, False, True]]


@pytest.mark.parametrize(
    ("events", "expected"), [(100, 0.3), (250, 0.3), (417, 0.2), (500, 0.2), (1_000, 0.1), (1_500, 0.1), (1_501, None)]
)
def test_the_distance_allowed_is_that_of_the_longest_learned_length_the_window_has(
    events: int, expected: float | None
) -> None:
    base = PreparedReference.of(reference([1.0] * 4, [0.3, 0.2, 0.1, np.nan]))
    max_reference_distance = base.max_reference_distance(events)[0]
    assert np.isnan(max_reference_distance) if expected is None else max_reference_distance == expected


def test_the_longest_length_is_a_day_of_the_references_traffic_and_never_less_than_64() -> None:
    def longest(base_us: int) -> int:
        return PreparedReference.of(replace(reference([1.0], [0.1]), base_us=base_us)).longest()

    assert longest(150 * SECOND_US) == 512  # 576 base windows a day
    assert longest(DAY_US) == 64
    assert longest(0) == 64
    assert longest(1) == 2**14


def measured_in(base: PreparedReference, windows: Windows) -> Measured:
    policy = Policy(Model.model_validate({"name": "credit", "reference": "r.json"}))
    return Distribution(base, policy).measure(Evaluation(base, windows, ALPHA))


@pytest.mark.parametrize(("share", "exceedance"), [(1.1, False), (1.3, True)])
def test_a_sure_change_within_what_the_reference_itself_did_is_no_news(share: float, exceedance: bool) -> None:
    """The window's evidence is overwhelming; what decides is its distance beside the reference's own largest."""
    moved = [3_250, 2_750, 2_250, 1_750]
    distance = (3_250 + 2_750 - 5_000) / 10_000
    base = PreparedReference.of(reference([1.0], [distance / share], events=10_000, learned=1))
    measured = measured_in(base, window(moved))
    assert measured.cumulative[0, 0] == pytest.approx(distance)
    assert (measured.exceedance[0, 0] > 1) == exceedance
    assert measured.exceedance[0, 0] == pytest.approx(share / DISTANCE_FACTOR)


def test_a_change_beyond_every_distance_without_evidence_is_no_news_either() -> None:
    base = PreparedReference.of(reference([1.0], [0.001], learned=1))
    measured = measured_in(base, window([65, 65, 60, 60]))
    assert measured.cumulative[0, 0] > 10 * 0.001
    assert measured.exceedance[0, 0] < 1


def test_where_no_distance_was_learned_the_evidence_alone_decides() -> None:
    base = PreparedReference.of(reference([1.0], [np.nan], learned=0))
    assert measured_in(base, window([400, 250, 200, 150])).exceedance.min() > 1
    assert measured_in(base, window([250, 250, 250, 250])).exceedance.max() < 1


# what a reference learns of its own windows


def stack_of(rng: np.random.Generator, windows: int, columns: int, clusters_of: int) -> np.ndarray:
    shares = [0.4, 0.3, 0.2, 0.1]
    bins = rng.multinomial(1_000 // clusters_of, shares, (windows, columns)) * clusters_of
    return np.concatenate([bins, np.zeros((windows, columns, len(QUALITY_COUNTS)), np.int64)], axis=2)


@pytest.mark.parametrize("windows", [MIN_WINDOWS, 40])
def test_few_windows_are_not_taken_for_calm_because_they_are_part_of_the_whole(windows: int) -> None:
    stack = stack_of(np.random.default_rng(3), windows, 400, 10)
    levels = [Level(1, 1_000.0, windows, True)]
    overdispersion, _, _ = measure_variability(stack, stack.sum(0), levels, np.ones(400, np.bool_), WIDTH)
    assert overdispersion.mean() == pytest.approx(10, rel=0.04)


def test_too_few_windows_say_nothing_about_dispersion() -> None:
    stack = stack_of(np.random.default_rng(3), MIN_WINDOWS - 1, 5, 10)
    levels = [Level(1, 1_000.0, MIN_WINDOWS - 1, True)]
    overdispersion, quality_counts, _ = measure_variability(stack, stack.sum(0), levels, np.ones(5, np.bool_), WIDTH)
    assert overdispersion.tolist() == [[1.0]] * 5
    assert np.isnan(quality_counts).all()


def test_the_largest_distance_is_that_of_any_window_from_the_rest() -> None:
    rng = np.random.default_rng(5)
    stack = stack_of(rng, 20, 2, 1)
    ordered = np.array([True, False])
    levels = [Level(1, 1_000.0, 20, True), Level(4, 4_000.0, 5, True), Level(16, 16_000.0, 1, False)]
    _, _, max_reference_distance = measure_variability(stack, stack.sum(0), levels, ordered, WIDTH)
    for at, length in enumerate((1, 4)):
        for column in (0, 1):
            distances = []
            for start in range(20 - length + 1):
                inside = stack[start : start + length, column, :WIDTH].sum(0)
                rest = stack[:, column, :WIDTH].sum(0) - inside
                moved = inside / inside.sum() - rest / rest.sum()
                distances.append(max(np.abs(moved).max(), np.abs(np.cumsum(moved)).max() if ordered[column] else 0))
            assert max_reference_distance[column, at] == pytest.approx(max(distances))
    assert np.isnan(max_reference_distance[:, 2]).all()
