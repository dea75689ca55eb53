"""Stage 1: one partition number across the input topics. Admits events and keeps their open panes.

Labels are handled apart: `labels` takes them out of each batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.admission.batch import Admitted, admit
from monitor.count.admission.versions import Admission
from monitor.count.batch_outcomes import accepted_of, outcomes_of
from monitor.count.clocks.ahead_events import WrongTime
from monitor.count.columns.aggregator import Aggregator, Aggregators
from monitor.count.columns.facts import by_pane
from monitor.count.columns.pane_rows import Rows
from monitor.count.columns.sample import Sampled, accepted_sample
from monitor.count.labels.aggregator import LabelAggregators
from monitor.count.labels.joins import Joins
from monitor.count.labels.task_labels import TaskLabels
from monitor.count.losses import Lost, lost_of
from monitor.count.partition_state import PartitionState, Verdicts
from monitor.count.put_off import Part
from monitor.count.task_state import OpenPane, PaneKey, TaskState
from monitor.count.totals import Totals
from monitor.decode.columns import Events, Group
from monitor.events import (
    KINDS,
    LABEL,
    PREDICTION,
    UNKNOWN_MODEL,
    ModelKey,
    Partition,
)
from monitor.reference.monitored import Monitored
from monitor.stats.tallies.further import AHEAD, AHEAD_HERE, DUPLICATES, SAMPLED
from monitor.stats.tallies.growing import Growing
from monitor.stats.tallies.tally import Tally


class ClosedPane(NamedTuple):
    """A pane of one task that no accepted event can change any more."""

    pane_key: PaneKey
    start_us: int
    tally: Tally


class Taken(NamedTuple):
    """Result of a batch: outcomes by (outcome, reason), accepted events by (model version, kind), the offsets of
    events of unknown models (for `unknown_models: reject`), and what was lost."""

    outcomes: Counter[tuple[str, str]]
    accepted: Counter[tuple[ModelKey, str]]
    unknown_offsets: list[int]
    lost: list[Lost]


@dataclass(frozen=True, slots=True)
class Shared:
    """What the tasks of a process share. Without `joins`, labels do not meet predictions."""

    aggregators: Aggregators = field(default_factory=Aggregators)
    label_aggregators: LabelAggregators = field(default_factory=LabelAggregators)
    totals: Totals = field(default_factory=Totals)
    joins: Joins | None = None


class Task:
    """The unit of state of stage 1."""

    def __init__(
        self, number: int, admission: Admission, pane_us: int, id_memory: int, shared: Shared | None = None
    ) -> None:
        shared = Shared() if shared is None else shared
        self.number = number
        self.partition_states: dict[str, PartitionState] = {}
        self._open: dict[PaneKey, dict[int, Tally]] = {}
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        #: open panes by the name of their model, as heaps of (end, whose, number)
        self._due: dict[str, list[tuple[int, PaneKey, int]]] = {}
        self._open_panes = 0
        #: open panes that no cut has: a tally that one has is copied before it changes, as it may still be read
        self._own: set[tuple[PaneKey, int]] = set()
        #: batches taken and panes closed: with them what a checkpoint keeps changes, but for positions
        self._changes = 0
        #: the argument of the last `close`, None if a pane was opened since
        self._closed_by: Callable[[str], float] | None = None
        self._admission = admission
        self._pane_us = pane_us
        self._id_memory = id_memory
        self._aggregators = shared.aggregators
        self._totals = shared.totals
        aggregators, totals = shared.label_aggregators, shared.totals
        self.labels = TaskLabels(number, admission, aggregators, totals, pane_us, shared.joins)

    def partition_state(self, topic: str) -> PartitionState:
        if topic not in self.partition_states:
            self.partition_states[topic] = PartitionState(Partition(topic, self.number), self._id_memory)
        return self.partition_states[topic]

    def aggregator(self, monitored: Monitored) -> Aggregator:
        return self._aggregators.of(monitored)

    def take(
        self, partition: Partition, events: Events, next_offset: int, now: float, sample: Sequence[Sampled] = ()
    ) -> Taken:
        """Count a decoded batch of one topic-partition; each event ends in exactly one outcome.

        `sample` are some of its records, read once more.
        """
        partition_state = self.partition_state(partition.topic)
        admitted = admit(events, events.kind != LABEL, self._admission.of)
        verdicts = partition_state.ask(events, admitted, now)
        partition_state.next_offset = next_offset
        return self._take(partition, events, admitted, verdicts, now, sample)

    def take_settled(self, partition: Partition, events: Events, now: float, sample: Sequence[Sampled] = ()) -> Taken:
        """Count the events of calls whose sides were asked about by `ask_halves` where they were read."""
        clock_us = self.partition_state(partition.topic).clock_us
        admitted = admit(events, events.kind != LABEL, self._admission.of)
        return self._take(partition, events, admitted, Verdicts.settled(len(events), clock_us), now, sample)

    def ask_halves(
        self, topic: str, ts: NDArray[np.int64], lateness_us: NDArray[np.int64], keys: NDArray[np.uint64], now: float
    ) -> Verdicts:
        """Which sides of calls (n,) are late or duplicate, as `PartitionState.ask_times`."""
        self._changes += 1
        verdicts = self.partition_state(topic).ask_times(ts, lateness_us, keys, now)
        self._count_wrong_times(verdicts.wrong_times)
        return verdicts

    def lose(self, topic: str, outcomes: Counter[tuple[str, str]]) -> None:
        """Count events of sides that do not become a call, by (outcome, reason)."""
        self._changes += 1
        for (outcome, reason), count in outcomes.items():
            self.outcomes[topic, outcome, reason] += count

    def _take(
        self,
        partition: Partition,
        events: Events,
        admitted: Admitted,
        verdicts: Verdicts,
        now: float,
        sample: Sequence[Sampled],
    ) -> Taken:
        self._changes += 1
        accepted = admitted.rows & ~(verdicts.late | verdicts.duplicate)
        for group in events.groups:
            self._count_group(partition, group, events, accepted)
        self._count_facts(events, verdicts)
        self._count_sample(events, accepted, sample)
        labels = self.labels.take(partition.topic, events, verdicts.clock_us, now)
        refused = sorted(admitted.refused + labels.refused, key=lambda one: events.keys.index(one.key))
        outcomes = outcomes_of(events, refused, verdicts.late, verdicts.duplicate)
        for (outcome, reason), count in outcomes.items():
            self.outcomes[partition.topic, outcome, reason] += count
        unknown = [events.offset[one.rows] for one in refused if one.outcome == UNKNOWN_MODEL]
        return Taken(
            outcomes,
            accepted_of(events, accepted) + Counter({(key, KINDS[LABEL]): n for key, n in labels.accepted.items()}),
            np.unique(np.concatenate(unknown)).tolist() if unknown else [],
            lost_of(events, refused, verdicts.behind_us, verdicts.duplicate),
        )

    def _count_group(self, partition: Partition, group: Group, events: Events, accepted: NDArray[np.bool_]) -> None:
        monitored = self._admission.monitored(group.key)
        if monitored is None:
            return
        whole = len(group.rows) == len(events)
        kept = accepted if whole else accepted[group.rows]
        picked = None if kept.all() else np.flatnonzero(kept)
        if len(kept if picked is None else picked) == 0:
            return
        ts, offset, kind = events.ts, events.offset, events.kind
        if picked is not None or not whole:
            rows = group.rows if picked is None else group.rows[picked]
            ts, offset, kind = ts[rows], offset[rows], kind[rows]
        part = Part(partition, group, ts, offset, kind == PREDICTION)
        counted, numbers = self._rows(part, picked)
        aggregator = self.aggregator(monitored)
        if picked is None and not aggregator.at_once:
            self._begin(group.key, numbers, aggregator)
            self._totals.put_off.add(self.number, part, aggregator, partial(self._count_put_off, aggregator))
        else:
            self._count_rows(group, counted, numbers, aggregator)
        self.labels.take_predictions(monitored, group, counted, numbers, events)

    def _rows(self, part: Part, picked: NDArray[np.int64] | None) -> tuple[Rows, list[int]]:
        """The rows of a part, of those `picked` in its group (None: all of it), and the panes they fall into."""
        partition, _, ts, offset, is_prediction = part
        first, last = int(ts.min()) // self._pane_us, int(ts.max()) // self._pane_us
        at = np.arange(len(ts)) if picked is None else picked
        if first == last:
            start, slots = np.zeros(1, np.int64), np.zeros(len(ts), np.int64)
            return Rows(partition, at, start, slots, is_prediction, ts, offset), [first]
        panes = ts // self._pane_us
        if (panes[1:] < panes[:-1]).any():
            order = np.argsort(panes, kind="stable")
            at, panes, ts = at[order], panes[order], ts[order]
            offset, is_prediction = offset[order], is_prediction[order]
        begins = np.ones(len(panes), np.bool_)
        np.not_equal(panes[1:], panes[:-1], out=begins[1:])
        starts = np.flatnonzero(begins)
        slots = np.cumsum(begins) - 1
        return Rows(partition, at, starts, slots, is_prediction, ts, offset), panes[starts].tolist()

    def _begin(self, key: ModelKey, panes: list[int], aggregator: Aggregator) -> None:
        """Rows of a model version that are counted later fall into these panes."""
        self._totals.begin(key, aggregator.empty)
        pane_key = PaneKey(key, "")
        known = self._open.get(pane_key, ())
        for pane in panes:
            if pane not in known:
                self._add(pane_key, pane, aggregator.empty())

    def _count_put_off(self, aggregator: Aggregator, part: Part) -> None:
        self._count_rows(part.group, *self._rows(part, None), aggregator)

    def _count_rows(self, group: Group, rows: Rows, panes: list[int], aggregator: Aggregator) -> None:
        """Count rows that fall into these panes."""
        tallies = aggregator.count(group, rows)
        first = np.minimum.reduceat(rows.offset, rows.starts).tolist()
        last = np.maximum.reduceat(rows.offset, rows.starts).tolist()
        for slot, pane in enumerate(panes):
            tallies[slot].add_records(rows.partition, first[slot], last[slot])
            self._totals.add(group.key, tallies[slot])
            self._add(PaneKey(group.key, ""), pane, tallies[slot])

    def _count_facts(self, events: Events, verdicts: Verdicts) -> None:
        """Count what is known of events beside their columns; most batches have nothing of it."""
        for group in events.groups if verdicts.duplicate.any() else ():
            monitored = self._admission.monitored(group.key)
            if monitored is None or monitored.warmed_up:
                continue
            for pane, count in by_pane(group, verdicts.duplicate, verdicts.clock_us, self._pane_us):
                self._note(monitored, pane, {DUPLICATES: np.array([count], np.int64)})
        self._count_wrong_times(verdicts.wrong_times)

    def _count_wrong_times(self, wrong_times: Sequence[WrongTime]) -> None:
        """Count them in the pane in which that was known, and in that of their own time, where they are no traffic."""
        for key, ts, clock_us in wrong_times:
            monitored = self._admission.monitored(key)
            if monitored is not None and not monitored.warmed_up:
                self._note(monitored, clock_us // self._pane_us, {AHEAD: np.ones(1, np.int64)})
                self._note(monitored, ts // self._pane_us, {AHEAD_HERE: np.ones(1, np.int64)})

    def _count_sample(self, events: Events, accepted: NDArray[np.bool_], sample: Sequence[Sampled]) -> None:
        """Count the columns of the sample's events that were accepted, in the panes of their times."""
        known = Counter[tuple[ModelKey, int]]()
        for key, ts, features in accepted_sample(sample, events, accepted):
            pane, monitored = ts // self._pane_us, self._admission.monitored(key)
            if monitored is None or monitored.warmed_up:
                continue
            schema = self.aggregator(monitored).schema
            if schema.knows(features):
                known[key, pane] += 1  # nearly all: they are counted together
            else:
                self._note(monitored, pane, schema.of(features))
        for (key, pane), count in known.items():
            if (monitored := self._admission.monitored(key)) is not None:
                self._note(monitored, pane, {SAMPLED: np.array([count], np.int64)})

    def _note(self, monitored: Monitored, pane: int, further: Mapping[str, NDArray[np.int64]]) -> None:
        """Add further counts to a pane, which may hold nothing else."""
        pane_key = PaneKey(monitored.key, "")
        if pane not in self._open.get(pane_key, ()):
            self._add(pane_key, pane, self.aggregator(monitored).empty())
        self._tally(pane_key, pane).add_further(further)

    def _add(self, pane_key: PaneKey, pane: int, tally: Tally) -> None:
        by_pane = self._open.setdefault(pane_key, {})
        if pane in by_pane:
            self._tally(pane_key, pane).merge(tally)
            return
        by_pane[pane] = tally
        self._own.add((pane_key, pane))
        due = self._due.setdefault(pane_key.key.model, [])
        heappush(due, ((pane + 1) * self._pane_us, pane_key, pane))
        self._open_panes += 1
        self._closed_by = None

    def _tally(self, pane_key: PaneKey, pane: int) -> Tally:
        """The tally of an open pane, to be changed."""
        by_pane = self._open[pane_key]
        if (pane_key, pane) not in self._own:
            by_pane[pane] = by_pane[pane].copy()
            self._own.add((pane_key, pane))
        return by_pane[pane]

    def recount(self, key: ModelKey, tallies: Mapping[int, Tally]) -> None:
        """Replace the tallies of a model version's open panes, by the start of each: it has another reference."""
        self._changes += 1
        panes = self.open.get(PaneKey(key, ""), {})
        for pane in panes:
            panes[pane] = tallies[pane * self._pane_us]
            self._own.add((PaneKey(key, ""), pane))

    def close(self, until_us: Callable[[str], float]) -> list[ClosedPane]:
        """Give out the panes that end at or before `until_us(model name)`."""
        closed: list[ClosedPane] = []
        if until_us is self._closed_by:
            return closed
        self._decide_ahead(until_us)
        for model, due in self._due.items():
            until = until_us(model)
            while due and due[0][0] <= until:
                _, pane_key, pane = heappop(due)
                self._totals.put_off.count_of(self.number, pane_key.key)
                tally = self._tally(pane_key, pane)
                del self._open[pane_key][pane]
                self._own.discard((pane_key, pane))
                closed.append(ClosedPane(pane_key, pane * self._pane_us, tally))
        self._open_panes -= len(closed)
        self._changes += bool(closed)
        self._closed_by = until_us
        return closed

    def _decide_ahead(self, until_us: Callable[[str], float]) -> None:
        """Decide on events ahead of their clock whose panes are given out now."""
        for state in self.partition_states.values():
            if state.ahead:
                wrong_times = state.ahead.decide(
                    state.clock.arrived_us,
                    state.clock_us,
                    lambda key, ts: (ts // self._pane_us + 1) * self._pane_us <= until_us(key.model),
                )
                self._count_wrong_times(wrong_times)

    @property
    def open(self) -> dict[PaneKey, dict[int, Tally]]:
        """The tallies of open panes."""
        self._totals.put_off.count_all()
        return self._open

    @property
    def open_panes(self) -> int:
        return self._open_panes

    def forget(self, key: ModelKey) -> None:
        """Drop what is held of a model version, its labels too; totals are the process's."""
        self._changes += 1
        self.labels.forget(key)
        for partition_state in self.partition_states.values():
            partition_state.ahead.forget(key)
        self._totals.put_off.drop(self.number, key)
        for pane_key in [pane_key for pane_key in self._open if pane_key.key == key]:
            self._open_panes -= len(self._open.pop(pane_key))
        self._own = {place for place in self._own if place[0].key != key}
        kept = [entry for entry in self._due.get(key.model, ()) if entry[1].key != key]
        self._due[key.model] = kept
        heapify(kept)

    def mark(self) -> Hashable:
        """Changes whenever `to_state` would."""
        positions = tuple((topic, one.next_offset) for topic, one in self.partition_states.items())
        return self._changes, positions

    def ids(self) -> list[Growing]:
        """The memories of event ids, as rows that a store may keep apart."""
        return [one.ids.to_state(str(one.partition)) for _, one in sorted(self.partition_states.items())]

    def to_state(self) -> TaskState:
        """The state as values; its tallies are not changed any more."""
        open_panes = self.open
        self._own.clear()
        return TaskState(
            self.number,
            {topic: partition_state.to_state() for topic, partition_state in sorted(self.partition_states.items())},
            [
                OpenPane(pane_key, pane, tally)
                for pane_key, by_pane in sorted(open_panes.items())
                for pane, tally in sorted(by_pane.items())
            ],
            dict(sorted(self.outcomes.items())),
        )

    def restore(self, state: TaskState) -> None:
        """Continue from a saved state; the task owns (and changes) its tallies from now on."""
        for topic, partition_state in state.partitions.items():
            self.partition_state(topic).restore(partition_state)
        for pane_key, pane, tally in state.open:
            self._add(pane_key, pane, tally)
        self.outcomes = Counter(state.outcomes)
