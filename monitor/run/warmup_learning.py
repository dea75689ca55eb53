"""Learns a reference at the end of a warm-up: `reference build` over the rows that were kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import numpy as np

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.events import ModelKey, Partition
from monitor.records import Change, RecordBatch
from monitor.reference.file.encoding import from_json, to_json, with_hash
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.settings.model import Model
from monitor.settings.tree import Input, Settings

_TOPIC = "warmup"
#: a line may be longer than the record that it comes from
_RECORD_BYTES = 1 << 62


class LineSource:
    """Lines of a warm-up as one partition, in their order."""

    def __init__(self, lines: Iterator[list[bytes]]) -> None:
        self._lines = lines
        self._offset = 0
        self._next = next(lines, None)

    def partitions(self) -> list[Partition]:
        return [Partition(_TOPIC, 0)]

    def changes(self) -> list[Change]:
        return []

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        if self._next is None:
            return []
        first, lines = self._offset, self._next
        self._offset, self._next = first + len(lines), next(self._lines, None)
        offsets = np.arange(first, self._offset)
        return [RecordBatch(Partition(_TOPIC, 0), list(lines), offsets, None, self._offset, 0)]

    def at_end(self, partition: Partition) -> bool:
        return self._next is None

    def ended(self) -> bool:
        return self._next is None

    def close(self) -> None:
        """Nothing is open."""


def learn(
    settings: Settings,
    model: Model,
    key: ModelKey,
    lines: Callable[[], Iterator[list[bytes]]],
    imported: Reference | None = None,
) -> Reference:
    """The reference of a model version from the rows of its warm-up; of an `imported` one what it lacks.

    Raises:
        UsageError: there is nothing to compare in them, or the settings contradict them.
    """
    given = settings.model_copy(
        update={
            "models": (model,),
            "inputs": (Input(topic=_TOPIC, model=key.model, version=key.version),),
            "unknown_models": "ignore",
            "limits": settings.limits.model_copy(update={"record_bytes": _RECORD_BYTES}),
        }
    )
    try:
        learned = build_reference(
            given,
            key,
            lambda: LineSource(lines()),
            ManualClock(),
            EventRange(),
            accept_partial=True,
            imported=imported,
        )
    except UsageError as error:  # `models[0]` is this model, wherever it stands in the settings
        raise UsageError(fault.removeprefix("models[0].") for fault in error.faults) from error
    if learned.performance is not None:  # labels of predictions that wait since the warm-up are in no known segment
        learned = with_hash(replace(learned, performance=learned.performance.of_segments({})))
    return from_json(json.loads(json.dumps({**to_json(learned), "hash": learned.hash})))  # as a restart reads it
