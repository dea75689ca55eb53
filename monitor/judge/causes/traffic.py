"""Cause `traffic`: events come much faster or slower than in the reference, or not at all.

The rate is judged at the end of each step of event time. A stop is judged by time that has passed without events: in
a recording by the next event, live by the clock. It has a budget of its own and takes nothing from the tests that page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from monitor.clock import DAY_US, rfc3339
from monitor.count.columns.facts import in_time
from monitor.findings import Figures, Finding, FindingEnd, FindingKey, Span
from monitor.judge.causes.cause import CauseName, Evaluation, SequentialCause
from monitor.judge.policy import Policy
from monitor.judge.promise.budget import TicketBudget
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.settings.duration import in_words
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import NO_LAST, Tally
from monitor.stats.testing.ending import left_of
from monitor.stats.traffic import LONGEST, TIMES_GAP, Rate, Traffic, effect_of, judged, tests_of
from monitor.text import many, number, percent

TRAFFIC: Final = "traffic"
#: a rate has to fall to half, or to rise to twice the reference's
LEAST_RATE_CHANGE: Final = 0.5
#: steps that are kept: two of the longest windows
_KEPT: Final = 2 * LONGEST


class TrafficRate(SequentialCause):
    """The rate of events, and a stop. The subject is the model."""

    names = (
        CauseName(
            TRAFFIC,
            in_alert="changed",
            of_model="traffic",
            next_step="see whether the producer runs and writes to this topic, and whether a client came or went",
        ),
    )
    state_name = "traffic"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._traffic = prepared.reference.traffic
        self._model = prepared.reference.key.model
        self._key = FindingKey(self._model, TRAFFIC)
        self._last_us = NO_LAST
        #: a stop that was found, and no event came since
        self._has_stopped = False
        #: events with a wrong time, in panes since the last one that had others
        self._ahead = 0
        #: stops that ended with the newest pane; not state
        self._ends: list[FindingEnd] = []
        #: events by step, the newest last, which is still open; the first one is not whole
        self._steps: list[int] = []
        self._newest = 0

    def due_us(self, from_us: int) -> int | None:
        """When traffic counts as stopped if no event comes; None if that is not known, or already found."""
        if self._traffic is None or self._last_us == NO_LAST or self._has_stopped:
            return None
        return max(self._last_us, from_us) + self._traffic.stopped_after_us

    def ends(self) -> list[FindingEnd]:
        return self._ends

    def events_ahead(self) -> int:
        return self._ahead

    def stopped_since_us(self) -> int | None:
        return self._last_us if self._has_stopped else None

    def passed(self, until_us: int) -> Iterator[Finding]:
        """Event time has come to `until_us`, and there was no event since the last pane."""
        due = self.due_us(NO_LAST)
        if due is not None and due <= until_us and self._traffic is not None:
            self._has_stopped = True
            self._steps = []
            yield self._stopped(self._traffic, until_us)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Take the next pane: judge the rate at the end of each step; events end a stop."""
        tally = pane.tally
        self._ends = []
        if self._traffic is None or not tally.events:
            return
        events = in_time(tally)
        if not events:
            self._ahead += tally.events
            return
        self._take(tally)
        self._ahead = 0
        yield from self._rate(self._traffic, pane, events)

    def skip(self, pane: Block) -> None:
        """Events in an excluded time end a stop, and no window of the rate reaches over it."""
        self._ends = []
        if in_time(pane.tally):
            self._take(pane.tally)
        self._steps, self._ahead = [], 0

    def _take(self, tally: Tally) -> None:
        """Events came."""
        if self._has_stopped:
            back, without = max(tally.first_us, self._last_us), in_words(tally.first_us - self._last_us)
            reason = f"traffic is back since {rfc3339(back)}, {without} without events"
            self._ends, self._has_stopped = [FindingEnd(self._key, back, reason)], False
        self._last_us = max(self._last_us, tally.last_us)

    def _rate(self, traffic: Traffic, pane: Block, events: int) -> Iterator[Finding]:
        """Count so many events of the pane; judges the steps that are over."""
        if not traffic.levels or not traffic.in_panes_of(pane.end_us - pane.start_us):
            return
        step = pane.start_us // traffic.step_us
        if not self._steps:
            self._steps, self._newest = [0], step
        elif step > self._newest:
            passed = min(step - self._newest, _KEPT)
            whole = self._steps[1:] + [0] * (passed - 1)
            rate = judged(traffic, whole, self._alpha(traffic), self._least())
            if rate is not None and rate.exceedance > 1:
                yield self._changed(traffic, rate, (self._newest + passed) * traffic.step_us)
            self._steps, self._newest = [*self._steps, *[0] * passed][-_KEPT:], step
        self._steps[-1] += events

    def _alpha(self, traffic: Traffic) -> float:
        return TicketBudget(tests_of(traffic)).alpha(traffic.step_us)

    def _least(self) -> float:
        return self.policy.least_effect(TRAFFIC, "", LEAST_RATE_CHANGE)

    # how a finding goes on

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        """By the size of the change alone: what was proven is over when the rate is near again."""
        if key != self._key or self._traffic is None:
            return None
        change = self._log_ratio(evaluation.windows, 0)
        direction = "up" if change > 0 else "down"
        return effect_of(math.exp(change), direction) / max(self._least(), 1e-9)

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The logarithm of the ratio of the rates, one number."""
        if key != self._key or self._traffic is None:
            return None
        return np.array([self._log_ratio(windows, window)])

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return left_of(self._log_ratio(evaluation.windows, 0), float(then[0]))

    def _log_ratio(self, windows: Windows, window: int) -> float:
        """0 where the reference's rate is not known."""
        span, traffic = windows.spans[window], self._traffic
        if traffic is None or traffic.per_step == 0 or not span.events:
            return 0.0
        return math.log(span.events / traffic.expected(span.end_us - span.start_us))

    # words

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return f"{number(figures.value)} times the reference's rate"

    def _changed(self, traffic: Traffic, rate: Rate, end_us: int) -> Finding:
        start_us = end_us - rate.steps * traffic.step_us
        word = "fell" if rate.direction == "down" else "rose"
        ratio = percent(rate.ratio) if rate.ratio < 1 else f"{number(rate.ratio)} times"
        per, unit = _unit(traffic.per_step / traffic.step_us * min(rate.ratio, 1.0))
        before = per * traffic.per_step / traffic.step_us
        effect = effect_of(rate.ratio, rate.direction)
        detail = (
            f"{many(rate.events, 'event')} in {in_words(end_us - start_us)}, {number(rate.expected)} expected by the "
            f"reference ({number(before)} {unit}); columns are judged as soon as there are enough events"
        )
        if traffic.span_us < DAY_US:
            detail += f"; the reference covers {in_words(traffic.span_us)}: no daily pattern is known"
        return Finding(
            key=self._key,
            severity=self.policy.severity(TRAFFIC, "", effect, 0.0),
            window=Span(start_us, end_us, rate.events),
            base_windows=1,
            statistic="count",
            value=rate.ratio,
            threshold=_asked(rate, self._least()),
            p=rate.p,
            effect=effect,
            effect_unit="share of the rate",
            exceedance=rate.exceedance,
            direction=rate.direction,
            detail=detail,
            headline=f"traffic {word} to {ratio + ' of' * (rate.ratio < 1)} the reference's: "
            f"{number(before * rate.ratio)} events {unit}, {number(before)} before",
        )

    def _stopped(self, traffic: Traffic, until_us: int) -> Finding:
        """The finding of a stop from the last event to `until_us`."""
        lasted = until_us - self._last_us
        detail = (
            f"none for {in_words(lasted)}; nothing is known of the model since then. In the reference 99.9 % of the "
            f"gaps between events are at most {number(traffic.gap_us / 1e6)} s; the limit is {TIMES_GAP} times that, "
            "and at least 2 min"
        )
        return Finding(
            key=self._key,
            severity=self.policy.severity(TRAFFIC, "", 1.0, 0.0),
            window=Span(self._last_us, until_us, 0),
            base_windows=1,
            statistic="gap",
            value=lasted / 1e6,
            threshold=traffic.stopped_after_us / 1e6,
            p=None,
            effect=1.0,
            effect_unit="share of the rate",
            exceedance=max(lasted / traffic.stopped_after_us, 1.0),
            direction="down",
            detail=detail,
            headline=f"no events since {rfc3339(self._last_us)}",
            since_us=self._last_us,
        )

    # state

    def to_state(self) -> dict[str, Any]:
        return {
            "last": self._last_us,
            "silent": self._has_stopped,
            "ahead": [self._ahead],
            "newest": self._newest,
            "steps": np.array(self._steps, np.int64),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._last_us, self._has_stopped, self._newest = state["last"], state["silent"], state["newest"]
        self._ahead = state["ahead"][0]
        self._steps = np.array(state["steps"], np.int64).tolist()


def _asked(rate: Rate, least_effect: float) -> float:
    """The ratio of the rates from which on the change is large enough."""
    return 1 - least_effect if rate.direction == "down" else 1 / max(1 - least_effect, 1e-9)


def _unit(per_us: float) -> tuple[int, str]:
    """Microseconds and words of the shortest unit of time in which at least one event comes at this rate."""
    for us, unit in ((1_000_000, "a second"), (60_000_000, "a minute"), (3_600_000_000, "an hour")):
        if per_us * us >= 1:
            return us, unit
    return DAY_US, "a day"
