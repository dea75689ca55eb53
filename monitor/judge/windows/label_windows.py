"""Windows of labelled predictions: cohorts are merged into base windows, base windows into lengths 1, 2, 4, ...

As `judge/windows/pyramid.py` has them of events, but closed by labels: a model whose labels are few has longer ones.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.events import Partition
from monitor.findings import Span
from monitor.judge.windows.pyramid import BLOCKS, Records
from monitor.reference.performance_part import BASE_LABELS
from monitor.stats.performance.class_scores import ClassScores, packed, unpacked
from monitor.stats.performance.figures import Meaning, labelled
from monitor.stats.performance.judged_errors import all_moments
from monitor.stats.performance.label_tally import LabelTally, merged_labels
from monitor.stats.performance.outcome_tally import Cell, OutcomeTally
from monitor.stats.tallies.later import Later

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: base windows that are shown as the newest, as many as there are
SHOWN_LENGTHS: Final = (4, 2, 1)
#: labels have stopped when none came for so many times as long as a base window of them takes
STOPPED_AFTER: Final = 4
#: windows kept until they are written down
_KEPT: Final = 256
#: columns of a packed block's spans
_SPAN: Final = 2


@dataclass(slots=True)
class LabelBlock:
    """Labelled predictions of [start, end) microseconds; `moments` (F, 4) of the judged errors, `rows` of all.

    `in_segments` (S, F, 4) are the moments of the labels in each segment, and `segments_json` their tallies for
    checkpoints: each is made once, when it is asked for, of a block that no longer grows.
    """

    start_us: int
    end_us: int
    tally: LabelTally
    records: Records
    moments: Floats
    rows: int
    in_segments: Floats | None = None
    segments_json: bytes = b""

    def parts(self) -> tuple[int, int, LabelTally, Records]:
        """What it is made of."""
        return self.start_us, self.end_us, self.tally, self.records


@dataclass(slots=True)
class _Filling:
    """A base window that is filling: cohorts are added to it, and what is judged is made of it once it is full."""

    start_us: int
    end_us: int
    tally: LabelTally
    records: Records

    def add(self, start_us: int, end_us: int, tally: LabelTally, records: Records) -> None:
        """Add a cohort."""
        self.start_us, self.end_us = min(self.start_us, start_us), max(self.end_us, end_us)
        self.tally.merge(tally)
        self.records = _wider(self.records, records)

    def copied(self) -> tuple[int, int, LabelTally, Records]:
        """What it is made of now."""
        return self.start_us, self.end_us, self.tally.copy(), self.records


class LabelWindow(NamedTuple):
    """One window: `length` in base windows (of labels), its blocks, and the moments (F, 4) of the judged errors."""

    length: int
    blocks: tuple[LabelBlock, ...]
    moments: Floats

    @property
    def span(self) -> Span:
        """The cohort: its time, and its labelled predictions."""
        start_us, end_us = min(one.start_us for one in self.blocks), max(one.end_us for one in self.blocks)
        return Span(start_us, end_us, sum(block.rows for block in self.blocks))

    @property
    def tally(self) -> LabelTally:
        """All its labels."""
        return merged_labels(block.tally for block in self.blocks)

    def of(self, segment: int | None) -> LabelTally:
        """All its labels not cut, or those in one segment."""
        if segment is None:
            return merged_labels(block.tally.without_segments() for block in self.blocks)
        return merged_labels(own for block in self.blocks if (own := block.tally.segments.get(segment)) is not None)

    def records(self) -> Records:
        """The first and last offset of its predictions by partition."""
        records: Records = {}
        for block in self.blocks:
            records = _wider(records, block.records)
        return records


class LabelPyramid:
    """The base window that is filling, and the last 64 blocks of 1, 2, 4, ... base windows each."""

    def __init__(self, longest: int, figures: Sequence[str], meaning: Meaning) -> None:
        """`longest` length in base windows, a power of two of at least 64; `figures` whose errors are judged."""
        self._figures = figures
        self._meaning = meaning
        self._shortest = [1 << k for k in range(BLOCKS.bit_length())]
        self.levels: list[list[LabelBlock]] = [[] for _ in range((longest // BLOCKS).bit_length())]
        self.lengths = longest.bit_length()
        self.closed = 0
        self._filling: _Filling | None = None
        #: the windows that ended, for whoever writes them down; not state
        self.ended: deque[LabelWindow] = deque(maxlen=_KEPT)

    @property
    def longest(self) -> int:
        """The longest length in base windows."""
        return 1 << (self.lengths - 1)

    @property
    def open(self) -> LabelBlock | None:
        """The base window that is filling, as it is now."""
        return None if self._filling is None else self._block(*self._filling.copied())

    def add(self, start_us: int, end_us: int, tally: LabelTally, records: Records) -> list[LabelWindow]:
        """Add the next cohort; returns the windows that end with it, shortest first: none while a base window fills."""
        if not self._rows(tally):
            return []
        filling = self._filling
        if filling is None:
            filling = self._filling = _Filling(start_us, end_us, tally.copy(), dict(records))
        else:
            filling.add(start_us, end_us, tally, records)
        if self._rows(filling.tally) < BASE_LABELS:
            return []
        self._filling = None
        windows = self._close(self._block(filling.start_us, filling.end_us, filling.tally, filling.records))
        self.ended.extend(windows)
        return windows

    def _merged(self, one: LabelBlock, later: LabelBlock) -> LabelBlock:
        """Both as one; moments are made of the counts: a sum of floats would depend on where a state was saved."""
        tally, records = merged_labels((one.tally, later.tally)), _wider(one.records, later.records)
        start_us, end_us = min(one.start_us, later.start_us), max(one.end_us, later.end_us)
        return self._block(start_us, end_us, tally, records)

    def _block(self, start_us: int, end_us: int, tally: LabelTally, records: Records) -> LabelBlock:
        return LabelBlock(start_us, end_us, tally, records, self._moments(tally), self._rows(tally))

    def _rows(self, tally: LabelTally) -> int:
        """What closes a base window."""
        return labelled(tally, self._meaning.task)

    def _moments(self, tally: LabelTally) -> Floats:
        """(F, 4) of the figures that are judged."""
        return all_moments(tally, self._figures, self._meaning)

    def _close(self, block: LabelBlock) -> list[LabelWindow]:
        self.closed += 1
        ending: list[LabelWindow] = []
        for at, blocks in enumerate(self.levels):
            if self.closed % (1 << at):
                break
            if at:
                block = self._merged(*self.levels[at - 1][-2:])
            blocks.append(block)
            del blocks[:-BLOCKS]
            if at == 0:
                ending += self._newest(blocks)
            elif len(blocks) == BLOCKS:
                ending.append(_window(BLOCKS << at, blocks))
        return ending

    def _newest(self, blocks: list[LabelBlock]) -> list[LabelWindow]:
        sums = np.cumsum([block.moments for block in blocks[::-1]], axis=0)
        return [
            LabelWindow(length, tuple(blocks[-length:]), sums[length - 1])
            for length in self._shortest
            if length <= len(blocks)
        ]

    def in_segments(self, window: LabelWindow, segments: int) -> Floats:
        """(S, F, 4) moments of the judged errors in each of so many segments."""
        total = np.zeros((segments, len(self._figures), 4))
        for block in window.blocks:
            if block.in_segments is None:
                block.in_segments = np.zeros_like(total)
                for segment, tally in block.tally.segments.items():
                    block.in_segments[segment] = self._moments(tally)
            total += block.in_segments
        return total

    def trailing(self, base_windows: int) -> LabelWindow | None:
        """The newest base windows as one; of longer ones than are kept apart the nearest longer one that is known."""
        level = max(0, (base_windows - 1).bit_length() - BLOCKS.bit_length() + 1)
        blocks = -(-base_windows // (1 << level))
        if level >= len(self.levels) or self.closed % (1 << level) or len(self.levels[level]) < blocks:
            return None
        return _window(base_windows, self.levels[level][-blocks:])

    def latest(self, at_us: int, usual_us: int, waited_us: int) -> LabelWindow | None:
        """The newest rows, about 1,000 of them; None where they stopped coming before `at_us`.

        A base window of them usually takes `usual_us`, and they come `waited_us` after their predictions.
        """
        known = (self.trailing(length) for length in SHOWN_LENGTHS)
        window = next((one for one in known if one is not None), None)
        if window is None:
            return None
        newest = window.blocks[-1]
        longest_us = max(newest.end_us - newest.start_us, usual_us)
        return window if at_us - newest.end_us <= waited_us + STOPPED_AFTER * longest_us else None

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values and arrays."""
        filling = self.open
        held = [] if filling is None else [filling]
        levels = [Later(partial(_pack, tuple(blocks))) for blocks in (held, *self.levels)]  # blocks never change
        return {"closed": self.closed, "levels": levels}

    def restore(self, state: dict[str, Any]) -> None:
        """Back from `to_state`."""
        self.closed = state["closed"]
        held, *levels = (_unpack(blocks, self._block) for blocks in state["levels"])
        self._filling = _Filling(*held[0].parts()) if held else None
        self.levels = levels


def _window(length: int, blocks: Sequence[LabelBlock]) -> LabelWindow:
    moments: Floats = np.cumsum([block.moments for block in blocks[::-1]], axis=0)[-1]
    return LabelWindow(length, tuple(blocks), moments)


def _wider(records: Records, others: Records) -> Records:
    out = dict(records)
    for partition, (first, last) in others.items():
        known = out.get(partition, (first, last))
        out[partition] = (min(first, known[0]), max(last, known[1]))
    return out


def _pack(blocks: Sequence[LabelBlock]) -> dict[str, Any]:
    """Blocks as a few arrays: scores, and the numbers of outcomes, are most of them."""
    names = sorted({name for block in blocks for name in block.tally.outcomes})
    return {
        "spans": np.array([(block.start_us, block.end_us) for block in blocks], np.int64).reshape(-1, _SPAN),
        "scores": _packed([block.tally.scores for block in blocks]),
        "class_scores": packed([block.tally.class_scores for block in blocks]),
        "numbers": {name: _packed([_numbers(block.tally, name) for block in blocks]) for name in names},
        "tallies": [_without_numbers(block.tally).to_state() for block in blocks],
        "segments": [_segments_json(block) for block in blocks],
        "records": [[[*part, *span] for part, span in sorted(block.records.items())] for block in blocks],
    }


def _packed(counts: Sequence[Mapping[int, int]]) -> Ints:
    """(n, 3) the counts of each block: its position, the place, how many."""
    sizes = [len(one) for one in counts]
    at = np.repeat(np.arange(len(sizes)), sizes)
    places = np.fromiter(chain.from_iterable(counts), np.int64, len(at))
    numbers = np.fromiter(chain.from_iterable(one.values() for one in counts), np.int64, len(at))
    return np.asarray(np.stack((at, places, numbers), axis=1)[np.lexsort((places, at))], np.int64)


def _numbers(tally: LabelTally, name: str) -> dict[int, int]:
    outcome = tally.outcomes.get(name)
    return {} if outcome is None else {at: n for at, n in outcome.counts.items() if not isinstance(at, str)}


def _segments_json(block: LabelBlock) -> bytes:
    """The tallies of all segments: most of a block that is cut; sums may have more than 64 bits."""
    if block.tally.segments and not block.segments_json:
        states = [[at, of.to_state()] for at, of in sorted(block.tally.segments.items())]
        block.segments_json = json.dumps(states, separators=(",", ":")).encode()
    return block.segments_json


def _without_numbers(tally: LabelTally) -> LabelTally:
    outcomes = {
        name: OutcomeTally(dict[Cell, int](one.texts().items()), one.total) for name, one in tally.outcomes.items()
    }
    return replace(tally, scores={}, outcomes=outcomes, class_scores=ClassScores(), segments={})


def _unpack(state: dict[str, Any], block: Callable[[int, int, LabelTally, Records], LabelBlock]) -> list[LabelBlock]:
    tallies = [LabelTally.from_state(one) for one in state["tallies"]]
    for at, place, count in np.array(state["scores"], np.int64).tolist():
        tallies[at].scores[place] = count
    for tally, own in zip(tallies, unpacked(state.get("class_scores", {}), len(tallies)), strict=True):
        tally.class_scores = own
    for name, numbers in state.get("numbers", {}).items():  # states of before have them in the tallies
        for at, place, count in np.array(numbers, np.int64).tolist():
            tallies[at].outcomes[name].counts[place] = count
    for tally, written in zip(tallies, state.get("segments", [b""] * len(tallies)), strict=True):
        tally.segments = {at: LabelTally.from_state(own) for at, own in json.loads(written or b"[]")}
    spans = np.array(state["spans"], np.int64).tolist()
    of_each = zip(spans, tallies, state["records"], strict=True)
    return [
        block(start, end, tally, {Partition(topic, number): (first, last) for topic, number, first, last in records})
        for (start, end), tally, records in of_each
    ]
