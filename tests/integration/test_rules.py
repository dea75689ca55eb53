"""Alerting rules: the output of `driftd rules`, checked by promtool and amtool, and one page on the real parts."""

from __future__ import annotations

import re
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from monitor.cli.parser import main
from monitor.publish.rules.file import rules, rules_yaml
from monitor.publish.series import SeriesPage
from monitor.settings.load import load_settings
from tests.engine import Credit, settings
from tests.integration.conftest import Site
from tests.real_parts.install import ROOT
from tests.real_parts.prometheus import Alertmanager, Prometheus
from tests.real_parts.waiting import wait_until
from tests.receiver import Receiver
from tests.snapshots import busy_snapshot
from tests.unit.publish.test_series import full_snapshot

FOLDER: Final = ROOT / "deploy" / "prometheus"
EXAMPLE: Final = ROOT / "docs" / "example" / "driftd.yaml"
#: both ways take at most this long at intervals of a second: a range of seconds, not a race
MESSAGE_SECONDS: Final = 20.0

Tree = dict[str, Any]

#: left out by `make unit`, as all that needs more than Python
real_parts = pytest.mark.kafka

#: the second is what takes a day, evaluated seldom
RULE_TESTS: Final = ("driftd.rules.test.yml", "driftd.rules.days.test.yml")


def messages(*command: str) -> str:
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
        assert rule["annotations"].keys() == {"summary", "description"}, "no link that leads nowhere"
        page = ROOT / "docs" / "runbooks" / f"{rule['alert']}.md"
        assert page.read_text(encoding="utf-8").startswith(f"# {rule['alert']}\n")
    pages = {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert pages == {rule["alert"] for rule in shipped_rules()}


def test_the_command_writes_the_file_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--config", str(EXAMPLE), "-o", str(tmp_path / "new")]) == 0
    messages = capsys.readouterr()
    assert messages.out == ""
    assert str(tmp_path / "new" / "driftd.rules.yml") in messages.err
    shipped = (FOLDER / "driftd.rules.yml").read_text(encoding="utf-8")
    assert (tmp_path / "new" / "driftd.rules.yml").read_text(encoding="utf-8") == shipped


def test_the_name_of_a_file_is_refused_with_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "driftd.rules.yml"
    assert main(["rules", "--config", str(EXAMPLE), "-o", str(output)]) == 2
    assert f"-o: {output} is the name of a file; name its folder: -o {tmp_path}" in capsys.readouterr().err
    assert not output.exists()


LINKS: Final = {
    "status": "https://driftd.example/",
    "runbooks": "https://wiki.example/driftd",
    "dashboards": "https://grafana.example/g",
}


def test_links_of_the_settings_are_annotations_of_every_alert() -> None:
    for rule in rules(settings(links=LINKS)):
        annotations = rule["annotations"]
        assert annotations["status_url"] == "https://driftd.example/"
        assert annotations["runbook_url"] == f"https://wiki.example/driftd/{rule['alert']}"
        assert annotations["dashboard_url"].startswith("https://grafana.example/g/d/driftd")
        assert ("var-model" in annotations["dashboard_url"]) == ("on (model" in rule["expr"])


def test_a_runbook_may_have_the_alerts_name_anywhere_and_braces_are_not_a_template() -> None:
    template = "https://git.example/runbooks/{alert}.md?x={{ boom }}"
    [down] = [r for r in rules(settings(links={"runbooks": template.replace(" ", "")})) if r["alert"] == "DriftdDown"]
    assert down["annotations"]["runbook_url"] == "https://git.example/runbooks/DriftdDown.md?x=%7B%7Bboom%7D%7D"


def test_every_alert_has_a_case_before_its_edge_and_one_at_it() -> None:
    tests = [test for name in RULE_TESTS for test in example(name)["tests"]]
    cases = [case for test in tests for case in test.get("alert_rule_test", [])]
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
    assert f"{len(shipped_rules())} rules found" in messages("promtool", "check", "rules", "driftd.rules.yml")
    messages("promtool", "check", "config", "prometheus.yml")
    said = messages("promtool", "test", "rules", *RULE_TESTS)
    assert said.count("SUCCESS") == len(RULE_TESTS)


MODEL_RUNBOOK_CASES: Final = """\
rule_files: [driftd.rules.yml]
tests:
  - interval: 15s
    input_series:
      - {series: 'driftd_incident_active{model="a b&c",version="1",severity="page"}', values: '1x10'}
      - {series: 'driftd_incident_active{model="fraud",version="1",severity="page"}', values: '1x10'}
      - {series: 'driftd_model_info{model="fraud",version="1",runbook_url="https://w.example/f"}', values: '1x10'}
    alert_rule_test:
      - eval_time: 1m
        alertname: DriftdModelDriftPage
        exp_alerts:
          - exp_labels: {severity: critical, model: a b&c, version: "1"}
            exp_annotations:
              summary: "a b&c 1: differs from its reference"
              description: "Over the threshold: see driftd's page."
              status_url: https://driftd.example/
              runbook_url: https://wiki.example/driftd/DriftdModelDriftPage
              dashboard_url: https://grafana.example/g/d/driftd?var-model=a+b%26c&var-version=1
          - exp_labels: {severity: critical, model: fraud, version: "1", runbook_url: "https://w.example/f"}
            exp_annotations:
              summary: "fraud 1: differs from its reference"
              description: "Over the threshold: see driftd's page."
              status_url: https://driftd.example/
              runbook_url: https://w.example/f
              dashboard_url: https://grafana.example/g/d/driftd?var-model=fraud&var-version=1
"""


@real_parts
def test_links_of_a_drift_lead_to_its_model(tmp_path: Path, prometheus_parts: None) -> None:
    model = {"name": "fraud", "reference": "x.json", "runbook": "https://w.example/f"}
    (tmp_path / "driftd.rules.yml").write_text(rules_yaml(settings(links=LINKS, models=[model])))
    (tmp_path / "cases.yml").write_text(MODEL_RUNBOOK_CASES)
    assert "SUCCESS" in messages("promtool", "test", "rules", str(tmp_path / "cases.yml"))


@real_parts
def test_promtool_takes_the_page_of_metrics(prometheus_parts: None) -> None:
    for snapshot in (full_snapshot(), busy_snapshot()):
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=SeriesPage().text(snapshot), capture_output=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@real_parts
@pytest.mark.parametrize("rule", shipped_rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_goes_where_its_severity_says(rule: Tree, prometheus_parts: None) -> None:
    messages("amtool", "check-config", "alertmanager.yml")
    labels = [f"alertname={rule['alert']}", f"severity={rule['labels']['severity']}", "model=loans", "version=1"]
    expected = {"critical": "on-call", "warning": "by-day"}[rule["labels"]["severity"]]
    assert messages("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *labels).strip() == expected


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
    """The example with its routes and inhibitions, waiting a second; each receiver has a webhook, and its pager too."""
    tree = example("alertmanager.yml")
    tree["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    for one in tree["receivers"]:
        one["webhook_configs"] = [{"url": f"{receiver}/{one['name']}"}]
        for pager in one.get("pagerduty_configs", []):
            del pager["routing_key_file"]
            pager |= {"routing_key": "k", "url": f"{receiver}/pager"}
    return tree


def template() -> dict[str, str]:
    return {"driftd.tmpl": (FOLDER / "driftd.tmpl").read_text(encoding="utf-8")}


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
        Alertmanager(alertmanager_tree(receiver.url), template()) as alertmanager,
        Prometheus(prometheus_tree(daemon.port, alertmanager.address), {"driftd.rules.yml": quick_rules()}) as seen,
    ):
        wait_until(lambda: seen.watches() == (1, 1), "Prometheus has found driftd and Alertmanager")
        drifting = list(Credit(1_000, seed=2, change=500, fault=without_age))
        site.produce(drifting)
        daemon.wait_until(lambda: daemon.values("driftd_incident_active") == page_open, "the series of the incident")
        opened = time.monotonic()
        seconds = daemon.values("driftd_incident_since_timestamp_seconds")["credit", "1"]
        hooked = partial(receiver.sent_to, "/on-call")
        daemon.wait_until(hooked, "the page", MESSAGE_SECONDS)
        paged = hooked()[0].at - opened
        assert seen.query('ALERTS{alertname="DriftdModelDriftPage",alertstate="firing"}')

        site.produce(list(Credit(3_000, seed=3, begin=(drifting[-1]["ts"] - drifting[0]["ts"]) / 1e6 + 2)))
        daemon.wait_until(lambda: daemon.values("driftd_incident_active") == none_open, "the incident's end")
        ended = time.monotonic()
        daemon.wait_until(lambda: len(hooked()) > 1, "the resolve", MESSAGE_SECONDS)
        resolved = hooked()[1].at - ended
        daemon.wait_until(lambda: len(receiver.sent_to("/pager")) > 1, "the pager's resolve", MESSAGE_SECONDS)
        firing = 'ALERTS{alertstate="firing"}'
        daemon.wait_until(lambda: not seen.query(firing), "no alert is left")
    print(f"metric to page {paged:.1f} s, metric to resolve {resolved:.1f} s")

    assert [message.body["status"] for message in hooked()] == ["firing", "resolved"]
    assert {message.path for message in receiver.messages} == {"/on-call", "/pager"}
    [alert] = hooked()[0].body["alerts"]
    assert {"model": "credit", "version": "1", "severity": "critical", "team": "lending"}.items() <= alert[
        "labels"
    ].items()
    summary = alert["annotations"]["summary"]
    assert re.fullmatch(rf"credit 1: AGE absent in \d+(\.\d+)?% since {since_words(seconds)} UTC", summary)
    assert "AGE (absent)" in alert["annotations"]["description"]
    assert f"Since {seen_by_people(seconds)}, event time." in alert["annotations"]["description"]
    page, end = (message.body for message in receiver.sent_to("/pager"))
    assert (page["event_action"], end["event_action"]) == ("trigger", "resolve")
    assert page["payload"]["summary"] == summary
    last = hooked()[1].body["alerts"][0]["annotations"]["summary"]
    assert re.fullmatch(rf"resolved after \d+s: {re.escape(last)}", end["payload"]["summary"])


def since_words(seconds: float) -> str:
    """With its day when it is more than 12 hours ago."""
    lately = time.time() - seconds < 43_200
    return time.strftime("%H:%M" if lately else "%b %-d %H:%M", time.gmtime(seconds))


def seen_by_people(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + " +0000 UTC"
