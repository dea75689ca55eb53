"""How records come out of kafka-python, chosen and checked at the start.

Fast: record batches are unpacked by ourselves. Turned off, or where the self-check fails: the same batches, each record
decoded by the library. Where a version of the library lacks what both take hold of: its public `poll`.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import kafka
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.structs import TopicPartition

from monitor.kafka import codecs
from monitor.kafka.batch_header import intact_head
from monitor.kafka.batches import PartitionBatches
from monitor.kafka.fetch_state import FetchState, PollIsFull
from monitor.kafka.opened_batch import opened_batch
from monitor.kafka.record_batch import Chunk, chunk_of
from monitor.kafka.socket_reads import TRIED, read_large_pieces
from monitor.kafka.unpack import unpack
from monitor.log import get_log
from monitor.records import Envelope

_log = get_log(__name__)

#: why records are not unpacked by ourselves: the label of the series
FAST, TURNED_OFF, SELF_CHECK, PUBLIC = "", "turned_off", "self_check", "public_poll"

#: what is taken hold of inside the library, besides what `PartitionBatches` is called with
_FETCHER: Final = ("_parse_fetched_data", "_next_in_line_exception_metadata", "_next_partition_records")
_RECORDS: Final = ("_buffer", "_pos", "_next_slice", "_remaining_bytes", "_cache_next")
_ARGUMENTS: Final = {
    "fetch_offset", "tp", "records", "isolation_level", "aborted_transactions", "metric_aggregator", "on_drain",
}  # fmt: skip

_CODECS: Final[Mapping[str, int]] = {
    "no codec": 0, "gzip": codecs.GZIP, "snappy": codecs.SNAPPY, "lz4": codecs.LZ4, "zstd": codecs.ZSTD,
}  # fmt: skip
_LIMIT: Final = 1 << 20
#: the batch of the self-check: key, value and headers of each record
_SAMPLE: Final[tuple[Envelope, ...]] = (
    Envelope(None, ()),
    Envelope(b"", ()),
    Envelope(b"k" * 70, (("trace", b"0"), ("empty", b""), ("none", None))),
    Envelope(b"key", (("h", b"x" * 9_000),)),
    Envelope(b"k", ()),
)
_VALUES: Final = (b'{"id": 1}', None, b"", b"v" * 63, b"v" * 20_000)
_TIMES_MS: Final = (1_764_000_000_000, 1_764_000_000_001, 1_763_999_999_000, 1_800_000_000_000, 1_764_000_000_002)
_FIRST: Final = 1_234_567


class ReadingPath:
    """The way that was chosen: `reason` is FAST, or why it is another one; logged with words. `state.fast` is set."""

    def __init__(self, consumer: Any, state: FetchState, *, wanted: bool) -> None:  # noqa: ANN401  # of the library
        self._fetcher, self._state = consumer._fetcher, state
        self.reason, why = _chosen(self._fetcher, wanted=wanted)
        state.fast = self.reason == FAST
        if self.reason != PUBLIC:
            self._install()
        if self.reason == FAST:
            read_large_pieces(consumer)
        if why:
            harm = "damaged batches stop reading, and it takes more CPU" if self.reason == PUBLIC else "more CPU"
            _log.warning("fast_path_not_taken", why=why, consequence=harm)
        elif self.reason == FAST and kafka.__version__ not in TRIED:
            _log.info("fast_path_untried", library=f"kafka-python {kafka.__version__}", tried=", ".join(TRIED))

    def _install(self) -> None:
        """Make the fetcher use `PartitionBatches`, and note CORRUPT_MESSAGE by partition.

        The library raises for such an answer without naming the partition.
        """
        parse, state = self._fetcher._parse_fetched_data, self._state

        def parse_unless_corrupt(completion: Any) -> Any:  # noqa: ANN401
            if completion.partition_data.error_code == CorruptRecordError.errno:
                state.corrupt.add(completion.topic_partition)
                return None
            return parse(completion)

        self._fetcher._parse_fetched_data = parse_unless_corrupt
        self._fetcher.PartitionRecords = partial(PartitionBatches, state)

    def before_poll(self) -> None:
        """Begin to count the bytes of a poll, and clear an exhausted batch of the library's fetcher.

        Until another fetch replaces it, kafka-python 3.0.12 never returns the records of a partition that was paused.
        """
        self._state.new_poll()
        if self.reason == PUBLIC:
            return
        fetcher = self._fetcher
        kept = fetcher._next_in_line_exception_metadata
        if kept is not None and isinstance(kept.exception, PollIsFull):
            fetcher._next_in_line_exception_metadata = None
        if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
            fetcher._next_partition_records = None

    def chunks(self, polled: list[Any]) -> list[Chunk]:
        """What the library's `poll` gave of one partition."""
        return [chunk_of(polled)] if self.reason == PUBLIC else polled


def _chosen(fetcher: Any, *, wanted: bool) -> tuple[str, str]:  # noqa: ANN401
    """The reason, and the words for it if it is not meant so."""
    if absent := _absent(fetcher):
        return PUBLIC, f"kafka-python {kafka.__version__} has no {absent}"
    if not wanted:
        return TURNED_OFF, ""
    wrong = self_check()
    return (SELF_CHECK, wrong) if wrong else (FAST, "")


def _absent(fetcher: Any) -> str:  # noqa: ANN401
    """What is taken hold of and this version of the library does not have; "" if it has all."""
    names = [name for name in _FETCHER if not hasattr(fetcher, name)]
    names += [f"MemoryRecords.{name}" for name in _RECORDS if not hasattr(MemoryRecords(b""), name)]
    taken = getattr(Fetcher, "PartitionRecords", None)
    if taken is None:
        return ", ".join([*names, "PartitionRecords"])
    names += [f"{name} of PartitionRecords" for name in sorted(_ARGUMENTS - set(_parameters(taken)))]
    return ", ".join(names)


def _parameters(taken: Any) -> Iterable[str]:  # noqa: ANN401
    return inspect.signature(taken).parameters


def self_check() -> str:
    """Unpack a batch of every codec and compare with the library's decoder; what is wrong, "" if nothing is."""
    for name, codec in _CODECS.items():
        try:
            made = _sample(codec)
            expected = chunk_of(list(MemoryRecords(made).next_batch()))
            found = _unpacked(made)
        except Exception as error:  # noqa: BLE001  # of a library that has changed
            return f"the self-check of {name} failed: {type(error).__name__}: {error}"
        if found is None:
            return f"the self-check of {name} failed: the batch is not understood"
        if fault := _difference(found, expected):
            return f"the self-check of {name} failed: {fault} differ from those of the library's decoder"
    return ""


def _sample(codec: int) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=_LIMIT,
    )  # fmt: skip
    for at, (time_ms, value, (key, headers)) in enumerate(zip(_TIMES_MS, _VALUES, _SAMPLE, strict=True)):
        builder.append(3 * at, timestamp=time_ms, key=key, value=value, headers=list(headers))
    return struct.pack(">q", _FIRST) + bytes(builder.build())[8:]


def _unpacked(made: bytes) -> Chunk | None:
    """The records of a batch by the function, or nothing that `PartitionBatches` would not give as well."""
    raw = memoryview(made)
    head = intact_head(raw)
    chunk = None if head is None else unpack([opened_batch(head, raw, made, len(made), _LIMIT).span()])
    reading = FetchState(lambda _: None, _LIMIT, _LIMIT)
    given = PartitionBatches(reading, _FIRST, TopicPartition("", 0), MemoryRecords(made)).take(len(_VALUES))
    whole = chunk is not None and len(given) == len(chunk) and not _difference(next(iter(given)), chunk)
    return chunk if whole else None


def _difference(found: Chunk, expected: Chunk) -> str:
    pairs = {
        "values": (list(found.values), list(expected.values)),
        "offsets": (found.offsets.tolist(), expected.offsets.tolist()),
        "times": (found.times_ms.tolist(), expected.times_ms.tolist()),
        "keys and headers": (_envelopes(found), _envelopes(expected)),
    }
    return ", ".join(name for name, (one, other) in pairs.items() if one != other)


def _envelopes(chunk: Chunk) -> list[Envelope]:
    return [chunk.envelope(at) for at in range(len(chunk))]
