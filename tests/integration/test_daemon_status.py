"""What a daemon shows: pages for probes and people, and an incident's series through a restart."""

from __future__ import annotations

import http.client
import json

from monitor.clock import parse_rfc3339
from monitor.publish.register import REGISTER
from tests.engine import START_US, Credit, Event, event
from tests.integration.conftest import Running, Site

DONE = 0


def status_of(running: Running, method: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def without_age(number: int, begin: float = 0, seed: int = 2) -> list[Event]:
    return list(Credit(number, seed=seed, begin=begin, change=0, fault=lambda one, _: one["features"].pop("AGE")))


def test_every_series_of_the_register_stands_on_the_page_with_its_meaning_and_no_other(site: Site) -> None:
    site.make_topics(partitions=2)
    site.produce([event(0, features={"AGE": 35}), event(1, type="label", id="1", label=1)])
    running = site.start()
    running.wait_records(2)
    running.wait_ready()
    _, page = running.get("/metrics")
    for series in REGISTER:
        assert f"# HELP {series.name} {series.meaning}" in page.replace("\\\\", "\\")
    own = {sample.name for sample in running.samples() if sample.name.startswith("driftd_")}
    assert own <= {series.name for series in REGISTER}
    assert running.values("driftd_records_total") == {(site.topic, "0"): 2}
    assert running.values("driftd_lag_records") == {(site.topic, "0"): 0, (site.topic, "1"): 0}
    assert running.values("driftd_watermark_timestamp_seconds") == {(site.topic, "0"): START_US / 1e6}
    assert running.stop() == DONE


def test_there_are_pages_for_probes_and_people_and_nothing_else(site: Site) -> None:
    site.make_topics()
    running = site.start()
    running.wait_ready()
    for path in ("/", "/metrics", "/livez", "/readyz"):
        assert status_of(running, "GET", path)[0] == 200
        assert status_of(running, "HEAD", path) == (200, b"")
        assert status_of(running, "POST", path)[0] == 405
    assert status_of(running, "GET", "/config")[0] == 404
    page = status_of(running, "GET", "/")[1]
    assert b"no event of a model that is watched has come yet." in page, "nothing was judged: that is not fine"
    assert running.stop() == DONE


def test_a_model_of_the_settings_is_there_before_its_first_event_and_fine_only_after_a_verdict(site: Site) -> None:
    site.make_topics()
    running = site.start()
    running.wait_ready()
    running.wait_until(lambda: running.values("driftd_model_info"), "the model's series")
    assert set(running.values("driftd_model_events_total")) == {
        ("credit", "1", kind) for kind in ("prediction", "features", "label")
    }
    assert set(running.values("driftd_model_events_total").values()) == {0.0}
    assert b"not judged yet" in status_of(running, "GET", "/")[1]
    site.produce(list(Credit(200)))
    running.wait_until(
        lambda: running.values("driftd_model_events_total")["credit", "1", "prediction"] == 200, "200 predictions"
    )
    assert running.values("driftd_incident_active") == {}
    site.produce(list(Credit(1_000, seed=3, begin=200)))
    fine = {("credit", "1", "page"): 0.0, ("credit", "1", "ticket"): 0.0}
    running.wait_until(lambda: running.values("driftd_incident_active") == fine, "a verdict")
    assert running.stop() == DONE


def test_an_incident_shows_while_it_is_open_and_through_a_restart(site: Site) -> None:
    site.make_topics()
    site.produce(without_age(1_500))
    running = site.start()
    running.wait_records(1_500)
    running.wait_for("incident_opened")
    active = {("credit", "1", "page"): 1.0, ("credit", "1", "ticket"): 0.0}
    running.wait_until(lambda: running.values("driftd_incident_active") == active, "the incident's series")
    findings = running.values("driftd_finding_active")
    since = running.values("driftd_incident_since_timestamp_seconds")
    assert running.stop() == DONE

    transitions = site.transitions()
    assert transitions[0]["transition"] == "opened"
    assert findings.keys() == {
        ("credit", "1", one["subject"], one["cause"], one["segment"], one["severity"])
        for one in transitions[-1]["findings"]
    }
    assert ("credit", "1", "AGE", "absent", "", "page") in findings
    assert since == {("credit", "1"): parse_rfc3339(transitions[0]["since"]) / 1e6}

    again = site.start()
    again.wait_until(lambda: again.values("driftd_restored") == {(): 1}, "the state is restored")
    assert again.values("driftd_incident_active") == active
    assert again.values("driftd_incident_since_timestamp_seconds") == since
    counters = ("driftd_pages_total", "driftd_expected_false_pages_total", "driftd_feature_bin_events_total")
    assert all(set(again.values(name).values()) == {0.0} for name in counters), "counters live with the process"
    assert again.stop() == DONE
    assert site.transitions() == transitions, "a restart tells nobody anything"


def test_transitions_are_cloud_events_with_the_incident_as_their_key(site: Site) -> None:
    site.make_topics()
    site.produce(without_age(1_500))
    running = site.start()
    running.wait_records(1_500)
    running.wait_for("incident_opened")
    assert running.stop() == DONE
    told = [record for record in site.broker.records(site.alerts) if b'"kind":"notice"' not in (record.value or b"")]
    for number, record in enumerate(told, 1):
        reported = json.loads(record.value or b"")
        assert record.key == reported["data"]["incident"].encode()
        assert (reported["specversion"], reported["type"]) == ("1.0", "io.driftd.incident")
        assert reported["id"] == f"{reported['data']['incident']}/{number}"
        assert (reported["source"], reported["subject"]) == (f"driftd/{site.name}", "credit/1")
        assert parse_rfc3339(reported["time"]) > START_US
