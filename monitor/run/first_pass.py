"""The first pass of `reference build`: surveys the events of one model version, and finds where they end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from monitor.decode.columns import Events, Shape
from monitor.decode.decoder import Decoder
from monitor.decode.raw import OneEvent
from monitor.decode.surveyed import Flags, Ints, Surveyed
from monitor.events import ModelKey, Partition, canonical
from monitor.records import RecordBatch, Source
from monitor.reference.survey.events import Survey
from monitor.reference.survey.order import MIN_VALUES, has_order
from monitor.reference.survey.values import Sample
from monitor.run.decoders import decoder_of
from monitor.run.left_out import Others, Times
from monitor.settings.calendar import Calendar
from monitor.settings.tree import Settings
from monitor.stats.derived.columns import TEXT
from monitor.stats.derived.texts import WordCounts


@dataclass(frozen=True, slots=True)
class EventRange:
    """Which events become the reference: the first `rows` predictions, or those of [start, end) in microseconds.

    In a topic these are the predictions with the earliest record times, in files the first ones.
    """

    rows: int | None = None
    start_us: int | None = None
    end_us: int | None = None
    #: times that are not judged either, and the panes that they exclude as a whole
    excluded: Calendar | None = None
    pane_us: int = 1

    def without(self, excluded: Calendar, pane_us: int) -> EventRange:
        """The same range without excluded times."""
        return replace(self, excluded=excluded if excluded else None, pane_us=pane_us)

    def holds(self, ts: int) -> bool:
        return (self.start_us is None or ts >= self.start_us) and (self.end_us is None or ts < self.end_us)

    def excludes(self, start_us: int) -> bool:
        """Whether the pane that begins then is excluded."""
        return self.excluded is not None and self.excluded.overlapping(start_us, start_us + self.pane_us) is not None

    def exclude(self, ts: Ints) -> Flags:
        """Which events (n,) lie in an excluded pane."""
        if self.excluded is None:
            return np.zeros(len(ts), np.bool_)
        panes, which = np.unique(ts // self.pane_us, return_inverse=True)
        return np.array([self.excludes(pane * self.pane_us) for pane in panes.tolist()], np.bool_)[which]

    def hold(self, ts: Ints) -> Flags:
        """`holds`, vectorised."""
        inside = np.ones(len(ts), np.bool_)
        if self.start_us is not None:
            inside &= ts >= self.start_us
        if self.end_us is not None:
            inside &= ts < self.end_us
        return inside


class LastEvent(NamedTuple):
    """The last event that becomes part of a reference: it is the `events`-th one of its record, from 1."""

    partition: Partition
    offset: int
    events: int


@dataclass(slots=True)
class FirstPass:
    """What the survey found, and where each partition's part of the reference ends."""

    survey: Survey = field(default_factory=Survey)
    predictions: int = 0
    others: Others = field(default_factory=Others)
    times: Times = field(default_factory=Times)
    ends: dict[Partition, int] = field(default_factory=dict)
    last: LastEvent | None = None
    excluded: int = 0

    @property
    def events(self) -> int:
        return self.survey.events

    @property
    def read(self) -> int:
        """Events of the model version, plus rejected ones, whose model is not known."""
        return self.events + self.others.rejected

    @property
    def in_order(self) -> bool:
        """Whether times define an order of the events; true if they are too few for their order to matter."""
        return self.events < MIN_VALUES or has_order(self.times.values)

    def take(self, batch: RecordBatch, decoder: Decoder, key: ModelKey, event_range: EventRange) -> bool:
        """Take a batch; returns whether it holds the last event of the range."""
        events, fields = decoder.survey(batch)
        at = next((at for at, group in enumerate(events.groups) if group.key == key), None)
        if at is None:
            self._take_others(batch.partition, events, len(events))
            return False
        rows = events.groups[at].rows
        found = Surveyed.of(events, events.groups[at], fields[at])
        inside, excluded = event_range.hold(found.ts), event_range.exclude(found.ts)
        left_out = inside & excluded
        inside &= ~excluded
        wanted = self._wanted(found.is_prediction & inside, event_range)
        self.excluded += int(left_out[:wanted].sum())
        is_last = wanted <= len(rows)
        if is_last:
            inside[wanted:] = False
        self._take_others(batch.partition, events, int(rows[wanted - 1]) + 1 if is_last else len(events))
        self.times.add(found.ts[:wanted], found.offset[:wanted], batch.partition)
        if inside.any():
            self._take_inside(batch.partition, events, rows[inside], found.picked(inside))
        return is_last

    def _wanted(self, predictions: Flags, event_range: EventRange) -> int:
        """How many events are wanted; `predictions` (n,) are those of the range. n + 1 if more are."""
        if event_range.rows is None:
            return len(predictions) + 1
        return int(np.searchsorted(np.cumsum(predictions), event_range.rows - self.predictions)) + 1

    def _take_inside(self, partition: Partition, events: Events, rows: Ints, found: Surveyed) -> None:
        """Take events (n,) of the range; `rows` are their positions in `events`."""
        self.survey.add(found, partition)
        self.predictions += int(found.is_prediction.sum())
        offset = int(found.offset[-1])
        self.ends[partition] = offset + 1
        self.last = LastEvent(partition, offset, int(rows[-1] - np.searchsorted(events.offset, offset)) + 1)

    def _take_others(self, partition: Partition, events: Events, count: int) -> None:
        """Take the first `count` events, of any model version, and what was rejected up to there."""
        whose, firsts, counts = np.unique(events.key[:count], return_index=True, return_counts=True)
        for key, first, number in zip(whose.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            self.others.add(events.keys[key], partition, int(events.offset[first]), number)
        for rejected in events.rejected:
            if count == len(events) or rejected.offset <= events.offset[count - 1]:
                self.others.reject(partition, rejected)


def survey_events(settings: Settings, key: ModelKey, source: Source, event_range: EventRange) -> FirstPass:
    """Read a source up to its end, or to the last event that is wanted."""
    model = next(model for model in settings.models if model.name == key.model)
    texts = {name: WordCounts() for name, feature in model.features.items() if feature.kind == TEXT}
    found = FirstPass(Survey(words=texts, tags={name: Sample() for name in model.segments}))
    positive = canonical(model.positive)
    shapes = {key: Shape((), positive)}
    decoders: dict[str, Decoder] = {}
    done = False
    while not done:
        ended = source.ended()
        for batch in source.poll(()):
            topic = batch.partition.topic
            if topic not in decoders:
                decoders[topic] = decoder_of(settings, topic, shapes.get)
            done = found.take(batch, decoders[topic], key, event_range)
            if done:
                break
        done = done or ended
    return found


class UpToLastEvent:
    """A decoder that drops the events after the last one within its record."""

    def __init__(self, decoder: Decoder, last: LastEvent | None) -> None:
        self._decoder = decoder
        self._last = last
        self.survey = decoder.survey
        self.forget = decoder.forget

    def features(self, batch: RecordBatch, places: Iterable[int]) -> list[OneEvent | None]:
        """Of none: a reference has no new columns."""
        return [None for _ in places]

    def decode(self, batch: RecordBatch) -> Events:
        events, last = self._decoder.decode(batch), self._last
        if last is None or batch.partition != last.partition:
            return events
        return events.first(int(np.searchsorted(events.offset, last.offset)) + last.events)
