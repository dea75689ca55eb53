"""Causes `distribution`, `score` and `prediction` of a segment: its values changed, and those of other events did not.

Each segment is judged as all events are, against itself in the reference moved by as much as the other events have
moved. So a change that all events share is told once, of all events. The tests of all segments of one feature take as
much of the page budget as the tests of all events do, each as much as its segment has of the events.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import numpy as np

from monitor.findings import Figures, FindingKey
from monitor.judge.causes.cause import Candidate, Cause, Evaluation
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.distribution_words import DistributionWords
from monitor.judge.comparison.lazy_comparison import LazyComparison, Measured
from monitor.judge.comparison.segmented import Segmented, SegmentedWindows
from monitor.judge.incidents.incident import Floats
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.stats.tallies.block import Block

#: a segment explains a change of which the other events have at most this part
LEAST_OWN: Final = 0.5
#: windows of L base windows are compared whenever so many parts of L are over
EVALUATIONS_A_LENGTH: Final = 4


class Segments(Cause[Evaluation]):
    """What distributions say of each segment; nothing where the reference has none."""

    names = Distribution.names
    state_name = "segments"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        segmented = Segmented.of(prepared, policy)
        self._inner = None if segmented is None else InSegments(segmented, policy)
        self._closed = 0

    def meet(self, others: Sequence[Cause[Any]]) -> None:
        if self._inner is not None:
            self._inner.whole = next(one for one in others if type(one) is Distribution)

    def tests(self) -> int:
        return 0 if self._inner is None else self._inner.tests()

    def tests_made(self, evaluation: Evaluation) -> int:
        if self._inner is None or not any(evaluation.windows.lengths):  # the newest panes are not compared
            return 0
        return self._inner.tests_made(evaluation.of(self))

    def observe(self, pane: Block, base: Block | None) -> None:
        self._closed += base is not None

    def to_state(self) -> dict[str, Any]:
        return {"closed": self._closed}

    def restore(self, state: dict[str, Any]) -> None:
        self._closed = state["closed"]

    def measure(self, evaluation: Evaluation) -> Evaluation:
        """The same windows by segment: those that are due."""
        if self._inner is None:
            return evaluation
        lengths = evaluation.windows.lengths
        due = [at for at, length in enumerate(lengths) if self._closed % max(length // EVALUATIONS_A_LENGTH, 1) == 0]
        return self._inner.evaluation(evaluation, due if len(lengths) > 1 else range(len(lengths)))

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        if self._inner is not None:
            yield from self._inner.candidates(evaluation.of(self), recent)

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        inner = self._of(key)
        return None if inner is None else inner.exceedance(key, evaluation.of(self))

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        inner = self._of(key)
        return None if inner is None else inner.change(key, inner.segmented.windows(windows, [window]), 0)

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        inner = self._of(key)
        return math.nan if inner is None else inner.left(key, then, evaluation.of(self))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        inner = self._of(key)
        return None if inner is None else inner.effect(key, evaluation.of(self))

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """Of the segments that are over."""
        if self._inner is not None:
            yield from self._inner.figures(evaluation.of(self))

    def _of(self, key: FindingKey) -> InSegments | None:
        """Who knows this finding."""
        return self._inner if key.segment else None


class InSegments(Distribution):
    """The distributions of the columns in each segment; it remembers nothing."""

    state_name = ""

    def __init__(self, segmented: Segmented, policy: Policy) -> None:
        super().__init__(segmented.prepared, policy)
        self.segmented = segmented
        self._words = _Words(self.prepared, policy, self.sides, self._place)
        #: of all events; given when causes meet
        self.whole: Distribution | None = None
        self._columns = {self._key(at): at for at in range(len(self.prepared.columns))}

    def tests(self) -> int:
        """As many as all events have, for each feature that cuts them."""
        weighed = (self.segmented.weights(one).sum() * one.tests / max(len(one.places), 1) for one in self.sides)
        return math.ceil(sum(map(float, weighed)))

    def tests_made(self, evaluation: Evaluation) -> int:
        made = (one.screened[1] @ self.segmented.weights(one.side) for one in evaluation.of(self).comparisons)
        return math.ceil(sum(float(of_windows.sum()) for of_windows in made))

    def evaluation(self, whole: Evaluation, picked: Sequence[int]) -> Evaluation:
        """Some windows of an evaluation of all events, by segment."""
        windows = self.segmented.windows(whole.windows, picked)
        return Evaluation(self.prepared, windows, whole.alpha, whole.most_events, whole.of_tickets)

    def measure(self, evaluation: Evaluation) -> Measured:
        windows, prepared = cast("SegmentedWindows", evaluation.windows), self.prepared
        rates = np.array([prepared.rate(span) for span in windows.spans])
        sizes = [span.events / max(rate, 1.0) for span, rate in zip(windows.spans, rates.tolist(), strict=True)]
        comparisons = tuple(
            LazyComparison(
                side,
                side.values(windows, prepared.width),
                rates,
                evaluation.alpha,
                self.segmented.expected(side, self.segmented.rest(side, windows)),
            )
            for side in self.sides
        )
        return Measured(comparisons, self._place, prepared, evaluation.known_sizes(sizes))

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        if evaluation.of(self).may_be_over.any():
            newest = None if recent is None else self.segmented.windows(recent, [0])
            yield from super().candidates(evaluation, newest)

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        measured = evaluation.of(self)
        for column in np.flatnonzero(measured.may_be_over.any(0)).tolist():
            exceedance = measured.exceedance_of(column)
            worst = int(exceedance.argmax())
            if exceedance[worst] > 1 and self._is_reported(measured, worst, column):
                yield self._figures(evaluation, worst, column)

    def _figures(self, evaluation: Evaluation, window: int, column: int) -> tuple[str, Figures]:
        measured, key = evaluation.of(self), self._key(column)
        _, value, threshold, p = self._evidence(measured, window, column)
        return key.subject, Figures(
            cause=key.cause,
            value=value,
            threshold=threshold,
            effect=measured.effect_of(window, column),
            p=p,
            samples=int(self.prepared.values(evaluation.windows.counts[window])[column]),
            exceedance=float(measured.exceedance_of(column)[window]),
            segment=key.segment,
        )

    def _is_reported(self, measured: Measured, window: int, column: int) -> bool:
        """Whether the change is the segment's own: no share of the other events moved nearly as much."""
        (s, place), (one, at) = self._place[column], measured.of(column)
        direction, expected = measured.direction_of(window, column), measured.comparisons[s].expected
        if expected is None or not one.moved.shape[2]:
            return False
        rest = np.abs(expected.shares[window, place] - self.sides[s].reference.shares[place]).max()
        return bool(rest <= LEAST_OWN * abs(one.moved[window, at, direction]))

    def _key(self, column: int) -> FindingKey:
        return self.segmented.key(column, self._cause_of(column))

    def _column_of(self, key: FindingKey) -> int | None:
        return self._columns.get(key)

    @property
    def _objections(self) -> tuple[list[str], ...]:
        """Those to the columns of all events."""
        known = {} if self.whole is None else self.whole.objections()
        return tuple(
            [known.get(self.segmented.column_of(at), "") for at in side.places.tolist()] for side in self.sides
        )


class _Words(DistributionWords):
    """Words about a segment: its mean is not counted, so numbers are told by their shares."""

    def _numeric(self, windows: Windows, measured: Measured, window: int, column: int) -> tuple[str, str]:
        way = "up" if self.is_up(windows, window, column) else "down"
        effect = f"{measured.effect_of(window, column):.2g}"
        headline = f"{self.prepared.subjects[column]} moved {way}, not so the other events"
        told = f"share moved {effect}{self._allowed(measured, window, column)}"
        edges = self.prepared.columns[column].bins.edges
        return f"{headline} ({told})", self._largest_shift(windows, measured, window, column) if edges else told
