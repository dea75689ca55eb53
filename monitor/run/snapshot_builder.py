"""Builds the snapshot from the pipeline; series and status page are made from one snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from monitor.count.admission.versions import Admission
from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.decode.platform import MAY_PAIR
from monitor.events import ModelKey, Partition
from monitor.findings import Figures, FindingKey
from monitor.judge.causes.cause import Evaluation
from monitor.judge.causes.quality_words import ABSENCE
from monitor.judge.causes.segment_errors import SegmentFigures, segment_figures
from monitor.judge.estimated import Estimated
from monitor.judge.fleet import Fleet
from monitor.judge.incidents.first_cause import in_words, lead, likely_order, renames
from monitor.judge.incidents.incident import worst_first
from monitor.judge.model import ModelJudge
from monitor.kafka.stalls import Stall
from monitor.log import get_log
from monitor.pipeline import Pipeline
from monitor.publish.snapshot import ColumnView, EndedView, FindingView, IncidentView, ModelView, NoticeView, Snapshot
from monitor.publish.status.incident_cards import ENDED
from monitor.reference.blank import WARMUP
from monitor.reference.notes.performance import why_not_judged
from monitor.run.column_views import column_views, newest_figures, other_figures, with_totals
from monitor.run.lost_events import LostEvents
from monitor.run.no_ids import no_id_lines
from monitor.run.outcome_lines import outcome_views
from monitor.run.outputs import KafkaOutputs
from monitor.run.promises import Promises
from monitor.settings.tree import Settings
from monitor.stats.performance.figures import figures
from monitor.stats.tallies.tally import Tally

_log = get_log(__name__)


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


class SnapshotBuilder:
    """Builds snapshots of a pipeline; created after its state is restored and before it counts anything."""

    def __init__(
        self, settings: Settings, admission: Admission, pipeline: Pipeline, fleet: Fleet, outputs: KafkaOutputs
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._fleet = fleet
        self._admission = admission
        self._outputs = outputs
        self._lost = LostEvents(pipeline.losses, settings)
        self._may_pair = [entry.topic for entry in settings.inputs if entry.format in MAY_PAIR]
        self._evaluated: dict[ModelKey, _Evaluated] = {}
        #: mark of the totals, views without and with them
        self._with_totals: dict[ModelKey, tuple[Hashable, tuple[ColumnView, ...], tuple[ColumnView, ...]]] = {}
        self._promises = Promises(fleet)
        self._before = {key: self._held(key) for key in dict.fromkeys([*admission.seen, *fleet.judges])}
        self._retired = set(admission.seen.retired)
        self._gaps_before, self._unjudged_before = Counter(pipeline.gaps), Counter(pipeline.exchange.unjudged)

        admission.when_replaced(self._forget)
        admission.when_learned(self._learned)

    def _learned(self, key: ModelKey) -> None:
        """The model version has columns from now on, which counted nothing before."""
        self._before.pop(key, None)
        self._evaluated.pop(key, None)
        self._with_totals.pop(key, None)

    def _forget(self, key: ModelKey) -> None:
        """The model version got another reference: its counters start again."""
        self._before.pop(key, None)
        self._evaluated.pop(key, None)
        self._with_totals.pop(key, None)
        self._promises.forget(key)
        self._unjudged_before.pop(key, None)

    def _note_retired(self) -> None:
        """Log and forget what was retired since the last snapshot."""
        retired = set(self._admission.seen.retired)
        for key in sorted(retired - self._retired):
            self._evaluated.pop(key, None)
            self._with_totals.pop(key, None)
            self._promises.forget(key)
            _log.info("version_retired", model=key.model, version=key.version, setting="retire_after")
        self._retired = retired

    def promise(self) -> bool:
        """Compute the next part of a promise, a few milliseconds; whether there was anything to do."""
        return self._promises.step()

    def log_losses(self) -> None:
        """Log new losses of events."""
        self._lost.log()

    def snapshot(
        self, lags: Mapping[Partition, int], stalls: Sequence[Stall] = (), slow_because: str | None = None
    ) -> Snapshot:
        """The snapshot of this moment."""
        pipeline, retired = self._pipeline, self._admission.seen.retired
        self._note_retired()
        judges = {key: judge for key, judge in self._fleet.judges.items() if not judge.retired}
        known = [*self._expected(), *self._admission.seen, *judges]
        watched = dict.fromkeys(key for key in known if key not in retired)
        unjudged = pipeline.exchange.unjudged - self._unjudged_before
        lost_topics, lost_models = self._lost.shares()
        self._promises.renew()
        return Snapshot(
            restored=True,
            references=len(self._admission.references) > 0 or self._admission.learns_any(),
            records=pipeline.records,
            events=pipeline.outcomes,
            lost_topics=lost_topics,
            lost_models=lost_models,
            not_fine=self._lost.not_fine(pipeline.positions()),
            dead_letters=pipeline.dead_letters,
            formats=dict(pipeline.decoders.formats),
            pairs_waiting=dict.fromkeys(self._may_pair, 0) | pipeline.pairing.waiting.by_topic(),
            pairs_given_up=dict(pipeline.pairing.waiting.given_up),
            retention_gaps={at: pipeline.gaps[at] - self._gaps_before[at] for at in {*lags, *pipeline.gaps}},
            watermarks=_watermarks(pipeline),
            skewed={
                partition: partition_state.clock.skewed
                for partition, partition_state in pipeline.partition_states().items()
            },
            lags=lags,
            unreadable=pipeline.unreadable,
            stalled=tuple(stall.why for stall in stalls),
            positions_stalled=dict.fromkeys(lags, 0) | {stall.partition: 1 for stall in stalls},
            slow_because=slow_because,
            open_panes=pipeline.open_panes(),
            loop_seconds=pipeline.time.spent,
            checkpoint_us=self._outputs.checkpoint_us,
            checkpoint_bytes=self._outputs.checkpoint_bytes,
            checkpoint_parts=self._outputs.checkpoint_parts,
            checkpoint_seconds=pipeline.saving.seconds,
            checkpoint_stop_seconds=pipeline.checkpoints.stopped,
            checkpoint_failures=pipeline.saving.failures,
            models=tuple(
                self._judged_model(key, judges[key])
                if key in judges
                else self._model(key, self._pipeline.totals.events.get(key))
                for key in watched
            ),
            model_events={of: count for of, count in pipeline.accepted.items() if of[0] not in retired},
            label_fates={of: count for of, count in pipeline.joins.fates.items() if of[0] not in retired},
            outcome_fates={of: count for of, count in pipeline.joins.outcome_fates.items() if of[0] not in retired},
            labels_waiting={key: count for key, count in pipeline.joins.waiting().items() if key not in retired},
            predictions_waiting=pipeline.joins.predictions_waiting(),
            predictions_let_go=pipeline.joins.let_go(),
            labels_joined_us=pipeline.joins.joined_until(),
            labels_held_by=_held_by(pipeline),
            unjudged=Counter({key: count for key, count in unjudged.items() if key not in retired}),
            incidents=tuple(view for judge in judges.values() if is_judged(judge) for view in _incident_views(judge)),
            findings=tuple(view for judge in judges.values() for view in self._finding_views(judge)),
            ended=_ended(self._fleet.judges.values()),
            notices=tuple(
                NoticeView(one.monitored.key, one.finding.key, one.at_us, one.finding.detail)
                for one in reversed(self._fleet.noted)
            ),
            unwatched=(*no_id_lines(pipeline, self._settings, self._admission), *self._lost.not_watched()),
            links=self._settings.links,
        )

    def _expected(self) -> list[ModelKey]:
        """The model versions of the settings that have a reference."""
        named = [ModelKey(model.name, version) for model in self._settings.models for version in model.versions]
        return [key for key in named if self._admission.references.of(key) is not None]

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
            figures = {} if judge.latest is None else judge.judge.figures(judge.latest)
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


def _ended(judges: Iterable[ModelJudge]) -> tuple[EndedView, ...]:
    """The last resolved incidents of all models, the newest first."""
    views = [
        EndedView(
            judge.monitored.key, one.severity, one.since_us, one.opened_at, one.ended_at, one.summary, one.findings
        )
        for judge in judges
        for one in judge.book.ended
    ]
    return tuple(sorted(views, key=lambda view: -view.ended_us)[:ENDED])


def _watermarks(pipeline: Pipeline) -> dict[Partition, int]:
    return {
        partition: partition_state.clock_us
        for partition, partition_state in pipeline.partition_states().items()
        if partition_state.clock_us != NO_CLOCK
    }


def _held_by(pipeline: Pipeline) -> dict[str, str]:
    """By model, the partition of labels that its join waits for."""
    slowest = pipeline.completeness.labels.slowest
    found = {model: slowest.get(model, slowest.get(None)) for model in pipeline.joins.models}
    return {model: str(one[0]) for model, one in found.items() if one is not None}


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
    """The open incidents, the lasting one last; if there is none, one with state ok."""
    book, key = judge.book, judge.monitored.key
    if book.incident is None and book.lasting_incident is None:
        yield IncidentView(key)
    for incident in (book.incident, book.lasting_incident):
        if incident is not None:
            lasting = incident is book.lasting_incident
            findings = worst_first(book.lasting if lasting else book.open)
            words = (in_words(findings) if findings else "", lead(findings))
            yield IncidentView(key, incident.severity, incident.since_us, incident.id, lasting, *words)
