"""The budget: whatever the traffic, a month's evaluations together may spend no more than was promised for a month."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import DAY_US, SECOND_US
from monitor.judge.promise.budget import (
    BASE,
    ENOUGH_REFERENCE,
    MAX_BASE_WINDOWS,
    MOST_ALPHA,
    RECENT,
    TICKETS_PER_US,
    Budget,
    TicketBudget,
    alpha_of_tickets,
)

MONTH = 30 * DAY_US
USUAL = 150 * SECOND_US
#: tests of one window length, number of lengths, and tests of the newest panes
OF_LENGTH, LENGTHS, OF_RECENT = 100, 8, 60
TESTS = OF_LENGTH * LENGTHS + OF_RECENT


def budget(pages: float = 1.0, usual: int = USUAL) -> Budget:
    return Budget.of(pages, MONTH, usual, TESTS, ENOUGH_REFERENCE)


def spend(spender: Budget, kind: str, start_us: int, end_us: int, share: float, tests: int) -> float:
    """An evaluation in which all its tests are made; gives what each may spend."""
    alpha = spender.alpha(kind, start_us, end_us, share)
    spender.spend(alpha, tests)
    return alpha


def spend_month(spacings: list[int], lengths: list[int], share: float = 1.0) -> float:
    """Evaluation after evaluation until a month is over; gives what all tests together may have spent."""
    spender, at, spent, number = budget(2.0), 0, 0.0, 0
    while True:
        spacing, length = spacings[number % len(spacings)], lengths[number % len(lengths)]
        if at + spacing > MONTH:
            assert spender.expected == pytest.approx(spent)
            return spent
        number, at = number + 1, at + spacing
        spent += OF_RECENT * spend(spender, RECENT, max(0, at - 20 * SECOND_US), at, share, OF_RECENT)
        if number % 3 == 0:
            spent += OF_LENGTH * length * spend(spender, BASE, 0, at, share, OF_LENGTH * length)


@settings(deadline=None)
@given(
    st.lists(st.integers(3_600 * SECOND_US, 5 * DAY_US), min_size=1, max_size=20),
    st.lists(st.integers(1, LENGTHS), min_size=1, max_size=5),
)
def test_a_month_of_evaluations_at_any_spacing_spends_no_more_than_its_budget(
    spacings: list[int], lengths: list[int]
) -> None:
    assert 0 <= spend_month(spacings, lengths) <= 2.0 * (1 + 1e-9)


def test_dense_and_irregular_evaluations_spend_no_more_than_the_budget_either() -> None:
    rng = np.random.default_rng(4)
    spacings = (rng.exponential(400, 5_000) * SECOND_US).astype(int) + 1
    assert spend_month(spacings.tolist(), [LENGTHS]) <= 2.0


def test_steady_traffic_spends_the_whole_budget() -> None:
    spender, spent = budget(), 0.0
    for at in range(USUAL, MONTH + 1, USUAL):
        spent += OF_LENGTH * LENGTHS * spend(spender, BASE, at - USUAL, at, 1.0, OF_LENGTH * LENGTHS)
        spent += OF_RECENT * spend(spender, RECENT, at - USUAL, at, 1.0, OF_RECENT)
    assert spent == pytest.approx(1.0)
    assert spender.expected == pytest.approx(1.0)


def test_silence_saves_nothing_up_beyond_four_usual_base_windows() -> None:
    spender = budget()
    first = spend(spender, BASE, 0, USUAL, 1.0, 1)
    for windows, paid in ((1, 1), (3, 3), (4, 4), (400, MAX_BASE_WINDOWS)):
        last = spender.last_us[BASE]
        assert spend(spender, BASE, last, last + windows * USUAL, 1.0, 1) == pytest.approx(first * paid)


def test_the_first_evaluation_pays_for_its_own_window() -> None:
    assert spend(budget(), BASE, 5 * USUAL, 6 * USUAL, 1.0, 1) == pytest.approx(USUAL / MONTH / TESTS)


def test_a_reference_that_knows_no_usual_window_sets_no_bound() -> None:
    spender = budget(usual=0)
    spend(spender, BASE, 0, USUAL, 1.0, 1)
    assert spend(spender, BASE, 0, 11 * USUAL, 1.0, 1) == pytest.approx(10 * USUAL / MONTH / TESTS)


def test_versions_share_and_a_small_reference_halves() -> None:
    whole = spend(budget(), BASE, 0, USUAL, 1.0, 1)
    assert spend(budget(), BASE, 0, USUAL, 0.25, 1) == pytest.approx(whole / 4)
    small = Budget.of(1.0, MONTH, USUAL, TESTS, ENOUGH_REFERENCE - 1)
    assert spend(small, BASE, 0, USUAL, 1.0, 1) == pytest.approx(whole / 2)


def test_the_two_kinds_of_evaluation_pay_for_their_own_time() -> None:
    spender = budget()
    spend(spender, RECENT, 0, USUAL, 1.0, 1)
    assert spend(spender, BASE, 0, 2 * USUAL, 1.0, 1) == pytest.approx(2 * spend(spender, RECENT, 0, 2 * USUAL, 1.0, 1))


def test_spending_goes_on_from_the_state() -> None:
    spender, restored = budget(), budget()
    spend(spender, BASE, 0, USUAL, 1.0, 3)
    restored.restore(spender.to_state())
    assert spend(restored, BASE, USUAL, 3 * USUAL, 1.0, 3) == spend(spender, BASE, USUAL, 3 * USUAL, 1.0, 3)
    assert restored.expected == spender.expected


def test_no_test_may_be_over_more_than_once_in_a_hundred_evaluations() -> None:
    generous = Budget.of(1e9, MONTH, USUAL, TESTS, ENOUGH_REFERENCE)
    assert generous.alpha(BASE, 0, USUAL, 1.0) == MOST_ALPHA == 0.01
    generous.spend(MOST_ALPHA, 7)
    assert generous.expected == pytest.approx(0.07)


def test_what_is_not_tested_is_not_expected_to_page() -> None:
    spender = budget()
    alpha = spender.alpha(BASE, 0, USUAL, 1.0)
    assert spender.expected == 0
    spender.spend(alpha, 0)
    assert spender.expected == 0


@pytest.mark.parametrize("tests", [1, 7, 300])
def test_looks_over_the_time_of_a_ticket_budget_spend_one_false_finding(tests: int) -> None:
    """Whatever the steps in which time passes, as long as no test may spend more than the most."""
    budget = TicketBudget(tests)
    steps = np.diff(np.sort(np.random.default_rng(tests).uniform(0, TICKETS_PER_US, 5_000)))
    assert max(map(budget.alpha, steps.tolist())) < MOST_ALPHA
    assert tests * sum(map(budget.alpha, steps.tolist())) == pytest.approx(steps.sum() / TICKETS_PER_US)


def test_no_look_spends_more_than_the_most_nor_divides_by_no_test() -> None:
    assert TicketBudget(1).alpha(TICKETS_PER_US) == MOST_ALPHA
    assert TicketBudget(0, 1e-4).alpha(TICKETS_PER_US) == 1e-4
    assert alpha_of_tickets(1e-6, 50) == pytest.approx(5e-5)
    assert alpha_of_tickets(1e-3, 50) == MOST_ALPHA
