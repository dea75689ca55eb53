"""Labels on a second topic, a daemon that is killed often: the confusion counts are those of a recount."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from tests.daemons import DaemonProcess, Tree, state_of
from tests.faulty_stream import PARTITIONS, START_MS, STEP_MS, Record, Row, credit_rows, predictions
from tests.killing import MOMENTS, Feeder, Trial, is_done, model_of
from tests.real_parts.kafka import KafkaBroker

EVENTS: Final = 8_000
KILLS: Final = 8
LABEL_PARTITIONS: Final = 2
HORIZON_MS: Final = 120_000

Confusion = dict[str, dict[str, int]]


class TwoTopics(Feeder):
    """Partitions from `PARTITIONS` on are those of the labels' topic."""

    def place(self, record: Record) -> tuple[str, int]:
        if record.partition < PARTITIONS:
            return self._topic, record.partition
        return f"{self._topic}.labels", record.partition - PARTITIONS


class LabelTrial(Trial):
    """Predictions on the trial's topic, labels on `<topic>.labels`."""

    def prepare(self, rows: Sequence[Row]) -> None:
        self.broker.create_topic(f"{self.topic}.labels", LABEL_PARTITIONS)
        super().prepare(rows)

    def feeder(self) -> Feeder:
        return TwoTopics(self.broker.bootstrap, self.topic)

    def inputs(self) -> Sequence[str]:
        return (self.topic, f"{self.topic}.labels")

    def more_of_model(self) -> Tree:
        return {"labels": {"horizon": f"{HORIZON_MS}ms"}}

    def ends(self) -> dict[str, int]:
        return {f"{topic}-{at}": end for topic in self.inputs() for at, end in self.broker.end_offsets(topic).items()}


def records(rows: Sequence[Row], rng: random.Random) -> list[Record]:
    """Predictions and their labels, in the order to produce them: late, again, taken back, of no prediction, too late;
    and predictions whose id is there already."""
    due: list[tuple[int, int, Record]] = []
    for number, event in enumerate(predictions(rows, EVENTS, seed=41, drift=False)):
        at_ms = START_MS + STEP_MS * number
        due.append((at_ms, len(due), _record(rng.randrange(PARTITIONS), event, at_ms)))
        if rng.random() < 0.02:
            again = event | {"ts": event["ts"] + 7, "prediction": 1 - event["prediction"]}
            again.pop("label", None)  # it would count at once, for a second prediction
            due.append((at_ms, len(due), _record(rng.randrange(PARTITIONS), again, at_ms)))
        for label, delay_ms, name in _labels(event["id"], rows[number % len(rows)]["default"], rng):
            later_ms = at_ms + delay_ms
            one = {"type": "label", "id": name, "model": "credit", "ts": later_ms, "label": label}
            named = one | {"version": "1"} if rng.random() < 0.5 else one
            due.append((later_ms, len(due), _record(PARTITIONS + rng.randrange(LABEL_PARTITIONS), named, later_ms)))
    return [record for _, _, record in sorted(due)]


def _labels(name: str, label: int, rng: random.Random) -> Iterator[tuple[object, int, str]]:
    """The label, the delay in milliseconds and the id of each label event of a prediction."""
    kind = rng.random()
    delay_ms = rng.randrange(100_000)
    if kind < 0.05:
        return
    yield label, delay_ms if kind < 0.9 else HORIZON_MS + delay_ms, name
    if kind < 0.15:
        yield 1 - label, delay_ms + rng.randrange(30_000), name
    elif kind < 0.2:
        yield None, delay_ms + rng.randrange(30_000), name
    elif kind < 0.25:
        yield label, delay_ms, f"no-{name}"


def _record(partition: int, event: dict[str, Any], at_ms: int) -> Record:
    return Record(partition, json.dumps(event).encode(), at_ms)


def recount(trial: LabelTrial) -> Confusion:
    """The confusion counts by the plainest code there is, from the topics alone."""
    first: dict[str, Any] = {}
    for record in trial.broker.records(trial.topic, seconds=120.0):
        event = json.loads(record.value or b"")
        known = first.get(event["id"])
        if known is None or event["ts"] < known["ts"]:
            first[event["id"]] = event
    newest_ms: Counter[int] = Counter()
    labels = []
    for record in trial.broker.records(f"{trial.topic}.labels", seconds=120.0):
        label = json.loads(record.value or b"")
        newest_ms[record.partition] = max(newest_ms[record.partition], label["ts"])
        labels.append((newest_ms[record.partition], record.partition, record.offset, label))
    now = {name: event.get("label") for name, event in first.items()}
    for effect_ms, _, _, label in sorted(labels, key=lambda one: one[:3]):
        event = first.get(label["id"])
        if event is not None and abs(effect_ms - event["ts"]) <= HORIZON_MS:
            now[label["id"]] = label["label"]
    pairs = Counter((str(label), str(first[name]["prediction"])) for name, label in now.items() if label is not None)
    confusion: Confusion = {}
    for (label, prediction), count in pairs.items():
        confusion.setdefault(label, {})[prediction] = count
    return confusion


@pytest.fixture(scope="module")
def trial(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> LabelTrial:
    trial = LabelTrial(kafka, tmp_path_factory.mktemp("late-labels"), "late-labels")
    rows, _ = credit_rows()
    trial.prepare(rows)
    trial.run_killed(records(rows, random.Random(42)), KILLS, seed=43)
    return trial


def test_the_confusion_counts_of_a_killed_daemon_are_those_of_a_recount(trial: LabelTrial) -> None:
    assert set(trial.moments) == set(MOMENTS)
    expected = recount(trial)
    trial.write(idle_after="1s", every="500ms")
    ends = trial.ends()

    def done(state: Tree) -> bool:
        return is_done(state, ends) and model_of(state)["confusion"] == expected

    with DaemonProcess(trial.config) as daemon:
        daemon.wait_ready(120.0)
        daemon.wait_until(lambda: done(state_of(trial.config)), "the confusion counts are those of a recount", 60.0)
        assert daemon.stop() == 0
    state = model_of(state_of(trial.config))
    assert state["confusion"] == expected
    assert sum(sum(row.values()) for row in expected.values()) > EVENTS / 2
    assert all(state["fates"].get(fate, 0) > 100 for fate in ("matched", "replaced", "retracted", "expired"))
