"""Whether promises are kept: changes of the promised size planted beside many references.

By kind of column: the change that is named, events within which it is promised to page in 95 of 100 cases (median over
references), the share that did, and the 95 % point of what was needed as a part of the promise. Then the share of runs
of 40,000 events in which a change a little below what is seen paged.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from tests.benchmarks.material import table
from tests.promised import SOURCES, delays, promised, unseen_pages

#: runs of a change that is not seen, of each reference
UNSEEN_RUNS = 2


@dataclass(slots=True)
class Kept:
    """Of one reference; `why` nothing is promised of it."""

    size: float = float("nan")
    events: float = float("nan")
    #: as parts of what is promised; infinite: later
    delays: list[float] = field(default_factory=list)
    unseen: list[bool] = field(default_factory=list)
    why: str = ""


def of_reference(name: str, runs: int, seed: int) -> Kept:
    one = promised(SOURCES[name], seed)
    column = one.column
    if column.why_not or not np.isfinite(column.named.events):
        return Kept(why=column.why_not or "no named change is promised")
    parts = [delay / column.named.events for delay in delays(one, runs)]
    return Kept(column.size, column.named.events, parts, unseen_pages(one, UNSEEN_RUNS))


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="promise", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--references", type=int, default=10, help="of each kind of column")
    parser.add_argument("--runs", type=int, default=20, help="beside each of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args(arguments)
    seeds = range(asked.seed, asked.seed + asked.references)
    rows = []
    with ProcessPoolExecutor(asked.processes) as pool:
        for name in SOURCES:
            rows.append(_row(name, list(pool.map(partial(of_reference, name, asked.runs), seeds))))
    table(("column", "change", "promised events", "paged in time", "95 % needed", "unseen that paged"), rows)


def _row(name: str, found: Sequence[Kept]) -> list[object]:
    known = [one for one in found if not one.why]
    if not known:
        return [name, found[0].why, "", "", "", ""]
    parts = [part for one in known for part in one.delays]
    unseen = [paged for one in known for paged in one.unseen]
    sizes = sorted({one.size for one in known})
    return [
        name,
        " / ".join(f"{size:g}" for size in sizes),
        f"{np.median([one.events for one in known]):,.0f}",
        f"{np.mean(np.array(parts) <= 1):.1%} of {len(parts)}",
        f"{np.quantile(parts, 0.95, method='higher'):.2f}",
        f"{np.mean(unseen):.0%} of {len(unseen)}",
    ]
