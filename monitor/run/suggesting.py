"""`driftd fields suggest`: the settings of one's own layout for a topic or a file, with what is not sure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import yaml

from monitor.clock import Clock
from monitor.decode.encodings.encoding import RecordInfo
from monitor.decode.fields.suggest import Choice, Suggestion, suggest
from monitor.decode.values import NO_TIME
from monitor.errors import RejectedRecord, UsageError
from monitor.records import RecordBatch
from monitor.run.decoders import encoding_of
from monitor.run.open_source import SCHEME, Given, newest_records
from monitor.settings.tree import Settings
from monitor.text import listed, many
from monitor.visible import one_line

#: records that are looked at
RECORDS: Final = 1_000
_NAMED: Final = 10


def suggested_settings(source: str, settings: Settings, clock: Clock) -> str:
    """The settings of an input as YAML with comments; of a topic its newest records are looked at.

    Raises:
        UsageError: there is no record, or none that can be read; ExternalError: Kafka does not answer.
    """
    batches, topic = _records(source, settings, clock)
    trees, rejected = _trees(settings, topic, batches)
    if not trees:
        why = f"; the first is rejected: {rejected}" if rejected else ""
        raise UsageError(f"{source}: no record holds an object{why}")
    found = suggest(trees)
    return "\n".join(map(one_line, _lines(found, topic, settings)))


def _records(source: str, settings: Settings, clock: Clock) -> tuple[list[RecordBatch], str]:
    if source.startswith(SCHEME):
        topic = source.removeprefix(SCHEME).partition("?")[0].partition("/")[0]
        return newest_records(settings.kafka, clock, topic, settings.limits.record_bytes, RECORDS), topic
    given = Given([source], settings, clock, as_columns=True)
    opened = given.open()
    batches: list[RecordBatch] = []
    try:
        while not opened.ended() and sum(map(len, batches)) < RECORDS:
            batches += opened.poll(())
    finally:
        opened.close()
        given.close()
    return batches, Path(source).name.partition(".")[0]


def _trees(settings: Settings, topic: str, batches: Iterable[RecordBatch]) -> tuple[list[object], str]:
    """The records that can be read, and why the first other one cannot."""
    encoding, why = encoding_of(settings, topic), ""
    trees: list[object] = []
    for batch in batches:
        for place, value in enumerate(batch.values):
            if value is None or len(trees) >= RECORDS:
                continue
            try:
                trees.append(encoding.read(value, RecordInfo(batch, place, NO_TIME)))
            except RejectedRecord as error:
                why = why or error.message
    return [tree for tree in trees if _holds_an_object(tree)], why


def _holds_an_object(tree: object) -> bool:
    return isinstance(tree, dict) or (isinstance(tree, list) and any(isinstance(one, dict) for one in tree))


def _lines(found: Suggestion, topic: str, settings: Settings) -> Iterable[str]:
    entry = settings.input_of(topic)
    yield f"# from {many(found.records, 'row' if found.rows else 'record')}; look at each line marked unsure"
    yield "inputs:"
    yield f"  - topic: {_flow(topic)}"
    yield "    format: fields"
    if entry is not None and entry.topic == topic and entry.encoding != "json":
        yield f"    encoding: {entry.encoding}"
    if found.rows:
        yield f"    rows: {_flow(found.rows)}"
    if found.needs_timezone:
        yield "    timezone: UTC  # unsure: the times have no offset; where is their clock?"
    yield "    fields:"
    for choice in found.choices:
        yield from _choice(choice)
    for name, why in found.missing:
        yield f"      # {name}: unsure: {why}"
    if found.unread:
        yield f"# nobody reads: {listed(found.unread, _NAMED)}"


def _choice(choice: Choice) -> Iterable[str]:
    seen = "; ".join(filter(None, (choice.seen, f"unsure: {choice.unsure}" if choice.unsure else "")))
    yield f"      {choice.name}: {_flow(choice.place)}{f'  # {seen}' if seen else ''}"


def _flow(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
