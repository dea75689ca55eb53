"""Relations: events until a shuffled column is a ticket, false tickets a month, and one column that moves alone.

Simulated tables of real credit rows in base windows of 250 events, judged by the daemon's own arithmetic, with
references of 10,000 rows that its own code learned.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import rankdata

from monitor.judge.comparison.related import PairTest
from monitor.judge.words.relations import groups_of
from monitor.reference.column import FEATURE, Column
from monitor.reference.learn.relations import PairRows, learn_relations
from monitor.reference.relations import Relations
from monitor.reference.variability import Level
from monitor.stats.bins.numeric_bins import numeric_bins
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC, ColumnBins
from monitor.stats.pairs.levels import CELLS, LEVELS, NO_LEVEL
from monitor.stats.variance.long_run import BlockSums, settle
from tests.benchmarks.material import data_folder, poisson_interval, say, table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Levels = NDArray[np.uint8]
Rng = np.random.Generator

BASE: Final = 250
LENGTHS: Final = (1, 2, 4, 8, 16, 32, 64)
ROWS: Final = 10_000
MONTH: Final = 4_320_000
QUIET: Final = 16
NO_VALUE: Final = 255
CATEGORIES: Final = ("SEX", "EDUCATION", "MARRIAGE")
BEFORE, AFTER = 64, 80


@dataclass(frozen=True)
class World:
    """Real rows; neighbours resemble each other."""

    names: list[str]
    values: Floats

    @classmethod
    def read(cls) -> World:
        frame = pd.read_csv(data_folder() / "credit_default.csv.gz").iloc[:, 1:-1].astype(float)
        values = frame.to_numpy()
        ranks = np.stack([rankdata(column) for column in values.T], 1)
        first = np.linalg.eigh(np.corrcoef(ranks.T))[1][:, -1]
        along = ((ranks - ranks.mean(0)) / ranks.std(0)) @ first
        return cls(list(frame.columns), values[np.argsort(along, kind="stable")])

    def rows(self, kind: str, rng: Rng, number: int) -> Ints:
        """Numbers of rows of a stream in which they depend on each other that way."""
        size = len(self.values)
        if kind.startswith("bursts"):
            each = int(kind.removeprefix("bursts "))
            return np.repeat(rng.integers(0, size, number // each + 1), each)[:number]
        if kind.startswith("AR"):
            along = float(kind.removeprefix("AR "))
            noise = rng.standard_normal(number + 2_000) * np.sqrt(1 - along**2)
            walk = lfilter([1], [1, -along], noise)[2_000:]
            return np.minimum((ndtr(walk) * size).astype(np.int64), size - 1)
        rows = rng.integers(0, size, number)
        if kind.startswith("blocks"):
            each = int(kind.removeprefix("blocks "))
            own = np.repeat(rng.integers(0, 10, number // each + 1), each)[:number]
            near = ((own + rng.random(number)) / 10 * size).astype(np.int64)
            return np.where(rng.random(number) < 0.2, near, rows)
        return rows


@dataclass(frozen=True)
class Learned:
    """A reference: its columns, what was learned of their relations, and their test."""

    columns: list[Column]
    relations: Relations
    test: PairTest

    @classmethod
    def of(cls, names: Sequence[str], values: Floats) -> Learned:
        columns = [Column(name, FEATURE, _bins(name, x)) for name, x in zip(names, values.T, strict=True)]
        codes = np.stack([_codes(column.bins, x) for column, x in zip(columns, values.T, strict=True)])
        rows = PairRows(columns)
        for first in range(0, len(values), BASE):
            rows.add(codes[:, first : first + BASE])
            rows.close_window()
        windows = len(values) // BASE
        lengths = [
            Level(n, n * BASE, windows // n, windows // n >= 3) for n in (1 << k for k in range(windows.bit_length()))
        ]
        relations = learn_relations(
            rows, [_depends(*one) for one in zip(columns, codes, strict=True)], lengths, windows
        )
        assert relations is not None
        return cls(columns, relations, PairTest.of(relations))

    @property
    def alpha(self) -> float:
        return 1 / (MONTH / BASE) / len(LENGTHS) / len(self.relations.pairs)

    def levels(self, values: Floats) -> Levels:
        """(C, n) levels of live rows."""
        out = np.full((len(self.columns), len(values)), NO_LEVEL, np.uint8)
        for at, (column, x) in enumerate(zip(self.columns, values.T, strict=True)):
            lookup = np.full(256, NO_LEVEL, np.uint8)
            lookup[: column.bins.bins] = self.relations.levels[at]
            out[at] = lookup[_codes(column.bins, x)]
        return out

    def tables(self, levels: Levels) -> Ints:
        """(W, P, 3, 3) of base windows."""
        windows = levels.shape[1] // BASE
        place = np.repeat(np.arange(windows) * (CELLS + 1), BASE)
        out = []
        for a, b in self.relations.pairs.tolist():
            first, second = levels[a, : windows * BASE], levels[b, : windows * BASE]
            cell = np.where((first < NO_LEVEL) & (second < NO_LEVEL), first * LEVELS + second, CELLS)
            counted = np.bincount(place + cell, minlength=windows * (CELLS + 1)).reshape(windows, -1)
            out.append(counted[:, :CELLS])
        return np.stack(out, 1).reshape(windows, -1, LEVELS, LEVELS)

    def over(self, tables: Ints) -> tuple[Floats, Floats, Floats]:
        """(W, P) the most that a window that ends there is over, with the correlation it has and should have."""
        summed = np.concatenate([np.zeros((1, *tables.shape[1:]), np.int64), np.cumsum(tables, 0)])
        best, now, before = (np.zeros(tables.shape[:2]) for _ in range(3))
        for at, length in enumerate(LENGTHS):
            windows = summed[length:] - summed[:-length]
            level = min(at, len(self.relations.largest))
            learned = (
                level
                if level < len(self.relations.largest) and length * 3 <= ROWS // BASE
                else len(self.relations.largest)
            )
            places = np.full(len(windows), learned)
            found = self.test.measure(windows, np.ones(len(windows)), places, self.alpha)
            more = found.exceedance > best[length - 1 :]
            for into, new in ((best, found.exceedance), (now, found.now), (before, found.before)):
                into[length - 1 :] = np.where(more, new, into[length - 1 :])
        return best, now, before


def _bins(name: str, values: Floats) -> ColumnBins:
    known = values[~np.isnan(values)]
    if name not in CATEGORIES and len(np.unique(known)) > 4:
        return numeric_bins(known)
    found, counts = np.unique(known, return_counts=True)
    return ColumnBins(CATEGORICAL, categories=tuple(str(x) for x in found[np.argsort(-counts, kind="stable")]))


def _codes(bins: ColumnBins, values: Floats) -> Levels:
    missing = np.isnan(values)
    if bins.kind == NUMERIC:
        codes = np.searchsorted(np.array(bins.edges), values)
    else:
        names = np.array([float(x) for x in bins.categories])
        order = np.argsort(names)
        near = order[np.minimum(np.searchsorted(names[order], values), len(names) - 1)]
        codes = np.where(names[near] == values, near, len(names) - 1)  # a new one is none of the common ones
    return np.where(missing, NO_VALUE, codes).astype(np.uint8)


def _depends(column: Column, codes: Levels) -> bool:
    directions = column.directions()
    sums = BlockSums(directions.sets)
    sums.add(codes[codes != NO_VALUE])
    return settle(sums.finish(), directions.group).block > 0


Change = Callable[[Floats, Rng], Floats]


def shuffled(column: int, share: float = 1.0) -> Change:
    def change(rows: Floats, rng: Rng) -> Floats:
        here = np.flatnonzero(rng.random(len(rows)) < share)
        rows[here, column] = rows[rng.permutation(here), column]
        return rows

    return change


def exchanged(a: int, b: int) -> Change:
    def change(rows: Floats, _rng: Rng) -> Floats:
        rows[:, [a, b]] = rows[:, [b, a]]
        return rows

    return change


def delayed(column: int) -> Change:
    def change(rows: Floats, _rng: Rng) -> Floats:
        rows[1:, column] = rows[:-1, column].copy()
        return rows

    return change


def _changes(names: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...], Change]]:
    at = names.index
    for name in ("BILL_AMT2", "PAY_2", "PAY_0", "LIMIT_BAL", "AGE", "MARRIAGE", "EDUCATION", "PAY_AMT1"):
        yield f"shuffle {name}", (name,), shuffled(at(name))
    yield "shuffle BILL_AMT2 30 %", ("BILL_AMT2",), shuffled(at("BILL_AMT2"), 0.3)
    yield "shuffle BILL_AMT2 10 %", ("BILL_AMT2",), shuffled(at("BILL_AMT2"), 0.1)
    yield "shuffle PAY_0 30 %", ("PAY_0",), shuffled(at("PAY_0"), 0.3)
    for a, b in (("BILL_AMT2", "BILL_AMT5"), ("PAY_2", "PAY_4")):
        yield f"exchange {a} and {b}", (a, b), exchanged(at(a), at(b))
    yield "delay BILL_AMT2", ("BILL_AMT2",), delayed(at("BILL_AMT2"))


def delays(world: World, references: int, repeats: int, seed: int) -> None:
    """Events from the change to the ticket, and whether the right column is named eight base windows later."""
    found: dict[str, list[tuple[float, float, float, bool]]] = {}
    for number in range(references):
        rng = np.random.default_rng([seed, 1, number])
        learned = Learned.of(world.names, world.values[rng.integers(0, len(world.values), ROWS)])
        if not number:
            say(f"{len(learned.relations.pairs)} pairs, alpha {learned.alpha:.1e}")
        for name, touched, change in _changes(world.names):
            for _ in range(repeats):
                at = BEFORE * BASE + int(rng.integers(0, BASE))
                rows = world.values[rng.integers(0, len(world.values), (BEFORE + AFTER) * BASE)]
                rows[at:] = change(rows[at:].copy(), rng)
                found.setdefault(name, []).append(_delay(learned, world.names, rows, at, touched))
    shown = []
    for name, runs in found.items():
        delay = np.array([run[0] for run in runs])
        middle, late = (np.quantile(delay, q, method="higher") for q in (0.5, 0.95))
        seen = [run for run in runs if np.isfinite(run[0])]
        tie = f"{np.median([run[1] for run in seen]):.2f} -> {np.median([run[2] for run in seen]):.2f}" if seen else "-"
        right = f"{np.mean([run[3] for run in seen]):.0%}" if seen else "-"
        shown.append((name, f"{middle:.0f} / {late:.0f}", f"{np.mean(np.isinf(delay)):.0%}", tie, right))
    table(("change", "events, median / 95 %", "never", "tie at first", "named right"), shown)


def _delay(
    learned: Learned, names: Sequence[str], rows: Floats, at: int, touched: tuple[str, ...]
) -> tuple[float, float, float, bool]:
    tables = learned.tables(learned.levels(rows))
    best, now, before = learned.over(tables)
    best[:BEFORE] = 0
    over = best.max(1) > 1
    if not over.any():
        return np.inf, np.nan, np.nan, False
    first = int(over.argmax())
    pair = int(best[first].argmax())
    later = min(first + 8, len(tables) - 1)
    whole = tables[max(0, later - 7) : later + 1].sum(0)
    pairs = [(int(a), int(b)) for a, b in learned.relations.pairs]
    ever = np.flatnonzero(best[first : later + 1].max(0) > 1).tolist()
    group = groups_of(ever, pairs, learned.relations.tie.tolist())[0]
    changed = learned.test.exchanged(whole, ever)
    said = {names[group.column]} if changed is None else {names[column] for column in changed}
    return (first + 1) * BASE - at, float(before[first, pair]), float(now[first, pair]), said == set(touched)


def false_tickets(world: World, references: int, months: float, seed: int) -> None:
    """Tickets a month where nothing changes."""
    shown = []
    for kind in ("independent", "AR 0.5", "AR 0.9", "AR 0.99", "bursts 10", "blocks 700"):
        count, spent, settled = 0, 0.0, []
        for number in range(references):
            rng = np.random.default_rng([seed, 2, number, len(kind)])
            learned = Learned.of(world.names, world.values[world.rows(kind, rng, ROWS)])
            levels, settled_now = learned.levels(world.values), learned.relations.settled.mean()
            settled.append(float(settled_now))
            left = round(months * MONTH / BASE)
            while left > 0:
                tables = learned.tables(levels[:, world.rows(kind, rng, min(left, 2_000) * BASE)])
                best, _, _ = learned.over(tables)
                count += _starts(best.max(1) > 1)
                left -= len(tables)
                spent += len(tables) * BASE / MONTH
        high = poisson_interval(count)[1]
        shown.append(
            (kind, count, f"{spent:.1f}", f"{count / spent:.2f}", f"{high / spent:.1f}", f"{np.mean(settled):.0%}")
        )
    table(("traffic", "tickets", "months", "a month", "upper 95 %", "pairs settled"), shown)


def _starts(over: NDArray[np.bool_]) -> int:
    """Tickets: a run of windows over, ended by some quiet ones."""
    count, last = 0, -QUIET - 1
    for window in np.flatnonzero(over).tolist():
        count += window - last > QUIET
        last = window
    return count


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="relations", description=__doc__)
    parser.add_argument("--part", default="delays,false", help="delays, false")
    parser.add_argument("--references", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--months", type=float, default=0.5, help="of each reference")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    world, began = World.read(), time.process_time()
    if "delays" in asked.part:
        delays(world, asked.references, asked.repeats, asked.seed)
    if "false" in asked.part:
        false_tickets(world, asked.references, asked.months, asked.seed)
    say(f"{time.process_time() - began:.0f} s of CPU")
