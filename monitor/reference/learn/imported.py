"""An import completed by a warm-up: its counts, and how much the windows of live events vary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.column import FEATURE, Column
from monitor.reference.file.encoding import with_hash
from monitor.reference.imported import Imported
from monitor.reference.reference import Reference
from monitor.stats.bins.name_bins import KnownNames
from monitor.stats.bins.reference_bins import ABSENT, MISSING, UNSEEN
from monitor.stats.bins.weighted import as_counts
from monitor.text import listed

#: columns named in one note
MOST_NAMED: Final = 10


def with_import(live: Reference, imported: Reference) -> Reference:
    """`live` is what the warm-up's events gave by the bins of the import: the counts become those of the import."""
    assert imported.imported is not None  # noqa: S101  # it is one
    places = {(column.role, column.name): at for at, column in enumerate(imported.columns)}
    counts, columns = live.counts.copy(), list(live.columns)
    expected = live.variability.unseen_expected.copy()
    carried = live.carried
    taken: set[tuple[str, str]] = set()
    for at, column in enumerate(live.columns):
        place = places.get((column.role, column.name))
        if place is not None and not imported.carried[place]:
            taken.add((column.role, column.name))  # the import knows its kind alone
            continue
        if place is None or column.parent or imported.columns[place].bins.kind != column.bins.kind:
            continue
        taken.add((column.role, column.name))
        is_partial = column.role == FEATURE and column.name in imported.imported.partial
        columns[at] = _with_known(column, imported.columns[place], is_partial=is_partial)
        counts[at] = _counts(live, at, imported, place, is_partial=is_partial)
        total = int(imported.carried[place])
        expected[at] = round(int(expected[at]) * total / max(int(carried[at]), 1))
        if column.bins.buckets:
            counts[at, live.width + UNSEEN] = min(int(expected[at]), int(counts[at, : live.width].sum()))
    known = imported.imported
    notes = (*known.notes, *_notes(live, imported, taken))
    return with_hash(
        replace(
            live,
            columns=tuple(columns),
            counts=counts,
            variability=replace(live.variability, unseen_expected=expected),
            imported=Imported(known.system, notes, known.limits, known.partial),
        )
    )


def _with_known(column: Column, known: Column, *, is_partial: bool) -> Column:
    """The column with the categories that the import knows; where it does not list all, those of the events too."""
    if not column.bins.buckets:
        return column
    hashes = KnownNames.from_bytes(known.bins.known).hashes
    if is_partial:
        hashes = np.union1d(hashes, KnownNames.from_bytes(column.bins.known).hashes)
    return replace(column, bins=replace(column.bins, known=KnownNames(hashes).to_bytes()))


def _counts(live: Reference, at: int, imported: Reference, place: int, *, is_partial: bool) -> NDArray[np.int64]:
    """The row of counts of one column: bins of the import, its missing values as live events write them."""
    bins = live.columns[at].bins
    row = np.zeros(live.counts.shape[1], np.int64)
    row[: bins.bins] = imported.counts[place, : bins.bins]
    if is_partial:  # how the others are spread over the buckets is not told
        seen = live.counts[at, bins.named : bins.bins]
        if seen.sum():
            row[bins.named : bins.bins] = as_counts(seen / seen.sum(), int(row[bins.named : bins.bins].sum()))
    missing = int(imported.counts[place, imported.width + MISSING])
    nulls, absent = (int(live.counts[at, live.width + one]) for one in (MISSING, ABSENT))
    row[live.width + ABSENT] = round(missing * absent / max(nulls + absent, 1))
    row[live.width + MISSING] = missing - row[live.width + ABSENT]
    return row


def _notes(live: Reference, imported: Reference, taken: set[tuple[str, str]]) -> Iterator[str]:
    """Columns that only one of both has."""
    own = [column.name for column in live.columns if (column.role, column.name) not in taken and not column.parent]
    gone = [column.name for column in imported.columns if (column.role, column.name) not in taken]
    if own:
        yield f"learned from the events of the warm-up, as the import does not have them: {listed(own, MOST_NAMED)}"
    if gone:
        yield f"not watched, as no event of the warm-up has them so: {listed(gone, MOST_NAMED)}"
