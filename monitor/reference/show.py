"""A reference for a person: what it holds, and what it can and cannot page on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from monitor.clock import rfc3339
from monitor.phrases import many
from monitor.reference.build import MIN_WINDOWS, MIN_WINDOWS_LEARNED
from monitor.reference.reference import Reference, to_json
from monitor.stats.bins import FACTS, NUMERIC

_BARS: Final = " ▁▂▃▄▅▆▇█"
#: about so many sqrt(1/n + 1/m) standard deviations are seen within n effective events, 95 times in 100
_SEEN: Final = 9.0


def reference_json(reference: Reference) -> dict[str, Any]:
    """The file's content with its hash."""
    return {**to_json(reference), "hash": reference.hash}


def reference_text(reference: Reference) -> str:
    """A table with a small histogram a column, then what can page."""
    return "\n".join([*_head(reference), "", *_table(reference), "", *_reach(reference)])


def _head(reference: Reference) -> Iterator[str]:
    yield f"reference of {reference.key.model} {reference.key.version} ({reference.task})  {reference.hash}"
    yield (
        f"{many(reference.events, 'event')} ({many(reference.predictions, 'prediction')}) from "
        f"{rfc3339(reference.start_us)} to {rfc3339(reference.end_us)}, in "
        f"{many(reference.base_windows, 'base window')} of about "
        f"{_duration(reference.base_us)}"
    )
    for name, why in reference.ignored:
        yield f"ignored: {name}: {why}"


def _duration(us: int) -> str:
    seconds = us / 1e6
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _table(reference: Reference) -> Iterator[str]:
    longest = max([len(column.name) for column in reference.columns] + [6])
    yield f"{'column':<{longest}}  {'kind':<11}  {'bins':>4}  {'histogram':<31}  missing  absent  dispersion  sees from"
    for at, column in enumerate(reference.columns):
        counts, events = reference.counts[at], max(int(reference.counts[at].sum()), 1)
        facts = dict(zip(FACTS, counts[reference.width :].tolist(), strict=True))
        phi = float(reference.phi[at, -1]) if reference.phi.shape[1] else 1.0
        yield (
            f"{column.name:<{longest}}  {column.bins.kind:<11}  {column.bins.bins:>4}  "
            f"{_histogram(counts[: column.bins.bins]):<31}  {facts['missing'] / events:>6.1%}  "
            f"{facts['absent'] / events:>6.1%}  {phi:>10.2f}  {_sees_from(column.bins.kind, phi, events)}"
        )


def _histogram(counts: Any) -> str:  # noqa: ANN401  # an array of counts
    most = max(int(np.max(counts, initial=0)), 1)
    return "".join(_BARS[int(np.ceil(count / most * (len(_BARS) - 1)))] for count in counts.tolist())


def _sees_from(kind: str, phi: float, events: int) -> str:
    """The smallest lasting change that can be seen at all: the reference's own error bounds it."""
    limit = _SEEN * np.sqrt(phi / events)
    return f"{limit:.2g} sd" if kind == NUMERIC else f"{100 * limit / 2:.2g} points"


def _reach(reference: Reference) -> Iterator[str]:
    learned = [level for level in reference.levels if level.learned]
    yield "What can page:"
    yield "  missing, absent, unseen, outside, wrong type, constant: at every window length, and at every pane"
    if learned:
        lengths = ", ".join(f"{level.events:,.0f}" for level in learned)
        yield f"  distribution, score, prediction: windows of about {lengths} events"
        yield f"  longer windows: a ticket, as the reference holds fewer than {MIN_WINDOWS_LEARNED} of them"
    else:
        yield "  distribution, score, prediction: nothing, only tickets: the reference holds too few base windows"
        yield (
            f"  to change that give it at least {MIN_WINDOWS_LEARNED} base windows (better {5 * MIN_WINDOWS}): more "
            "rows, or a range of time (--from, --to) that covers the traffic's usual ups and downs"
        )
    if not any(level.windows >= MIN_WINDOWS for level in reference.levels):
        yield f"  dispersion is not measured (fewer than {MIN_WINDOWS} base windows): dependent events may page falsely"
    if reference.events < 10_000:
        held = many(reference.events, "event")
        yield f"  {held}: half of the page budget is kept back; from 10,000 on all of it is used"
