"""Reads records with librdkafka (confluent-kafka), and leaves to kafka-python what that cannot read.

librdkafka skips a damaged batch without saying which records it held, and takes only the kind of an error from the
brokers. So a partition of which it reports any error, or of which nothing comes, is read by kafka-python until it has
moved: with its rules for damaged batches, for records that are gone, and for rights.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kafka import errors as kafka_errors
from kafka.structs import TopicPartition

from monitor.errors import PermanentError
from monitor.events import Partition
from monitor.kafka.confluent.columns import about_bytes, any_events, chunks_of
from monitor.kafka.confluent.config import files_of
from monitor.kafka.confluent.partition import Reading
from monitor.kafka.fetch_state import PollIsFull
from monitor.kafka.reader import POLL_MS, LibraryReader
from monitor.kafka.record_batch import Chunk
from monitor.log import get_log
from monitor.tenfold import Tenfold

#: records and bytes after which a poll returns: each partition's piece of it costs something, however small it is
_POLL_RECORDS: Final = 15_000
_POLL_BYTES: Final = 16 << 20
#: records of one call of the library: the objects of more of them do not fit the processor's cache
_AT_ONCE: Final = 2_000
#: what kafka-python raises once, and whoever reads has to act upon before that partition moves
_ACTED_UPON: Final = (kafka_errors.OffsetOutOfRangeError, kafka_errors.LogTruncationError)
#: milliseconds of a poll for each client while both read
_SHARED_MS: Final = 50
#: seconds between two looks at the certificate files
_FILES_S: Final = 10.0

_log = get_log(__name__)


class ConfluentReader:
    """A `monitor.kafka.reader.Reader`: positions are kept here, and librdkafka is told where to begin."""

    slow_because = ""

    def __init__(
        self,
        library: Any,  # noqa: ANN401  # confluent_kafka, without types
        config: Mapping[str, Any],
        careful: LibraryReader,
        committed_end: Callable[[TopicPartition], int | None],
    ) -> None:
        """Raises PermanentError: the library does not take the configuration."""
        self._library = library
        self._config = dict(config)
        self._careful = careful
        self._committed_end = committed_end
        self._readings: dict[TopicPartition, Reading] = {}
        self._paused: set[TopicPartition] = set()
        self._one_topic = True
        self._failure = ""
        self._due: Exception | None = None
        self._reports = Tenfold()
        self._files = files_of(config)
        self._looked_at = time.monotonic()
        self._truncated: str = library.KafkaError(library.KafkaError._LOG_TRUNCATION).str()
        self._consumer: Any = self._made()

    def _made(self) -> Any:  # noqa: ANN401
        try:
            return self._library.Consumer({**self._config, "error_cb": self._failed})
        except (self._library.KafkaException, ValueError, TypeError) as error:
            why = error.args[0].str() if isinstance(error, self._library.KafkaException) else str(error)
            message = f"the Kafka client of kafka.client: confluent does not take these settings: {why}"
            raise PermanentError(message) from error

    def _failed(self, error: Any) -> None:  # noqa: ANN401
        self._failure = error.str()

    # where to read

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """One that is read already goes on where it is."""
        self._readings = {target: self._readings.get(target) or Reading(offset) for target, offset in positions.items()}
        self._one_topic = len({target.topic for target in positions}) == 1

    def seek(self, target: TopicPartition, offset: int) -> None:
        reading = self._readings[target]
        if reading.handed_at is not None:
            self._careful.seek(target, offset)
            return
        self._stop(target)
        reading.move(offset)

    def pause(self, wanted: set[TopicPartition]) -> None:
        self._paused = wanted
        self._careful.pause(wanted)
        for target in wanted:
            self._readings[target].since = None

    def position(self, target: TopicPartition) -> int:
        reading = self._readings[target]
        return reading.position if reading.handed_at is None else self._careful.position(target)

    def highwater(self, target: TopicPartition) -> int | None:
        reading = self._readings.get(target)
        if reading is None or reading.handed_at is not None:
            return self._careful.highwater(target)
        _, end = self._consumer.get_watermark_offsets(self._place(target, reading.taken), cached=True)
        return end if end >= 0 else None

    def _start(self) -> None:
        begins = {
            target: reading
            for target, reading in self._readings.items()
            if not reading.active and reading.handed_at is None and target not in self._paused
        }
        if begins:
            self._consumer.incremental_assign([self._place(target, one.taken) for target, one in begins.items()])
        for reading in begins.values():
            reading.active, reading.since = True, None

    def _stop(self, target: TopicPartition) -> None:
        reading = self._readings[target]
        if reading.active:
            self._consumer.incremental_unassign([self._place(target, reading.taken)])
            reading.active = False

    def _place(self, target: TopicPartition, offset: int) -> Any:  # noqa: ANN401
        return self._library.TopicPartition(target.topic, target.partition, offset)

    # reading

    def fetch(self) -> dict[TopicPartition, list[Chunk]]:
        """As `Reader.fetch`; what kafka-python raises is raised only while librdkafka has nothing, or at the next call
        if that partition waits for it: others that always have something must not hide it."""
        due, self._due = self._due, None
        if due is not None:
            raise due
        self._renew()
        handed = self._take_back()
        self._start()
        raised: Exception | None = None
        fetched: dict[TopicPartition, list[Chunk]] = {}
        if handed:
            try:
                fetched = self._careful.fetch(_SHARED_MS)
            except (kafka_errors.KafkaError, PollIsFull) as error:
                raised = error
        resumed = {t for t, reading in self._readings.items() if reading.holds and t not in self._paused}
        fetched |= self._consumed(resumed, 0 if fetched or resumed else _SHARED_MS if handed else POLL_MS)
        if raised is not None and not fetched:
            raise raised
        self._due = raised if isinstance(raised, _ACTED_UPON) else None
        return fetched

    def _consumed(self, resumed: set[TopicPartition], wait_ms: int) -> dict[TopicPartition, list[Chunk]]:
        came, troubled, count, size = resumed, dict[TopicPartition, str](), 0, 0
        while count < _POLL_RECORDS and size < _POLL_BYTES and not troubled:
            messages = self._consumer.consume(_AT_ONCE, 0.0)
            if not messages and not count and wait_ms:
                messages = self._consumer.consume(1, wait_ms / 1000)
                messages += self._consumer.consume(_AT_ONCE - 1, 0.0) if messages else []
            count, size = count + len(messages), size + about_bytes(messages)
            came |= self._take(messages, troubled)
            if len(messages) < _AT_ONCE:
                troubled = self._stuck() | troubled
                break
        fetched = {target: self._readings[target].release() for target in came - self._paused}
        for target in came & self._paused:
            if self._readings[target].holds_enough():
                self._stop(target)
        self._hand_over(troubled)
        return {target: chunks for target, chunks in fetched.items() if chunks}

    def _take(self, messages: Sequence[Any], troubled: dict[TopicPartition, str]) -> set[TopicPartition]:
        """Returns of which partitions something came, and adds those with an error to `troubled`."""
        ends: list[tuple[TopicPartition, int]] = []
        records = self._records(messages, ends, troubled) if any_events(messages) else messages
        came, wrong = set(), set()
        for target, chunk in chunks_of(records, one_topic=self._one_topic):
            reading = self._readings[target]
            if target not in wrong and reading.fits(chunk):
                reading.came(chunk)
                came.add(target)
            else:
                wrong.add(target)
        troubled |= dict.fromkeys(wrong, "its offsets do not rise")
        for target, offset in ends:
            if target not in wrong:
                self._readings[target].came_to_end(offset)
                came.add(target)
        return came

    def _records(
        self, messages: Sequence[Any], ends: list[tuple[TopicPartition, int]], troubled: dict[TopicPartition, str]
    ) -> list[Any]:
        """The messages that are records, up to the first error of each partition."""
        records = []
        for message in messages:
            target, error = TopicPartition(message.topic(), message.partition()), message.error()
            if target in troubled:
                continue
            if error is None:
                records.append(message)
            elif error.code() == self._library.KafkaError._PARTITION_EOF:
                ends.append((target, message.offset()))
            else:
                troubled |= {one: error.str() for one in self._named(target)}
        return records

    def _named(self, target: TopicPartition) -> list[TopicPartition]:
        """The partitions that an error is about: all of a topic where its partition is below 0, none of no topic."""
        numbers = (target.partition,) if target.partition is not None and target.partition >= 0 else None
        return [
            one for one in self._readings if one.topic == target.topic and (not numbers or one.partition in numbers)
        ]

    # what librdkafka does not read

    def _stuck(self) -> dict[TopicPartition, str]:
        """Partitions of which nothing comes though they hold more."""
        now = time.monotonic()
        return {
            target: self._failure or "nothing comes of it"
            for target, reading in self._readings.items()
            if reading.active and target not in self._paused and reading.is_stuck(now, self._committed_end(target))
        }

    def _hand_over(self, troubled: Mapping[TopicPartition, str]) -> None:
        now = time.monotonic()
        for target, why in troubled.items():
            self._stop(target)
            self._readings[target].hand_over(now)
            if self._reports.again((target, why)):
                consequence = "kafka-python reads it until it has moved on"
                _log.warning("partition_not_read_by_librdkafka", partition=str(Partition(*target)), why=why,
                             consequence=consequence)  # fmt: skip
        if troubled:
            self._failure = ""
            self._assign_careful()
        if cut := [target for target, why in troubled.items() if self._truncated in why]:
            raise kafka_errors.LogTruncationError(dict.fromkeys(cut))

    def _take_back(self) -> bool:
        """From kafka-python, the partitions that have moved; returns whether it reads others still."""
        now = time.monotonic()
        handed = self._handed()
        moved = {
            target: position
            for target, handed_at in handed.items()
            if now >= self._readings[target].hand_back and (position := self._careful.position(target)) > handed_at
        }
        for target, offset in moved.items():
            self._readings[target].move(offset)
            self._readings[target].handed_at = None
        if moved:
            self._assign_careful()
        return len(moved) < len(handed)

    def _handed(self) -> dict[TopicPartition, int]:
        """What kafka-python reads, and where each was when it was given to it."""
        return {target: one.handed_at for target, one in self._readings.items() if one.handed_at is not None}

    def _assign_careful(self) -> None:
        known = self._careful.assigned
        self._careful.assign(
            {target: self._careful.position(target) if target in known else at for target, at in self._handed().items()}
        )
        self._careful.pause(self._paused)

    # the connection

    def _renew(self) -> None:
        """Connect anew when a certificate file was replaced: librdkafka reads them once."""
        now = time.monotonic()
        if not self._files or now - self._looked_at < _FILES_S:
            return
        self._looked_at = now
        if (files := files_of(self._config)) != self._files:
            old, self._consumer, self._files = self._consumer, self._made(), files
            _closing(old)
            for reading in self._readings.values():
                reading.active = False

    def close(self, timeout_s: float) -> None:
        _closing(self._consumer).join(timeout_s)
        self._careful.close(timeout_s)


def _closing(consumer: Any) -> threading.Thread:  # noqa: ANN401
    """A thread that closes it: a daemon thread, as the library waits for its brokers without a limit."""
    thread = threading.Thread(target=consumer.close, name="driftd-librdkafka-close", daemon=True)
    thread.start()
    return thread
