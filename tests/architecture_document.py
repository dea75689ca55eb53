"""docs/architecture.md: floors, rooms and arrows from the code itself, and the path of one record.

The rooms are those of `floors.HOUSE`, the arrows are the imports that stand in the files. The path names functions;
`unit/test_architecture_document.py` sends records through them and sees in which order they are entered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from monitor.count.admission.versions import Admission
from monitor.count.clocks.completeness import Completeness
from monitor.count.clocks.event_clock import EventClock
from monitor.count.columns.aggregator import Aggregator
from monitor.count.event_ids import EventIds
from monitor.count.exchange import Exchange, LabelExchange
from monitor.count.labels.joins import Joins
from monitor.count.labels.task_labels import TaskLabels
from monitor.count.partition_state import PartitionState
from monitor.count.task import Task
from monitor.decode.decoder import decoder_for
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.native.gather import ColumnsBuilder
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.quality import Quality
from monitor.judge.evaluation import Judge
from monitor.judge.fleet import Fleet
from monitor.judge.incidents.book import IncidentBook
from monitor.judge.model import ModelJudge
from monitor.judge.newest_panes import NewestPanes
from monitor.judge.promise.budget import Budget
from monitor.judge.windows.pyramid import BaseWindow, WindowPyramid
from monitor.kafka.alerts import Alerts
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.rejects import DeadLetters
from monitor.loop.checkpoints import Checkpoints
from monitor.pipeline import Pipeline
from monitor.publish.series import SeriesPage
from monitor.publish.site import Site
from monitor.publish.snapshot import SnapshotHolder
from monitor.publish.status.page import StatusPages
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.state.directory import StateDirectory
from monitor.state.parts import Cut
from tests.floors import HOUSE
from tests.house import Module, inner_imports, read_modules

FLOORS = (
    "words", "settings and arithmetic", "decoding", "references", "counting", "judging", "the outside", "the loop",
    "the path", "what runs", "from Python, and what was told", "the demo, and other forms", "the command line",
    "the entry",
)  # fmt: skip
ROOMS = {
    "words": "the common types: events, records, findings, the error families, the clock, the log. Imports no other"
    " package",
    "settings": "the settings, read from file and environment; all faults are reported at once, with their lines",
    "stats": "pure arithmetic: bins, tallies, tests, distances. No I/O, no clock, no log",
    "frames": "tables and arrays of pandas, polars, Arrow and NumPy as plain values, without importing these libraries",
    "reference": "the reference of a model version: its type, the survey that plans bins, what is learned from its"
    " windows",
    "decode": "bytes to columns; bad records to reasons. A format is an encoding (bytes to a tree) and a layout (a tree"
    " to events)",
    "count": "stage 1, by partition: admission, clocks, event ids, open panes of tallies, open"
    " cohorts of labels; the exchange to stage 2",
    "judge": "stage 2, by model version: windows, budget, causes, incidents",
    "kafka": "the only package that imports the Kafka client: reading, dead letters, alerts, committed offsets",
    "registry": "schemas of a schema registry, over HTTP, each once",
    "sources": "recorded events: files, pipes, tables, recordings; merged by time, or up to given offsets",
    "state": "the state in typed parts, each with its version and encoding; checkpoints in a folder",
    "publish": "the only package that imports prometheus_client: series, HTTP, status page, rules, dashboards",
    "bridge": "`driftd bridge`: HTTP in front of topics, for platforms that post their events; carries bytes",
    "client": "the `Reporter` of services that capture nothing yet: `from monitor.client import Reporter`",
    "loop": "helpers of the loop: when to save, time spent per step, the protocol of its outputs",
    "pipeline": "the whole path in one file: calls only",
    "run": "daemon, replay, building a reference, showing a state: each connects a source, the pipeline and outputs",
    "tables": "the engine for notebooks: tables to references and verdicts, with the daemon's own figures",
    "told": "what was told on the alert topic, read again: verified, audited, written for other platforms",
    "demo": "a broker, real flights with a planted fault, and the daemon that finds it",
    "exports": "what was told, in the forms that other platforms read: one file a form",
    "cli": "commands, options, exit codes",
    "__main__": "`python -m monitor`, and the command `driftd`",
}


class Step(NamedTuple):
    """A function on the path of a record. `engine`: it runs without Kafka and HTTP."""

    function: Callable[..., object]
    text: str
    engine: bool = True


PATH = (
    Step(Pipeline.turn, "one turn of the loop, called by `run/daemon.py` until it stops"),
    Step(KafkaSource.poll, "raw records of each partition, offsets rising: bytes, times, the next offset", False),
    Step(Pipeline.count, "stage 1, batch by batch"),
    Step(decoder_for, "the decoder of the topic, by its input in the settings"),
    Step(NativeDecoder.decode, "bytes to columns: well-formed events by the fast decoder, the rest by the reference"
         " decoder, which gives the reason of each rejected event"),
    Step(Admission.of, "is the model watched, is the version listed, does it have a reference? The decoder uses it"
         " for the features to decode, stage 1 for admission"),
    Step(ColumnsBuilder.finish, "the columns of all events of the batch, by model version"),
    Step(Task.take, "gives each event exactly one outcome; accepted ones wait until they are many, or somebody looks"),
    Step(PartitionState.ask, "late? duplicate? in this order, by the partition's own clock and event ids"),
    Step(EventClock.ask, "moves the clock; a jump ahead counts once most of the newest events confirm it"),
    Step(EventIds.ask, "was this id among the last `id_memory`?"),
    Step(TaskLabels.take_predictions, "a label that comes with its prediction: into a tally of labels, by the same"
         " pane; all predictions wait for labels to come"),
    Step(DeadLetters.send, "rejected records go to the rejects topic unchanged", False),
    Step(Pipeline.judge, "stage 2"),
    Step(Completeness.until, "the event time that every partition of a model has reached"),
    Step(Task.close, "closes the panes before that time; a closed pane is final"),
    Step(Aggregator.count, "values to bins: one tally of integers for each pane, of all rows that waited"),
    Step(Exchange.put, "merges the tallies of all partitions: integers, so the order makes no difference"),
    Step(LabelExchange.put, "the same for the tallies of labels, which close where panes do"),
    Step(Completeness.joined_until, "the event time that both events and labels have reached"),
    Step(Joins.step, "labels that take effect before it meet their predictions: changes of the tallies of cohorts"),
    Step(Exchange.ready, "complete panes, in time order"),
    Step(LabelExchange.ready, "the labels up to the end of that pane: the judge takes them before it"),
    Step(Fleet.judge, "finds the judge of the model version"),
    Step(ModelJudge.add, "adds one pane: windows, findings, incident"),
    Step(BaseWindow.add, "merges panes until they hold 250 events: a base window"),
    Step(Judge.observe, "passes the pane to causes with a memory: does live traffic vary as the reference"),
    Step(NewestPanes.found, "at every pane's end: the quality counts of the newest panes that hold 50 events"),
    Step(WindowPyramid.add, "at its end, the windows of the newest 1, 2, 4, ... base windows"),
    Step(Budget.alpha, "the part of the page budget that each test may spend now"),
    Step(Distribution.measure, "a cause: bins against the reference's bins; only tests really made spend budget"),
    Step(Judge.findings, "what every cause finds over its threshold; for each column and cause the worst window"),
    Step(Quality.measure, "missing, absent, unseen, outside, wrong type: their shares against the reference's"),
    Step(IncidentBook.step, "findings to one incident of the model version; a transition if something changed"),
    Step(Checkpoints.step, "begins a checkpoint, or notes how far one is: see [state.md](state.md)"),
    Step(Pipeline.to_state, "both stages and the unsent transitions as parts, at one moment"),
    Step(Cut.frozen, "the parts that changed, as values that stay as they are while the loop goes on"),
    Step(StateDirectory.save, "the parts whose marks changed, then the checkpoint that refers to them: a temporary"
         " file, synced, renamed; the previous checkpoint is kept"),
    Step(Alerts.send, "the transition to the alert topic, with its own id", False),
    Step(KafkaSource.commit, "commits the group's offsets, for lag tools", False),
    Step(SnapshotBuilder.snapshot, "one immutable snapshot of everything that is shown, built by the loop"),
    Step(SnapshotHolder.show, "hands it to the server's thread"),
    Step(Site.answer, "routes a request"),
    Step(SeriesPage.body, "`/metrics`, the series of `publish/register.py`"),
    Step(StatusPages.of, "`/`, the status page"),
)  # fmt: skip


def room_of(module: Module) -> str | None:
    """The room of a module as the picture names it; None for a file of a folder itself."""
    if module.place is None:
        return None
    floor, room, _ = module.place
    return room or (FLOORS[0] if floor == 0 else module.name.split(".")[-1])


def floors() -> list[tuple[str, dict[str, str]]]:
    """Name and rooms of every floor, from the ground up; a room's text names its files in the order of import."""
    named = []
    for at, (name, rooms) in enumerate(zip(FLOORS, HOUSE, strict=True)):
        named.append((name, {room or (name if at == 0 else files): files for room, files in rooms.items()}))
    return named


def arrows(modules: list[Module]) -> Counter[tuple[str, str]]:
    """How many imports go from room to room."""
    by_name = {module.name: module for module in modules}
    found: Counter[tuple[str, str]] = Counter()
    for module in modules:
        for name in inner_imports(module, set(by_name)):
            pair = room_of(module), room_of(by_name[name])
            if pair[0] is not None and pair[1] is not None and pair[0] != pair[1]:
                found[pair[0], pair[1]] += 1
    return found


def drawn(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The transitive reduction: an arrow that a longer path implies is left out. There are no cycles."""
    targets: dict[str, set[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, set()).add(target)

    def reached(room: str) -> set[str]:
        return {room}.union(*(reached(target) for target in targets.get(room, ())))

    return {
        (source, target)
        for source, target in pairs
        if not any(target in reached(other) for other in targets[source] - {target})
    }


def architecture_document() -> str:
    """docs/architecture.md"""
    found = arrows(read_modules("monitor"))
    shown = drawn(set(found))
    return f"""\
# Architecture

This file is generated from the code by `python -m tests.documents`; do not edit it.

The packages (folders) of `monitor/` are in layers. A file imports from packages of lower layers, and from the files of
its own package that are listed before it; `tests/floors.py` lists every file, and `tests/test_architecture.py` fails on
any other import. So everything up to *judging* is an engine that runs without Kafka, files or a clock.

## Layers

An arrow means *imports*. There are {found.total()} imports between {len(found)} pairs of packages; drawn are the \
{len(shown)} arrows from which the others follow.

```mermaid
{_mermaid(shown)}
```

## Packages

From the lowest layer up, with the files of each package in import order.

{_rooms()}

## The path of one record

From the poll to the status page, each step with its file. *Stage 1* counts each partition by itself, *stage 2* judges
each model version over all partitions. `monitor/pipeline.py` reads from top to bottom like this list.

{_path()}

The reasons are in [decisions](decisions/README.md).
"""


def _mermaid(shown: set[tuple[str, str]]) -> str:
    lines = ["flowchart TD"]
    for at, (floor, rooms) in reversed(list(enumerate(floors()))):
        lines.append(f'  subgraph floor{at}["{at} {floor}"]')
        lines += [f'    {_node(room)}["{_label(room)}"]' for room in rooms]
        lines.append("  end")
    order = {room: at for at, room in enumerate(room for _, rooms in floors() for room in rooms)}
    lines += [
        f"  {_node(source)} --> {_node(target)}"
        for source, target in sorted(shown, key=lambda pair: (-order[pair[0]], -order[pair[1]]))
    ]
    return "\n".join(lines)


def _node(room: str) -> str:
    return f"room_{room.strip('_')}"


def _label(room: str) -> str:
    is_folder = any(room in rooms for rooms in HOUSE)
    return f"{room}/" if is_folder else room if room in FLOORS else f"{room}.py"


def _rooms() -> str:
    lines = ["| layer | package | what it is | files |", "|---|---|---|---|"]
    for at, (floor, rooms) in enumerate(floors()):
        for room, files in rooms.items():
            named = files.replace("causes.", "causes/").replace(".", "/")
            lines.append(f"| {at} {floor} | `{_label(room)}` | {ROOMS[room]} | {named} |")
    return "\n".join(lines)


def _path() -> str:
    return "\n".join(_steps())


def _steps() -> Iterator[str]:
    for number, step in enumerate(PATH, 1):
        file = step.function.__module__.replace(".", "/") + ".py"
        yield f"{number}. `{file}` `{step.function.__qualname__}`: {step.text}"
