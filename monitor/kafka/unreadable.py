"""Finds and passes records that the library cannot unpack: a broken checksum, an unknown codec, a torn batch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from kafka import errors as kafka_errors
from kafka.structs import TopicPartition

from monitor.events import Partition
from monitor.records import OffsetGap

_TRY_MS: Final = 500
_STEP_S: Final = 1.0
_ASKED: Final = (kafka_errors.CorruptRecordError, kafka_errors.UnsupportedCodecError)


def is_unreadable(error: Exception) -> bool:
    """Whether `error`, raised by a poll, speaks of the bytes of a batch and not of brokers or rights."""
    if isinstance(error, kafka_errors.KafkaError):
        return isinstance(error, _ASKED)
    return _raised_while_unpacking(error)


def _raised_while_unpacking(error: Exception) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if "/kafka/record/" in trace.tb_frame.f_code.co_filename.replace("\\", "/"):
            return True
        trace = trace.tb_next
    return False


class Unreadable:
    """Steps over what cannot be unpacked, one offset at a time, so that no readable record is passed.

    After such an error the library would never return from its next poll of the partition unless its position moved,
    and the error does not name the partition. So every partition is first read by itself; the one that raises again
    is moved on until it reads. `positions` are the next offsets of all partitions.
    """

    def __init__(self, consumer: Any, positions: Mapping[TopicPartition, int]) -> None:  # noqa: ANN401  # untyped library
        self._consumer = consumer
        self._untried = list(positions.items())
        self._target: TopicPartition | None = None
        self._began = self._at = 0
        self.done = False
        consumer.unsubscribe()
        consumer.poll(timeout_ms=0)  # without an assignment this drops the broken batch

    def step(self) -> OffsetGap | None:
        """Work for about a second. When `done` is true afterwards, the gap that was passed, None if there is none."""
        deadline = time.monotonic() + _STEP_S
        while time.monotonic() < deadline:
            if self._target is not None:
                if self._reads(self._target, self._at):
                    self.done = True
                    return OffsetGap(Partition(*self._target), self._began, self._at)
                self._at += 1
            elif self._untried:
                target, offset = self._untried.pop()
                if not self._reads(target, offset):
                    self._target, self._began, self._at = target, offset, offset + 1
            else:
                self.done = True  # it healed: a broken answer, not a broken record
                return None
        return None

    def _reads(self, target: TopicPartition, offset: int) -> bool:
        """Whether the partition gives records at `offset`, or has none there."""
        self._consumer.assign([target])
        self._consumer.seek(target, offset)
        try:
            self._consumer.poll(timeout_ms=_TRY_MS, max_records=1)
        except Exception as error:
            if is_unreadable(error):
                return False
            raise
        finally:
            self._consumer.unsubscribe()
            self._consumer.poll(timeout_ms=0)
        return True
