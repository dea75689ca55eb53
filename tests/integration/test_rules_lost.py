"""Lost events on the real parts: from a topic whose times have no offset to the alert, the page and the log."""

from __future__ import annotations

import time
from typing import Any

import yaml

from monitor.publish.rules.file import rules_yaml
from tests.engine import Credit, settings
from tests.integration.conftest import Site
from tests.integration.test_rules import Tree, prometheus_tree
from tests.real_parts.prometheus import Prometheus
from tests.real_parts.waiting import wait_until


def quick_rules() -> str:
    tree: Tree = yaml.safe_load(rules_yaml(settings()))
    for rule in tree["groups"][0]["rules"]:
        rule |= {"for": "0s", "keep_firing_for": "1s"}
    return yaml.safe_dump(tree)


def without_offset(event: dict[str, Any], _rng: object) -> None:
    event["ts"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(event["ts"] / 1e6))


def test_a_topic_whose_events_are_lost_is_an_alert_that_says_why_until_good_ones_come(
    site: Site, prometheus_parts: None
) -> None:
    site.make_topics()
    # else a topic that is all rejected is not read on
    site.write(windows={"allowed_lateness": "0s", "idle_after": "2s"}, limits={"rejected_share": 1})
    daemon = site.start()
    daemon.wait_ready()
    firing = 'ALERTS{alertname="DriftdEventsLost",alertstate="firing"}'
    with Prometheus(prometheus_tree(daemon.port, "127.0.0.1:1"), {"driftd.rules.yml": quick_rules()}) as seen:
        wait_until(lambda: seen.watches()[0] == 1, "Prometheus has found driftd")
        lost = list(Credit(1_200, seed=2, change=0, fault=without_offset))
        site.produce(lost)
        daemon.wait_until(lambda: seen.query(firing), "the alert")
        [alert] = seen.query(firing)
        assert alert["metric"]["topic"] == site.topic
        assert "rejected (no_offset)" in str(seen.get("/api/v1/alerts"))
        assert "not fine" in daemon.get("/")[1]
        status, words = daemon.get("/readyz")
        assert (status, words.startswith("ok\nnot fine: ")) == (200, True)
        assert daemon.lines("events_lost")[0]["first"] == f"{site.topic}-0@0"
        site.produce(list(Credit(1_000, seed=3)))
        daemon.wait_until(lambda: not seen.query(firing), "its end")
        assert "not fine" not in daemon.get("/")[1]
