"""A checkpoint writes the parts that changed, finds the others where they lie, and lets old files go."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from monitor.errors import ExternalError, UsageError
from monitor.state import part_files
from monitor.state.directory import Loaded, StateDirectory
from monitor.state.part_files import Part


class Engine:
    """Parts with a number each, and how often each was asked for its tree."""

    def __init__(self, names: str, ballast: int = 0) -> None:
        self.numbers = dict.fromkeys(names, 0)
        self.asked: Counter[str] = Counter()
        self._ballast = ballast

    def parts(self) -> list[Part]:
        return [Part(name, number, self._maker(name)) for name, number in self.numbers.items()]

    def _maker(self, name: str) -> Callable[[], dict[str, Any]]:
        def made() -> dict[str, Any]:
            self.asked[name] += 1
            noise = random.Random(f"{name} {self.numbers[name]}").randbytes(self._ballast)
            return {"number": self.numbers[name], "noise": noise}

        return made

    def save(self, state: StateDirectory, sequence: int) -> int:
        return state.save(sequence, {"numbers": dict(self.numbers)}, self.parts())


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    with StateDirectory(tmp_path / "state") as directory:
        yield directory


def loaded(folder: Path) -> Loaded:
    found = StateDirectory(folder).load(read_only=True)
    assert found is not None
    assert {name: tree["number"] for name, tree in found.parts.items()} == found.tree["numbers"]
    return found


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("parts-*"))


def test_only_what_changed_is_made_and_written(state: StateDirectory) -> None:
    engine = Engine("abcdefghij", ballast=10_000)
    first = engine.save(state, 1)
    assert first > 100_000
    engine.numbers["c"] = 5
    second = engine.save(state, 2)
    assert 10_000 < second < 12_000
    assert engine.save(state, 3) < 1_000
    assert engine.asked == {name: 2 if name == "c" else 1 for name in "abcdefghij"}
    assert loaded(state.path).sequence == 3
    assert len(files(state.path)) == 2


def test_a_part_that_is_gone_is_gone(state: StateDirectory) -> None:
    engine = Engine("abc")
    engine.save(state, 1)
    del engine.numbers["b"]
    engine.save(state, 2)
    assert loaded(state.path).parts.keys() == {"a", "c"}
    engine.numbers["b"] = 0
    engine.save(state, 3)
    assert loaded(state.path).parts.keys() == {"a", "b", "c"}


def test_another_process_writes_all_once_more_and_goes_on(state: StateDirectory) -> None:
    Engine("ab").save(state, 1)
    state.close()
    with StateDirectory(state.path) as heir:
        assert heir.load() is not None
        engine = Engine("ab")
        engine.numbers["b"] = 0  # marks of another life say nothing
        engine.save(heir, 2)
        assert engine.asked == {"a": 1, "b": 1}
        engine.save(heir, 3)
        assert engine.asked == {"a": 1, "b": 1}


@pytest.mark.parametrize("seed", range(3))
def test_files_and_bytes_stay_bounded_however_unevenly_parts_change(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(part_files, "SPARE_BYTES", 4_000)
    monkeypatch.setattr(part_files, "MOST_FILES", 12)
    rng, engine = random.Random(seed), Engine("abcdefghijklmnopqrstuvwxyz", ballast=500)
    written, changes = 0, 0
    for sequence in range(1, 150):
        for name in rng.sample(sorted(engine.numbers), rng.choice([0, 1, 1, 2, 20])):
            if name not in "ab":  # these never change
                engine.numbers[name] += 1
                changes += 1
        written += engine.save(state, sequence)
        assert loaded(state.path).sequence == sequence
        assert len(files(state.path)) <= 2 * 12 + 2
        live = 26 * 540
        assert sum(path.stat().st_size for path in files(state.path)) <= 2 * (2 * live + 4_000) + 20 * 540
    assert written < 3 * changes * 540 + 150 * 1_500, "what did not change is written again now and then"


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_to_what_only_the_newest_refers_to_leaves_the_one_before(state: StateDirectory, harm: str) -> None:
    engine = Engine("ab")
    engine.save(state, 1)
    engine.numbers["b"] = 1
    engine.save(state, 2)
    state.close()
    _, added = files(state.path)
    content = added.read_bytes()
    if harm == "remove":
        added.unlink()
    else:
        added.write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if harm == "flip" else b""))
    with StateDirectory(state.path) as heir:
        found = heir.load()
        assert found is not None
        assert found.sequence == 1
        ((path, why),) = found.damaged
        assert path.name == f"checkpoint-{2:020d}.driftd"
        assert added.name in why
        Engine("ab").save(heir, 2)
        assert loaded(state.path).sequence == 2
    aside = [] if harm == "remove" else [added.name + ".aside"]
    assert [path.name for path in files(state.path) if path.suffix == ".aside"] == aside


def test_every_flipped_bit_of_a_part_is_detected(state: StateDirectory) -> None:
    Engine("a").save(state, 1)
    (path,) = files(state.path)
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(UsageError, match=r"the checksum of a in parts-0*1\.driftd does not match"):
            StateDirectory(state.path).load(read_only=True)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, 10)])
def test_a_file_that_was_taken_away_from_a_running_process_is_written_again(
    state: StateDirectory, harm: Callable[[Path], None]
) -> None:
    engine = Engine("abc")
    engine.save(state, 1)
    for path in files(state.path):
        harm(path)
    engine.save(state, 2)
    assert loaded(state.path).sequence == 2


@pytest.mark.parametrize("call", ["pwrite", "fsync", "replace"])
def test_a_save_that_fails_loses_no_change(state: StateDirectory, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    engine = Engine("ab")
    engine.save(state, 1)
    engine.numbers["b"] = 1

    def fails(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        for _ in range(2):
            with pytest.raises(ExternalError, match="No space left"):
                engine.save(state, 2)
            assert loaded(state.path).sequence == 1
    engine.save(state, 2)
    assert loaded(state.path).tree["numbers"] == {"a": 0, "b": 1}


def test_a_declared_fresh_start_spoils_no_part_of_before(state: StateDirectory) -> None:
    Engine("ab").save(state, 9)
    kept = {path.name: path.read_bytes() for path in state.path.glob("*.driftd")}
    state.close()
    with StateDirectory(state.path) as fresh:
        Engine("a").save(fresh, 1)
        assert loaded(state.path).sequence == 1
    assert {path.name: path.read_bytes() for path in state.path.glob("*.aside")} == {
        f"{name}.aside": content for name, content in kept.items()
    }
