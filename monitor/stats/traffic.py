"""How fast events come, and how much that varies in the reference: gaps between events, and counts by time.

Counts are over steps of one length, aligned to Unix time, and windows of 4, 8, 16, ... steps. A window's count has a
negative binomial tail whose variance is that of the reference's own windows of that length. Beside that test a window
must differ more than any of the reference did, or heavy tails and daily waves would be found again and again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, chdtri

from monitor.clock import MINUTE_US
from monitor.stats.digits import rounded
from monitor.stats.sliding import TIMES_LARGEST

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: steps in a usual base window, which is also the shortest window
STEPS: Final = 4
#: longest window in steps
LONGEST: Final = 64 * STEPS
#: least windows of a length in the reference, side by side
MIN_WINDOWS: Final = 8
#: least events of a reference whose rate is judged: those of 40 base windows, a few duplicates less
MIN_EVENTS: Final = 9_500
#: the reference's variance is taken at this upper confidence limit
CONFIDENCE: Final = 0.95
#: a count above so many times the largest of the reference's steps counts as that much: one batch is no rise
TIMES_MOST: Final = 1.5
#: traffic has stopped after so many times the gap that this share of the reference's gaps stay within, and the least
#: in microseconds
TIMES_GAP: Final = 5
GAP_SHARE: Final = 0.999
LEAST_STOP_US: Final = 2 * MINUTE_US

#: variance above a Poisson count's, as a share of it, of counts that vary less
LEAST_EXCESS: Final = 0.01


class RateLevel(NamedTuple):
    """Windows of so many `steps` in the reference: variance by mean of their counts, and the least and most of them as
    shares of the mean."""

    steps: int
    windows: int
    dispersion: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """The reference's traffic.

    `gap_us` is the gap between events that 99.9 % of them stay within; `per_step` the mean count of a step of `step_us`
    and `most` the largest, over `steps` whole steps. `levels` from the shortest up, empty if there are too few.
    """

    gap_us: int
    step_us: int
    steps: int = 0
    per_step: float = 0.0
    most: int = 0
    levels: tuple[RateLevel, ...] = ()

    @property
    def stopped_after_us(self) -> int:
        """How long no event may come, in microseconds."""
        return max(LEAST_STOP_US, TIMES_GAP * self.gap_us)

    @property
    def span_us(self) -> int:
        """The time that its steps cover."""
        return self.steps * self.step_us

    def in_panes_of(self, pane_us: int) -> bool:
        """Whether its steps are whole panes of this length: else a rate cannot be compared with it."""
        return self.step_us % pane_us == 0

    def expected(self, duration_us: float) -> float:
        """Events to be expected in so many microseconds."""
        return self.per_step * duration_us / self.step_us

    def to_plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "gap_us": self.gap_us,
            "step_us": self.step_us,
            "steps": self.steps,
            "per_step": self.per_step,
            "most": self.most,
            "levels": [level._asdict() for level in self.levels],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Traffic:
        """Back from `to_plain`."""
        return cls(
            int(plain["gap_us"]),
            int(plain["step_us"]),
            int(plain["steps"]),
            float(plain["per_step"]),
            int(plain["most"]),
            tuple(RateLevel(**level) for level in plain["levels"]),
        )


class TrafficLearner:
    """Collects the events of a reference, pane by pane in time order."""

    def __init__(self) -> None:
        self._gaps: list[Ints] = []
        self._last_us: int | None = None
        self._starts: list[int] = []
        self._counts: list[int] = []
        self._pane_us = 0

    def add(self, start_us: int, end_us: int, times: Ints) -> None:
        """Add a pane; `times` (n,) of its events in microseconds, rising."""
        if not len(times):
            return
        before = times[:1] if self._last_us is None else np.array([self._last_us], np.int64)
        gaps: Ints = np.diff(np.concatenate((before, times))).astype(np.int64)
        self._gaps.append(gaps[1:] if self._last_us is None else gaps)
        self._last_us = int(times[-1])
        self._starts.append(start_us)
        self._counts.append(len(times))
        self._pane_us = end_us - start_us

    def finish(self, base_us: int) -> Traffic | None:
        """The traffic; `base_us` of a usual base window. None for fewer than two events."""
        gaps = np.concatenate([np.zeros(0, np.int64), *self._gaps])
        if not len(gaps):
            return None
        gap_us = int(np.quantile(gaps, GAP_SHARE, method="higher"))
        step_us = self._pane_us * max(1, math.ceil(base_us / STEPS / self._pane_us))
        if sum(self._counts) < MIN_EVENTS:
            return Traffic(gap_us, step_us)
        counts = self._steps(step_us)
        mean = float(counts.mean()) if len(counts) else 0.0
        if mean == 0:
            return Traffic(gap_us, step_us)
        return Traffic(gap_us, step_us, len(counts), rounded(mean), int(counts.max()), learned_levels(counts))

    def _steps(self, step_us: int) -> Ints:
        """The counts of the whole steps."""
        steps = np.array(self._starts, np.int64) // step_us
        first = int(steps[0])
        return np.bincount(steps - first, self._counts).astype(np.int64)[1:-1]


def learned_levels(counts: Ints) -> tuple[RateLevel, ...]:
    """The windows of 4, 8, 16, ... of these steps, as far as there are enough; dispersion never falls with length."""
    mean = float(counts.mean())
    sums = np.concatenate(([0], np.cumsum(counts)))
    levels: list[RateLevel] = []
    length = STEPS
    while length <= LONGEST and len(counts) // length >= MIN_WINDOWS:
        windows = len(counts) // length
        apart = np.diff(sums[: windows * length + 1 : length])
        sliding = (sums[length:] - sums[:-length]) / (mean * length)
        uncertain = (windows - 1) / float(chdtri(windows - 1, CONFIDENCE))
        own = float(apart.var(ddof=1)) / (mean * length) * uncertain
        before = levels[-1].dispersion if levels else 1.0
        dispersion = rounded(max(own, before) * (1 + length / len(counts)))
        levels.append(
            RateLevel(length, windows, dispersion, rounded(float(sliding.min())), rounded(float(sliding.max())))
        )
        length *= 2
    return tuple(levels)


class Rate(NamedTuple):
    """A window's count against what was expected. `ratio` of both, `p` the tail probability, `direction` up or down;
    `exceedance` (1: at the threshold) is the least of what the tests ask for; `steps` are those of the window."""

    steps: int
    events: int
    expected: float
    ratio: float
    p: float
    exceedance: float
    direction: str


def judged(traffic: Traffic, counts: Sequence[int], alpha: float, least_effect: float) -> Rate | None:
    """The window that differs most, of those that end with the newest of `counts` (events by whole step, newest last).

    `alpha` is what one test may spend, `least_effect` the share by which a rate has to fall; it has to rise by as much
    in reverse (0.5: to half, or to twice). None where no window can be judged.
    """
    steps = np.asarray(counts, np.int64)
    found = [
        rate
        for level in traffic.levels
        if len(steps) >= level.steps
        for test in (_fallen, _risen)
        for rate in [test(traffic, level, steps, alpha, least_effect)]
    ]
    return max(found, key=lambda rate: rate.exceedance, default=None)


def tests_of(traffic: Traffic) -> int:
    """Number of tests of one evaluation."""
    return 2 * len(traffic.levels)


def _fallen(traffic: Traffic, level: RateLevel, steps: Ints, alpha: float, least_effect: float) -> Rate:
    events, expected = int(steps[-level.steps :].sum()), traffic.per_step * level.steps
    ratio = events / expected
    p = tail_below(events, expected, level.dispersion)
    over = _over(p, alpha, effect_of(ratio, "down"), least_effect, (level.least / TIMES_LARGEST, ratio))
    return Rate(level.steps, events, expected, ratio, p, over, "down")


def _risen(traffic: Traffic, level: RateLevel, steps: Ints, alpha: float, least_effect: float) -> Rate:
    """Two windows one after the other must both be over: one large batch lies in one of them."""
    expected = traffic.per_step * level.steps
    both = [steps[-level.steps :], steps[-2 * level.steps : -level.steps]]
    events = int(both[0].sum())
    overs, ps = [], []
    for window in both:
        ratio = float(window.sum()) / expected
        capped = int(np.minimum(window, math.ceil(TIMES_MOST * traffic.most)).sum())
        p = tail_above(capped, expected, level.dispersion)
        gate = (capped / expected, level.most * TIMES_LARGEST)
        overs.append(_over(p, alpha, effect_of(ratio, "up"), least_effect, gate))
        ps.append(p)
    return Rate(level.steps, events, expected, events / expected, max(ps), min(overs), "up")


def effect_of(ratio: float, direction: str) -> float:
    """The size of a change of rate from 0 to 1: 0.5 is half (down) or twice (up)."""
    down = direction == "down"
    return max(0.0, 1 - ratio if down else 1 - 1 / ratio if ratio > 0 else 0.0)


def _over(p: float, alpha: float, effect: float, least_effect: float, gate: tuple[float, float]) -> float:
    """The least of evidence, effect and gate, as multiples of what is asked; `gate`: the first is to be larger."""
    evidence = math.log(max(p, 1e-300)) / math.log(alpha)
    larger, smaller = gate
    beyond = larger / smaller if smaller > 0 else math.inf if larger > 0 else 0.0
    asked = effect / least_effect if least_effect > 0 else math.inf
    return min(evidence, asked, beyond)


def tail_below(events: int, expected: float, dispersion: float) -> float:
    """P(count <= events) of a negative binomial with this mean, and this many times its variance (1: Poisson)."""
    size = expected / max(dispersion - 1, LEAST_EXCESS)
    return float(betainc(size, events + 1, size / (size + expected)))


def tail_above(events: int, expected: float, dispersion: float) -> float:
    """P(count >= events) of the same."""
    if events <= 0:
        return 1.0
    size = expected / max(dispersion - 1, LEAST_EXCESS)
    return float(betainc(events, size, expected / (size + expected)))
