"""Stage 1: one partition number across the input topics. Who is let in, and the panes that are still open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.aggregator import Aggregator, Aggregators, Rows
from monitor.count.labels import LabelCount
from monitor.count.losses import Lost, Refused, lost_of
from monitor.count.partition_state import PartitionState, is_asked
from monitor.count.totals import Totals
from monitor.decode.columns import Events, Group
from monitor.events import (
    ACCEPTED,
    DUPLICATE,
    IGNORED,
    KINDS,
    LABEL,
    LATE,
    OUTCOMES,
    PREDICTION,
    REJECTED,
    UNKNOWN_MODEL,
    ModelKey,
    Partition,
)
from monitor.reference.catalog import Admission, Catalog, Monitored
from monitor.stats.tally import Tally, pack_mixed, unpack_mixed


class PaneKey(NamedTuple):
    """Whose tally it is: model version, segment ("" is the whole)."""

    key: ModelKey
    segment: str


class ClosedPane(NamedTuple):
    """A pane of one unit that no accepted event can change any more."""

    pane_key: PaneKey
    start_us: int
    tally: Tally


class Taken(NamedTuple):
    """What a batch brought: outcomes by (outcome, reason), accepted events by (model version, kind), the offsets of
    events of unknown models (for `unknown_models: reject`), and what was lost."""

    outcomes: Counter[tuple[str, str]]
    accepted: Counter[tuple[ModelKey, str]]
    unknown_offsets: list[int]
    lost: list[Lost]


class Task:
    """The unit of state of stage 1."""

    def __init__(
        self,
        number: int,
        catalog: Catalog,
        pane_us: int,
        id_memory: int,
        aggregators: Aggregators | None = None,
        totals: Totals | None = None,
    ) -> None:
        """`kernels` and `totals` are shared by the units of a process."""
        self.number = number
        self.partition_states: dict[str, PartitionState] = {}
        self.open: dict[PaneKey, dict[int, Tally]] = {}
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        #: label events that were not handed on yet, by model version and pane
        self.labels: dict[ModelKey, Counter[int]] = {}
        #: open panes by the name of their model, as heaps of (end, whose, number)
        self._due: dict[str, list[tuple[int, PaneKey, int]]] = {}
        self._open_panes = 0
        #: what panes were closed by last, unless one was opened since
        self._closed_by: Callable[[str], float] | None = None
        self._catalog = catalog
        self._pane_us = pane_us
        self._id_memory = id_memory
        self._aggregators = Aggregators() if aggregators is None else aggregators
        self._totals = Totals() if totals is None else totals

    def partition_state(self, topic: str) -> PartitionState:
        if topic not in self.partition_states:
            self.partition_states[topic] = PartitionState(Partition(topic, self.number), self._id_memory)
        return self.partition_states[topic]

    def aggregator(self, monitored: Monitored) -> Aggregator:
        return self._aggregators.of(monitored)

    def take(self, partition: Partition, events: Events, next_offset: int, now: float) -> Taken:
        """Count a decoded batch of one topic-partition; each event ends in exactly one outcome."""
        partition_state = self.partition_state(partition.topic)
        is_label = events.kind == LABEL
        # a key that labels alone name is not looked up as a version: that would make one of it
        used = set(events.key[~is_label].tolist())
        label_admissions = [self._catalog.label_admission(key) for key in events.keys]
        admissions = [
            self._catalog.admission(key) if at in used else label_admissions[at] for at, key in enumerate(events.keys)
        ]
        admitted = _admitted(admissions, label_admissions, events, is_label)
        lateness = np.array([a.lateness_us for a in admissions] or [0], np.int64)[events.key]
        asked = is_asked(events.kind, admitted)
        verdicts = partition_state.ask(asked, events.kind, events.ts, events.id_key, lateness, now)
        accepted = admitted & ~verdicts.late & ~verdicts.duplicate
        for group in events.groups:
            self._count_group(partition, group, events, accepted)
        self._count_labels(events, accepted & is_label, np.maximum(events.ts, verdicts.effect_from))
        partition_state.next_offset = next_offset
        refused = _refused(events, admissions, label_admissions, admitted)
        outcomes = _outcomes(events, refused, verdicts.late, verdicts.duplicate)
        for (outcome, reason), count in outcomes.items():
            self.outcomes[partition.topic, outcome, reason] += count
        unknown = [events.offset[one.rows] for one in refused if one.outcome == UNKNOWN_MODEL]
        return Taken(
            outcomes,
            self._accepted(events, accepted),
            np.unique(np.concatenate(unknown)).tolist() if unknown else [],
            lost_of(events, refused, verdicts.behind_us, verdicts.duplicate),
        )

    def _accepted(self, events: Events, accepted: NDArray[np.bool_]) -> Counter[tuple[ModelKey, str]]:
        pairs = events.key[accepted].astype(np.int64) * len(KINDS) + events.kind[accepted]
        counts = np.bincount(pairs, minlength=0)
        found: Counter[tuple[ModelKey, str]] = Counter()
        for pair in np.flatnonzero(counts).tolist():
            key, kind = events.keys[pair // len(KINDS)], KINDS[pair % len(KINDS)]
            found[self._label_key(key) if kind == KINDS[LABEL] else key, kind] += int(counts[pair])
        return found

    def _label_key(self, key: ModelKey) -> ModelKey:
        return self._totals.label_key(self._catalog.label_key(key))

    def _count_group(self, partition: Partition, group: Group, events: Events, accepted: NDArray[np.bool_]) -> None:
        monitored = self._catalog.monitored(group.key)
        picked = np.flatnonzero(accepted[group.rows])
        if monitored is None or len(picked) == 0:
            return
        ts = events.ts[group.rows[picked]]
        panes = ts // self._pane_us
        if (panes[1:] < panes[:-1]).any():
            order = np.argsort(panes, kind="stable")
            picked, panes, ts = picked[order], panes[order], ts[order]
        starts = np.flatnonzero(np.concatenate(([True], panes[1:] != panes[:-1])))
        slots = np.cumsum(np.concatenate(([0], panes[1:] != panes[:-1])))
        rows = group.rows[picked]
        offset, is_prediction = events.offset[rows], events.kind[rows] == PREDICTION
        aggregator = self.aggregator(monitored)
        tallies = aggregator.count(group, Rows(partition, picked, starts, slots, is_prediction, ts, offset))
        first = np.minimum.reduceat(offset, starts).tolist()
        last = np.maximum.reduceat(offset, starts).tolist()
        for slot, pane in enumerate(panes[starts].tolist()):
            tallies[slot].add_records(partition, first[slot], last[slot])
            self._totals.add(group.key, tallies[slot])
            self._add(PaneKey(group.key, ""), pane, tallies[slot])

    def _count_labels(self, events: Events, labels: NDArray[np.bool_], effective: NDArray[np.int64]) -> None:
        """A label takes effect at the later of its own time and the lane's clock; joining it comes later.

        Labels are kept apart from tallies: their model version may not have come yet, or never come.
        """
        rows = np.flatnonzero(labels)
        if not len(rows):
            return
        # by key, in the order in which keys come first: that decides which versions are kept apart
        keys, first, slots = np.unique(events.key[rows], return_index=True, return_inverse=True)
        panes, places = np.unique(effective[rows] // self._pane_us, return_inverse=True)
        counts = np.bincount(slots * len(panes) + places, minlength=len(keys) * len(panes)).reshape(len(keys), -1)
        for at in np.argsort(first).tolist():
            key = self._label_key(events.keys[keys[at]])
            by_pane = self.labels.setdefault(key, Counter())
            for place in np.flatnonzero(counts[at]).tolist():
                by_pane[int(panes[place])] += int(counts[at, place])
            self._totals.labels[key] += int(counts[at].sum())

    def _add(self, pane_key: PaneKey, pane: int, tally: Tally) -> None:
        by_pane = self.open.setdefault(pane_key, {})
        known = by_pane.get(pane)
        if known is not None:
            known.merge(tally)
            return
        by_pane[pane] = tally
        due = self._due.setdefault(pane_key.key.model, [])
        heappush(due, ((pane + 1) * self._pane_us, pane_key, pane))
        self._open_panes += 1
        self._closed_by = None

    def close(self, until_us: Callable[[str], float]) -> list[ClosedPane]:
        """Give out the panes that end at or before `until_us(model name)`."""
        closed: list[ClosedPane] = []
        if until_us is self._closed_by:
            return closed
        for model, due in self._due.items():
            until = until_us(model)
            while due and due[0][0] <= until:
                _, pane_key, pane = heappop(due)
                closed.append(ClosedPane(pane_key, pane * self._pane_us, self.open[pane_key].pop(pane)))
        self._open_panes -= len(closed)
        self._closed_by = until_us
        return closed

    def hand_on_labels(self) -> list[LabelCount]:
        """Give out the labels counted since the last call."""
        counts = [
            LabelCount(key, pane * self._pane_us, count)
            for key, by_pane in self.labels.items()
            for pane, count in by_pane.items()
        ]
        self.labels.clear()
        return counts

    @property
    def open_panes(self) -> int:
        return self._open_panes

    def forget(self, key: ModelKey) -> None:
        """Drop what is held of a model version; totals are the process's."""
        self.labels.pop(key, None)
        for pane_key in [pane_key for pane_key in self.open if pane_key.key == key]:
            self._open_panes -= len(self.open.pop(pane_key))
        kept = [entry for entry in self._due.get(key.model, ()) if entry[1].key != key]
        self._due[key.model] = kept
        heapify(kept)

    def to_state(self) -> dict[str, Any]:
        held = [
            (pane_key, pane, tally)
            for pane_key, by_pane in sorted(self.open.items())
            for pane, tally in sorted(by_pane.items())
        ]
        return {
            "unit": self.number,
            "lanes": {
                topic: partition_state.to_state() for topic, partition_state in sorted(self.partition_states.items())
            },
            "open": {
                "whose": [[*pane_key.key, pane_key.segment, pane] for pane_key, pane, _ in held],
                "tallies": pack_mixed([tally for _, _, tally in held]),
            },
            "labels": [
                [*key, pane, n] for key, by_pane in sorted(self.labels.items()) for pane, n in sorted(by_pane.items())
            ],
            "outcomes": [[*outcome, count] for outcome, count in sorted(self.outcomes.items())],
        }

    def restore(self, state: dict[str, Any]) -> None:
        for topic, partition_state in state["lanes"].items():
            self.partition_state(topic).restore(partition_state)
        for (model, version, segment, pane), tally in open_in(state):
            self._add(PaneKey(ModelKey(model, version), segment), pane, tally)
        for model, version, pane, count in state["labels"]:
            self.labels.setdefault(ModelKey(model, version), Counter())[pane] = count
        self.outcomes = Counter({(topic, outcome, reason): n for topic, outcome, reason, n in state["outcomes"]})


def open_in(state: Mapping[str, Any]) -> list[tuple[list[Any], Tally]]:
    """([model, version, segment, pane], tally) of the open panes in a unit's state; format 1 has them one by one."""
    held = state["open"]
    if isinstance(held, list):
        return [(one[:4], Tally.from_state(one[4])) for one in held]
    return list(zip(held["whose"], unpack_mixed(held["tallies"]), strict=True))


def _admitted(
    admissions: list[Admission], label_admissions: list[Admission], events: Events, is_label: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    if not admissions:
        return np.zeros(len(events), np.bool_)
    for_events = np.array([a.outcome == ACCEPTED for a in admissions])[events.key]
    for_labels = np.array([a.outcome == ACCEPTED for a in label_admissions])[events.key]
    return np.where(is_label, for_labels, for_events)


def _refused(
    events: Events, admissions: list[Admission], label_admissions: list[Admission], admitted: NDArray[np.bool_]
) -> list[Refused]:
    """The rows that were not admitted, by key and outcome."""
    if admitted.all():
        return []
    is_label = events.kind == LABEL
    found = []
    for at in np.unique(events.key[~admitted]).tolist():
        for admission, kind in ((admissions[at], ~is_label), (label_admissions[at], is_label)):
            rows = np.flatnonzero(~admitted & kind & (events.key == at))
            if len(rows):
                found.append(Refused(admission.outcome, admission.reason, events.keys[at], rows))
    return found


def _outcomes(
    events: Events, refused: list[Refused], late: NDArray[np.bool_], duplicate: NDArray[np.bool_]
) -> Counter[tuple[str, str]]:
    """Outcomes by (outcome, reason); they add up to the events of the batch's records."""
    found: Counter[tuple[str, str]] = Counter()
    for rejected in events.rejected:
        found[REJECTED, rejected.reason] += rejected.count
    found[IGNORED, "tombstone"] += events.tombstones
    for one in refused:
        found[one.outcome, one.reason] += len(one.rows)
    found[LATE, ""] += int(late.sum())
    found[DUPLICATE, ""] += int(duplicate.sum())
    found[ACCEPTED, ""] += len(events) - sum(len(one.rows) for one in refused) - int(late.sum()) - int(duplicate.sum())
    return Counter({outcome: count for outcome, count in found.items() if count})


def outcome_totals(tasks: list[Task]) -> dict[str, int]:
    """Events by outcome over all units, every outcome named that occurred."""
    total: Counter[str] = Counter()
    for task in tasks:
        for (_, outcome, _), count in task.outcomes.items():
            total[outcome] += count
    return {outcome: total[outcome] for outcome in OUTCOMES if total[outcome]}
