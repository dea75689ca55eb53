"""Labels on a second topic and outcomes on a third, a daemon that is killed often, and a recount of both.

Labels and outcomes come late, again, taken back, before their prediction, for no prediction, and too late; ids of
predictions are repeated. `recount` reads the topics and uses dictionaries; it shares nothing with the join.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.daemons import DaemonProcess, Tree, driftd, state_of
from tests.faulty_stream import PARTITIONS, START_MS, STEP_MS, Event, Record, Row, predictions
from tests.killing import REFERENCE_EVENTS, Feeder, Trial, is_done, model_of

LATE_PARTITIONS: Final = 2
HORIZON_MS: Final = 120_000
#: names of the topics beside that of the predictions, in the order of their records' partitions
LATE: Final = ("labels", "outcomes")
#: fates that a recount can tell
MET: Final = ("matched", "replaced", "retracted")
REVIEWS: Final = ("none", "short", "long")
_KINDS: Final = ("label", "value", "rating", "review")


class ThreeTopics(Feeder):
    """Partitions from `PARTITIONS` on are those of the topics of labels and of outcomes."""

    def place(self, record: Record) -> tuple[str, int]:
        if record.partition < PARTITIONS:
            return self._topic, record.partition
        which, partition = divmod(record.partition - PARTITIONS, LATE_PARTITIONS)
        return f"{self._topic}.{LATE[which]}", partition


class LateTrial(Trial):
    """Predictions on the trial's topic, labels on `<topic>.labels`, outcomes on `<topic>.outcomes`."""

    def prepare(self, rows: Sequence[Row]) -> None:
        for name in LATE:
            self.broker.create_topic(f"{self.topic}.{name}", LATE_PARTITIONS)
        super().prepare(rows)

    def reference_events(self, rows: Sequence[Row]) -> Iterator[Event]:
        """Those of the trial, and what comes late for them."""
        for record in late_records(rows, REFERENCE_EVENTS, random.Random(7), repeated=False):
            yield json.loads(record.value or b"")

    def feeder(self) -> Feeder:
        return ThreeTopics(self.broker.bootstrap, self.topic)

    def inputs(self) -> Sequence[str]:
        return (self.topic, *(f"{self.topic}.{name}" for name in LATE))

    def more_of_model(self) -> Tree:
        outcomes = {"rating": {"kind": "numeric"}, "review": {"kind": "categorical"}}
        return {"labels": {"horizon": f"{HORIZON_MS}ms"}, "outcomes": outcomes}

    def ends(self) -> dict[str, int]:
        return {f"{topic}-{at}": end for topic in self.inputs() for at, end in self.broker.end_offsets(topic).items()}

    def finish_joined(self, holds: Callable[[Tree], bool]) -> Tree:
        """The last run: reads to the end, and on until its model `holds`, or a minute is over; the state."""
        self.write(idle_after="1s", every="500ms")
        ends = self.ends()

        def done() -> bool:
            state = state_of(self.config)
            return is_done(state, ends) and holds(model_of(state))

        with DaemonProcess(self.config) as daemon:
            daemon.wait_ready(120.0)
            with suppress(TimeoutError):  # what is different then is for the caller to say
                daemon.wait_until(done, "it has joined all", 60.0)
            assert daemon.stop() == 0, daemon.text()[-3000:]
        return state_of(self.config)

    def recordings(self) -> list[Path]:
        """One of each topic, made where it is not there."""
        files = [self.folder / f"{topic}.records.jsonl.zst" for topic in self.inputs()]
        for topic, file in zip(self.inputs(), files, strict=True):
            if not file.exists():
                source = f"kafka://{topic}?from=earliest&to=latest"
                driftd("record", source, "--config", str(self.config), "-o", str(file))
        return files

    def replay(self) -> list[Tree]:
        messages = driftd("replay", "--config", str(self.config), *map(str, self.recordings()), "--json")
        return [json.loads(line) for line in messages.splitlines()]


def late_records(rows: Sequence[Row], events: int, rng: random.Random, *, repeated: bool = True) -> Iterator[Record]:
    """Predictions, and what comes later for them, in the order to produce them; some ids are `repeated`."""
    due: list[tuple[int, int, Record]] = []

    def add(at_ms: int, partition: int, event: Mapping[str, object]) -> None:
        due.append((at_ms, len(due), Record(partition, json.dumps(event).encode(), at_ms)))

    for number, event in enumerate(predictions(rows, events, seed=41, drift=False)):
        at_ms = START_MS + STEP_MS * number
        add(at_ms, rng.randrange(PARTITIONS), event)
        if repeated and rng.random() < 0.02:
            again = event | {"ts": event["ts"] + 7, "prediction": 1 - event["prediction"]}
            again.pop("label", None)  # it would count at once, for a second prediction
            add(at_ms, rng.randrange(PARTITIONS), again)
        truth = rows[number % len(rows)]["default"]
        if repeated and number > events * 2 // 3:
            truth = int(rng.random() < 0.5)
        for which, said in ((0, _label(truth)), (1, _outcomes(rng))):
            for fields, delay_ms, name in _late(event["id"], said, rng):
                one = {"type": "label", "id": name, "model": "credit", "ts": at_ms + delay_ms, **fields}
                named = one | {"version": "1"} if rng.random() < 0.5 else one
                add(at_ms + delay_ms, PARTITIONS + LATE_PARTITIONS * which + rng.randrange(LATE_PARTITIONS), named)
    return (record for _, _, record in sorted(due))


#: what a label event says, given a random number generator: (again) another thing, or nothing any more
Said = Callable[[random.Random, str], dict[str, object]]


def _label(truth: int) -> Said:
    def said(rng: random.Random, how: str) -> dict[str, object]:
        if how == "taken back":
            return {"label": None}
        label = truth if how == "first" else 1 - truth
        value = {"value": rng.randrange(400) / 4} if rng.random() < 0.5 else {}
        outcomes = {"outcomes": {"rating": rng.randrange(20) / 4}} if rng.random() < 0.1 else {}
        return {"label": label, **value, **outcomes}

    return said


def _outcomes(rng: random.Random) -> Said:
    names = rng.choice((("rating",), ("review",), ("rating", "review")))

    def said(rng: random.Random, how: str) -> dict[str, object]:
        found = {"rating": rng.randrange(20) / 4, "review": rng.choice(REVIEWS)}
        if how == "taken back":
            return {"outcomes": {rng.choice(names): None}}
        return {"outcomes": {name: found[name] for name in names}}

    return said


def _late(name: str, said: Said, rng: random.Random) -> Iterator[tuple[dict[str, object], int, str]]:
    """The fields, the delay in milliseconds and the id of each label event of a prediction."""
    kind, delay_ms = rng.random(), rng.randrange(100_000)
    if kind < 0.05:
        return
    if kind < 0.08:
        delay_ms = -rng.randrange(3_000)  # it comes before its prediction
    yield said(rng, "first"), delay_ms if kind < 0.9 else HORIZON_MS + delay_ms, name
    if kind < 0.15:
        yield said(rng, "again"), delay_ms + rng.randrange(30_000), name
    elif kind < 0.2:
        yield said(rng, "taken back"), delay_ms + rng.randrange(30_000), name
    elif kind < 0.25:
        yield said(rng, "first"), delay_ms, f"no-{name}"


@dataclass(slots=True)
class Results:
    """What labels and outcomes come to, as `state show --json` has it."""

    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    outcomes: dict[str, Any] = field(default_factory=dict)
    value: dict[str, Any] = field(default_factory=dict)
    fates: dict[str, int] = field(default_factory=dict)
    outcome_fates: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Tree) -> Results:
        """Those of a model of a state, of fates only what a recount tells."""
        fates = {name: _met(of) for name, of in model["outcome_fates"].items()}
        return cls(model["confusion"], model["outcomes"], model["value"], _met(model["fates"]), fates)

    def faults(self, expected: Results) -> Iterator[str]:
        """A line for each difference."""
        for name in self.__slots__:
            ours, theirs = getattr(self, name), getattr(expected, name)
            if ours != theirs:
                yield f"{name}: {ours}, expected {theirs}"


def _met(fates: Mapping[str, int]) -> dict[str, int]:
    return {fate: fates.get(fate, 0) for fate in MET}


def recount(trial: LateTrial) -> Results:
    """The results by the plainest code there is, from the topics alone."""
    first: dict[str, Event] = {}
    for record in trial.broker.records(trial.topic, seconds=120.0):
        event = json.loads(record.value or b"")
        known = first.get(event["id"])
        if known is None or event["ts"] < known["ts"]:
            first[event["id"]] = event
    now: dict[tuple[str, str], Any] = {
        (name, "label"): event["label"] for name, event in first.items() if "label" in event
    }
    fates: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
    for effect_ms, event in _in_order(trial):
        prediction = first.get(event["id"])
        if prediction is None or abs(effect_ms - prediction["ts"]) > HORIZON_MS:
            continue
        for kind, value in _values(event):
            place = event["id"], kind
            there = now.get(place) is not None
            fates[kind]["retracted" if value is None else "replaced" if there else "matched"] += 1
            # one that comes with the prediction takes effect with it: after those that came before
            if kind != "label" or "label" not in prediction or effect_ms >= prediction["ts"]:
                now[place] = value
    found = Results(fates=_met(fates["label"]))
    found.outcome_fates = {name: _met(fates[name]) for name in ("rating", "review")}
    labels = ((name, value) for (name, kind), value in now.items() if kind == "label" and value is not None)
    pairs = Counter((str(value), str(first[name]["prediction"])) for name, value in labels)
    for (label, answer), count in pairs.items():
        found.confusion.setdefault(label, {})[answer] = count
    values = {kind: [value for (_, of), value in now.items() if of == kind and value is not None] for kind in _KINDS}
    found.value = _numbers(values["value"])
    texts = {"values": len(values["review"]), "texts": dict(sorted(Counter(values["review"]).items()))}
    found.outcomes = {"rating": _numbers(values["rating"]), "review": texts}
    return found


def _in_order(trial: LateTrial) -> Iterator[tuple[int, Event]]:
    """The label events of both topics with the time they take effect, in the order in which they do."""
    found: list[tuple[int, str, int, int, Event]] = []
    for topic in trial.inputs()[1:]:
        newest_ms: Counter[int] = Counter()
        for record in trial.broker.records(topic, seconds=120.0):
            event = json.loads(record.value or b"")
            newest_ms[record.partition] = max(newest_ms[record.partition], event["ts"])
            found.append((newest_ms[record.partition], topic, record.partition, record.offset, event))
    return ((one[0], one[-1]) for one in sorted(found, key=lambda one: one[:4]))


def _values(event: Event) -> Iterator[tuple[str, Any]]:
    """What a label event says by kind; a label that is taken back takes its value along."""
    if "label" in event:
        yield "label", event["label"]
        if event["label"] is None or "value" in event:
            yield "value", event.get("value")
    yield from event.get("outcomes", {}).items()


def _numbers(values: Sequence[float]) -> dict[str, Any]:
    """Quarters: their sum is exact."""
    return {"values": len(values), "numbers": len(values), "mean": sum(values) / len(values)}
