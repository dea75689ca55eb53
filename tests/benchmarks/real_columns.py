"""25 columns of real credit rows, drawn so that nothing drifts: one day of events after another, as columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from monitor.clock import SECOND_US
from monitor.count.columns.aggregator import Aggregator
from monitor.count.columns.pane_rows import Rows
from monitor.count.exchange import Pane
from monitor.count.task_state import PaneKey
from monitor.decode.columns import Group
from monitor.events import ModelKey, Partition
from tests.benchmarks.material import data_folder

CATEGORIES = ("SEX", "EDUCATION", "MARRIAGE")
SCORE = "score"
FITTED_ON = 6_000
PANE_US = 10 * SECOND_US
EVENTS_PER_PANE = 500 / 30  # 500 in five minutes
PANES_AT_ONCE = 360

Floats = NDArray[np.float64]


def real_columns() -> dict[str, Floats]:
    """The 23 features of `credit_default`, the bill as a share of the limit, and a model's score.

    The model is fitted on rows that are left out afterwards.
    """
    rows = pd.read_csv(data_folder() / "credit_default.csv.gz")
    rows = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    features, defaulted = rows.iloc[:, 1:-1].astype(float), rows.iloc[:, -1]
    model = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    model.fit(features.iloc[:FITTED_ON], defaulted.iloc[:FITTED_ON])
    kept = features.iloc[FITTED_ON:]
    columns = {name: kept[name].to_numpy() for name in kept.columns}
    columns["bill_to_limit"] = columns["BILL_AMT1"] / columns["LIMIT_BAL"]
    columns[SCORE] = model.predict_proba(kept)[:, 1]
    return columns


@dataclass(frozen=True)
class Draws:
    """Independent draws with replacement, column by column; `run` > 1 repeats each drawn row so often in a row."""

    columns: dict[str, Floats]
    rng: np.random.Generator
    run: int = 1

    def take(self, events: int) -> dict[str, Floats]:
        runs = -(-events // self.run)
        return {
            name: np.repeat(values[self.rng.integers(0, len(values), runs)], self.run)[:events]
            for name, values in self.columns.items()
        }

    def events(self, number: int, key: ModelKey, start_us: int) -> Iterator[dict[str, object]]:
        """Native events at the usual rate."""
        drawn = {name: _plain(name, values) for name, values in self.take(number).items()}
        gap_us = PANE_US / EVENTS_PER_PANE
        times = start_us + np.cumsum(self.rng.exponential(gap_us, number)).astype(np.int64)
        features = [name for name in drawn if name != SCORE]
        for at in range(number):
            event: dict[str, object] = {"type": "prediction", "model": key.model, "version": key.version}
            event |= {"ts": int(times[at]), "features": {name: drawn[name][at] for name in features}}
            if SCORE in drawn:
                event["score"] = drawn[SCORE][at]
            yield event

    def panes(self, number: int, aggregator: Aggregator, key: ModelKey, start_us: int) -> Iterator[Pane]:
        """So many panes of a Poisson number of events, counted by the kernel as the daemon does it."""
        for first in range(0, number, PANES_AT_ONCE):
            sizes = self.rng.poisson(EVENTS_PER_PANE, min(PANES_AT_ONCE, number - first))
            slots = np.flatnonzero(sizes)
            starts = np.cumsum(sizes)[slots] - sizes[slots]
            events = int(sizes.sum())
            slot_of_event = np.repeat(np.arange(len(slots)), sizes[slots])
            each = np.arange(events)
            ts = start_us + (first + slots[slot_of_event]) * PANE_US
            rows = Rows(Partition("events", 0), each, starts, slot_of_event, np.ones(events, np.bool_), ts, each)
            tallies = aggregator.count(_group(self.take(events), events, aggregator, key), rows)
            for slot, tally in zip(slots.tolist(), tallies, strict=True):
                begin = start_us + (first + slot) * PANE_US
                yield Pane(PaneKey(key, ""), begin, begin + PANE_US, tally)


def _plain(name: str, values: Floats) -> list[float]:
    """Python numbers; a category is a whole one."""
    numbers: list[float] = (values.astype(np.int64) if name in CATEGORIES else values).tolist()
    return numbers


def _group(drawn: dict[str, Floats], events: int, aggregator: Aggregator, key: ModelKey) -> Group:
    shape = aggregator.shape.key_features
    return Group(
        key=key,
        rows=np.arange(events),
        has_features=np.ones(events, np.bool_),
        numeric=np.stack([drawn[name] for name, kind in shape if kind == "numeric"]),
        categorical=[list(_plain(name, drawn[name])) for name, kind in shape if kind != "numeric"],
        score=drawn.get(SCORE, np.full(events, np.nan)),
        prediction=[None] * events,
        label=[None] * events,
    )
