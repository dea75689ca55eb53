"""Performance in series and on the status page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.findings import PAGE, TICKET, FindingKey
from monitor.judge.estimated import Estimated
from monitor.publish.series import render
from monitor.publish.snapshot import FindingView, ModelView, Snapshot
from monitor.reference.notes.estimate import ESTIMATED
from tests.engine import CREDIT
from tests.snapshots import busy_snapshot
from tests.unit.publish.test_status import read


def lines_of(snapshot: Snapshot) -> list[str]:
    return [line for line in render(snapshot).decode().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("severities", [(PAGE, TICKET), (TICKET, PAGE)])
def test_findings_of_several_figures_are_one_series_of_the_worst_severity(severities: tuple[str, str]) -> None:
    findings = tuple(
        FindingView(CREDIT, FindingKey("credit", "performance", "", figure), severity)
        for figure, severity in zip(("f1", "recall"), severities, strict=True)
    )
    labels = 'cause="performance",model="credit",segment="",severity="page",subject="credit",version="1"'
    shown = lines_of(Snapshot(restored=True, findings=findings))
    assert [line for line in shown if line.startswith("driftd_finding_active")] == [
        f"driftd_finding_active{{{labels}}} 1.0"
    ]


def test_an_estimate_stands_beside_the_realised_figure_and_errors_are_a_series_of_their_own() -> None:
    figures = (("accuracy", 0.88), ("mcc", -0.25), ("mae", 2.5))
    watched = ModelView(CREDIT, performance=(("accuracy", 0.9),), estimated=Estimated(figures, 4_000))
    shown = [line for line in lines_of(Snapshot(restored=True, models=(watched,))) if "basis=" in line]
    of = 'model="credit",segment="",version="1"'
    assert shown == [
        f'driftd_performance_{series}{{basis="{basis}",metric="{metric}",{of}}} {value}'
        for series, basis, metric, value in (
            ("ratio", "realised", "accuracy", 0.9),
            ("ratio", "estimated", "accuracy", 0.88),
            ("ratio", "estimated", "mcc", -0.25),
            ("error", "estimated", "mae", 2.5),
        )
    ]


def test_the_page_says_why_performance_is_not_judged_and_nothing_where_it_is() -> None:
    watched = ModelView(CREDIT, performance=(("accuracy", 0.9),), performance_labels=1_000)
    assert "not judged: " not in read(Snapshot(restored=True, models=(watched,))).words
    alone = replace(watched, performance_not_judged="the reference was made <without> labels")
    assert (
        "; not judged: the reference was made <without> labels" in read(Snapshot(restored=True, models=(alone,))).words
    )


def test_without_an_estimate_no_series_of_it_is_there() -> None:
    watched = ModelView(CREDIT, performance=(("accuracy", 0.9),))
    assert not [line for line in lines_of(Snapshot(restored=True, models=(watched,))) if "estimated" in line]


@pytest.mark.parametrize(
    ("task", "figure", "shown"),
    [("binary", "accuracy", "88 %"), ("multiclass", "f1", "88 %"), ("regression", "mae", "0.88")],
)
def test_the_page_has_the_assumption_in_the_name_and_the_number_of_predictions(
    task: str, figure: str, shown: str
) -> None:
    snapshot = busy_snapshot()
    first = replace(snapshot.models[0], task=task, estimated=Estimated(((figure, 0.88),), 4_000))
    words = read(replace(snapshot, models=(first, *snapshot.models[1:]))).words
    assert f"{figure} {ESTIMATED[task]}" in words
    assert f"{shown} over 4,000 predictions" in words
    assert ESTIMATED[task] not in read(snapshot).words


def test_a_contradicted_estimate_is_pale_and_says_so() -> None:
    snapshot = busy_snapshot()
    first = replace(snapshot.models[0], task="binary", estimated=Estimated((("accuracy", 0.88),), 4_000))
    shown = read(replace(snapshot, models=(replace(first, contradicted=True), *snapshot.models[1:]))).words
    assert "88 % over 4,000 predictions; the labels that came contradict it" in shown
    assert "contradict" not in read(replace(snapshot, models=(first, *snapshot.models[1:]))).words
