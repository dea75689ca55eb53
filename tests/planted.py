"""Numeric columns in which a change is planted, run through the judge of one model: base windows of 250 events each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US
from monitor.count.columns.aggregator import Aggregator
from monitor.count.columns.pane_rows import Rows
from monitor.count.exchange import Pane
from monitor.count.task_state import PaneKey
from monitor.decode.columns import Group
from monitor.findings import PAGE, Transition
from monitor.judge.model import ModelJudge
from monitor.reference.reference import Reference
from tests.engine import CREDIT, SECOND, START_US, admission_of, build, event, settings
from tests.engine import EVENTS as INPUT

Floats = NDArray[np.float64]

EVENTS = 250
REFERENCE_ROWS = 10_000
#: of one window, at six events a minute, ten a second
SLOW_US, FAST_US = 2_500 * SECOND, 25 * SECOND


def reference_of(values: Floats, categories: bool = False, span_us: int = FAST_US) -> Reference:
    """Of (C, n) values, named c0, c1, ..."""
    names = [f"c{at}" for at in range(len(values))]
    kinds = {name: {"kind": "categorical" if categories else "numeric"} for name in names}
    columns = values.astype(np.int64).tolist() if categories else values.tolist()
    gap = span_us / SECOND / EVENTS
    stream = [
        event(at * gap, features=dict(zip(names, row, strict=True)))
        for at, row in enumerate(zip(*columns, strict=True))
    ]
    return build(settings({"features": kinds}), stream)


def panes_of(reference: Reference, values: Floats, span_us: int) -> Iterator[Pane]:
    """Each holds the next 250 events of (C, n) values, counted by the daemon's kernel."""
    aggregator, events = Aggregator(reference), values.shape[1]
    values = values[[int(column.name.removeprefix("c")) for column in reference.columns]]  # in their order by name
    categories = reference.columns[0].bins.kind != "numeric"
    group = Group(
        key=CREDIT,
        rows=np.arange(events),
        has_features=np.ones(events, np.bool_),
        numeric=np.empty((0, events)) if categories else values,
        categorical=[one.astype(np.int64).tolist() for one in values] if categories else [],
        score=np.full(events, np.nan),
        prediction=[None] * events,
        label=[None] * events,
    )
    starts = np.arange(0, events, EVENTS)
    each, first_us = np.arange(events, dtype=np.int64), START_US + DAY_US
    ts = first_us + each * span_us // EVENTS
    rows = Rows(INPUT, each, starts, each // EVENTS, np.ones(events, np.bool_), ts, each)
    for at, tally in enumerate(aggregator.count(group, rows)):
        begin = first_us + at * span_us
        yield Pane(PaneKey(CREDIT, ""), begin, begin + span_us, tally)


@dataclass
class Life:
    """What was reported, each with the number of events that were judged by then."""

    sent: list[tuple[int, Transition]] = field(default_factory=list)

    def of(self, name: str) -> list[int]:
        """When transitions of that name came."""
        return [at for at, one in self.sent if one.transition == name]

    def paged(self) -> list[tuple[int, str]]:
        """When an incident was a page first, and the subject of its worst finding."""
        first: dict[str, tuple[int, str]] = {}
        for at, one in self.sent:
            if one.severity == PAGE and one.findings:
                first.setdefault(one.incident, (at, one.findings[0].key.subject))
        return sorted(first.values())


def live(reference: Reference, values: Floats, *, span_us: int = FAST_US, lasting_after_us: int = 10**18) -> Life:
    """Judge (C, n) values; a page is never lasting where nothing else is asked for."""
    monitored = admission_of(settings(), reference).monitored(CREDIT)
    assert monitored is not None
    judge = ModelJudge(monitored, 1.0, 30 * DAY_US, show_values=True, lasting_after_us=lasting_after_us)
    life = Life()
    for at, pane in enumerate(panes_of(reference, values, span_us), 1):
        _, sent = judge.add(pane, 1.0)
        life.sent += [(at * EVENTS, one) for one in sent]
    return life


def normal(seed: Sequence[int], columns: int, events: int, coefficient: float = 0.0) -> Floats:
    """(C, n) independent columns of mean 0 and standard deviation 1, each autoregressive with that coefficient."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((columns, events + 1_000)) * np.sqrt(1 - coefficient**2)
    for at in range(1, noise.shape[1] if coefficient else 0):
        noise[:, at] += coefficient * noise[:, at - 1]
    return np.asarray(noise[:, 1_000:], np.float64)
