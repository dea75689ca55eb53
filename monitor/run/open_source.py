"""`SOURCE` arguments of commands: files, or a range of a topic as `kafka://topic?from=…&to=…`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from monitor.clock import Clock, parse_rfc3339
from monitor.errors import PermanentError, UsageError
from monitor.events import Partition
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.topics import describe_cluster, require_topics
from monitor.records import Change, RecordBatch, Source
from monitor.run.decoders import decoder_of
from monitor.settings.kafka import Kafka
from monitor.settings.places import FieldPath
from monitor.settings.tree import Settings
from monitor.sources.event_times import EventTimes
from monitor.sources.files import Files, ReadOptions
from monitor.sources.recordings import ENDINGS as RECORDINGS
from monitor.sources.until_offsets import UntilOffsets
from monitor.text import many

SCHEME = "kafka://"
#: at most 18 digits, which fit into the protocol's 64 bits
_NUMBER = re.compile("[0-9]{1,18}")
#: by partition the first offset that is read, and the one after the last
Range = Mapping[Partition, tuple[int, int]]
#: how long the newest records of a topic are waited for
_SAMPLE_SECONDS: Final = 10
#: most partitions in a list
_NAMED: Final = 10


class OpenSource(Source, Protocol):
    """A source that ends and is closed."""

    def close(self) -> None: ...

    def progress(self) -> tuple[int, int]: ...

    def place(self, partition: Partition, offset: int, /) -> str: ...


class Given:
    """The SOURCE arguments of a command: any number of files, or one range of a topic."""

    def __init__(
        self,
        sources: Sequence[str],
        settings: Settings,
        clock: Clock,
        csv_map: Mapping[str, str] | None = None,
        *,
        sort: bool = False,
        again: bool = False,
        as_columns: bool = False,
    ) -> None:
        """`sort`: `.jsonl` files are read in time order; `again`: they are opened more than once; `as_columns`: rows of
        tables are objects of their columns in the order of the file.

        Raises:
            UsageError: topics and files mixed, or an invalid argument.
        """
        topics = [source for source in sources if source.startswith(SCHEME)]
        if len(topics) > 0 and len(sources) > 1:
            raise UsageError(f"{topics[0]}: a topic is read alone; record it first to combine it with other sources")
        if topics and csv_map is not None:
            raise UsageError("--map is for .csv and .parquet files, and a topic is given")
        if sort and (topics or any(Path(source).name.lower().endswith(RECORDINGS) for source in sources)):
            raise UsageError("--sort: records of a topic have their order from it; it is for .jsonl files")
        self._topic = topics[0] if topics else ""
        self._range: Range | None = None
        self._settings, self._clock = settings, clock
        texts = set() if as_columns else _texts_of_tables(settings)
        if texts is not None and csv_map is not None:
            where = "fields says where each field is" if settings.inputs[0].fields else "format says what columns are"
            raise UsageError(f"--map: inputs[0].{where}; leave --map out")
        limit = settings.limits.record_bytes
        times_of = None if as_columns else EventTimes(settings, decoder_of)
        reading = ReadOptions(csv_map, limit, times_of, sort=sort, again=again, csv_texts=texts)
        self._files = None if topics else Files([Path(source) for source in sources], clock, reading)

    def open(self) -> OpenSource:
        """The source from its beginning; each time the same records.

        Raises:
            UsageError: a file is damaged, or not of the type its name says.
            ExternalError: Kafka does not answer.
        """
        if self._files is None:
            limit = self._settings.limits.record_bytes
            source = OffsetRange(
                self._topic, self._settings.kafka, self._clock, record_bytes=limit, same_as=self._range
            )
            self._range = source.range()
            return source
        return self._files.open()

    def notes(self) -> list[str]:
        """Notes on the files that were opened."""
        return [] if self._files is None else self._files.notes()

    def close(self) -> None:
        """Remove what was kept for another pass."""
        if self._files is not None:
            self._files.close()


def _texts_of_tables(settings: Settings) -> set[str] | None:
    """The columns that stay text, where the only input reads a table's columns as its own; None elsewhere."""
    only = settings.inputs[0]
    if len(settings.inputs) > 1 or (only.fields is None and only.format == "native"):
        return None
    single = {} if only.fields is None else only.fields.single()
    places = [single.get(name) for name in ("type", "id", "model", "version")]
    return {str(place.steps[0]) for place in places if isinstance(place, FieldPath) and len(place.steps) == 1}


class OffsetRange:
    """The records of a topic between two places, each a time, an offset, `earliest` or `latest`."""

    def __init__(
        self,
        url: str,
        kafka: Kafka,
        clock: Clock,
        *,
        record_bytes: int = 1 << 20,
        same_as: Range | None = None,
        newest: int | None = None,
    ) -> None:
        """`kafka://TOPIC[/PARTITION]?from=PLACE&to=PLACE`; default from `earliest` to the current `latest`.

        A place is RFC 3339 with offset, Unix milliseconds, `offset:N`, `earliest` or `latest`; `to` is exclusive.
        `kafka://TOPIC/PARTITION?offsets=FIRST-LAST` includes both ends, as in a finding's `records`.
        `record_bytes` limits decompressed batches as in the daemon; `same_as`: the range of an earlier pass; `newest`:
        only so many offsets before the end of each partition.
        """
        topic, only, begin, end = _parsed(url)
        quality_counts = describe_cluster(kafka, [topic])
        if topic in quality_counts.missing:
            raise PermanentError(f"{url}: the topic {topic} does not exist on {', '.join(kafka.bootstrap_servers)}")
        require_topics(quality_counts, kafka, inputs=[topic], outputs=[], config_file="F")
        self._source = KafkaSource(kafka, quality_counts, clock, record_bytes=record_bytes)
        try:
            self._begin(url, topic, only, begin, end, same_as, newest)
        except Exception:
            self._source.close()
            raise

    def _begin(
        self,
        url: str,
        topic: str,
        only: int | None,
        begin: str | int,
        end: str | int,
        same_as: Range | None,
        newest: int | None,
    ) -> None:
        partitions = self._source.partitions()
        if only is not None and Partition(topic, only) not in partitions:
            raise UsageError(f"{url}: the topic {topic} has the partitions 0 to {len(partitions) - 1}, not {only}")
        first, last = self._source.resolve_start("earliest"), self._source.resolve_start("latest")
        begins, ends = self._places(begin, first, last), self._places(end, first, last)
        wanted = [p for p in partitions if only is None or p.number == only]
        self._begins = {p: min(max(begins[p], first[p]), last[p]) for p in wanted}
        self._ends = {p: min(ends[p], last[p]) for p in wanted}
        if newest is not None:
            self._begins = {p: max(begin, self._ends[p] - newest) for p, begin in self._begins.items()}
        if same_as is not None:
            if gone := [str(p) for p, (begins_at, ends_at) in same_as.items() if begins_at < min(first[p], ends_at)]:
                text = f"the topic deleted records of {', '.join(gone)} since the first pass; driftd record keeps them"
                raise UsageError(f"{url}: {text}")
            self._begins, self._ends = ({p: of[at] for p, of in same_as.items()} for at in (0, 1))
        self._held = {p: (first[p], last[p]) for p in wanted}
        self._source.begin({p: self._begins.get(p, last[p]) for p in partitions})
        self._upto = UntilOffsets(self._source, self._ends, self._begins)

    def _places(
        self, place: str | int, first: Mapping[Partition, int], last: Mapping[Partition, int]
    ) -> Mapping[Partition, int]:
        if isinstance(place, str) and place.startswith("offset:"):
            return dict.fromkeys(first, int(place.removeprefix("offset:")))
        if place == "earliest":
            return first
        return last if place == "latest" else self._source.resolve_start(place)

    def partitions(self) -> list[Partition]:
        return self._upto.partitions()

    def changes(self) -> list[Change]:
        return self._upto.changes()

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        return self._upto.poll(paused)

    def at_end(self, partition: Partition) -> bool:
        return self._upto.at_end(partition)

    def ended(self) -> bool:
        return self._upto.ended()

    def progress(self) -> tuple[int, int]:
        """Offsets passed, of all."""
        passed = sum(min(self._source.position(p), end) - self._begins[p] for p, end in self._ends.items())
        return passed, sum(max(end - self._begins[p], 0) for p, end in self._ends.items())

    def range(self) -> Range:
        """The offsets of each partition that are read: the first one, and the one after the last."""
        return {partition: (begin, self._ends[partition]) for partition, begin in self._begins.items()}

    def contents(self) -> str:
        """Offsets of its partitions, inside the range or not: `events-0 holds the offsets 0 to 9,999`."""
        held = [
            f"{p} holds the offsets {first:,} to {last - 1:,}" if first < last else f"{p} is empty"
            for p, (first, last) in self._held.items()
        ]
        more = [f"and {many(len(held) - _NAMED, 'more partition')}"] if len(held) > _NAMED else []
        return ", ".join([*held[:_NAMED], *more])

    def place(self, partition: Partition, offset: int) -> str:
        return f"{partition}@{offset}"

    def close(self) -> None:
        self._source.close()


def _parsed(url: str) -> tuple[str, int | None, str | int, str | int]:
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket would begin an IPv6 address
        raise UsageError(f"{url}: is not a topic; write kafka://TOPIC?from=PLACE&to=PLACE") from None
    query = parse_qs(parts.query, keep_blank_values=True)
    unknown = sorted(set(query) - {"from", "to", "offsets"})
    only = parts.path.strip("/")
    if not parts.netloc or unknown or (only and not _NUMBER.fullmatch(only)):
        raise UsageError(
            f"{url}: write kafka://TOPIC?from=PLACE&to=PLACE, or kafka://TOPIC/PARTITION?offsets=FIRST-LAST"
        )
    if "offsets" in query:
        first, last = _first_and_last(url, only, query)
        return unquote(parts.netloc), int(only), f"offset:{first}", f"offset:{last + 1}"
    begin, end = (
        _place(url, query.get(name, [default])[-1]) for name, default in (("from", "earliest"), ("to", "latest"))
    )
    return unquote(parts.netloc), int(only) if only else None, begin, end


def _first_and_last(url: str, only: str, query: Mapping[str, list[str]]) -> tuple[int, int]:
    """`offsets=FIRST-LAST`, both inclusive as in a finding's `records`."""
    first, _, last = query["offsets"][-1].partition("-")
    if not only or len(query) > 1 or not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(last)):
        raise UsageError(f"{url}: write kafka://TOPIC/PARTITION?offsets=FIRST-LAST, as a finding names them")
    return int(first), int(last)


def _place(url: str, text: str) -> str | int:
    if text in {"earliest", "latest"} or (text.startswith("offset:") and _NUMBER.fullmatch(text, len("offset:"))):
        return text
    if _NUMBER.fullmatch(text):
        return int(text)
    try:
        return parse_rfc3339(text.replace(" ", "+")) // 1000
    except ValueError:
        raise UsageError(
            f"{url}: {text!r} is not a PLACE; write 2026-11-22T10:00Z, Unix milliseconds, offset:N, earliest or latest"
        ) from None


def newest_records(kafka: Kafka, clock: Clock, topic: str, record_bytes: int, most: int) -> list[RecordBatch]:
    """The newest records of a topic: at most `most` of each partition, and what comes of them within ten seconds.

    Raises:
        ExternalError: Kafka does not answer, or refuses.
    """
    source = OffsetRange(f"{SCHEME}{topic}", kafka, clock, record_bytes=record_bytes, newest=most)
    batches: list[RecordBatch] = []
    until = clock.monotonic() + _SAMPLE_SECONDS
    try:
        while not source.ended() and clock.monotonic() < until:
            batches += source.poll(())
    finally:
        source.close()
    return batches
