"""The promise of a model version: what its judge pages by chance, and what it sees how soon at today's traffic."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.clock import DAY_US, SECOND_US
from monitor.events import ModelKey
from monitor.findings import Span
from monitor.judge.causes.cause import PlannedWindows
from monitor.judge.model import ModelJudge
from monitor.judge.windows.pyramid import BASE_EVENTS
from monitor.judge.words.setting_notes import pages_besides
from monitor.reference.monitored import Monitored
from monitor.reference.notes.performance import why_not_judged
from monitor.reference.reference import Reference
from monitor.settings.model import Budget, Model
from monitor.settings.tree import Settings
from monitor.stats.testing.promise import ColumnPromise, ModelPromise, column_promise

#: traffic that is faster or slower by less than this part has the promise of before
SAME_RATE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of a model version: events in a usual base window, and how long it is."""

    base_events: float
    base_us: float

    @classmethod
    def of_reference(cls, reference: Reference) -> Traffic:
        """As fast as the reference's own; one event a second where it does not tell."""
        if reference.base_us and reference.levels and reference.levels[0].events:
            return cls(reference.levels[0].events, float(reference.base_us))
        lasted = reference.end_us - reference.start_us
        each = lasted / reference.events if reference.events and lasted > 0 else SECOND_US
        return cls(BASE_EVENTS, BASE_EVENTS * each)

    @classmethod
    def today(cls, judge: ModelJudge) -> Traffic:
        """Of the longest window judged last; the reference's before one was."""
        if judge.latest is None:
            return cls.of_reference(judge.monitored.reference)
        windows = judge.latest.windows
        span, length = windows.spans[-1], max(windows.lengths[-1], 1)
        return cls(span.events / length, max(span.end_us - span.start_us, 1) / length)

    @property
    def events_per_second(self) -> float:
        return self.base_events * SECOND_US / self.base_us

    def is_like(self, other: Traffic) -> bool:
        """Whether both have one promise."""
        return math.isclose(self.base_us, other.base_us, rel_tol=SAME_RATE) and math.isclose(
            self.base_events, other.base_events, rel_tol=SAME_RATE
        )


def promise_of(judge: ModelJudge, traffic: Traffic, share: float = 1.0) -> ModelPromise:
    """At that traffic; `share` is the version's part of the model's budget."""
    steps = promise_steps(judge, traffic, share)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            promise: ModelPromise = done.value
            return promise


def promise_steps(judge: ModelJudge, traffic: Traffic, share: float = 1.0) -> Generator[None, None, ModelPromise]:
    """The same in steps of a few milliseconds each: what is detected, and then column by column.

    The judge may go on between them: what depends on its newest windows is asked for in the first step.
    """
    prepared, reference = judge.prepared, judge.monitored.reference
    lengths = np.array(judge.pyramid.lengths, np.int64)
    rate = prepared.rate(Span(0, round(traffic.base_us), round(traffic.base_events)))
    planned = PlannedWindows(
        lengths,
        np.asarray(lengths * traffic.base_events, np.float64),
        rate,
        judge.budget.usual_alpha(traffic.base_us, share),
    )
    shares = judge.judge.share_detections(planned)
    yield
    missing, columns = judge.judge.missing_detections(planned), list[ColumnPromise]()
    for at, detection in enumerate(shares):
        yield
        columns.append(
            column_promise(
                prepared.subjects[at],
                detection,
                missing.get(at),
                lengths,
                traffic.base_events,
                traffic.base_us,
                DAY_US / traffic.base_us,
            )
        )
    return ModelPromise(
        pages=judge.budget.promised * share,
        used=judge.budget.pages * share,
        per_us=judge.budget.per_us,
        events=reference.events,
        events_per_second=traffic.events_per_second,
        of_reference=rate,
        starting_us=tuple(n * traffic.base_us for n in sorted({one.starts_after for one in shares if not one.why_not})),
        max_severity=judge.monitored.model.max_severity,
        columns=tuple(columns),
        performance_not_judged=(
            "" if judge.judge.performance.errors.is_judged else why_not_judged(judge.monitored.reference)
        ),
        besides=tuple(pages_besides(judge.monitored.model)),
    )


def promise_without_settings(reference: Reference) -> ModelPromise:
    """By the default settings, at the reference's own traffic."""
    model, budget = Model(name=reference.key.model, reference="reference.json"), Budget()
    return _before_traffic(Monitored(reference.key, model, reference, 0, ""), budget, 1.0)


def promise_by_settings(settings: Settings, key: ModelKey, reference: Reference) -> ModelPromise:
    """At the reference's own traffic; the versions that the settings name share the budget of their model."""
    model = settings.model(key.model) or Model(name=key.model, reference="reference.json")
    share = 1 / max(len(model.versions), 1)
    return _before_traffic(Monitored(key, model, reference, 0, ""), settings.budget_of(model), share)


def _before_traffic(monitored: Monitored, budget: Budget, share: float) -> ModelPromise:
    judge = ModelJudge(monitored, budget.pages, budget.per, show_values=True)
    return promise_of(judge, Traffic.of_reference(monitored.reference), share)
