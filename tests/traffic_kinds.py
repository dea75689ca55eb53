"""Kinds of traffic without drift, by name: what a model's columns look like where nothing but chance moves them.

A kind makes the given number of rows of every column. The first `reference` of them are what the reference is built
from, so that a season or a rise has the right length relative to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests import traffic

#: numbers, NaN where missing; or texts
Values = NDArray[Any]
#: (generator, rows, rows of the reference) -> values (rows,)
Make = Callable[[np.random.Generator, int, int], Values]

#: columns of a kind; of categories with many names three, as they cost more
COLUMNS: Final = 5
CATEGORIES: Final = 3
DAYS_IN_REFERENCE: Final = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """`made`: of each column how its values are made."""

    name: str
    made: tuple[Make, ...]

    def columns(self, seed: tuple[int, ...], rows: int, reference: int) -> dict[str, Values]:
        """Values (rows,) by column, each column from its own seed."""
        return {
            f"x{at}": make(np.random.default_rng([*seed, at]), rows, reference) for at, make in enumerate(self.made)
        }


@cache
def _texts(names: int) -> NDArray[Any]:
    return np.array([f"n{at}" for at in range(names)], object)


def independent(rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return rng.standard_normal(rows)


def _autoregressive(coefficient: float, rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return traffic.autoregressive(rng, rows, coefficient)


def _long_tailed(tail: Callable[[Values], Values], rng: np.random.Generator, rows: int, _reference: int) -> Values:
    """Autoregressive of 0.99 on a scale on which its tails are long."""
    return tail(traffic.autoregressive(rng, rows, 0.99))


def _cubed(values: Values) -> Values:
    return values**3


def _runs(length: int, rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return traffic.in_runs(rng, rows, length)


def _batches(rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return traffic.in_batches(rng, rows)


def _blocks(rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return traffic.in_blocks(rng, rows, 700)


def _stores(rng: np.random.Generator, rows: int, reference: int) -> Values:
    """The name of the store whose block of 700 it is, at most eight stores in turn: the reference knows them all."""
    stores = max(1, min(8, reference // 700))
    return np.asarray(_texts(stores)[(np.arange(rows) // 700 + rng.integers(stores)) % stores])


def _days(swing: float, rng: np.random.Generator, rows: int, reference: int) -> Values:
    return traffic.with_days(rng, rows, reference / DAYS_IN_REFERENCE, swing)


def _zipf(names: int, exponent: float, rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return _texts(names)[traffic.drawn(rng, traffic.zipf(names, exponent), rows)]


def _shares(shares: tuple[float, ...], rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return _texts(len(shares))[traffic.drawn(rng, np.array(shares), rows)]


def _sticky(rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return _texts(4)[traffic.sticky(rng, rows, np.array([0.4, 0.3, 0.2, 0.1]), 0.9)]


def _mostly(usual: float, share: float, rng: np.random.Generator, rows: int, _reference: int) -> Values:
    """Amounts, and one usual value."""
    return traffic.mostly(rng, np.round(rng.lognormal(3, 1, rows), 2), usual, share)


def _rising(rng: np.random.Generator, rows: int, reference: int) -> Values:
    """A level that rises by one sd over the reference, and goes on."""
    return rng.standard_normal(rows) + np.arange(rows) / reference


def _counter(rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return np.cumsum(rng.integers(1, 4, rows)).astype(np.float64)


def _missing(length: int, share: float, rng: np.random.Generator, rows: int, _reference: int) -> Values:
    return traffic.gone_in_bursts(rng, rng.standard_normal(rows), length, share)


def _missing_by_day(most: float, rng: np.random.Generator, rows: int, reference: int) -> Values:
    """A share of missing values that goes from nothing to `most` and back in each day."""
    share = most * (1 - np.cos(2 * np.pi * np.arange(rows) * DAYS_IN_REFERENCE / reference)) / 2
    return np.where(rng.random(rows) < share, np.nan, rng.standard_normal(rows))


def _rare_bursts(every: int, rng: np.random.Generator, rows: int, reference: int) -> Values:
    """15 missing values among 60 rows, once in so many rows on average; the reference has one at least."""
    others = rng.integers(0, rows - 60, rng.poisson(rows / every))
    values = rng.standard_normal(rows)
    for begin in [int(rng.integers(reference - 60)), *others.tolist()]:
        values[begin + rng.permutation(60)[:15]] = np.nan
    return values


def _of(name: str, *made: Make) -> Kind:
    return Kind(name, made)


def _ar(coefficient: float) -> Kind:
    return _of(f"AR {coefficient}", *(partial(_autoregressive, coefficient),) * COLUMNS)


def _names(names: int, exponent: float) -> Kind:
    return _of(f"Zipf {exponent} of {names:,}", *(partial(_zipf, names, exponent),) * CATEGORIES)


KINDS: Final = (
    _of("independent", *(independent,) * COLUMNS),
    *map(_ar, (0.3, 0.5, 0.7, 0.9, 0.99)),
    _of("long-tailed", *(partial(_long_tailed, np.exp),) * 3, *(partial(_long_tailed, _cubed),) * 2),
    _of("mixed", *(partial(_autoregressive, 0.9),) * 2, *(independent,) * 3, _sticky, partial(_shares, (0.6, 0.4))),
    _of("bursts of 10", *(partial(_runs, 10),) * COLUMNS),
    _of("batches by client", *(_batches,) * COLUMNS),
    _of("blocks of 700", *(_blocks,) * 4, _stores),
    _of("day of 0.3 sd", *(partial(_days, 0.3),) * COLUMNS),
    _of("day of 0.1 sd", *(partial(_days, 0.1),) * COLUMNS),
    *(_names(names, exponent) for exponent in (0.8, 1.0, 1.5) for names in (200, 2_000, 50_000)),
    _of("zero-inflated", *(partial(_mostly, 0.0, share) for share in (0.5, 0.8, 0.95))),
    _of("mostly one", *(partial(_mostly, 1.0, share) for share in (0.99, 0.999)), partial(_shares, (0.999, 0.001))),
    _of("sentinel", *(partial(_mostly, -999.0, share) for share in (0.02, 0.1, 0.3))),
    _of("rising", _rising, _counter, independent),
    _of("missing in bursts", partial(_missing, 1, 0.02), partial(_missing, 10, 0.05), partial(_missing, 40, 0.1)),
    _of("missing in rare bursts", *(partial(_rare_bursts, every) for every in (2_000, 5_000, 10_000))),
    _of("missing by day", *(partial(_missing_by_day, most) for most in (0.04, 0.3))),
)
