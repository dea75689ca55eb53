"""Cause `absent` of a tag: most events that its values would cut have none of them, so nothing is said of its segments.

A tag is no column: no other cause would see that it went, or was renamed. Judged in blocks of base windows' size,
outside the page budget; at most a ticket, as what the model computes is not touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.findings import FindingKey
from monitor.judge.causes.fact_share import ShareCause, WatchedShare
from monitor.judge.causes.quality_words import ABSENCE
from monitor.judge.policy import Policy
from monitor.judge.windows.fact_blocks import FactBlocks
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import BASE_EVENTS, Windows
from monitor.reference.segments import Segments, counts_name
from monitor.stats.tallies.tally import Tally
from monitor.stats.testing.fact_share import Excess, FactShare
from monitor.text import many, percent

#: the part of the events with a value in the reference that has none now: other values come and go, and a tag that is
#: gone leaves nothing to judge
LEAST_GONE: Final = 0.5

Ints = NDArray[np.int64]


class _Tag(NamedTuple):
    """A tag that cuts the events: its `segments`, the last of which has the events without one of its values."""

    name: str
    segments: tuple[int, ...]


class TagsGone(ShareCause):
    """The tags among a reference's segments. The subject is the tag."""

    names = (ABSENCE,)
    state_name = "tags"
    own_budget = True
    aside = True

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        segments = prepared.reference.segments
        self._slots = prepared.width + prepared.outside_bins.shape[1]
        self._fairness = () if policy.model.fairness is None else policy.model.fairness.by
        self._tags: dict[FindingKey, _Tag] = {}
        for at, one in enumerate(() if segments is None else segments.by):
            if segments is not None and one.is_tag:
                self._watch(segments, at, one.feature)

    def _watch(self, segments: Segments, at: int, name: str) -> None:
        own = np.flatnonzero(segments.whole == at).tolist()
        events = [self._events(segments.counts[segment]) for segment in own]
        if sum(events[:-1]) > 0:
            key, known = self._key(name), FactShare(events[-1], sum(events), (0.0,))
            least = LEAST_GONE * (1 - known.share)
            self._tags[key] = _Tag(name, tuple(own))
            self.watched[key] = WatchedShare(known, least, FactBlocks(BASE_EVENTS, kept=1))

    def _key(self, name: str) -> FindingKey:
        taken = name in {self.prepared.reference.key.model, *self.prepared.subjects}
        return FindingKey(f"tag.{name}" if taken else name, ABSENCE.name)

    def _events(self, counts: Ints) -> int:
        """Events with counts (C, B + Q): those that carried the column that most of them have."""
        return int(self.prepared.carried(counts.astype(np.int64)).max(initial=0))

    def of_tally(self, key: FindingKey, tally: Tally) -> tuple[int, int]:
        return self._counted(tally.further.get(counts_name(segment)) for segment in self._tags[key].segments)

    def of_windows(self, key: FindingKey, windows: Windows, window: int) -> tuple[int, int]:
        size = len(self.prepared.columns) * self._slots
        each = (windows.further(counts_name(segment), size)[window] for segment in self._tags[key].segments)
        return self._counted(each)

    def _counted(self, of_segments: Iterable[Ints | None]) -> tuple[int, int]:
        """Events without a value of the tag, and all events."""
        events = [0 if one is None else self._events(one.reshape(-1, self._slots)) for one in of_segments]
        return events[-1], sum(events)

    def severity_of(self, key: FindingKey, effect: float) -> str:
        return self.policy.severity(ABSENCE.name, self._tags[key].name, effect, 0.0, may_page=False)

    def judged_events(self, excess: Excess) -> int:
        return excess.events

    def headline(self, key: FindingKey, excess: Excess, before: str) -> str:
        name = self._tags[key].name
        without = "segments and fairness" if name in self._fairness else "segments"
        return (
            f"tag {name} is absent, or its values are new, in {percent(excess.share)} of the events "
            f"({before} in the reference): its {without} are not judged in these"
        )

    def detail(self, key: FindingKey, excess: Excess, before: str) -> str:
        return (
            f"none of its values that the reference knows in {excess.hits:,} of {many(excess.events, 'event')}, "
            f"{before} in the reference: is it gone, renamed, or are its values new?"
        )

    def to_state(self) -> dict[str, Any]:
        return {tag.name: self.watched[key].blocks.to_state() for key, tag in self._tags.items()}

    def restore(self, state: dict[str, Any]) -> None:
        for key, tag in self._tags.items():
            if tag.name in state:
                self.watched[key].blocks.restore(state[tag.name])
