"""A checkpoint is of one moment, however it is written while the loop goes on, and wherever the process is killed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.chain import Head, Told
from monitor.events import Partition
from monitor.findings import Transition
from monitor.loop.beside import AtOnce
from monitor.pipeline import Pipeline
from monitor.state.directory import StateDirectory
from monitor.state.parts import Cut, state_in, whole_tree
from tests.engine import MemorySource, Recorded, admission_of, credit_reference, pipeline_of, plain, trees
from tests.properties.test_pipeline_laws import CHUNK, TREE, stream, uncut

#: seconds between two turns: a checkpoint is due after three
BETWEEN: Final = 4.0


class Stepped(AtOnce):
    """Does the work in a thread that stops at every gate until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)

    def gate(self) -> None:
        """Called by the work."""
        self._stands.release()
        self._go.acquire()

    def start(self, work: Callable[[], None]) -> None:
        begin, self.running = super().start, True

        def run() -> None:
            begin(work)
            self.running = False
            self._stands.release()

        threading.Thread(target=run, daemon=True).start()
        self._stands.acquire()

    def step(self) -> None:
        """Let it go on to the next gate, or to its end."""
        if self.running:
            self._go.release()
            self._stands.acquire()

    def ended(self, timeout_s: float | None) -> bool:
        return not self.running and super().ended(timeout_s)


class Kept(Recorded):
    """Outputs with a folder of checkpoints; every call is preceded by a gate."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.beside = Stepped()
        self.folder = folder
        self.store = StateDirectory(folder, self.beside.gate)
        #: of the newest one that certainly lasts
        self.sequence = 0
        #: what it began with, and the content of every cut that was begun, the newest last
        self.cuts: list[Any] = []

    def freeze(self, cut: Cut) -> Cut:
        self.cuts.append(plain(trees(cut)))
        return cut.frozen(self.store.changed(cut.parts))

    def flush_rejects(self) -> None:
        self.beside.gate()

    def save(self, cut: Cut) -> None:
        self.beside.gate()
        self.store.save(self.sequence + 1, whole_tree(cut.whole), cut.parts)
        self.sequence += 1

    def publish(self, told: Sequence[Told], head: Head) -> None:
        self.beside.gate()
        super().publish(told, head)

    def commit(self, positions: Mapping[Partition, int]) -> None:
        self.beside.gate()
        super().commit(positions)


def start(folder: Path) -> tuple[Pipeline, MemorySource, Kept, Callable[[], None]]:
    """A pipeline that goes on from the folder, and its turn."""
    folder.mkdir(exist_ok=True)
    outputs, source = Kept(folder), MemorySource(stream(), CHUNK)
    pipeline, clock = pipeline_of(TREE, admission_of(TREE, credit_reference()), source, outputs, beside=outputs.beside)
    loaded = outputs.store.load()
    if loaded is not None:
        outputs.sequence = loaded.sequence
        assert pipeline.restore(state_in(loaded)) == []
        outputs.cuts.append(plain(trees(pipeline.to_state())))
        source.next.update(pipeline.positions())

    def turn() -> None:
        clock.advance(BETWEEN)
        pipeline.turn()

    return pipeline, source, outputs, turn


def killed_and_restarted(outputs: Kept, folder: Path) -> tuple[Pipeline, MemorySource, Kept, Callable[[], None]]:
    """The process is killed now: another one goes on from what the folder holds, which is one of the cuts."""
    shutil.copytree(outputs.folder, folder)
    again = start(folder)
    if outputs.sequence:
        assert plain(trees(again[0].to_state())) in outputs.cuts[-2:]
    return again


@given(
    steps=st.lists(st.integers(0, 60), min_size=4, max_size=40),
    kills=st.sets(st.integers(0, 39), max_size=3),
)
@settings(max_examples=8, deadline=None)
def test_killed_at_any_step_of_a_checkpoint_it_goes_on_from_a_cut(steps: list[int], kills: set[int]) -> None:
    with TemporaryDirectory() as folder:
        pipeline, source, outputs, turn = start(Path(folder, "first"))
        reported, at = list[Transition](), 0
        while not (source.ended() and at >= len(steps)):
            turn()
            for _ in range(steps[at % len(steps)]):
                outputs.beside.step()
            if at in kills:
                reported += outputs.reported
                pipeline, source, outputs, turn = killed_and_restarted(outputs, Path(folder, f"after-{at}"))
            at += 1
        for _ in range(4):  # those that are due, with nobody in between
            turn()
            while outputs.beside.running:
                outputs.beside.step()
        sent = {one.id: one for one in reported + outputs.reported}
        assert list(sent.values()) == uncut()[0]
        assert plain(trees(pipeline.to_state())) == uncut()[1]


def test_the_loop_turns_while_a_checkpoint_is_written_and_the_next_one_waits_for_it(tmp_path: Path) -> None:
    _, source, outputs, turn = start(tmp_path)
    while not outputs.cuts:
        turn()
    read = sum(source.next.values())
    for _ in range(5):
        turn()
    assert sum(source.next.values()) > read
    assert len(outputs.cuts) == 1
    while outputs.beside.running:
        outputs.beside.step()
    for _ in range(4):
        turn()
    assert len(outputs.cuts) == 2
