"""docs/architecture.md: floors, rooms and arrows from the code itself, and the path of one record.

The rooms are those of `house.HOUSE`, the arrows are the imports that stand in the files. The path names functions;
`unit/test_architecture_document.py` sends records through them and sees in which order they are entered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from monitor.count.admission import Admission
from monitor.count.aggregator import Aggregator
from monitor.count.completeness import Completeness
from monitor.count.event_clock import EventClock
from monitor.count.event_ids import EventIds
from monitor.count.exchange import Exchange, LabelExchange
from monitor.count.partition_state import PartitionState
from monitor.count.task import Task
from monitor.count.task_labels import TaskLabels
from monitor.decode.decoder import decoder_for
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.native.gather import ColumnsBuilder
from monitor.judge.budget import Budget
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.quality import Quality
from monitor.judge.evaluation import Judge
from monitor.judge.fleet import Fleet
from monitor.judge.incidents import IncidentBook
from monitor.judge.model import ModelJudge
from monitor.judge.windows import BaseWindow, WindowPyramid
from monitor.kafka.alerts import Alerts
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.rejects import DeadLetters
from monitor.pipeline import Pipeline
from monitor.publish.series import SeriesPage
from monitor.publish.site import Site
from monitor.publish.snapshot import SnapshotHolder
from monitor.publish.status.page import StatusPages
from monitor.run.snapshot_builder import SnapshotBuilder
from monitor.state.directory import StateDirectory
from tests.house import HOUSE, Module, inner_imports, read_modules

FLOORS = (
    "words", "settings and arithmetic", "references", "decoding", "counting", "judging", "the outside", "the loop",
    "the path", "what runs", "the demo", "the command line", "the entry",
)  # fmt: skip
ROOMS = {
    "words": "the vocabulary: events, records, findings, the error families, the clock, the log. Imports nothing of"
    " the house",
    "settings": "the tree of settings, read from file and environment; every fault at once, with its place",
    "stats": "pure arithmetic: bins, tallies, tests, distances. No I/O, no clock, no log",
    "reference": "what a model version is compared with: its type and file, the survey that plans bins, what is"
    " learned of windows, the owner of all of them",
    "decode": "bytes to columns; bad records to reasons. One decoder for each format",
    "count": "stage 1, by partition: who is let in, clocks, ids, open panes of tallies, open"
    " cohorts of labels; the exchange to stage 2",
    "judge": "stage 2, by model version: windows, budget, causes, incidents",
    "kafka": "the only room that knows the Kafka client: reading, dead letters, alerts, group offsets",
    "sources": "recorded events: files, pipes, tables, recordings; merged by time, or up to an offset",
    "state": "the state in typed parts, each with its version and its tree; checkpoints in a folder, in an encoding of"
    " their own",
    "publish": "the only room that knows prometheus_client: series, HTTP, status page, rules, dashboards",
    "loop": "the loop's helpers: when to save, where its time goes, the protocol of what it writes to",
    "pipeline": "the whole path in one file: calls only",
    "run": "daemon, replay, building a reference, showing a state: each puts source, pipeline and outputs together",
    "demo": "a broker, real flights with a planted fault, and the daemon that finds it",
    "cli": "commands, options, exit codes",
    "__main__": "`python -m monitor`, and the command `driftd`",
}


class Step(NamedTuple):
    """A function that a record, or what was made of it, passes. `engine`: it runs without Kafka and HTTP."""

    function: Callable[..., object]
    text: str
    engine: bool = True


PATH = (
    Step(Pipeline.turn, "one turn of the loop, called by `run/daemon.py` until it is told to stop"),
    Step(KafkaSource.poll, "raw records of each partition, offsets rising: bytes, times, the next offset", False),
    Step(Pipeline.count, "stage 1, batch by batch"),
    Step(decoder_for, "which decoder reads the topic: its input in the settings says so"),
    Step(NativeDecoder.decode, "bytes to columns: the fast decoder takes what is well formed, the reference decoder"
         " the rest, with the reason word of what cannot be taken"),
    Step(Admission.of, "is the model watched, is the version listed, does it have a reference? The decoder asks"
         " for the features that are wanted, stage 1 for who is let in"),
    Step(ColumnsBuilder.finish, "the columns of all events of the batch, by model version"),
    Step(Task.take, "gives each event exactly one outcome and counts the accepted ones"),
    Step(PartitionState.ask, "late? duplicate? in this order, by the partition's own clock and memory of ids"),
    Step(EventClock.ask, "moves the clock; a jump ahead counts once most of the newest events confirm it"),
    Step(EventIds.ask, "was this id among the last `id_memory`?"),
    Step(Aggregator.count, "values to bins: one tally of integers for each pane; nothing is done row by row"),
    Step(TaskLabels.take_inline, "a label that comes with its prediction: into a tally of labels, by the same pane"),
    Step(DeadLetters.send, "what was rejected goes to the rejects topic as it was", False),
    Step(Pipeline.judge, "stage 2"),
    Step(Completeness.until, "up to when every partition that a model waits for has come"),
    Step(Task.close, "gives out panes before that; a closed pane is final"),
    Step(Exchange.put, "merges the tallies of all partitions: integers, so the order makes no difference"),
    Step(LabelExchange.put, "the same for the tallies of labels, which close where panes do"),
    Step(Exchange.ready, "complete panes, in the order of time"),
    Step(LabelExchange.ready, "the labels up to the end of that pane: the judge takes them before it"),
    Step(Fleet.judge, "finds the judge of the model version"),
    Step(ModelJudge.add, "one pane: windows, findings, incident"),
    Step(BaseWindow.add, "merges panes until they hold 250 events: a base window"),
    Step(Judge.observe, "causes that remember take the pane: does live traffic vary as the reference says"),
    Step(Budget.alpha, "what each test of this moment may spend of the page budget"),
    Step(Judge.recent_findings, "at every pane's end: the quality counts of the newest panes that hold 50 events"),
    Step(Quality.measure, "missing, absent, unseen, outside, wrong type: their shares against the reference's"),
    Step(WindowPyramid.add, "at its end, the windows of the newest 1, 2, 4, ... base windows"),
    Step(Distribution.measure, "a cause: bins against the reference's bins; what was really tested is paid for"),
    Step(Judge.findings, "asks every cause what is over; of a column and cause the worst window"),
    Step(IncidentBook.step, "findings to one incident of the model version; a transition where something changed"),
    Step(Pipeline.checkpoint, "save what is known, then send it: see [state.md](state.md)"),
    Step(Pipeline.to_state, "both stages and the unsent transitions as parts, cut at one moment"),
    Step(StateDirectory.save, "the parts whose marks changed, then the checkpoint that refers to them: a temporary"
         " file, synced, renamed; the checkpoint before is kept"),
    Step(Alerts.send, "the transition to the alert topic, with an id of its own", False),
    Step(KafkaSource.commit, "the group's offsets follow, as a mirror", False),
    Step(SnapshotBuilder.snapshot, "one immutable snapshot of all that is shown, made by the loop"),
    Step(SnapshotHolder.show, "hands it to the server's thread"),
    Step(Site.answer, "a request: which path answers it"),
    Step(SeriesPage.text, "`/metrics`, the series of `publish/register.py`"),
    Step(StatusPages.of, "`/`, the page for people"),
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
    """The arrows from which all others follow: one that a longer way says too is left out. There are no circles."""
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

This file is made from the code by `python -m tests.documents`; do not edit it.

A folder of `monitor/` is a room, rooms stand on floors. A file imports from lower floors and from the files of its own
room that are named before it; `tests/house.py` names every file, and `tests/test_architecture.py` fails where an import
goes another way. So everything up to *judging* is an engine that runs without Kafka, files or a clock.

## Floors

An arrow says *imports*. {len(found)} pairs of rooms are joined by {found.total()} imports; drawn are the {len(shown)} \
arrows from which the others follow.

```mermaid
{_mermaid(shown)}
```

## Rooms

From the ground up, with the files of each room in the order in which they may import one another.

{_rooms()}

## The path of one record

From the poll to the page, each step with the file it is in. *Stage 1* counts each partition by itself, *stage 2* judges
each model version over all partitions. `monitor/pipeline.py` reads from top to bottom like this list.

{_path()}

Why it is made so stands in [decisions](decisions/README.md).
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
    lines = ["| floor | room | what it is | files |", "|---|---|---|---|"]
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
