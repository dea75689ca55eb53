"""Columns through the product's own reference build and judge, without a source: panes are counted by the kernel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US, SECOND_US
from monitor.count.columns.aggregator import Aggregator
from monitor.count.columns.pane_rows import Rows
from monitor.count.exchange import Pane
from monitor.count.task_state import PaneKey
from monitor.decode.columns import MISSING, Group
from monitor.events import Partition
from monitor.findings import PAGE, Transition
from monitor.judge.model import ModelJudge
from monitor.reference.column import PREDICTION, SCORE
from monitor.reference.monitored import Monitored
from monitor.reference.reference import Reference
from tests.engine import CREDIT, START_US, admission_of, build, settings
from tests.traffic_kinds import Values

Columns = Mapping[str, Values]
Ints = NDArray[np.int64]

MONTH_EVENTS: Final = 4_320_000
PANE_US: Final = 10 * SECOND_US
EVENTS_PER_US: Final = MONTH_EVENTS / (30 * DAY_US)
PANES_AT_ONCE: Final = 360
ROWS_AT_ONCE: Final = 5_000


def reference_of(
    columns: Columns,
    rows: int,
    pane_us: int = PANE_US,
    gap_us: float = 1 / EVENTS_PER_US,
    start_us: int = START_US,
    times: Ints | None = None,
    timezone: str = "UTC",
) -> Reference:
    """From the first `rows`, so far apart from `start_us` on or at these times, by the command's own two passes.

    A column `SCORE` is the events' score.

    Raises:
        UsageError: no column is worth watching.
    """
    plain = {name: [None if _is_nan(v) else v for v in values[:rows].tolist()] for name, values in columns.items()}
    if times is None:
        times = start_us + (np.arange(rows) * gap_us).astype(np.int64)
    head = {"type": "prediction", "model": CREDIT.model, "version": CREDIT.version}
    score = plain.pop(SCORE, [None] * rows)
    events = [
        {**head, "ts": int(times[at]), "features": {name: values[at] for name, values in plain.items()}}
        | ({} if score[at] is None else {"score": score[at]})
        for at in range(rows)
    ]
    return build(settings({"timezone": timezone}, windows={"pane": pane_us}), events)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def part_of(columns: Columns, first: int, last: int | None = None) -> dict[str, Values]:
    return {name: values[first:last] for name, values in columns.items()}


@dataclass(slots=True)
class Judged:
    """What became of a stream: `pages` are (events judged, subject, cause, base windows) when each began."""

    events: int = 0
    pages: list[tuple[int, str, str, int]] = field(default_factory=list)
    tickets: int = 0
    #: events judged while a page was open, and pages that were to be expected
    paged_events: int = 0
    expected: float = 0.0
    #: of the columns the share that may page for their distribution at the end
    may_page: float = 0.0


class Simulation:
    """One reference; each stream has a judge of its own. `pages` a month it may spend.

    Longer panes than the usual ones cost less, and are looked at less often.
    """

    def __init__(self, reference: Reference, pages: float = 1.0, pane_us: int = PANE_US) -> None:
        tree = settings()
        monitored = admission_of(tree, reference).monitored(CREDIT)
        assert monitored is not None, "the settings name this model"
        self.monitored: Monitored = monitored
        self._aggregator = Aggregator(reference)
        self._pages, self._per_us = pages, tree.budget.per
        self._pane_us = pane_us

    def judge(self) -> ModelJudge:
        return ModelJudge(self.monitored, self._pages, self._per_us, show_values=True)

    def run(self, columns: Columns, seed: int, judge: ModelJudge | None = None, *, to_page: bool = False) -> Judged:
        """All rows, in panes of a Poisson number of events, 100 a minute; with `to_page` up to the first page."""
        judge = judge or self.judge()
        start_us = judge.at_us or START_US + DAY_US
        times = _poisson_times(_rows_of(columns), np.random.default_rng([77, seed]), start_us, self._pane_us)
        return self._judged(columns, times, judge, to_page=to_page)

    def run_at(self, columns: Columns, times: Ints, judge: ModelJudge, stop_at: int | None = None) -> Judged:
        """All rows at these times, which rise; `stop_at`: up to the first page behind so many events."""
        return self._judged(columns, self._in_pieces(times), judge, to_page=stop_at is not None, stop_at=stop_at or 0)

    def _in_pieces(self, times: Ints) -> Iterator[Ints]:
        """About ROWS_AT_ONCE at once; no pane lies in two pieces."""
        first = 0
        while first < len(times):
            newest = int(times[min(first + ROWS_AT_ONCE, len(times)) - 1])
            last = int(np.searchsorted(times, (newest // self._pane_us + 1) * self._pane_us))
            yield times[first:last]
            first = last

    def _judged(
        self, columns: Columns, times: Iterator[Ints], judge: ModelJudge, *, to_page: bool, stop_at: int = 0
    ) -> Judged:
        judged, before, first = Judged(), judge.book.pages, judge.predictions
        for pane in self.panes(columns, times):
            _, transitions = judge.add(pane, 1.0)
            judged.events = judge.predictions - first
            paging = [one for one in transitions if _pages_now(one)]
            if paging and judge.book.pages > before + len(judged.pages):
                worst = paging[0].findings[0]
                judged.pages.append((judged.events, worst.key.subject, worst.key.cause, worst.base_windows))
                if to_page and judged.events > stop_at:
                    break
            incident = judge.book.incident
            if incident is not None and incident.severity == PAGE:
                judged.paged_events += pane.tally.events
        judged.tickets, judged.expected = judge.book.tickets, judge.budget.expected
        return judged

    def panes(self, columns: Columns, times: Iterator[Ints]) -> Iterator[Pane]:
        """The rows at these times; no pane goes over from one piece of them to the next."""
        done = 0
        for ts in times:
            begins, starts, slot = np.unique(
                ts // self._pane_us * self._pane_us, return_index=True, return_inverse=True
            )
            events, each = len(ts), np.arange(len(ts))
            counted = Rows(Partition("events", 0), each, starts, slot, np.ones(events, np.bool_), ts, each)
            tallies = self._aggregator.count(self._group(part_of(columns, done, done + events), events), counted)
            for begin, tally in zip(begins.tolist(), tallies, strict=True):
                yield Pane(PaneKey(CREDIT, ""), begin, begin + self._pane_us, tally)
            done += events

    def _group(self, columns: Columns, events: int) -> Group:
        shape = self._aggregator.shape.key_features
        numbers = [_number_cells(columns[name]) for name, kind in shape if kind == "numeric"]
        texts: list[list[Any]] = [columns[name].tolist() for name, kind in shape if kind != "numeric"]
        return Group(
            key=CREDIT,
            rows=np.arange(events),
            has_features=np.ones(events, np.bool_),
            numeric=np.stack(numbers) if numbers else np.zeros((0, events)),
            categorical=texts,
            score=columns[SCORE].astype(np.float64) if SCORE in columns else np.full(events, np.nan),
            prediction=columns[PREDICTION].tolist() if PREDICTION in columns else [None] * events,
            label=[None] * events,
        )


def _rows_of(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _poisson_times(rows: int, rng: np.random.Generator, start_us: int, pane_us: int) -> Iterator[Ints]:
    """Times (n,) of the events of so many panes at once, until there are as many as rows."""
    done = 0
    while done < rows:
        sizes = rng.poisson(EVENTS_PER_US * pane_us, PANES_AT_ONCE)
        sizes = np.minimum(sizes, np.maximum(rows - done - (np.cumsum(sizes) - sizes), 0))
        yield start_us + np.repeat(np.arange(PANES_AT_ONCE), sizes) * pane_us
        done += int(sizes.sum())
        start_us += PANES_AT_ONCE * pane_us


def _number_cells(values: Values) -> Values:
    numbers = values.astype(np.float64)
    return np.where(np.isnan(numbers), MISSING, numbers)


def _pages_now(transition: Transition) -> bool:
    return transition.severity == PAGE
