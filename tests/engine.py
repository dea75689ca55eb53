"""Small models, references, streams, sources and outputs for the tests of the engine."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np

from monitor.chain import Head, Link, Told, linked
from monitor.clock import ManualClock
from monitor.count.admission.versions import Admission
from monitor.errors import TransientError
from monitor.events import ModelKey, Partition
from monitor.findings import Rebase, Transition
from monitor.loop.beside import Beside
from monitor.loop.warming import Learn
from monitor.notices import Notice
from monitor.pipeline import Pipeline
from monitor.records import Change, DeadLetter, RecordBatch
from monitor.reference.blank import blank_reference
from monitor.reference.column import FEATURE, Column
from monitor.reference.file.encoding import with_hash
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.reference.relations import Relations
from monitor.reference.variability import Level, ReferenceVariability
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.replay import Replay, replay
from monitor.settings.tree import Settings
from monitor.state.codec import encode
from monitor.state.part_files import Part
from monitor.state.parts import Cut, State, whole_tree
from monitor.stats.bins.name_bins import BUCKETS, KnownNames, bucket_of, hashes_of
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC, ColumnBins
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.later import Later

SECOND: Final = 1_000_000
#: start of the streams: the beginning of a pane
START_US: Final = 1_764_000_000 * SECOND
NOW_US: Final = START_US
CREDIT: Final = ModelKey("credit", "1")
EVENTS: Final = Partition("events", 0)

Event = dict[str, Any]


def settings(model: Mapping[str, object] | None = None, **over: object) -> Settings:
    """Settings of one model, `credit`; durations are microseconds."""
    tree: dict[str, object] = {
        "inputs": [{"topic": "events"}],
        "models": [{"name": "credit", "reference": "credit.json"} | dict(model or {})],
    }
    return Settings.model_validate(tree | over)


def numeric(
    name: str, edges: Sequence[float] = (1, 2, 3), low: float = 0, high: float = 10, role: str = FEATURE
) -> Column:
    bins = ColumnBins(NUMERIC, edges=tuple(map(float, edges)), low=low, high=high)
    return Column(name, role, bins, center=2.0, scale=3.0, log_center=0.3, log_spread=0.4, modal_share=0.1)


def categorical(
    name: str, categories: Sequence[str] = ("a", "b"), others: Sequence[str] = (), role: str = FEATURE
) -> Column:
    """Each of `categories` has its own bin, `others` share buckets."""
    known = hashes_of([*categories, *others])
    bins = ColumnBins(
        CATEGORICAL,
        categories=tuple(categories),
        buckets=BUCKETS if others else 0,
        cuts=(0, len(categories)),
        known=KnownNames.of(known, np.ones(len(known), np.int64)).to_bytes(),
        bucket_names=tuple(
            tuple(name for name, of in zip(others, bucket_of(hashes_of(others)).tolist(), strict=True) if of == bucket)
            for bucket in range(BUCKETS)
        )
        if others
        else (),
    )
    return Column(name, role, bins, modal_share=0.6)


def blank(columns: Sequence[Column], key: ModelKey = CREDIT) -> Reference:
    """A reference without counts: enough to count events by, and no finding is possible."""
    made = blank_reference(key, list(columns), "binary", "1")
    level = Level(1, 250.0, 0, learned=False)
    return with_hash(replace(made, levels=(level,), variability=ReferenceVariability.unknown(tuple(columns), 1)))


def admission_of(tree: Settings, *references: Reference) -> Admission:
    """The admission of these references by their version; the version `*` matches all."""
    by_model: dict[str, dict[str, Reference]] = {model.name: {} for model in tree.models}
    for reference in references:
        by_model[reference.key.model][reference.key.version] = reference
    return Admission(tree, References(by_model))


def event(at: float, **fields: object) -> Event:
    """A native event `at` seconds after the start."""
    whole: Event = {"type": "prediction", "model": "credit", "version": "1", "ts": START_US + round(at * SECOND)}
    return {name: value for name, value in (whole | fields).items() if value is not Ellipsis}


def raw(thing: object) -> bytes | None:
    """A record's value: JSON, bytes unchanged, None for a tombstone."""
    if thing is None or isinstance(thing, bytes):
        return thing
    return json.dumps(thing, ensure_ascii=False).encode()


def batch_of(things: Sequence[object], first: int = 0, partition: Partition = EVENTS) -> RecordBatch:
    """A batch of a source without record times."""
    offsets = np.arange(first, first + len(things))
    return RecordBatch(partition, [raw(thing) for thing in things], offsets, None, first + len(things), NOW_US)


def times_in(batch: RecordBatch) -> list[int]:
    """The record times of a batch that has them."""
    assert batch.times_ms is not None
    return [int(time_ms) for time_ms in batch.times_ms]


class MemorySource:
    """A source over records in memory. A poll returns at most `chunk` records of each partition; with `turns`, only of
    the next partition in it."""

    def __init__(
        self,
        records: Mapping[Partition, Sequence[object]],
        chunk: int = 500,
        turns: Sequence[Partition] = (),
        live: bool = False,
    ) -> None:
        self.records = {partition: list(things) for partition, things in records.items()}
        self.next = dict.fromkeys(self.records, 0)
        self.live = live
        self.new_changes: list[Change] = []
        #: partitions that are not at their end though all their records were returned
        self.unread: set[Partition] = set()
        self.paused: set[Partition] = set()
        self._chunk = chunk
        self._turns = deque(turns)

    def partitions(self) -> list[Partition]:
        return sorted(self.records)

    def changes(self) -> list[Change]:
        new_changes, self.new_changes = self.new_changes, []
        return new_changes

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        self.paused = set(paused)
        readable = [p for p in self.partitions() if p not in self.paused and self.next[p] < len(self.records[p])]
        if self._turns and readable:
            while self._turns[0] not in readable:
                self._turns.rotate(-1)
            readable = [self._turns[0]]
            self._turns.rotate(-1)
        return [self._read(partition) for partition in readable]

    def _read(self, partition: Partition) -> RecordBatch:
        first = self.next[partition]
        things = self.records[partition][first : first + self._chunk]
        self.next[partition] += len(things)
        return batch_of(things, first, partition)

    def at_end(self, partition: Partition) -> bool:
        return self.next[partition] == len(self.records[partition]) and partition not in self.unread

    def ended(self) -> bool:
        return not self.live and all(self.at_end(partition) for partition in self.records)

    def close(self) -> None:
        """Nothing is open."""


class Recorded:
    """Outputs that record their calls, in order. `failing` names calls that raise."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.letters: list[DeadLetter] = []
        self.saved: list[State] = []
        self._parts: dict[str, tuple[Hashable, bytes]] = {}
        #: the parts of the last cut, and their content when it was made
        self._frozen: list[tuple[Part, bytes]] = []
        self.reported: list[Transition] = []
        self.rebased: list[Rebase] = []
        self.noticed: list[Notice] = []
        #: of all three, in the order in which they were sent
        self.links: list[Link] = []
        self.committed: list[dict[Partition, int]] = []
        self.failing: set[str] = set()

    def begin_process(self) -> None:
        """Another process goes on: what it says has changed since is told to it alone."""
        self._parts.clear()

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise TransientError(f"{name} fails")

    def reject(self, letter: DeadLetter) -> None:
        self._called("reject")
        self.letters.append(letter)

    def flush_rejects(self) -> None:
        self._called("flush_rejects")

    def freeze(self, cut: Cut) -> Cut:
        for part, content in self._frozen:
            assert bytes(encode(part.tree())) == content, f"{part.name} changed while it could be written"
        frozen = cut.frozen({part.name for part in cut.parts})
        self._frozen = [(part, bytes(encode(part.tree()))) for part in frozen.parts]
        return frozen

    def save(self, cut: Cut) -> None:
        self._called("save")
        self.saved.append(cut.state())
        for part in cut.parts:
            content = bytes(encode(part.tree()))
            mark, before = self._parts.get(part.name, (None, b""))
            assert mark != part.mark or content == before, f"{part.name} changed and its mark did not"
            self._parts[part.name] = part.mark, content

    def publish(self, told: Sequence[Told], head: Head) -> None:
        self._called("publish")
        for one in told:
            link = linked(head, one.id, one.to_json())
            head = link.head
            self.links.append(link)
            match one:
                case Transition():
                    self.reported.append(one)
                case Rebase():
                    self.rebased.append(one)
                case Notice():
                    self.noticed.append(one)

    def commit(self, positions: Mapping[Partition, int]) -> None:
        self._called("commit")
        self.committed.append(dict(positions))


def pipeline_of(
    tree: Settings,
    admission: Admission,
    source: MemorySource,
    outputs: Recorded | None = None,
    *,
    live: bool = False,
    learn: Learn | None = None,
    beside: Beside | None = None,
) -> tuple[Pipeline, ManualClock]:
    clock = ManualClock(NOW_US)
    made = Pipeline(tree, admission, source, clock, outputs or Recorded(), live=live, learn=learn, beside=beside)
    return made, clock


def run_to_end(pipeline: Pipeline, source: MemorySource) -> None:
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()


def trees(cut: Cut) -> dict[str, Any]:
    """All that a state holds, by name of the part; what is of the whole under ""."""
    return {"": whole_tree(cut.whole)} | {part.name: part.tree() for part in cut.parts}


def settled(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a state, of joins only what does not depend on the order in which partitions were read."""
    kept = ("model", "fates", "until", "tidied", "gone")
    return {
        name: {field: one[field] for field in kept} if name.startswith("join/") else one for name, one in parts.items()
    }


def plain(node: object) -> Any:  # noqa: ANN401 - a tree of whatever a state holds
    """A state as lists, dicts and numbers that can be compared; lists of records are sorted."""
    if isinstance(node, np.ndarray):
        return node.tolist()
    if isinstance(node, Later):
        return plain(node.tree())
    if isinstance(node, Mapping):
        return {name: plain(child) for name, child in node.items()}
    if isinstance(node, list | tuple):
        children = [plain(child) for child in node]
        return sorted(children, key=repr) if any(isinstance(child, list) for child in children) else children
    return node


NAMES: Final = ("AGE", "LIMIT", "BILL", "EDU")


@dataclass(frozen=True)
class Credit:
    """A stream like that of a credit model at 100 predictions a minute; `fault` changes the events from `change` on."""

    events: int = 5_000
    seed: int = 1
    change: int = 1 << 30
    fault: Callable[[Event, np.random.Generator], None] = lambda _event, _rng: None
    names: tuple[str, ...] = NAMES
    #: time of the first event after the start, in seconds
    begin: float = 0.0

    def __iter__(self) -> Iterator[Event]:
        rng = np.random.default_rng(self.seed)
        at = self.begin + np.cumsum(rng.exponential(0.6, self.events))
        columns = [
            np.round(rng.gamma(16, 2.2, self.events)).tolist(),
            np.round(rng.lognormal(11, 0.9, self.events), 2).tolist(),
            np.round(rng.normal(40_000, 15_000, self.events), 2).tolist(),
            rng.choice(["high", "middle", "low", "none"], self.events, p=[0.45, 0.3, 0.2, 0.05]).tolist(),
        ]
        score = np.round(rng.beta(2, 5, self.events), 4).tolist()
        for i in range(self.events):
            features = {name: column[i] for name, column in zip(self.names, columns, strict=True)}
            made = event(
                float(at[i]), id=f"{self.seed}-{i}", features=features, score=score[i], prediction=int(score[i] > 0.5)
            )
            if i >= self.change:
                self.fault(made, rng)
            yield made


def tied(stream: Iterable[Event]) -> Iterator[Event]:
    """The same events, whose BILL goes with their LIMIT."""
    for made in stream:
        features = made["features"]
        yield made | {"features": features | {"BILL": round(features["BILL"] + features["LIMIT"] / 2, 2)}}


def with_pairs(reference: Reference, pairs: Sequence[tuple[int, int]], levels: Sequence[Sequence[int]]) -> Reference:
    """The same reference, in which pairs of columns are watched that are not tied."""
    count, known = len(pairs), len(reference.levels)
    relations = Relations(
        levels=tuple(map(tuple, levels)),
        strongest=np.zeros(len(reference.columns)),
        pairs=np.array(pairs, np.int64).reshape(-1, 2),
        tables=np.full((count, 3, 3), 100, np.int64),
        tie=np.zeros(count),
        variance=np.ones(count),
        freedom=np.full(count, np.inf),
        block=np.zeros(count, np.int64),
        settled=np.ones(count, np.bool_),
        dependent=np.zeros(count, np.bool_),
        largest=np.full((known, count), np.nan),
        all_tables={},
    )
    return with_hash(replace(reference, relations=relations))


def build(tree: Settings, stream: Sequence[Event], key: ModelKey = CREDIT) -> Reference:
    """The reference of all predictions of a stream."""
    return build_reference(
        tree, key, lambda: MemorySource({EVENTS: stream}), ManualClock(NOW_US), EventRange(rows=len(stream))
    )


@cache
def credit_reference() -> Reference:
    """The reference of 10,000 usual predictions."""
    return build(settings(), list(Credit(10_000)))


def replayed(
    tree: Settings, reference: Reference, source: MemorySource, *, windows: bool = False
) -> tuple[list[dict[str, Any]], Replay]:
    """The lines of a replay, and its result."""
    lines: list[dict[str, Any]] = []
    result = replay(tree, admission_of(tree, reference), source, ManualClock(NOW_US), lines.append, windows=windows)
    return lines, result


def by_class(tally: LabelTally) -> LabelTally:
    """Its labels and pairs alone, without scores and sums."""
    return LabelTally(tally.labels, dict(tally.pairs))


def transitions_in(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["kind"] == "transition"]
