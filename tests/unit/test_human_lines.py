"""The text of a replay: what a person reads of its JSON objects."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.judge.causes.catalog import NAMES
from monitor.run.human_lines import HumanLines, human_line

MISSING: dict[str, Any] = {
    "subject": "income",
    "cause": "missing",
    "segment": "",
    "severity": "page",
    "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z", "events": 300},
    "since": "2026-01-01T00:00:10Z",
    "statistic": "exact",
    "p": 1e-9,
    "detail": "share missing: 0 % -> 30 %",
}
SCORE = MISSING | {"subject": "score", "cause": "score", "detail": "mean 0.3 -> 0.5"}


def text(transition: str, *findings: dict[str, Any], **fields: Any) -> str:  # noqa: ANN401  # of a transition
    whole = {"kind": "transition", "at": "2026-01-01T00:01:00Z", "transition": transition, "severity": "page"}
    return human_line({**whole, "summary": "m 1: words", "findings": list(findings), **fields}) or ""


@pytest.mark.parametrize("cause", NAMES)
def test_every_cause_has_a_next_step_that_is_one_sentence(cause: str) -> None:
    step = NAMES[cause].next_step
    assert step
    assert step[0].islower()
    assert not step.endswith(".")


def test_who_is_told_of_an_incident_is_told_what_to_do_about_its_likely_cause() -> None:
    told = text("opened", SCORE, MISSING, likely_cause="income")
    assert told.splitlines()[-1].strip() == f"next, about income: {NAMES['missing'].next_step}"
    # where nothing that is watched explains the change, about the worst finding
    assert text("escalated", SCORE).splitlines()[-1].strip() == f"next, about score: {NAMES['score'].next_step}"
    assert "next" not in text("updated", SCORE, MISSING)
    assert "next" not in text("resolved")
    linked = text("opened", MISSING, links={"runbook": "https://wiki.example/r"})
    assert linked.splitlines()[-1].strip() == "runbook: https://wiki.example/r"


def test_an_update_has_a_next_step_only_where_it_is_another_one() -> None:
    lines = HumanLines()

    def told(transition: str, *findings: dict[str, Any], cause: str = "") -> bool:
        whole = {"kind": "transition", "at": "2026-01-01T00:01:00Z", "incident": "m/1/a", "severity": "page"}
        line = lines(whole | {"transition": transition, "summary": "m 1", "findings": findings, "likely_cause": cause})
        return "next, about" in (line or "")

    assert told("opened", SCORE)
    assert not told("updated", SCORE)
    assert told("updated", SCORE, MISSING, cause="income")
    assert not told("updated", SCORE, MISSING, cause="income")
    assert told("updated", SCORE, MISSING | {"next_step": "undo it"}, cause="income")
    assert told("escalated", SCORE), "whoever is told now did not hear it before"
    assert not told("resolved")
    assert told("updated", SCORE), "another incident"


def test_a_finding_of_its_own_says_the_next_step_before_its_cause() -> None:
    told = text("opened", MISSING, SCORE | {"explained_by": [], "next_step": "look at the model", "segment": "SEX=2"})
    assert told.splitlines()[-1].strip() == "next, about score in SEX=2: look at the model"


def test_the_next_step_of_derived_columns_is_about_what_they_were_computed_from_and_told_once() -> None:
    norm, first = (MISSING | {"subject": f"emb.{one}", "derived_from": "emb", "next_step": "undo it"} for one in "np")
    lines = HumanLines()
    whole: dict[str, Any] = {"kind": "transition", "at": "2026-01-01T00:01:00Z", "incident": "m/1/a"}
    whole |= {"severity": "page", "summary": "m 1", "findings": [norm, first]}
    told = lines(whole | {"transition": "opened", "likely_cause": "emb.n"}) or ""
    assert told.splitlines()[-1].strip() == "next, about emb: undo it"
    assert "next" not in (lines(whole | {"transition": "updated", "likely_cause": "emb.p"}) or "")


@pytest.mark.parametrize(
    ("cause", "unit"), [("performance", "labels"), ("label_coverage", "predictions"), ("missing", "events")]
)
def test_a_window_is_counted_in_what_its_cause_judges(cause: str, unit: str) -> None:
    assert f"tested on 300 {unit} from" in text("opened", MISSING | {"cause": cause})
