"""What is lost under a running daemon never ends it: it says what and why, goes on as far as it may, and recovers."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.engine import Credit, Event
from tests.integration.conftest import Running, Site
from tests.real_parts.kafka import KafkaBroker

DONE, UNEXPECTED = 0, 1


def without_age(number: int) -> list[Event]:
    return list(Credit(number, seed=2, change=0, fault=lambda one, _: one["features"].pop("AGE")))


def said_not_ready(running: Running, *words: str) -> Callable[[], bool]:
    def holds() -> bool:
        code, text = running.get("/readyz")
        return code == 503 and all(word in text for word in words)

    return holds


def test_while_no_checkpoint_can_be_made_page_and_series_go_on_and_incidents_wait(site: Site) -> None:
    site.make_topics()
    running = site.start()
    running.wait_ready()
    away = site.folder / "away"
    site.state.rename(away)
    site.produce(without_age(1_500))
    running.wait_until(said_not_ready(running, "no checkpoint can be made", str(site.state)), "it says so")
    running.wait_records(1_500)
    running.wait_until(lambda: running.values("driftd_incident_active").get(("credit", "1", "page")) == 1, "a verdict")
    assert running.values("driftd_checkpoint_failures_total")[()] > 0
    assert site.transitions() == [], "nobody is told what no state holds"
    assert len(running.lines("checkpoint_failed")) <= 2, "said once and at the tenth time"
    assert "no checkpoint can be made" in running.get("/")[1]

    away.rename(site.state)
    running.wait_ready()
    running.wait_until(site.transitions, "the incident is told")
    assert site.transitions()[0]["transition"] == "opened"
    assert running.values("driftd_checkpoint_seconds")[()] > 0
    assert running.stop() == DONE


def test_a_stop_that_cannot_save_fails(site: Site) -> None:
    site.make_topics()
    running = site.start()
    running.wait_ready()
    site.state.rename(site.folder / "away")
    site.produce(list(Credit(100)))
    running.wait_records(100)
    assert running.stop() == UNEXPECTED
    (line,) = running.lines("last_checkpoint_failed")
    assert "read again" in line["consequence"]


def test_an_output_topic_that_is_gone_is_named_until_it_is_there_again(site: Site) -> None:
    site.make_topics()
    running = site.start()
    running.wait_ready()
    site.broker.delete_topic(site.rejects)
    site.broker.produce(site.topic, [b"{"])
    running.wait_until(said_not_ready(running, site.rejects), "it names the topic")
    site.produce(list(Credit(200)))
    running.wait_records(201)
    site.broker.create_topic(site.rejects)
    running.wait_ready(60)
    (letter,) = site.broker.records(site.rejects)
    assert letter.value == b"{"
    assert running.stop() == DONE


def test_an_incident_larger_than_its_topic_takes_is_reported_with_its_worst_findings(site: Site) -> None:
    site.broker.create_topic(site.topic)
    site.broker.create_topic(site.rejects)
    site.broker.create_topic(site.alerts, max_message_bytes="2200")

    def all_gone(one: Event, _rng: object) -> None:
        one["features"] = {}

    site.produce(list(Credit(1_500, seed=2, change=0, fault=all_gone)))
    running = site.start()
    running.wait_until(site.transitions, "it is told")
    running.wait_ready()
    assert running.stop() == DONE
    smaller = [one for one in site.transitions() if one.get("findings_left_out")]
    assert smaller, "a transition with all of its findings would have been too large"
    assert all(len(json.dumps(one)) < 2_200 for one in smaller)


def test_a_batch_that_cannot_be_unpacked_is_counted_and_its_bytes_are_kept(
    kafka_parts: None, make_site: Callable[[KafkaBroker, str], Site]
) -> None:
    with KafkaBroker() as broker:
        site = make_site(broker, "broken")
        site.make_topics(partitions=2)
        site.produce(list(Credit(50)))
        broker.produce(site.topic, [b'{"mark": "broken here"}'] * 10)
        site.produce(list(Credit(50, seed=3)))
        site.produce(list(Credit(50, seed=4)), 1)
        broker.stop()
        for log in (broker.folder / "data").rglob("*.log"):
            log.write_bytes(log.read_bytes().replace(b"broken here", b"br\x00ken here"))
        broker.start()
        running = site.start()
        running.wait_records(150)
        running.wait_ready()
        assert running.values("driftd_unreadable_records_total") == {(site.topic, "0", "checksum"): 10}
        assert set(running.values("driftd_offset_gap_records_total").values()) <= {0.0}, "retention took none"
        (line,) = running.lines("records_unreadable")
        assert line["place"] == f"{site.topic}-0@50"
        assert running.stop() == DONE
        (letter,) = broker.records(site.rejects)
        assert b"br\x00ken here" in (letter.value or b"")
        assert dict(letter.headers)["driftd.error.code"] == b"unreadable_checksum"
        assert site.positions() == {f"{site.topic}-0": 110, f"{site.topic}-1": 50}
