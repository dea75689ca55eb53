"""Findings, incidents and transitions as explicit trees, and back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from monitor.events import ModelKey, Partition
from monitor.findings import PAGE, ExplainedBy, Explanation, Finding, FindingKey, Rebase, Span, Transition
from monitor.judge.incidents.ended import Ended
from monitor.judge.incidents.incident import NOTHING, BookState, Incident, OpenFinding

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


def finding_tree(finding: Finding) -> dict[str, Any]:
    """A finding."""
    return {
        "key": list(finding.key),
        "window": list(finding.window),
        "records": [[topic, number, *span] for (topic, number), span in finding.records.items()],
        "over": finding.exceedance,
        "level": finding.level,
        "silenced": finding.silenced,
        "ticket_reason": finding.ticket_reason,
        **({"parent": finding.parent} if finding.parent else {}),
        **({"part_of": list(finding.part_of)} if finding.part_of else {}),
        **({"renamed_from": finding.renamed_from} if finding.renamed_from else {}),
        **({"says_since": True} if finding.says_since else {}),
        **({"aside": True} if finding.aside else {}),
        **({"next_step": finding.next_step} if finding.next_step else {}),
        **_explanation_tree(finding),
        **{name: getattr(finding, name) for name in _PLAIN},
    }


def finding_of(state: dict[str, Any]) -> Finding:
    """Back from `finding_tree`."""
    return Finding(
        key=FindingKey(*state["key"]),
        window=Span(*state["window"]),
        records={Partition(topic, number): (first, last) for topic, number, first, last in state["records"]},
        exceedance=state["over"],
        level=state.get("level"),
        silenced=state.get("silenced", False),
        explanation=_explanation_of(state.get("explanation")),
        score_shift=state.get("score_shift"),
        ticket_reason=state.get("ticket_reason", ""),
        parent=state.get("parent", ""),
        part_of=tuple(state.get("part_of", ())),
        renamed_from=state.get("renamed_from", ""),
        says_since=state.get("says_since", False),
        aside=state.get("aside", False),
        next_step=state.get("next_step", ""),
        **{name: state[name] for name in _PLAIN},
    )


def _explanation_tree(finding: Finding) -> dict[str, Any]:
    """What is known of a finding and the score; nothing where nothing is."""
    out: dict[str, Any] = {}
    if finding.explanation is not None:
        out["explanation"] = [finding.explanation.text, [list(part) for part in finding.explanation.parts]]
    if finding.score_shift is not None:
        out["score_shift"] = finding.score_shift
    return out


def _explanation_of(tree: list[Any] | None) -> Explanation | None:
    return None if tree is None else Explanation(tuple(ExplainedBy(*part) for part in tree[1]), tree[0])


def transition_tree(transition: Transition) -> dict[str, Any]:
    """A transition."""
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
        "silenced": None if transition.silenced is None else list(transition.silenced),
        "findings": [finding_tree(finding) for finding in transition.findings],
        **({"likely_cause": transition.likely_cause} if transition.likely_cause else {}),
    }


def transition_of(state: dict[str, Any]) -> Transition:
    """Back from `transition_tree`."""
    plain = {name: value for name, value in state.items() if name not in {"key", "findings", "silenced"}}
    silenced = state.get("silenced")
    return Transition(
        silenced=None if silenced is None else (silenced[0], silenced[1]),
        key=ModelKey(*state["key"]),
        findings=tuple(finding_of(finding) for finding in state["findings"]),
        **plain,
    )


def rebase_tree(rebase: Rebase) -> dict[str, Any]:
    """A changed reference."""
    return {
        "key": list(rebase.key),
        "at": rebase.at_us,
        "reference": list(rebase.reference),
        "settings": list(rebase.settings),
        "note": rebase.note,
    }


def rebase_of(state: dict[str, Any]) -> Rebase:
    """Back from `rebase_tree`."""
    (before, after), (settings_before, settings_after) = state["reference"], state["settings"]
    settings = (settings_before, settings_after)
    return Rebase(ModelKey(*state["key"]), state["at"], (before, after), settings, state["note"])


def book_tree(book: BookState) -> dict[str, Any]:
    """The tree of a model version's findings and incidents."""
    return {
        "open": [_open_tree(known) for known in book.open],
        "lasting": [_open_tree(known) for known in book.lasting],
        "ended": [[*key, at] for key, at in book.ended_us.items()],
        "incident": None if book.incident is None else _incident_tree(book.incident),
        "lasting_incident": None if book.lasting_incident is None else _incident_tree(book.lasting_incident),
        "past": [_ended_tree(ended) for ended in book.past],
        "pages": book.pages,
        "tickets": book.tickets,
    }


def book_of(tree: dict[str, Any]) -> BookState:
    """The inverse of `book_tree`; earlier versions had no resolved incidents and no lasting ones."""
    incident, lasting = tree["incident"], tree.get("lasting_incident")
    return BookState(
        tuple(map(_open_of, tree["open"])),
        tuple(map(_open_of, tree.get("lasting", ()))),
        {FindingKey(*key): at for *key, at in tree["ended"]},
        None if incident is None else _incident_of(incident),
        None if lasting is None else _incident_of(lasting),
        tuple(_ended_of(ended) for ended in tree.get("past", ())),
        tree["pages"],
        tree["tickets"],
    )


def _open_tree(known: OpenFinding) -> list[Any]:
    return [finding_tree(known.finding), known.base_windows, known.since_us, known.then, known.level, known.held]


def _open_of(tree: list[Any]) -> OpenFinding:
    """The inverse of `_open_tree`; earlier versions held five values, or three: evidence alone ends such a finding."""
    finding, base_windows, since_us, *later = tree
    then, level, *held = later or (NOTHING, None)
    return OpenFinding(finding_of(finding), base_windows, since_us, np.array(then, np.float64), level, *held)


def _incident_tree(incident: Incident) -> list[Any]:
    messages = [[*key, words] for key, words in incident.messages.items()]
    plain = [incident.id, incident.number, incident.severity, incident.since_us, incident.paged]
    return [*plain, incident.opened_at, incident.unreported, messages, incident.paged_us, incident.paged_windows]


def _incident_of(tree: list[Any]) -> Incident:
    """The inverse of `_incident_tree`; earlier versions held five or eight values: then it paged since it opened."""
    name, number, severity, since_us, paged, *later = tree
    opened_at, unreported, messages, *paging = later or (since_us, False, [])
    paged_us, paged_windows = paging or (opened_at if severity == PAGE else None, 0)
    words = {FindingKey(*key): headline for *key, headline in messages}
    return Incident(name, number, severity, since_us, paged, opened_at, unreported, words, paged_us, paged_windows)


def _ended_tree(ended: Ended) -> list[Any]:
    times = [ended.since_us, ended.opened_at, ended.ended_at]
    return [ended.id, ended.severity, *times, ended.summary, list(ended.findings), [list(key) for key in ended.keys]]


def _ended_of(tree: list[Any]) -> Ended:
    """The inverse of `_ended_tree`; earlier versions did not hold what the findings were about."""
    name, severity, since_us, opened_at, ended_at, summary, findings, *keys = tree
    known = tuple(FindingKey(*key) for key in keys[0]) if keys else ()
    return Ended(name, severity, since_us, opened_at, ended_at, summary, tuple(findings), known)
