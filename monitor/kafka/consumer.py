"""Reads records from Kafka: every partition of the input topics, assigned manually, each offset returned once."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from kafka import KafkaConsumer
from kafka import errors as kafka_errors
from kafka.structs import TopicPartition

from monitor.clock import Clock
from monitor.errors import ExternalError, PositionsLost
from monitor.events import Partition
from monitor.kafka.clock_check import ClockCheck
from monitor.kafka.connect import client_config, connect, translated_error, translating_errors
from monitor.kafka.fetch_state import MESSAGES, FetchState, PollIsFull, Skipped
from monitor.kafka.group import GroupMirror, GroupOffsets, close_quietly
from monitor.kafka.reader import LibraryReader, Reader
from monitor.kafka.readers import reader_of
from monitor.kafka.record_batch import Chunk, record_batch
from monitor.kafka.stalls import Place, Stall, Stalls
from monitor.kafka.topics import ClusterDescription
from monitor.kafka.watch import TopicWatch
from monitor.kafka.withheld import Prepare, Withheld
from monitor.records import Change, OffsetGap, RecordBatch, UnreadableRecords
from monitor.settings.kafka import Kafka

_MIB: Final = 1 << 20
_POLL_RECORDS: Final = 5_000
#: decompressed bytes of one poll, and the least limit of one batch
_POLL_BYTES: Final = 64 * _MIB
#: records of the size limit that one batch may hold
_RECORDS_A_BATCH: Final = 4
#: seconds without a poll after which reading counts as paused, and no stall is reported
_READING_S: Final = 10.0
#: seconds between two checks for stalled partitions
_CHECK_SECONDS: Final = 5.0
#: seconds without fetching a partition after its broker answered CORRUPT_MESSAGE
_CORRUPT_PAUSE_S: Final = 2.0
_FETCH: Final = {
    # raw bytes: kafka-python hangs for good when a deserializer raises
    "group_id": None,
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "allow_auto_create_topics": False,
    "isolation_level": "read_committed",
    "check_crcs": True,
    "retry_backoff_ms": 10,  # the default of 100 ms leaves gaps between fetches that halve the throughput
    "fetch_max_bytes": 8 * _MIB,
    "max_partition_fetch_bytes": 1 * _MIB,
    "max_poll_records": _POLL_RECORDS,
    "receive_message_max_bytes": 128 * _MIB,  # a broker sends one record whole even if it is above the fetch limits
}


class KafkaSource:
    """A `monitor.records.Source` over Kafka. One thread makes all calls; `begin` comes before the first `poll`.

    `described` holds the partitions of the input topics; a background thread checks them for changes every
    `watch_interval_s` seconds. A batch may decompress to 64 MiB, or four times `record_bytes` if that is more. With
    `needs_right_clock` no records are returned while their timestamps show that this machine's clock is behind. A
    partition waits while `prepare` refuses its records.
    """

    def __init__(
        self,
        settings: Kafka,
        described: ClusterDescription,
        clock: Clock,
        *,
        watch_interval_s: float = 30.0,
        record_bytes: int = _MIB,
        needs_right_clock: bool = False,
        prepare: Prepare | None = None,
    ) -> None:
        self._clock = clock
        self._withheld = Withheld(prepare, clock)
        self._clock_check = ClockCheck(enabled=needs_right_clock)
        self._partitions = [
            Partition(name, number)
            for name, topic in sorted(described.topics.items())
            for number in range(topic.partitions)
        ]
        metadata = {"metadata_max_age_ms": round(watch_interval_s * 1000)}
        config = client_config(settings, "source") | _FETCH | metadata
        self._timeout_ms: int = config["request_timeout_ms"]
        self._consumer: Any = connect(KafkaConsumer, config)
        self._fetch_state = FetchState(
            self._consumer.highwater, max(_POLL_BYTES, _RECORDS_A_BATCH * record_bytes), _POLL_BYTES
        )
        careful = LibraryReader(self._consumer, self._fetch_state, wanted=settings.fast_path)
        self._reader: Reader = reader_of(settings, careful, metadata, self._committed_end)
        self._group = GroupOffsets(settings)
        self._mirror = GroupMirror(settings)
        self._stalls = Stalls()
        self._stalled: list[Stall] = []
        self._polled_at = self._checked_at = float("-inf")
        self._watch = TopicWatch(settings, described, interval_s=watch_interval_s)
        self._next: dict[TopicPartition, int] = {}
        self._waiting: frozenset[Partition] = frozenset()
        self._corrupt_until: dict[TopicPartition, float] = {}
        self._changes: deque[Change] = deque()

    # where to begin

    def partitions(self) -> list[Partition]:
        """Every partition known now."""
        return list(self._partitions)

    def committed(self) -> dict[Partition, int]:
        """The group's committed offsets; partitions without one are left out.

        Raises:
            ExternalError: no answer; PermanentError: no right to the group.
        """
        return self._group.committed(self._partitions)

    def resolve_start(self, start: str | int) -> dict[Partition, int]:
        """The offset that `kafka.start` stands for now, for every partition.

        `earliest`, `latest`, `committed` (the beginning of a partition without a committed offset), or Unix
        milliseconds: the first record with that timestamp or a later one, the end if there is none.

        Raises:
            ExternalError: no answer, or a partition has no leader; PermanentError: no right to the group or topic.
            ValueError: `start` is none of these.
        """
        targets = [TopicPartition(*partition) for partition in self._partitions]
        if start == "committed":
            offsets = {TopicPartition(*part): offset for part, offset in self.committed().items()}
            offsets = self._edges(targets, "earliest") | offsets
        elif isinstance(start, int):
            offsets = self._at_time(targets, start)
        else:
            offsets = self._edges(targets, start)
        return {partition: offsets[TopicPartition(*partition)] for partition in self._partitions}

    def _edges(self, targets: list[TopicPartition], edge: str) -> dict[TopicPartition, int]:
        ask = {"earliest": self._consumer.beginning_offsets, "latest": self._consumer.end_offsets}.get(edge)
        if ask is None:
            message = f"{edge!r} is not a place to start from"
            raise ValueError(message)
        with translating_errors("ask where the partitions begin and end"):
            answers: dict[TopicPartition, int] = ask(targets, timeout_ms=self._timeout_ms)
            return {target: answers[target] for target in targets}

    def _at_time(self, targets: list[TopicPartition], time_ms: int) -> dict[TopicPartition, int]:
        offsets = self._edges(targets, "latest")
        with translating_errors("ask which offsets belong to a time"):
            found = self._consumer.offsets_for_times(
                dict.fromkeys(targets, max(time_ms, 0)), timeout_ms=self._timeout_ms
            )
        return offsets | {target: at.offset for target, at in found.items() if at is not None}

    def begin(self, positions: Mapping[Partition, int]) -> None:
        """Assign every partition and seek to its position.

        Raises:
            ValueError: a partition has no position, or a position is for a partition that does not exist.
        """
        if set(positions) != set(self._partitions):
            odd = sorted(set(positions) ^ set(self._partitions))
            message = f"positions and partitions differ in {', '.join(map(str, odd))}"
            raise ValueError(message)
        self._next = {TopicPartition(*partition): offset for partition, offset in positions.items()}
        self._reader.assign(self._next)
        self._watch.start()

    # reading

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """Some records of the partitions that are not paused, one batch a partition; empty if none came in 0.2 s.

        Raises:
            ExternalError: the brokers failed and may recover, or this machine's clock is behind.
            PermanentError: no right to a topic.
            PositionsLost: a position lies beyond the end of its partition.
        """
        self._waiting = frozenset(paused)
        self._reader.pause({TopicPartition(*partition) for partition in paused} | self._not_fetched())
        self._polled_at = self._clock.monotonic()
        fetched = self._fetch()
        now_us = self._clock.now_us()
        before = {target: self._next[target] for target in fetched}
        try:
            batches = [self._batch(target, records, now_us) for target, records in fetched.items()]
            self._clock_check.require(batches, now_us)
        except ExternalError:  # the fetched records are not returned: fetch them again
            for target, offset in before.items():
                self._next[target] = offset
                self._reader.seek(target, offset)
            self._report_skipped(read_again=before)
            raise
        refused = [TopicPartition(*batch.partition) for batch in batches if not self._withheld.admits(batch)]
        for target in refused:  # fetched again later
            self._next[target] = before[target]
            self._reader.seek(target, before[target])
        self._report_skipped(read_again=refused)
        return [batch for batch in batches if batch.values and TopicPartition(*batch.partition) not in refused]

    def _not_fetched(self) -> set[TopicPartition]:
        return self._corrupt() | {TopicPartition(*partition) for partition in self._withheld.partitions()}

    def _corrupt(self) -> set[TopicPartition]:
        """Partitions answered with CORRUPT_MESSAGE just now; without a pause they are fetched 1,000 times a second."""
        now = self._clock.monotonic()
        self._corrupt_until |= dict.fromkeys(self._fetch_state.corrupt, now + _CORRUPT_PAUSE_S)
        self._fetch_state.corrupt.clear()
        return {target for target, until in self._corrupt_until.items() if now < until}

    def _fetch(self) -> dict[TopicPartition, list[Chunk]]:
        try:
            return self._reader.fetch()
        except kafka_errors.OffsetOutOfRangeError as error:
            self._skip_expired(error.args[0])
        except kafka_errors.LogTruncationError as error:
            raise _beyond_end(error.divergent_offsets) from error
        except PollIsFull:
            return {}
        except kafka_errors.KafkaError as error:
            raise translated_error(error, "read records") from error
        return {}

    def _skip_expired(self, lost: Mapping[TopicPartition, int]) -> None:
        """Retention removed records before they were read: report the gap and seek to the beginning."""
        begins, ends = (self._edges(list(lost), edge) for edge in ("earliest", "latest"))
        for target in lost:
            expected, begin = self._next[target], begins[target]
            if expected > ends[target]:
                raise _beyond_end([target])
            if expected < begin:
                self._changes.append(OffsetGap(Partition(*target), expected, begin))
                self._next[target] = begin
            self._reader.seek(target, self._next[target])

    def _report_skipped(self, *, read_again: Collection[TopicPartition] = ()) -> None:
        while self._fetch_state.skipped:
            skipped = self._fetch_state.skipped.popleft()
            if skipped.target not in read_again:
                self._changes.append(_unreadable(skipped))
                self._next[skipped.target] = max(self._next[skipped.target], skipped.next)

    def _batch(self, target: TopicPartition, chunks: list[Chunk], now_us: int) -> RecordBatch:
        expected = self._next[target]
        if chunks[0].offsets[0] < expected:
            chunks = [chunk.since(expected) for chunk in chunks]
        batch = record_batch(Partition(*target), chunks, expected, now_us)
        last = int(batch.offsets[-1]) + 1 if len(batch) else expected
        self._next[target] = batch.next_offset = max(last, self._client_position(target))
        return batch

    # state of the partitions

    def changes(self) -> list[Change]:
        """Changes of partitions since the last call: records that are gone or unreadable, new partitions.

        Raises:
            PositionsLost: a topic is gone or was recreated.
        """
        added = self._watch.take_added()
        if added:
            self._partitions = sorted({*self._partitions, *(new.partition for new in added)})
            self._next |= {TopicPartition(*new.partition): 0 for new in added}
            self._reader.assign(self._next)
            self._changes.extend(added)
        drained = list(self._changes)
        self._changes.clear()
        return drained

    def position(self, partition: Partition) -> int:
        """The offset to read next; it also moves past control records and compacted offsets, which no batch holds."""
        target = TopicPartition(*partition)
        return max(self._next[target], self._client_position(target))

    def _client_position(self, target: TopicPartition) -> int:
        """The library's own position; raises PositionsLost if the library has found the log truncated."""
        try:
            return self._reader.position(target)
        except kafka_errors.LogTruncationError as error:
            raise _beyond_end(error.divergent_offsets) from error

    def lag(self, partition: Partition) -> int | None:
        """Offsets between the position and the partition's end; None before the first answer of its broker.

        The end is the log end offset, so records of an open transaction count.
        """
        end = self._end(partition)
        return None if end is None else max(end - self.position(partition), 0)

    def _end(self, partition: Partition) -> int | None:
        """The larger of what the last fetch and the watch reported; a paused partition is known to the watch only."""
        fetched, watched = self._reader.highwater(TopicPartition(*partition)), self._watch.ends(partition)
        known = [end for end in (fetched, None if watched is None else watched[0]) if end is not None]
        return max(known, default=None)

    def _committed_end(self, target: TopicPartition) -> int | None:
        watched = self._watch.ends(Partition(*target))
        return None if watched is None else watched[1]

    def stalled(self, stopped: Collection[Partition] = ()) -> list[Stall]:
        """Partitions whose position has not moved for a minute though they hold more records, without `stopped`."""
        now = self._clock.monotonic()
        if not self.reachable() or now - self._polled_at > _READING_S:
            self._stalls.reset()
            self._stalled = []
        elif now - self._checked_at >= _CHECK_SECONDS:
            self._checked_at, self._stalled = now, self._check(now, stopped)
        return self._stalled

    def _check(self, now: float, stopped: Collection[Partition]) -> list[Stall]:
        places = {}
        for partition in self._partitions:
            end, watched = self._end(partition), self._watch.ends(partition)
            if end is not None:
                places[partition] = Place(self.position(partition), end, None if watched is None else watched[1])
        corrupt = {Partition(*at) for at, until in self._corrupt_until.items() if now < until + _CORRUPT_PAUSE_S}
        return self._stalls.check(now, places, self._waiting, corrupt, stopped)

    def at_end(self, partition: Partition) -> bool:
        """True when every record of the partition was returned.

        False while that is not known: no broker answers, or the partition has no leader. Records of an open
        transaction count as not returned.
        """
        return self._watch.serves(partition) and self.lag(partition) == 0

    def reachable(self) -> bool:
        """False while the brokers did not answer the watch."""
        return self._watch.reachable

    @property
    def slow_because(self) -> str:
        """Why record batches are not unpacked by driftd itself, in a word (`reading_path`); "" if they are."""
        return self._reader.slow_because

    def failure(self) -> str:
        """Why the brokers did not answer the watch, or why partitions wait; "" if all is well."""
        return self._watch.failure or self._withheld.reason()

    def ended(self) -> bool:
        """Never: a topic has no end."""
        return False

    # leaving

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Mirror the positions to the group's committed offsets; returns at once."""
        self._mirror.commit(positions)

    def close(self, timeout_s: float = 5.0) -> None:
        """Close all connections; commits nothing."""
        self._watch.close(timeout_s)
        self._group.close(timeout_s)
        self._mirror.close(timeout_s)
        close_quietly(lambda: self._reader.close(timeout_s))


def _beyond_end(targets: Iterable[TopicPartition]) -> PositionsLost:
    names = ", ".join(sorted(str(Partition(*target)) for target in targets))
    return PositionsLost(
        f"the position lies beyond the end of {names}: the topic was recreated or its log was cut; remove the state "
        "folder to begin from scratch, or restore the topic"
    )


def _unreadable(lost: Skipped) -> UnreadableRecords:
    partition, message = Partition(*lost.target), MESSAGES[lost.reason]
    return UnreadableRecords(partition, lost.first, lost.next, lost.records, lost.reason, message, lost.data)
