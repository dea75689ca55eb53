"""What a look may spend: the page budget, divided by tests and paid out by event time.

Over any stretch of event time the alphas of all looks add up to the budget for it, whatever the traffic, so the
promise needs no rate to be known beforehand. Spending is state: a replay spends the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: a look pays for at most so many of the reference's usual base windows: silence saves nothing up
MAX_BASE_WINDOWS: Final = 4
#: a look that may be over one time in a hundred is no evidence, however much there is to spend
MOST_ALPHA: Final = 0.01
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

    def alpha(self, kind: str, start_us: int, end_us: int, share: float) -> float:
        """Tail probability each test of this look may spend, at most `MOST_ALPHA`.

        `kind` BASE or RECENT: each has its own last look. `start_us`, `end_us` of the shortest window looked at,
        `share` of the model's budget this version has.
        """
        since = end_us - self.last_us.get(kind, start_us)
        self.last_us[kind] = end_us
        return self.usual_alpha(since, share)

    def usual_alpha(self, since_us: float, share: float) -> float:
        """The same of a look that comes so long after the one before."""
        longest = MAX_BASE_WINDOWS * self.usual_base_us if self.usual_base_us else since_us
        return min(self.pages * share * min(since_us, longest) / self.per_us / self.tests, MOST_ALPHA)

    def spend(self, alpha: float, tests: int) -> None:
        """Add to `expected` what so many tests really made have spent."""
        self.expected += alpha * tests

    def to_state(self) -> BudgetState:
        return BudgetState(dict(self.last_us), self.expected)

    def restore(self, state: BudgetState) -> None:
        self.last_us = dict(state.last_us)
        self.expected = state.expected
