"""Which pairs of columns a reference watches, and which columns go with no other, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from monitor.reference.relations import Relations
from monitor.text import listed, many

#: pairs and columns in a line
MOST_NAMED: Final = 8


def relation_notes(names: list[str], relations: Relations | None) -> Iterator[str]:
    """Sentences on the pairs of the columns called `names`; the strongest pairs first."""
    if relations is None:
        yield "no pairs of columns are watched: the file has none; build it again with this version"
        return
    if len(relations.pairs):
        strongest = np.argsort(-relations.tie, kind="stable").tolist()
        pairs = [f"{names[a]}~{names[b]}" for a, b in relations.pairs[strongest].tolist()]
        shown = [f"{pair} ({relations.tie[at]:.2f})" for pair, at in zip(pairs, strongest, strict=True)]
        yield f"{many(len(pairs), 'pair')} of columns that go together: {listed(shown, MOST_NAMED)}"
        unknown = [pair for pair, at in zip(pairs, strongest, strict=True) if not relations.settled[at]]
        if unknown:
            yield (
                f"not judged, as the reference is too short to tell how they vary: {listed(unknown, MOST_NAMED)}; "
                "build it from more rows or a longer time (--rows, --from, --to)"
            )
    alone = [names[at] for at in relations.without_partner()]
    if alone:
        yield f"no column goes with {listed(alone, MOST_NAMED)} closely enough to be watched together"
