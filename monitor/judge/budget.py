"""What a look may spend: the page budget, divided by tests and paid out by event time.

Over any stretch of event time the alphas of all looks add up to the budget for it, whatever the traffic, so the
promise needs no rate to be known beforehand. Spending is state: a replay spends the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: a look pays for at most so many of the reference's usual base windows: silence saves nothing up
MAX_BASE_WINDOWS: Final = 4
#: below so many reference events half the budget is used: the reference's own error pages too
ENOUGH_REFERENCE: Final = 10_000

BASE: Final = "base"
RECENT: Final = "recent"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What a checkpoint keeps of it: the end of the last evaluation by kind (microseconds), and false pages spent."""

    last_us: dict[str, int]
    expected: float


@dataclass(slots=True)
class Budget:
    """The budget of one model version. `expected` is the number of false pages spent so far."""

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
        return cls(kept, per_us, usual_base_us, max(tests, 1), {})

    def alpha(self, kind: str, start_us: int, end_us: int, share: float, tests: int) -> float:
        """Tail probability each test of this look may spend.

        `kind` BASE or RECENT: each has its own last look. `start_us`, `end_us` of the shortest window looked at,
        `share` of the model's budget this version has, `tests` made now. Adds to `expected`.
        """
        since = end_us - self.last_us.get(kind, start_us)
        self.last_us[kind] = end_us
        longest = MAX_BASE_WINDOWS * self.usual_base_us if self.usual_base_us else since
        alpha = self.pages * share * min(since, longest) / self.per_us / self.tests
        self.expected += alpha * tests
        return alpha

    def to_state(self) -> BudgetState:
        return BudgetState(dict(self.last_us), self.expected)

    def restore(self, state: BudgetState) -> None:
        self.last_us = dict(state.last_us)
        self.expected = state.expected
