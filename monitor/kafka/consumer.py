"""Records from Kafka: every partition of the input topics, assigned by hand, each offset given out once."""

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
from monitor.kafka.batches import WORDS, Passed, PollIsFull, Reading
from monitor.kafka.clock_check import ClockCheck
from monitor.kafka.connect import client_config, connect, sorted_error, sorting_errors
from monitor.kafka.group import GroupMirror, GroupOffsets, close_quietly
from monitor.kafka.stalls import Place, Stall, Stalls
from monitor.kafka.topics import ClusterDescription
from monitor.kafka.watch import TopicWatch
from monitor.records import Change, Envelope, OffsetGap, RecordBatch, UnreadableRecords
from monitor.settings.tree import Kafka

_MIB: Final = 1 << 20
_POLL_MS: Final = 200
_POLL_RECORDS: Final = 5_000
#: bytes that are opened in one poll, and the least bound of what one batch may be unpacked
_POLL_BYTES: Final = 64 * _MIB
_RECORDS_A_BATCH: Final = 4
#: a reader that has not polled for so long does not read at all now, in seconds
_READING_S: Final = 10.0
#: how often it looks what stands still, in seconds
_CHECK_SECONDS: Final = 5.0
#: the pause after a broker could not read its own log, in seconds
_REFUSED_S: Final = 2.0
_FETCH: Final = {
    # raw bytes: a deserializer that raises hangs the library for good
    "group_id": None,
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "allow_auto_create_topics": False,
    "isolation_level": "read_committed",
    "check_crcs": True,
    "retry_backoff_ms": 10,  # 100 ms of it halve the throughput by gaps between fetches
    "fetch_max_bytes": 8 * _MIB,
    "max_partition_fetch_bytes": 1 * _MIB,
    "max_poll_records": _POLL_RECORDS,
    "receive_message_max_bytes": 128 * _MIB,  # one record above the limits still comes whole
}


class _Envelopes:
    """Keys and headers of a batch, looked at only when somebody asks."""

    __slots__ = ("_records",)

    def __init__(self, records: list[Any]) -> None:
        self._records = records

    def __call__(self, index: int) -> Envelope:
        record = self._records[index]
        return Envelope(record.key, tuple(record.headers or ()))


class KafkaSource:
    """A `monitor.records.Source` over Kafka. One thread makes all calls; `begin` comes before the first `poll`.

    `facts` says which partitions the input topics have; a watch in the background brings news of them every
    `watch_interval_s` seconds. A batch is unpacked to 64 MiB, or four times `record_bytes` where that is more. With
    `needs_right_clock` nothing is given out while the records say that the clock is behind.
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
    ) -> None:
        self._clock = clock
        self._clock_check = ClockCheck(wanted=needs_right_clock)
        self._partitions = [
            Partition(name, number)
            for name, topic in sorted(described.topics.items())
            for number in range(topic.partitions)
        ]
        metadata = {"metadata_max_age_ms": round(watch_interval_s * 1000)}
        config = client_config(settings, "source") | _FETCH | metadata
        self._timeout_ms: int = config["request_timeout_ms"]
        self._consumer: Any = connect(KafkaConsumer, config)
        self._reading = Reading(
            self._consumer.highwater, max(_POLL_BYTES, _RECORDS_A_BATCH * record_bytes), _POLL_BYTES
        )
        self._reading.on_permanent_error(self._consumer._fetcher)
        self._group = GroupOffsets(settings)
        self._mirror = GroupMirror(settings)
        self._stalls = Stalls()
        self._stalled: list[Stall] = []
        self._polled_at = self._checked_at = float("-inf")
        self._watch = TopicWatch(settings, described, interval_s=watch_interval_s)
        self._next: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._waiting: frozenset[Partition] = frozenset()
        self._refused_until: dict[TopicPartition, float] = {}
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
        """What `kafka.start` means now, as one offset for every partition.

        `earliest`, `latest`, `committed` (a partition without a committed offset from its beginning), or Unix
        milliseconds: the first record whose own timestamp is not before them, the end where there is none.

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
            message = f"{edge!r} is no place to start from"
            raise ValueError(message)
        with sorting_errors("ask where the partitions begin and end"):
            answers: dict[TopicPartition, int] = ask(targets, timeout_ms=self._timeout_ms)
            return {target: answers[target] for target in targets}

    def _at_time(self, targets: list[TopicPartition], time_ms: int) -> dict[TopicPartition, int]:
        offsets = self._edges(targets, "latest")
        with sorting_errors("ask which offsets belong to a time"):
            found = self._consumer.offsets_for_times(
                dict.fromkeys(targets, max(time_ms, 0)), timeout_ms=self._timeout_ms
            )
        return offsets | {target: at.offset for target, at in found.items() if at is not None}

    def begin(self, positions: Mapping[Partition, int]) -> None:
        """Read every partition from its position on.

        Raises:
            ValueError: a known partition has no position, or a position belongs to no known partition.
        """
        if set(positions) != set(self._partitions):
            odd = sorted(set(positions) ^ set(self._partitions))
            message = f"positions and partitions differ in {', '.join(map(str, odd))}"
            raise ValueError(message)
        self._next = {TopicPartition(*partition): offset for partition, offset in positions.items()}
        self._assign()
        self._watch.start()

    def _assign(self) -> None:
        self._consumer.assign(list(self._next))
        for target, offset in self._next.items():
            self._consumer.seek(target, offset)
        self._paused &= self._consumer.paused()

    # reading

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """Some records of the partitions that are not paused, one batch a partition; none within 0.2 s: empty.

        Raises:
            ExternalError: the brokers failed in a way that may heal, or this machine's clock is behind.
            PermanentError: no right to a topic.
            PositionsLost: a position lies beyond the end of its partition.
        """
        self._waiting = frozenset(paused)
        self._match_pauses({TopicPartition(*partition) for partition in paused} | self._refused())
        self._polled_at = self._clock.monotonic()
        fetched = self._fetch()
        now_us = self._clock.now_us()
        before = {target: self._next[target] for target in fetched}
        try:
            batches = [self._batch(target, records, now_us) for target, records in fetched.items()]
            self._clock_check.require(batches, now_us)
        except ExternalError:  # what was fetched is not given out: it has to be fetched again
            for target, offset in before.items():
                self._next[target] = offset
                self._consumer.seek(target, offset)
            self._tell_passed(read_again=before)
            raise
        self._tell_passed()
        return [batch for batch in batches if batch.values]

    def _refused(self) -> set[TopicPartition]:
        """Those that their broker cannot read: asked for again after a while, and not a thousand times a second."""
        now = self._clock.monotonic()
        self._refused_until |= dict.fromkeys(self._reading.refused, now + _REFUSED_S)
        self._reading.refused.clear()
        return {target for target, until in self._refused_until.items() if now < until}

    def _match_pauses(self, wanted: set[TopicPartition]) -> None:
        wanted &= self._next.keys()
        if wanted == self._paused:
            return
        self._consumer.pause(*(wanted - self._paused))
        self._consumer.resume(*(self._paused - wanted))
        self._paused = wanted

    def _free_the_line(self) -> None:
        """Let the library give out what it had parked of a partition that was paused.

        It takes parked records up again only when nothing is in line, and an exhausted batch in line counts as
        something (3.0.12): when nothing else comes to push it out, `poll` gives nothing for ever.
        """
        fetcher = self._consumer._fetcher
        kept = fetcher._next_in_line_exception_metadata
        if kept is not None and isinstance(kept.exception, PollIsFull):
            fetcher._next_in_line_exception_metadata = None
        if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
            fetcher._next_partition_records = None

    def _fetch(self) -> dict[TopicPartition, list[Any]]:
        self._free_the_line()
        self._reading.new_poll()
        try:
            fetched: dict[TopicPartition, list[Any]] = self._consumer.poll(timeout_ms=_POLL_MS)
        except kafka_errors.OffsetOutOfRangeError as error:
            self._leave_gaps(error.args[0])
        except kafka_errors.LogTruncationError as error:
            raise _beyond_end(error.divergent_offsets) from error
        except PollIsFull:
            return {}
        except kafka_errors.KafkaError as error:
            raise sorted_error(error, "read records") from error
        else:
            return fetched
        return {}

    def _leave_gaps(self, lost: Mapping[TopicPartition, int]) -> None:
        """Retention took records before they were read: say so, and go on where the partition begins now."""
        begins = self._edges(list(lost), "earliest")
        ends = self._edges(list(lost), "latest")
        for target in lost:
            expected, begin = self._next[target], begins[target]
            if expected > ends[target]:
                raise _beyond_end([target])
            if expected < begin:
                self._changes.append(OffsetGap(Partition(*target), expected, begin))
                self._next[target] = begin
            self._consumer.seek(target, self._next[target])

    def _tell_passed(self, *, read_again: Collection[TopicPartition] = ()) -> None:
        while self._reading.passed:
            passed = self._reading.passed.popleft()
            if passed.target not in read_again:
                self._changes.append(_unreadable(passed))
                self._next[passed.target] = max(self._next[passed.target], passed.next)

    def _batch(self, target: TopicPartition, records: list[Any], now_us: int) -> RecordBatch:
        expected = self._next[target]
        if records[0].offset < expected:
            records = [record for record in records if record.offset >= expected]
        last = records[-1].offset + 1 if records else expected
        self._next[target] = next_offset = max(last, self._reached(target))
        return RecordBatch(
            partition=Partition(*target),
            values=[record.value for record in records],
            offsets=[record.offset for record in records],
            times_ms=[record.timestamp for record in records],
            next_offset=next_offset,
            now_us=now_us,
            envelope=_Envelopes(records),
        )

    # what is known about partitions

    def changes(self) -> list[Change]:
        """What happened to partitions since the last call: records that are gone, partitions that were added.

        Raises:
            PositionsLost: a topic is gone or was made again.
        """
        added = self._watch.news()
        if added:
            self._partitions = sorted({*self._partitions, *(news.partition for news in added)})
            self._next |= {TopicPartition(*news.partition): 0 for news in added}
            self._assign()
            self._changes.extend(added)
        drained = list(self._changes)
        self._changes.clear()
        return drained

    def position(self, partition: Partition) -> int:
        """The offset that is read next; it passes control records and gaps that no batch shows."""
        target = TopicPartition(*partition)
        return max(self._next[target], self._reached(target))

    def _reached(self, target: TopicPartition) -> int:
        """The library's own position; asking for it also brings what it found out about the log meanwhile."""
        try:
            with sorting_errors("tell a position"):
                return self._consumer.position(target, timeout_ms=0) or 0
        except kafka_errors.LogTruncationError as error:
            raise _beyond_end(error.divergent_offsets) from error

    def lag(self, partition: Partition) -> int | None:
        """Offsets between the position and the partition's end; None before the first answer of its broker.

        The end is that of the log: records of an open transaction count.
        """
        end = self._end(partition)
        return None if end is None else max(end - self.position(partition), 0)

    def _end(self, partition: Partition) -> int | None:
        """The newest word of it: a partition that is not fetched now is known to the watch alone."""
        fetched, seen = self._consumer.highwater(TopicPartition(*partition)), self._watch.ends(partition)
        known = [end for end in (fetched, None if seen is None else seen[0]) if end is not None]
        return max(known, default=None)

    def stalled(self, stopped: Collection[Partition] = ()) -> list[Stall]:
        """Partitions that stand still for over a minute though there is more in them, but for `stopped` ones."""
        now = self._clock.monotonic()
        if not self.reachable() or now - self._polled_at > _READING_S:
            self._stalls.forget()
            self._stalled = []
        elif now - self._checked_at >= _CHECK_SECONDS:
            self._checked_at, self._stalled = now, self._check(now, stopped)
        return self._stalled

    def _check(self, now: float, stopped: Collection[Partition]) -> list[Stall]:
        places = {}
        for partition in self._partitions:
            end, seen = self._end(partition), self._watch.ends(partition)
            if end is not None:
                places[partition] = Place(self.position(partition), end, None if seen is None else seen[1])
        refused = {Partition(*at) for at, until in self._refused_until.items() if now < until + _REFUSED_S}
        return self._stalls.check(now, places, self._waiting, refused, stopped)

    def at_end(self, partition: Partition) -> bool:
        """True when everything the partition holds was given out.

        False while nobody can know: no broker answers, or the partition has no leader. Records of an open transaction
        count as not given out.
        """
        return self._watch.serves(partition) and self.lag(partition) == 0

    def reachable(self) -> bool:
        """False while the brokers did not answer the watch."""
        return self._watch.reachable

    def failure(self) -> str:
        """Why the brokers did not answer the watch, "" when they did."""
        return self._watch.failure

    def ended(self) -> bool:
        """Never: a topic has no end."""
        return False

    # leaving

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Mirror positions as the group's offsets, without waiting for it."""
        self._mirror.commit(positions)

    def close(self, timeout_s: float = 5.0) -> None:
        """Close all connections; commits nothing."""
        self._watch.close(timeout_s)
        self._group.close(timeout_s)
        self._mirror.close(timeout_s)
        close_quietly(lambda: self._consumer.close(autocommit=False, timeout_ms=round(timeout_s * 1000)))


def _beyond_end(targets: Iterable[TopicPartition]) -> PositionsLost:
    names = ", ".join(sorted(str(Partition(*target)) for target in targets))
    return PositionsLost(
        f"the position lies beyond the end of {names}: the topic was made again or its log was cut; remove the state "
        "folder to begin afresh, or restore the topic"
    )


def _unreadable(passed: Passed) -> UnreadableRecords:
    partition, words = Partition(*passed.target), WORDS[passed.reason]
    return UnreadableRecords(partition, passed.first, passed.next, passed.records, passed.reason, words, passed.data)
