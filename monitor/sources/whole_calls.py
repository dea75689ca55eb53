"""A source in which request and response of a call are one record, at the place of the request.

For `reference build`, which reads a range of a topic twice: the pairs of a live run are a matter of its state.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np

from monitor.count.pairs_waiting import PairsWaiting
from monitor.decode.auto_decoder import AutoDecoder, pairing_of
from monitor.decode.decoder import Decoder, Shapes, decoder_for
from monitor.decode.half import CallValue, Half, Pair
from monitor.decode.pairing_decoder import PairingDecoder
from monitor.decode.platform import MAY_PAIR
from monitor.events import Partition
from monitor.records import Change, RecordBatch, Source
from monitor.settings.tree import Settings

NewDecoder = Callable[[Settings, str, Shapes], Decoder]


@dataclass(slots=True)
class _Slot:
    """A record that is not returned yet: `waits` while its other side is looked for, `gone` if that stands for both."""

    batch: RecordBatch
    place: int
    value: bytes | None
    waits: bool = False
    gone: bool = False


class WholeCalls:
    """The records of another source, with their calls whole. Records behind a side that waits are held back."""

    def __init__(self, source: Source, settings: Settings, decoders: NewDecoder = decoder_for) -> None:
        """`decoders` creates the decoder of a topic."""
        self._source = source
        self._new_decoder = decoders
        self._settings = settings
        self._decoders: dict[str, Decoder] = {}
        self._waiting = PairsWaiting(settings.windows.pair_within, settings.limits.pairs_waiting)
        self._slots: dict[Partition, deque[_Slot]] = {}
        self._of_half: dict[tuple[Partition, int], _Slot] = {}
        self._newest: dict[Partition, int] = {}

    def partitions(self) -> list[Partition]:
        return self._source.partitions()

    def changes(self) -> list[Change]:
        return self._source.changes()

    def poll(self, _paused: Collection[Partition]) -> list[RecordBatch]:
        """Some records. No partition is paused: it may hold the other sides of those that are read."""
        for batch in self._source.poll(()):
            self._take(batch)
        past = self._past_us()
        for pair in self._waiting.due(lambda _: past):
            self._put(pair)
        return [batch for partition in sorted(self._slots) for batch in self._ready(partition)]

    def at_end(self, partition: Partition) -> bool:
        return self._source.at_end(partition) and not self._slots.get(partition)

    def ended(self) -> bool:
        return self._source.ended() and not any(self._slots.values())

    def _take(self, batch: RecordBatch) -> None:
        decoder = self._decoder(batch.partition.topic)
        slots = [_Slot(batch, place, value) for place, value in enumerate(batch.values)]
        self._slots.setdefault(batch.partition, deque()).extend(slots)
        halves: list[Half] = []
        for piece in decoder.pieces(batch) if isinstance(decoder, AutoDecoder | PairingDecoder) else ():
            if (pairing := pairing_of(decoder)) is not None:
                pairing.decode(piece)
                halves += pairing.take_halves()
        for half in halves:
            slot = slots[int(np.searchsorted(batch.offsets, half.offset))]
            self._newest[half.partition] = max(self._newest.get(half.partition, half.ts_us), half.ts_us)
            self._of_half[half.partition, half.offset] = slot
            if self._waiting.holds(half):
                continue  # a repetition: the decoder reads it as a call of its own, whose ids are known
            slot.waits = True
            pair = self._waiting.add(half)
            if pair is not None:
                self._put(pair)

    def _put(self, pair: Pair) -> None:
        """Let the call stand for its sides."""
        at = pair.at
        slot = self._of_half.pop((at.partition, at.offset))
        slot.waits = False
        if pair.call is not None:
            slot.value = CallValue.of(pair.call, self._format(at.partition.topic))
        for other in pair.others:
            gone = self._of_half.pop((other.partition, other.offset))
            gone.waits, gone.gone = False, True

    def _past_us(self) -> float:
        """A side before it has waited long enough: everywhere records are much later."""
        if self._source.ended():
            return math.inf
        reading = [partition for partition in self._source.partitions() if not self._source.at_end(partition)]
        newest = min((self._newest.get(partition, -math.inf) for partition in reading), default=math.inf)
        return newest - self._settings.windows.allowed_lateness - self._waiting.within_us

    def _ready(self, partition: Partition) -> Iterator[RecordBatch]:
        """The records of a partition up to the first that waits, by the batches that they came in."""
        slots = self._slots[partition]
        while slots and not slots[0].waits:
            batch, kept = slots[0].batch, list[_Slot]()
            while slots and slots[0].batch is batch and not slots[0].waits:
                slot = slots.popleft()
                if not slot.gone:
                    kept.append(slot)
            end = slots[0].place if slots and slots[0].batch is batch else len(batch)
            if kept:
                yield _picked(batch, kept, batch.next_offset if end == len(batch) else int(batch.offsets[end]))

    def _format(self, topic: str) -> str:
        decoder = self._decoder(topic)
        return decoder.format if isinstance(decoder, AutoDecoder) else ""

    def _decoder(self, topic: str) -> Decoder:
        if topic not in self._decoders:
            self._decoders[topic] = self._new_decoder(self._settings, topic, lambda _: None)
        return self._decoders[topic]


def _picked(batch: RecordBatch, kept: list[_Slot], next_offset: int) -> RecordBatch:
    places = [slot.place for slot in kept]
    return RecordBatch(
        batch.partition,
        [slot.value for slot in kept],
        batch.offsets[places],
        None if batch.times_ms is None else batch.times_ms[places],
        next_offset,
        batch.now_us,
        lambda place: batch.envelope(places[place]),
    )


def with_whole_calls(source: Source, settings: Settings, decoders: NewDecoder = decoder_for) -> Source:
    """The source itself, or its calls whole where an input may hold sides of them."""
    may_pair = any(entry.format in MAY_PAIR for entry in settings.inputs)
    return WholeCalls(source, settings, decoders) if may_pair else source
