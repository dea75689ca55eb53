"""docs/architecture.md is true: its rooms are the house's, its arrows the imports', its path the way records go."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.judge.fleet import Fleet
from monitor.publish.site import Site
from monitor.publish.snapshot import SnapshotHolder
from monitor.run.outputs import KafkaOutputs
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.state.directory import StateDirectory
from monitor.state.parts import Cut, whole_tree
from tests.architecture_document import FLOORS, PATH, ROOMS, Step, architecture_document, drawn, floors
from tests.engine import (
    EVENTS,
    NOW_US,
    START_US,
    Credit,
    MemorySource,
    Recorded,
    admission_of,
    credit_reference,
    pipeline_of,
    settings,
)
from tests.floors import HOUSE


class _OnDisk(Recorded):
    """Outputs whose checkpoints are files."""

    checkpoint_us = None
    checkpoint_bytes = 0
    checkpoint_parts = 0

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.store = StateDirectory(folder)

    def save(self, cut: Cut) -> None:
        super().save(cut)
        self.store.save(len(self.saved), whole_tree(cut.whole), cut.parts)


class _Entered:
    """The steps of the path in the order in which they are entered for the first time."""

    def __init__(self) -> None:
        self._steps = {step.function.__code__: step for step in PATH}
        self.names: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (step := self._steps.pop(frame.f_code, None)) is not None:
            self.names.append(_name(step))


def _name(step: Step) -> str:
    return f"{step.function.__module__}.{step.function.__qualname__}"


def test_one_record_goes_the_path_in_its_order(tmp_path: Path) -> None:
    """All events are of one pane and enough for a base window: every step happens once, and in one turn."""
    stream = [
        {**event, "ts": START_US + at * 1_000, "features": {**event["features"], "AGE": None}}
        for at, event in enumerate(Credit(400))
    ]
    tree, outputs = settings({"versions": ["1"]}), _OnDisk(tmp_path)
    admission = admission_of(tree, credit_reference())
    pipeline, _ = pipeline_of(tree, admission, MemorySource({EVENTS: stream}, chunk=len(stream)), outputs)
    builder = SnapshotBuilder(tree, admission, pipeline, cast("Fleet", pipeline.fleet), cast("KafkaOutputs", outputs))
    holder = SnapshotHolder(ManualClock(NOW_US))
    entered = _Entered()
    sys.setprofile(entered)
    try:
        pipeline.turn()
        holder.show(builder.snapshot({}))
        site = Site(holder, clock=ManualClock(NOW_US))
        answers = [site.answer("GET", path) for path in ("/metrics", "/")]
    finally:
        sys.setprofile(None)
    assert [transition.transition for transition in outputs.reported] == ["opened"]
    assert all(b"AGE" in answer.body for answer in answers)
    assert entered.names == [_name(step) for step in PATH if step.engine]


def test_the_picture_shows_every_room_of_the_house() -> None:
    assert len(FLOORS) == len(HOUSE)
    assert set(ROOMS) == {room for _, rooms in floors() for room in rooms}
    picture = architecture_document().split("```mermaid\n")[1].split("```")[0]
    nodes = {line.split("[")[0].strip() for line in picture.splitlines() if line.startswith("    ")}
    ends = {end for line in picture.splitlines() if "-->" in line for end in line.split() if end != "-->"}
    assert len(nodes) == len(ROOMS)
    assert ends == nodes


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] > pair[1])))
def test_the_arrows_that_are_drawn_lead_wherever_all_of_them_do(numbers: set[tuple[int, int]]) -> None:
    pairs = {(str(source), str(target)) for source, target in numbers}
    few = drawn(pairs)
    assert few <= pairs
    assert _closed(few) == _closed(pairs)
    for pair in few:
        assert pair not in _closed(few - {pair})


def _closed(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    closed = set(pairs)
    while more := {(a, d) for a, b in closed for c, d in closed if b == c} - closed:
        closed |= more
    return closed
