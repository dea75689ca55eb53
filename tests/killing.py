"""Kills a daemon again and again while a stream with faults comes in, and checks the result: every record once.

Each run of the daemon gets a piece of the stream: half before it starts, half while it runs. A run ends with SIGKILL at
one of four moments: while it starts, at a random time, while it writes a checkpoint, or as it publishes a transition.
`idle_after` is long in these runs, so that no partition counts as silent; the last run, after everything was produced,
closes the open panes.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from monitor.kafka.cloud_events import INCIDENT
from tests.daemons import DaemonProcess, Tree, driftd, settings_tree, state_of, write_settings
from tests.faulty_stream import CATEGORICAL, PARTITIONS, Event, Record, Row, predictions
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.kafka_client import ONCE, QUIET
from tests.real_parts.waiting import wait_until
from tests.recount import ModelCount, Recount

MOMENTS: Final = ("start", "any", "checkpoint", "publish")
REFERENCE_EVENTS: Final = 6_000
#: seconds after which a run is killed if no checkpoint or transition came
PATIENCE_SECONDS: Final = 2.0
#: the second half of a piece is produced in this many parts with a pause between them
PARTS: Final = 20
PAUSE_SECONDS: Final = 0.03
MODEL: Final = ("credit", "1")


class Feeder:
    """Produces records of all partitions in order, each exactly once."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, **QUIET, **ONCE})
        self._topic = topic
        self._failures: list[KafkaError] = []

    def feed(self, records: Sequence[Record]) -> None:
        for record in records:
            topic, partition = self.place(record)
            self._producer.produce(
                topic,
                record.value,
                partition=partition,
                timestamp=record.timestamp_ms,
                on_delivery=self._delivered,
            )
            self._producer.poll(0)
        left = self._producer.flush(60.0)
        assert not left, f"{left} records were not acknowledged"
        assert not self._failures, str(self._failures[0])

    def place(self, record: Record) -> tuple[str, int]:
        """The topic and partition that a record goes to."""
        return self._topic, record.partition

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failures.append(error)


@dataclass
class Trial:
    """One topic, its settings and its daemon. `moments` are those at which the runs so far were killed; `clients` are
    those of the runs, in turn, where they change."""

    broker: KafkaBroker
    folder: Path
    topic: str
    client: str = "kafka-python"
    clients: Sequence[str] = ()
    moments: list[str] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "driftd.yaml"

    @property
    def recording(self) -> Path:
        return self.folder / "all.records.jsonl.zst"

    # preparation

    def prepare(self, rows: Sequence[Row]) -> None:
        """Create topics, settings, and a reference of the stream without drift."""
        self.broker.create_topic(self.topic, PARTITIONS)
        for output in ("alerts", "rejects"):
            self.broker.create_topic(f"{self.topic}.{output}")
        self.write(idle_after="10m", every="200ms")
        events = self.folder / "reference.jsonl"
        with events.open("w", encoding="utf-8") as out:
            for event in self.reference_events(rows):
                out.write(json.dumps(event) + "\n")
        build = ["reference", "build", "--config", str(self.config), "--model", "credit"]
        driftd(*build, "--rows", str(REFERENCE_EVENTS), str(events), "-o", str(self.folder / "credit.json"))

    def reference_events(self, rows: Sequence[Row]) -> Iterator[Event]:
        """The events that the reference is built from."""
        for number, event in enumerate(predictions(rows, REFERENCE_EVENTS, seed=7, drift=False)):
            if number % 100 == 0:
                del event["features"]  # as in the stream, where it is not part of the drift
            yield event

    def write(self, *, idle_after: str, every: str) -> None:
        """Write the settings. Neither argument changes the settings hash of the state."""
        model = {
            "name": "credit",
            "versions": ["1"],
            "reference": "credit.json",
            "features": {name: {"kind": "categorical"} for name in CATEGORICAL},
            **self.more_of_model(),
        }
        tree = settings_tree(
            self.broker.bootstrap,
            self.topic,
            model,
            inputs=[{"topic": topic} for topic in self.inputs()],
            state={"path": "state", "every": every},
            windows={"idle_after": idle_after},
        )
        tree["kafka"]["client"] = self.client
        write_settings(self.folder, tree)

    def inputs(self) -> Sequence[str]:
        """The topics that are read."""
        return (self.topic,)

    def more_of_model(self) -> Tree:
        """Further settings of the model."""
        return {}

    def feeder(self) -> Feeder:
        return Feeder(self.broker.bootstrap, self.topic)

    # runs

    def run_killed(self, records: Sequence[Record], kills: int, *, seed: int) -> None:
        """Produce all records while the daemon is killed `kills` times."""
        rng = random.Random(seed)
        feeder = self.feeder()
        moments = [MOMENTS[number % len(MOMENTS)] for number in range(kills)]
        rng.shuffle(moments)
        cuts = [len(records) * number // kills for number in range(kills + 1)]
        for number, moment in enumerate(moments):
            piece = records[cuts[number] : cuts[number + 1]]
            feeder.feed(piece[: len(piece) // 2])
            if self.clients:
                self.client = self.clients[number % len(self.clients)]
                self.write(idle_after="10m", every="200ms")
            with DaemonProcess(self.config) as daemon:
                if moment != "start":
                    daemon.wait_ready()
                feeding = Feeding(feeder, piece[len(piece) // 2 :])
                feeding.start()
                self._await_moment(daemon, moment, rng)
                daemon.kill()
                feeding.hurry()
            self.moments.append(moment)

    def _await_moment(self, daemon: DaemonProcess, moment: str, rng: random.Random) -> None:
        if moment == "start":
            time.sleep(rng.uniform(0.05, 1.5))  # a random moment: there is no condition to wait for
        elif moment == "any":
            time.sleep(rng.uniform(0.0, 1.0))  # the same
        elif moment == "checkpoint":
            unfinished, deadline = self.folder / "state" / ".checkpoint.tmp", time.monotonic() + PATIENCE_SECONDS
            time.sleep(rng.uniform(0.0, 0.5))  # a random one of the checkpoints
            while not unfinished.exists() and time.monotonic() < deadline:
                pass  # the file exists for a millisecond only
        else:
            deadline = time.monotonic() + PATIENCE_SECONDS
            wait_until(lambda: daemon.lines("incident_") or time.monotonic() > deadline, "a transition or the end")
        assert daemon.running(), f"the daemon ended by itself:\n{daemon.text()[-3000:]}"

    def finish(self) -> DaemonProcess:
        """The last run: reads to the end, judges everything, and is stopped with exit code 0."""
        self.write(idle_after="1s", every="500ms")
        ends = self.ends()
        with DaemonProcess(self.config) as daemon:
            daemon.wait_ready(120.0)
            daemon.wait_until(lambda: is_done(state_of(self.config), ends), "all is read and judged", 120.0)
            assert set(daemon.series("driftd_lag_records").values()) == {0.0}
            assert set(daemon.series("driftd_unjudged_events_total").values()) == {0.0}
            code = daemon.stop()
        assert code == 0, f"exit code {code}:\n{daemon.text()[-3000:]}"
        return daemon

    def ends(self) -> dict[str, int]:
        return {f"{self.topic}-{number}": end for number, end in self.broker.end_offsets(self.topic).items()}

    # the same records by other means

    def recount(self) -> Recount:
        reference = json.loads(driftd("reference", "show", str(self.folder / "credit.json"), "--json"))
        return Recount({MODEL: reference}).add_all(self.broker.records(self.topic, seconds=120.0))

    def record(self) -> None:
        source = f"kafka://{self.topic}?from=earliest&to=latest"
        driftd("record", source, "--config", str(self.config), "-o", str(self.recording))

    def replay(self) -> list[Tree]:
        """The lines of `driftd replay --json` over the recording."""
        messages = driftd("replay", "--config", str(self.config), str(self.recording), "--json")
        return [json.loads(line) for line in messages.splitlines()]

    def alerts(self) -> list[Tree]:
        """The CloudEvents of incidents on the alert topic, in order."""
        return [event for event in self.told() if event["type"] == INCIDENT]

    def told(self) -> list[Tree]:
        """All CloudEvents of the alert topic, in order."""
        return [json.loads(record.value or b"") for record in self.broker.records(f"{self.topic}.alerts")]

    def dead_letters(self) -> dict[tuple[int, int], str]:
        """The reasons on the rejects topic by (partition, offset); a letter may be there several times."""
        reasons: dict[tuple[int, int], str] = {}
        for record in self.broker.records(f"{self.topic}.rejects"):
            headers = {name: value.decode() for name, value in record.headers}
            place = (int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"]))
            assert reasons.setdefault(place, headers["driftd.error.code"]) == headers["driftd.error.code"]
        return reasons


class Feeding(threading.Thread):
    """A thread that produces records in parts while a daemon runs."""

    def __init__(self, feeder: Feeder, records: Sequence[Record]) -> None:
        super().__init__(daemon=True)
        self._feeder = feeder
        self._records = records
        self._hurried = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        cuts = [len(self._records) * part // PARTS for part in range(PARTS + 1)]
        try:
            for first, last in itertools.pairwise(cuts):
                self._feeder.feed(self._records[first:last])
                self._hurried.wait(PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits in `hurry`
            self._error = error

    def hurry(self) -> None:
        """Produce the rest at once; returns when everything is acknowledged."""
        self._hurried.set()
        self.join()
        if self._error is not None:
            raise self._error


def is_done(state: Tree, ends: dict[str, int]) -> bool:
    """Whether everything is read, judged and published."""
    return positions_of(state) == ends and not state["unsent"] and not any(u["open_panes"] for u in state["units"])


def positions_of(state: Tree) -> dict[str, int]:
    return {name: offset for task in state["units"] for name, offset in task["positions"].items()}


def model_of(state: Tree) -> Tree:
    """The one model version of a state."""
    (only,) = state["models"]
    model: Tree = only
    return model


# checks: each yields its faults, none if it holds


def count_faults(state: Tree, recount: Recount) -> Iterator[str]:
    """Each record was counted once: in outcomes, reasons, events of each kind, and bins."""
    if sum(state["outcomes"].values()) != recount.events:
        yield f"{sum(state['outcomes'].values())} outcomes of {recount.events} events"
    yield from _differences("outcomes", state["outcomes"], dict(recount.outcomes))
    reasons = {name.removeprefix("rejected/"): n for name, n in state["reasons"].items() if name.startswith("rejected")}
    yield from _differences("reasons", reasons, dict(recount.reasons))
    model, counted = model_of(state), recount.models[MODEL]
    for name in ("predictions", "features_events", "labels"):
        yield from _differences(name, model[name], getattr(counted, name))
    yield from _bin_faults(model, counted)


def _bin_faults(model: Tree, counted: ModelCount) -> Iterator[str]:
    yield from _differences("names of features", sorted(model["features"]), sorted(counted.features))
    for name, counts in model["features"].items():
        yield from _differences(name, counts, counted.features[name].to_json())
        total = sum(counts["bins"]) + sum(count for quality_count, count in counts.items() if quality_count != "bins")
        yield from _differences(f"{name}: bins and quality counts together", total, counted.with_features)


def alert_faults(alerts: Sequence[Tree], replayed: Sequence[Tree]) -> Iterator[str]:
    """The alert topic holds exactly the transitions of a replay, each under one id."""
    sent: dict[str, Tree] = {}
    for alert in alerts:
        if sent.setdefault(alert["id"], alert["data"]) != alert["data"]:
            yield f"{alert['id']}: two different contents"
    expected = numbered(replayed)
    yield from (f"{name}: published, and not in the replay" for name in sent if name not in expected)
    yield from (f"{name}: in the replay, and never published" for name in expected if name not in sent)
    for name in sent.keys() & expected.keys():
        yield from _differences(name, sent[name], expected[name])
    if list(sent) != list(expected):
        yield f"first published in the order {list(sent)}, replayed in the order {list(expected)}"


def numbered(lines: Sequence[Tree]) -> dict[str, Tree]:
    """The transitions of a replay by the id that they have on the alert topic."""
    numbers: Counter[str] = Counter()
    by_id: dict[str, Tree] = {}
    for line in lines:
        if line["kind"] == "transition":
            numbers[line["incident"]] += 1
            by_id[f"{line['incident']}/{numbers[line['incident']]}"] = line
    return by_id


def _differences(what: str, actual: Any, expected: Any) -> Iterator[str]:  # noqa: ANN401  # any JSON
    if actual != expected:
        yield f"{what}: {actual}, expected {expected}"
