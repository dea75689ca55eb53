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
from monitor.count.labels.cohorts import LabelCohort
from monitor.count.labels.join_changes import EXPIRED, FATES, Changes, Met
from monitor.count.labels.join_state import JoinState
from monitor.count.labels.join_tables import Ids, Ints, coded, named, pack
from monitor.count.labels.joined_model import JoinedModel
from monitor.count.labels.model_join import ModelJoin
from monitor.count.labels.outcome_counts import OutcomeRows, outcome_tallies
from monitor.count.labels.rows import LabelRows, probabilities_of
from monitor.count.totals import Totals
from monitor.decode.columns import ABSENT_VALUE, Events, Group, Outcomes
from monitor.events import ModelKey, Partition
from monitor.reference.blank import WARMUP
from monitor.reference.monitored import Monitored
from monitor.settings.tree import Settings
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import FURTHEST, LABEL_VALUE, OTHER

#: a time behind all events
END_US: Final = 1 << 62
#: the fate of outcomes whose names are too many
OVER_LIMIT: Final = "over_limit"
#: the fate of numbers that are too large to be counted
TOO_LARGE: Final = "too_large"
#: tallies of cohorts that are added to the totals one by one
_ADDED: Final = 32


class Effective(NamedTuple):
    """Labels of a cohort that take effect before `until_us`, the end of a pane."""

    until_us: int
    cohort: LabelCohort


class Revised(NamedTuple):
    """So many labels, or outcomes of a name, of predictions at a time were replaced or taken back in the pane that ends
    at `until_us`."""

    key: ModelKey
    name: str | None
    time_us: int
    until_us: int
    rows: int


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Labels (n,): join keys, when they take effect, their values (None takes one back, ABSENT_VALUE is none), and what
    they are counted for: `counted_for[key]`, having named `keys[key]`. `outcomes` came with them."""

    ids: Ids
    effect_us: Ints
    values: list[object]
    key: NDArray[np.int32]
    keys: list[ModelKey]
    counted_for: list[ModelKey]
    outcomes: Outcomes = field(default_factory=Outcomes.none)


@dataclass(frozen=True, slots=True)
class ModelJoinState:
    """Checkpointed state of a model's join: topic-partitions with labels in the order of their numbers, fates of labels
    since the state began, and what waits; the names of outcomes in the order of their numbers, their texts and
    fates."""

    model: str
    places: list[Partition]
    fates: Mapping[tuple[ModelKey, str], int]
    join: JoinState
    names: list[str] = field(default_factory=list)
    outcome_texts: list[str] = field(default_factory=list)
    outcome_fates: Mapping[tuple[ModelKey, str, str], int] = field(default_factory=dict)


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
        #: width of the cohorts that labels are handed on in, where it is not that of the model's horizon
        self.handed_on_us: int | None = None
        #: called with labels and outcomes that are replaced or taken back, where they are counted by cohort
        self.when_revised: Callable[[Revised], None] | None = None
        self.models: dict[str, JoinedModel] = {}
        #: the names of `_known_names` by model
        self._known: dict[str, frozenset[str]] = {}
        admission.when_replaced(self._ask_names_again)
        #: accepted predictions with an id since the process started
        self.identified: Counter[ModelKey] = Counter()
        #: labels by model version and fate since the process started, for series
        self.fates: Counter[tuple[ModelKey, str]] = Counter()
        #: the same of outcomes, with their names
        self.outcome_fates: Counter[tuple[ModelKey, str, str]] = Counter()

    def of(self, model: str) -> JoinedModel | None:
        """The join of a model; None if its labels are not joined."""
        known = self.models.get(model)
        if known is None:
            settings = self._admission.model_of_event(model)
            if settings is None or not settings.labels.horizon:
                return None
            limit = self._settings.limits.waiting_predictions
            known = self.models[model] = JoinedModel(ModelJoin(settings.labels.horizon, self._pane_us, limit))
        return known

    def add_predictions(self, group: Group, rows: Rows, events: Events, segments: Ints) -> None:
        """Add the accepted predictions of a group that have an id; `segments` (n,) is what `SegmentCodes` packs."""
        known, ids = self.of(group.key.model), events.join_key[group.rows[rows.picked]]
        wanted = rows.is_prediction & (ids != 0)
        self.identified[group.key] += int(wanted.sum())
        if known is None:
            return
        answers, own = rows.of(group.prediction), rows.of(group.label)
        if not wanted.all():
            at = np.flatnonzero(wanted).tolist()
            answers, own = [answers[i] for i in at], [own[i] for i in at]
        if answers:
            picked, probabilities = rows.picked[wanted], probabilities_of(group)
            beside = None if probabilities is None else probabilities[picked]
            codes = coded(known.join.code(group.key), segments[wanted])
            known.join.add_predictions(codes, ids[wanted], rows.ts[wanted], group.score[picked], answers, own, beside)

    def add_labels(self, partition: Partition, labels: LabelColumns) -> None:
        """Add labels, in the order of their partition, and the outcomes that came with them."""
        used = np.unique(labels.key).tolist()
        for model in sorted({labels.keys[one].model for one in used}):
            known = self.of(model)
            if known is None:
                self._count_unjoined(model, labels)
                continue
            join, code, any_version = known.join, np.full(len(labels.keys), -1), np.zeros(len(labels.keys), np.bool_)
            for one in used:
                if labels.keys[one].model == model:
                    code[one], any_version[one] = join.code(labels.counted_for[one]), not labels.keys[one].version
            is_own = code[labels.key] >= 0
            meta = pack(
                code[labels.key], np.zeros(len(is_own), np.int64), known.place(partition), any_version[labels.key]
            )
            at, values = np.flatnonzero(is_own), labels.values
            if len(labels.outcomes):
                self._add_outcomes(model, labels, is_own, meta)
                at = at[[values[i] is not ABSENT_VALUE for i in at.tolist()]]
            if len(at) < len(values):
                values = [values[i] for i in at.tolist()]
            join.add_labels(labels.ids[at], labels.effect_us[at], join.answers.bits(values), meta[at])

    def _ask_names_again(self, key: ModelKey) -> None:
        self._known.pop(key.model, None)

    def _known_names(self, model: str) -> frozenset[str]:
        """The outcomes that the settings of a model have, or a reference of one of its versions."""
        if model not in self._known:
            settings, references = self._admission.model(model), self._admission.references
            found = {LABEL_VALUE, *(() if settings is None else settings.outcomes)}
            found.update(*(one.outcomes or () for key, one in references if key.model == model))
            self._known[model] = frozenset(found)
        return self._known[model]

    def _add_outcomes(self, model: str, labels: LabelColumns, is_own: NDArray[np.bool_], meta: Ids) -> None:
        """Add the outcomes of a model's labels; `is_own` (n,) and `meta` (n,) are of all labels."""
        known, of = self.models[model], labels.outcomes
        own = np.flatnonzero(is_own[of.label])
        used = set(of.name[own].tolist())
        names = self._known_names(model)
        number = np.array([known.name(name, names) if at in used else 0 for at, name in enumerate(of.names)], np.int64)
        name, label = number[of.name[own]], of.label[own]
        if not name.all():
            over = labels.key[label[name == 0]].tolist()
            self._count_outcomes(known, Counter((labels.counted_for[at], OTHER, OVER_LIMIT) for at in over))
        kept = np.flatnonzero(name)
        bits = known.outcome_answers.bits([of.values[i] for i in own[kept].tolist()])
        is_far = np.abs(bits.view(np.float64)) > FURTHEST
        if is_far.any():
            far = own[kept[is_far]]
            named_far = ((at, of.names[name] or OTHER) for at, name in zip(of.label[far], of.name[far], strict=True))
            by_key = ((labels.counted_for[labels.key[at]], name, TOO_LARGE) for at, name in named_far)
            self._count_outcomes(known, Counter(by_key))
            kept, bits = kept[~is_far], bits[~is_far]
        label = label[kept]
        known.join.add_labels(labels.ids[label], labels.effect_us[label], bits, named(meta[label], name[kept]))

    def _count_unjoined(self, model: str, labels: LabelColumns) -> None:
        """Count the outcomes of a model whose labels are not joined: nothing comes of them."""
        of = labels.outcomes
        for at, name in zip(labels.key[of.label].tolist(), of.name.tolist(), strict=True):
            if labels.keys[at].model == model and of.names[name] != LABEL_VALUE:
                self.outcome_fates[labels.counted_for[at], OTHER, EXPIRED] += 1

    def _count_outcomes(self, known: JoinedModel, fates: Counter[tuple[ModelKey, str, str]]) -> None:
        known.outcome_fates.update(fates)
        self.outcome_fates.update(fates)

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
            found += self._changed(known, joined.changes, live)
            found += self._balanced(known.join, joined.met, list(seen), live)
        return found

    def until_us(self, model: str) -> float:
        """Up to when labels of a model are joined; infinite where they are not."""
        known = self.models.get(model)
        return END_US if known is None else known.join.until_us

    def _seen(self, known: JoinedModel, code: int) -> Monitored | None:
        """The model version with this code, if its labels are counted: not of before it started afresh."""
        return None if code in known.join.retired else self._admission.seen.monitored(known.join.codes[code])

    def _has_class(self, key: ModelKey, times_us: Ints) -> NDArray[np.bool_]:
        """Which predictions at these times (n,) are counted by class with their labels: not those of a warm-up."""
        return np.asarray(times_us >= self._warmed_up_us(key), np.bool_)

    def _count_fates(self, known: JoinedModel, met: Met, expired: Counter[tuple[int, int]]) -> None:
        codes, names = known.join.codes, list(known.names)
        of_each = zip(met.code.tolist(), met.name.tolist(), met.fate.tolist(), strict=True)
        found = Counter(of_each)
        found.update({(code, name, FATES.index(EXPIRED)): count for (code, name), count in expired.items()})
        labels, outcomes = Counter[tuple[ModelKey, str]](), Counter[tuple[ModelKey, str, str]]()
        for (code, name, fate), count in found.items():
            if name and names[name - 1] != LABEL_VALUE:
                outcomes[codes[code], names[name - 1], FATES[fate]] += count
            elif not name:
                labels[codes[code], FATES[fate]] += count  # a version that started afresh has several codes
        known.fates.update(labels)
        self.fates.update(labels)
        self._count_outcomes(known, outcomes)

    def _changed(self, known: JoinedModel, changes: Changes, live: dict[int, Monitored]) -> Iterator[Effective]:
        """Changes of the tallies of cohorts, by the pane in which they take effect."""
        cohort_us = self.handed_on_us or known.join.cohort_us
        for code, monitored in live.items():
            at = np.flatnonzero((changes.code == code) & self._has_class(monitored.key, changes.time_us))
            if not len(at):
                continue
            if self.when_revised is not None:
                self._tell_revised(self.when_revised, known, monitored.key, changes, at[changes.sign[at] < 0])
            panes, cohorts = changes.effect_us[at] // self._pane_us, changes.time_us[at] // cohort_us
            (panes, pane), (cohorts, cohort) = (np.unique(of, return_inverse=True) for of in (panes, cohorts))
            places, slots = np.unique(pane * len(cohorts) + cohort, return_inverse=True)
            tallies = self._tallies(known, monitored, changes, at, slots)
            # one cohort has few labels: all together are counted faster than the tallies of many are added
            total = tallies if len(tallies) <= _ADDED else self._tallies(known, monitored, changes, at, slots * 0)
            for tally in total.values():
                self._totals.labels.add(monitored.key, tally)
            for slot, tally in sorted(tallies.items()):
                own_pane, own_cohort = divmod(int(places[slot]), len(cohorts))
                of_cohort = LabelCohort(monitored.key, int(cohorts[own_cohort]) * cohort_us, tally, joined=True)
                yield Effective((int(panes[own_pane]) + 1) * self._pane_us, of_cohort)

    def _tell_revised(
        self, told: Callable[[Revised], None], known: JoinedModel, key: ModelKey, changes: Changes, at: Ints
    ) -> None:
        names, ends_us = list(known.names), (changes.effect_us[at] // self._pane_us + 1) * self._pane_us
        found = Counter(zip(changes.name[at].tolist(), changes.time_us[at].tolist(), ends_us.tolist(), strict=True))
        for (name, time_us, end_us), count in found.items():
            told(Revised(key, names[name - 1] if name else None, time_us, end_us, count))

    def _tallies(
        self, known: JoinedModel, monitored: Monitored, changes: Changes, at: Ints, slots: Ints
    ) -> dict[int, LabelTally]:
        """Tallies by slot of the changes at these places (n,), which have `slots` (n,)."""
        tallies, aggregator = dict[int, LabelTally](), self._aggregators.of(monitored)
        is_label = changes.name[at] == 0
        of, to = at[is_label], slots[is_label]
        if len(of):
            answers = known.join.answers
            label, answer = answers.values(changes.value[of]), answers.values(changes.answer[of])
            segments = aggregator.segments.unpacked(changes.segments[of])
            beside = None if changes.probabilities is None else changes.probabilities[of]
            score, sign = changes.score[of].view(np.float64), changes.sign[of]
            tallies = aggregator.count(LabelRows(to, label, answer, score, sign, segments, beside))
        of, to = at[~is_label], slots[~is_label]
        if len(of):
            segments = aggregator.segments.unpacked(changes.segments[of])
            outcomes = OutcomeRows(to, changes.name[of], changes.value[of], changes.sign[of], segments)
            meaning = list(known.names), known.outcome_answers, monitored.reference.outcomes
            cut = aggregator.segments if aggregator.cuts_outcomes else None
            tallies = outcome_tallies(outcomes, *meaning, cut, tallies)
        return tallies

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
                known.names = {name: at for at, name in enumerate(state.names, 1)}
                known.outcome_answers.restore(state.outcome_texts)
                known.outcome_fates = Counter(state.outcome_fates)

    def to_state(self, model: str, name: str) -> ModelJoinState:
        """The state of one model's join; `name` is that of its growing rows."""
        known = self.models[model]
        return ModelJoinState(
            model,
            list(known.places),
            dict(sorted(known.fates.items())),
            known.join.to_state(name),
            list(known.names),
            list(known.outcome_answers.texts),
            dict(sorted(known.outcome_fates.items())),
        )

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
