"""Decodes a topic whose format is recognised from its first record that can be; that format stays.

Records before that one are rejected, and so is later every record of another format: none is guessed on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from monitor.decode.columns import Events, Rules
from monitor.decode.encodings.encoding import Encoding, RecordInfo
from monitor.decode.formats.auto import format_of
from monitor.decode.half import CallValue
from monitor.decode.layout_decoder import LayoutDecoder
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.pairing_decoder import PairingDecoder, piece_of
from monitor.decode.platform import received
from monitor.decode.raw import OneEvent, RawFields
from monitor.decode.values import NO_TIME
from monitor.errors import RejectedRecord
from monitor.events import ModelKey
from monitor.records import RecordBatch

_MESSAGE = (
    "the format of this record is not recognised, and none before it in its topic; write inputs[].format, or read from "
    "a later position"
)


class _NotRecognised:
    """A layout that knows no record."""

    places: Mapping[str, str] = {}

    def events(self, _tree: object, _record: RecordInfo) -> object:
        """Never any. Raises `RejectedRecord`."""
        raise RejectedRecord("format", _MESSAGE)


class AutoDecoder:
    """A decoder of the format that is found; `make` creates the decoder of one by its name."""

    def __init__(self, make: Callable[[str], NativeDecoder], encoding: Encoding, rules: Rules) -> None:
        self._make = make
        self._encoding = encoding
        self._limits = rules.limits
        self._not_recognised = LayoutDecoder(self._encoding, _NotRecognised(), lambda _: None, rules)
        #: the format; "" while it is not known
        self.format = ""
        self.inner: NativeDecoder = self._not_recognised

    def settle(self, name: str) -> None:
        """Decode records of that format from now on."""
        self.format = name
        self.inner = self._make(name)

    def pieces(self, batch: RecordBatch) -> Iterator[RecordBatch]:
        """The batch, cut where the format is found, and as the decoder that is found cuts it."""
        if not self.format:
            first = self._first_recognised(batch)
            if first is None:
                yield batch
                return
            place, name = first
            if place:
                yield piece_of(batch, 0, place)
                batch = piece_of(batch, place, len(batch))
            self.settle(name)
        if isinstance(self.inner, PairingDecoder):
            yield from self.inner.pieces(batch)
        else:
            yield batch

    def decode(self, batch: RecordBatch) -> Events:
        """Every event of the batch, in columns or in `rejected`."""
        self._look_at(batch)
        return self.inner.decode(batch)

    def survey(self, batch: RecordBatch) -> tuple[Events, list[RawFields]]:
        """The same, with all fields as they came."""
        self._look_at(batch)
        return self.inner.survey(batch)

    def features(self, batch: RecordBatch, places: Iterable[int]) -> list[OneEvent | None]:
        """The features of one event of each of these records."""
        return self.inner.features(batch, places)

    def forget(self, key: ModelKey) -> None:
        """Drop the cached shape of a model version."""
        self.inner.forget(key)

    def _look_at(self, batch: RecordBatch) -> None:
        """Of a batch that was not cut, the format of its first record that is recognised is that of all."""
        first = None if self.format else self._first_recognised(batch)
        if first is not None:
            self.settle(first[1])

    def _first_recognised(self, batch: RecordBatch) -> tuple[int, str] | None:
        """The place of the first record whose format is recognised, and that format."""
        for place, value in enumerate(batch.values):
            if isinstance(value, CallValue):
                return place, value.format
            if value is None:
                continue
            info = RecordInfo(batch, place, NO_TIME)
            try:
                name = format_of(received(self._encoding.read(value, info), info), self._limits)
            except RejectedRecord:
                continue
            if name is not None:
                return place, name
        return None


def pairing_of(decoder: object) -> PairingDecoder | None:
    """The decoder if it pairs, or the one that an automatic one has found."""
    inner = decoder.inner if isinstance(decoder, AutoDecoder) else decoder
    return inner if isinstance(inner, PairingDecoder) else None
