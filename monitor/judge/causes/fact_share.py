"""Causes `duplicates` and `clock`: a share of the events repeats an id, or has a time far ahead of the others.

Such events are counted where they are read, by the clock of their partition, and judged in blocks of base windows'
size. They have a budget of their own and take nothing from the tests that page.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from monitor.findings import Figures, Finding, FindingKey, Span
from monitor.judge.causes.cause import CauseName, Evaluation, SequentialCause
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.windows.fact_blocks import MOST_OF_SHARE, FactBlock, FactBlocks
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import BASE_EVENTS, Windows
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.further import AHEAD, DUPLICATES
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.fact_share import Excess, FactShare, still_over
from monitor.text import many, percent


class _Share(SequentialCause):
    """The share of one fact. The subject is the model."""

    #: the name of its counts in tallies and references
    counted: ClassVar[str]

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._reference = dict(prepared.reference.facts).get(self.counted)
        self._model = prepared.reference.key.model
        self._key = FindingKey(self._model, self.names[0].name)
        self._blocks = FactBlocks(BASE_EVENTS)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Take the next pane; judge what ends with it once it is as large as a base window."""
        if self._reference is not None:
            hits = int(pane.tally.further[self.counted][0]) if self.counted in pane.tally.further else 0
            part = FactBlock(pane.start_us, pane.end_us, hits, pane.tally.events + hits)
            yield from self._take(self._reference, part)

    def _take(self, reference: FactShare, part: FactBlock) -> Iterator[Finding]:
        if not self._blocks.add(part):
            return
        excess = self._blocks.excess(reference, self._least())
        if excess is not None and excess.exceedance > 1:
            yield self._finding(reference, excess)

    def _least(self) -> float:
        return self.policy.least_effect(self._key.cause, "", LEAST_QUALITY_CHANGE)

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        if key != self._key or self._reference is None:
            return None
        windows = evaluation.windows
        hits, events = self._counts(windows, 0)
        return still_over(self._reference, hits, events, windows.lengths[0], MOST_OF_SHARE, self._least())

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        if key != self._key or self._reference is None:
            return None
        return np.array([self._excess(windows, window)])

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return left_of(self._excess(evaluation.windows, 0), float(then[0])) if then[0] > 0 else 0.0

    def _excess(self, windows: Windows, window: int) -> float:
        hits, events = self._counts(windows, window)
        before = 0.0 if self._reference is None else self._reference.share
        return hits / max(events, 1) - before

    def _counts(self, windows: Windows, window: int) -> tuple[int, int]:
        """Hits, and events with the hits."""
        hits = int(windows.further(self.counted, 1)[window, 0])
        return hits, hits + windows.spans[window].events

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return percent(figures.value)

    def _finding(self, reference: FactShare, excess: Excess) -> Finding:
        window = self._blocks.newest(excess.blocks)
        assert window is not None  # noqa: S101  # it was judged
        effect = excess.share - reference.share
        return Finding(
            key=self._key,
            severity=self.policy.severity(self._key.cause, "", effect, 0.0),
            window=Span(window.start_us, window.end_us, excess.events - excess.hits),
            base_windows=excess.blocks,
            statistic="exact",
            value=excess.share,
            threshold=reference.share + self._least(),
            p=excess.p,
            effect=effect,
            effect_unit="share",
            exceedance=excess.exceedance,
            direction="up",
            detail=self._detail(excess, percent(reference.share)),
            headline=self._headline(excess),
            since_us=self._blocks.began_us(excess.blocks, reference.share),
        )

    @abstractmethod
    def _headline(self, excess: Excess) -> str:
        """What happened, in a few words."""

    @abstractmethod
    def _detail(self, excess: Excess, before: str) -> str:
        """The figures, with the share `before` in the reference."""

    def to_state(self) -> dict[str, Any]:
        return self._blocks.to_state()

    def restore(self, state: dict[str, Any]) -> None:
        self._blocks.restore(state)


class Duplicates(_Share):
    """Events that repeat the id of one before: a producer that sends again, or a topic that is read twice."""

    names = (
        CauseName(
            "duplicates",
            in_alert="with repeated ids",
            of_model="events",
            next_step="see which producer sends again, or which job fills the topic twice",
        ),
    )
    state_name = "duplicates"
    counted = DUPLICATES

    def _headline(self, excess: Excess) -> str:
        return f"{percent(excess.share)} of the events of {self._model} repeat an id"

    def _detail(self, excess: Excess, before: str) -> str:
        return (
            f"{excess.hits:,} of {many(excess.events, 'event')} repeat the id of one before in their partition, "
            f"{before} in the reference; they are counted as duplicate, the other {excess.events - excess.hits:,} are "
            "judged"
        )


class ClockSkew(_Share):
    """Events whose time is far ahead of the others of their partition: a producer's clock is wrong."""

    names = (
        CauseName(
            "clock",
            in_alert="with a time far ahead",
            of_model="events",
            next_step="find the host whose clock is wrong",
        ),
    )
    state_name = "clock"
    counted = AHEAD

    def _headline(self, excess: Excess) -> str:
        return f"{percent(excess.share)} of the events of {self._model} have a time far ahead of the others"

    def _detail(self, excess: Excess, before: str) -> str:
        return (
            f"{excess.hits:,} of {many(excess.events, 'event')} are minutes or more ahead of the events around them in "
            f"their partition, {before} in the reference: is the clock of a producer wrong? They are judged at their "
            "own time, when the others have come there"
        )
