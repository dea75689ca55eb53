"""The joins of all models: predictions and labels go in, labels that met their predictions come out by cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.admission.versions import Admission
from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.count.columns.pane_rows import Rows
from monitor.count.labels.aggregator import LabelAggregators
from monitor.count.labels.answers import Answers
from monitor.count.labels.cohorts import LabelCohort
from monitor.count.labels.join_changes import EXPIRED, FATES, Changes, Met
from monitor.count.labels.join_tables import Ids, Ints, pack
from monitor.count.labels.model_join import JoinState, ModelJoin
from monitor.count.labels.rows import LabelRows
from monitor.count.totals import Totals
from monitor.decode.columns import Events, Group
from monitor.events import ModelKey, Partition
from monitor.reference.blank import WARMUP
from monitor.reference.monitored import Monitored
from monitor.settings.tree import Settings
from monitor.stats.performance.label_tally import LabelTally

#: a time behind all events
END_US: Final = 1 << 62
#: topic-partitions of a model, beyond which labels of further ones count as one
MOST_PLACES: Final = 0xFFFF


class Effective(NamedTuple):
    """Labels of a cohort that take effect before `until_us`, the end of a pane."""

    until_us: int
    cohort: LabelCohort


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Labels (n,): join keys, when they take effect, their values (None takes one back), and what they are counted for:
    `counted_for[key]`, having named `keys[key]`."""

    ids: Ids
    effect_us: Ints
    values: list[object]
    key: NDArray[np.int32]
    keys: list[ModelKey]
    counted_for: list[ModelKey]


@dataclass(frozen=True, slots=True)
class ModelJoinState:
    """Checkpointed state of a model's join: topic-partitions with labels in the order of their numbers, fates of labels
    since the state began, and what waits."""

    model: str
    places: list[Partition]
    fates: Mapping[tuple[ModelKey, str], int]
    join: JoinState


@dataclass(slots=True)
class _OfModel:
    """The join of a model, the number of each topic-partition of its labels, and the fates of its labels."""

    join: ModelJoin
    places: dict[Partition, int] = field(default_factory=dict)
    fates: Counter[tuple[ModelKey, str]] = field(default_factory=Counter)

    def place(self, partition: Partition) -> int:
        """From 1 on: 0 are labels that came with their predictions."""
        if partition not in self.places and len(self.places) < MOST_PLACES:
            self.places[partition] = 1 + len(self.places)
            self.rank()
        return self.places.get(partition, MOST_PLACES)

    def rank(self) -> None:
        """Of labels that take effect at the same time, those of the last topic-partition by name win."""
        rank = self.join.tables.rank = np.zeros(1 + len(self.places), np.int64)
        for at, partition in enumerate(sorted(self.places), 1):
            rank[self.places[partition]] = at


class Joins:
    """One join for each model whose horizon is not 0; the tasks of a process share them."""

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        aggregators: LabelAggregators,
        totals: Totals,
        warmed_up_us: Callable[[ModelKey], int] = lambda _: NO_CLOCK,
    ) -> None:
        """`warmed_up_us` is the end of the last pane that the warm-up of a model version took."""
        self._settings, self._admission, self._warmed_up_us = settings, admission, warmed_up_us
        self._aggregators, self._totals = aggregators, totals
        self._pane_us = settings.windows.pane
        self.models: dict[str, _OfModel] = {}
        #: labels by model version and fate since the process started, for series
        self.fates: Counter[tuple[ModelKey, str]] = Counter()

    def of(self, model: str) -> _OfModel | None:
        """The join of a model; None if its labels are not joined."""
        known = self.models.get(model)
        if known is None:
            settings = self._admission.model_of_event(model)
            if settings is None or not settings.labels.horizon:
                return None
            limit = self._settings.limits.waiting_predictions
            known = self.models[model] = _OfModel(ModelJoin(settings.labels.horizon, self._pane_us, limit))
        return known

    def add_predictions(self, group: Group, rows: Rows, events: Events) -> None:
        """Add the accepted predictions of a group that have an id."""
        known = self.of(group.key.model)
        if known is None:
            return
        ids = events.join_key[group.rows[rows.picked]]
        wanted = rows.is_prediction & (ids != 0)
        answers, own = rows.of(group.prediction), rows.of(group.label)
        if not wanted.all():
            at = np.flatnonzero(wanted).tolist()
            answers, own = [answers[i] for i in at], [own[i] for i in at]
        if answers:
            code = known.join.code(group.key)
            known.join.add_predictions(
                code, ids[wanted], rows.ts[wanted], group.score[rows.picked[wanted]], answers, own
            )

    def add_labels(self, partition: Partition, labels: LabelColumns) -> None:
        """Add labels, in the order of their partition."""
        used = np.unique(labels.key).tolist()
        for model in sorted({labels.keys[one].model for one in used}):
            known = self.of(model)
            if known is None:
                continue
            join, code, any_version = known.join, np.full(len(labels.keys), -1), np.zeros(len(labels.keys), np.bool_)
            for one in used:
                if labels.keys[one].model == model:
                    code[one], any_version[one] = join.code(labels.counted_for[one]), not labels.keys[one].version
            at = np.flatnonzero(code[labels.key] >= 0)
            values = labels.values if len(at) == len(labels.key) else [labels.values[i] for i in at.tolist()]
            key = labels.key[at]
            meta = pack(code[key], np.zeros(len(at), np.int64), known.place(partition), any_version[key])
            join.add_labels(labels.ids[at], labels.effect_us[at], join.answers.bits(values), meta)

    def step(
        self, until_us: Callable[[str], float], models: Iterable[str] | None = None, most_us: float = END_US
    ) -> list[Effective]:
        """Take all labels that take effect before `until_us(model name)` and `most_us`, of these models or of all;
        returns what becomes of cohorts, and labels that count for another version than they were counted for."""
        found: list[Effective] = []
        for model in self.models if models is None else models:
            known, until = self.models.get(model), min(until_us(model), most_us)
            if known is None:
                continue
            if until <= NO_CLOCK:
                continue
            joined = known.join.step(int(until))
            if joined is None:
                continue
            self._count_fates(known, joined.met, joined.expired)
            seen = {code: one for code in range(len(known.join.codes)) if (one := self._seen(known, code))}
            live = {code: one for code, one in seen.items() if one.reference.hash != WARMUP}
            found += self._changed(known.join.cohort_us, known.join.answers, joined.changes, live)
            found += self._balanced(known.join, joined.met, list(seen), live)
        return found

    def until_us(self, model: str) -> float:
        """Up to when labels of a model are joined; infinite where they are not."""
        known = self.models.get(model)
        return END_US if known is None else known.join.until_us

    def _seen(self, known: _OfModel, code: int) -> Monitored | None:
        """The model version with this code, if its labels are counted: not of before it started afresh."""
        return None if code in known.join.retired else self._admission.seen.monitored(known.join.codes[code])

    def _has_class(self, key: ModelKey, times_us: Ints) -> NDArray[np.bool_]:
        """Which predictions at these times (n,) are counted by class with their labels: not those of a warm-up."""
        return np.asarray(times_us >= self._warmed_up_us(key), np.bool_)

    def _count_fates(self, known: _OfModel, met: Met, expired: Counter[int]) -> None:
        codes = known.join.codes
        labels = met.name == 0
        pairs = Counter(zip(met.code[labels].tolist(), met.fate[labels].tolist(), strict=True))
        pairs.update({(code, FATES.index(EXPIRED)): count for code, count in expired.items()})
        found: Counter[tuple[ModelKey, str]] = Counter()
        for (code, fate), count in pairs.items():
            found[codes[code], FATES[fate]] += count  # a version that started afresh has several codes
        known.fates.update(found)
        self.fates.update(found)

    def _changed(
        self, cohort_us: int, answers: Answers, changes: Changes, live: dict[int, Monitored]
    ) -> Iterator[Effective]:
        """Changes of the tallies of cohorts, by the pane in which they take effect."""
        for code, monitored in live.items():
            at = np.flatnonzero(
                (changes.code == code) & (changes.name == 0) & self._has_class(monitored.key, changes.time_us)
            )
            if not len(at):
                continue
            panes, cohorts = changes.effect_us[at] // self._pane_us, changes.time_us[at] // cohort_us
            places, slots = np.unique(np.stack((panes, cohorts)), axis=1, return_inverse=True)
            rows = LabelRows(
                slots.reshape(-1),
                answers.values(changes.value[at]),
                answers.values(changes.answer[at]),
                changes.score[at].view(np.float64),
                changes.sign[at],
            )
            for slot, tally in sorted(self._aggregators.of(monitored).count(rows).items()):
                pane, cohort = places[:, slot].tolist()
                self._totals.labels.add(monitored.key, tally)
                of_cohort = LabelCohort(monitored.key, cohort * cohort_us, tally, joined=True)
                yield Effective((pane + 1) * self._pane_us, of_cohort)

    def _balanced(
        self, join: ModelJoin, met: Met, seen: list[int], live: Mapping[int, Monitored]
    ) -> Iterator[Effective]:
        """Count each label once, for the versions `seen` that it met: it was counted when it came, maybe for another
        one, and of the `live` ones, which are not in their warm-up, it is counted by class now."""
        at = np.flatnonzero((met.name == 0) & np.isin(met.code, seen))
        code, counted_for, more = met.code[at], met.counted_for[at], met.more[at]
        moved = code != counted_for
        for one in np.unique(code).tolist():
            change = int(np.count_nonzero(moved & (code == one)))
            if one in live:
                change -= int(more[(code == one) & self._has_class(join.codes[one], met.time_us[at])].sum())
            self._totals.labels.add(join.codes[one], LabelTally(change))
        yield from self._moved(join.codes, code[moved], met.effect_us[at][moved])
        kept = np.isin(met.label[at], met.label[at][~moved])
        _, first = np.unique(met.label[at][moved & ~kept], return_index=True)
        for one, count in Counter(counted_for[moved & ~kept][first].tolist()).items():
            if one not in join.retired:
                self._totals.labels.add(join.codes[one], LabelTally(-count))

    def _moved(self, codes: list[ModelKey], code: Ints, effect_us: Ints) -> Iterator[Effective]:
        """Labels that count for a version from now on, by the pane in which they take effect."""
        panes = effect_us // self._pane_us
        for (one, pane), count in sorted(Counter(zip(code.tolist(), panes.tolist(), strict=True)).items()):
            start_us = pane * self._pane_us
            yield Effective(start_us + self._pane_us, LabelCohort(codes[one], start_us, LabelTally(count)))

    def restore(self, states: Iterable[ModelJoinState]) -> None:
        """Continue from saved states; one of a model whose labels are not joined any more is dropped."""
        for state in states:
            known = self.of(state.model)
            if known is not None:
                known.places = {partition: at for at, partition in enumerate(state.places, 1)}
                known.rank()
                known.join.restore(state.join)
                known.fates = Counter(state.fates)

    def to_state(self, model: str, name: str) -> ModelJoinState:
        """The state of one model's join; `name` is that of its growing rows."""
        known = self.models[model]
        return ModelJoinState(model, list(known.places), dict(sorted(known.fates.items())), known.join.to_state(name))

    def retire(self, key: ModelKey) -> None:
        """The model version starts afresh: labels of its predictions so far are counted nowhere any more."""
        known = self.models.get(key.model)
        if known is not None:
            known.join.retire(key)

    def waiting(self) -> Counter[ModelKey]:
        """Labels that have not met their prediction, by the model version they were counted for."""
        found: Counter[ModelKey] = Counter()
        for known in self.models.values():
            for code, count in known.join.labels_waiting().items():
                found[known.join.codes[code]] += count
        return found

    def predictions_waiting(self) -> dict[str, int]:
        """Predictions that a label may still be joined to, by model."""
        return {model: known.join.predictions_waiting for model, known in self.models.items()}

    def joined_until(self) -> dict[str, int]:
        """Up to when labels are joined, microseconds, by model; without models that have not begun."""
        untils = {model: known.join.until_us for model, known in self.models.items()}
        return {model: until_us for model, until_us in untils.items() if until_us > NO_CLOCK}

    def let_go(self) -> dict[str, int]:
        """Predictions that were let go for the limit, by model."""
        return {model: known.join.by_pane.gone for model, known in self.models.items()}
