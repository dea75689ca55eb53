"""Brings request and response of a call together, where a format writes them as two records.

Where a side is read its time moves the clock of its partition, and it is asked whether it is late or came before. Then
it waits, and holds the panes from its own time on open. When the other side comes, or cannot come any more in time, the
events of the call are counted where the request stands.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.clock import Clock
from monitor.count.admission.versions import Admission
from monitor.count.clocks.progress import Until
from monitor.count.columns.sample import sample_of
from monitor.count.losses import Losses, Lost
from monitor.count.pairs_waiting import PairsWaiting
from monitor.count.task import Taken, Task
from monitor.decode.auto_decoder import pairing_of
from monitor.decode.columns import Events
from monitor.decode.decoder import Decoder
from monitor.decode.half import Half, Pair
from monitor.decode.pairing_decoder import in_partitions
from monitor.events import DUPLICATE, LATE, ModelKey, Partition
from monitor.records import RecordBatch
from monitor.state import pairs_part
from monitor.state.part_files import Part

#: counts a decoded batch in the series and losses, and dead-letters what was rejected
Counted = Callable[[RecordBatch, Events, Taken], None]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Up to when each model is complete, while sides of calls wait: their events are of panes that have to be open."""

    until: Until
    waiting: PairsWaiting

    def __call__(self, model: str) -> float:
        oldest = self.waiting.oldest_us(model)
        return self.until(model) if oldest is None else min(self.until(model), oldest)


class Pairing:
    """The waiting sides of a pipeline's calls."""

    def __init__(
        self,
        admission: Admission,
        clock: Clock,
        decoder_of: Callable[[str], Decoder],
        task_of: Callable[[int], Task],
        counted: Counted,
        losses: Losses,
        outcomes: Counter[tuple[str, str, str]],
    ) -> None:
        """`losses` and `outcomes` (by topic, outcome and reason) take what becomes no event of a call."""
        settings = admission.settings
        self._admission = admission
        self._clock = clock
        self._default_lateness_us = settings.windows.allowed_lateness
        self._decoder_of = decoder_of
        self._task_of = task_of
        self._counted = counted
        self._losses = losses
        self._outcomes = outcomes
        self.waiting = PairsWaiting(settings.windows.pair_within, settings.limits.pairs_waiting)
        self._held_back: tuple[object, Callable[[str], float]] | None = None

    def take(self, batch: RecordBatch) -> None:
        """Take the sides of the piece that was just decoded."""
        decoder = pairing_of(self._decoder_of(batch.partition.topic))
        halves = decoder.take_halves() if decoder is not None else []
        if not halves:
            return
        task = self._task_of(batch.partition.number)
        verdicts = task.ask_halves(
            batch.partition.topic,
            np.array([half.ts_us for half in halves], np.int64),
            np.array([self._lateness_us(half.model) for half in halves], np.int64),
            np.array([half.digest for half in halves], np.uint64),
            self._clock.monotonic(),
        )
        lost: list[Lost] = []
        pairs: list[Pair] = []
        behind = verdicts.behind_us.tolist()
        for at, half in enumerate(halves):
            if verdicts.late[at]:
                lost.append(_lost(LATE, half, behind[at]))
            elif verdicts.duplicate[at] or self.waiting.holds(half):
                lost.append(_lost(DUPLICATE, half))
            elif (pair := self.waiting.add(half)) is not None:
                pairs.append(pair)
        self._lose(task, batch.partition, lost)
        self._count(pairs + self.waiting.due(lambda _: -math.inf))

    def until(self, until: Until) -> Callable[[str], float]:
        """Give up the sides whose other one cannot come any more; then, up to when each model is complete.

        The same object as before if nothing changed.
        """
        if not self.waiting:
            return until
        self._count(self.waiting.due(lambda model: self._past_us(until, model)))
        marker = until, self.waiting.mark()
        if self._held_back is None or self._held_back[0] != marker:
            self._held_back = marker, HeldBack(until, self.waiting)
        return self._held_back[1]

    def oldest_us(self, model: str) -> int | None:
        """The time of the oldest side of a model's calls that waits; None if none does."""
        return self.waiting.oldest_us(model)

    def _past_us(self, until: Until, model: str) -> float:
        """A side before it has waited long enough: no other side within `pair_within` of it would not be late."""
        bound = until.own.get(model, until.common)
        if not bound.waits:
            return bound.us
        return bound.us - self._lateness_us(model) - self.waiting.within_us

    def _lateness_us(self, model: str) -> int:
        known = self._admission.model_of_event(model) if model else None
        return self._default_lateness_us if known is None else self._admission.settings.lateness_us(known)

    def _lose(self, task: Task, partition: Partition, lost: Sequence[Lost]) -> None:
        found: Counter[tuple[str, str]] = Counter()
        for one in lost:
            self._losses.lose(partition, one)
            found[one.outcome, one.reason] += len(one.offsets)
        task.lose(partition.topic, found)
        for (outcome, reason), count in found.items():
            self._outcomes[partition.topic, outcome, reason] += count

    def _count(self, pairs: Sequence[Pair]) -> None:
        """Count the events of calls where they stand."""
        for partition, own in in_partitions(pairs):
            decoder = pairing_of(self._decoder_of(partition.topic))
            if decoder is None:
                continue  # the input has another format since the state was saved
            batch, events = decoder.decode_pairs(partition, own, self._clock.now_us())
            values = list(batch.values)
            for rejected in events.rejected:
                values[rejected.index] = _shown(own[rejected.index])
            batch.values = values
            now, sample = self._clock.monotonic(), sample_of(batch, decoder)
            taken = self._task_of(partition.number).take_settled(partition, events, now, sample)
            self._counted(batch, events, taken)

    def parts(self) -> list[Part]:
        """The part of a state; none if no side waits."""
        waiting = self.waiting
        return [Part(pairs_part.NAME, waiting.mark(), lambda: pairs_part.encode(waiting.halves()))] if waiting else []


def _lost(outcome: str, half: Half, behind_us: int = 0) -> Lost:
    key = ModelKey(half.model, half.call.version or "")
    return Lost(outcome, "", key, np.full(half.events, half.offset), behind_us=behind_us)


def _shown(pair: Pair) -> bytes:
    """A call as the value of its dead letter."""
    call = pair.call
    if call is None:
        return b""
    fields = {name: getattr(call, name) for name in ("id", "model", "version", "ts", "rows", "answers")}
    return json.dumps(fields).encode()
