"""Every record counts once on a real Kafka, however often the daemon is killed, and live gives what a replay gives."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.count.admission.versions import Admission
from monitor.run.reference_files import load_references
from monitor.run.replay import replay
from monitor.run.state_show import state_json
from monitor.settings.load import load_settings
from monitor.sources.files import open_source
from tests.daemons import DaemonProcess, Tree, driftd, state_of
from tests.faulty_stream import credit_rows, faulty_records
from tests.killing import (
    MOMENTS,
    Feeder,
    Trial,
    alert_faults,
    count_faults,
    model_of,
    numbered,
    positions_of,
)
from tests.real_parts.kafka import KafkaBroker
from tests.recount import Recount

EVENTS = 20_000
KILLS = 8


@dataclass
class Aftermath:
    """What is left when a killed daemon has come to the end of the stream."""

    trial: Trial
    state: Tree
    recount: Recount
    alerts: list[Tree]
    replayed: list[Tree]


CLIENTS = ("kafka-python", "confluent")


@pytest.fixture(scope="module", params=[*CLIENTS, "both in turn"])
def aftermath(
    kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Aftermath:
    client = request.param
    trial = Trial(kafka, tmp_path_factory.mktemp("killed"), f"exactly-once-{client.replace(' ', '-')}")
    if client in CLIENTS:
        trial.client = client
    else:
        trial.clients = CLIENTS
    rows, _ = credit_rows()
    trial.prepare(rows)
    trial.run_killed(faulty_records(rows, EVENTS, seed=11), KILLS, seed=12)
    trial.finish()
    trial.record()
    return Aftermath(trial, state_of(trial.config), trial.recount(), trial.alerts(), trial.replay())


@pytest.fixture
def trial(kafka: KafkaBroker, topic: str, tmp_path: Path) -> Trial:
    """A topic and its own folder; nothing is prepared."""
    return Trial(kafka, tmp_path, topic)


def test_it_was_killed_at_every_kind_of_moment(aftermath: Aftermath) -> None:
    assert len(aftermath.trial.moments) == KILLS
    assert set(aftermath.trial.moments) == set(MOMENTS)


def test_the_stream_held_every_outcome_but_over_limit(aftermath: Aftermath) -> None:
    outcomes = {"rejected", "unknown_model", "ignored", "late", "duplicate", "accepted"}
    assert outcomes == {outcome for outcome, count in aftermath.recount.outcomes.items() if count}


def test_reading_went_on_to_the_end_offsets(aftermath: Aftermath) -> None:
    assert positions_of(aftermath.state) == aftermath.trial.ends()


def test_outcomes_and_bins_are_those_of_a_recount_after_all_the_kills(aftermath: Aftermath) -> None:
    assert not list(count_faults(aftermath.state, aftermath.recount))


def test_every_rejected_record_is_on_the_rejects_topic_and_no_other_one(aftermath: Aftermath) -> None:
    assert aftermath.trial.dead_letters() == aftermath.recount.rejected


def test_the_alert_topic_holds_the_transitions_of_a_replay_and_no_others(aftermath: Aftermath) -> None:
    steps = {line["transition"] for line in numbered(aftermath.replayed).values()}
    assert {"opened", "updated", "resolved"} <= steps
    assert not list(alert_faults(aftermath.alerts, aftermath.replayed))


def test_what_it_told_is_one_chain_through_all_the_kills(aftermath: Aftermath) -> None:
    said = json.loads(driftd("audit", "--config", str(aftermath.trial.config), "--json"))
    (chain,) = said["chains"]
    assert (said["faults"], chain["notes"], said["before_chains"]) == ([], [], 0)
    known, unsent = aftermath.state["chain"], aftermath.state["unsent"]  # the last checkpoint sent these after it
    assert (chain["first"], chain["last"]) == (1, known["number"] + unsent)
    assert (chain["chain"], chain["lines"]) == (known["chain"], chain["last"])
    assert said["read"]["compacted"] is False
    lines = [line for incident in said["incidents"] for line in incident["transitions"]]
    assert len(lines) == len(numbered(aftermath.replayed))
    ended = [one["why"] for one in said["monitoring"]["without"][1:]]
    assert len(said["monitoring"]["starts"]) > 1
    assert any(why.startswith("ended without stopping") for why in ended)


def test_a_replay_counts_what_the_killed_daemon_counted(aftermath: Aftermath) -> None:
    assert aftermath.replayed[-1]["outcomes"] == aftermath.state["outcomes"]


@pytest.mark.parametrize("chunk", [7, 500])
def test_a_replay_tells_and_counts_the_same_whatever_a_poll_holds(aftermath: Aftermath, chunk: int) -> None:
    settings = load_settings(aftermath.trial.config, {})
    admission, clock = Admission(settings, load_references(settings)), SystemClock()
    lines: list[Tree] = []
    source = open_source([aftermath.trial.recording], clock, chunk=chunk)
    try:
        ran = replay(settings, admission, source, clock, lines.append)
    finally:
        source.close()
    state = state_json(ran.pipeline.to_state().state(), admission)
    assert numbered(lines) == numbered(aftermath.replayed)
    assert model_of(state) == model_of(aftermath.state)


def test_the_checks_find_one_event_too_many_and_one_transition_too_few(aftermath: Aftermath) -> None:
    state = copy.deepcopy(aftermath.state)
    model_of(state)["features"]["AGE"]["bins"][3] += 1
    assert any(fault.startswith("AGE") for fault in count_faults(state, aftermath.recount))
    last = aftermath.alerts[-1]["id"]
    lost = [alert for alert in aftermath.alerts if alert["id"] != last]
    assert f"{last}: in the replay, and never published" in list(alert_faults(lost, aftermath.replayed))


def test_a_stopped_daemon_saves_at_last_and_its_successor_reads_only_what_is_new(trial: Trial) -> None:
    rows, _ = credit_rows()
    trial.prepare(rows)
    trial.write(idle_after="10m", every="1h")  # the first checkpoint is of the start, the next one of the stop
    records, feeder = faulty_records(rows, 3_000, seed=21), Feeder(trial.broker.bootstrap, trial.topic)
    for part in (records[:2_500], records[2_500:]):
        feeder.feed(part)
        with DaemonProcess(trial.config) as daemon:
            daemon.wait_ready()
            daemon.wait_until(lambda: set(daemon.series("driftd_lag_records").values()) == {0.0}, "no lag")
            assert sum(daemon.series("driftd_records_total").values()) == len(part)
            assert daemon.stop() == 0
        assert positions_of(state_of(trial.config)) == trial.ends()
    assert not list(count_faults(state_of(trial.config), trial.recount()))


def test_a_transition_the_brokers_refused_is_kept_and_published_when_the_topic_accepts_it(trial: Trial) -> None:
    rows, _ = credit_rows()
    trial.prepare(rows)
    alerts = f"{trial.topic}.alerts"
    trial.broker.delete_topic(alerts)
    trial.broker.create_topic(alerts, max_message_bytes="200")
    Feeder(trial.broker.bootstrap, trial.topic).feed(faulty_records(rows, 6_000, seed=31))
    with DaemonProcess(trial.config) as daemon:
        daemon.wait_until(lambda: "max.message.bytes" in daemon.get("/readyz")[1], "it says what is refused", 60)
        assert daemon.running(), "what is refused while it runs is tried again"
    assert not trial.alerts()
    assert state_of(trial.config)["unsent"] > 0
    trial.broker.delete_topic(alerts)
    trial.broker.create_topic(alerts)
    trial.finish()
    trial.record()
    assert trial.alerts()
    assert not list(alert_faults(trial.alerts(), trial.replay()))
