"""Where the programs of a set run: topics on one broker, a folder for settings and state, the peers' environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from tests.benchmarks.material import MissingError
from tests.benchmarks.perf_events import START_MS, PerfEvents
from tests.benchmarks.side_by_side import FailedError, Program
from tests.real_parts.install import ROOT, missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

GAP_MS: Final = 10
FEATURES: Final = 25
PARTITIONS: Final = 3
#: different events of a stream, which repeats them with ids and times of their own
DIFFERENT: Final = 20_000
POLL: Final = "bare poll"
#: read by several sets, and made once
USUAL_TOPIC: Final = "usual"
NOBODY: Final = "127.0.0.1:9"

# Run in the tree whose daemon will read them, so that an older one gets settings and references that it understands.
_WRITE: Final = """
import json, sys
from pathlib import Path
from tests.benchmarks.perf_events import write_perf_settings
a = json.loads(sys.argv[1])
write_perf_settings(Path(a["folder"]), a["models"], a["gap_ms"], features=a["features"], **a["settings"])
"""


@dataclass(frozen=True)
class Stream:
    """A topic that was filled."""

    topic: str
    events: int
    models: int = 1
    features: int = FEATURES
    partitions: int = PARTITIONS
    #: of event time between two events of any of the models
    gap_ms: float = GAP_MS


@dataclass
class Place:
    """One for each tree whose daemon is measured; those of one comparison share broker, folder and streams."""

    kafka: KafkaBroker | None
    folder: Path
    quick: bool = False
    tree: Path = ROOT
    #: stands before the names of the programs, where several trees are compared
    label: str = ""
    streams: dict[str, Stream] = field(default_factory=dict)
    #: what is not measured, by name, with the reason
    left_out: dict[str, str] = field(default_factory=dict)
    #: folders with references of so many models and features, so many ms apart; they take seconds to build
    references: dict[tuple[int, int, float], Path] = field(default_factory=dict)

    def of(self, name: str) -> Place:
        """The place of one set; topics and references are shared."""
        own = replace(self, folder=self.folder / name, left_out={})
        own.folder.mkdir()
        return own

    @property
    def broker(self) -> KafkaBroker:
        """Raises MissingError where there is none."""
        if self.kafka is None:
            raise MissingError("; ".join(missing_kafka_parts()) or "there is no Kafka")
        return self.kafka

    def events(self, full: int) -> int:
        """How many of them: a quarter where it has to be quick."""
        return full // 4 if self.quick else full

    def stream(
        self,
        topic: str,
        events: int,
        models: int = 1,
        features: int = FEATURES,
        gap_ms: float = GAP_MS,
        **how: Any,  # noqa: ANN401 - handed through
    ) -> Stream:
        """A clean stream of all models in turn; `how` as of `filled`."""

        def values() -> Sequence[bytes]:
            number = min(DIFFERENT if features <= FEATURES else DIFFERENT // 10, events)
            templates = templates_of(PerfEvents(number, features=features))
            return [
                # each model begins elsewhere, so that none of them sees a few rows again and again
                templates[(n // models + 7 * (n % models)) % number] % (n, n % models, START_MS + round(n * gap_ms))
                for n in range(events)
            ]

        return self.filled(topic, events, values, models, features, gap_ms=gap_ms, **how)

    def filled(
        self,
        topic: str,
        events: int,
        values: Callable[[], Sequence[bytes]],
        models: int = 1,
        features: int = FEATURES,
        partitions: int = PARTITIONS,
        codec: str = "none",
        gap_ms: float = GAP_MS,
    ) -> Stream:
        """A topic with these values, of which `events` are predictions; made once."""
        if topic not in self.streams:
            self.broker.create_topic(topic, partitions)
            made = values()
            for number in range(partitions):
                own = made[number::partitions]
                # by the model, as windows of some of the peers are by key
                self.broker.produce(topic, own, number, keys=[b"perf-0"] * len(own), compression_type=codec)
            self.streams[topic] = Stream(topic, events, models, features, partitions, gap_ms)
        return self.streams[topic]

    def drop(self, *kept: str) -> None:
        """Remove the topics of all streams but those."""
        for topic in [topic for topic in self.streams if topic not in kept]:
            self.broker.delete_topic(topic)
            del self.streams[topic]

    def config(self, name: str, topics: Sequence[str], like: Stream, **settings: Any) -> Path:  # noqa: ANN401
        """Settings of the tree's daemon, and references, in a folder of their own.

        Raises:
            FailedError: the tree cannot write them.
        """
        folder = self.folder / f"{self.label or 'head'}-{name}".replace(" ", "-").replace(",", "")
        folder.mkdir()
        bootstrap = NOBODY if self.kafka is None else self.kafka.bootstrap
        tree: dict[str, Any] = {
            "inputs": [{"topic": topic} for topic in topics],
            "kafka": {
                "bootstrap_servers": [bootstrap],
                "group_id": folder.name,
                "start": "earliest",
            },
            "outputs": {"alerts_topic": None, "rejects_topic": None},
            "state": {"path": "state"},
            "http": {"port": 0},
        }
        for section, of in settings.items():
            tree[section] = {**tree.get(section, {}), **of} if isinstance(of, dict) else of
        same = like.models, like.features, like.gap_ms
        if (known := self.references.get(same)) is None:
            self._write(name, folder, like, tree)
            self.references[same] = folder
        else:
            _write_like(known, folder, tree)
        return folder / "driftd.yaml"

    def _write(self, name: str, folder: Path, like: Stream, tree: Mapping[str, Any]) -> None:
        gap_ms = like.gap_ms * like.models
        asked = {"folder": str(folder), "models": like.models, "gap_ms": gap_ms, "features": like.features}
        command = [sys.executable, "-c", _WRITE, json.dumps(asked | {"settings": tree})]
        done = subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"{name}: its settings cannot be written: {done.stderr[-2000:]}"
            raise FailedError(message)

    def daemon(
        self,
        name: str,
        stream: Stream,
        against: str = "",
        *options: str,
        client: str = "kafka-python",
        **settings: Any,  # noqa: ANN401 - handed through
    ) -> Program:
        """The daemon reads all records of the stream, without state."""
        records = sum(self.broker.end_offsets(stream.topic).values())
        config = self.config(name, [stream.topic], stream, **settings)
        command = [sys.executable, "-m", "tests.benchmarks.daemon_child", str(config), str(records)]
        command += ["--client", client, *options]
        return replace(self.program(name, command, against, without_state(config)), events=stream.events)

    def program(self, name: str, command: Sequence[str], against: str, before: Callable[[], object]) -> Program:
        """A program of the tree."""
        of = (f"{self.label}{one}" if one else "" for one in (name, against))
        return Program(next(of), command, next(of), before, self.tree)

    def poll(self, stream: Stream, name: str = POLL) -> Program:
        """What all is measured by, on the same topic; reads labels, too."""
        records = sum(self.broker.end_offsets(stream.topic).values())
        return Program(name, [sys.executable, "-m", *self.reading("yardsticks.bare_poll", stream, records)])

    def reading(self, module: str, stream: Stream, records: int = 0) -> list[str]:
        """Options of a yardstick or peer."""
        where = ["--bootstrap", self.broker.bootstrap, "--topic", stream.topic]
        return [f"tests.benchmarks.{module}", *where, "--events", str(records or stream.events)]


def _write_like(known: Path, folder: Path, tree: Mapping[str, Any]) -> None:
    """Other settings of the same models, with their references."""
    for reference in known.glob("perf-*.json"):
        os.link(reference, folder / reference.name)
    models = yaml.safe_load((known / "driftd.yaml").read_text(encoding="utf-8"))["models"]
    (folder / "driftd.yaml").write_text(yaml.safe_dump({"models": models, **tree}), encoding="utf-8")


def without_state(*configs: Path) -> Callable[[], None]:
    """What comes before each run of a daemon."""

    def remove() -> None:
        for config in configs:
            shutil.rmtree(config.parent / "state", ignore_errors=True)

    return remove


def templates_of(events: PerfEvents) -> list[bytes]:
    """Values that leave the number, that of the model and the time open."""
    return [template.replace(b'"model":"perf-0"', b'"model":"perf-%d"') for template in events.templates()]


@dataclass(frozen=True)
class Set:
    """Programs that are measured in turn; what they are is one function, what is shown of them one line."""

    name: str
    about: str
    programs: Callable[[Place], Iterable[Program]]
    #: figures that are shown beside or instead of CPU, with their heads
    figures: dict[str, str] = field(default_factory=dict)
    most_rounds: int = 1_000
    #: how much of a limited time it gets, beside the others
    weight: float = 1.0
    #: has the daemon in it that two revisions are compared by
    compared: bool = False
