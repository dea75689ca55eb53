"""Rows that only grow are written once, and every kept checkpoint finds its numbers whatever happens to the process."""

from __future__ import annotations

import errno
import os
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import crc32c
import numpy as np
import pytest
import zstandard

from monitor.count.event_ids import EventIds
from monitor.errors import ExternalError, UsageError
from monitor.state import codec, segments
from monitor.state.directory import Loaded, StateDirectory
from monitor.state.part_files import Part
from monitor.stats.tallies.growing import Growing, Numbers

ROOM: Final = 200


def number_at(name: str, place: int) -> int:
    """Any rule will do by which a place has one number."""
    return (place + 1) * 2_654_435_761 * (len(name) + 1) % 2**64


def numbers(name: str, first: int, end: int) -> Numbers:
    return np.array([number_at(name, place) for place in range(first, end)], np.uint64)


def row(name: str, end: int, room: int = ROOM) -> Growing:
    return Growing(name, max(0, end - room), end, lambda low, high: numbers(name, low, high))


def tree(ends: dict[str, int], room: int = ROOM) -> dict[str, Any]:
    return {"ends": ends, "lanes": [{"ids": row(name, end, room)} for name, end in ends.items()]}


def save(state: StateDirectory, sequence: int, ends: dict[str, int], room: int = ROOM) -> int:
    """With a part for each row, which holds it under another name, and one that never changes."""
    rows = [(name, row(f"part-{name}", end, room)) for name, end in ends.items()]
    still = Part("still", 0, partial(dict, end=0, ids={}))
    parts = [Part(name, one.end, partial(dict, end=one.end, ids=one), [one]) for name, one in rows]
    return state.save(sequence, tree(ends, room), [*parts, still])


def require_whole(found: dict[str, Any], room: int = ROOM) -> None:
    for (name, end), partition_state in zip(found["ends"].items(), found["lanes"], strict=True):
        first = max(0, end - room)
        assert partition_state["ids"]["first"] == first
        assert partition_state["ids"]["keys"].tolist() == numbers(name, first, end).tolist()


def restored(folder: Path) -> tuple[int, dict[str, Any]]:
    found = StateDirectory(folder).load(read_only=True)
    assert found is not None
    assert found.damaged == ()
    require_whole(found.tree)
    require_parts(found)
    return found.sequence, found.tree


def require_parts(found: Loaded) -> None:
    assert {name: part["end"] for name, part in found.parts.items()} == found.tree["ends"] | {"still": 0}
    for name, end in found.tree["ends"].items():
        keys = numbers(f"part-{name}", max(0, end - ROOM), end)
        assert found.parts[name]["ids"]["keys"].tolist() == keys.tolist()


def segment_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("ids-*"))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    with StateDirectory(tmp_path / "state") as directory:
        yield directory


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 512)
    monkeypatch.setattr(segments, "FRAME_NUMBERS", 16)


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for a disk where a test is not about it."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def test_only_what_came_is_written(state: StateDirectory) -> None:
    full = save(state, 1, {"a-0": 100_000}, room=100_000)
    assert full > 800_000
    little = save(state, 2, {"a-0": 100_010}, room=100_000)
    assert little < 80 + 400
    found = state.load(read_only=True)
    assert found is not None
    require_whole(found.tree, room=100_000)


def test_another_process_goes_on_without_writing_them_again(state: StateDirectory) -> None:
    save(state, 1, {"a-0": 5_000}, room=5_000)
    state.close()
    with StateDirectory(state.path) as heir:
        assert heir.load() is not None
        assert save(heir, 2, {"a-0": 5_001}, room=5_000) < 400
        found = heir.load(read_only=True)
        assert found is not None
        require_whole(found.tree, room=5_000)


@pytest.mark.usefixtures("short_segments", "no_disk")
@pytest.mark.parametrize("slow", [0, 1, 30])
def test_files_and_bytes_stay_bounded_however_unevenly_rows_grow(state: StateDirectory, slow: int) -> None:
    rng = random.Random(slow)
    ends = {"quick-0": 0, "slow-0": 0, "still-0": 150}
    most, needed = 0, 2 * 3 * ROOM * 8
    for sequence in range(1, 150):
        ends["quick-0"] += rng.choice([0, 3, 40, 500])
        ends["slow-0"] += slow * (sequence % 7 == 0)
        save(state, sequence, ends)
        restored(state.path)
        most = max(most, sum(path.stat().st_size for path in state.path.glob("ids-*")))
        assert len(segment_names(state.path)) <= 2 * needed // 512 + 2 * segments.SPARE_SEGMENTS + 10
    # what is referred to, what the checkpoint before refers to, the heads of frames
    assert most < 3 * (2 * needed + (segments.SPARE_SEGMENTS + 2) * 512)


@pytest.mark.usefixtures("short_segments", "no_disk")
def test_many_short_lives_leave_few_segments(state: StateDirectory) -> None:
    state.close()
    for sequence in range(1, 80):
        with StateDirectory(state.path) as life:
            assert (life.load() is None) == (sequence == 1)
            save(life, sequence, {"a-0": sequence * 2})
            restored(state.path)
    assert len(segment_names(state.path)) <= 2 * segments.SPARE_SEGMENTS + 10


def test_both_kept_checkpoints_can_be_read(state: StateDirectory) -> None:
    for sequence in range(1, 30):
        save(state, sequence, {"a-0": sequence * 60, "b-0": sequence})
        if sequence > 1:
            newest = state.path / f"checkpoint-{sequence:020d}.driftd"
            newest.rename(hidden := state.path / "hidden")
            assert restored(state.path)[0] == sequence - 1
            hidden.rename(newest)


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_to_what_only_the_newest_refers_to_leaves_the_one_before(state: StateDirectory, harm: str) -> None:
    save(state, 1, {"a-0": 50})
    state.close()
    with StateDirectory(state.path) as second:
        second.load()
        save(second, 2, {"a-0": 90})
        before, added = sorted(state.path.glob("ids-*"))
        content = added.read_bytes()
        if harm == "remove":
            added.unlink()
        else:
            added.write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if harm == "flip" else b""))
    with StateDirectory(state.path) as third:
        found = third.load()
        assert found is not None
        assert found.sequence == 1
        ((path, why),) = found.damaged
        assert path.name == f"checkpoint-{2:020d}.driftd"
        assert added.name in why
        require_whole(found.tree)
        save(third, 2, {"a-0": 95})
        assert restored(state.path)[0] == 2
        aside = [] if harm == "remove" else [added.name + ".aside"]
        assert [name for name in segment_names(state.path) if name.endswith(".aside")] == aside
        assert before.exists()


def test_when_what_both_refer_to_is_damaged_the_start_is_refused(state: StateDirectory) -> None:
    save(state, 1, {"a-0": 50})
    save(state, 2, {"a-0": 60})
    (only,) = state.path.glob("ids-*")
    only.write_bytes(b"")
    with pytest.raises(UsageError, match=rf"{only.name} has 0 of the \d+ bytes.*") as refused:
        state.load()
    assert len(refused.value.faults) == 3


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, 10)])
def test_a_segment_that_was_taken_away_from_a_running_process_is_written_again(
    state: StateDirectory, harm: Callable[[Path], None]
) -> None:
    save(state, 1, {"a-0": 500})
    for path in state.path.glob("ids-*"):
        harm(path)
    save(state, 2, {"a-0": 510})
    assert restored(state.path)[0] == 2


def test_a_declared_fresh_start_spoils_no_checkpoint_of_before(state: StateDirectory) -> None:
    save(state, 9, {"a-0": 70})
    kept = {path.name: path.read_bytes() for path in state.path.glob("*.driftd")}
    state.close()
    with StateDirectory(state.path) as fresh:
        save(fresh, 1, {"a-0": 3})
        assert restored(state.path)[1]["ends"] == {"a-0": 3}
        assert {path.name: path.read_bytes() for path in state.path.glob("*.aside")} == {
            f"{name}.aside": content for name, content in kept.items()
        }


def test_the_same_name_for_another_row_is_another_row(state: StateDirectory) -> None:
    save(state, 1, {"a-0": 70})
    save(state, 2, {"a-0": 3})
    assert restored(state.path)[1]["ends"] == {"a-0": 3}


def test_a_row_that_a_person_put_into_the_tree_again_is_kept_with_it(state: StateDirectory) -> None:
    save(state, 1, {"a-0": 70})
    found = state.load()
    assert found is not None
    found.tree["lanes"][0]["ids"]["keys"][:] = 7
    state.save(2, found.tree)
    again = state.load()
    assert again is not None
    assert again.tree["lanes"][0]["ids"]["keys"].tolist() == [7] * 70
    changed = Growing("a-0", 0, 71, lambda low, high: np.full(high - low, 7, np.uint64))
    state.save(3, {"ids": changed})
    last = state.load()
    assert last is not None
    assert last.tree["ids"]["keys"].tolist() == [7] * 71


def test_a_checkpoint_of_format_1_has_its_ids_in_it(state: StateDirectory) -> None:
    plain = codec.encode({"ids": {"keys": np.array([5, 2**63, 7], np.uint64)}})
    payload = zstandard.ZstdCompressor().compress(plain)
    head = struct.pack("<8sHQQQ", b"driftd\x1a\n", 1, 4, len(payload), len(plain))
    content = head + payload
    (state.path / f"checkpoint-{4:020d}.driftd").write_bytes(content + struct.pack("<I", crc32c.crc32c(content)))
    found = state.load()
    assert found is not None
    memory = EventIds(2)
    memory.restore(found.tree["ids"])
    state.save(5, {"ids": memory.to_state("a-0")})
    again = state.load()
    assert again is not None
    assert (again.tree["ids"]["first"], again.tree["ids"]["keys"].tolist()) == (1, [2**63, 7])


def test_a_full_disk_leaves_no_part_of_a_segment_and_the_same_is_tried_again(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(state, 1, {"a-0": 50})
    before = {path: path.read_bytes() for path in state.path.glob("*.driftd")}
    pwrite = os.pwrite

    def full(descriptor: int, content: memoryview, at: int) -> int:
        if len(content) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, content[:10], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        for _ in range(3):
            with pytest.raises(ExternalError, match="No space left"):
                save(state, 2, {"a-0": 60})
            assert {path: path.read_bytes() for path in state.path.glob("*.driftd")} == before
    save(state, 2, {"a-0": 61})
    assert restored(state.path)[1]["ends"] == {"a-0": 61}


def test_a_reader_that_finds_a_segment_gone_with_its_checkpoint_looks_again(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(state, 1, {"a-0": 50})
    contents, made = segments.SegmentContents.__init__, list[int]()

    def late(self: segments.SegmentContents, folder: Path, references: list[segments.Reference]) -> None:
        if not made:
            made.append(1)
            for sequence in (2, 3, 4):
                save(state, sequence, {"a-0": 50 + 300_000 * sequence}, room=10)
            assert segment_names(folder)[0] != f"ids-{1:020d}.driftd"
        contents(self, folder, references)

    monkeypatch.setattr(segments, "SEGMENT_BYTES", 80)
    monkeypatch.setattr(segments.SegmentContents, "__init__", late)
    found = StateDirectory(state.path).load(read_only=True)
    assert found is not None
    assert (found.sequence, found.damaged, made) == (4, (), [1])


class Killed(BaseException):
    """The process is gone: no handler of errors runs on."""


#: calls that change the disk
CALLS: Final = ("open", "ftruncate", "pwrite", "fsync", "replace", "unlink", "truncate")


@contextmanager
def killed_at(moment: int) -> Iterator[Callable[[], bool]]:
    """The process ends before, amid or after a call that changes the disk; tells if it came so far.

    What was written and not made durable may be anything then.
    """
    calls, unsafe, descriptors = 0, dict[str, int](), set[int]()
    former = {name: getattr(os, name) for name in CALLS}
    turn = moment % 3

    def watched(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - stands for several calls
            nonlocal calls
            writes = name != "open" or arguments[1] & os.O_CREAT
            calls += bool(writes)
            last = bool(writes) and calls == moment // 3 + 1
            if last and turn == 0:
                raise Killed
            if last and turn == 1 and name == "pwrite":
                arguments = (arguments[0], arguments[1][: len(arguments[1]) // 2], *arguments[2:])
            result = former[name](*arguments, **more)
            if name == "open":
                descriptors.add(result)
            if name == "pwrite":
                path = os.readlink(f"/proc/self/fd/{arguments[0]}")
                unsafe[path] = min(unsafe.get(path, arguments[2]), arguments[2])
            elif name == "fsync":
                unsafe.pop(os.readlink(f"/proc/self/fd/{arguments[0]}"), None)
            if last:
                raise Killed
            return result

        return call

    def close(descriptor: int, close: Callable[[int], None] = os.close) -> None:
        descriptors.discard(descriptor)
        close(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, watched(name))
        patch.setattr(os, "close", close)
        try:
            yield lambda: calls > moment // 3
        except Killed:
            patch.undo()
            for descriptor in descriptors:
                os.close(descriptor)
            for path, at in unsafe.items():
                if Path(path).exists():
                    with open(path, "r+b") as file:
                        file.seek(at)
                        file.write(b"\xaa" * (os.fstat(file.fileno()).st_size - at))


def life(folder: Path, ends: dict[str, int], checkpoints: int, messages: list[int]) -> None:
    """Goes on from what is there as a daemon does; `said` are the checkpoints that were kept, so far as it can tell."""
    with StateDirectory(folder) as state:
        found = state.load()
        sequence, now = (0, dict(ends)) if found is None else (found.sequence, dict(found.tree["ends"]))
        assert found is None or found.damaged == ()
        for step in range(checkpoints):
            sequence += 1
            now = {name: end + (23, 1, 150)[(step + at) % 3] for at, (name, end) in enumerate(now.items())}
            save(state, sequence, now)
            messages.append(sequence)


@pytest.mark.usefixtures("short_segments", "no_disk")
def test_after_a_kill_at_any_call_the_newest_checkpoint_is_whole_and_life_goes_on(tmp_path: Path) -> None:
    moment, came, begun = 0, True, list[int]()
    life(tmp_path / "begun", {"a-0": 0, "b-0": 0, "c-1": 40}, 4, begun)
    while came:
        folder, messages = tmp_path / str(moment), begun.copy()
        shutil.copytree(tmp_path / "begun", folder)
        with killed_at(moment) as reached:
            life(folder, {}, 2, messages)
        came = reached()
        sequence, _ = restored(folder)
        assert messages[-1] <= sequence <= messages[-1] + 1, f"call {moment}"
        with killed_at(moment // 2):  # and again, soon after
            life(folder, {}, 2, messages)
        assert restored(folder)[0] >= messages[-1]
        life(folder, {}, 4, messages)
        assert restored(folder)[0] == messages[-1]
        names = {path.name for path in folder.iterdir()}
        assert len([name for name in names if name.startswith("checkpoint-")]) == 2
        assert not any(name.endswith((".aside", ".tmp")) for name in names)
        moment += 1
    assert moment > 3 * 30
