"""The promise in small: traffic that depends on itself does not page, and what really changes does, in time.

`make quality` measures the same over months. A test that knows nothing of dependence pages several times in each of
these streams of AR(1).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from monitor.reference.column import DRIFT_WIDTHS
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import NUMERIC
from tests.benchmarks.planted import PLANTED, USUAL
from tests.simulated import PANE_US, Simulation, part_of, reference_of
from tests.traffic import Floats
from tests.traffic_kinds import KINDS, Values

ROWS = 2_000
LIVE = 12_000
BEFORE = 1_000
BY_NAME = {kind.name: kind for kind in KINDS}
DEPENDENT = ("AR 0.9", "AR 0.99", "batches by client", "blocks of 700", "day of 0.3 sd")


@cache
def material(name: str) -> tuple[dict[str, Values], Reference]:
    columns = BY_NAME[name].columns((5,), ROWS + LIVE, ROWS)
    return part_of(columns, ROWS), reference_of(columns, ROWS)


@pytest.mark.parametrize("name", DEPENDENT)
def test_what_only_depends_on_itself_does_not_page(name: str) -> None:
    live, reference = material(name)
    judged = Simulation(reference).run(live, 1)
    assert judged.events == LIVE
    assert judged.pages == []
    assert judged.paged_events == 0


@pytest.mark.parametrize("name", DEPENDENT)
def test_a_column_that_vanishes_pages_within_a_hundred_events(name: str) -> None:
    live, reference = material(name)
    for column in reference.columns:
        values = live[column.name][: BEFORE + 500].astype(object)
        values[BEFORE:] = None
        judged = Simulation(reference).run({**part_of(live, 0, BEFORE + 500), column.name: values}, 1, to_page=True)
        ((at, subject, cause, _),) = judged.pages
        assert (subject, cause) == (column.name, "missing")
        assert BEFORE < at <= BEFORE + 100


@pytest.mark.parametrize("name", [*DEPENDENT, "rising"])
def test_a_column_that_is_far_outside_its_range_pages_within_a_hundred_events(name: str) -> None:
    """A hundred times as far out as it ever was; near its range it would wander by itself."""
    live, reference = material(name)
    numbers = [one for one in reference.columns if one.bins.kind == NUMERIC]
    assert numbers
    for column in numbers:
        assert "outside" not in dict(column.ticket_only), "not at any distance"
        values = live[column.name][: BEFORE + 500].copy()
        values[BEFORE:] += 100 * (column.bins.high - column.bins.low)
        judged = Simulation(reference).run({**part_of(live, 0, BEFORE + 500), column.name: values}, 1, to_page=True)
        ((at, subject, cause, _),) = judged.pages
        assert (subject, cause) == (column.name, "outside")
        assert BEFORE < at <= BEFORE + 100


@pytest.mark.parametrize("rise", [0.5, 1.0, -2.0])
def test_a_column_that_goes_on_rising_as_in_its_reference_is_at_most_a_ticket_and_one_that_turns_pages(
    rise: float,
) -> None:
    """Over twenty references more it gets far beyond its range, on that side only; its distribution may page."""
    rng = np.random.default_rng(8)
    columns: dict[str, Values] = {"x": rng.standard_normal(ROWS * 21) + rise * np.arange(ROWS * 21) / ROWS}
    reference, live = reference_of(columns, ROWS), part_of(columns, ROWS)
    column = reference.columns[0]
    assert dict(column.ticket_only).keys() == {"outside_above" if rise > 0 else "outside_below"}
    judged = Simulation(reference, pane_us=6 * PANE_US).run(live, 1)
    assert [page for page in judged.pages if page[2] != "distribution"] == []
    assert abs(float(live["x"][-1])) > abs(column.bins.high if rise > 0 else column.bins.low)
    turned = live["x"][: BEFORE + 500].copy()
    beyond = rng.uniform(0.1, 0.5, 500)  # not one value, which would be stuck
    turned[BEFORE:] = column.bins.low - beyond if rise > 0 else column.bins.high + beyond
    ((at, subject, cause, _),) = Simulation(reference).run({"x": turned}, 1, to_page=True).pages
    assert (subject, cause) == ("x", "outside")
    assert BEFORE < at <= BEFORE + 100


@pytest.mark.parametrize("rise", [6.0, -6.0])
def test_a_column_may_drift_out_of_sight_of_its_range_and_a_jump_of_two_widths_pages_there_too(rise: float) -> None:
    rng, lengths = np.random.default_rng(8), 26
    rows = ROWS * (1 + lengths)
    columns: dict[str, Values] = {"x": rng.standard_normal(rows) + rise * np.arange(rows) / ROWS}
    reference, live = reference_of(columns, ROWS), part_of(columns, ROWS)["x"]
    bins = reference.columns[0].bins
    wide = bins.high - bins.low
    assert abs(float(live[-1])) > (DRIFT_WIDTHS + 2) * wide
    jumped = np.concatenate([live, live[-500:] + np.sign(rise) * 2 * wide])
    judged = Simulation(reference, pane_us=PANE_US).run({"x": jumped}, 1)
    ((at, subject, cause, _),) = [page for page in judged.pages if page[2] != "distribution"]
    assert (subject, cause) == ("x", "outside")
    assert len(live) < at <= len(live) + 100


def test_a_column_of_batches_that_is_stuck_is_a_ticket_first_and_a_page_in_the_end() -> None:
    """Any of its batches may last long; ten times the longest one does not."""
    columns = BY_NAME["batches by client"].columns((7,), ROWS + LIVE, ROWS)
    live, reference = part_of(columns, ROWS), reference_of(columns, ROWS)
    live["x0"][BEFORE:] = live["x0"][BEFORE]
    judged = Simulation(reference).run(live, 1, to_page=True)
    ((at, subject, cause, _),) = judged.pages
    assert (subject, cause) == ("x0", "constant")
    assert BEFORE < at <= BEFORE + 20 * reference.variability.equal_runs[0].longest


@pytest.mark.parametrize("zeros", [0.9, 0.95, 0.98])
def test_a_sentinel_just_outside_the_range_of_a_mostly_zero_column_pages_within_a_hundred_events(zeros: float) -> None:
    """Its zeros come in long runs, and independent values explain them."""
    rng = np.random.default_rng(3)
    values = np.where(rng.random(ROWS + BEFORE + 500) < zeros, 0.0, rng.exponential(3, ROWS + BEFORE + 500))
    reference = reference_of({"x": values}, ROWS)
    live, bins = values[ROWS:], reference.columns[0].bins
    live[BEFORE:] = bins.low - 0.3 * (bins.high - bins.low)
    ((at, subject, cause, _),) = Simulation(reference).run({"x": live}, 1, to_page=True).pages
    assert (subject, cause) == ("x", "outside")
    assert BEFORE < at <= BEFORE + 100


def normal(rng: np.random.Generator, rows: int) -> Floats:
    return rng.standard_normal(rows)


def with_an_outage(rng: np.random.Generator, rows: int) -> Floats:
    values = rng.standard_normal(rows)
    values[ROWS // 2 : ROWS // 2 + 60] = values[ROWS // 2]
    return values


def zero_by_night(rng: np.random.Generator, rows: int) -> Floats:
    """Three nights in a reference; it is day when the column gets stuck."""
    return np.where(np.arange(rows) % 667 < 267, 0.0, rng.normal(5, 1, rows))


@pytest.mark.parametrize("usual", [normal, with_an_outage, zero_by_night])
def test_one_outage_in_the_reference_and_zeros_by_night_excuse_no_stuck_column(
    usual: Callable[[np.random.Generator, int], Floats],
) -> None:
    values = usual(np.random.default_rng(4), ROWS + BEFORE + 500)
    reference, live = reference_of({"x": values}, ROWS), values[ROWS:]
    live[BEFORE:] = live[BEFORE]
    assert live[BEFORE] != 0
    ((at, subject, cause, _),) = Simulation(reference).run({"x": live}, 1, to_page=True).pages
    assert (subject, cause) == ("x", "constant")
    assert BEFORE < at <= BEFORE + 100


def test_nights_of_zeros_as_long_as_those_of_the_reference_do_not_page() -> None:
    values = zero_by_night(np.random.default_rng(4), ROWS + LIVE)
    judged = Simulation(reference_of({"x": values}, ROWS)).run({"x": values[ROWS:]}, 1)
    assert [page for page in judged.pages if page[2] == "constant"] == []


@pytest.mark.parametrize("change", ["N +0.5 sd", "N +1 sd", "four categories, 10 points", "half of 200 names gone"])
def test_an_independent_column_that_changes_pages(change: str) -> None:
    name, after = PLANTED[change]
    rng = np.random.default_rng(9)
    reference = reference_of({name: USUAL[name](rng, 10_000)}, 10_000)
    live = {name: np.concatenate([USUAL[name](rng, BEFORE), after(rng, 4_000)])}
    judged = Simulation(reference).run(live, 1, to_page=True)
    ((at, subject, cause, _),) = judged.pages
    assert (subject, cause) == (name, "distribution")
    assert BEFORE < at <= BEFORE + 2_500, "twice the usual delay and more"


def test_a_shuffled_reference_is_noticed_instead_of_paging() -> None:
    rng = np.random.default_rng(3)
    columns = BY_NAME["AR 0.9"].columns((6,), ROWS + LIVE, ROWS)
    shuffled = {name: rng.permutation(values[:ROWS]) for name, values in columns.items()}
    judged = Simulation(reference_of(shuffled, ROWS)).run(part_of(columns, ROWS), 1)
    assert [page for page in judged.pages if page[2] == "distribution"] == []
    assert judged.tickets > 0, "the windows differ more than those of a shuffled reference, and that is said"


def levels_of_700(rng: np.random.Generator, rows: int) -> Floats:
    """Each 700 rows have a level of their own."""
    return np.repeat(rng.normal(0, 1.2, -(-rows // 700)), 700)[:rows] + rng.standard_normal(rows)


def test_a_reference_that_hides_how_much_levels_vary_pages_for_no_excursion_but_for_another_unit() -> None:
    """Its rows are alike by chance, so its range is too narrow; live windows show it: excursions are tickets then."""
    rng = np.random.default_rng(8)
    reference = reference_of({"x": rng.standard_normal(ROWS)}, ROWS)
    simulation, live = Simulation(reference), levels_of_700(rng, 60_000)
    judge = simulation.judge()
    simulation.run({"x": live[:20_000]}, 1, judge)
    pages, tickets = judge.book.pages, judge.book.tickets
    judged = simulation.run({"x": live[20_000:]}, 2, judge)
    assert judge.book.pages == pages
    assert judge.book.tickets > tickets, "they are told"
    ((at, subject, cause, _),) = simulation.run({"x": live[:300] * 1_000}, 3, judge, to_page=True).pages
    assert (subject, cause) == ("x", "outside")
    assert at <= 100
    assert judged.pages == []
