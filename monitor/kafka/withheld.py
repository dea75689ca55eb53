"""Partitions whose next records cannot be decoded yet, because what they need cannot be had: they wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitor.clock import Clock
from monitor.errors import TransientError
from monitor.events import Partition
from monitor.log import get_log
from monitor.records import RecordBatch

#: gets what the records of a batch need; raises TransientError while it cannot be had
Prepare = Callable[[RecordBatch], None]

#: seconds until the records of such a partition are fetched again
_PAUSE: Final = 5.0

_log = get_log(__name__)


class Withheld:
    """Which partitions wait, and why."""

    def __init__(self, prepare: Prepare | None, clock: Clock) -> None:
        self._prepare = prepare
        self._clock = clock
        self._until: dict[Partition, float] = {}
        self._why: dict[Partition, str] = {}

    def admits(self, batch: RecordBatch) -> bool:
        """Whether a batch can be decoded; its partition waits otherwise."""
        if self._prepare is None:
            return True
        try:
            self._prepare(batch)
        except TransientError as error:
            self._wait(batch.partition, str(error))
            return False
        self._until.pop(batch.partition, None)
        if self._why.pop(batch.partition, None) is not None:
            _log.info("partition_reads_on", partition=str(batch.partition))
        return True

    def _wait(self, partition: Partition, why: str) -> None:
        if self._why.get(partition) != why:
            consequence = "the partition waits, nothing of it is lost; tried again"
            _log.error("partition_waits", partition=str(partition), why=why, consequence=consequence)
        self._why[partition], self._until[partition] = why, self._clock.monotonic() + _PAUSE

    def partitions(self) -> set[Partition]:
        """Partitions that are not fetched now."""
        now = self._clock.monotonic()
        return {partition for partition, until in self._until.items() if now < until}

    def reason(self) -> str:
        """Why some partitions wait; "" if none does."""
        if not self._why:
            return ""
        names = ", ".join(map(str, sorted(self._why)))
        return f"{'; '.join(dict.fromkeys(self._why.values()))} ({names} {'wait' if len(self._why) > 1 else 'waits'})"
