"""Detectors of a rise in a sequence of errors (0: right, 1: wrong): DDM, EDDM, HDDM-A and HDDM-W.

The arithmetic is River's to the last digit, and a test holds it to that. River's warnings are left out.
"""

from __future__ import annotations

from math import inf, log, sqrt
from typing import Any, Final

from monitor.stats.detectors.detector import Detector, RunningMean

#: values before DDM, and errors before EDDM, can detect a change
WARM_START: Final = 30
#: DDM: standard deviations above the lowest error rate
DRIFT_THRESHOLD: Final = 3.0
#: EDDM: a change is a distance between errors of less than this part of the largest one
BETA: Final = 0.9
#: HDDM: the significance of a change
DRIFT_CONFIDENCE: Final = 0.001
#: HDDM-W: the weight of the newest value
LAMBDA: Final = 0.05


class Ddm(Detector):
    """Drift detection method (Gama et al. 2004): the error rate has risen by so many standard deviations."""

    binary = True
    numbers = ("lowest_rate", "lowest_spread", "lowest")

    def __init__(self, warm_start: int = WARM_START, drift_threshold: float = DRIFT_THRESHOLD) -> None:
        self._warm_start = warm_start
        self._threshold = drift_threshold
        self.reset()

    def reset(self) -> None:
        self._rate = RunningMean()
        #: rate and standard deviation when their sum was lowest
        self.lowest_rate = 0.0
        self.lowest_spread = 0.0
        self.lowest = inf

    def update(self, value: float) -> bool:
        self._rate.update(value)
        rate, n = self._rate.mean, self._rate.n
        if n <= self._warm_start:
            return False
        # rounding may leave a rate just above 1 or below 0
        spread = sqrt(max(rate * (1 - rate), 0.0) / n)
        if rate + spread <= self.lowest:
            self.lowest_rate, self.lowest_spread = rate, spread
            self.lowest = rate + spread
        return rate + spread > self.lowest_rate + self._threshold * self.lowest_spread

    def to_state(self) -> dict[str, Any]:
        return super().to_state() | {"rate": self._rate.pair()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._rate = RunningMean(*state["rate"])


class Eddm(Detector):
    """Early drift detection method (Baena-García et al. 2006): errors have come closer to each other."""

    binary = True
    numbers = ("values", "errors", "last_error", "squares", "largest")

    def __init__(self, warm_start: int = WARM_START, beta: float = BETA) -> None:
        self._warm_start = warm_start
        self._beta = beta
        self.reset()

    def reset(self) -> None:
        self.values = 0
        self.errors = 0
        self.last_error = 0
        self._distance = RunningMean()
        #: sum of squares of the distances about their mean
        self.squares = 0.0
        self.largest = -1.0

    def update(self, value: float) -> bool:
        self.values += 1
        if value != 1:
            return False
        self.errors += 1
        before = self._distance.mean
        distance = self.values - self.last_error
        self._distance.update(distance)
        self.squares += (distance - before) * (distance - self._distance.mean)
        self.last_error = self.values
        if self.values <= self._warm_start:
            return False
        n = self._distance.n
        spread = self.squares / (n - 1) if n > 1 else 0.0
        reach = self._distance.mean + 2 * spread**0.5
        if reach > self.largest:
            self.largest = reach
            return False
        return self.errors > self._warm_start and reach / self.largest < self._beta

    def to_state(self) -> dict[str, Any]:
        return super().to_state() | {"distance": self._distance.pair()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._distance = RunningMean(*state["distance"])


class HddmA(Detector):
    """Drift detection by Hoeffding's bound on averages (Frías-Blanco et al. 2015)."""

    binary = True

    def __init__(self, drift_confidence: float = DRIFT_CONFIDENCE, two_sided_test: bool = False) -> None:
        self._log = log(1.0 / drift_confidence)
        self._log_two = log(2.0 / drift_confidence)
        self._two_sided = two_sided_test
        self.reset()

    def reset(self) -> None:
        #: of all values, and of the part up to which the mean was lowest, and highest
        self._all = RunningMean()
        self._low = RunningMean()
        self._high = RunningMean()

    def _bound(self, n: float) -> float:
        return sqrt(1.0 / (2 * n) * self._log)

    def update(self, value: float) -> bool:
        mean = self._all
        mean.update(value)
        if self._low.n == 0:
            self._low, self._high = mean.copy(), mean.copy()
        bound = self._bound(mean.n)
        if self._low.mean + self._bound(self._low.n) >= mean.mean + bound:
            self._low = mean.copy()
        if self._high.mean - self._bound(self._high.n) <= mean.mean - bound:
            self._high = mean.copy()
        risen = mean.mean - self._low.mean >= self._allowed(self._low) if self._low.n != mean.n else False
        if risen or not self._two_sided or self._high.n == mean.n:
            return risen
        return self._high.mean - mean.mean >= self._allowed(self._high)

    def _allowed(self, part: RunningMean) -> float:
        share = (self._all.n - part.n) / part.n * (1.0 / self._all.n)
        return sqrt(share / 2 * self._log_two)

    def to_state(self) -> dict[str, Any]:
        return {"all": self._all.pair(), "low": self._low.pair(), "high": self._high.pair()}

    def restore(self, state: dict[str, Any]) -> None:
        self._all, self._low, self._high = (RunningMean(*state[name]) for name in ("all", "low", "high"))


class _Weighted:
    """An exponentially weighted mean, and the sum of its squared weights, which McDiarmid's bound needs."""

    __slots__ = ("_keep", "_lambda", "mean", "n", "weights")

    def __init__(self, weight: float, n: int = 0, mean: float = 0.0, weights: float = 1.0) -> None:
        self._lambda = weight
        self._keep = (1 - weight) ** 2
        self.n = n
        self.mean = mean
        self.weights = weights

    def update(self, value: float) -> None:
        self.mean = self._lambda * value + (1 - self._lambda) * self.mean if self.n else value
        self.n += 1
        self.weights = self._lambda * self._lambda + self._keep * self.weights

    def copy(self) -> _Weighted:
        return _Weighted(self._lambda, self.n, self.mean, self.weights)

    def row(self) -> list[float]:
        return [self.n, self.mean, self.weights]


class HddmW(Detector):
    """Drift detection by McDiarmid's bound on exponentially weighted averages (Frías-Blanco et al. 2015)."""

    binary = True
    numbers = ("lowest", "highest")

    def __init__(
        self,
        drift_confidence: float = DRIFT_CONFIDENCE,
        lambda_val: float = LAMBDA,
        two_sided_test: bool = False,
    ) -> None:
        self._log = log(1 / drift_confidence)
        self._lambda = lambda_val
        self._two_sided = two_sided_test
        self.reset()

    def reset(self) -> None:
        #: up to the lowest bound and since then, up to the highest and since then
        self._all, self._low, self._since_low, self._high, self._since_high = (
            _Weighted(self._lambda) for _ in range(5)
        )
        self.lowest = inf
        self.highest = -inf

    def update(self, value: float) -> bool:
        self._all.update(value)
        bound = self._bound(self._all.weights)
        if self._all.mean + bound < self.lowest:
            self.lowest = self._all.mean + bound
            self._low, self._since_low = self._all.copy(), _Weighted(self._lambda)
        else:
            self._since_low.update(value)
        if self._all.mean - bound > self.highest:
            self.highest = self._all.mean - bound
            self._high, self._since_high = self._all.copy(), _Weighted(self._lambda)
        else:
            self._since_high.update(value)
        return self._is_higher(self._since_low, self._low) or (
            self._two_sided and self._is_higher(self._high, self._since_high)
        )

    def _bound(self, weights: float) -> float:
        return sqrt(weights * self._log / 2)

    def _is_higher(self, one: _Weighted, other: _Weighted) -> bool:
        known = one.n > 0 and other.n > 0
        return known and one.mean - other.mean > self._bound(one.weights + other.weights)

    def _parts(self) -> tuple[_Weighted, ...]:
        return self._all, self._low, self._since_low, self._high, self._since_high

    def to_state(self) -> dict[str, Any]:
        return super().to_state() | {"means": [part.row() for part in self._parts()]}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._all, self._low, self._since_low, self._high, self._since_high = (
            _Weighted(self._lambda, int(n), mean, weights) for n, mean, weights in state["means"]
        )
