"""Warm-up of a model version without a reference: its first rows in the order of their times, until there are enough.

It ends with a pane, which only the events decide: the rows, and the reference learned from them, are the same live and
in a replay, however often the process was restarted.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from monitor.clock import MINUTE_US, rfc3339
from monitor.count.exchange import Pane
from monitor.count.warmup.rows import packed_lines, unpacked_lines
from monitor.events import ModelKey
from monitor.judge.windows.pyramid import BASE_EVENTS
from monitor.reference.reference import Reference
from monitor.text import many

#: least base windows: with fewer, no window length is learned well
BASE_WINDOWS: Final = 40
#: rows of a block: a checkpoint writes each block once, and the rows behind the last one again and again
BLOCK_ROWS: Final = 1_000


@dataclass(slots=True)
class WarmupState:
    """What is known of a model version in its warm-up, as checkpointed.

    `meaning` is the hash of the settings it depends on. `events` and `labels` are all up to `at_us`; `passed` of these
    events do not count: they lie in excluded times, or no reference could be learned from them. `predictions` are of
    the panes that count, the first of which begins at `start_us`; `base_events` of the base window that is open behind
    `base_windows` complete ones. `blocks` are compressed lines, `tail` those behind them. In the end there is a
    `reference` and no more rows; `failure` is why there was none the last of `failures` times.
    """

    key: ModelKey
    meaning: str
    predictions: int = 0
    events: int = 0
    labels: int = 0
    base_windows: int = 0
    base_events: int = 0
    start_us: int = 0
    at_us: int = 0
    blocks: list[bytes] = field(default_factory=list)
    tail: list[bytes] = field(default_factory=list)
    reference: Reference | None = None
    failure: str = ""
    passed: int = 0
    failures: int = 0

    def begin_again(self, failure: str) -> None:
        """No reference can be learned from the rows so far: they are dropped, and the next ones count."""
        self.failure, self.failures = failure, self.failures + 1
        self.passed, self.predictions, self.base_windows, self.base_events = self.events, 0, 0, 0
        self.blocks, self.tail = [], []


class Progress(NamedTuple):
    """How far a warm-up has come, of how many predictions and base windows.

    `verdict_us` is about when the first verdict will be, microseconds of event time, None if that cannot be said;
    `failure` is why no reference could be learned from the rows before, or "".
    """

    predictions: int
    wanted_predictions: int
    base_windows: int
    wanted_base_windows: int
    verdict_us: int | None
    failure: str

    @property
    def share(self) -> float:
        """The smaller of its shares of predictions and base windows, at most 1."""
        return min(self.predictions / self.wanted_predictions, self.base_windows / self.wanted_base_windows, 1.0)

    def to_json(self) -> dict[str, Any]:
        return {
            "predictions": self.predictions,
            "of_predictions": self.wanted_predictions,
            "base_windows": self.base_windows,
            "of_base_windows": self.wanted_base_windows,
            "first_verdict": None if self.verdict_us is None else to_the_minute(self.verdict_us),
            "failure": self.failure,
            "text": str(self),
        }

    def __str__(self) -> str:
        again = f"; none could be learned from the events before: {self.failure}" if self.failure else ""
        predictions = f"{self.predictions:,} of {many(self.wanted_predictions, 'prediction')}"
        windows = f"{self.base_windows} of {many(self.wanted_base_windows, 'base window')}"
        about = "" if self.verdict_us is None else f"; first verdict about {to_the_minute(self.verdict_us)}"
        return f"in its warm-up{' again' if again else ''}: {predictions}, {windows}{about}{again}"


def to_the_minute(us: int) -> str:
    """The next full minute: `2026-11-30T14:05Z`."""
    return rfc3339(-(-us // MINUTE_US) * MINUTE_US).replace(":00Z", "Z")


class Warmup:
    """The warm-up of one model version."""

    def __init__(self, state: WarmupState, wanted: int, most_rows: int, most_bytes: int) -> None:
        """It ends with `wanted` predictions and 40 base windows, or with `most_rows` rows, or rows of `most_bytes`."""
        self.state = state
        self.wanted = wanted
        self._most = most_rows, most_bytes
        self._changes = 0

    def add(self, pane: Pane, lines: Sequence[bytes], labels: int, *, excluded: bool = False) -> None:
        """Take the next pane, with its rows in order and the labels up to its end.

        Of an `excluded` one nothing counts towards the end, and nothing is learned.
        """
        state = self.state
        self._changes += 1
        state.at_us = pane.end_us
        state.labels += labels
        if state.events == state.passed:
            state.start_us = pane.start_us
        state.events += pane.tally.events
        if excluded:
            state.passed += pane.tally.events
            return
        state.predictions += pane.tally.predictions
        state.base_events += pane.tally.events
        if state.base_events >= BASE_EVENTS:
            state.base_windows, state.base_events = state.base_windows + 1, 0
        state.tail.extend(lines)
        if len(state.tail) >= BLOCK_ROWS:
            state.blocks.append(packed_lines(state.tail))
            state.tail = []

    @property
    def in_warmup(self) -> bool:
        """Whether it goes on: there is no reference yet."""
        return self.state.reference is None

    @property
    def events(self) -> int:
        """Events that count, each with a row."""
        return self.state.events - self.state.passed

    @property
    def counted(self) -> int:
        """What counts towards its end: predictions; events of a model that makes no predictions."""
        return self.state.predictions or self.events

    @property
    def is_full(self) -> bool:
        """Whether a reference is to be learned now."""
        return (self.counted >= self.wanted and self.state.base_windows >= BASE_WINDOWS) or bool(self.ended_by)

    @property
    def ended_by(self) -> str:
        """The limit that its rows have reached, "" if none."""
        rows, size = self._most
        if self.events >= rows:
            return "limits.warmup_rows"
        return "limits.warmup_bytes" if sum(map(len, self.state.blocks)) >= size else ""

    def rows(self) -> Iterator[list[bytes]]:
        """All lines, in order, some at a time."""
        for block in self.state.blocks:
            yield unpacked_lines(block)
        if self.state.tail:
            yield list(self.state.tail)

    def end(self, reference: Reference) -> None:
        """It has ended with a reference; the rows are dropped."""
        self._changes += 1
        self.state.reference, self.state.failure = reference, ""
        self.state.blocks, self.state.tail = [], []

    def begin_again(self, failure: str) -> None:
        """No reference could be learned; the rows are dropped, and the next ones count."""
        self._changes += 1
        self.state.begin_again(failure)

    def progress(self) -> Progress:
        """How far it has come, and about when there will be a verdict at its own rate so far."""
        state, counted, verdict_us = self.state, self.counted, None
        windows = state.base_windows + min(state.base_events / BASE_EVENTS, 1.0)
        if self.in_warmup and windows:
            missing = max((self.wanted - counted) / counted, (BASE_WINDOWS - windows) / windows, 0.0)
            verdict_us = state.at_us + round((missing + 1 / windows) * (state.at_us - state.start_us))
        return Progress(counted, self.wanted, state.base_windows, BASE_WINDOWS, verdict_us, state.failure)

    def mark(self) -> Hashable:
        """Changes whenever the state does."""
        return self._changes
