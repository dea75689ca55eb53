"""Messages of confluent-kafka as chunks of columns, one for each run of messages of one partition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter, methodcaller
from typing import Any, Final

import numpy as np
from kafka.structs import TopicPartition

from monitor.kafka.record_batch import Chunk
from monitor.records import Envelope

_VALUE: Final = methodcaller("value")
_OFFSET: Final = methodcaller("offset")
_TIMESTAMP: Final = methodcaller("timestamp")
_PARTITION: Final = methodcaller("partition")
_TOPIC: Final = methodcaller("topic")
_ERROR: Final = methodcaller("error")
#: called through this, what a method written in C raises is always raised: the interpreter's own quick calls do not
#: look whether there is an exception besides a result
_HEADERS: Final = methodcaller("headers")
_MILLISECONDS: Final = itemgetter(1)
_SAMPLED: Final = 16


def any_events(messages: Sequence[Any]) -> bool:
    """Whether some are no records, but errors or ends of partitions."""
    return any(map(_ERROR, messages))


def about_bytes(messages: Sequence[Any]) -> int:
    """About how many bytes their values have: every sixteenth is looked at."""
    return _SAMPLED * sum(len(value or b"") for value in map(_VALUE, messages[::_SAMPLED]))


def chunks_of(messages: Sequence[Any], *, one_topic: bool) -> Iterator[tuple[TopicPartition, Chunk]]:
    """Records in the order in which they came."""
    count = len(messages)
    if not count:
        return
    values: list[bytes | None] = list(map(_VALUE, messages))
    offsets = np.fromiter(map(_OFFSET, messages), np.int64, count)
    times_ms = np.fromiter(map(_MILLISECONDS, map(_TIMESTAMP, messages)), np.int64, count)
    envelopes = _envelopes(messages)
    bounds = _bounds(messages, one_topic=one_topic)
    for begin, end in zip([0, *bounds], [*bounds, count], strict=True):
        first = messages[begin]
        rows = slice(begin, end)
        chunk = Chunk(values[rows], offsets[rows], times_ms[rows], envelopes, begin)
        yield TopicPartition(first.topic(), first.partition()), chunk


def _bounds(messages: Sequence[Any], *, one_topic: bool) -> list[int]:
    """Where a message is of another partition than the one before."""
    numbers = np.fromiter(map(_PARTITION, messages), np.int64, len(messages))
    changes = numbers[1:] != numbers[:-1]
    if not one_topic:
        topics = np.array(list(map(_TOPIC, messages)), object)
        changes |= topics[1:] != topics[:-1]
    bounds: list[int] = (np.flatnonzero(changes) + 1).tolist()
    return bounds


def _envelopes(messages: Sequence[Any]) -> Callable[[int], Envelope]:
    """Keys and headers. A record with a header name that is not UTF-8 is read without its headers.

    The library raises SystemError for such a name; the list that it then keeps has a hole in it, and whoever asks for
    that one ends the process.
    """
    without_headers: set[int] = set()

    def envelope(index: int) -> Envelope:
        message = messages[index]
        headers: Sequence[tuple[str, bytes | None]] = ()
        if index not in without_headers:
            try:
                headers = _HEADERS(message) or ()
            except (SystemError, UnicodeDecodeError):
                without_headers.add(index)
        return Envelope(message.key(), tuple(headers))

    return envelope
