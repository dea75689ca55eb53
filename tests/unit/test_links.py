"""URLs for people: only from `links` in the settings, and never an incomplete one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.findings import Transition
from monitor.publish.links import dashboard, of_incident, runbook, status
from monitor.run.outputs import with_links
from monitor.settings.load import load_settings
from monitor.settings.tree import Links
from tests.engine import CREDIT, settings

LINKS = Links(status="https://d.example/", runbooks="https://w.example/r/", dashboards="https://g.example/x")


def transition(severity: str = "page") -> Transition:
    return Transition("i", 1, "opened", CREDIT, severity, 1, 1, 0, "", "", 1, "credit 1: AGE is gone", ())


def test_addresses_are_made_of_the_settings() -> None:
    assert status(LINKS) == "https://d.example/"
    assert runbook(LINKS, "DriftdDown") == "https://w.example/r/DriftdDown"
    assert runbook(Links(runbooks="https://g.example/{alert}.md"), "DriftdDown") == "https://g.example/DriftdDown.md"
    assert dashboard(LINKS) == "https://g.example/x/d/driftd"


def test_where_the_settings_are_silent_there_is_none() -> None:
    assert (status(Links()), runbook(Links(), "DriftdDown"), dashboard(Links(), "m", "1")) == ("", "", "")
    assert of_incident(Links(), CREDIT, "page") == {}


@given(st.text(min_size=1), st.text())
def test_a_models_name_cannot_change_the_address(model: str, version: str) -> None:
    address = of_incident(LINKS, ModelKey(model, version), "page")["dashboard"]
    assert address.isascii()
    rest = address.removeprefix("https://g.example/x/d/driftd?var-model=")
    assert rest.count("&var-version=") == 1
    assert not set(rest.replace("&var-version=", "")) & set("&?#/ <>\"'")


@pytest.mark.parametrize(
    ("severity", "alert"), [("page", "DriftdModelDriftPage"), ("ticket", "DriftdModelDriftTicket")]
)
def test_a_transition_on_the_alert_topic_carries_them(severity: str, alert: str) -> None:
    reported = with_links(transition(severity), settings(links=LINKS.model_dump())).to_json()
    assert reported["links"] == {
        "status": "https://d.example/",
        "runbook": f"https://w.example/r/{alert}",
        "dashboard": "https://g.example/x/d/driftd?var-model=credit&var-version=1",
    }
    own = settings({"runbook": "https://w.example/credit"}, links=LINKS.model_dump())
    assert with_links(transition(severity), own).to_json()["links"]["runbook"] == "https://w.example/credit"


def test_a_transition_without_links_has_no_such_field() -> None:
    assert "links" not in with_links(transition(), settings()).to_json()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "wiki/driftd", "ftp://x.example", "https://", ""])
def test_only_an_address_of_the_web_is_taken(tmp_path: Path, address: str) -> None:
    file = tmp_path / "driftd.yaml"
    file.write_text(
        "inputs: [{topic: t}]\nmodels: [{name: m, reference: r.json}]\n"
        f"links: {{runbooks: {json.dumps(address)}}}\n"
    )
    with pytest.raises(UsageError, match=r"links\.runbooks: .*write https://host/path"):
        load_settings(file, {})
    assert load_settings(file, {"DRIFTD_LINKS__RUNBOOKS": "https://w.example"}).links.runbooks == "https://w.example"
