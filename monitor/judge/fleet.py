"""All model versions: hands panes to their judges in time order, and keeps the transitions that are not sent yet."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

from monitor.count.admission import Admission
from monitor.count.exchange import Pane
from monitor.count.labels import LabelCount
from monitor.events import ModelKey
from monitor.findings import Finding, Transition
from monitor.judge.incidents import IncidentBook
from monitor.judge.model import JudgeState, ModelJudge, Observer
from monitor.reference.monitored import Monitored
from monitor.settings.tree import Settings

#: why an incident resolves when what gave the model's state its meaning is another
SETTINGS_CHANGED: Final = "settings changed"


class Reported(NamedTuple):
    """An `info` finding and when it was made."""

    monitored: Monitored
    finding: Finding
    at_us: int


class Fleet:
    """Stage 2. `unsent` transitions leave only when somebody acknowledged them."""

    def __init__(self, admission: Admission, settings: Settings, observer: Observer | None = None) -> None:
        self._admission = admission
        self._settings = settings
        self._observer = observer
        self.judges: dict[ModelKey, ModelJudge] = {}
        self._versions: Counter[str] = Counter()
        #: how often each began anew: another judge's marks are no continuation of the one's before
        self._forgotten: Counter[ModelKey] = Counter()
        self.unsent: deque[Transition] = deque()
        self.reported: deque[Reported] = deque()

    def judge(self, pane: Pane) -> None:
        """Judge what ends with this pane. Panes of one model come in time order."""
        judge = self._judge_of(pane.pane_key.key)
        if judge is None:
            return
        findings, transitions = judge.add(pane, self.share(pane.pane_key.key), self._observer)
        self.reported.extend(Reported(judge.monitored, finding, judge.at_us) for finding in findings)
        self.unsent.extend(transitions)

    def share(self, key: ModelKey) -> float:
        """The part of its model's budget that a version has: the versions share it equally."""
        return 1 / max(self._versions[key.model], 1)

    def accept(self, incident: str, note: str) -> bool:
        """Make an open page lasting, as an operator says; False where there is no such page."""
        told = [transition for judge in self.judges.values() for transition in judge.accept(incident, note)]
        self.unsent.extend(told)
        return bool(told)

    def take_labels(self, cohorts: Iterable[LabelCount]) -> None:
        """Take the labels that took effect before the end of the pane that comes next, each once."""
        for cohort in cohorts:
            judge = self._judge_of(cohort.key)
            if judge is not None:
                judge.take_labels(cohort)

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
            )
            self.judges[key] = judge
            self._versions[key.model] += 1
        return judge

    def forget(self, key: ModelKey) -> None:
        """Judge a model version anew from its next pane on: it has another reference. An open incident resolves."""
        judge = self.judges.pop(key, None)
        if judge is None:
            return
        self._versions[key.model] -= 1
        self._forgotten[key] += 1
        self.unsent.extend(judge.book.give_up(judge.context(), SETTINGS_CHANGED))

    def sent(self, transitions: Iterable[Transition]) -> None:
        """These were acknowledged, oldest first."""
        for transition in transitions:
            if self.unsent and self.unsent[0].id == transition.id:
                self.unsent.popleft()

    def judged(self) -> list[ModelKey]:
        """The model versions that have a judge, in the order in which they came."""
        return list(self.judges)

    def mark(self, key: ModelKey) -> Hashable:
        """The same as long as `to_state` of a model version would give the same."""
        return self._forgotten[key], self.judges[key].mark() if key in self.judges else None

    def to_state(self, key: ModelKey) -> JudgeState | None:
        """What a checkpoint keeps of a model version."""
        return self.judges[key].to_state() if key in self.judges else None

    def restore(self, judges: Iterable[JudgeState], unsent: Iterable[Transition]) -> list[ModelKey]:
        """Take a state; gives the model versions whose settings changed or that are gone: they start afresh.

        Their open incidents resolve with the reason.
        """
        self.unsent.extend(unsent)
        afresh = []
        for state in judges:
            key = state.context.key
            monitored = self._admission.monitored(key)
            if monitored is not None and monitored.settings_hash == state.context.settings:
                judge = self._judge_of(key)
                if judge is not None:
                    judge.restore(state)
                continue
            afresh.append(key)
            self._give_up(state, SETTINGS_CHANGED if monitored is not None else "no longer in the settings")
        return afresh

    def _give_up(self, state: JudgeState, reason: str) -> None:
        book = IncidentBook(1)
        book.restore(state.book)
        self.unsent.extend(book.give_up(state.context, reason))
