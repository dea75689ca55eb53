"""Life cycle of the findings and incidents of a model version.

A finding opens when a window is over its threshold. It ends when the newest max(3, 2L) base windows (L: base windows
it opened on; at most the longest learned length), taken as one, are not over and hold at most a quarter of the change
it opened with. Those windows must begin after the finding did: earlier ones would dilute a young finding until it
ended. A finding of which nothing can be measured any more ends, too, and the reason is said. Windows that begin before
an end cannot open the same key again. The incident's severity is that of its worst
finding. A page of another column, a changed severity and a resolution are reported at once, other findings that open or
end once per base window.

A page that has been open for long enough to have been seen becomes a ticket (`lasting`), and the model can page again:
its findings move to the lasting ticket with the level of their effect; a finding that is not among them, or whose
effect has grown by half, opens another incident. Lasting findings end as others do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple, Protocol

from monitor.clock import DAY_US
from monitor.findings import PAGE, SEVERITY_RANK, TICKET, Finding, FindingEnd, FindingKey, Transition
from monitor.judge.incidents.ended import KEPT, Ended, also_ended, lasted, why_ended
from monitor.judge.incidents.first_cause import in_words
from monitor.judge.incidents.incident import (
    BookState,
    Findings,
    Floats,
    Incident,
    OpenFinding,
    TransitionContext,
    incident_id,
    lowered,
    since_of,
    worst_by_key,
    worst_first,
)
from monitor.judge.incidents.recurring import recurring
from monitor.judge.incidents.silence import Silence
from monitor.stats.testing.ending import MIN_LASTING_WINDOWS, end_windows, has_ended, is_lasting, is_news


class Now(NamedTuple):
    """A finding's subject in the newest windows: exceedance, remaining part of the change, effect."""

    exceedance: float
    left: float
    effect: float


class Measurements(Protocol):
    """Measurements in the current windows that a book asks for."""

    def opening(self, finding: Finding) -> Floats:
        """The change in the finding's window, as its cause measures it."""

    def now(self, known: OpenFinding, base_windows: int) -> Now | str | None:
        """Over the newest `base_windows`, all after the finding's start; None while there are not that many.

        A text says why there is nothing to measure any more.
        """


class IncidentBook:
    """Findings and incidents of one model version: at most one open incident and one lasting ticket."""

    def __init__(
        self,
        longest: int,
        explained_by: Mapping[str, Sequence[str]] = MappingProxyType({}),
        *,
        lasting_after_us: int = DAY_US,
    ) -> None:
        """`longest` learned length in base windows; `explained_by`: {cause: causes that hide it for the same
        subject}; a page becomes lasting after `lasting_after_us` of event time.
        """
        self._longest = longest
        self._explained_by = explained_by
        self._lasting_after_us = lasting_after_us
        self.open: Findings = {}
        self.lasting: Findings = {}
        self.ended_us: dict[FindingKey, int] = {}
        self.incident: Incident | None = None
        self.lasting_incident: Incident | None = None
        #: the last resolved incidents, the newest last
        self.ended: deque[Ended] = deque(maxlen=KEPT)
        self.pages = 0
        self.tickets = 0

    def step(
        self,
        found: Iterable[Finding],
        measurements: Measurements,
        context: TransitionContext,
        *,
        base_window: bool,
        at_once: bool = False,
    ) -> list[Transition]:
        """Take the findings of one moment; `base_window`: one closed, so findings may end.

        `at_once`: what opens is reported now, because no base window may close for long.
        """
        found = list(found)
        if not (found or base_window or self.open or self.incident):  # as mostly
            return []
        transitions: list[Transition] = []
        ended: list[str] = []
        if base_window:
            ended = self._end(self.open, measurements, context.at_us)
            transitions += self._follow_lasting(measurements, context)
            if self._stood_long_enough(context.at_us):
                transitions += self._make_lasting(measurements, context)
        opened, known = False, {key.subject for key in self.open}
        report = base_window or at_once
        self._count_held(context.silence, base_window=base_window)
        for finding in (self._held(one, context.silence) for one in worst_by_key(found)):
            if self._take(finding, measurements, context.key.model, base_window=base_window):
                opened = True
                report |= finding.severity == PAGE and finding.key.subject not in known
        changed = self._end_parts(context.at_us) or opened or bool(ended)
        return transitions + self._move(changed, report, context, why_ended(ended))

    def end(self, ends: Iterable[FindingEnd], context: TransitionContext) -> list[Transition]:
        """End findings that their causes know to be over."""
        transitions: list[Transition] = []
        for key, at_us, reason in ends:
            lasting, known = self.lasting.pop(key, None), self.open.pop(key, None)
            if lasting is not None or known is not None:
                self.ended_us[key] = at_us
            if lasting is not None and self.lasting_incident is not None:
                transitions += self._lasting_now(self.lasting_incident, context, reason)
            if known is not None:
                transitions += self._move(changed=True, report=True, context=context, reason=reason)
        return transitions

    def accept(self, incident: str, note: str, context: TransitionContext) -> list[Transition]:
        """Make a page lasting at once, on an operator's request; no effect if the open incident is not that page."""
        if self.incident is None or self.incident.id != incident or self.incident.severity != PAGE:
            return []
        reason = f"accepted ({note})" if note else "accepted"
        return self._make_lasting(None, context, reason)

    def under_settings(
        self, most_severe: Callable[[Finding], str], context: TransitionContext, reason: str
    ) -> list[Transition]:
        """Lower the open findings to what changed settings allow; one that is `info` now is open no more."""
        changed, left = lowered(self.open, most_severe), lowered(self.lasting, most_severe)
        transitions: list[Transition] = []
        if left and self.lasting_incident is not None:
            transitions += self._lasting_now(self.lasting_incident, context, reason)
        if not changed or self.incident is None:
            return transitions
        if self.open:
            return transitions + self._move(changed=True, report=True, context=context)
        incident, self.incident = self.incident, None
        return [*transitions, self._finish(incident, context, reason, by_stream=False)]

    # findings

    def _count_held(self, silence: Silence | None, *, base_window: bool) -> None:
        """Count a base window that closed outside of silences."""
        for known in self.open.values() if base_window and silence is not None and not silence.now else ():
            known.held = None if known.held is None else known.held + 1

    def _held(self, finding: Finding, silence: Silence | None) -> Finding:
        """The finding, as a ticket while a silence holds it back; one that has paged already is not held."""
        known = self.open.get(finding.key)
        if silence is None or finding.severity != PAGE or (known is not None and known.finding.severity == PAGE):
            return finding
        since = finding.window.start_us if finding.since_us is None else finding.since_us
        opened_on, passed = (finding.base_windows, 0) if known is None else (known.base_windows, known.held or 0)
        held = silence.holds(since, opened_on, passed)
        return replace(finding, severity=TICKET, silenced=True) if held else finding

    def since(self, key: FindingKey) -> int | None:
        """Since when a finding of this key is open, on its own or in the lasting ticket; None if none is."""
        return min((book[key].since_us for book in (self.open, self.lasting) if key in book), default=None)

    def is_graver(self, finding: Finding) -> bool:
        """Whether it says more than the finding of its key that is open, if one is: newest panes are few events."""
        known = self.open.get(finding.key) or self.lasting.get(finding.key)
        return known is None or SEVERITY_RANK[finding.severity] > SEVERITY_RANK[known.finding.severity]

    def findings(self) -> list[Finding]:
        """All that are open, those of the lasting ticket too."""
        return [known.finding for book in (self.open, self.lasting) for known in book.values()]

    def _take(self, finding: Finding, measurements: Measurements, model: str, *, base_window: bool) -> bool:
        """True when the finding is new."""
        key, known = finding.key, self.open.get(finding.key)
        lasting = self.lasting.get(key)
        if lasting is not None:
            lasting.take(finding)
        if known is not None:
            known.take(finding)
            return False
        if finding.window.start_us < self.ended_us.get(key, finding.window.start_us) or self._explained(finding):
            return False
        if lasting is not None and not (base_window and self._has_grown(lasting, measurements)):
            return False
        since = since_of(finding, self.open, model)
        then = measurements.opening(finding)
        held = 0 if finding.silenced else None
        self.open[key] = OpenFinding(finding.dated(since), finding.base_windows, since, then, held=held)
        return True

    def _explained(self, finding: Finding) -> bool:
        """Whether another open finding explains it, as a stuck column explains its changed distribution and relations.

        A ticket does not explain a page, unless it is a lasting one, which has been a page.
        """
        others = [finding.key._replace(cause=cause) for cause in self._explained_by.get(finding.key.cause, ())]
        if finding.part_of:
            others += [key for key in (*self.open, *self.lasting) if key.subject in finding.part_of]
        pages = finding.severity == PAGE
        known = (self.open[other] for other in others if other in self.open)
        return any(other in self.lasting for other in others) or any(
            one.finding.severity == PAGE or not pages for one in known
        )

    def _end_parts(self, at_us: int) -> bool:
        """Remove the findings that a page is about which opened later, as a pair whose column moved; True if any."""
        pages = {key.subject for key, known in self.open.items() if known.finding.severity == PAGE}
        ended = [key for key, known in self.open.items() if not pages.isdisjoint(known.finding.part_of)]
        for key in ended:
            del self.open[key]
            self.ended_us[key] = at_us
        return bool(ended)

    def _end(self, book: Findings, measurements: Measurements, at_us: int) -> list[str]:
        """Remove the findings that ended; gives for each why, "" where its windows tell."""
        ended = {}
        for key, known in book.items():
            now = measurements.now(known, end_windows(known.base_windows, self._longest))
            if isinstance(now, str):
                ended[key] = now
            elif now is not None and has_ended(now.exceedance, now.left):
                ended[key] = ""
        for key in ended:
            del book[key]
            self.ended_us[key] = at_us
        return list(ended.values())

    # the incident

    def _move(self, changed: bool, report: bool, context: TransitionContext, reason: str = "") -> list[Transition]:
        """The transition, if the incident changed; opened or ended findings wait until one is to `report`.

        `reason` says why findings ended, or the incident resolves, if no windows say so.
        """
        findings, incident = worst_first(self.open), self.incident
        if incident is None:
            return [self._begin(findings, context)] if findings else []
        if not findings:
            self.incident = None
            return [self._finish(incident, context, reason)]
        incident.remember(findings)
        incident.unreported |= changed
        before, now = SEVERITY_RANK[incident.severity], SEVERITY_RANK[findings[0].severity]
        if now == before and not (incident.unreported and report):
            return []
        incident.become(findings[0].severity, context.at_us)
        incident.number += 1
        incident.unreported = False
        if incident.severity == PAGE and not incident.paged:
            incident.paged = True
            self.pages += 1
            self.tickets -= 1
        name = "escalated" if now > before else "deescalated" if now < before else "updated"
        return [incident.step(name, findings, context, self._summary(findings, incident, context) + also_ended(reason))]

    def _begin(self, findings: tuple[Finding, ...], context: TransitionContext) -> Transition:
        first_end = min(finding.window.end_us for finding in findings)
        since = min(known.since_us for known in self.open.values())
        severity = findings[0].severity
        name = incident_id(context.key, first_end)
        self.incident = Incident(name, 1, severity, since, severity == PAGE, context.at_us)
        self.incident.become(severity, context.at_us)
        self.incident.remember(findings)
        if severity == PAGE:
            self.pages += 1
        else:
            self.tickets += 1
        return self.incident.step("opened", findings, context, self._summary(findings, self.incident, context))

    def _summary(self, findings: tuple[Finding, ...], incident: Incident, context: TransitionContext) -> str:
        """What is open, and how often that was found before."""
        again = recurring(findings[0].key, context.key.model, self.ended, incident.opened_at)
        return f"{context.name}: {in_words(findings)}" + (f"; {again}" if again else "")

    def _finish(
        self, incident: Incident, context: TransitionContext, reason: str = "", *, by_stream: bool = True
    ) -> Transition:
        """`by_stream`: what it was about ended; else it is no earlier time of the same fault."""
        last, ended = incident.finish(context, reason)
        self.ended.append(ended if by_stream else replace(ended, keys=()))
        return last

    def give_up(self, context: TransitionContext, reason: str) -> list[Transition]:
        """Resolve all incidents for a reason outside the stream."""
        self.open.clear()
        self.lasting.clear()
        open_ones = [one for one in (self.incident, self.lasting_incident) if one is not None]
        self.incident = self.lasting_incident = None
        return [self._finish(one, context, reason, by_stream=False) for one in open_ones]

    # the lasting ticket

    def _stood_long_enough(self, at_us: int) -> bool:
        """Count the closed base window; true when the page has been open long enough to become lasting."""
        incident = self.incident
        if incident is None or not self.open or incident.paged_us is None:
            return False
        incident.paged_windows += 1
        paging = [known.base_windows for known in self.open.values() if known.finding.severity == PAGE]
        longest = max(paging, default=0)  # findings of severity ticket do not delay it
        return is_lasting(at_us - incident.paged_us, self._lasting_after_us, incident.paged_windows, longest)

    def _make_lasting(
        self, measurements: Measurements | None, context: TransitionContext, reason: str = ""
    ) -> list[Transition]:
        """Turn the page into the lasting ticket, merged with one that is already there."""
        incident, former = self.incident, self.lasting_incident
        if incident is None:
            return []
        transitions = []
        if former is not None:
            transitions.append(self._finish(former, context, f"goes on in {incident.id}", by_stream=False))
            incident.since_us = min(incident.since_us, former.since_us)
        for key, known in self.open.items():
            now = None if measurements is None else measurements.now(known, _level_windows(known))
            self.lasting[key] = known.lasting(now.effect if isinstance(now, Now) else known.finding.effect)
        stood = lasted(context.at_us - (incident.opened_at if incident.paged_us is None else incident.paged_us))
        incident.become(TICKET, context.at_us)
        incident.number += 1
        incident.unreported = False
        self.open, self.incident, self.lasting_incident = {}, None, incident
        findings = worst_first(self.lasting)
        incident.remember(findings)
        summary = f"{context.name}: {reason or 'lasting'} after {stood}: {in_words(findings)}"
        return [*transitions, incident.step("lasting", findings, context, summary)]

    def _follow_lasting(self, measurements: Measurements, context: TransitionContext) -> list[Transition]:
        """End findings of the lasting ticket; gives the transition if any ended."""
        incident = self.lasting_incident
        ended = [] if incident is None else self._end(self.lasting, measurements, context.at_us)
        return self._lasting_now(incident, context, why_ended(ended)) if incident is not None and ended else []

    def _lasting_now(self, incident: Incident, context: TransitionContext, reason: str = "") -> list[Transition]:
        """The transition of the lasting ticket after it lost findings; `reason` if no windows ended them."""
        findings = worst_first(self.lasting)
        if not findings:
            self.lasting_incident = None
            return [self._finish(incident, context, reason)]
        incident.number += 1
        summary = f"{context.name}: lasting: {in_words(findings)}{also_ended(reason)}"
        return [incident.step("updated", findings, context, summary)]

    def _has_grown(self, lasting: OpenFinding, measurements: Measurements) -> bool:
        """Whether the effect is 1.5 times its level, measured over as many windows as the level."""
        now = measurements.now(lasting, _level_windows(lasting))
        return isinstance(now, Now) and is_news(now.effect, lasting.level)

    # state

    def to_state(self) -> BookState:
        return BookState(
            tuple(known.copy() for known in self.open.values()),
            tuple(known.copy() for known in self.lasting.values()),
            dict(self.ended_us),
            None if self.incident is None else self.incident.copy(),
            None if self.lasting_incident is None else self.lasting_incident.copy(),
            tuple(self.ended),
            self.pages,
            self.tickets,
        )

    def restore(self, state: BookState) -> None:
        """Take what `to_state` gave."""
        self.open = {known.finding.key: known.copy() for known in state.open}
        self.lasting = {known.finding.key: known.copy() for known in state.lasting}
        self.ended_us = dict(state.ended_us)
        self.incident = None if state.incident is None else state.incident.copy()
        self.lasting_incident = None if state.lasting_incident is None else state.lasting_incident.copy()
        self.ended.extend(state.past)
        if self.incident is not None:
            self.incident.remember(worst_first(self.open))
        self.pages, self.tickets = state.pages, state.tickets


def _level_windows(known: OpenFinding) -> int:
    """Base windows over which a lasting finding's effect is measured: few enough to follow it, enough to be certain."""
    return max(MIN_LASTING_WINDOWS, 2 * known.base_windows)
