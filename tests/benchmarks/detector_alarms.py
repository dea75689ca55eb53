"""False alarms of the detectors per million events, as the daemon feeds them, and how soon they see a change.

Errors come one after another in panes of `--pane` events; values are the means of such panes. Nothing changes, but for
the last columns: the error rate doubles, a mean rises by half a standard deviation.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.judge.causes.detectors import new_detector
from monitor.settings.detector import OF_ERRORS, OPTIONS, DetectorSettings
from monitor.stats.detectors.detector import Detector, error_sequence
from tests.benchmarks.material import poisson_interval, say, table
from tests.traffic import autoregressive, in_blocks

Floats = NDArray[np.float64]

RATES: Final = (0.02, 0.1, 0.3)
MILLION: Final = 1_000_000
BLOCK: Final = 700
PANE_US: Final = 10_000_000
#: events before a change, and the longest delay that is waited for
BEFORE, AFTER = 10_000, 20_000
HEAD_ERRORS = (
    "detector",
    *(f"independent {rate:.0%}" for rate in RATES),
    "blocks of 10",
    "blocks of 700",
    "10 % to 20 %",
)
HEAD_VALUES = ("detector", "independent", "autoregressive 0.9", "blocks of 700", "+0.5 sd")


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="detector-alarms", description=__doc__)
    parser.add_argument("--millions", type=float, default=1.0, help="of events, of each kind")
    parser.add_argument("--pane", type=int, default=20, help="events in a pane")
    parser.add_argument("--runs", type=int, default=40, help="with a change, of each kind")
    parser.add_argument("--kinds", nargs="+", choices=OPTIONS, default=list(OPTIONS), metavar="KIND")
    asked = parser.parse_args(arguments)
    events = round(asked.millions * MILLION)
    errors = [_of_errors(kind, events, asked.pane, asked.runs) for kind in asked.kinds]
    say("errors: alarms per million events (95 % interval), and events to the alarm: median / 95 %, share missed")
    table(HEAD_ERRORS, errors)
    say()
    values = [_of_values(kind, events, asked.pane, asked.runs) for kind in asked.kinds if kind not in OF_ERRORS]
    say("means of panes: the same")
    table(HEAD_VALUES, values)


def _of_errors(kind: str, events: int, pane: int, runs: int) -> list[str]:
    cells = []
    for make in (*(lambda rng, n, rate=rate: rng.random(n) < rate for rate in RATES), _blocks_of_ten, _long_blocks):
        wrong = make(np.random.default_rng(1), events)
        cells.append(_rate(_alarms(_new(kind), _fed_errors(wrong, pane)), events))
    delays = []
    for seed in range(runs):
        rng = np.random.default_rng([2, seed])
        wrong = rng.random(BEFORE + AFTER) < np.repeat([0.1, 0.2], [BEFORE, AFTER])
        delays.append(_delay(_new(kind), _fed_errors(wrong, pane), pane))
    return [kind, *cells, _delays(delays)]


def _of_values(kind: str, events: int, pane: int, runs: int) -> list[str]:
    rng = np.random.default_rng(3)
    kinds = (rng.standard_normal(events), autoregressive(rng, events, 0.9), in_blocks(rng, events, BLOCK))
    cells = [_rate(_alarms(_new(kind), _fed_means(values, pane)), events) for values in kinds]
    delays = []
    for seed in range(runs):
        rng = np.random.default_rng([4, seed])
        values = rng.standard_normal(BEFORE + AFTER) + np.repeat([0.0, 0.5], [BEFORE, AFTER])
        delays.append(_delay(_new(kind), _fed_means(values, pane), pane))
    return [kind, *cells, _delays(delays)]


def _blocks_of_ten(rng: np.random.Generator, events: int) -> NDArray[np.bool_]:
    """Ten events of one source are all right or all wrong."""
    return np.repeat(rng.random(-(-events // 10)) < 0.1, 10)[:events]


def _long_blocks(rng: np.random.Generator, events: int) -> NDArray[np.bool_]:
    """Each block has an error rate of its own, 5 % to 15 %."""
    rates = np.repeat(rng.uniform(0.05, 0.15, -(-events // BLOCK)), BLOCK)[:events]
    return rng.random(events) < rates


def _new(kind: str) -> Detector:
    return new_detector(DetectorSettings.model_validate({"kind": kind, "on": "error"}))


def _fed_errors(wrong: NDArray[np.bool_], pane: int) -> Iterator[list[float]]:
    counts = wrong[: len(wrong) // pane * pane].reshape(-1, pane).sum(1).tolist()
    for at, count in enumerate(counts):
        yield error_sequence(pane, count, at * PANE_US).astype(np.float64).tolist()


def _fed_means(values: Floats, pane: int) -> Iterator[list[float]]:
    means = values[: len(values) // pane * pane].reshape(-1, pane).mean(1) * sqrt(pane)
    yield from ([mean] for mean in means.tolist())


def _alarms(detector: Detector, panes: Iterator[list[float]]) -> int:
    """Panes with an alarm: as many findings."""
    return sum(_takes(detector, values) for values in panes)


def _takes(detector: Detector, values: list[float]) -> bool:
    changed = False
    for value in values:
        if detector.update(value):
            detector.reset()
            changed = True
    return changed


def _delay(detector: Detector, panes: Iterator[list[float]], pane: int) -> float:
    """Events from the change to the first alarm behind it; infinite without one."""
    for at, values in enumerate(panes):
        if _takes(detector, values) and at * pane >= BEFORE:
            return (at + 1) * pane - BEFORE
    return float("inf")


def _rate(alarms: int, events: int) -> str:
    low, high = (MILLION / events * bound for bound in poisson_interval(alarms))
    return f"{MILLION / events * alarms:,.0f} ({low:,.0f} to {high:,.0f})"


def _delays(delays: Sequence[float]) -> str:
    seen = [delay for delay in delays if delay != float("inf")]
    if not seen:
        return "none seen"
    median, late = np.quantile(seen, [0.5, 0.95])
    return f"{median:,.0f} / {late:,.0f}, {1 - len(seen) / len(delays):.0%}"
