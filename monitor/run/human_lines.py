"""The lines of a replay as text for a terminal, made from its JSON objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from monitor.judge.causes.catalog import next_step_of, sample_of
from monitor.run.outcome_lines import outcome_lines
from monitor.run.performance_lines import performance_lines
from monitor.settings.detector import KINDS as DETECTORS
from monitor.text import expected, many, probability

#: reasons of events that are not lost
_OTHER_REASONS: Final = {
    "versions": "more versions than limits.versions",
    "tombstone": "the record has no value",
}
#: transitions that tell somebody of an incident
_TOLD: Final = frozenset({"opened", "escalated"})
_UPDATED: Final = "updated"
#: texts of the summary for a model version's open incidents
_OPEN_AT_END: Final = (("open", "one incident"), ("lasting", "a lasting ticket"))


def _evidence(found: dict[str, Any]) -> str:
    """What a finding was seen in and how likely that is by chance; nothing of a rule about no events."""
    window, p = found["window"], found["p"]
    if not window["events"]:
        return ""
    if found["statistic"] in DETECTORS:  # it was fed all values since it began: its last pane is no sample
        return f"; the alarm came with the events up to {window['end']}"
    seen = "seen in" if p is None else "tested on"
    words = f"; {seen} {many(window['events'], sample_of(found['cause']))} from {window['start']} to {window['end']}"
    return words if p is None else f"{words}; by chance {probability(p)}"


def _next_step(transition: dict[str, Any], told: set[str] | None) -> Iterator[str]:
    """What a person does first, when somebody is told of the incident, and when an update has another one.

    `told` are the lines of the incident that were told, None where that is not known.
    """
    found = transition["findings"]
    if not found or transition["transition"] not in {*_TOLD, _UPDATED}:
        return
    line, again = _next_line(transition), transition["transition"] == _UPDATED
    if line and not (again and (told is None or line in told)):
        yield line
    if told is not None:
        told.add(line)
    if again:
        return
    if runbook := transition.get("links", {}).get("runbook"):
        yield f"{'':24}runbook: {runbook}"


def _next_line(transition: dict[str, Any]) -> str:
    found, subject = transition["findings"], transition.get("likely_cause")
    unexplained = (one for one in found if one.get("explained_by") == [])
    about = (one for one in found if one["subject"] == subject) if subject else unexplained
    first = next(about, found[0])
    step = first.get("next_step") or next_step_of(first["cause"])
    named = first | {"subject": first.get("derived_from", first["subject"])}
    return f"{'':24}next, about {_subject(named)}: {step}" if step else ""


def _subject(found: dict[str, Any]) -> str:
    """`AGE`, or of a segment `AGE in SEX=2`."""
    return f"{found['subject']} in {found['segment']}" if found.get("segment") else str(found["subject"])


class HumanLines:
    """The lines of one stream: an update has a next step where it is one that was not told of its incident before."""

    def __init__(self) -> None:
        #: {incident: the next steps told}
        self._told: dict[str, set[str]] = {}

    def __call__(self, thing: dict[str, Any]) -> str | None:
        """As `human_line`."""
        if thing["kind"] != "transition":
            return human_line(thing)
        told = self._told.setdefault(thing["incident"], set())
        if thing["transition"] == "resolved":
            del self._told[thing["incident"]]
        return human_line(thing, told)


def human_line(thing: dict[str, Any], told: set[str] | None = None) -> str | None:
    """A transition, finding or summary as text for a terminal; None for other lines.

    `told` are the next steps told of a transition's incident, to which its own is added; None where that is not known.
    """
    if thing["kind"] == "transition":
        lines = [f"{thing['at']}  {thing['transition']:<12} {thing['severity']:<7} {thing['summary']}"]
        for found in thing["findings"]:
            what = " ".join([found["cause"], *([found["figure"]] if "figure" in found else [])])
            lines.append(f"{'':24}{_subject(found)}: {what} ({found['severity']}): {found['detail']}")
            lines.append(f"{'':24}  since {found['since']}{_evidence(found)}")
        return "\n".join([*lines, *_next_step(thing, told)])
    if thing["kind"] == "warmup":
        return f"{thing['at']}  {'reference':<12} {'info':<7} {thing['text']}"
    if thing["kind"] == "finding":
        whose = f"{thing['model']} {thing['version']}: {_subject(thing)}"
        return f"{thing['at']}  {'finding':<12} {'info':<7} {whose}: {thing['detail']}"
    if thing["kind"] == "summary":
        return _human_summary(thing)
    return None


def _still(model: dict[str, Any]) -> str:
    still = [words for name, words in _OPEN_AT_END if model[name]]
    return f", {' and '.join(still)} still open at the end" if still else ""


def _human_summary(thing: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in thing["outcomes"].items())
    lines = [f"\n{many(thing['records'], 'record')} in {thing['seconds']:.1f} s: {outcomes or 'no events'}"]
    for reason, count in thing["reasons"].items():
        if meaning := _OTHER_REASONS.get(reason.split("/", 1)[1]):
            lines.append(f"  {reason}: {count:,}  ({meaning})")
    for model in thing["models"]:
        lines.append(
            f"{model['model']} {model['version']}: {many(model['predictions'], 'prediction')}, "
            f"{many(model['pages'], 'page')}, {many(model['tickets'], 'ticket')}{_still(model)}; "
            + (
                model["warmup"]["text"]
                if "warmup" in model
                else f"by chance alone {expected(model['expected_false_pages'])} pages were to be expected"
            )
        )
        lines += [f"  at the end: {words}" for words in model.get("at_the_end", ())]
        lines += performance_lines(model)
        lines += outcome_lines(model.get("outcomes", {}))
        if model.get("excluded"):
            lines.append(f"  {many(model['excluded'], 'event')} in excluded times: counted, not judged")
    return "\n".join(lines)
