"""The overdispersion to expect of a window of any size, and the distance from the reference that it may have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.clock import DAY_US, SECOND_US
from monitor.findings import Span
from monitor.judge.causes.cause import Evaluation
from monitor.judge.causes.distribution import Distribution
from monitor.judge.comparison.lazy_comparison import Measured
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import DISTANCE_FACTOR, LEARNED_REACH, LENGTH_TOLERANCE, PreparedReference
from monitor.judge.windows.pyramid import Windows, window_of
from monitor.reference.column import Column
from monitor.reference.learn.reference import MIN_WINDOWS, measure_variability
from monitor.reference.reference import Reference
from monitor.reference.variability import Level, ReferenceVariability
from monitor.settings.model import Model
from monitor.stats.bins.reference_bins import QUALITY_COUNTS, UNSEEN
from monitor.stats.bins.unseen import LeftOut
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally, merged
from monitor.stats.variance.long_run import DEPENDENT, LongRun
from tests.engine import blank, categorical, numeric

ALPHA = 1e-6
WIDTH = 4
COLUMNS = (numeric("x"), categorical("c", "abcd"))
ABSENT, MISSING = QUALITY_COUNTS.index("absent"), QUALITY_COUNTS.index("missing")


def reference(
    overdispersion: list[float], max_reference_distance: list[float], learned: int = 3, events: float = 250
) -> Reference:
    """A numeric and a categorical column; levels of 1, 2, 4, ... base windows, the first ones learned.

    Their rows are not found independent, though they vary no more: else no largest distance would be asked for.
    """
    levels = tuple(Level(1 << k, events * (1 << k), 32 >> k, k < learned) for k in range(len(overdispersion)))
    made = blank(COLUMNS)
    counts = np.array([[2_500] * WIDTH + [0] * len(QUALITY_COUNTS)] * 2)
    quality = np.ones((2, len(QUALITY_COUNTS), len(overdispersion)))
    quality[0, MISSING] = [7.0 * value for value in overdispersion]
    variability = replace(
        made.variability,
        long_runs=tuple(replace(LongRun.independent(c.directions().count), reason=DEPENDENT) for c in COLUMNS),
        overdispersion=np.array([overdispersion] * 2),
        quality_overdispersion=quality,
        max_reference_distance=np.array([max_reference_distance] * 2),
    )
    return replace(made, levels=levels, counts=counts, variability=variability, events=10_000)


def window(counts: list[int]) -> Windows:
    tally = Tally.empty(2, WIDTH)
    tally.counts[:, :WIDTH] = counts
    tally.predictions = sum(counts)
    return window_of(1, (Block(0, 10, tally),))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (1, 1.0),
        (250, 1.0),
        (250 * LENGTH_TOLERANCE, 1.0),
        (301, 2.0),
        (600, 2.0),
        (601, 3.0),
        (1_200, 3.0),
        (1_201, 9.0),
    ],
)
def test_the_dispersion_is_that_of_the_shortest_length_that_holds_the_window(events: float, expected: float) -> None:
    base = PreparedReference.of(reference([1.0, 2.0, 3.0, 9.0], [0.1] * 4))
    assert base.overdispersion(int(events)).tolist() == [expected] * 2


def test_beyond_what_was_learned_dispersion_is_that_of_the_longest_level() -> None:
    base = PreparedReference.of(reference([1.0, 2.0, 3.0], [0.1] * 3))
    for events in (int(LEARNED_REACH * 1_000), 2_000, 3_000, 80_000):
        assert base.overdispersion(events).tolist() == [3.0] * 2


def test_each_quality_count_has_its_own_dispersion_by_length() -> None:
    base = PreparedReference.of(reference([1.0, 2.0], [0.1] * 2))
    for events, level in ((250, 1.0), (600, 2.0), (90_000, 2.0)):
        assert base.quality_overdispersion(events)[0].tolist() == [7.0 * level, 1.0, 1.0, 1.0, 1.0]
        assert base.quality_overdispersion(events)[1].tolist() == [1.0] * 5


def test_never_seen_values_to_expect_are_those_that_were_left_out() -> None:
    made = reference([1.0], [0.1])
    base = PreparedReference.of(replace(made, variability=replace(made.variability, unseen_expected=np.array([0, 40]))))
    assert base.quality_counts[:, UNSEEN].tolist() == [0, 40]
    assert base.events.tolist() == [10_000, 10_000]
    assert base.quality_shares[1, UNSEEN] == 40 / 10_000


def test_a_value_in_a_bucket_is_one_value_however_new_it_is() -> None:
    """`unseen` is a mark next to the bucket; where there are no buckets it is all that is counted."""
    made = blank([categorical("closed", "ab"), categorical("pooled", "ab", others=("x",))])
    base = PreparedReference.of(made)
    counts = np.zeros((2, made.width + len(QUALITY_COUNTS)), np.int64)
    counts[:, :2] = [[30, 20], [25, 15]]
    counts[1, 2] = 10
    counts[:, made.width + UNSEEN], counts[:, made.width + ABSENT] = 10, 7
    assert base.values(counts).tolist() == [60, 50]
    assert base.carried(counts).tolist() == [67, 57]


@pytest.mark.parametrize(
    ("seconds", "events", "rate"), [(150, 250, 1.0), (75, 250, 2.0), (300, 250, 0.5), (0, 250, 1.0)]
)
def test_the_rate_is_how_many_times_faster_events_came_than_in_the_reference(
    seconds: int, events: int, rate: float
) -> None:
    made = replace(reference([1.0], [0.1]), base_us=150 * SECOND_US)
    span = Span(0, seconds * SECOND_US, events)
    assert PreparedReference.of(made).rate(span) == pytest.approx(rate)
    assert PreparedReference.of(replace(made, base_us=0)).rate(span) == 1.0


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
def test_a_sure_change_within_what_the_reference_itself_did_is_not_reported(share: float, exceedance: bool) -> None:
    """The window's evidence is overwhelming; what decides is its distance next to the reference's own largest."""
    moved = [3_250, 2_750, 2_250, 1_750]
    distance = (3_250 + 2_750 - 5_000) / 10_000
    base = PreparedReference.of(reference([1.0], [distance / share], events=10_000, learned=1))
    measured = measured_in(base, window(moved))
    assert measured.sides[0].distance[0, 0] == pytest.approx(distance)
    assert (measured.exceedance[0, 0] > 1) == exceedance
    assert measured.exceedance[0, 0] == pytest.approx(share / DISTANCE_FACTOR)


def test_a_change_beyond_every_distance_without_evidence_is_not_reported_either() -> None:
    base = PreparedReference.of(reference([1.0], [0.001], learned=1))
    measured = measured_in(base, window([65, 65, 60, 60]))
    assert measured.sides[0].distance[0, 0] > 10 * 0.001
    assert measured.exceedance[0, 0] < 1


def test_where_no_distance_was_learned_the_evidence_alone_decides() -> None:
    base = PreparedReference.of(reference([1.0], [np.nan], learned=0))
    assert measured_in(base, window([400, 250, 200, 150])).exceedance.min() > 1
    assert measured_in(base, window([250, 250, 250, 250])).exceedance.max() < 1


def test_an_independent_column_of_many_rows_is_not_held_to_the_largest_distance() -> None:
    made = reference([1.0], [0.9], events=10_000, learned=1)
    runs = tuple(LongRun.independent(c.directions().count) for c in COLUMNS)
    free = replace(made, variability=replace(made.variability, long_runs=runs))
    moved = window([3_250, 2_750, 2_250, 1_750])
    assert measured_in(PreparedReference.of(made), moved).exceedance.max() < 1
    assert measured_in(PreparedReference.of(free), moved).exceedance.min() > 1


# what a reference learns of its own windows

Stack = NDArray[np.int64]


def stack_of(rng: np.random.Generator, windows: int, columns: int, clusters_of: int) -> Stack:
    shares = [0.4, 0.3, 0.2, 0.1]
    bins = rng.multinomial(1_000 // clusters_of, shares, (windows, columns)) * clusters_of
    return np.concatenate([bins, np.zeros((windows, columns, len(QUALITY_COUNTS)), np.int64)], axis=2)


def learned_from(
    stack: Stack, columns: list[Column], left_out: dict[int, LeftOut] | None = None
) -> ReferenceVariability:
    blocks = []
    for at, counts in enumerate(stack):
        tally = Tally.empty(len(columns), WIDTH)
        tally.counts[:] = counts
        tally.predictions = int(counts[0].sum())
        blocks.append(Block(10 * at, 10 * at + 10, tally))
    runs = tuple(LongRun.independent(column.directions().count) for column in columns)
    return measure_variability(columns, blocks, merged([block.tally for block in blocks]), runs, left_out or {})


NUMBERS = [numeric(f"x{at}") for at in range(400)]


@pytest.mark.parametrize("windows", [MIN_WINDOWS, 40])
def test_few_windows_are_not_taken_for_calm_because_they_are_part_of_the_whole(windows: int) -> None:
    stack = stack_of(np.random.default_rng(3), windows, 400, 10)
    assert learned_from(stack, NUMBERS).overdispersion[:, 0].mean() == pytest.approx(10, rel=0.04)


def test_too_few_windows_say_nothing_about_dispersion() -> None:
    found = learned_from(stack_of(np.random.default_rng(3), MIN_WINDOWS - 1, 5, 10), NUMBERS[:5])
    assert found.overdispersion.tolist() == [[1.0] * 3] * 5


def test_the_clumping_of_most_columns_is_that_of_quality_counts_that_never_occurred() -> None:
    found = learned_from(stack_of(np.random.default_rng(4), 40, 5, 5), NUMBERS[:5])
    assert found.clump == pytest.approx(5, rel=0.2)
    assert (found.quality_overdispersion == found.clump).all()
    assert not found.quality_windows.any()


def test_base_windows_with_a_quality_count_are_counted_whatever_its_size() -> None:
    stack = stack_of(np.random.default_rng(4), 40, 2, 1)
    stack[[3, 17, 30], 1, WIDTH + MISSING] = [1, 90, 2]
    found = learned_from(stack, NUMBERS[:2])
    assert found.quality_windows[1, MISSING] == 3
    assert found.quality_windows.sum() == 3
    assert found.quality_overdispersion[1, MISSING, 0] > 50  # nearly all came at once


def test_never_seen_values_are_those_of_windows_left_out() -> None:
    stack = stack_of(np.random.default_rng(4), 40, 2, 1)
    hits = np.zeros(40, np.int64)
    hits[[5, 6]] = [3, 4]
    left_out = LeftOut(hits, np.full(40, 1_000), clump=2.5, error=1.7)
    found = learned_from(stack, [numeric("x"), categorical("c", "abcd")], {1: left_out})
    assert found.unseen_expected.tolist() == [0, 7]
    assert found.unseen_error.tolist() == [1.0, 1.7]
    assert found.quality_windows[:, UNSEEN].tolist() == [0, 2]
    assert (found.quality_overdispersion[1, UNSEEN] >= 2.5).all()


def test_the_largest_distance_is_that_of_any_window_from_the_rest_in_any_direction() -> None:
    stack = stack_of(np.random.default_rng(5), 20, 2, 1)
    found = learned_from(stack, [numeric("x"), categorical("c", "abcd")]).max_reference_distance
    assert found.shape == (2, 5)
    for at, length in enumerate((1, 2, 4)):
        for column, ordered in enumerate((True, False)):
            distances = []
            for start in range(20 - length + 1):
                inside = stack[start : start + length, column, :WIDTH].sum(0)
                rest = stack[:, column, :WIDTH].sum(0) - inside
                moved = inside / inside.sum() - rest / rest.sum()
                outer = abs(moved[0] + moved[-1])
                distances.append(max(np.abs(moved).max(), *(np.append(np.abs(np.cumsum(moved)), outer) * ordered)))
            assert found[column, at] == pytest.approx(max(distances), abs=1e-6)
    assert np.isnan(found[:, 3:]).all()  # two windows side by side, and one
