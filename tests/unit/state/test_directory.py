"""A checkpoint is whole or not there, damage is seen and said, and one folder has one writer."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import crc32c
import numpy as np
import pytest

from monitor.errors import ExternalError, UsageError
from monitor.state.directory import Loaded, MemoryState, StateDirectory

WRITER = """
import sys
from monitor.state.directory import StateDirectory
state = StateDirectory(sys.argv[1])
state.lock()
for sequence in range(1, 1_000_000):
    state.save(sequence, {"n": sequence, "ballast": list(range(20_000))})
    print(sequence, flush=True)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def checkpoint(sequence: int) -> str:
    return f"checkpoint-{sequence:020d}.driftd"


def loaded(state: StateDirectory, *, read_only: bool = False) -> Loaded:
    found = state.load(read_only=read_only)
    assert found is not None
    return found


@contextmanager
def writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that saves without end and says each sequence when it is saved."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "1\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    with StateDirectory(tmp_path / "deep" / "state") as directory:
        yield directory


def test_a_new_folder_is_made_and_holds_nothing(state: StateDirectory) -> None:
    assert state.load() is None
    assert names(state.path) == []


def test_a_folder_that_is_missing_holds_nothing_to_a_reader(tmp_path: Path) -> None:
    assert StateDirectory(tmp_path / "none").load(read_only=True) is None
    assert not (tmp_path / "none").exists()


def test_the_newest_checkpoint_comes_back(state: StateDirectory) -> None:
    state.save(1, {"n": 1})
    state.save(2, {"n": 2, "counts": np.array([1, 2, 3])})
    found = loaded(state)
    assert (found.sequence, found.tree["n"], found.damaged) == (2, 2, ())
    assert found.path == state.path / checkpoint(2)
    assert found.tree["counts"].tolist() == [1, 2, 3]


def test_exactly_the_one_before_is_kept(state: StateDirectory) -> None:
    for sequence in (1, 2, 5, 9):
        state.save(sequence, {})
    assert names(state.path) == [checkpoint(5), checkpoint(9)]


def test_a_sequence_that_does_not_rise_is_a_bug(state: StateDirectory) -> None:
    state.save(2, {})
    with pytest.raises(ValueError, match="checkpoint 2 after 2"):
        state.save(2, {})


def test_a_second_process_is_refused_with_the_holder_and_the_remedy(tmp_path: Path) -> None:
    with writer(tmp_path) as process:
        with pytest.raises(UsageError, match=rf"in use by process {process.pid}; stop that daemon"):
            StateDirectory(tmp_path).lock()
        process.kill()
        process.wait()
        with StateDirectory(tmp_path) as heir:
            assert loaded(heir).tree["n"] >= 1


def test_the_folder_is_free_again_after_close(tmp_path: Path) -> None:
    with StateDirectory(tmp_path), pytest.raises(UsageError):
        StateDirectory(tmp_path).lock()
    with StateDirectory(tmp_path):
        pass


def test_after_a_kill_the_last_saved_checkpoint_is_whole(tmp_path: Path) -> None:
    for _ in range(3):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        with writer(folder) as process:
            assert process.stdout is not None
            messages = [int(process.stdout.readline()) for _ in range(20)]
            process.kill()
            messages += [int(line) for line in process.stdout]
        with StateDirectory(folder) as heir:
            found = loaded(heir)
        assert found.damaged == ()
        assert found.tree["n"] == found.sequence >= messages[-1]


def test_a_reader_next_to_a_running_daemon_always_finds_a_whole_checkpoint(tmp_path: Path) -> None:
    with writer(tmp_path) as process:
        assert process.stdout is not None
        drain = threading.Thread(target=process.stdout.read)
        drain.start()
        reader, seen = StateDirectory(tmp_path), [0]
        while len(seen) < 300 or seen[-1] == seen[1]:
            assert process.poll() is None
            found = loaded(reader, read_only=True)
            assert found.damaged == ()
            assert found.tree["n"] == found.sequence >= seen[-1]
            seen.append(found.sequence)
        process.kill()
        drain.join()


def test_a_file_that_vanishes_while_it_is_read_makes_the_reader_look_again(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.save(1, {"n": 1})
    read = Path.read_bytes
    vanished: list[Path] = []

    def vanishing(path: Path) -> bytes:
        if not vanished:
            vanished.append(path)
            state.save(2, {"n": 2})
            path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", vanishing)
    assert loaded(StateDirectory(state.path), read_only=True).sequence == 2
    assert vanished == [state.path / checkpoint(1)]


def test_every_flipped_bit_is_detected(state: StateDirectory) -> None:
    state.save(1, {"n": 1})
    state.save(2, {"n": 2, "counts": np.arange(40), "text": "driftd"})
    path = state.path / checkpoint(2)
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        found = loaded(state, read_only=True)
        assert found.sequence == 1, f"bit {bit}"
        assert [where for where, _ in found.damaged] == [path]


def test_every_truncation_and_an_addition_are_detected(state: StateDirectory) -> None:
    state.save(1, {"n": 1})
    state.save(2, {"n": 2})
    path = state.path / checkpoint(2)
    whole = path.read_bytes()
    for content in [whole[:length] for length in range(len(whole))] + [whole + b"\0"]:
        path.write_bytes(content)
        assert loaded(state, read_only=True).sequence == 1


def test_a_folder_taken_away_and_given_back_is_written_again_and_still_ours_alone(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "state") as directory:
        directory.save(1, {"n": 1})
        (tmp_path / "state").rename(tmp_path / "away")
        with pytest.raises(ExternalError, match="No such file"):
            directory.save(2, {"n": 2})
        (tmp_path / "state").mkdir()
        directory.save(2, {"n": 2})
        with pytest.raises(UsageError, match="in use by process"):
            StateDirectory(tmp_path / "state").lock()
        assert loaded(directory, read_only=True).tree == {"n": 2}


def test_a_folder_that_another_daemon_took_meanwhile_is_not_written(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "state") as directory:
        directory.save(1, {"n": 1})
        (tmp_path / "state").rename(tmp_path / "away")
        with StateDirectory(tmp_path / "state") as other:
            other.save(1, {"n": "other"})
            with pytest.raises(ExternalError, match="in use by process"):
                directory.save(2, {"n": 2})
            assert loaded(other, read_only=True).tree == {"n": "other"}


def test_a_checkpoint_of_a_later_format_is_named_and_the_one_before_taken(state: StateDirectory) -> None:
    state.save(1, {"n": 1})
    state.save(2, {"n": 2})
    path = state.path / checkpoint(2)
    later = bytearray(path.read_bytes()[:-4])
    later[8:10] = (7).to_bytes(2, "little")
    path.write_bytes(later + crc32c.crc32c(later).to_bytes(4, "little"))
    found = loaded(state)
    assert found.tree == {"n": 1}
    assert found.damaged == ((path, "format 7; this build reads formats up to 3"),)


def test_a_checkpoint_under_the_name_of_another_is_damaged(state: StateDirectory) -> None:
    state.save(1, {"n": 1})
    (state.path / checkpoint(3)).write_bytes((state.path / checkpoint(1)).read_bytes())
    found = loaded(state)
    assert found.sequence == 1
    assert "under the name of 3" in found.damaged[0][1]


def test_when_all_are_damaged_the_start_is_refused_with_each_reason_and_the_remedy(state: StateDirectory) -> None:
    state.save(1, {})
    state.save(2, {})
    (state.path / checkpoint(1)).write_bytes(b"")
    (state.path / checkpoint(2)).write_bytes(b"no checkpoint at all, but long enough to be one")
    with pytest.raises(UsageError) as refused:
        state.load()
    assert len(refused.value.faults) == 3
    assert "truncated" in str(refused.value)
    assert "not a checkpoint" in str(refused.value)
    assert "--accept-loss" in refused.value.faults[-1]


def test_after_a_fall_back_the_good_one_is_kept_and_the_damaged_one_put_aside(state: StateDirectory) -> None:
    state.save(1, {"n": 1})
    state.save(2, {"n": 2})
    (state.path / checkpoint(2)).write_bytes(b"damage")
    assert loaded(state).sequence == 1
    state.save(2, {"n": 22})
    assert names(state.path) == [checkpoint(1), checkpoint(2), checkpoint(2) + ".aside"]
    assert (state.path / (checkpoint(2) + ".aside")).read_bytes() == b"damage"
    assert loaded(state).tree == {"n": 22}


def test_a_declared_fresh_start_is_not_overtaken_by_old_checkpoints(tmp_path: Path) -> None:
    with StateDirectory(tmp_path) as old:
        old.save(900, {"n": "old"})
    with StateDirectory(tmp_path) as fresh:
        fresh.save(1, {"n": "new"})
        assert loaded(fresh).tree == {"n": "new"}


def test_a_full_disk_leaves_the_former_checkpoint_and_no_part_of_a_new_one(state: StateDirectory) -> None:
    state.save(1, {"n": 1})
    before = names(state.path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(ExternalError, match="File too large"):
            state.save(2, {"ballast": os.urandom(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(state.path) == before
    state.save(2, {"n": 2})
    assert loaded(state).tree == {"n": 2}


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_call_that_fails_is_an_external_error_and_the_same_sequence_can_be_tried_again(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    state.save(1, {"n": 1})

    def fails(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - stands for several calls
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(ExternalError, match=os.strerror(code)):
            state.save(2, {"n": 2})
    assert names(state.path) == [checkpoint(1)]
    state.save(2, {"n": 2})
    assert names(state.path) == [checkpoint(1), checkpoint(2)]


def test_a_folder_that_could_not_be_made_durable_can_be_tried_again(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.save(1, {"n": 1})
    sync, calls = os.fsync, []

    def second_fails(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(ExternalError):
        state.save(2, {"n": 2})
    state.save(2, {"n": 2})
    assert names(state.path) == [checkpoint(1), checkpoint(2)]


@pytest.mark.parametrize("below", ["file", "file/state"])
def test_a_path_that_is_not_a_folder_is_a_wrong_setting(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"state\.path: .*cannot be written.*name a folder"):
        StateDirectory(tmp_path / below).lock()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_without_the_right_to_write_is_a_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - stands for os.open
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(UsageError, match=os.strerror(code)):
        StateDirectory(tmp_path).lock()


def test_files_of_others_are_left_alone(state: StateDirectory) -> None:
    for stranger in ("notes.txt", "checkpoint-1.driftd", "checkpoint-00000000000000000001.driftd.bak"):
        (state.path / stranger).write_text("mine")
    assert state.load() is None
    for sequence in (1, 2, 3):
        state.save(sequence, {})
    assert {"notes.txt", "checkpoint-1.driftd", "checkpoint-00000000000000000001.driftd.bak"} < set(names(state.path))


def test_memory_keeps_nothing() -> None:
    state = MemoryState()
    state.lock()
    state.save(1, {"n": 1})
    assert state.load() is None
    state.close()
