"""What is shown of each model version, kept and made again only where something of it changed, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from monitor.clock import Clock
from monitor.count.admission.versions import Admission
from monitor.events import ModelKey
from monitor.findings import Figures, FindingKey
from monitor.judge.causes.cause import Evaluation
from monitor.judge.causes.quality_words import ABSENCE
from monitor.judge.causes.segment_errors import SegmentFigures, segment_figures
from monitor.judge.estimated import Estimated
from monitor.judge.fleet import Fleet
from monitor.judge.incidents.first_cause import in_words, lead, likely_order, renames
from monitor.judge.incidents.incident import worst_first
from monitor.judge.model import ModelJudge
from monitor.pipeline import Pipeline
from monitor.publish.snapshot import ColumnView, EndedView, FindingView, IncidentView, ModelView
from monitor.reference.blank import WARMUP
from monitor.reference.notes.performance import why_not_judged
from monitor.run.column_views import column_views, newest_figures, other_figures, with_totals
from monitor.run.outcome_lines import outcome_views
from monitor.run.promises import Promises
from monitor.settings.tree import Settings
from monitor.stats.performance.figures import figures
from monitor.stats.tallies.tally import Tally


@dataclass(frozen=True, slots=True)
class _Before:
    """Totals of a model version when this process started: the exported counters begin at 0."""

    pages: int = 0
    expected: float = 0.0
    counts: NDArray[np.int64] | None = None
    excluded: int = 0


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """The views of an evaluation; None before the first."""

    evaluation: Evaluation | None
    columns: tuple[ColumnView, ...]
    figures: tuple[tuple[str, Figures], ...]
    newest: Mapping[FindingKey, Figures]
    estimated: Estimated | None = None


@dataclass(frozen=True, slots=True)
class ModelPart:
    """All that is shown of a model version, of one moment."""

    #: of what it is made; it is the same as long as this is
    mark: Hashable
    model: ModelView
    incidents: tuple[IncidentView, ...] = ()
    findings: tuple[FindingView, ...] = ()
    ended: tuple[EndedView, ...] = ()


class ModelParts:
    """Keeps the part of each model version; those that changed are made again one after the other, in rounds.

    A part with a new evaluation of 25 features takes some milliseconds: all of 100 at once, and the loop would not read
    for half a second. So a round may go over many turns of the loop; it looks at every model version once.
    """

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        pipeline: Pipeline,
        fleet: Fleet,
        promises: Promises,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._fleet = fleet
        self._admission = admission
        self._promises = promises
        self._clock = clock
        self._parts: dict[ModelKey, ModelPart] = {}
        #: of this round: those ahead, None before it begins, and those looked at
        self._ahead: deque[ModelKey] | None = None
        self._looked_at: set[ModelKey] = set()
        #: of the first of those ahead, where its part is half made: the evaluation and its figures
        self._half_made: tuple[ModelKey, Evaluation, Mapping[str, Sequence[Figures]]] | None = None
        self._evaluated: dict[ModelKey, _Evaluated] = {}
        #: mark of the totals, views without and with them
        self._with_totals: dict[ModelKey, tuple[Hashable, tuple[ColumnView, ...], tuple[ColumnView, ...]]] = {}
        self._before = {key: self._held(key) for key in dict.fromkeys([*admission.seen, *fleet.judges])}

    def count_anew(self, key: ModelKey) -> None:
        """The model version counted nothing before: it learned its columns, or got another reference."""
        self._before.pop(key, None)
        self.drop(key)

    def drop(self, key: ModelKey) -> None:
        """Nothing is kept of what is shown of the model version."""
        self._parts.pop(key, None)
        self._looked_at.discard(key)
        self._evaluated.pop(key, None)
        self._with_totals.pop(key, None)

    def watched(self) -> list[ModelKey]:
        """The model versions that are shown: expected, seen or judged, and not retired."""
        judges = (key for key, judge in self._fleet.judges.items() if not judge.retired)
        retired = self._admission.seen.retired
        known = dict.fromkeys([*self._expected(), *self._admission.seen, *judges])
        return [key for key in known if key not in retired]

    def _expected(self) -> list[ModelKey]:
        """The model versions of the settings that have a reference."""
        named = [ModelKey(model.name, version) for model in self._settings.models for version in model.versions]
        return [key for key in named if self._admission.references.of(key) is not None]

    def advance(self, seconds: float) -> bool:
        """Go on with the round until about so many seconds are over, by half a part at least; whether all are done."""
        until = self._clock.monotonic() + seconds
        if self._ahead is None:
            self._ahead = deque(self.watched())
        while self._ahead:
            if self._half_make(self._ahead[0]) and self._clock.monotonic() >= until:
                return False
            if self._look_at(self._ahead.popleft()) and self._clock.monotonic() >= until:
                return not self._ahead
        return True

    def _half_make(self, key: ModelKey) -> bool:
        """Work out the figures of a new evaluation, a third of the work; whether there was one. Once for each part."""
        judge = self._judge(key)
        if judge is None or judge.latest is None or (self._half_made is not None and self._half_made[0] == key):
            return False
        known = self._evaluated.get(key)
        if known is not None and known.evaluation is judge.latest:
            return False
        self._half_made = key, judge.latest, judge.judge.figures(judge.latest)
        return True

    def _figures(self, key: ModelKey, judge: ModelJudge) -> Mapping[str, Sequence[Figures]]:
        """Of the newest evaluation."""
        half_made, self._half_made = self._half_made, None
        if judge.latest is None:
            return {}
        if half_made is not None and half_made[0] == key and half_made[1] is judge.latest:
            return half_made[2]
        return judge.judge.figures(judge.latest)

    def finish(self) -> list[ModelPart]:
        """The parts of all that are watched, those that the round has not come to made first; ends the round."""
        watched = self.watched()
        for key in watched:
            self._look_at(key)
        self._looked_at.clear()
        self._ahead = self._half_made = None
        return [self._parts[key] for key in watched]

    def _look_at(self, key: ModelKey) -> bool:
        """Whether there was anything to make."""
        if key in self._looked_at:
            return False
        self._looked_at.add(key)
        mark, known = self._mark(key), self._parts.get(key)
        if known is not None and known.mark == mark:
            return False
        judge = self._judge(key)
        if judge is None:
            self._parts[key] = ModelPart(mark, self._model(key, self._pipeline.totals.events.get(key)))
        else:
            model = self._judged_model(key, judge)  # first: findings are shown with figures of its evaluation
            incidents, findings = tuple(_incident_views(judge)), tuple(self._finding_views(judge))
            self._parts[key] = ModelPart(mark, model, incidents, findings, tuple(ended_views(judge)))
        return True

    def _judge(self, key: ModelKey) -> ModelJudge | None:
        judge = self._fleet.judges.get(key)
        return None if judge is None or judge.retired else judge

    def _mark(self, key: ModelKey) -> Hashable:
        """Changes whenever the part would. A promise counts by its identity, its own as long as the part keeps it."""
        totals, warmup = self._pipeline.totals, self._pipeline.warming.warmups.get(key)
        reference, promise = self._admission.references.of(key), self._promises.of(key)
        counted = totals.mark(key), totals.labels.mark(key)
        learned = None if warmup is None else warmup.progress()
        return self._fleet.mark(key), counted, learned, None if reference is None else reference.hash, id(promise)

    def _held(self, key: ModelKey) -> _Before:
        counts, judge = _counts(self._pipeline.totals.events.get(key)), self._fleet.judges.get(key)
        if judge is None:
            return _Before(counts=counts)
        return _Before(judge.book.pages, judge.budget.expected, counts, judge.excluded)

    def _model(self, key: ModelKey, total: Tally | None) -> ModelView:
        """The view of a model version without a judge."""
        model, reference = self._admission.model(key.model), self._admission.references.of(key)
        warmup = None if reference is not None else self._pipeline.warming.warmups.get(key)
        if model is None:
            message = f"{key} is not watched"
            raise KeyError(message)
        budget = self._settings.budget_of(model)
        return ModelView(
            key,
            team=model.team or "",
            runbook=str(model.runbook or ""),
            reference=WARMUP if reference is None else reference.hash,
            task="" if reference is None else reference.task,
            budget_pages=budget.pages,
            budget_us=budget.per,
            predictions=0 if total is None else total.predictions,
            labels=self._pipeline.totals.labels.of(key).total,
            warmup=None if warmup is None else warmup.progress(),
        )

    def _judged_model(self, key: ModelKey, judge: ModelJudge) -> ModelView:
        total, before = self._pipeline.totals.events.get(key), self._before.get(key, _Before())
        evaluated = self._views(key, judge)
        return replace(
            self._model(key, total),
            expected_false_pages=judge.budget.expected,
            expected_before=before.expected,
            pages=judge.book.pages,
            pages_before=before.pages,
            judged_us=judge.at_us if is_judged(judge) else None,
            stopped_since_us=judge.judge.stopped_since_us(),
            knows_gaps=judge.prepared.reference.traffic is not None and not judge.retired,
            columns=self._totalled(key, judge, evaluated.columns),
            figures=evaluated.figures,
            **_performance(judge),
            group_rates=tuple(judge.judge.fairness.rates()),
            fairness=tuple(judge.judge.fairness.worst()),
            outcomes=tuple(outcome_views(judge)),
            estimated=evaluated.estimated,
            contradicted=self._contradicted(key, judge, total),
            promise=self._promises.of(key),
            excluded=judge.excluded,
            excluded_before=before.excluded,
            silence=_silence(judge),
        )

    def _totalled(self, key: ModelKey, judge: ModelJudge, columns: tuple[ColumnView, ...]) -> tuple[ColumnView, ...]:
        """The views with their totals; those of before while no event came and nothing was judged."""
        mark, known = self._pipeline.totals.mark(key), self._with_totals.get(key)
        if known is None or known[0] != mark or known[1] is not columns:
            before = self._before.get(key, _Before())
            counted = _since(_counts(self._pipeline.totals.events.get(key)), before.counts)
            known = self._with_totals[key] = mark, columns, with_totals(judge, columns, counted)
        return known[2]

    def _contradicted(self, key: ModelKey, judge: ModelJudge, total: Tally | None) -> bool:
        """Whether the labels since the state began contradict what is estimated of that time."""
        labels = self._pipeline.totals.labels.of(key)
        estimated = judge.estimator.of_tally(total) if labels.paired else None
        return estimated is not None and estimated.contradicted(labels.accuracy, labels.paired)

    def _views(self, key: ModelKey, judge: ModelJudge) -> _Evaluated:
        """The views; rebuilt when there is a new evaluation."""
        known = self._evaluated.get(key)
        if known is None or known.evaluation is not judge.latest:
            figures = self._figures(key, judge)
            columns, others = column_views(judge, figures), other_figures(judge, figures)
            estimated = None if judge.latest is None else judge.estimator.of_windows(judge.latest.windows)[-1]
            newest = newest_figures(judge)
            known = self._evaluated[key] = _Evaluated(judge.latest, columns, others, newest, estimated)
        return known

    def _finding_views(self, judge: ModelJudge) -> Iterator[FindingView]:
        """The open findings; made behind the views of the models."""
        evaluated = self._evaluated.get(judge.monitored.key)
        for book in (judge.book.open, judge.book.lasting):
            renamed = renames(known.finding for known in book.values())
            for rank, found in enumerate(likely_order(worst_first(book)), start=1):
                new = renamed.get(found.key.subject) if found.key.cause == ABSENCE.name else None
                yield FindingView(
                    judge.monitored.key,
                    found.key,
                    found.severity,
                    found.since_us,
                    found.headline if new is None else new.headline,
                    found.full_detail,
                    lasting=book is judge.book.lasting,
                    records=tuple(sorted(found.records.items())),
                    silenced=found.silenced,
                    rank=rank,
                    window=found.window,
                    p=found.p,
                    exceedance=found.exceedance,
                    renamed_to=None if new is None else new.key,
                    next_step=found.next_step,
                    parent=found.parent,
                    newest=None if evaluated is None or found.key.figure else evaluated.newest.get(found.key),
                )


def is_judged(judge: ModelJudge) -> bool:
    """Whether the model version has a verdict: a base window was judged, or an evaluation found something."""
    return judge.pyramid.closed > 0 or judge.book.incident is not None or judge.book.lasting_incident is not None


def _silence(judge: ModelJudge) -> tuple[int, str] | None:
    """Until when and why nothing pages now."""
    silence = judge.silence()
    return None if silence is None or not silence.now else (silence.until_us, silence.reason)


def _counts(total: Tally | None) -> NDArray[np.int64] | None:
    """Bins, quality counts and values below the range by column; None if nothing was counted."""
    return None if total is None else total.counted


def _since(now: NDArray[np.int64] | None, before: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    return now if now is None or before is None else now - before


def ended_views(judge: ModelJudge) -> Iterator[EndedView]:
    """Its last resolved incidents."""
    for one in judge.book.ended:
        yield EndedView(
            judge.monitored.key, one.severity, one.since_us, one.opened_at, one.ended_at, one.summary, one.findings
        )


class _Performance(TypedDict, total=False):
    performance: tuple[tuple[str, float], ...]
    performance_labels: int
    performance_segments: tuple[SegmentFigures, ...]
    performance_until_us: int
    performance_not_judged: str
    labels_came: tuple[tuple[int, float], ...]


def _performance(judge: ModelJudge) -> _Performance:
    """Of the newest labelled predictions; of none where labels stopped."""
    errors, known = judge.judge.performance.errors, judge.monitored.reference.performance
    latest, came = errors.latest(judge.at_us), () if known is None else known.came
    if latest is None:
        return {"labels_came": came}
    tally = latest.tally
    return {
        "labels_came": came,
        "performance": tuple(figures(tally, judge.meaning).items()),
        "performance_segments": segment_figures(errors.segments.names, tally, judge.meaning),
        "performance_labels": latest.span.events,
        "performance_until_us": latest.span.end_us,
        "performance_not_judged": "" if errors.is_judged else why_not_judged(judge.monitored.reference),
    }


def _incident_views(judge: ModelJudge) -> Iterator[IncidentView]:
    """The open incidents, the lasting one last; if there is none, one with state ok. None before the first verdict."""
    if not is_judged(judge):
        return
    book, key = judge.book, judge.monitored.key
    if book.incident is None and book.lasting_incident is None:
        yield IncidentView(key)
    for incident in (book.incident, book.lasting_incident):
        if incident is not None:
            lasting = incident is book.lasting_incident
            findings = worst_first(book.lasting if lasting else book.open)
            words = (in_words(findings) if findings else "", lead(findings))
            yield IncidentView(key, incident.severity, incident.since_us, incident.id, lasting, *words)
