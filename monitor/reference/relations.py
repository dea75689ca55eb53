"""Relations of a reference: pairs of columns that go together, with what is needed to see that they no longer do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.pairs.levels import CELLS, LEVELS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: name of the watched pairs' counts in a tally: (P x 9)
PAIR_COUNTS: Final = "pairs"


@dataclass(frozen=True)
class Relations:
    """P watched pairs of C columns, at K window lengths.

    `levels` (C) the level of each bin, empty for a column that takes no part; `strongest` (C,) its strongest tie with
    another column, 0 to 1 (NaN where it takes no part). `pairs` (P, 2) places of columns, `tables` (P, 3, 3) their
    counts, `tie` (P,). `variance`, `freedom` (P,): long-run variance of a pair's statistic relative to independent
    rows and its degrees of freedom (infinite: independent), `block` (P,) the rows it needs; a pair that is not
    `settled` (P,) is not judged, as its variance is not known. `dependent` (P,): the rows of the pair, or of one of its
    columns, depend on each other; then `largest` (K, P) is the largest mean of the statistic in a window inside the
    reference (NaN: not learned).
    `all_tables` {(a, b): (3, 3)} with a < b of every two columns; empty where there are too many columns.
    """

    levels: tuple[tuple[int, ...], ...]
    strongest: Floats
    pairs: Ints
    tables: Ints
    tie: Floats
    variance: Floats
    freedom: Floats
    block: Ints
    settled: Flags
    dependent: Flags
    largest: Floats
    all_tables: dict[tuple[int, int], Ints]

    def table(self, first: int, second: int) -> Ints | None:
        """(3, 3) counts of two columns; None where they were not kept."""
        if first < second:
            return self.all_tables.get((first, second))
        known = self.all_tables.get((second, first))
        return None if known is None else known.T

    def of(self, columns: list[int]) -> Relations:
        """The relations among some columns, by their places, in their order."""
        place = {at: new for new, at in enumerate(columns)}
        kept = [at for at, (a, b) in enumerate(self.pairs.tolist()) if a in place and b in place]
        return Relations(
            levels=tuple(self.levels[at] for at in columns),
            strongest=self.strongest[columns],
            pairs=np.array([[place[a], place[b]] for a, b in self.pairs[kept].tolist()], np.int64).reshape(-1, 2),
            tables=self.tables[kept],
            tie=self.tie[kept],
            variance=self.variance[kept],
            freedom=self.freedom[kept],
            block=self.block[kept],
            settled=self.settled[kept],
            dependent=self.dependent[kept],
            largest=self.largest[:, kept],
            all_tables={
                (place[a], place[b]): table for (a, b), table in self.all_tables.items() if a in place and b in place
            },
        )

    def without_partner(self) -> list[int]:
        """Places of columns that take part, and are in no watched pair."""
        watched = set(self.pairs.ravel().tolist())
        return [at for at, levels in enumerate(self.levels) if levels and at not in watched]


def relations_json(relations: Relations) -> dict[str, Any]:
    """Plain values for the file; numbers that are infinite or not known are null."""
    every = relations.all_tables
    return {
        "levels": [list(levels) for levels in relations.levels],
        "strongest": _nullable(relations.strongest),
        "pairs": [
            {
                "columns": pair,
                "counts": relations.tables[at].ravel().tolist(),
                "tie": float(relations.tie[at]),
                "variance": float(relations.variance[at]),
                "freedom": _nullable(relations.freedom[at : at + 1])[0],
                "block": int(relations.block[at]),
                "settled": bool(relations.settled[at]),
                "dependent": bool(relations.dependent[at]),
                "largest": _nullable(relations.largest[:, at]),
            }
            for at, pair in enumerate(relations.pairs.tolist())
        ],
        **({"tables": [[a, b, *table.ravel().tolist()] for (a, b), table in sorted(every.items())]} if every else {}),
    }


def relations_from(plain: dict[str, Any], levels: int) -> Relations:
    """Back from `relations_json`, of a reference with so many window lengths."""
    pairs = plain["pairs"]
    largest = [[np.nan if x is None else x for x in pair["largest"]] for pair in pairs]
    return Relations(
        levels=tuple(tuple(one) for one in plain["levels"]),
        strongest=np.array([np.nan if x is None else x for x in plain["strongest"]], np.float64),
        pairs=np.array([pair["columns"] for pair in pairs], np.int64).reshape(-1, 2),
        tables=np.array([pair["counts"] for pair in pairs], np.int64).reshape(-1, LEVELS, LEVELS),
        tie=np.array([pair["tie"] for pair in pairs], np.float64),
        variance=np.array([pair["variance"] for pair in pairs], np.float64),
        freedom=np.array([np.inf if pair["freedom"] is None else pair["freedom"] for pair in pairs], np.float64),
        block=np.array([pair["block"] for pair in pairs], np.int64),
        settled=np.array([pair["settled"] for pair in pairs], np.bool_),
        dependent=np.array([pair["dependent"] for pair in pairs], np.bool_),
        largest=np.array(largest, np.float64).reshape(len(pairs), levels).T,
        all_tables={
            (row[0], row[1]): np.array(row[2 : 2 + CELLS], np.int64).reshape(LEVELS, LEVELS)
            for row in plain.get("tables", ())
        },
    )


def _nullable(numbers: Floats) -> list[float | None]:
    return [float(x) if np.isfinite(x) else None for x in numbers.tolist()]
