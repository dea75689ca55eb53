"""The promises of all model versions, each kept until traffic or the columns that may page change."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Final

from monitor.events import ModelKey
from monitor.judge.causes.distribution import NEW
from monitor.judge.fleet import Fleet
from monitor.judge.model import ModelJudge
from monitor.judge.promise.promised import Traffic, promise_steps
from monitor.stats.testing.promise import ModelPromise

#: snapshots between two renewals: one takes some 150 ms of the loop that reads events, in steps
SNAPSHOTS_BETWEEN: Final = 10
#: promises that one step looks at to see whether they still hold
REVIEWED: Final = 5


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a promise depends on, beside the reference and the settings."""

    traffic: Traffic
    ticket_reasons: Mapping[str, str]
    share: float

    def is_like(self, other: _Basis) -> bool:
        same = (self.ticket_reasons, self.share) == (other.ticket_reasons, other.share)
        return same and self.traffic.is_like(other.traffic)


class Promises:
    """Computes one promise at a time, a step of a few milliseconds per call, so that reading is never held up."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        #: the one computed longest ago first
        self._known: dict[ModelKey, tuple[_Basis, ModelPromise]] = {}
        self._begun: tuple[ModelKey, _Basis, Generator[None, None, ModelPromise]] | None = None
        self._waited = 0
        #: those that have to be looked at, the one computed longest ago first
        self._to_review: deque[ModelKey] = deque()

    def forget(self, key: ModelKey) -> None:
        """The model version got another reference, or is retired."""
        self._known.pop(key, None)
        if self._begun is not None and self._begun[0] == key:
            self._begun = None

    def of(self, key: ModelKey) -> ModelPromise | None:
        """None until its first base window was judged, and while others come first."""
        known = self._known.get(key)
        return None if known is None else known[1]

    def renew(self) -> None:
        """Begin one that is missing; else, every `SNAPSHOTS_BETWEEN` calls, look for the oldest one out of date."""
        if self._begun is not None:
            return
        judges = {key: judge for key, judge in self._fleet.judges.items() if judge.latest is not None}
        self._waited += 1
        missing = next((key for key in judges if key not in self._known), None)
        if missing is not None:
            self._begin(missing, judges[missing])
        elif self._waited >= SNAPSHOTS_BETWEEN:
            self._waited, self._to_review = 0, deque(key for key in self._known if key in judges)

    def step(self) -> bool:
        """Compute the next part of what was begun; whether there was anything to do."""
        if self._begun is None:
            return self._review()
        key, basis, steps = self._begun
        try:
            next(steps)
        except StopIteration as done:
            self._known.pop(key, None)
            self._known[key] = basis, done.value
            self._begun = None
        return True

    def _review(self) -> bool:
        """Look at some, and begin the first that no longer holds; whether there was any to look at."""
        some = [self._to_review.popleft() for _ in range(min(REVIEWED, len(self._to_review)))]
        for key in some:
            judge, known = self._fleet.judges.get(key), self._known.get(key)
            if judge is None or judge.latest is None or known is None or known[0].is_like(self._basis(key, judge)):
                continue
            self._begin(key, judge)
            self._to_review.clear()
            break
        return bool(some)

    def _begin(self, key: ModelKey, judge: ModelJudge) -> None:
        basis = self._basis(key, judge)
        self._begun = key, basis, promise_steps(judge, basis.traffic, basis.share)

    def _basis(self, key: ModelKey, judge: ModelJudge) -> _Basis:
        # a column that is new may page soon: a promise is of the time after that
        reasons = {subject: one.word for subject, one in judge.judge.ticket_reasons().items() if one.word != NEW}
        return _Basis(Traffic.today(judge), reasons, self._fleet.share(key))
