"""The false-alarm probability that an evaluation may use: the page budget, split over tests and over event time.

Over any span of event time the alphas of all evaluations add up to the budget of that span, whatever the traffic, so
no event rate has to be known in advance. Spending is state: a replay spends the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from monitor.clock import DAY_US

#: an evaluation spends the budget of at most this many usual base windows: a quiet time saves nothing for later
MAX_BASE_WINDOWS: Final = 4
#: a test that is over by chance once in a hundred evaluations is not evidence, however much budget is left
MOST_ALPHA: Final = 0.01
#: below this many reference events half the budget is used: sampling error of the reference causes pages too
ENOUGH_REFERENCE: Final = 10_000

#: a cause outside the page budget finds one thing falsely in this time
TICKETS_PER_US: Final = 30 * DAY_US

BASE: Final = "base"
RECENT: Final = "recent"
VERSIONS: Final = "versions"
LABELS: Final = "labels"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Checkpointed state: the end of the last evaluation by kind (microseconds), and false pages spent."""

    last_us: dict[str, int]
    expected: float


@dataclass(slots=True)
class Budget:
    """The budget of one model version: of the `promised` pages it uses `pages`, and spent `expected` so far."""

    promised: float
    pages: float
    per_us: int
    usual_base_us: int
    tests: int
    last_us: dict[str, int]
    expected: float = 0.0

    @classmethod
    def of(cls, pages: float, per_us: int, usual_base_us: int, tests: int, reference_events: int) -> Budget:
        """`tests` is the number of (test, length, column) that share the budget equally."""
        kept = pages if reference_events >= ENOUGH_REFERENCE else pages / 2
        return cls(pages, kept, per_us, usual_base_us, max(tests, 1), {})

    def since(self, kind: str, start_us: int, end_us: int) -> int:
        """Time since the evaluation of that kind before, whose budget one may spend; at most of a few base windows."""
        since = end_us - self.last_us.get(kind, start_us)
        self.last_us[kind] = end_us
        return min(since, MAX_BASE_WINDOWS * self.usual_base_us) if self.usual_base_us else since

    def alpha(self, kind: str, start_us: int, end_us: int, share: float) -> float:
        """Tail probability that each test of this evaluation may spend, at most `MOST_ALPHA`.

        `kind` BASE, RECENT or LABELS: each has its own last evaluation. `start_us`, `end_us` of the shortest window,
        `share`: this version's part of the model's budget.
        """
        return self.usual_alpha(self.since(kind, start_us, end_us), share)

    def usual_alpha(self, since_us: float, share: float) -> float:
        """The same of an evaluation that comes so long after the one before."""
        longest = MAX_BASE_WINDOWS * self.usual_base_us if self.usual_base_us else since_us
        return min(self.pages * share * min(since_us, longest) / self.per_us / self.tests, MOST_ALPHA)

    def spend(self, alpha: float, tests: int) -> None:
        """Add what `tests` tests that were really made have spent to `expected`."""
        self.expected += alpha * tests

    def to_state(self) -> BudgetState:
        return BudgetState(dict(self.last_us), self.expected)

    def restore(self, state: BudgetState) -> None:
        self.last_us = dict(state.last_us)
        self.expected = state.expected


@dataclass(frozen=True, slots=True)
class TicketBudget:
    """What a cause may spend whose findings are no pages: one false finding in 30 days, over all its `tests`.

    It takes nothing from the page budget. `most` is the largest alpha of a test.
    """

    tests: int
    most: float = MOST_ALPHA

    def alpha(self, since_us: float) -> float:
        """Tail probability that each test may spend that comes so long after the one before it."""
        return min(since_us / TICKETS_PER_US / max(self.tests, 1), self.most)


def alpha_of_tickets(alpha: float, tests_a_ticket: float) -> float:
    """What a test may spend in a budget of tickets as large as that of pages, where a test of that may spend `alpha`.

    `tests_a_ticket` tests share the page budget for each that shares this one: as many false tickets as false pages.
    """
    return min(alpha * tests_a_ticket, MOST_ALPHA)
