"""`driftd state show`: the content of a checkpoint; every record is counted once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.clock import ManualClock, rfc3339
from monitor.count.admission.versions import Admission
from monitor.count.outcomes import outcome_totals, reason_totals
from monitor.count.task_state import TaskState
from monitor.events import ModelKey, Partition
from monitor.judge.warmup import Warmup
from monitor.loop.warming import Warming
from monitor.reference.column import FEATURE
from monitor.reference.reference import Reference
from monitor.run.outcome_lines import outcome_json, outcomes_json
from monitor.state.model_part import ModelState
from monitor.state.parts import State, retired
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import LABEL_VALUE, OutcomeTally
from monitor.stats.tallies.tally import Tally
from monitor.text import many
from monitor.visible import one_line


def state_json(state: State, admission: Admission) -> dict[str, Any]:
    """The object of `state show --json`: totals since the state began."""
    whole = state.whole
    counts = [(outcome, reason, n) for task in state.tasks for (_, outcome, reason), n in task.outcomes.items()]
    return {
        "cluster": whole.cluster,
        "saved_at": rfc3339(whole.saved_at_us),
        "units": [_unit(task) for task in state.tasks],
        "outcomes": outcome_totals(counts),
        "reasons": reason_totals(counts),
        "gaps": {str(partition): count for partition, count in whole.gaps.items()},
        "models": _models(state, admission),
        "unsent": len(state.outbox.unsent),
        "chain": None if state.outbox.head is None else state.outbox.head._asdict(),
    }


def _unit(task: TaskState) -> dict[str, Any]:
    positions = {str(Partition(topic, task.number)): one.next_offset for topic, one in sorted(task.partitions.items())}
    return {"unit": task.number, "epoch": 0, "positions": positions, "open_panes": len(task.open)}


def _models(state: State, admission: Admission) -> list[dict[str, Any]]:
    warming = Warming(admission.settings, admission, None, ManualClock())
    warming.restore(state.warmups, ())
    admission.restore(state.whole.seen, retired(state))
    models, labels = sorted(state.models, key=lambda model: model.key), {one.key: one for one in state.model_labels}
    fates = {key: count for one in state.joins for key, count in one.fates.items()}
    return [
        _model(model, model.events, labels[model.key].totals if model.key in labels else LabelTally(), admission)
        | {"fates": {fate: count for (key, fate), count in fates.items() if key == model.key}}
        | {"outcome_fates": _outcome_fates(state, model.key)}
        | _warmup(warming.warmups.get(model.key))
        for model in models
        if model.events is not None
    ]


def _outcome_fates(state: State, key: ModelKey) -> dict[str, dict[str, int]]:
    """{outcome: {fate: values}} of a model version since the state began."""
    found: dict[str, dict[str, int]] = {}
    for one in state.joins:
        for (of, name, fate), count in one.outcome_fates.items():
            if of == key:
                found.setdefault(name, {})[fate] = count
    return found


def _warmup(warmup: Warmup | None) -> dict[str, Any]:
    """How far the warm-up of a model version has come; nothing behind it or without one."""
    return {"warmup": warmup.progress().to_json()} if warmup is not None and warmup.state.reference is None else {}


def _reference_of(model: ModelState, admission: Admission) -> Reference | None:
    """The reference of the counts; None if the settings name another one now."""
    monitored = admission.monitored(model.key)
    return monitored.reference if monitored is not None and monitored.settings_hash == model.settings else None


def _model(model: ModelState, total: Tally, labels: LabelTally, admission: Admission) -> dict[str, Any]:
    judge, reference = model.judge, _reference_of(model, admission)
    incident = None if judge is None else judge.book.incident
    lasting = None if judge is None else judge.book.lasting_incident
    return {
        "model": model.key.model,
        "version": model.key.version,
        "predictions": total.predictions,
        "features_events": total.feature_events,
        "labels": labels.total,
        "confusion": _confusion(labels),
        "outcomes": outcomes_json(labels.outcomes),
        "value": outcome_json(labels.outcomes.get(LABEL_VALUE, OutcomeTally())),
        **_segments(labels, reference),
        "incident": None if incident is None else {"id": incident.id, "severity": incident.severity},
        "lasting": None if lasting is None else {"id": lasting.id, "severity": lasting.severity},
        "pages": 0 if judge is None else judge.book.pages,
        "tickets": 0 if judge is None else judge.book.tickets,
        "expected_false_pages": 0.0 if judge is None else round(judge.budget.expected, 6),
        "features": {} if reference is None else _features(total, reference),
    }


def _segments(labels: LabelTally, reference: Reference | None) -> dict[str, Any]:
    """`segments` {name: its labels and outcomes}, of those that have any."""
    if reference is None or reference.segments is None or not labels.segments:
        return {}
    keys = reference.segments.keys
    return {
        "segments": {
            "=".join(keys[at]): {
                "labels": of.total,
                "confusion": _confusion(of),
                "outcomes": outcomes_json(of.outcomes),
                "value": outcome_json(of.outcomes.get(LABEL_VALUE, OutcomeTally())),
            }
            for at, of in sorted(labels.segments.items())
        }
    }


def _confusion(labels: LabelTally) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (label, prediction), count in sorted(labels.pairs.items()):
        table.setdefault(label, {})[prediction] = count
    return table


def _features(total: Tally, reference: Reference) -> dict[str, Any]:
    """Per feature, its bins by label and its quality counts: their sum is the events that carried features."""
    width = reference.width
    return {
        column.name: {
            "bins": column.bins.labelled(total.counts[at]).tolist(),
            **{quality_count: int(total.counts[at, width + slot]) for slot, quality_count in enumerate(QUALITY_COUNTS)},
        }
        for at, column in enumerate(reference.columns)
        if column.role == FEATURE
    }


def state_text(shown: Mapping[str, Any]) -> str:
    """The same as text."""
    lines = [f"checkpoint of {shown['saved_at']}, cluster {shown['cluster']}"]
    for task in shown["units"]:
        places = ", ".join(f"{name} at {offset}" for name, offset in task["positions"].items())
        lines.append(f"  unit {task['unit']}: {places}; {many(task['open_panes'], 'open pane')}")
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in shown["outcomes"].items())
    lines.append(f"events: {outcomes or 'none yet'}")
    lines += [f"  {reason}: {count:,}" for reason, count in shown["reasons"].items()]
    for model in shown["models"]:
        incident = model["incident"]
        state = f"incident {incident['id']} ({incident['severity']})" if incident else "no incident"
        if model["lasting"]:
            state += f", lasting {model['lasting']['id']} ({model['lasting']['severity']})"
        lines.append(
            f"{model['model']} {model['version']}: {many(model['predictions'], 'prediction')}, "
            f"{many(model['labels'], 'label')}, {_of_outcomes(model)}{many(len(model['features']), 'feature')}, "
            f"{many(model['pages'], 'page')}, {state}{_of_warmup(model)}"
        )
    return "\n".join(lines)


def _of_outcomes(model: Mapping[str, Any]) -> str:
    return "".join(f"{many(of['values'], 'value')} of {one_line(name)}, " for name, of in model["outcomes"].items())


def _of_warmup(model: Mapping[str, Any]) -> str:
    return f"; {model['warmup']['text']}" if "warmup" in model else ""
