"""`driftd state show`: what a checkpoint holds, each record once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.clock import rfc3339
from monitor.count.admission import Admission
from monitor.count.outcomes import outcome_totals, reason_totals
from monitor.count.task import open_in
from monitor.count.totals import totals_in
from monitor.events import ModelKey
from monitor.reference.reference import FEATURE, Reference
from monitor.stats.bins import QUALITY_COUNTS
from monitor.stats.tally import Tally
from monitor.text import many


def state_json(tree: Mapping[str, Any], admission: Admission) -> dict[str, Any]:
    """The object of `state show --json`: totals since the state began."""
    counts = [(outcome, reason, n) for task in tree["units"] for _, outcome, reason, n in task["outcomes"]]
    return {
        "cluster": tree["cluster"],
        "saved_at": rfc3339(tree["saved_at"]),
        "units": [_unit(task) for task in tree["units"]],
        "outcomes": outcome_totals(counts),
        "reasons": reason_totals(counts),
        "gaps": {f"{topic}-{number}": count for topic, number, count in tree["gaps"]},
        "models": _models(tree, admission),
        "unsent": len(tree["fleet"]["unsent"]),
    }


def _unit(task: Mapping[str, Any]) -> dict[str, Any]:
    positions = {
        f"{topic}-{task['unit']}": partition_state["next_offset"]
        for topic, partition_state in sorted(task["lanes"].items())
    }
    return {"unit": task["unit"], "epoch": 0, "positions": positions, "open_panes": len(open_in(task))}


def _models(tree: Mapping[str, Any], admission: Admission) -> list[dict[str, Any]]:
    admission.restore(ModelKey(model, version) for model, version, _ in tree["met"])
    judges = {ModelKey(one["model"], one["version"]): one for one in tree["fleet"]["judges"]}
    totals, labels = totals_in(tree)
    for key, total in totals.items():
        total.labels += labels[key]
    same = {ModelKey(model, version): settings for model, version, settings in tree["met"]}
    return [
        _model(key, total, _reference_of(key, same.get(key, ""), admission), judges.get(key))
        for key, total in sorted(totals.items())
    ]


def _reference_of(key: ModelKey, settings_hash: str, admission: Admission) -> Reference | None:
    """What the counts were made by; None where that is no longer what the settings name."""
    monitored = admission.monitored(key)
    return monitored.reference if monitored is not None and monitored.settings_hash == settings_hash else None


def _model(key: ModelKey, total: Tally, reference: Reference | None, judge: Mapping[str, Any] | None) -> dict[str, Any]:
    incident, lasting = (
        None if judge is None else judge["book"].get(name) for name in ("incident", "lasting_incident")
    )
    return {
        "model": key.model,
        "version": key.version,
        "predictions": total.predictions,
        "features_events": total.feature_events,
        "labels": total.labels + total.labelled,
        "confusion": _confusion(total),
        "incident": None if incident is None else {"id": incident[0], "severity": incident[2]},
        "lasting": None if lasting is None else {"id": lasting[0], "severity": lasting[2]},
        "pages": judge["book"]["pages"] if judge is not None else 0,
        "tickets": judge["book"]["tickets"] if judge is not None else 0,
        "expected_false_pages": round(judge["budget"]["expected"], 6) if judge is not None else 0.0,
        "features": _features(total, reference) if reference is not None else {},
    }


def _confusion(total: Tally) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (label, prediction), count in sorted(total.pairs.items()):
        table.setdefault(label, {})[prediction] = count
    return table


def _features(total: Tally, reference: Reference) -> dict[str, Any]:
    width = reference.width
    return {
        column.name: {
            "bins": total.counts[at, : column.bins.bins].tolist(),
            **{quality_count: int(total.counts[at, width + slot]) for slot, quality_count in enumerate(QUALITY_COUNTS)},
        }
        for at, column in enumerate(reference.columns)
        if column.role == FEATURE
    }


def state_text(shown: Mapping[str, Any]) -> str:
    """The same for a person."""
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
            f"{many(model['labels'], 'label')}, {many(len(model['features']), 'feature')}, "
            f"{many(model['pages'], 'page')}, {state}"
        )
    return "\n".join(lines)
