"""The life of findings and of the one incident of a model version.

A finding opens when a window is over its threshold; it ends when the newest max(3, 2L) base windows, taken as one, are
below half of theirs (L: base windows it opened on). Those windows must lie behind the finding's own beginning: with
earlier ones among them, a young finding would be diluted to an end. Windows that begin before an end cannot open the
same key again. The incident's severity is its worst finding's. Findings that come and go are told once a base window;
a severity that changes, and an end, at once.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from monitor.events import ModelKey
from monitor.findings import PAGE, SEVERITY_RANK, Finding, FindingKey, Transition
from monitor.judge.ended import KEPT, MAX_SAID, Ended, end_summary
from monitor.judge.finding_state import finding_from_state, finding_to_state

MIN_END_WINDOWS: Final = 3
END_BELOW: Final = 0.5


@dataclass(slots=True)
class OpenFinding:
    """A finding that has not ended: its latest figures, and how it began."""

    finding: Finding
    base_windows: int
    since_us: int


@dataclass(slots=True)
class Incident:
    """The open incident. `untold`: findings came or went since its last transition; `said` is every finding it had."""

    id: str
    number: int
    severity: str
    since_us: int
    paged: bool
    opened_at: int
    unreported: bool = False
    messages: dict[FindingKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TransitionContext:
    """What a transition says beside its findings."""

    key: ModelKey
    at_us: int
    predictions: int
    labels: int
    reference: str
    settings: str


#: how far over its threshold a finding's column is in the newest so many base windows that begin at or after a time;
#: None while there are not so many
Recheck = Callable[[FindingKey, int, int], float | None]


class IncidentBook:
    """Findings and incident of one model version."""

    def __init__(self, longest: int, explained_by: Mapping[str, Sequence[str]] = MappingProxyType({})) -> None:
        """`longest` in base windows; `explained_by`: {cause: causes beside which it is no news of the same subject}."""
        self._longest = longest
        self._explained_by = explained_by
        self.open: dict[FindingKey, OpenFinding] = {}
        self.ended_us: dict[FindingKey, int] = {}
        self.incident: Incident | None = None
        #: the last incidents that are over, the newest last
        self.ended: deque[Ended] = deque(maxlen=KEPT)
        self.pages = 0
        self.tickets = 0

    def step(self, found: Iterable[Finding], recheck: Recheck | None, context: TransitionContext) -> Transition | None:
        """Take the findings of the looks at one moment; `recheck` is given when a base window closed."""
        ended = self._end(recheck, context.at_us) if recheck is not None else False
        opened = False
        for finding in _worst_by_key(found):
            opened |= self._take(finding)
        return self._move(opened or ended, recheck is not None, context)

    def _take(self, finding: Finding) -> bool:
        """True when the finding is new."""
        key = finding.key
        known = self.open.get(key)
        if known is not None:
            worse = max(known.finding.severity, finding.severity, key=SEVERITY_RANK.__getitem__)
            known.finding = replace(finding, severity=worse, since_us=known.since_us)
            return False
        if finding.window.start_us < self.ended_us.get(key, finding.window.start_us) or self._explained(key):
            return False
        since = finding.since_us if finding.since_us is not None else finding.window.start_us
        self.open[key] = OpenFinding(replace(finding, since_us=since), finding.base_windows, since)
        return True

    def _explained(self, key: FindingKey) -> bool:
        """A stuck column's distribution, for one, is no news beside the fact that it is stuck."""
        return any(key._replace(cause=cause) in self.open for cause in self._explained_by.get(key.cause, ()))

    def _end(self, recheck: Recheck, at_us: int) -> bool:
        ended = []
        for key, known in self.open.items():
            length = min(max(MIN_END_WINDOWS, 2 * known.base_windows), self._longest)
            exceedance = recheck(key, length, known.since_us)
            if exceedance is not None and exceedance < END_BELOW:
                ended.append(key)
        for key in ended:
            del self.open[key]
            self.ended_us[key] = at_us
        return bool(ended)

    def _move(self, changed: bool, base_window: bool, context: TransitionContext) -> Transition | None:
        """The transition, if the incident's state moved; findings that came or went wait for the next base window."""
        findings = self._worst_first()
        if self.incident is None:
            return self._begin(findings, context) if findings else None
        if not findings:
            return self._finish(context)
        self._remember(findings)
        self.incident.unreported |= changed
        before, now = SEVERITY_RANK[self.incident.severity], SEVERITY_RANK[findings[0].severity]
        if now == before and not (self.incident.unreported and base_window):
            return None
        self.incident.severity = findings[0].severity
        self.incident.number += 1
        self.incident.unreported = False
        if self.incident.severity == PAGE and not self.incident.paged:
            self.incident.paged = True
            self.pages += 1
            self.tickets -= 1
        name = "escalated" if now > before else "deescalated" if now < before else "updated"
        return self._transition(name, findings, context, _summary(context.key, findings))

    def _begin(self, findings: tuple[Finding, ...], context: TransitionContext) -> Transition:
        first_end = min(finding.window.end_us for finding in findings)
        since = min(known.since_us for known in self.open.values())
        severity = findings[0].severity
        name = incident_id(context.key, first_end)
        self.incident = Incident(name, 1, severity, since, severity == PAGE, context.at_us)
        self._remember(findings)
        if severity == PAGE:
            self.pages += 1
        else:
            self.tickets += 1
        return self._transition("opened", findings, context, _summary(context.key, findings))

    def _remember(self, findings: tuple[Finding, ...]) -> None:
        """Keep the newest words of each finding, for when the incident is over."""
        if self.incident is not None:
            messages = self.incident.messages
            for finding in findings:
                if finding.key in messages or len(messages) < MAX_SAID:
                    messages[finding.key] = finding.headline

    def _finish(self, context: TransitionContext, reason: str = "") -> Transition:
        incident = self.incident
        if incident is None:
            message = "no incident to finish"
            raise AssertionError(message)
        incident.number += 1
        at_us, opened_at = context.at_us, incident.opened_at
        name = f"{context.key.model} {context.key.version}"
        summary = end_summary(name, opened_at, at_us, list(incident.messages), reason)
        last = self._transition("resolved", (), context, summary)
        worst = PAGE if incident.paged else incident.severity
        words = tuple(incident.messages.values())
        self.ended.append(Ended(incident.id, worst, incident.since_us, opened_at, at_us, summary, words))
        self.incident = None
        return last

    def give_up(self, context: TransitionContext, reason: str) -> Transition | None:
        """End everything for a reason that lies outside the stream."""
        self.open.clear()
        return self._finish(context, reason) if self.incident is not None else None

    def _worst_first(self) -> tuple[Finding, ...]:
        findings = [known.finding for known in self.open.values()]
        return tuple(sorted(findings, key=lambda f: (-SEVERITY_RANK[f.severity], -f.exceedance, f.key)))

    def _transition(
        self, name: str, findings: tuple[Finding, ...], context: TransitionContext, summary: str
    ) -> Transition:
        incident = self.incident
        if incident is None:
            message = "a transition needs an incident"
            raise AssertionError(message)
        return Transition(
            incident=incident.id,
            number=incident.number,
            transition=name,
            key=context.key,
            severity=incident.severity,
            at_us=context.at_us,
            predictions=context.predictions,
            labels=context.labels,
            reference=context.reference,
            settings=context.settings,
            since_us=incident.since_us,
            summary=summary,
            findings=findings,
        )

    def to_state(self) -> dict[str, Any]:
        return {
            "open": [
                [finding_to_state(known.finding), known.base_windows, known.since_us] for known in self.open.values()
            ],
            "ended": [[*key, at] for key, at in self.ended_us.items()],
            "incident": None if self.incident is None else _incident_to_state(self.incident),
            "past": [ended.to_state() for ended in self.ended],
            "pages": self.pages,
            "tickets": self.tickets,
        }

    def restore(self, state: dict[str, Any]) -> None:
        known = [
            OpenFinding(finding_from_state(finding), base_windows, since)
            for finding, base_windows, since in state["open"]
        ]
        self.open = {one.finding.key: one for one in known}
        self.ended_us = {FindingKey(*key): at for *key, at in state["ended"]}
        self.incident = None if state["incident"] is None else _incident_from_state(state["incident"])
        self.ended.extend(Ended.from_state(ended) for ended in state.get("past", ()))
        if self.incident is not None:
            self._remember(self._worst_first())
        self.pages, self.tickets = state["pages"], state["tickets"]


def _incident_to_state(incident: Incident) -> list[Any]:
    messages = [[*key, words] for key, words in incident.messages.items()]
    plain = [incident.id, incident.number, incident.severity, incident.since_us, incident.paged]
    return [*plain, incident.opened_at, incident.unreported, messages]


def _incident_from_state(state: list[Any]) -> Incident:
    """Back from `_incident_to_state`; a state of before held the first five, and knew no later time of its opening."""
    name, number, severity, since_us, paged, *later = state
    opened_at, unreported, messages = later or (since_us, False, [])
    words = {FindingKey(*key): headline for *key, headline in messages}
    return Incident(name, number, severity, since_us, paged, opened_at, unreported, words)


def incident_id(key: ModelKey, first_window_end_us: int) -> str:
    """Made of model, version and the first window's end, so that a replay gives the same one."""
    text = f"{key.model}\0{key.version}\0{first_window_end_us}"
    return f"{key.model}/{key.version}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _worst_by_key(found: Iterable[Finding]) -> list[Finding]:
    """One finding a key: the worst; it began with the shortest window that is over."""
    by_key: dict[FindingKey, list[Finding]] = {}
    for finding in found:
        by_key.setdefault(finding.key, []).append(finding)
    worst = []
    for findings in by_key.values():
        best = max(findings, key=lambda f: (SEVERITY_RANK[f.severity], f.exceedance))
        shortest = min(findings, key=lambda f: f.window.events)
        since = shortest.window.start_us if shortest.since_us is None else shortest.since_us
        worst.append(replace(best, since_us=since))
    return worst


def _summary(key: ModelKey, findings: tuple[Finding, ...]) -> str:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{key.model} {key.version}: {findings[0].headline}{more}"
