"""Reads what was told: from the alert topic, from a recording of it, or from the output of a replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.kafka.alerts import source_of
from monitor.kafka.cloud_events import event_in
from monitor.kafka.topics import is_compacted
from monitor.records import RecordBatch
from monitor.run.open_source import SCHEME, OffsetRange, OpenSource
from monitor.settings.tree import Settings
from monitor.sources.files import open_source
from monitor.told.line import Line, is_window, line_of, line_of_replay


@dataclass(slots=True)
class Told:
    """All lines of one daemon in the order of the topic, and what else was there.

    `others`: lines of other groups; `not_understood`: records that no daemon writes; `holes`: offsets that are missing
    between records; `begins`: the first offset of each partition; `compacted`: whether the topic is, None if unknown.
    """

    where: str
    lines: list[Line] = field(default_factory=list)
    others: int = 0
    not_understood: int = 0
    holes: int = 0
    begins: dict[Partition, int] = field(default_factory=dict)
    compacted: bool | None = None
    #: windows of `driftd replay --json --windows`
    windows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def from_beginning(self) -> bool:
        """Whether no partition has lost its first records."""
        return all(offset == 0 for offset in self.begins.values())

    @property
    def keeps_all(self) -> bool:
        """Whether every line that was sent would still be there."""
        return not self.compacted and not self.holes


def read_told(settings: Settings, source: str | None, clock: Clock) -> Told:
    """What was told by the daemon of these settings; `source` is a file, or None for the alert topic.

    Raises:
        UsageError: there is no alert topic, or the file is damaged; ExternalError: Kafka does not answer.
    """
    group = source_of(settings.kafka.group_id)
    if source is not None:
        with closing(open_source([Path(source)], clock)) as records:
            return _read(records, Told(source), group)
    topic = settings.outputs.alerts_topic
    if topic is None:
        raise UsageError("outputs.alerts_topic: is null, and this reads it; name a topic, or a recording of one")
    with closing(OffsetRange(f"{SCHEME}{quote(topic, safe='')}", settings.kafka, clock)) as live:
        begins = {partition: first for partition, (first, _) in live.range().items()}
        return _read(live, Told(topic, compacted=is_compacted(settings.kafka, topic), begins=begins), group)


def _read(source: OpenSource, told: Told, group: str) -> Told:
    last: dict[Partition, int] = {}
    while not source.ended():
        for batch in source.poll(()):
            for index, offset in enumerate(batch.offsets.tolist()):
                known = last.get(batch.partition)
                told.begins.setdefault(batch.partition, offset)
                told.holes += 0 if known is None else offset - known - 1
                last[batch.partition] = offset
                _take(batch, index, told, group)
        source.changes()
    return told


def _take(batch: RecordBatch, index: int, told: Told, group: str) -> None:
    line = _line(batch, index)
    if isinstance(line, dict):
        told.windows.append(line)
    elif line is None:
        told.not_understood += batch.values[index] is not None
    elif line.source and line.source != group:
        told.others += 1
    else:
        told.lines.append(line)


def _line(batch: RecordBatch, index: int) -> Line | dict[str, Any] | None:
    """The line of a record, or a window of a replay; None if it is neither."""
    value, place = batch.values[index], f"{batch.partition}@{batch.offsets[index]}"
    event = event_in(value, batch.envelope(index).headers)
    if event is not None:
        ms = -1 if batch.times_ms is None else int(batch.times_ms[index])
        return line_of(event, place, None if ms < 0 else ms * 1_000)
    try:
        tree = json.loads(value or b"null")
        return tree if is_window(tree) else line_of_replay(tree, place)
    except (ValueError, RecursionError):
        return None


def once(lines: list[Line]) -> Iterator[Line]:
    """Each line once: what was sent again after a crash has the same id and the same hash."""
    seen: set[tuple[str, ...]] = set()
    for line in lines:
        name = (line.name, line.link.hash if line.link is not None else "")
        if not line.name or name not in seen:
            seen.add(name)
            yield line
