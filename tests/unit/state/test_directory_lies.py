"""A checkpoint of any bytes with a checksum that fits is read, or it is damage; it takes no more memory than it has."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from pathlib import Path

import crc32c
import numpy as np
import pytest
import zstandard

from monitor.state.directory import Loaded, StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    with StateDirectory(tmp_path) as directory:
        yield directory


def checkpoint(sequence: int) -> str:
    return f"checkpoint-{sequence:020d}.driftd"


def loaded(state: StateDirectory) -> Loaded:
    found = state.load(read_only=True)
    assert found is not None
    return found


def written(path: Path, head: bytes, payload: bytes) -> None:
    """A file whose checksum fits whatever else is wrong with it."""
    content = head + payload
    path.write_bytes(content + crc32c.crc32c(content).to_bytes(4, "little"))


def framed(plain: bytes, *, messages: int) -> bytes:
    """A zstd frame that says another length than it has: the single-segment kind with eight bytes of length."""
    packed = zstandard.ZstdCompressor().compress(plain)
    blocks = packed[zstandard.frame_header_size(packed) :]
    return packed[:4] + bytes([0xE0]) + messages.to_bytes(8, "little") + blocks


LIES = [1 << 33, 1 << 40, (1 << 64) - 1]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("where", ["head", "frame", "both", "array"])
def test_a_length_that_is_a_lie_is_damage_and_takes_no_memory(state: StateDirectory, where: str, lie: int) -> None:
    state.save(1, {"n": 1})
    state.save(2, {"n": 2, "counts": np.arange(40)})
    path = state.path / checkpoint(2)
    whole = path.read_bytes()[:-4]
    head, payload = whole[:34], whole[34:]
    plain = zstandard.ZstdDecompressor().decompress(payload)
    if where == "array":
        plain = plain.replace((40).to_bytes(8, "little"), lie.to_bytes(8, "little"))
        payload = zstandard.ZstdCompressor().compress(plain)
    if where in {"frame", "both"}:
        payload = framed(plain, messages=lie)
    messages = lie if where in {"head", "both"} else len(plain)
    head = head[:18] + len(payload).to_bytes(8, "little") + messages.to_bytes(8, "little")
    written(path, head, payload)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = loaded(state)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10, "KiB"
    assert found.tree == {"n": 1}
    assert [bad for bad, _ in found.damaged] == [path]


def test_a_file_that_unpacks_to_more_than_it_says_is_left_off_there(state: StateDirectory) -> None:
    state.save(1, {"n": 1})
    payload = zstandard.ZstdCompressor().compress(b"0" * (256 << 20))
    head = b"driftd\x1a\n" + (1).to_bytes(2, "little") + b"".join(n.to_bytes(8, "little") for n in (2, len(payload), 9))
    written(state.path / checkpoint(2), head, payload)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert loaded(state).sequence == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10, "KiB"


REGIONS = ["head", "payload", "plain"]


@pytest.mark.parametrize("region", REGIONS)
def test_bytes_of_any_kind_under_a_checksum_that_fits_are_a_tree_or_damage(state: StateDirectory, region: str) -> None:
    state.save(1, {"n": 1})
    tree = {"n": 2, "counts": np.arange(40), "large": 1 << 90, "list": [1, None, 2.5, b"x", "y"], "deep": {"a": {}}}
    state.save(2, tree)
    path = state.path / checkpoint(2)
    whole = path.read_bytes()[:-4]
    head, payload = whole[:34], whole[34:]
    plain = zstandard.ZstdDecompressor().decompress(payload)
    outcomes = set()
    for seed in range(1_500):
        rng = random.Random(seed)
        if region == "head":
            written(path, spoilt(head, rng), payload)
        elif region == "payload":
            written(path, head, spoilt(payload, rng))
        else:
            packed = zstandard.ZstdCompressor(level=1).compress(bad := spoilt(plain, rng))
            written(path, head[:18] + len(packed).to_bytes(8, "little") + len(bad).to_bytes(8, "little"), packed)
        found = loaded(state)
        assert isinstance(found.tree, dict)
        outcomes.add(found.sequence)
    assert outcomes >= ({1, 2} if region == "plain" else {1})


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """The same length with one to four other bytes, some of them as large as they can be."""
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 5)):
        changed[rng.randrange(len(changed))] = rng.choice([0xFF, 0x7F, 0, rng.randrange(256)])
    return bytes(changed)
