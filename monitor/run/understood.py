"""How the records of a topic are understood: a few of them in words, and the fields that nobody reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from monitor.clock import MINUTE_US, rfc3339
from monitor.count.pairs_waiting import PairsWaiting
from monitor.decode.auto_decoder import AutoDecoder, pairing_of
from monitor.decode.columns import ABSENT_VALUE, Events, Group, Shape
from monitor.decode.decoder import Decoder
from monitor.decode.half import Pair
from monitor.decode.native.wrong import kind_of
from monitor.decode.pairing_decoder import PairingDecoder, in_partitions
from monitor.decode.raw import RawColumn
from monitor.events import KINDS, LABEL, PREDICTION, ModelKey, Partition, canonical
from monitor.records import RecordBatch
from monitor.reference.references import References
from monitor.run.decoders import decoder_of
from monitor.run.no_ids import LEAST, no_id_words
from monitor.settings.tree import Settings
from monitor.text import listed, many, quoted
from monitor.visible import one_line

#: records that are described, fields and features that a line names
_DESCRIBED: Final = 3
_NAMED: Final = 6
#: sides of calls that are held while records are paired
_MOST_PAIRS: Final = 100_000
#: characters of a value
_VALUE: Final = 24


@dataclass(slots=True)
class Understood:
    """What was made of some records of a topic.

    `records` are their number, `described` lines on the first ones, `rejected` the reasons with a message of each,
    `unread` the events that have a field which nobody reads, by its name.
    """

    records: int = 0
    events: int = 0
    described: list[str] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)
    #: the format that was found (`format: auto`), and sides of calls whose other one is not among the records
    format: str = ""
    alone: int = 0
    #: predictions of each model version, those of them with an id, and why that matters
    predictions: Counter[ModelKey] = field(default_factory=Counter)
    identified: Counter[ModelKey] = field(default_factory=Counter)
    without_ids: dict[ModelKey, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """The lines on it, the described records first."""
        if self.format:
            yield f"format: {self.format}, recognised from its records"
        yield from self.described
        if self.alone:
            sides = many(self.alone, "request or response", "requests and responses")
            yield f"{sides} without the other side among these records"
        for reason, count in self.rejected.most_common(_NAMED):
            of = f"{many(count, 'event')} of {many(self.records, 'record')}"
            yield f"{of} rejected ({reason}): {self.messages[reason]}"
        for key, why in self.without_ids.items():
            these = many(self.predictions[key], "prediction")
            yield f"none of these {these} of {one_line(f'{key.model} {key.version}'.rstrip())} has an id: {why}"
        if self.unread:
            named = listed([f"{one_line(name)} ({count:,})" for name, count in self.unread.most_common()], _NAMED)
            yield f"fields that nobody reads: {named}"


def understand(
    settings: Settings, topic: str, batches: Iterable[RecordBatch], references: References | None = None
) -> Understood:
    """Decode records of one topic, the newest ones described; `references` have the names of rows without names."""

    def shape(key: ModelKey) -> Shape:
        model = settings.model(key.model)
        reference = None if references is None else references.of(key)
        names = None if reference is None else reference.feature_order
        return Shape((), canonical(1 if model is None else model.positive), raw=True, names=names)

    found = Understood()
    decoder = decoder_of(settings, topic, shape)
    for batch, events in _decoded(decoder, batches, found):
        found.events += len(events)
        for rejected in events.rejected:
            found.rejected[rejected.reason] += rejected.count
            place = _place(batch.partition, rejected.offset)
            found.messages.setdefault(rejected.reason, f"{place}: {rejected.message}")
        _count_ids(events, found)
        for group in events.groups:
            for name, rows in group.raw.unread.items() if group.raw is not None else ():
                found.unread[name] += len(rows)
        newest = np.unique(events.offset)[: -_DESCRIBED - 1 : -1] if len(events) else np.empty(0, np.int64)
        for offset in newest.tolist()[: _DESCRIBED - len(found.described)]:
            found.described.append(_described(settings, batch.partition, events, offset))
    inputs = [one for one in settings.inputs if one.topic == topic]
    for key, count in sorted(found.predictions.items()):
        if count >= LEAST and not found.identified[key]:
            reference = None if references is None else references.of(key)
            if why := no_id_words(settings, inputs, key, settings.model(key.model), reference):
                found.without_ids[key] = why
    return found


def _count_ids(events: Events, found: Understood) -> None:
    is_prediction = events.kind == PREDICTION
    for at, key in enumerate(events.keys):
        own = is_prediction & (events.key == at)
        found.predictions[key] += int(own.sum())
        found.identified[key] += int((own & (events.id_key != 0)).sum())


def _decoded(
    decoder: Decoder, batches: Iterable[RecordBatch], found: Understood
) -> Iterator[tuple[RecordBatch, Events]]:
    """The batches decoded, and then the calls whose sides are in them, as batches of their own."""
    waiting, now_us = PairsWaiting(MINUTE_US, _MOST_PAIRS), 0
    whole: list[Pair] = []
    for batch in batches:
        found.records += len(batch)
        now_us = batch.now_us
        for piece in decoder.pieces(batch) if isinstance(decoder, AutoDecoder | PairingDecoder) else (batch,):
            yield piece, decoder.decode(piece)
            pairing = pairing_of(decoder)
            for half in () if pairing is None else pairing.take_halves():
                if not waiting.holds(half) and (pair := waiting.add(half)) is not None:
                    whole.append(pair)
    alone = waiting.due(lambda _: math.inf)
    pairing = pairing_of(decoder)
    if pairing is not None:
        for partition, pairs in in_partitions(whole or alone):
            yield pairing.decode_pairs(partition, pairs, now_us)
    found.alone = len(alone)
    if isinstance(decoder, AutoDecoder):
        found.format = decoder.format


def _place(partition: Partition, offset: int) -> str:
    return f"{partition}@{offset}"


def _described(settings: Settings, partition: Partition, events: Events, offset: int) -> str:
    """The first event of a record in words."""
    first, end = np.searchsorted(events.offset, [offset, offset + 1]).tolist()
    key = events.keys[events.key[first]]
    kind = KINDS[events.kind[first]]
    parts = [f"at {rfc3339(int(events.ts[first]))}", "with an id" if events.id_key[first] else "without id"]
    if events.kind[first] == LABEL:
        parts += _results(settings, events, int(np.searchsorted(events.label_rows, first)))
    else:
        group = next(group for group in events.groups if group.key == key)
        parts += _content(settings, group, int(np.searchsorted(group.rows, first)))
    version = f"/{key.version}" if key.version else ""
    more = f"; and {many(end - first - 1, 'more event')}" if end - first > 1 else ""
    return f"{_place(partition, offset)}: {kind} of {one_line(key.model + version)}: {', '.join(parts)}{more}"


def _results(settings: Settings, events: Events, label: int) -> Iterator[str]:
    if events.label_values[label] is not ABSENT_VALUE:
        yield f"label {_value(settings, events.label_values[label])}"
    outcomes = events.outcomes
    for at in np.flatnonzero(outcomes.label == label).tolist():
        yield f"outcome {one_line(outcomes.names[outcomes.name[at]])} {_value(settings, outcomes.values[at])}"


def _content(settings: Settings, group: Group, row: int) -> Iterator[str]:
    if not np.isnan(group.score[row]):
        yield f"score {_value(settings, float(group.score[row]))}"
    if group.prediction[row] is not None:
        yield f"prediction {_value(settings, group.prediction[row])}"
    if group.label[row] is not None:
        yield f"label {_value(settings, group.label[row])}"
    if not group.has_features[row]:
        yield "no features"
    elif group.raw is not None:
        there = group.raw.features.items()
        values = {name: column.values[at] for name, column in there if (at := _position(column, row)) is not None}
        named = listed([f"{one_line(name)} {_value(settings, value)}" for name, value in values.items()], _NAMED)
        yield f"{many(len(values), 'feature')}{': ' if values else ''}{named}"


def _position(column: RawColumn, row: int) -> int | None:
    at = int(np.searchsorted(column.rows, row))
    return at if at < len(column.rows) and column.rows[at] == row else None


def _value(settings: Settings, value: object) -> str:
    """A value as JSON, or its type where values may not be shown."""
    return quoted(value, _VALUE) if settings.show_values else kind_of(value)
