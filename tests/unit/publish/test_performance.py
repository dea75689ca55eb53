"""Performance in series and on the status page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.findings import PAGE, TICKET, FindingKey
from monitor.judge.causes.segment_errors import SegmentFigures
from monitor.judge.estimated import Estimated
from monitor.publish.series import render
from monitor.publish.snapshot import FindingView, ModelView, Snapshot
from monitor.reference.notes.estimate import ESTIMATED
from tests.engine import CREDIT
from tests.snapshots import BY_GROUP, busy_snapshot
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


def test_figures_of_segments_stand_beside_those_of_all_with_the_number_of_their_labels() -> None:
    own = SegmentFigures("EDU=low", 60, (("accuracy", 0.75), ("log_loss", 0.5)))
    watched = ModelView(CREDIT, performance=(("accuracy", 0.9),), performance_labels=900, performance_segments=(own,))
    shown = [line for line in lines_of(Snapshot(restored=True, models=(watched,))) if "EDU=low" in line]
    of = 'model="credit",segment="EDU=low",version="1"'
    assert shown == [
        f"driftd_performance_segment_labels{{{of}}} 60.0",
        f'driftd_performance_ratio{{basis="realised",metric="accuracy",{of}}} 0.75',
        f'driftd_performance_error{{basis="realised",metric="log_loss",{of}}} 0.5',
    ]


def test_the_page_has_the_segments_with_most_labels_first_and_their_number() -> None:
    snapshot = busy_snapshot()
    each = tuple(SegmentFigures(f"k=<{at}>", 20 + at, (("accuracy", 0.75),)) for at in range(30))
    first = replace(snapshot.models[0], performance=(("accuracy", 0.9),), performance_segments=each)
    words = read(replace(snapshot, models=(first, *snapshot.models[1:]))).words
    assert "Performance in k=<29>" in words
    assert "accuracy 75 % of 49 labels" in words
    assert "6 more, in the series" in words
    assert "Performance in k=<5>" not in words


def test_fairness_is_series_and_a_row_with_its_interval() -> None:
    watched = ModelView(CREDIT, **BY_GROUP)
    shown = {line for line in lines_of(Snapshot(restored=True, models=(watched,))) if "positive_rate" in line}
    shown |= {line for line in lines_of(Snapshot(restored=True, models=(watched,))) if "fairness" in line}
    of = 'model="credit"'
    assert shown == {
        f'driftd_fairness_ratio{{feature="SEX",metric="disparate_impact",{of},version="1"}} 0.5',
        *(
            f'driftd_group_{series}{{metric="positive_rate",{of},segment="SEX={group}",version="1"}} {value}'
            for series, group, value in (
                ("rate_ratio", 2, 0.2),
                ("rate_ratio", 1, 0.4),
                ("samples", 2, 400.0),
                ("samples", 1, 500.0),
            )
        ),
    }
    snapshot = busy_snapshot()
    first = replace(snapshot.models[0], **BY_GROUP)
    words = read(replace(snapshot, models=(first, *snapshot.models[1:]))).words
    assert "Fairness by SEX" in words
    assert "disparate impact 0.50 95 % interval 0.41 to 0.61, permitted 0.80; SEX=2 beside SEX=1" in words


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
