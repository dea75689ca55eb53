"""Kinds of traffic with a daily or weekly wave, by name: what a column looks like at given times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests import traffic

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY: Final = 86_400.0
HOUR: Final = 3_600.0
#: seconds from 1970 to a Monday's midnight
MONDAY: Final = 4 * DAY
#: standard deviations by which days or weeks differ where they have a level of their own
LEVEL: Final = 0.1


def sine(t: Floats) -> Floats:
    return np.sin(2 * np.pi * t / DAY)


def two_peaks(t: Floats) -> Floats:
    """At 9 and at 19 o'clock."""
    hour = t % DAY / HOUR
    peaks = [np.exp(-0.5 * ((hour - at) / width) ** 2) for at, width in ((9, 1.5), (19, 2.0))]
    return np.asarray(1.6 * sum(peaks) - 0.6, np.float64)


def step(t: Floats) -> Floats:
    """Office hours."""
    hour = t % DAY / HOUR
    return np.where((hour >= 8) & (hour < 20), 1.0, -1.0)


SHAPES: Final = {"sine": sine, "two peaks": two_peaks, "step": step}


def weekend(t: Floats) -> Floats:
    return ((t - MONDAY) // DAY % 7 >= 5).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Seasonal:
    """A wave of some standard deviations, and noise of one: `memory` its first autocorrelation.

    `level`: seconds for which a level of its own lasts (0: none). `weekend`: how much higher weekends are; `flat`: they
    have no wave.
    """

    name: str
    shape: str = "sine"
    amplitude: float = 0.3
    memory: float = 0.0
    level: float = 0.0
    weekend: float = 0.0
    flat: bool = False

    def wave(self, t: Floats) -> Floats:
        """At times in seconds since 1970."""
        wave = self.amplitude * SHAPES[self.shape](t)
        if self.flat:
            wave = wave * (1 - weekend(t))
        return np.asarray(wave + self.weekend * weekend(t), np.float64)

    def noise(self, rng: np.random.Generator, t: Floats) -> Floats:
        noise: Any = rng.standard_normal(len(t))
        if self.memory:
            noise = traffic.autoregressive(rng, len(t), self.memory)
        if self.level:
            period = np.floor((t - MONDAY) / self.level).astype(np.int64)
            own = rng.standard_normal(int(period.max() - period.min()) + 1)
            noise = noise + LEVEL * own[period - period.min()]
        return np.asarray(noise, np.float64)

    def values(self, rng: np.random.Generator, t: Floats) -> Floats:
        return self.wave(t) + self.noise(rng, t)


KINDS: Final = (
    Seasonal("no wave", amplitude=0.0),
    Seasonal("sine 0.1", amplitude=0.1),
    Seasonal("sine 0.3"),
    Seasonal("sine 0.6", amplitude=0.6),
    Seasonal("two peaks 0.3", "two peaks"),
    Seasonal("two peaks 0.6", "two peaks", 0.6),
    Seasonal("step 0.3", "step"),
    Seasonal("sine 0.3, AR 0.9", memory=0.9),
    Seasonal("two peaks 0.3, AR 0.9", "two peaks", memory=0.9),
    Seasonal("sine 0.3, day levels", level=DAY),
    Seasonal("sine 0.3, week levels", level=7 * DAY),
    Seasonal("sine 0.3, weekend +0.3", weekend=0.3),
    Seasonal("two peaks 0.6, AR 0.9, weekend +0.3", "two peaks", 0.6, memory=0.9, weekend=0.3),
    Seasonal("two peaks 0.6, none at weekends", "two peaks", 0.6, flat=True),
)
