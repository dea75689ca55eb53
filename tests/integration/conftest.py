"""A folder with settings and a reference, topics on a real broker, and daemons running on them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from monitor.count.admission.versions import Admission
from monitor.events import ModelKey
from monitor.kafka.cloud_events import NOTICE, event_in
from monitor.publish.register import REGISTER
from monitor.reference.reference import Reference
from monitor.run.reference_file import save_reference
from monitor.run.reference_files import load_references
from monitor.run.state_show import state_json
from monitor.settings.load import load_settings
from monitor.state.directory import StateDirectory
from monitor.state.part_files import Part
from monitor.state.parts import state_in
from tests.daemons import DRIFTD, START_SECONDS, STOP_SECONDS, DaemonProcess
from tests.engine import Credit, build
from tests.engine import settings as engine_settings
from tests.real_parts.install import in_ci, missing_prometheus_parts, missing_registry_parts
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.registry import SchemaRegistry

Tree = dict[str, Any]
LABELS: Final = {series.name: series.labels for series in REGISTER}
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def prometheus_parts() -> None:
    """Prometheus, promtool, Alertmanager and amtool are there."""
    if missing := missing_prometheus_parts():
        reason = f"no real Prometheus here: {'; '.join(missing)} (make real-parts)"
        if in_ci():
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def registry() -> Iterator[SchemaRegistry]:
    """A schema registry for the whole run; subjects of one's own."""
    if missing := missing_registry_parts():
        reason = f"no schema registry here: {'; '.join(missing)} (make real-parts)"
        if in_ci():
            pytest.fail(reason)
        pytest.skip(reason)
    with SchemaRegistry() as running:
        yield running


class Running(DaemonProcess):
    """A daemon whose standard output is kept apart from its log, in an environment with settings."""

    def __init__(self, config: Path, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        self.log_file = config.parent / f"run-{next(_numbers)}.log"
        self.out = self.log_file.with_suffix(".out")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTD_")}
        with self.out.open("wb") as stdout, self.log_file.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*DRIFTD, "run", "--config", str(config), *arguments],
                stdout=stdout,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env={**inherited, **environ},
            )

    def samples(self) -> list[Sample]:
        """All of /metrics as a Prometheus reads it."""
        return [
            sample for family in text_string_to_metric_families(self.get("/metrics")[1]) for sample in family.samples
        ]

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """A series by its label values, in the order of the register."""
        order = LABELS.get(name, ())
        return {tuple(s.labels[label] for label in order): s.value for s in self.samples() if s.name == name}

    def outcomes(self) -> dict[tuple[str, str], int]:
        """Events by (outcome, reason) over all topics; those that never occurred are left out."""
        total: Counter[tuple[str, str]] = Counter()
        for (_, outcome, reason), count in self.values("driftd_events_total").items():
            total[outcome, reason] += int(count)
        return {outcome: count for outcome, count in total.items() if count}

    def records(self) -> int:
        """Records read since it began."""
        return int(sum(self.values("driftd_records_total").values()))

    def wait_records(self, number: int) -> None:
        self.wait_until(lambda: self.records() >= number, f"{number} records are read")

    def ends(self) -> int:
        """The exit code of one that ends by itself."""
        return self._process.wait(START_SECONDS)

    def interrupt(self) -> int:
        """Ctrl-C; gives the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(STOP_SECONDS)


def refusal_of(running: Running) -> tuple[int, str]:
    """Exit code and last words of a daemon that ends by itself."""
    code = running.ends()
    return code, "\n".join(line for line in running.text().splitlines() if not line.startswith("{"))


class Site:
    """One model's monitor: its topics on a broker, its folder, its daemons."""

    def __init__(self, folder: Path, broker: KafkaBroker, name: str, reference: Reference) -> None:
        self.folder, self.broker, self.name = folder, broker, name
        self.topic, self.alerts, self.rejects = f"{name}.events", f"{name}.alerts", f"{name}.rejects"
        self.config = folder / "driftd.yaml"
        self.state = folder / "state"
        self._started: list[Running] = []
        self._reference = reference
        save_reference(reference, folder / "credit.json")
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
            "unknown_models": "ignore",
        }

    def write(self, **exceedance: object) -> None:
        """Write the settings; a mapping is laid over the one that is there, all else takes its place."""
        tree = self.tree()
        for name, value in exceedance.items():
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
        self._started.append(Running(self.config, arguments, environ))
        return self._started[-1]

    def reference_for(self, model: str) -> str:
        """The same reference under another model's name; gives its path in the settings."""
        save_reference(replace(self._reference, key=ModelKey(model, "1")), self.folder / f"{model}.json")
        return f"{model}.json"

    def remove_state(self) -> None:
        shutil.rmtree(self.state)

    def change_state(self, change: Callable[[Tree], object]) -> None:
        """Save the newest checkpoint again, changed."""
        with StateDirectory(self.state) as store:
            loaded = store.load()
            assert loaded is not None, "there is no checkpoint"
            change(loaded.tree)
            parts = [Part(name, None, partial(dict, tree)) for name, tree in loaded.parts.items()]
            store.save(loaded.sequence + 1, loaded.tree, parts)

    def close(self) -> None:
        for running in self._started:
            running.kill()

    # what is left behind

    def shown(self) -> Tree:
        """The object of `state show --json`."""
        loaded = StateDirectory(self.state).load(read_only=True)
        assert loaded is not None, "there is no checkpoint"
        settings = load_settings(self.config, {})
        return state_json(state_in(loaded), Admission(settings, load_references(settings)))

    def positions(self) -> dict[str, int]:
        return {name: offset for task in self.shown()["units"] for name, offset in task["positions"].items()}

    def checkpoints(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.state.glob("checkpoint-*.driftd"))

    def transitions(self) -> list[Tree]:
        """What stands on the alert topic, in its order."""
        told = [event_in(record.value, record.headers) for record in self.broker.records(self.alerts)]
        return [event["data"] for event in told if event is not None and event["type"] != NOTICE]


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
