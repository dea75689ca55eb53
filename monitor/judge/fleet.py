"""All model versions: hands panes to their judges in time order, and keeps the transitions that are not sent yet."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from monitor.chain import Head, Told, after
from monitor.clock import rfc3339
from monitor.count.admission.versions import Admission
from monitor.count.exchange import Pane
from monitor.count.labels.cohorts import LabelCohort
from monitor.events import ModelKey
from monitor.findings import Finding, Rebase, Transition
from monitor.judge.incidents.book import IncidentBook
from monitor.judge.incidents.incident import TransitionContext
from monitor.judge.incidents.informational import bounded
from monitor.judge.judge_state import JudgeState
from monitor.judge.model import ModelJudge, Observer
from monitor.judge.traffic_time import TrafficTime
from monitor.reference.blank import WARMUP
from monitor.reference.monitored import Monitored
from monitor.settings.duration import in_words
from monitor.settings.tree import Settings

#: reason of resolved incidents when the settings that the model's state depends on changed
SETTINGS_CHANGED: Final = "settings changed"
#: ... when it is compared with another reference
REFERENCE_CHANGED: Final = "reference changed"


#: `info` findings that are kept to be shown
NOTED: Final = 50


class Reported(NamedTuple):
    """An `info` finding and when it was made."""

    monitored: Monitored
    finding: Finding
    at_us: int

    def line(self) -> dict[str, Any]:
        """Its JSON line."""
        return {
            "kind": "finding",
            "model": self.monitored.key.model,
            "version": self.monitored.key.version,
            "at": rfc3339(self.at_us),
            "reference": self.monitored.reference.hash,
            "settings": self.monitored.settings_hash,
            **self.finding.to_json(),
        }


class Fleet:
    """Stage 2. What is told stays in `unsent` until it is acknowledged; `head` is where its chain stood before."""

    def __init__(
        self, admission: Admission, settings: Settings, observer: Observer | None = None, *, chain: str = ""
    ) -> None:
        """`chain` is the name of a new chain of what is told, "" for none; a state that is restored has its own."""
        self._admission = admission
        self._settings = settings
        self._observer = observer
        self.judges: dict[ModelKey, ModelJudge] = {}
        #: by model, the versions that share its budget: those that are not retired
        self._versions: Counter[str] = Counter()
        self._traffic = TrafficTime(settings.retire_after)
        #: how often each model version was reset, as part of its mark: the marks of a new judge begin at 0 again
        self._forgotten: Counter[ModelKey] = Counter()
        #: up to when the labels of a model are joined
        self._joined_until_us: Callable[[str], float] = lambda _: math.inf
        self.unsent: deque[Told] = deque()
        self.head = Head(chain)
        self.reported: deque[Reported] = deque()
        #: the last of them, the newest last; not state
        self.noted: deque[Reported] = deque(maxlen=NOTED)

    def judge(self, pane: Pane) -> None:
        """Judge what ends with this pane. Panes of one model come in time order."""
        judge = self._judge_of(pane.pane_key.key)
        if judge is None:
            return
        if pane.tally.events:
            self._note_traffic(judge, pane)
        closed = judge.pyramid.closed
        findings, transitions = judge.add(pane, self.share(pane.pane_key.key), self._observer)
        if judge.pyramid.closed > closed:
            findings += judge.differences(self._before(judge))
        self._take(judge, findings, transitions)

    def _note_traffic(self, judge: ModelJudge, pane: Pane) -> None:
        """A version has events in this pane; others of its model that have had none for long are retired."""
        key = judge.monitored.key
        judge.traffic = self._traffic.add(key.model, pane.start_us, pane.end_us)
        if judge.retired:
            judge.retired = False
            self._versions[key.model] += 1
            self._admission.seen.retired.discard(key)
        retire_after = self._settings.retire_after
        for other in self._siblings(judge) if self._versions[key.model] > 1 else ():
            without_us = judge.traffic.spent_us - other.traffic.spent_us
            if without_us >= retire_after:
                without = f"no events for {in_words(without_us)}, version {key.version} has them"
                self._retire(other, pane.end_us, f"retired: {without}")

    def _siblings(self, judge: ModelJudge) -> Iterator[ModelJudge]:
        """The other versions of its model that are not retired."""
        model = judge.monitored.key.model
        for other in self.judges.values():
            if other is not judge and other.monitored.key.model == model and not other.retired:
                yield other

    def _retire(self, judge: ModelJudge, at_us: int, reason: str) -> None:
        key = judge.monitored.key
        self.unsent.extend(judge.retire(at_us, reason))
        self._versions[key.model] -= 1
        self._admission.seen.retired.add(key)

    def _before(self, judge: ModelJudge) -> Iterator[ModelJudge]:
        """The versions of the same model that were judged before this one: it is compared with one of these."""
        for key, other in self.judges.items():
            if other is judge:
                return
            if key.model == judge.monitored.key.model and not other.retired:
                yield other

    def begin(self, key: ModelKey, events: int, labels: int, at_us: int) -> None:
        """Judge a model version from its next pane on; so many events and labels came before, in its warm-up."""
        judge = self._judge_of(key)
        if judge is not None:
            judge.begin(events, labels, at_us)

    def _take(self, judge: ModelJudge, findings: Iterable[Finding], transitions: Iterable[Transition]) -> None:
        reported = [Reported(judge.monitored, finding, judge.at_us) for finding in bounded(findings)]
        self.reported.extend(reported)
        self.noted.extend(reported)
        self.unsent.extend(transitions)

    def pass_time(self, now_us: int, waited_us: Callable[[ModelKey], int]) -> None:
        """Find what is due because no event comes; the wall clock is at `now_us`.

        `waited_us`: how long no event of a model version has arrived, all that came being judged. Both clocks count, so
        that events of an old time that come one after the other are no stop of traffic.
        """
        for key, judge in self.judges.items():
            self._take(judge, *judge.pass_time(min(now_us, judge.at_us + waited_us(key))))

    def share(self, key: ModelKey) -> float:
        """The part of its model's budget that a version has: the versions share it equally."""
        return 1 / max(self._versions[key.model], 1)

    def accept(self, incident: str, note: str) -> bool:
        """Make an open page lasting, on an operator's request; False if there is no such page."""
        transitions = [transition for judge in self.judges.values() for transition in judge.accept(incident, note)]
        self.unsent.extend(transitions)
        return bool(transitions)

    def meet(self, joined_until_us: Callable[[str], float]) -> None:
        self._joined_until_us = joined_until_us

    def take_labels(self, cohorts: Iterable[LabelCohort], until_us: int) -> None:
        """Take labels that took effect before `until_us`, each once; inline ones are of the pane that comes next."""
        late: dict[ModelKey, ModelJudge] = {}
        for cohort in cohorts:
            judge = self._judge_of(cohort.key)
            if judge is not None:
                judge.take_labels(cohort, until_us)
                if cohort.joined and not judge.retired:
                    late[cohort.key] = judge
        for key, judge in late.items():
            self._take(judge, *judge.judge_late(until_us, self.share(key)))

    def _judge_of(self, key: ModelKey) -> ModelJudge | None:
        """The judge, made with the first pane."""
        judge = self.judges.get(key)
        if judge is None:
            monitored = self._admission.monitored(key)
            if monitored is None:
                return None
            budget = self._settings.budget_of(monitored.model)
            judge = ModelJudge(
                monitored,
                budget.pages,
                budget.per,
                show_values=self._settings.show_values,
                lasting_after_us=self._settings.lasting_after,
                pane_us=self._settings.windows.pane,
                joined_us=partial(self._joined_until_us, key.model),
            )
            judge.traffic = self._traffic.now(key.model)
            self.judges[key] = judge
            self._versions[key.model] += 1
        return judge

    def forget(self, key: ModelKey) -> None:
        """Judge a model version from scratch, as it has another reference. An open incident is resolved."""
        judge = self.judges.pop(key, None)
        if judge is None:
            return
        self._versions[key.model] -= not judge.retired
        self._admission.seen.retired.discard(key)
        of_model = (other.traffic for other in self.judges.values() if other.monitored.key.model == key.model)
        self._traffic.forget(key.model, of_model)
        self._forgotten[key] += 1
        self.unsent.extend(judge.book.give_up(judge.context(), self._changed(judge.context())))

    def sent(self, told: Iterable[Told]) -> None:
        """Drop these from `unsent`, oldest first: they were acknowledged."""
        for one in told:
            if self.unsent and self.unsent[0].id == one.id:
                self.head = after(self.head, self.unsent.popleft())

    def judged(self) -> list[ModelKey]:
        """The model versions that have a judge, in order of first event."""
        return list(self.judges)

    def mark(self, key: ModelKey) -> Hashable:
        """Changes whenever `to_state` of the model version would."""
        return self._forgotten[key], self.judges[key].mark() if key in self.judges else None

    def to_state(self, key: ModelKey) -> JudgeState | None:
        """What a checkpoint keeps of a model version."""
        return self.judges[key].to_state() if key in self.judges else None

    def _changed(self, before: TransitionContext) -> str:
        """Why a model version is judged from scratch; another reference is recorded as an act.

        A warm-up that begins again is none: nobody gave it another reference.
        """
        now = self._admission.monitored(before.key)
        if now is None:
            return "no longer in the settings"
        if now.reference.hash in {before.reference, WARMUP}:
            return SETTINGS_CHANGED
        references, hashes = (before.reference, now.reference.hash), (before.settings, now.settings_hash)
        self.unsent.append(Rebase(before.key, before.at_us, references, hashes, now.reference.note))
        return REFERENCE_CHANGED

    def restore(self, judges: Iterable[JudgeState], unsent: Iterable[Told], head: Head | None = None) -> list[ModelKey]:
        """Restore; returns the model versions that start from scratch: their settings changed or they are gone.

        Their open incidents are resolved with the reason.
        """
        self.unsent.extend(unsent)
        self.head = self.head if head is None else head
        reset = []
        for state in judges:
            key = state.context.key
            monitored = self._admission.monitored(key)
            if monitored is not None and monitored.settings_hash == state.context.settings:
                judge = self._judge_of(key)
                if judge is not None:
                    judge.restore(state)
                    self._traffic.restore(key.model, judge.traffic)
                    self._versions[key.model] -= judge.retired
                    self.unsent.extend(judge.under_settings(state.severities, SETTINGS_CHANGED))
                continue
            reset.append(key)
            self._admission.seen.retired.discard(key)
            self._give_up(state, self._changed(state.context))
        return reset

    def _give_up(self, state: JudgeState, reason: str) -> None:
        book = IncidentBook(1)
        book.restore(state.book)
        self.unsent.extend(book.give_up(state.context, reason))
