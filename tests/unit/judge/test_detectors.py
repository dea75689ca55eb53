"""Detectors that the settings ask for, through the engine: what they are fed, what they find, how severe it is."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.cli.check import check_offline
from monitor.events import Partition
from monitor.judge.words.detectors import ON_ERRORS, ON_MEANS
from monitor.reference.references import References
from monitor.settings.detector import OF_ERRORS, OPTIONS
from monitor.stats.detectors.adwin import Adwin
from monitor.stats.detectors.detector import error_sequence
from tests.engine import (
    EVENTS,
    Credit,
    Event,
    MemorySource,
    build,
    credit_reference,
    replayed,
    settings,
    transitions_in,
)
from tests.house import ROOT

CHANGE = 2_000
ERRORS = [{"kind": kind, "on": "error"} for kind in ("adwin", "hddm_a", "page_hinkley")]


@cache
def stream() -> tuple[Event, ...]:
    """One label in ten is wrong, and from the change on four in ten; AGE rises with it."""
    lots = np.random.default_rng(5).random(4_000).tolist()
    made = []
    for at, (event, lot) in enumerate(zip(Credit(4_000, seed=3), lots, strict=True)):
        wrong = lot < (0.4 if at >= CHANGE else 0.1)
        event["label"] = 1 - event["prediction"] if wrong else event["prediction"]
        if at >= CHANGE:
            event["features"]["AGE"] += 8
        made.append(event)
    return tuple(made)


def lines(detectors: list[dict[str, Any]], *, partitions: int = 1, **model: object) -> list[dict[str, Any]]:
    tree = settings({"detectors": detectors, **model})
    parts = {Partition(EVENTS.topic, at): stream()[at::partitions] for at in range(partitions)}
    return replayed(tree, credit_reference(), MemorySource(parts))[0]


def findings(of: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the detectors that were asked for."""
    return [line for line in of if line["kind"] == "finding" and line.get("figure", "error_rate") != "error_rate"]


def test_a_rise_of_errors_is_found_by_each_detector_and_opens_no_incident() -> None:
    found = findings(lines(ERRORS, severity={"distribution": "info"}))
    assert {line["figure"] for line in found} == {"adwin", "hddm_a", "page_hinkley"}
    for line in found:
        assert (line["subject"], line["cause"], line["severity"]) == ("credit", "performance", "info")
    first = next(line for line in found if line["figure"] == "hddm_a")
    assert (first["direction"], first["effect_unit"]) == ("up", "error rate")
    assert 0.05 < first["threshold"] < 0.15 < first["value"]
    assert first["detail"].startswith("HDDM-A on error: the error rate rose from ")


def test_what_is_found_does_not_depend_on_partitions() -> None:
    detectors = [*ERRORS, {"kind": "kswin", "on": "AGE"}, {"kind": "page_hinkley", "on": "score"}]
    one, two = (findings(lines(detectors, partitions=number)) for number in (1, 2))
    for line in (*one, *two):
        del line["records"]
    assert one
    assert one == two


def test_a_detector_of_errors_is_fed_what_the_panes_hold() -> None:
    pane_us, counts = 10_000_000, dict[int, list[int]]()
    for event in stream():
        n_wrong = counts.setdefault(event["ts"] // pane_us * pane_us, [0, 0])
        n_wrong[0] += 1
        n_wrong[1] += event["label"] != event["prediction"]
    expected, detector = [], Adwin(0.01)
    for start_us, (n, wrong) in sorted(counts.items()):
        changed = False
        for value in error_sequence(n, wrong, start_us).astype(float).tolist():
            if detector.update(value):
                detector.reset()
                changed = True
        if changed:
            expected.append(start_us // 1_000_000)
    found = findings(lines([{"kind": "adwin", "on": "error", "delta": 0.01}]))
    starts = [
        np.datetime64(line["window"]["start"].removesuffix("Z")).astype("datetime64[s]").astype(int) for line in found
    ]
    assert starts == expected
    assert expected


@pytest.mark.parametrize(("severity", "opened"), [("page", "page"), ("ticket", "ticket")])
def test_a_detector_that_may_page_opens_an_incident_that_ends(severity: str, opened: str) -> None:
    quiet = {name: {"severity": "info"} for name in ("AGE",)}
    detectors = [{"kind": "hddm_a", "on": "error", "severity": severity}]
    of = transitions_in(lines(detectors, features=quiet, severity={"distribution": "info"}))
    assert [one["severity"] for one in of if one["transition"] == "opened"] == [opened]
    assert {finding["figure"] for one in of for finding in one["findings"]} == {"hddm_a"}
    assert [one["transition"] for one in of][-1] == "resolved"


def test_the_settings_of_model_and_feature_hold_for_its_findings() -> None:
    on_age = [{"kind": "page_hinkley", "on": "AGE", "severity": "page"}]
    quiet: dict[str, Any] = {"severity": {"distribution": "info"}}
    muted = lines(on_age, features={"AGE": {"mute": True}}, **quiet)
    assert [line["severity"] for line in findings(muted)][:1] == ["info"]
    assert transitions_in(muted) == []
    trial = transitions_in(lines(on_age, max_severity="ticket", **quiet))
    assert {one["severity"] for one in trial} == {"ticket"}


def test_the_mean_of_a_column_is_told_in_its_own_unit() -> None:
    found = findings(lines([{"kind": "page_hinkley", "on": "AGE"}]))
    assert (found[0]["subject"], found[0]["cause"], found[0]["direction"]) == ("AGE", "distribution", "up")
    before, after = (np.mean([e["features"]["AGE"] for e in part]) for part in (stream()[:CHANGE], stream()[CHANGE:]))
    assert abs(found[0]["threshold"] - before) < 2
    assert before + 1 < found[0]["value"] < after + 3


def test_without_labels_a_detector_of_errors_is_silent() -> None:
    tree = settings({"detectors": ERRORS})
    events = list(Credit(3_000, seed=4))
    told, _ = replayed(tree, build(tree, list(Credit(2_000))), MemorySource({EVENTS: events}))
    assert findings(told) == []


def test_check_says_what_a_detector_that_may_page_costs() -> None:
    on_age = {"kind": "kswin", "on": "AGE", "severity": "ticket"}
    tree = settings({"detectors": [ERRORS[0], ERRORS[1] | {"severity": "page"}, on_age]})
    references = References({"credit": {"1": credit_reference()}})
    notes = [line for line in check_offline(tree, references, ()) if line.what.startswith("models[0].detectors")]
    assert [(line.verdict, line.what) for line in notes] == [
        ("note", "models[0].detectors[1]"),
        ("note", "models[0].detectors[2]"),
    ]
    assert "hddm_a on error may open a page outside the page budget" in notes[0].more
    assert "3,810 in blocks of ten" in notes[0].more


def test_every_detector_has_its_measured_alarms_as_the_page_has_them() -> None:
    page = (ROOT / "docs" / "detectors.md").read_text(encoding="utf-8")
    for measured, of_kinds in ((ON_ERRORS, OPTIONS), (ON_MEANS, [kind for kind in OPTIONS if kind not in OF_ERRORS])):
        assert set(measured) == set(of_kinds)
        for kind, (independent, blocks) in measured.items():
            rows = [line for line in page.splitlines() if line.startswith(f"| `{kind}` |")]
            assert any(f"| {independent:,} (" in row and f"| {blocks:,} (" in row for row in rows), kind
