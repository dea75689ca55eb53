"""Findings and transitions as explicit trees, for a checkpoint."""

from __future__ import annotations

from typing import Any, Final

from monitor.events import ModelKey, Partition
from monitor.findings import Finding, FindingKey, Span, Transition

_PLAIN: Final = (
    "severity",
    "base_windows",
    "statistic",
    "value",
    "threshold",
    "p",
    "effect",
    "effect_unit",
    "direction",
    "detail",
    "headline",
    "factor",
    "since_us",
)


def finding_to_state(finding: Finding) -> dict[str, Any]:
    """Explicit, for a checkpoint."""
    return {
        "key": list(finding.key),
        "window": list(finding.window),
        "records": [[topic, number, *span] for (topic, number), span in finding.records.items()],
        "over": finding.exceedance,
        "level": finding.level,
        **{name: getattr(finding, name) for name in _PLAIN},
    }


def finding_from_state(state: dict[str, Any]) -> Finding:
    """Back from `finding_to_state`."""
    return Finding(
        key=FindingKey(*state["key"]),
        window=Span(*state["window"]),
        records={Partition(topic, number): (first, last) for topic, number, first, last in state["records"]},
        exceedance=state["over"],
        level=state.get("level"),
        **{name: state[name] for name in _PLAIN},
    )


def transition_to_state(transition: Transition) -> dict[str, Any]:
    """A transition that is not sent yet, for a checkpoint."""
    return {
        "incident": transition.incident,
        "number": transition.number,
        "transition": transition.transition,
        "key": list(transition.key),
        "severity": transition.severity,
        "at_us": transition.at_us,
        "predictions": transition.predictions,
        "labels": transition.labels,
        "reference": transition.reference,
        "settings": transition.settings,
        "since_us": transition.since_us,
        "summary": transition.summary,
        "findings": [finding_to_state(finding) for finding in transition.findings],
    }


def transition_from_state(state: dict[str, Any]) -> Transition:
    """Back from `transition_to_state`."""
    plain = {name: value for name, value in state.items() if name not in {"key", "findings"}}
    return Transition(
        key=ModelKey(*state["key"]),
        findings=tuple(finding_from_state(finding) for finding in state["findings"]),
        **plain,
    )
