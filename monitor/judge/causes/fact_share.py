"""Causes `duplicates` and `clock`: a share of the events repeats an id, or has a time far ahead of the others.

Such events are counted where they are read, by the clock of their partition, and judged in blocks of base windows'
size. They have a budget of their own and take nothing from the tests that page.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from monitor.findings import Figures, Finding, FindingKey, Span
from monitor.judge.causes.cause import CauseName, Evaluation, SequentialCause
from monitor.judge.policy import LEAST_QUALITY_CHANGE, Policy
from monitor.judge.windows.fact_blocks import MOST_OF_SHARE, FactBlocks
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import BASE_EVENTS, Windows
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.further import AHEAD, DUPLICATES
from monitor.stats.tallies.tally import Tally
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.fact_share import Excess, FactShare, still_over
from monitor.text import many, percent


@dataclass(frozen=True, slots=True)
class WatchedShare:
    """A share with what the reference knows of it, by how much more is said, and the newest blocks of events."""

    reference: FactShare
    least: float
    blocks: FactBlocks


class ShareCause(SequentialCause):
    """Shares of events with a fact about them, each by the key of its findings, outside the page budget."""

    #: its findings are about what can be judged: they explain no others
    aside: ClassVar[bool] = False

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self.watched: dict[FindingKey, WatchedShare] = {}

    @abstractmethod
    def of_tally(self, key: FindingKey, tally: Tally) -> tuple[int, int]:
        """Hits in a tally, and events with the hits."""

    @abstractmethod
    def of_windows(self, key: FindingKey, windows: Windows, window: int) -> tuple[int, int]:
        """The same in one window."""

    @abstractmethod
    def severity_of(self, key: FindingKey, effect: float) -> str:
        """The severity of a rise."""

    @abstractmethod
    def judged_events(self, excess: Excess) -> int:
        """The events of a finding's window."""

    @abstractmethod
    def headline(self, key: FindingKey, excess: Excess, before: str) -> str:
        """What happened, in a few words; the share was `before` in the reference."""

    @abstractmethod
    def detail(self, key: FindingKey, excess: Excess, before: str) -> str:
        """The figures."""

    def follows(self) -> bool:
        return bool(self.watched)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Take the next pane; judge what ends with it once it is as large as a base window."""
        for key, one in self.watched.items():
            if not one.blocks.add((pane.start_us, pane.end_us, *self.of_tally(key, pane.tally))):
                continue
            excess = one.blocks.excess(one.reference, one.least)
            if excess is not None and excess.exceedance > 1:
                yield self._finding(key, one, excess)

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        one, windows = self.watched.get(key), evaluation.windows
        if one is None:
            return None
        hits, events = self.of_windows(key, windows, 0)
        return still_over(one.reference, hits, events, windows.lengths[0], MOST_OF_SHARE, one.least)

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        return np.array([self._rise(key, windows, window)]) if key in self.watched else None

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return left_of(self._rise(key, evaluation.windows, 0), float(then[0])) if then[0] > 0 else 0.0

    def _rise(self, key: FindingKey, windows: Windows, window: int) -> float:
        hits, events = self.of_windows(key, windows, window)
        return hits / max(events, 1) - self.watched[key].reference.share

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return percent(figures.value)

    def _finding(self, key: FindingKey, one: WatchedShare, excess: Excess) -> Finding:
        window, share = one.blocks.newest(excess.blocks), one.reference.share
        assert window is not None  # noqa: S101  # it was judged
        effect, before = excess.share - share, percent(share)
        return Finding(
            key=key,
            severity=self.severity_of(key, effect),
            window=Span(window.start_us, window.end_us, self.judged_events(excess)),
            base_windows=excess.blocks,
            statistic="exact",
            value=excess.share,
            threshold=share + one.least,
            p=excess.p,
            effect=effect,
            effect_unit="share",
            exceedance=excess.exceedance,
            direction="up",
            detail=self.detail(key, excess, before),
            headline=self.headline(key, excess, before),
            since_us=one.blocks.began_us(excess.blocks, share),
            aside=self.aside,
        )


class _OfModel(ShareCause):
    """The share of one fact. The subject is the model."""

    #: the name of its counts in tallies and references
    counted: ClassVar[str]

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        known, name = dict(prepared.reference.facts).get(self.counted), self.names[0].name
        self._model = prepared.reference.key.model
        self._blocks = FactBlocks(BASE_EVENTS)
        if known is not None:
            least = policy.least_effect(name, "", LEAST_QUALITY_CHANGE)
            self.watched[FindingKey(self._model, name)] = WatchedShare(known, least, self._blocks)

    def of_tally(self, key: FindingKey, tally: Tally) -> tuple[int, int]:
        further, events = tally.further, tally.events
        if self.counted not in further:  # as mostly
            return 0, events
        hits = int(further[self.counted][0])
        return hits, events + hits

    def of_windows(self, key: FindingKey, windows: Windows, window: int) -> tuple[int, int]:
        hits = int(windows.further(self.counted, 1)[window, 0])
        return hits, windows.spans[window].events + hits

    def severity_of(self, key: FindingKey, effect: float) -> str:
        return self.policy.severity(key.cause, "", effect, 0.0)

    def judged_events(self, excess: Excess) -> int:
        return excess.events - excess.hits

    def to_state(self) -> dict[str, Any]:
        return self._blocks.to_state()

    def restore(self, state: dict[str, Any]) -> None:
        self._blocks.restore(state)


class Duplicates(_OfModel):
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

    def headline(self, key: FindingKey, excess: Excess, before: str) -> str:
        return f"{percent(excess.share)} of the events of {self._model} repeat an id"

    def detail(self, key: FindingKey, excess: Excess, before: str) -> str:
        return (
            f"{excess.hits:,} of {many(excess.events, 'event')} repeat the id of one before in their partition, "
            f"{before} in the reference; they are counted as duplicate, the other {excess.events - excess.hits:,} are "
            "judged"
        )


class ClockSkew(_OfModel):
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

    def headline(self, key: FindingKey, excess: Excess, before: str) -> str:
        return f"{percent(excess.share)} of the events of {self._model} have a time far ahead of the others"

    def detail(self, key: FindingKey, excess: Excess, before: str) -> str:
        return (
            f"{excess.hits:,} of {many(excess.events, 'event')} are minutes or more ahead of the events around them in "
            f"their partition, {before} in the reference: is the clock of a producer wrong? They are judged at their "
            "own time, when the others have come there"
        )
