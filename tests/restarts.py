"""A process that goes on from the state of another one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from monitor.count.admission.versions import Admission
from monitor.findings import Transition
from monitor.kafka.topics import ClusterDescription
from monitor.pipeline import Pipeline
from monitor.run.restoring import restored
from monitor.settings.tree import Settings
from monitor.state import codec
from monitor.state.directory import Loaded
from monitor.state.parts import whole_tree
from tests.engine import MemorySource, Recorded, pipeline_of
from tests.golden_state import CLUSTER


def loaded_state(made: Pipeline) -> Loaded:
    """Its state, as it is read from a checkpoint."""
    cut = made.to_state()
    parts = {part.name: codec.decode(codec.encode(part.tree())) for part in cut.parts}
    return Loaded(whole_tree(cut.whole) | {"cluster": CLUSTER}, parts, 3, Path("checkpoint-3"), ())


def restarted(
    made: Pipeline,
    tree: Settings,
    admission: Admission,
    source: MemorySource,
    outputs: Recorded,
    written_as: Callable[[Loaded], None] = lambda _: None,
) -> Pipeline:
    """The process that goes on from `made`; `written_as` changes the checkpoint to that of another version."""
    loaded = loaded_state(made)
    written_as(loaded)
    read, again = dict(source.next), pipeline_of(tree, admission, source, outputs)[0]
    assert restored(again, loaded, ClusterDescription(CLUSTER, {})) == []
    source.next = read
    outputs.begin_process()
    return again


def run_killed(
    start: Callable[[], tuple[Pipeline, MemorySource, Recorded]], cuts: Collection[int]
) -> tuple[Pipeline, list[Transition]]:
    """Runs what `start` makes to the end of its stream, and before each of the turns `cuts` goes on in a new process
    from the state; returns the last pipeline and all that was reported."""
    pipeline, source, outputs = start()
    reported, ended, turn = list[Transition](), False, 0
    while not ended:
        if turn in cuts:
            state = pipeline.to_state().state()
            reported += outputs.reported
            pipeline, source, outputs = start()
            assert pipeline.restore(state) == []
            source.next.update(pipeline.positions())
        ended = source.ended()
        pipeline.turn()
        turn += 1
    return pipeline, reported + outputs.reported
