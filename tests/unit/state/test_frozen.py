"""Only what changed is frozen, and what is stored is written again from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.errors import ExternalError
from monitor.state.codec import decode, encode
from monitor.state.directory import MemoryState, StateDirectory
from monitor.state.frozen import frozen
from monitor.state.part_files import MOST_FILES, Part, part_files
from monitor.state.parts import Cut, Whole, whole_tree
from monitor.stats.tallies.later import Later


def test_a_frozen_tree_stays_as_it_was() -> None:
    tree = {"counts": np.arange(3), "list": [[1, {"deep": [2]}]], "none": None, "later": Later(lambda: {"x": [1]})}
    before, kept = encode(tree), frozen(tree)
    tree["counts"][0] = 9  # type: ignore[index]  # an array
    tree["list"][0][1]["deep"].append(3)  # type: ignore[index]  # a list
    tree["list"].append(4)  # type: ignore[union-attr]  # a list
    assert encode(kept) == before
    assert decode(before)["later"] == {"x": [1]}


def cut(marks: dict[str, int]) -> Cut:
    parts = [Part(name, mark, lambda name=name, mark=mark: {"n": [name, mark]}) for name, mark in marks.items()]  # type: ignore[misc]  # defaults
    return Cut(Whole(), parts)


def save(store: StateDirectory, sequence: int, marks: dict[str, int]) -> set[str]:
    """Save as the daemon does; the names of what was frozen."""
    known = cut(marks)
    changed = store.changed(known.parts)
    store.save(sequence, whole_tree(known.whole), known.frozen(changed).parts)
    return changed


def held(folder: Path) -> dict[str, object]:
    found = StateDirectory(folder).load(read_only=True)
    assert found is not None
    return {name: tree["n"] for name, tree in found.parts.items()}


def test_only_what_changed_is_frozen_and_old_files_are_emptied_without_it(tmp_path: Path) -> None:
    with StateDirectory(tmp_path) as store:
        marks = {f"part {at}": 0 for at in range(2 * MOST_FILES)}
        assert save(store, 1, marks) == marks.keys()
        for at, name in enumerate(list(marks)[1:]):
            marks[name] = 1
            assert save(store, at + 2, marks) == {name}
            assert held(tmp_path) == {name: [name, mark] for name, mark in marks.items()}
        assert min(number for number, _ in part_files(tmp_path)) > 1, "what the first file held was written again"


def test_a_stored_part_whose_file_is_gone_fails_once_and_is_frozen_the_next_time(tmp_path: Path) -> None:
    with StateDirectory(tmp_path) as store:
        save(store, 1, {"a": 1, "b": 1})
        for _, path in part_files(tmp_path):
            path.unlink()
        with pytest.raises(ExternalError, match="missing or damaged"):
            save(store, 2, {"a": 1, "b": 2})
        assert save(store, 2, {"a": 1, "b": 2}) == {"a", "b"}
        assert held(tmp_path) == {"a": ["a", 1], "b": ["b", 2]}


def test_a_store_that_keeps_nothing_needs_no_tree() -> None:
    store, known = MemoryState(), cut({"a": 1})
    assert store.changed(known.parts) == set()
    assert store.save(1, {}, known.frozen(()).parts) == 0
