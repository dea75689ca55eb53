"""Cause `absent` of a tag: most events that its values would cut have none of them, so nothing is said of its segments.

A tag is no column: no other cause would see that it went, or was renamed. Judged in blocks of base windows' size,
outside the page budget; at most a ticket, as what the model computes is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.findings import Figures, Finding, FindingKey, Span
from monitor.judge.causes.cause import Evaluation, SequentialCause
from monitor.judge.causes.quality_words import ABSENCE
from monitor.judge.policy import Policy
from monitor.judge.windows.fact_blocks import MOST_OF_SHARE, FactBlock, FactBlocks
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import BASE_EVENTS, Windows
from monitor.reference.segments import Segments, counts_name
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.fact_share import Excess, FactShare, still_over
from monitor.text import many, percent

#: the part of the events with a value in the reference that has none now: other values come and go, and a tag that is
#: gone leaves nothing to judge
LEAST_GONE: Final = 0.5

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag that cuts the events: its `segments`, the last of which has the events without one of its values."""

    name: str
    segments: tuple[int, ...]
    reference: FactShare
    blocks: FactBlocks

    @property
    def least(self) -> float:
        return LEAST_GONE * (1 - self.reference.share)


class TagsGone(SequentialCause):
    """The tags among a reference's segments. The subject is the tag."""

    names = (ABSENCE,)
    state_name = "tags"
    own_budget = True

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        segments = prepared.reference.segments
        self._slots = prepared.width + prepared.outside_bins.shape[1]
        self._fairness = () if policy.model.fairness is None else policy.model.fairness.by
        self._tags = {} if segments is None else {self._key(tag.name): tag for tag in self._each(segments)}

    def _key(self, name: str) -> FindingKey:
        taken = name in {self.prepared.reference.key.model, *self.prepared.subjects}
        return FindingKey(f"tag.{name}" if taken else name, ABSENCE.name)

    def _each(self, segments: Segments) -> Iterator[_Tag]:
        for at, one in enumerate(segments.by):
            own = np.flatnonzero(segments.whole == at).tolist()
            events = [self._events(segments.counts[segment]) for segment in own]
            if one.is_tag and sum(events[:-1]) > 0:
                known = FactShare(events[-1], sum(events), (0.0,))
                yield _Tag(one.feature, tuple(own), known, FactBlocks(BASE_EVENTS, kept=1))

    def _events(self, counts: Ints) -> int:
        """Events with counts (C, B + Q): those that carried the column that most of them have."""
        return int(self.prepared.carried(counts.astype(np.int64)).max(initial=0))

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Take the next pane; judge what ends with it once it is as large as a base window."""
        for key, tag in self._tags.items():
            held = [pane.tally.further.get(counts_name(segment)) for segment in tag.segments]
            events = [0 if one is None else self._events(one.reshape(-1, self._slots)) for one in held]
            if tag.blocks.add(FactBlock(pane.start_us, pane.end_us, events[-1], sum(events))):
                excess = tag.blocks.excess(tag.reference, tag.least)
                if excess is not None and excess.exceedance > 1:
                    yield self._finding(key, tag, excess)

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        tag = self._tags.get(key)
        if tag is None:
            return None
        hits, events = self._counts(tag, evaluation.windows, 0)
        return still_over(tag.reference, hits, events, 1, MOST_OF_SHARE, tag.least)

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        return np.array([self._excess(self._tags[key], windows, window)]) if key in self._tags else None

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return left_of(self._excess(self._tags[key], evaluation.windows, 0), float(then[0])) if then[0] > 0 else 0.0

    def _excess(self, tag: _Tag, windows: Windows, window: int) -> float:
        hits, events = self._counts(tag, windows, window)
        return hits / max(events, 1) - tag.reference.share

    def _counts(self, tag: _Tag, windows: Windows, window: int) -> tuple[int, int]:
        """Events without a value of the tag, and all events."""
        size = len(self.prepared.columns) * self._slots
        held = [windows.further(counts_name(segment), size)[window] for segment in tag.segments]
        events = [self._events(one.reshape(-1, self._slots)) for one in held]
        return events[-1], sum(events)

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return percent(figures.value)

    def _finding(self, key: FindingKey, tag: _Tag, excess: Excess) -> Finding:
        window, before = tag.blocks.newest(1), percent(tag.reference.share)
        assert window is not None  # noqa: S101  # it was judged
        effect = excess.share - tag.reference.share
        without = "segments and fairness" if tag.name in self._fairness else "segments"
        return Finding(
            key=key,
            severity=self.policy.severity(ABSENCE.name, tag.name, effect, 0.0, may_page=False),
            window=Span(window.start_us, window.end_us, excess.events),
            base_windows=1,
            statistic="exact",
            value=excess.share,
            threshold=tag.reference.share + tag.least,
            p=excess.p,
            effect=effect,
            effect_unit="share",
            exceedance=excess.exceedance,
            direction="up",
            detail=f"none of its values that the reference knows in {excess.hits:,} of {many(excess.events, 'event')}, "
            f"{before} in the reference: is it gone, renamed, or are its values new?",
            headline=f"tag {tag.name} is absent, or its values are new, in {percent(excess.share)} of the events "
            f"({before} in the reference): its {without} are not judged in these",
            since_us=window.start_us,
        )

    def to_state(self) -> dict[str, Any]:
        return {tag.name: tag.blocks.to_state() for tag in self._tags.values()}

    def restore(self, state: dict[str, Any]) -> None:
        for tag in self._tags.values():
            if tag.name in state:
                tag.blocks.restore(state[tag.name])
