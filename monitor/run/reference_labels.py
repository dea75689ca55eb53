"""A reference's late labels: a pass over the source, past the reference's end, for as long as labels are waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from monitor.clock import Clock
from monitor.count.admission.versions import Admission
from monitor.count.exchange import Pane
from monitor.count.labels.cohorts import LabelCohort, cohort_us
from monitor.count.labels.join_changes import EXPIRED
from monitor.count.labels.joins import Revised
from monitor.decode.decoder import decoder_for
from monitor.events import ModelKey
from monitor.loop.sinks import ReplayOutputs
from monitor.loop.stage2 import StatelessStage2
from monitor.pipeline import Pipeline
from monitor.records import Source
from monitor.reference.learn.label_facts import LabelledCohort, label_facts
from monitor.reference.learn.outcomes import OutcomeCohort, learn_outcome
from monitor.reference.learn.performance import PerformanceLearner
from monitor.reference.outcome_part import ReferenceOutcome
from monitor.reference.performance_part import STILL_REVISED, ReferencePerformance
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.run.first_pass import EventRange
from monitor.settings.duration import format_duration
from monitor.settings.model import Model
from monitor.settings.tree import Settings
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import merged_outcomes
from monitor.stats.testing.fact_share import FactShare
from monitor.text import many

#: at most so many cohorts of a reference are learned from, and fewer where each is large: this part of them for every
#: so many segments (an outcome in one is half a segment more) or classes
MOST_COHORTS: Final = 10_000
LARGER_BY: Final = 4
#: shares of the late labels whose delays a reference holds
SHARES: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)

#: start and end of predictions, and their labels
_Cohort = tuple[int, int, LabelTally]
#: the name of labels among those of outcomes
_LABELS: Final = None


class _Delays:
    """How many microseconds after the end of their cohort labels and outcomes came, and were revised, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str | None, dict[int, Counter[int]]] = {}

    def add(self, name: str | None, start_us: int, delay_us: int, count: int) -> None:
        """So many of the cohort that begins then; fewer than none are fewer of them."""
        self._by_name.setdefault(name, {}).setdefault(start_us, Counter())[delay_us] += count

    def of(self, name: str | None, cohorts: Iterable[int]) -> Counter[int]:
        """{delay: how many} of some cohorts."""
        known = self._by_name.get(name, {})
        return sum((known[start_us] for start_us in cohorts if start_us in known), Counter[int]())

    def names(self) -> list[str]:
        """Of outcomes."""
        return sorted(name for name in self._by_name if name is not None)


class _Cohorts(StatelessStage2):
    """Stage 2 that collects labels by their predictions' times, those that came with them too.

    The variance of errors is learned from cohorts as narrow as can be (`learned_us`): what depends on each other within
    one does not show. When labels come is learned of those that are judged (`width_us`).
    """

    def __init__(self, key: ModelKey, width_us: int, learned_us: int) -> None:
        super().__init__()
        self._key = key
        self._width_us = width_us
        self._learned_us = learned_us
        self.learned: dict[int, LabelTally] = {}
        #: by judged cohort: labels; predictions
        self.labels: Counter[int] = Counter()
        self.predictions: Counter[int] = Counter()
        #: of late labels, and of outcomes
        self.came, self.revised = _Delays(), _Delays()
        #: how far events have come, and labels
        self.until_us = 0
        self.labels_until_us = 0

    def judge(self, pane: Pane) -> None:
        """Note the predictions."""
        self.until_us = max(self.until_us, pane.end_us)
        if pane.pane_key.key == self._key:
            self.predictions[pane.start_us // self._width_us * self._width_us] += pane.tally.predictions

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        """Add the labels of the model version."""
        for cohort in cohorts:
            if cohort.key != self._key or not (cohort.inline or cohort.joined):
                continue
            learned_us = cohort.start_us // self._learned_us * self._learned_us
            self.learned.setdefault(learned_us, LabelTally()).merge(cohort.tally)
            start_us, delay_us = self._delay(cohort.start_us, until_us)
            self.labels[start_us] += cohort.tally.total
            if cohort.joined and cohort.tally.total:
                self.labels_until_us = max(self.labels_until_us, until_us)
                self.came.add(_LABELS, start_us, delay_us, cohort.tally.total)
            for name, tally in cohort.tally.outcomes.items():
                self.came.add(name, start_us, delay_us, tally.values)

    def take_revised(self, revised: Revised) -> None:
        """Note labels or outcomes of the model version that were replaced or taken back."""
        if revised.key == self._key:
            self.revised.add(revised.name, *self._delay(revised.time_us, revised.until_us), revised.rows)

    def _delay(self, time_us: int, until_us: int) -> tuple[int, int]:
        """The judged cohort of that time, and how long after its end that is."""
        start_us = time_us // self._width_us * self._width_us
        return start_us, max(until_us - start_us - self._width_us, 0)


class LateLabels(NamedTuple):
    """What came for a reference's predictions within the horizon: `performance` is None where no label came late.

    `facts` are how late labels come, and how many predictions have none; `faults` are settings of outcomes that their
    values contradict. `met` and `expired` are labels and outcomes that met a prediction, and that did not.
    """

    performance: ReferencePerformance | None
    facts: tuple[tuple[str, FactShare], ...]
    outcomes: dict[str, ReferenceOutcome]
    faults: Sequence[str] = ()
    met: int = 0
    expired: int = 0

    def left_out(self, settings_name: str, horizon_us: int) -> Iterator[str]:
        """A line where most labels and outcomes met no prediction, so that they are not in the reference."""
        if self.expired > self.met:
            of = many(self.met + self.expired, "label or outcome", "labels and outcomes")
            within = f"within labels.horizon ({format_duration(horizon_us)})"
            yield (
                f"{settings_name}: only {self.met:,} of {of} met a prediction of their id {within}: the others are not "
                "in the reference"
            )


def learn_from_labels(
    settings: Settings, reference: Reference, source: Source, clock: Clock, event_range: EventRange
) -> LateLabels:
    """What a reference's late labels say of its performance, and its named outcomes."""
    key = reference.key
    model = next(model for model in settings.models if model.name == key.model)
    horizon_us, pane_us = model.labels.horizon, settings.windows.pane
    width_us = cohort_us(horizon_us, pane_us)
    segments = 0 if reference.segments is None else len(reference.segments.keys)
    larger = segments * (2 + len(model.outcomes)) // 2 + len(reference.probability_classes)
    most = MOST_COHORTS * LARGER_BY // (LARGER_BY + larger)
    learned_us = learned_cohort_us(width_us, pane_us, reference.end_us - reference.start_us, most)
    collector = _Cohorts(key, width_us, learned_us)
    blank = replace(reference, outcomes=None)
    admission = Admission(settings, References({key.model: {key.version: blank}}))
    outputs = ReplayOutputs(lambda _: None)
    pipeline = Pipeline(settings, admission, source, clock, outputs, stage2=collector, decoders=decoder_for, live=False)
    pipeline.joins.handed_on_us, pipeline.joins.when_revised = learned_us, collector.take_revised
    ended, last_us = False, reference.end_us + horizon_us
    while not ended and collector.until_us <= last_us:
        ended = source.ended()
        pipeline.turn()

    def inside(starts: Iterable[int], width_us: int) -> list[int]:
        within = (start_us for start_us in starts if reference.start_us - width_us < start_us < reference.end_us)
        return sorted(start_us for start_us in within if not event_range.excludes(start_us))

    judged = inside(collector.labels.keys() | collector.predictions.keys(), width_us)
    learned = [
        (start_us, start_us + learned_us, collector.learned[start_us])
        for start_us in inside(collector.learned, learned_us)
    ]
    performance = _performance(reference, collector, judged, learned)
    facts = () if performance is None else _facts(performance, collector, judged, width_us)
    outcomes = _outcomes(learned, collector, judged, model)
    if not replace(reference, outcomes=outcomes).cuts_outcomes:
        outcomes = {name: one.of_segments({}) for name, one in outcomes.items()}
    faults = tuple(_without_numbers(learned, model, outcomes))
    fates = Counter[bool]()
    of_labels = [(of.model, fate, count) for (of, fate), count in pipeline.joins.fates.items()]
    of_outcomes = [(of.model, fate, count) for (of, _, fate), count in pipeline.joins.outcome_fates.items()]
    for name, fate, count in (*of_labels, *of_outcomes):
        fates[fate != EXPIRED] += count if name == key.model else 0
    return LateLabels(performance, facts, outcomes, faults, fates[True], fates[False])


def learned_cohort_us(width_us: int, pane_us: int, span_us: int, most: int = MOST_COHORTS) -> int:
    """Microseconds of panes that a cohort of `width_us` is cut into: as few as allow `most` in `span_us`."""
    panes = width_us // pane_us
    enough = (by for by in range(1, panes + 1) if panes % by == 0 and span_us <= most * by * pane_us)
    return next(enough, panes) * pane_us


def _performance(
    reference: Reference, collector: _Cohorts, judged: Sequence[int], learned: Iterable[_Cohort]
) -> ReferencePerformance | None:
    delays = collector.came.of(_LABELS, judged)
    if not delays.total():
        return None
    learner = PerformanceLearner(reference.task, reference.positive)
    for start_us, end_us, tally in learned:
        learner.add(start_us, end_us, tally)
    settled = settled_us(collector.revised.of(_LABELS, judged), delays.total())
    return learner.finish(delays_of(delays), delays.total(), settled)


def _facts(
    performance: ReferencePerformance, collector: _Cohorts, inside: Iterable[int], width_us: int
) -> tuple[tuple[str, FactShare], ...]:
    """Of the cohorts whose labels have all come where the source ends."""
    usual_us, longest_us = performance.usual_us or 0, performance.came[-1][0]
    end_us = max(collector.until_us, collector.labels_until_us)
    return label_facts(
        LabelledCohort(
            collector.predictions[start_us],
            collector.labels[start_us],
            (came := collector.came.of(_LABELS, [start_us])).total(),
            sum(count for delay, count in came.items() if delay > usual_us),
        )
        for start_us in inside
        if start_us + width_us + longest_us <= end_us
    )


def _outcomes(
    learned: Sequence[_Cohort], collector: _Cohorts, judged: Sequence[int], model: Model
) -> dict[str, ReferenceOutcome]:
    found = {}
    for name in collector.came.names():
        delays = collector.came.of(name, judged)
        settled = settled_us(collector.revised.of(name, judged), delays.total())
        own = [
            OutcomeCohort(
                start_us,
                end_us,
                tally.outcomes[name],
                {at: of.outcomes[name] for at, of in tally.segments.items() if name in of.outcomes},
            )
            for start_us, end_us, tally in learned
            if name in tally.outcomes
        ]
        settings = model.outcomes.get(name)
        outcome = learn_outcome(own, None if settings is None else settings.kind, delays_of(delays), settled)
        if outcome is not None:
            found[name] = outcome
    return found


def _without_numbers(learned: Sequence[_Cohort], model: Model, found: Mapping[str, ReferenceOutcome]) -> Iterator[str]:
    """Outcomes whose values are all texts, and numbers by the settings."""
    for name, outcome in model.outcomes.items():
        if outcome.kind != NUMERIC or name in found:
            continue
        tally = merged_outcomes(of.outcomes[name] for _, _, of in learned if name in of.outcomes)
        if tally.values:
            texts = f"all {tally.values:,} values are text"
            yield f"outcomes.{name}.kind: {NUMERIC}, but {texts}; write kind: {CATEGORICAL}, or leave it out"


def settled_us(revised: Mapping[int, int], values: int) -> int:
    """The delay after which no more than `STILL_REVISED` of so many values are revised, 0 where no more ever are;
    `revised` {delay: how many were}."""
    left, settled = sum(revised.values()), 0
    for delay, count in sorted(revised.items()):
        if left <= STILL_REVISED * values:
            break
        left, settled = left - count, delay
    return settled


def delays_of(delays: Mapping[int, int]) -> tuple[tuple[int, float], ...]:
    """((delay, share of the labels that have come after it), ...) at `SHARES`; `delays` {delay: labels}."""
    total, came, out = sum(delays.values()), 0, dict[float, int]()
    for delay, count in sorted(delays.items()):
        came += count
        for share in SHARES:
            if came >= share * total:
                out.setdefault(share, delay)
    return tuple((delay, share) for share, delay in sorted(out.items()))
