"""Alerting rules: what `driftd rules` prints, judged by promtool and amtool, and one page on the real parts."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from monitor.cli import main
from monitor.publish.series import SeriesPage
from monitor.rules import rules, rules_yaml
from monitor.settings_file import load_settings
from tests.boards import busy_board
from tests.engine import Credit, settings
from tests.integration.conftest import Site
from tests.real_parts.install import ROOT
from tests.real_parts.prometheus import Alertmanager, Prometheus
from tests.real_parts.waiting import wait_until
from tests.receiver import Receiver
from tests.unit.test_publish_series import full_board

FOLDER: Final = ROOT / "deploy" / "prometheus"
EXAMPLE: Final = ROOT / "docs" / "example" / "driftd.yaml"
#: both ways take at most this long at intervals of a second: a range of seconds, not a race
MESSAGE_SECONDS: Final = 20.0

Tree = dict[str, Any]

#: left out by `make unit`, as all that needs more than Python
real_parts = pytest.mark.kafka


def said(*command: str) -> str:
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def shipped_rules() -> list[Tree]:
    return list(rules(load_settings(EXAMPLE, {})))


def example(name: str) -> Tree:
    tree: Tree = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return tree


# what is printed


def test_the_shipped_rules_are_what_the_command_prints_for_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--config", str(EXAMPLE)]) == 0
    assert capsys.readouterr().out == (FOLDER / "driftd.rules.yml").read_text(encoding="utf-8")


def test_no_reference_file_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "driftd.yaml"
    config.write_text("inputs: [{topic: events}]\nmodels: [{name: credit, reference: nowhere.json}]\n")
    assert main(["rules", "--config", str(config)]) == 0
    assert "DriftdModelDriftPage" in capsys.readouterr().out


def test_the_checkpoint_may_be_as_old_as_the_settings_let_it_become() -> None:
    def limits(**state: object) -> list[str]:
        stale = [rule for rule in rules(settings(state=state)) if rule["alert"] == "DriftdCheckpointStale"]
        return [rule["expr"].rpartition(" > ")[2] for rule in stale]

    assert limits(every="1s") == ["120"]
    assert limits(every="5m") == ["3600"]
    assert limits(store="memory") == []


def test_every_alert_is_whole_and_its_page_exists() -> None:
    for rule in shipped_rules():
        assert rule["alert"].startswith("Driftd")
        assert rule["labels"] == {"severity": rule["labels"]["severity"]}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"for", "keep_firing_for"} <= rule.keys()
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        [page] = re.findall(r"docs/runbooks/\w+\.md", rule["annotations"]["runbook_url"])
        assert (ROOT / page).read_text(encoding="utf-8").startswith(f"# {rule['alert']}\n")
    pages = {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert pages == {rule["alert"] for rule in shipped_rules()}


def test_every_alert_has_a_case_before_its_edge_and_one_at_it() -> None:
    cases = [case for test in example("driftd.rules.test.yml")["tests"] for case in test.get("alert_rule_test", [])]
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    firing = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert silent == firing == {rule["alert"] for rule in shipped_rules()}


def test_rules_ask_only_for_series_that_exist() -> None:
    register = set(re.findall(r"^## `(driftd_\w+)`", (ROOT / "docs" / "series.md").read_text(), re.MULTILINE))
    asked = set(re.findall(r"driftd_\w+", rules_yaml(settings())))
    assert asked
    assert asked <= register


# what the real tools say


@real_parts
def test_promtool_takes_rules_and_settings_and_passes_the_cases(prometheus_parts: None) -> None:
    assert f"{len(shipped_rules())} rules found" in said("promtool", "check", "rules", "driftd.rules.yml")
    said("promtool", "check", "config", "prometheus.yml")
    assert "SUCCESS" in said("promtool", "test", "rules", "driftd.rules.test.yml")


@real_parts
def test_promtool_takes_the_page_of_metrics(prometheus_parts: None) -> None:
    for board in (full_board(), busy_board()):
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=SeriesPage().text(board), capture_output=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@real_parts
@pytest.mark.parametrize("rule", shipped_rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_goes_where_its_severity_says(rule: Tree, prometheus_parts: None) -> None:
    said("amtool", "check-config", "alertmanager.yml")
    labels = [f"alertname={rule['alert']}", f"severity={rule['labels']['severity']}", "model=loans", "version=1"]
    expected = {"critical": "on-call", "warning": "by-day"}[rule["labels"]["severity"]]
    assert said("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *labels).strip() == expected


# on the real parts


def quick_rules() -> str:
    """The shipped rules; those of drift wait a second instead of half a minute and more."""
    tree = yaml.safe_load(rules_yaml(settings()))
    for rule in tree["groups"][0]["rules"]:
        if rule["alert"].startswith("DriftdModelDrift"):
            rule |= {"for": "1s", "keep_firing_for": "1s"}
    return yaml.safe_dump(tree)


def prometheus_tree(driftd: int, alertmanager: str) -> Tree:
    """The example, once a second, with the addresses of this run."""
    tree = example("prometheus.yml")
    tree["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    tree["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    tree["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{driftd}"]
    return tree


def alertmanager_tree(receiver: str) -> Tree:
    """The example with its routes and inhibitions, waiting a second, with webhooks for receivers."""
    tree = example("alertmanager.yml")
    tree["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    names = [one["name"] for one in tree["receivers"]]
    tree["receivers"] = [{"name": name, "webhook_configs": [{"url": f"{receiver}/{name}"}]} for name in names]
    return tree


def without_age(event: Tree, _rng: object) -> None:
    del event["features"]["AGE"]


def test_a_drift_is_one_page_that_says_what_and_since_when_and_its_end_one_resolve(
    site: Site, prometheus_parts: None
) -> None:
    site.make_topics()
    model = {"name": "credit", "versions": ["1"], "reference": "credit.json", "team": "lending"}
    site.write(models=[model], windows={"allowed_lateness": "0s", "idle_after": "2s"})
    daemon = site.start()
    daemon.wait_ready()
    none_open = {("credit", "1", "page"): 0.0, ("credit", "1", "ticket"): 0.0}
    page_open = none_open | {("credit", "1", "page"): 1.0}
    with (
        Receiver() as receiver,
        Alertmanager(alertmanager_tree(receiver.url)) as alertmanager,
        Prometheus(prometheus_tree(daemon.port, alertmanager.address), {"driftd.rules.yml": quick_rules()}) as seen,
    ):
        wait_until(lambda: seen.watches() == (1, 1), "Prometheus has found driftd and Alertmanager")
        drifting = list(Credit(1_000, seed=2, change=500, fault=without_age))
        site.produce(drifting)
        daemon.wait_until(lambda: daemon.values("driftd_incident_active") == page_open, "the series of the incident")
        opened = time.monotonic()
        since = seen_by_people(daemon.values("driftd_incident_since_timestamp_seconds")["credit", "1"])
        daemon.wait_until(lambda: receiver.messages, "the page", MESSAGE_SECONDS)
        paged = receiver.messages[0].at - opened
        assert seen.query('ALERTS{alertname="DriftdModelDriftPage",alertstate="firing"}')

        site.produce(list(Credit(3_000, seed=3, begin=(drifting[-1]["ts"] - drifting[0]["ts"]) / 1e6 + 2)))
        daemon.wait_until(lambda: daemon.values("driftd_incident_active") == none_open, "the incident's end")
        ended = time.monotonic()
        daemon.wait_until(lambda: len(receiver.messages) > 1, "the resolve", MESSAGE_SECONDS)
        resolved = receiver.messages[1].at - ended
        firing = 'ALERTS{alertstate="firing"}'
        daemon.wait_until(lambda: not seen.query(firing), "no alert is left")
    print(f"metric to page {paged:.1f} s, metric to resolve {resolved:.1f} s")

    assert [(message.path, message.body["status"]) for message in receiver.messages] == [
        ("/on-call", "firing"),
        ("/on-call", "resolved"),
    ]
    [alert] = receiver.messages[0].body["alerts"]
    assert {"model": "credit", "version": "1", "severity": "critical", "team": "lending"}.items() <= alert[
        "labels"
    ].items()
    assert alert["annotations"]["summary"] == "credit 1 has drifted from its reference"
    assert "AGE (absent)" in alert["annotations"]["description"]
    assert f"Since {since}, event time." in alert["annotations"]["description"]


def seen_by_people(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + " +0000 UTC"
