"""`driftd accept` on a real broker: the act makes a page lasting at once, once, and through a restart."""

from __future__ import annotations

import json
import os
import subprocess

from tests.daemons import DRIFTD, driftd
from tests.engine import Credit, Event
from tests.integration.conftest import Running, Site, Tree

DONE, USAGE, REFUSED = 0, 2, 4


def without(column: str, number: int, begin: float, seed: int) -> list[Event]:
    return list(Credit(number, seed=seed, begin=begin, change=0, fault=lambda one, _: one["features"].pop(column)))


def accept(site: Site, incident: str, *more: str) -> tuple[int, str]:
    """Exit code and standard error."""
    command = [*DRIFTD, "accept", "--config", str(site.config), incident, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.stdout == ""
    return done.returncode, done.stderr


def sent(site: Site) -> list[Tree]:
    return [one for one in site.transitions() if one["kind"] == "transition"]


def paged(site: Site) -> tuple[Running, str]:
    """A daemon whose model has paged for AGE; gives the incident's id."""
    site.write(windows={"idle_after": "1s"})
    site.make_topics()
    running = site.start()
    site.produce(without("AGE", 600, 0, seed=2))
    running.wait_until(lambda: sent(site), "a page")
    (opened,) = sent(site)[:1]
    assert (opened["transition"], opened["severity"]) == ("opened", "page")
    return running, opened["incident"]


def wait_for_the_act_again(running: Running) -> None:
    running.wait_until(lambda: "accept_without_effect" in running.text(), "the act again")


def transitions_of(site: Site, incident: str) -> list[tuple[str, str]]:
    return [(one["transition"], one["severity"]) for one in sent(site) if one["incident"] == incident]


def pages_beside(site: Site, incident: str) -> list[Tree]:
    return [one for one in sent(site) if one["incident"] != incident and one["severity"] == "page"]


def test_an_accepted_page_is_a_ticket_at_once_and_the_next_change_pages(site: Site) -> None:
    running, incident = paged(site)
    code, said = accept(site, incident, "--note", "AGE is gone on purpose")
    assert (code, said) == (
        DONE,
        f"{incident}: accepted; the running daemon makes it a lasting ticket, and the next change pages\n",
    )
    running.wait_until(lambda: ("lasting", "ticket") in transitions_of(site, incident), "the ticket")
    lasting = next(one for one in sent(site) if one["transition"] == "lasting")
    assert "accepted (AGE is gone on purpose)" in lasting["summary"]
    assert [finding["severity"] for finding in lasting["findings"]] == ["ticket"] * len(lasting["findings"])
    running.wait_until(
        lambda: running.values("driftd_incident_active") == {("credit", "1", "page"): 0, ("credit", "1", "ticket"): 1},
        "a ticket and no page",
    )
    assert b"lasting ticket" in running.get("/")[1].encode()
    assert "is a lasting ticket since" in accept(site, incident)[1]

    site.produce([made | {"features": made["features"] | {"EDU": None}} for made in without("AGE", 600, 400, seed=3)])
    running.wait_until(lambda: pages_beside(site, incident), "another page")
    again = pages_beside(site, incident)[0]  # a ticket before, while less than half of a window's values are gone
    assert again["transition"] in {"opened", "escalated"}
    assert {finding["subject"] for finding in again["findings"]} == {"EDU"}
    assert running.stop() == DONE
    (model,) = site.shown()["models"]
    assert model["incident"]["id"] == again["incident"]
    assert model["lasting"] == {"id": incident, "severity": "ticket"}


def test_what_was_accepted_while_the_daemon_was_down_takes_effect_once(site: Site) -> None:
    running, incident = paged(site)
    running.kill()
    assert accept(site, incident)[0] == DONE
    assert accept(site, incident)[0] == DONE  # the daemon has not taken it: said twice
    for _ in range(2):
        running = site.start()
        running.wait_until(lambda: ("lasting", "ticket") in transitions_of(site, incident), "the ticket")
        wait_for_the_act_again(running)
        assert running.stop() == DONE
    assert [name for name, _ in transitions_of(site, incident)].count("lasting") == 1


def test_what_is_not_an_open_page_is_refused_with_what_is(site: Site) -> None:
    running, incident = paged(site)
    code, said = accept(site, "credit/1/0123456789abcdef")
    assert code == USAGE
    assert f"is on no transition of {site.alerts}; open pages: {incident}" in said
    site.produce(list(Credit(2_000, seed=4, begin=400)))
    running.wait_until(lambda: ("resolved", "page") in transitions_of(site, incident), "the end")
    code, said = accept(site, incident)
    assert code == USAGE
    assert "is over since" in said
    assert running.stop() == DONE


def test_without_an_alert_topic_there_is_nowhere_to_say_it(site: Site) -> None:
    site.write(outputs={"alerts_topic": None})
    code, said = accept(site, "credit/1/0123456789abcdef")
    assert code == USAGE
    assert "outputs.alerts_topic: is null" in said
    site.write()
    code, said = accept(site, "credit/1/0123456789abcdef")
    assert code == REFUSED  # there is no such topic
    assert site.alerts in said


def test_with_attributes_as_headers_an_act_is_taken_and_the_audit_has_it_all(site: Site) -> None:
    """`outputs.cloudevents: binary`, and on one topic with what was written before it was set."""
    running, incident = paged(site)
    running.kill()
    site.write(outputs={"cloudevents": "binary"})
    running = site.start()
    assert accept(site, incident, "--note", "on purpose")[0] == DONE
    running.wait_until(lambda: ("lasting", "ticket") in transitions_of(site, incident), "the ticket")
    assert running.stop() == DONE
    records = [dict(record.headers) for record in site.broker.records(site.alerts)]
    events = [headers for headers in records if "ce_specversion" in headers]
    assert 0 < len(events) < len(records)
    assert {headers["content-type"] for headers in events} == {b"application/json"}
    assert {headers["ce_transition"] for headers in events if headers["ce_type"] == b"io.driftd.incident"} >= {
        b"lasting"
    }
    said = json.loads(driftd("audit", "--config", str(site.config), "--json"))
    assert (said["faults"], len(said["chains"])) == ([], 1)
    assert [line["data"]["note"] for line in said["acts"]] == ["on purpose"]
    assert [line["data"]["transition"] for line in said["incidents"][0]["transitions"]][-1] == "lasting"
    (killed,) = [one for one in said["monitoring"]["without"] if one["why"].startswith("ended without stopping")]
    assert killed["from"] is not None
    assert said["monitoring"]["without"][-1]["to"] is None


def test_a_removed_line_on_a_real_topic_is_said(site: Site) -> None:
    running, _ = paged(site)
    assert running.stop() == DONE
    records = site.broker.records(site.alerts)
    site.broker.delete_topic(site.alerts)
    site.broker.create_topic(site.alerts)
    for record in (*records[:1], *records[2:]):
        site.broker.produce(site.alerts, [record.value or b""], keys=[record.key])
    said = json.loads(driftd("audit", "--config", str(site.config), "--json", expect=3))
    assert [fault["what"] for fault in said["faults"]] == ["line 2 is missing (1 line)"]
    site.broker.delete_topic(site.alerts)
    site.broker.create_topic(site.alerts, 1, cleanup_policy="compact")
    for record in records[:-2]:  # the newest of all waits in the state, to be sent again
        site.broker.produce(site.alerts, [record.value or b""], keys=[record.key])
    said = json.loads(driftd("audit", "--config", str(site.config), "--json", expect=3))
    assert said["read"]["compacted"] is True
    assert "the daemon's state says they were sent" in said["faults"][0]["what"]
