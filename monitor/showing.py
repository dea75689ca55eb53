"""The board of a moment, from the pipeline: everything shown is made from one snapshot."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.column_views import column_views
from monitor.count.lane import NO_CLOCK
from monitor.events import Partition
from monitor.judge.fleet import Fleet
from monitor.judge.model import ModelJudge
from monitor.outputs import KafkaOutputs
from monitor.pipeline import Pipeline
from monitor.publish.board import Board, FindingView, IncidentView, ModelView
from monitor.stats.tally import Tally


def board_of(pipeline: Pipeline, fleet: Fleet, lags: Mapping[Partition, int], outputs: KafkaOutputs) -> Board:
    """The board of a pipeline whose state is restored."""
    judges = list(fleet.judges.values())
    return Board(
        restored=True,
        records=pipeline.records,
        events=pipeline.outcomes,
        dead_letters=pipeline.dead_letters,
        retention_gaps=pipeline.gaps,
        watermarks=_watermarks(pipeline),
        lags=lags,
        open_panes=pipeline.open_panes(),
        checkpoint_us=outputs.checkpoint_us,
        checkpoint_bytes=outputs.checkpoint_bytes,
        models=tuple(_model_view(judge, pipeline) for judge in judges),
        model_events=pipeline.accepted,
        unjudged=pipeline.exchange.unjudged,
        incidents=tuple(_incident_view(judge) for judge in judges),
        findings=tuple(
            FindingView(
                judge.monitored.key,
                key,
                known.finding.severity,
                known.since_us,
                known.finding.headline,
                known.finding.detail,
            )
            for judge in judges
            for key, known in judge.book.open.items()
        ),
    )


def _watermarks(pipeline: Pipeline) -> dict[Partition, int]:
    return {
        Partition(topic, unit.number): lane.clock_us
        for unit in pipeline.units.values()
        for topic, lane in unit.lanes.items()
        if lane.clock_us != NO_CLOCK
    }


def _model_view(judge: ModelJudge, pipeline: Pipeline) -> ModelView:
    model, key = judge.monitored.model, judge.monitored.key
    totals = [unit.totals[key] for unit in pipeline.units.values() if key in unit.totals]
    return ModelView(
        judge.monitored.key,
        team=model.team or "",
        runbook=str(model.runbook or ""),
        reference=judge.monitored.reference.hash,
        expected_false_pages=judge.budget.expected,
        pages=judge.book.pages,
        task=judge.monitored.reference.task,
        budget_pages=judge.budget.pages,
        budget_us=judge.budget.per_us,
        predictions=sum(total.predictions for total in totals),
        labels=sum(unit.labels_of(key) for unit in pipeline.units.values()),
        judged_us=judge.at_us,
        columns=column_views(judge, totals),
        performance=_performance(totals),
    )


def _performance(totals: list[Tally]) -> tuple[tuple[str, float], ...]:
    labelled = sum(total.labelled for total in totals)
    return (("accuracy", 1 - sum(total.errors for total in totals) / labelled),) if labelled else ()


def _incident_view(judge: ModelJudge) -> IncidentView:
    incident = judge.book.incident
    if incident is None:
        return IncidentView(judge.monitored.key)
    return IncidentView(judge.monitored.key, incident.severity, incident.since_us, incident.id)
