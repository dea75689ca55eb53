"""A folder with settings and a reference, topics on a real broker, and daemons running on them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from monitor.files.directory import StateDirectory
from monitor.reference.catalog import Catalog
from monitor.reference.reference import Reference
from monitor.settings_file import load_settings
from monitor.state_show import state_json
from tests.engine import Credit, build
from tests.engine import settings as engine_settings
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

Tree = dict[str, Any]


class Running:
    """One `driftd run` as a process of its own; what it says goes to files in its folder."""

    def __init__(self, config: Path, out: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        self.out, self.err = out.with_suffix(".out"), out.with_suffix(".err")
        with self.out.open("wb") as stdout, self.err.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "monitor", "run", "--config", str(config), *arguments],
                stdout=stdout,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environ},
            )

    # what it says

    @property
    def said(self) -> str:
        """Its log and its last words."""
        return self.err.read_text(errors="surrogateescape")

    def logged(self, event: str) -> list[Tree]:
        """The lines of its log about an event; one half written is left out."""
        whole = [line for line in self.said.split("\n")[:-1] if line.startswith("{")]
        return [line for line in map(json.loads, whole) if line["event"] == event]

    def await_logged(self, event: str, seconds: float = 20.0) -> Tree:
        wait_until(lambda: self.logged(event) or self.ended(), f"{event} in the log", seconds)
        assert self.logged(event), self.said[-2000:]
        return self.logged(event)[0]

    def ended(self) -> bool:
        return self.process.poll() is not None

    # what it shows

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.await_logged("listening")["port"], timeout=5)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def series(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of a series by its label values, as a Prometheus would read the page."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return {tuple(sample.labels.values()): sample.value for sample in samples}

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Events by (outcome, reason) over all topics; those that never occurred are left out."""
        total: dict[tuple[str, str], int] = {}
        families = text_string_to_metric_families(self.get("/metrics")[1])
        for sample in [s for family in families for s in family.samples if s.name == "driftd_events_total"]:
            if sample.value:
                key = (sample.labels["outcome"], sample.labels["reason"])
                total[key] = total.get(key, 0) + int(sample.value)
        return total

    def records(self) -> int:
        """Records read since it began."""
        return int(sum(self.series("driftd_records_total").values()))

    def await_ready(self, seconds: float = 30.0) -> None:
        wait_until(lambda: self.ended() or self.get("/readyz")[0] == 200, "the daemon is ready", seconds)
        assert not self.ended(), self.said[-2000:]

    def await_records(self, number: int, seconds: float = 30.0) -> None:
        wait_until(lambda: self.ended() or self.records() >= number, f"{number} records are read", seconds)
        assert not self.ended(), self.said[-2000:]

    # its end

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Ask it to end; gives its exit code."""
        if not self.ended():
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Site:
    """One model's monitor: its topics on a broker, its folder, its daemons."""

    def __init__(self, folder: Path, broker: KafkaBroker, name: str, reference: Reference) -> None:
        self.folder, self.broker, self.name = folder, broker, name
        self.topic, self.alerts, self.rejects = f"{name}.events", f"{name}.alerts", f"{name}.rejects"
        self.config = folder / "driftd.yaml"
        self.state = folder / "state"
        self._started: list[Running] = []
        reference.save(folder / "credit.json")
        self.write()

    def tree(self) -> Tree:
        """Its settings as they are without changes."""
        return {
            "kafka": {"bootstrap_servers": [self.broker.bootstrap], "group_id": self.name, "start": "earliest"},
            "inputs": [{"topic": self.topic}],
            "outputs": {"alerts_topic": self.alerts, "rejects_topic": self.rejects},
            "state": {"path": "state", "every": "1s"},
            "http": {"port": 0},
            "models": [{"name": "credit", "versions": ["1"], "reference": "credit.json"}],
        }

    def write(self, **over: object) -> None:
        """Write the settings; a mapping is laid over the one that is there, all else takes its place."""
        tree = self.tree()
        for name, value in over.items():
            tree[name] = {**tree[name], **value} if isinstance(value, dict) and name in tree else value
        self.config.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")

    def make_topics(self, partitions: int = 1, **configs: str) -> None:
        """The input topic, with these configs, and both outputs."""
        self.broker.create_topic(self.topic, partitions, **configs)
        for name in (self.alerts, self.rejects):
            self.broker.create_topic(name)

    def produce(self, events: Sequence[object], partition: int = 0) -> None:
        self.broker.produce(self.topic, [json.dumps(event).encode() for event in events], partition)

    def start(self, *arguments: str, **environ: str) -> Running:
        out = self.folder / f"run-{len(self._started) + 1}"
        self._started.append(Running(self.config, out, arguments, environ))
        return self._started[-1]

    def close(self) -> None:
        for running in self._started:
            if not running.ended():
                running.kill()

    # what is left behind

    def shown(self) -> Tree:
        """The object of `state show --json`."""
        loaded = StateDirectory(self.state).load(read_only=True)
        assert loaded is not None, "there is no checkpoint"
        settings = load_settings(self.config, {})
        return state_json(loaded.tree, Catalog.load(settings, self.folder))

    def positions(self) -> dict[str, int]:
        return {name: offset for unit in self.shown()["units"] for name, offset in unit["positions"].items()}

    def checkpoints(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.state.glob("checkpoint-*.driftd"))

    def transitions(self) -> list[Tree]:
        """What stands on the alert topic, in its order."""
        return [json.loads(record.value or b"")["data"] for record in self.broker.records(self.alerts)]


@pytest.fixture(scope="session")
def credit_reference() -> Reference:
    """What `tests.engine.Credit` looks like when all is well."""
    return build(engine_settings(), list(Credit(5_000)))


@pytest.fixture
def make_site(tmp_path: Path, credit_reference: Reference) -> Iterator[Callable[[KafkaBroker, str], Site]]:
    """Sites on any broker, by a name nobody else has; their daemons end with the test."""
    made: list[Site] = []

    def make(broker: KafkaBroker, name: str) -> Site:
        folder = tmp_path / f"site-{len(made)}"
        folder.mkdir()
        made.append(Site(folder, broker, name, credit_reference))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: Callable[[KafkaBroker, str], Site], kafka: KafkaBroker, topic: str) -> Site:
    """A site on the shared broker; its topics are not made yet."""
    return make_site(kafka, topic)
