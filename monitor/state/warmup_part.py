"""The state of a warm-up as parts: what is known of it, each full block of its rows, and the rows of open panes.

A block never changes, so that a checkpoint writes only the rows that came since the last one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from monitor.count.warmup.rows import Chunk, OpenRows, WarmupRows, packed_lines, unpacked_lines
from monitor.events import ModelKey, Partition
from monitor.judge.warmup import Warmup, WarmupState
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.reference import Reference
from monitor.state.part_files import Part
from monitor.state.versions import Tree, require_version

VERSION: Final = 1
PREFIX: Final = "warmup/"
BLOCK_PREFIX: Final = "warmup-rows/"
OPEN_PREFIX: Final = "warmup-open/"


class _Warmup(msgspec.Struct):
    model: str
    model_version: str
    meaning: str
    predictions: int
    events: int
    labels: int
    base_windows: int
    base_events: int
    start: int
    at: int
    blocks: int
    tail: bytes
    reference: str
    failure: str
    passed: int = 0
    failures: int = 0


class _Open(msgspec.Struct):
    model: str
    model_version: str
    chunks: list[list[Any]]


def parts_of(warmup: Warmup, rows: WarmupRows) -> Iterator[Part]:
    """The parts of a warm-up."""
    state = warmup.state
    name = json.dumps(state.key, ensure_ascii=False)
    yield Part(PREFIX + name, (warmup.mark(), state.meaning), lambda: encode(state))
    for number, block in enumerate(state.blocks):
        yield Part(BLOCK_PREFIX + json.dumps([*state.key, number], ensure_ascii=False), state.start_us, _block(block))
    if state.reference is None:
        yield Part(OPEN_PREFIX + name, rows.mark(state.key), lambda: encode_open(rows.to_state(state.key)))


def _block(block: bytes) -> Any:  # noqa: ANN401 - makes a tree
    return lambda: {"version": VERSION, "lines": block}


def encode(state: WarmupState) -> Tree:
    """The tree of a warm-up, without its blocks."""
    return {
        "version": VERSION,
        "model": state.key.model,
        "model_version": state.key.version,
        "meaning": state.meaning,
        "predictions": state.predictions,
        "events": state.events,
        "labels": state.labels,
        "base_windows": state.base_windows,
        "base_events": state.base_events,
        "start": state.start_us,
        "at": state.at_us,
        "blocks": len(state.blocks),
        "tail": packed_lines(state.tail),
        "reference": "" if state.reference is None else _text_of(state.reference),
        "failure": state.failure,
        "passed": state.passed,
        "failures": state.failures,
    }


def _text_of(reference: Reference) -> str:
    return json.dumps({**to_json(reference), "hash": reference.hash})


def decode(tree: Tree, blocks: Mapping[tuple[ModelKey, int], bytes]) -> WarmupState:
    """The inverse of `encode`.

    Raises:
        msgspec.ValidationError, LookupError, TypeError, ValueError: the tree does not come from `encode`, or a block is
            missing.
    """
    require_version(tree, VERSION)
    read = msgspec.convert(tree, _Warmup)
    key = ModelKey(read.model, read.model_version)
    state = WarmupState(
        key,
        read.meaning,
        read.predictions,
        read.events,
        read.labels,
        read.base_windows,
        read.base_events,
        read.start,
        read.at,
        [blocks[key, number] for number in range(read.blocks)],
        unpacked_lines(read.tail),
        from_json(json.loads(read.reference)) if read.reference else None,
        read.failure,
        read.passed,
        read.failures,
    )
    if state.failure and not state.failures:  # of a version with which a failed warm-up did not begin again
        state.begin_again(state.failure)
    return state


def block_of(name: str, tree: Tree) -> tuple[tuple[ModelKey, int], bytes]:
    """A block of rows, from the name and the tree of its part."""
    require_version(tree, VERSION)
    model, version, number = json.loads(name.removeprefix(BLOCK_PREFIX))
    return (ModelKey(model, version), number), bytes(tree["lines"])


def encode_open(rows: OpenRows) -> Tree:
    """The tree of rows of open panes."""
    return {
        "version": VERSION,
        "model": rows.key.model,
        "model_version": rows.key.version,
        "chunks": [
            [start_us, *chunk.partition, chunk.ts, chunk.offset, chunk.packed]
            for start_us, chunks in rows.panes.items()
            for chunk in chunks
        ],
    }


def decode_open(tree: Tree) -> OpenRows:
    """The inverse of `encode_open`; raises as `decode` does."""
    require_version(tree, VERSION)
    read = msgspec.convert(tree, _Open)
    rows = OpenRows(ModelKey(read.model, read.model_version))
    for start_us, topic, number, ts, offset, packed in read.chunks:
        chunk = Chunk(Partition(topic, number), np.array(ts, np.int64), np.array(offset, np.int64), bytes(packed))
        rows.panes.setdefault(start_us, []).append(chunk)
    return rows
