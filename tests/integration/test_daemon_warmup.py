"""A daemon that knows a topic and nothing else: it learns a reference of each model, also if it is killed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemons import DaemonProcess, Tree, driftd, settings_tree, state_of, write_settings
from tests.faulty_stream import PARTITIONS, Row, credit_rows, faulty_records
from tests.killing import Feeder, Trial, alert_faults, numbered
from tests.real_parts.kafka import KafkaBroker

EVENTS = 16_000
#: a warm-up of 40 base windows takes 10,000 events of the model
KILLS = 5


class WarmupTrial(Trial):
    """The same, without models in the settings."""

    def prepare(self, rows: Sequence[Row]) -> None:
        self.broker.create_topic(self.topic, PARTITIONS)
        for output in ("alerts", "rejects"):
            self.broker.create_topic(f"{self.topic}.{output}")
        self.write(idle_after="10m", every="200ms")

    def write(self, *, idle_after: str, every: str) -> None:
        tree = settings_tree(
            self.broker.bootstrap,
            self.topic,
            {},
            state={"path": "state", "every": every},
            windows={"idle_after": idle_after},
        )
        del tree["models"], tree["unknown_models"]
        write_settings(self.folder, tree)


@dataclass
class Aftermath:
    """What is left when a killed daemon has come to the end of the stream."""

    trial: WarmupTrial
    last: DaemonProcess
    state: Tree
    replayed: list[Tree]


@pytest.fixture(scope="module")
def aftermath(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    trial = WarmupTrial(kafka, tmp_path_factory.mktemp("warmup"), "warmup")
    rows, _ = credit_rows()
    trial.prepare(rows)
    trial.run_killed(faulty_records(rows, EVENTS, seed=3), KILLS, seed=4)
    last = trial.finish()
    trial.record()
    return Aftermath(trial, last, state_of(trial.config), trial.replay())


def learned_in(replayed: Sequence[Tree]) -> Tree:
    (line,) = [line for line in replayed if line["kind"] == "warmup" and line["model"] == "credit"]
    return line


def test_the_reference_is_that_of_an_undisturbed_run(aftermath: Aftermath) -> None:
    file = aftermath.trial.folder / "state" / "warmup-credit-1.json"
    learned, shown = learned_in(aftermath.replayed), json.loads(driftd("reference", "show", str(file), "--json"))
    assert shown["hash"] == learned["reference"]
    assert (shown["predictions"], shown["base_windows"]) == (learned["predictions"], learned["base_windows"])
    assert shown["predictions"] >= 10_000
    assert shown["base_windows"] >= 40


def test_it_was_killed_before_and_after_the_reference_was_learned(aftermath: Aftermath) -> None:
    logs = [path.read_text(encoding="utf-8") for path in sorted(aftermath.trial.folder.glob("daemon-*.log"))]
    assert len(logs) == KILLS + 1
    assert '"event": "warmup"' in logs[0]
    assert sum('"event": "reference_learned"' in log for log in logs) >= 1


def test_transitions_are_those_of_a_replay(aftermath: Aftermath) -> None:
    assert numbered(aftermath.replayed), "the stream held no finding"
    assert not list(alert_faults(aftermath.trial.alerts(), aftermath.replayed))


def test_counts_are_those_of_a_replay(aftermath: Aftermath) -> None:
    summary = aftermath.replayed[-1]
    (replayed,) = [model for model in summary["models"] if (model["model"], model["version"]) == ("credit", "1")]
    (live,) = [model for model in aftermath.state["models"] if (model["model"], model["version"]) == ("credit", "1")]
    assert {outcome: count for outcome, count in aftermath.state["outcomes"].items() if count} == summary["outcomes"]
    assert {name: live[name] for name in ("predictions", "labels", "pages", "tickets")} == {
        name: replayed[name] for name in ("predictions", "labels", "pages", "tickets")
    }
    age = live["features"]["AGE"]
    judged = sum(age["bins"]) + sum(count for name, count in age.items() if name != "bins")
    assert 0 < judged <= live["predictions"] + live["features_events"] - learned_in(aftermath.replayed)["predictions"]


def test_another_model_of_the_topic_is_in_its_warm_up_and_says_so(aftermath: Aftermath) -> None:
    others = [model for model in aftermath.state["models"] if model["model"] != "credit"]
    assert others
    for model in others:
        assert model["warmup"]["predictions"] == model["predictions"]
        assert "in its warm-up: " in model["warmup"]["text"]
        assert model["features"] == {}


def test_a_warm_up_says_on_page_and_series_how_far_it_has_come(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    trial = WarmupTrial(kafka, tmp_path, topic)
    rows, _ = credit_rows()
    trial.prepare(rows)
    Feeder(kafka.bootstrap, topic).feed(faulty_records(rows, 2_000, seed=5))
    trial.write(idle_after="1s", every="200ms")
    with DaemonProcess(trial.config) as daemon:
        daemon.wait_ready()
        daemon.wait_until(lambda: bool(daemon.series("driftd_first_verdict_timestamp_seconds")), "a forecast")
        (_, page), (_, series) = daemon.get("/"), daemon.get("/metrics")
        assert 'reference="warmup"' in series
        assert "in its warm-up: " in page
        assert "first verdict about 2025-" in page
        shares = daemon.series("driftd_warmup_ratio")
        assert shares
        assert all(0 <= share < 1 for share in shares.values())
        assert daemon.lines("warmup")[0]["model"] == "credit"
