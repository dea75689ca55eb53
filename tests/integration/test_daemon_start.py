"""How a daemon begins: what it refuses with a remedy, where it goes on, and what it makes of a damaged state."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from monitor.cli.parser import main
from monitor.clock import rfc3339
from tests.engine import START_US, Credit, event
from tests.integration import kafka_reading
from tests.integration.conftest import Running, Site, refusal_of

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected

DONE, USAGE, REFUSED, KILLED = 0, 2, 4, -signal.SIGKILL


def some_events(number: int, first: int = 0) -> list[object]:
    return [event(at, id=str(at), features={"AGE": 35}, score=0.5) for at in range(first, first + number)]


def run_through(site: Site, records: int, *arguments: str) -> Running:
    """A daemon that reads the given number of records, is ready and ends in order."""
    running = site.start(*arguments)
    running.wait_records(records)
    running.wait_ready()
    assert running.stop() == DONE
    return running


# topics


def test_a_missing_input_topic_is_refused_with_the_command_that_makes_it(site: Site) -> None:
    site.broker.create_topic(site.alerts)
    site.broker.create_topic(site.rejects)
    code, messages = refusal_of(site.start())
    assert code == REFUSED
    assert f"--bootstrap-server {site.broker.bootstrap} --create --topic {site.topic}" in messages


def test_missing_output_topics_are_refused_and_check_makes_them(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.broker.create_topic(site.topic)
    code, messages = refusal_of(site.start())
    assert code == REFUSED
    for name in (site.alerts, site.rejects):
        assert f"the output topic {name} does not exist" in messages
    assert f"driftd check --config {site.config} --create-topics" in messages

    check = ["check", "--config", str(site.config)]
    assert main(check) == REFUSED
    assert f"BAD   output topic {site.alerts}" in capsys.readouterr().out
    assert main([*check, "--create-topics"]) == DONE
    assert f"made  output topic {site.alerts}" in capsys.readouterr().out
    assert main(check) == DONE
    assert f"ok    output topic {site.alerts}" in capsys.readouterr().out
    run_through(site, 0)


def test_check_makes_topics_though_a_reference_is_missing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.broker.create_topic(site.topic)
    site.write(models=[{"name": "credit", "versions": ["1"], "reference": "not-built-yet.json"}])
    assert main(["check", "--config", str(site.config), "--create-topics"]) == USAGE
    shown = capsys.readouterr().out
    assert "BAD   reference credit" in shown
    assert f"ok    input topic {site.topic}" in shown
    assert f"made  output topic {site.alerts}" in shown
    assert site.broker.led_partitions(site.alerts) == [0]
    assert main(["check", "--config", str(site.config)]) == USAGE
    assert capsys.readouterr().out.count("BAD ") == 1


def test_check_never_makes_an_input_topic(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(site.config), "--create-topics"]) == REFUSED
    shown = capsys.readouterr().out
    assert f"BAD   input topic {site.topic}" in shown
    assert site.broker.led_partitions(site.topic) == []
    assert site.broker.led_partitions(site.alerts) == [0]


# where to begin


def test_a_start_at_the_earliest_record_reads_everything(site: Site) -> None:
    site.make_topics(partitions=2)
    site.produce(some_events(10))
    site.produce(some_events(5, first=10), partition=1)
    run_through(site, 15)
    assert site.positions() == {f"{site.topic}-0": 10, f"{site.topic}-1": 5}
    assert site.shown()["outcomes"] == {"accepted": 15}


def test_what_a_start_at_the_latest_record_resolves_to_is_kept_before_the_first_record(site: Site) -> None:
    site.make_topics()
    site.produce(some_events(10))
    site.write(kafka={"start": "latest"}, state={"every": "1h"})
    running = site.start()
    running.wait_until(site.checkpoints, "the first checkpoint")
    running.kill()
    assert site.positions() == {f"{site.topic}-0": 10}

    site.produce(some_events(7, first=10))
    run_through(site, 7)
    assert site.positions() == {f"{site.topic}-0": 17}
    assert site.shown()["outcomes"] == {"accepted": 7}


def test_where_a_topic_that_was_added_begins_is_kept_before_its_first_record(
    site: Site, fresh_topic: Callable[[], str]
) -> None:
    site.make_topics()
    run_through(site, 0)
    added = fresh_topic()
    site.broker.create_topic(added)
    site.broker.produce(added, [b"before"] * 10)
    site.write(kafka={"start": "latest"}, inputs=[{"topic": site.topic}, {"topic": added}], state={"every": "1h"})
    running = site.start()
    running.wait_ready()
    running.kill()

    site.broker.produce(added, [b"after"] * 7)
    run_through(site, 7)
    assert site.positions() == {f"{site.topic}-0": 0, f"{added}-0": 17}


def test_a_topic_taken_out_of_the_inputs_and_deleted_is_not_a_hindrance(
    site: Site, fresh_topic: Callable[[], str]
) -> None:
    site.make_topics()
    old = fresh_topic()
    site.broker.create_topic(old)
    site.write(inputs=[{"topic": site.topic}, {"topic": old}])
    site.produce(some_events(5))
    run_through(site, 5)
    site.broker.delete_topic(old)
    site.write()
    site.produce(some_events(5, first=5))
    running = run_through(site, 5)
    assert not running.lines("offsets_not_committed")
    assert site.broker.committed(site.name, site.topic) == {0: 10}


def test_a_start_at_a_time_begins_with_the_first_record_that_is_not_older(site: Site) -> None:
    site.make_topics()
    seconds = range(20)
    site.broker.produce(
        site.topic, [b"{}"] * 20, timestamps_ms=[START_US // 1000 + second * 1000 for second in seconds]
    )
    site.write(kafka={"start": rfc3339(START_US + 12_500_000)})
    run_through(site, 7)
    assert site.shown()["outcomes"] == {"rejected": 7}
    assert site.broker.committed(site.name, site.topic) == {0: 20}


def test_offsets_of_a_group_without_a_state_are_a_lost_volume(site: Site) -> None:
    site.make_topics()
    site.produce(some_events(10))
    run_through(site, 10)
    site.remove_state()

    code, messages = refusal_of(site.start())
    assert code == USAGE
    for remedy in (str(site.state), site.name, "kafka.start: committed", "--accept-loss"):
        assert remedy in messages

    site.produce(some_events(4, first=10))
    site.write(kafka={"start": "committed"})
    run_through(site, 4)
    assert site.shown()["outcomes"] == {"accepted": 4}

    site.remove_state()
    site.write()
    run_through(site, 14, "--accept-loss")
    assert site.shown()["outcomes"] == {"accepted": 14}


def test_a_state_in_memory_leaves_neither_folder_nor_offsets(site: Site) -> None:
    site.make_topics()
    site.produce(some_events(10))
    site.write(state={"store": "memory", "every": "1s"})
    for _ in range(2):  # the second reads all of them again
        running = site.start()
        running.wait_records(10)
        assert running.outcomes() == {("accepted", ""): 10}
        assert running.stop() == DONE
    assert not site.state.exists()
    assert site.broker.committed(site.name, site.topic) == {}


# the state's folder


def test_a_second_daemon_on_the_same_folder_is_refused_with_the_first_ones_number(site: Site) -> None:
    site.make_topics()
    first = site.start()
    first.wait_ready()
    code, messages = refusal_of(site.start())
    assert code == USAGE
    assert f"is in use by process {first.pid}" in messages
    assert first.get("/readyz")[0] == 200, "the first one goes on"
    assert first.stop() == DONE


def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_nothing_counts_twice(site: Site) -> None:
    site.make_topics()
    site.produce(some_events(10))
    run_through(site, 10)
    site.produce(some_events(10, first=10))
    run_through(site, 10)
    newest = site.checkpoints()[-1]
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")

    running = run_through(site, 0)
    (line,) = running.lines("checkpoint_damaged")
    assert newest.name in line["path"]
    assert line["why"] == "the checksum does not match"
    assert site.shown()["outcomes"] == {"accepted": 20}
    assert newest.with_name(newest.name + ".aside").exists(), "the damaged one stays for a person to look at"


def test_a_state_of_damaged_checkpoints_alone_is_refused(site: Site) -> None:
    site.make_topics()
    site.produce(some_events(10))
    run_through(site, 10)
    for path in site.checkpoints():
        path.write_bytes(b"\0" * 100)
    code, messages = refusal_of(site.start())
    assert code == USAGE
    assert "no checkpoint in" in messages
    assert "--accept-loss" in messages

    run_through(site, 10, "--accept-loss")
    assert site.shown()["outcomes"] == {"accepted": 10}


def test_a_state_of_another_cluster_is_refused(site: Site) -> None:
    site.make_topics()
    run_through(site, 0)
    site.change_state(lambda tree: tree.update(cluster="another-cluster-id-000"))
    code, messages = refusal_of(site.start())
    assert code == USAGE
    assert "another-cluster-id-000" in messages
    assert "remove the state folder" in messages


def test_a_topic_made_again_while_the_daemon_was_away_is_refused(site: Site) -> None:
    site.make_topics()
    site.produce(some_events(10))
    run_through(site, 10)
    site.broker.delete_topic(site.topic)
    site.broker.create_topic(site.topic)
    site.produce(some_events(20))
    code, messages = refusal_of(site.start())
    assert code == USAGE
    assert f"the topic {site.topic} was made again" in messages
    assert "remove the state folder" in messages


# settings that changed


def drifted(**fields: object) -> list[object]:
    """1,500 predictions without the column AGE."""
    made = list(Credit(1_500, seed=2, fault=lambda one, _: one["features"].pop("AGE"), change=0))
    return [one | fields for one in made]


def opened(site: Site, events: list[object]) -> None:
    """Run until an incident is open, and stop."""
    site.make_topics()
    site.produce(events)
    running = site.start()
    running.wait_records(len(events))
    running.wait_for("incident_opened")
    assert running.stop() == DONE


def test_a_model_whose_settings_changed_starts_from_scratch_alone_and_its_incident_resolves(site: Site) -> None:
    models = [
        {"name": "credit", "versions": ["1"], "reference": "credit.json"},
        {"name": "loan", "versions": ["1"], "reference": site.reference_for("loan")},
    ]
    site.write(models=models)
    opened(site, [one for both in zip(drifted(), drifted(model="loan"), strict=True) for one in both])
    before = site.transitions()
    assert {one["model"] for one in before if one["transition"] == "opened"} == {"credit", "loan"}

    site.write(models=[{**models[0], "features": {"LIMIT": {"kind": "ignore"}}}, models[1]])
    running = run_through(site, 0)
    (line,) = running.lines("model_state_reset")
    assert (line["model"], line["version"], line["why"]) == ("credit", "1", "settings changed")
    (last,) = site.transitions()[len(before) :]
    assert (last["model"], last["transition"], last["findings"]) == ("credit", "resolved", [])
    assert "settings changed" in last["summary"]
    assert last["incident"] in {one["incident"] for one in before}
    shown = {model["model"]: model for model in site.shown()["models"]}
    assert shown["loan"]["incident"]["severity"] == "page"
    assert shown["loan"]["predictions"] == 1_500
    assert "credit" not in shown, "nothing of it is counted anew yet"


def test_a_model_whose_settings_changed_is_counted_by_the_new_ones(site: Site) -> None:
    opened(site, drifted())
    site.write(models=[{**site.tree()["models"][0], "features": {"LIMIT": {"kind": "ignore"}}}])
    site.produce(list(Credit(300, seed=3, begin=2_000)))
    run_through(site, 300)
    (model,) = site.shown()["models"]
    assert set(model["features"]) == {"AGE", "BILL", "EDU"}
    assert model["predictions"] == 300


def test_a_model_that_was_never_judged_may_change_its_settings_too(site: Site) -> None:
    site.make_topics()
    site.produce(some_events(10))
    run_through(site, 10)
    site.write(models=[{**site.tree()["models"][0], "features": {"LIMIT": {"kind": "ignore"}}}])
    site.produce(some_events(10, first=10))
    running = run_through(site, 10)
    assert not running.lines("bug")
    (model,) = site.shown()["models"]
    assert set(model["features"]) == {"AGE", "BILL", "EDU"}


def test_the_incident_of_a_model_taken_out_of_the_settings_resolves(site: Site) -> None:
    opened(site, drifted())
    site.write(models=[{"name": "loan", "reference": site.reference_for("loan")}])
    running = site.start()
    running.wait_ready()
    running.wait_for("incident_resolved")
    running.wait_until(lambda: running.values("driftd_restored") == {(): 1}, "a board")
    series = [sample for sample in running.samples() if sample.labels.get("model") == "credit"]
    assert running.stop() == DONE
    assert series == []
    last = site.transitions()[-1]
    assert (last["model"], last["transition"]) == ("credit", "resolved")
    assert "no longer in the settings" in last["summary"]


# models without a reference


def test_what_is_not_watched_for_want_of_a_reference_is_reported_once(site: Site) -> None:
    site.make_topics()
    site.write(models=[{"name": "credit", "reference": "reference/credit-{version}.json"}])
    versions = [f"v{at:02}" for at in range(25)]
    site.produce([event(at, version=version, score=0.5) for at, version in enumerate(versions * 2)])
    running = site.start()
    running.wait_records(50)
    running.wait_ready()
    assert "no model of the settings has a reference" in running.get("/")[1]
    assert running.stop() == DONE
    (line,) = running.lines("model_not_watched")
    assert (line["model"], line["reference"]) == ("credit", "reference/credit-{version}.json")
    missed = running.lines("version_without_reference")
    assert [(line["model"], line["version"]) for line in missed] == [("credit", name) for name in versions[:20]]
    assert [line["reference"] for line in missed] == [
        str(site.folder / f"reference/credit-{name}.json") for name in versions[:20]
    ]


# wrong settings


def test_all_faults_of_the_settings_are_reported_at_once(site: Site) -> None:
    site.write(
        budget={"per": "30 dayz"},
        kafka={"start": "yesterday"},
        models=[{"name": "credit", "reference": "nowhere.json", "severity": {"version": "page"}}],
    )
    running = site.start()
    code, messages = refusal_of(running)
    assert code == USAGE
    later = "models[0].severity.version: not in this version"
    for fault in ("budget.per: '30 dayz'", "kafka.start: 'yesterday'", later):
        assert messages.count(fault) == 1
    assert running.out.read_bytes() == b""


def test_a_stop_while_no_broker_answers_is_quick(site: Site) -> None:
    site.write(kafka={"bootstrap_servers": ["127.0.0.1:1"], "request_timeout": "2s"})
    running = site.start()
    running.wait_for("kafka_not_connected")
    assert running.stop(seconds=10) == DONE
