"""`driftd reference build`: two passes over recorded events, by the same engine that judges later."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from monitor.clock import Clock, rfc3339
from monitor.count.exchange import Pane
from monitor.decode.columns import Limits
from monitor.decode.lenient import Reader, first_elements
from monitor.decode.native import record_times
from monitor.decode.rows import AnyRow, is_given
from monitor.decode.values import category_value, time_of
from monitor.errors import UsageError
from monitor.events import ModelKey, Partition, canonical
from monitor.findings import Transition
from monitor.in_order import InOrder
from monitor.judge.ladder import BaseWindow
from monitor.phrases import many
from monitor.pipeline import Pipeline, ToNowhere
from monitor.records import RecordBatch, Source
from monitor.reference.build import BaseWindow as CountedWindow
from monitor.reference.build import Survey, assemble, plan_columns
from monitor.reference.catalog import Catalog
from monitor.reference.reference import Column, Reference
from monitor.settings import Settings
from monitor.sources import TopicStretch
from monitor.stats.bins import FACTS, width_of
from monitor.upto import UpTo


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which events become the reference: the first `rows` predictions, or those of [start, end) in microseconds.

    The first are those of a topic with the earliest record times, of files those that come first.
    """

    rows: int | None = None
    start_us: int | None = None
    end_us: int | None = None

    def holds(self, ts: int) -> bool:
        return (self.start_us is None or ts >= self.start_us) and (self.end_us is None or ts < self.end_us)


class _LastEvent(NamedTuple):
    """The last event that becomes part of a reference; `element` is its position in the record's array."""

    partition: Partition
    offset: int
    element: int


@dataclass(slots=True)
class _FirstPass:
    """What the survey found, and where each partition's part of the reference ends."""

    survey: Survey = field(default_factory=Survey)
    predictions: int = 0
    events: int = 0
    rejected: int = 0
    others: set[ModelKey] = field(default_factory=set)
    first_us: int | None = None
    last_us: int | None = None
    ends: dict[Partition, int] = field(default_factory=dict)
    last: _LastEvent | None = None


class Closeable(Source, Protocol):
    """A source that is opened for each pass."""

    def close(self) -> None: ...


def build_reference(
    settings: Settings,
    key: ModelKey,
    open_source: Callable[[], Closeable],
    clock: Clock,
    stretch: Stretch,
    tell: Callable[[str], object] = lambda _: None,
) -> Reference:
    """The reference of one model version; `tell` gets what a person should know of events that are not in it.

    Raises:
        UsageError: the model is not in the settings, or there are no (or too few) such events.
    """
    model = settings.model(key.model)
    if model is None:
        known = ", ".join(repr(one.name) for one in settings.models)
        raise UsageError(f"--model: {key.model!r} is not in the settings; they name {known}")
    source = open_source()
    try:
        by_time = stretch.rows is not None and isinstance(source, TopicStretch)  # a topic's polls have no order
        found = _survey(settings, key, InOrder(source) if by_time else source, stretch)
    finally:
        source.close()
    _require_events(found, key, stretch)
    kinds = {name: feature.kind for name, feature in model.features.items() if feature.kind is not None}
    columns, ignored, task = plan_columns(found.survey, kinds, model.task)
    if not columns:
        raise UsageError(f"{key}: none of its events has a feature, score or prediction to compare")
    positive = canonical(model.positive)
    source = open_source()
    try:
        last = found.last if stretch.rows is not None else None
        upto = _UpToElement(source, found.ends, last)
        collector = _count(settings, key, columns, upto, clock, stretch, task, positive)
    finally:
        source.close()
    left = collector.base.open
    rest = None if left is None else CountedWindow(left.start_us, left.end_us, left.tally)
    if not collector.windows and rest is None:
        raise UsageError(f"{key}: no event was accepted (late, duplicate or outside the panes of --from and --to)")
    counted = sum(window.tally.events for window in collector.windows) + (rest.tally.events if rest else 0)
    if found.rejected or counted < found.events:
        tell(
            f"not in the reference: {found.rejected:,} rejected events, and {found.events - counted:,} late, duplicate "
            "or at the edge of --from and --to"
        )
    return assemble(key, columns, collector.windows, rest, task=task, positive=positive, ignored=ignored)


def _require_events(found: _FirstPass, key: ModelKey, stretch: Stretch) -> None:
    if found.events == 0:
        raise UsageError(_nothing_found(found, key))
    if stretch.rows is not None and found.predictions < stretch.rows:
        raise UsageError(
            f"--rows: the source holds {found.predictions:,} predictions of {key}, not {stretch.rows:,} (and "
            f"{found.events - found.predictions:,} events without a prediction or score, which do not count); "
            "write a smaller number, give more, or take a range of time by --from and --to"
        )


def _nothing_found(found: _FirstPass, key: ModelKey) -> str:
    """What the source does hold, where it has nothing of what was asked for."""
    if found.first_us is not None and found.last_us is not None:
        return (
            f"{key}: its events in the source are from {rfc3339(found.first_us)} to {rfc3339(found.last_us)}, none "
            "between --from and --to"
        )
    others = ", ".join(str(other) for other in sorted(found.others)[:10]) or "no model version at all"
    hint = (
        "; is `model` missing? A .csv column needs --map column=model, or set inputs[].model" if found.rejected else ""
    )
    return (
        f"{key}: the source holds none of its events; it holds {others}, and {many(found.rejected, 'rejected event')}"
        f"{_choice(found, key)}{hint}"
    )


def _choice(found: _FirstPass, key: ModelKey) -> str:
    """The same model's versions that the source holds, as they are asked for."""
    versions = sorted(other.version for other in found.others if other.model == key.model)
    if not versions:
        return ""
    first = f"--version {shlex.quote(versions[0])}"
    return f"; choose it with {first}" if len(versions) == 1 else f"; choose one with --version, for example {first}"


def _survey(settings: Settings, key: ModelKey, source: Source, stretch: Stretch) -> _FirstPass:
    found = _FirstPass()
    positive = canonical(next(m.positive for m in settings.models if m.name == key.model))
    reader = _Reader(settings, key)
    done = False
    while not done:
        ended = source.ended()
        for batch in source.poll(()):
            for place, element, ts, row, _ in reader.events(batch, found):
                if stretch.rows is not None and found.predictions >= stretch.rows:
                    done = True
                    break
                found.first_us = ts if found.first_us is None else min(found.first_us, ts)
                found.last_us = ts if found.last_us is None else max(found.last_us, ts)
                if stretch.holds(ts):
                    offset = batch.offsets[place]
                    found.ends[batch.partition] = offset + 1
                    found.last = _LastEvent(batch.partition, offset, element)
                    _add(found, row, positive)
        done = done or ended
    return found


class _Event(NamedTuple):
    """A prediction or features event: its record's position in the batch, its own in the record's array, its time,
    the row that the decoder makes of it, and the event as it came."""

    place: int
    element: int
    ts: int
    row: AnyRow
    event: dict[str, Any]


class _AllFeatures:
    """Cells of every feature: in a survey none is wanted by name yet."""

    def features(self, raw: dict[str, object]) -> dict[str, object]:
        return {name: category_value(value) for name, value in raw.items()}


class _Reader:
    """Reads the events of one model version, by the same definition as the decoder that counts them afterwards."""

    def __init__(self, settings: Settings, key: ModelKey) -> None:
        self._settings = settings
        self._key = key
        self._limits = Limits(settings.limits.record_bytes, settings.limits.events_per_record, settings.limits.features)
        self._readers: dict[str, Reader] = {}

    def events(self, batch: RecordBatch, found: _FirstPass) -> Iterator[_Event]:
        """Every prediction or features event that is not rejected."""
        reader = self._reader(batch.partition.topic)
        for index, (value, record_us) in enumerate(zip(batch.values, record_times(batch).tolist(), strict=True)):
            if value is None:
                continue
            reading = reader.record(value, record_us, batch.now_us)
            bad = reading.rejected(index, batch.offsets[index])
            if bad is not None:
                found.rejected += bad.count
            for element, row, event in zip(reading.elements(), reading.rows, reading.events, strict=True):
                key = ModelKey(row.model, row.version)
                found.others.add(key)
                if key == self._key and row.type != "label":
                    ts = time_of(row.ts, reader.zone) if is_given(row.ts) else record_us
                    yield _Event(index, element, ts, row, event)

    def _reader(self, topic: str) -> Reader:
        if topic not in self._readers:
            entry = next((one for one in self._settings.inputs if one.topic == topic), self._settings.inputs[0])
            skew, cells = self._settings.windows.max_skew, _AllFeatures()
            self._readers[topic] = Reader(
                self._limits, skew, lambda _key, _names: cells, entry.model, entry.version, entry.zone()
            )
        return self._readers[topic]


def _add(found: _FirstPass, row: AnyRow, positive: str) -> None:
    score = row.score
    if isinstance(row.scores, dict):
        found.survey.score_classes = max(found.survey.score_classes, len(row.scores))
        score = score if is_given(score) else row.scores.get(positive)
    found.events += 1
    found.predictions += row.type == "prediction"
    found.survey.add(
        row.features if isinstance(row.features, dict) else None,
        float(score) if isinstance(score, (int, float)) else None,
        row.prediction if is_given(row.prediction) else None,  # type: ignore[arg-type]  # not UNSET
    )


class _UpToElement(UpTo):
    """Records below `ends`; of the very last one only the first elements of its array."""

    def __init__(self, source: Source, ends: Mapping[Partition, int], last: _LastEvent | None) -> None:
        super().__init__(source, ends, {})
        self._last = last

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        return [self._trimmed(batch) for batch in super().poll(paused)]

    def _trimmed(self, batch: RecordBatch) -> RecordBatch:
        last = self._last
        if last is None or batch.partition != last.partition or batch.offsets[-1] != last.offset:
            return batch
        value = batch.values[-1]
        trimmed = None if value is None else first_elements(value, last.element + 1)
        return replace(batch, values=[*batch.values[:-1], trimmed])


class _Collector:
    """Stage 2 of the second pass: base windows instead of judges."""

    def __init__(self, stretch: Stretch) -> None:
        self.unsent: deque[Transition] = deque()
        self.base = BaseWindow()
        self.windows: list[CountedWindow] = []
        self._stretch = stretch

    def judge(self, pane: Pane) -> None:
        """Panes that lie wholly inside the stretch count."""
        inside = self._stretch.holds(pane.start_us) and self._stretch.holds(pane.end_us - 1)
        if not inside or pane.tally.events == 0:
            return
        block = self.base.add(pane)
        if block is not None:
            self.windows.append(CountedWindow(block.start_us, block.end_us, block.tally))

    def sent(self, transitions: Iterable[Transition]) -> None:
        """There are none."""

    def to_state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> list[ModelKey]:
        return []


def _count(
    settings: Settings,
    key: ModelKey,
    columns: list[Column],
    source: Source,
    clock: Clock,
    stretch: Stretch,
    task: str,
    positive: str,
) -> _Collector:
    catalog = Catalog(settings, {key.model: {key.version: blank_reference(key, columns, task, positive)}})
    collector = _Collector(stretch)
    pipeline = Pipeline(settings, catalog, source, clock, ToNowhere(lambda _: None), stage2=collector, live=False)
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()
    return collector


def blank_reference(key: ModelKey, columns: list[Column], task: str, positive: str) -> Reference:
    """Columns with nothing counted yet."""
    empty = np.zeros((len(columns), 0))
    return Reference(
        key=key,
        task=task,
        positive=positive,
        columns=tuple(columns),
        counts=np.zeros((len(columns), width_of([c.bins for c in columns]) + len(FACTS)), np.int64),
        levels=(),
        phi=empty,
        fact_phi=np.zeros((len(columns), len(FACTS), 0)),
        top=empty,
        events=0,
        predictions=0,
        labels=0,
        start_us=0,
        end_us=0,
        base_windows=0,
        base_us=0,
    )
