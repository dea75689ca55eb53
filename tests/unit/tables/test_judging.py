"""Tables in the order of their rows, what is taken over from the reference, and what a verdict shows."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import monitor
from monitor import Judgement, TableReference, build_reference, judge_data, load_reference
from monitor.clock import SECOND_US
from monitor.errors import UsageError
from monitor.stats.distances import DISTANCES, ks, psi

ROWS = 3_000
MOVED_AT = 2_000
Table = dict[str, Any]


def table(seed: int, rows: int = ROWS, *, moved_at: int | None = None) -> Table:
    """`age` moves up by one standard deviation from a row on, and `city` is a place never seen."""
    random = np.random.default_rng(seed)
    later = np.arange(rows) >= (rows if moved_at is None else moved_at)
    age = random.normal(40, 10, rows)
    score = 1 / (1 + np.exp((40 - age) / 10))
    return {
        "age": age + 10 * later,
        "city": np.where(later, "Atlantis", random.choice(["Tokyo", "Oslo"], rows)),
        "noise": random.random(rows),
        "p": score,
        "said": score > 0.5,
        "right": random.random(rows) < score,
    }


@pytest.fixture(scope="module")
def reference() -> TableReference:
    return build_reference(pd.DataFrame(table(1)), score="p", prediction="said", label="right", ignore=["noise"])


@pytest.fixture(scope="module")
def moved(reference: TableReference) -> Judgement:
    return judge_data(table(2, moved_at=MOVED_AT), reference)


def test_to_import_it_loads_nothing_of_the_engine() -> None:
    code = "import sys, monitor; print(*sys.modules); print(*dir(monitor))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, names = (set(line.split()) for line in done.stdout.splitlines())
    assert not loaded & {"numpy", "scipy", "pydantic", "monitor.run", "monitor.tables"}
    assert {"build_reference", "load_reference", "judge_data", "__version__"} <= names
    with pytest.raises(AttributeError, match="has no attribute 'judge_date'"):
        monitor.judge_date  # type: ignore[attr-defined]  # noqa: B018  # the access is the test


def test_rows_without_times_are_counted_from_the_first(moved: Judgement) -> None:
    found = {(finding["subject"], finding["cause"]): finding for finding in moved.findings}
    assert abs(found["city", "unseen"]["since_row"] - MOVED_AT) <= 10  # a pane of them
    assert found["city", "unseen"]["open"]
    assert found["age", "distribution"]["since_row"] >= MOVED_AT - 250
    assert moved.severity == "page"
    assert "traffic" not in {cause for _, cause in found}


def test_columns_are_what_they_were_in_the_reference(reference: TableReference, moved: Judgement) -> None:
    assert [row["column"] for row in moved.columns] == ["age", "city", "score", "prediction"]
    assert moved.summary["models"][0]["labels"] == ROWS
    without = {name: values for name, values in table(3).items() if name != "right"}
    judged = judge_data(without, reference)
    assert judged.summary["models"][0]["labels"] == 0
    note = "label: the reference's table had it as 'right', which is not here; performance is not judged"
    assert judged.notes == [note]
    assert judged.findings == []


def test_what_a_table_lacks_is_said_as_it_is_judged(reference: TableReference) -> None:
    features = {name: values for name, values in table(3).items() if name in {"age", "city"}}
    judged = judge_data(features, reference)
    assert judged.findings == []
    assert [note.rpartition("; ")[2] for note in judged.notes[:3]] == [
        "no row is a prediction: it is not judged",
        "performance is not judged",
        "no row is a prediction: it is not judged",
    ]
    without = {name: values for name, values in table(3).items() if name != "p"}
    judged = judge_data(without, reference)
    assert {(one["subject"], one["cause"]) for one in judged.findings} == {("score", "absent")}
    assert judged.notes == ["score: the reference's table had it as 'p', which is not here; found as absent"]


def test_an_open_finding_has_the_figures_of_the_end(reference: TableReference) -> None:
    rows = table(3)
    missing = np.random.default_rng(1).random(ROWS) < np.linspace(-1, 2, ROWS)  # a third, at last all of them
    rows["age"] = [None if gone else age for gone, age in zip(missing.tolist(), rows["age"], strict=True)]
    judged = judge_data(rows, reference)
    (found,) = [one for one in judged.findings if one["cause"] == "missing"]
    assert found["open"]
    assert found["value"] == 1.0
    assert judged.transitions[0]["findings"][0]["value"] < 0.8
    assert next(row for row in judged.columns if row["column"] == "age")["detail"] == found["detail"]


def test_the_same_rows_again_are_at_no_distance(reference: TableReference) -> None:
    judged = judge_data(table(1), reference)
    assert judged.findings == []
    assert repr(judged) == f"<judgement of model/1: {ROWS:,} rows; no finding>"
    for row in judged.columns:
        assert row["bins"] == row["reference_bins"]
        assert all(math.isnan(row[name]) or abs(row[name]) < 1e-12 for name in DISTANCES)
    age = next(row for row in judged.columns if row["column"] == "age")
    assert age["mean"] == pytest.approx(float(np.mean(table(1)["age"])), rel=1e-6)
    assert age["reference_mean"] == pytest.approx(age["mean"], rel=1e-6)


def test_the_table_has_the_figures_of_all_rows(moved: Judgement) -> None:
    frame = moved.to_pandas()
    rows = table(2, moved_at=MOVED_AT)
    assert frame.loc["city", "unseen"] == pytest.approx(1 - MOVED_AT / ROWS)
    assert frame.loc["age", "mean"] == pytest.approx(float(np.mean(rows["age"])), rel=1e-3)
    bins = {row["column"]: (np.array(row["reference_bins"]), np.array(row["bins"])) for row in moved.columns}
    assert frame.loc["age", "psi"] == psi(*bins["age"])
    assert frame.loc["age", "ks"] == ks(*bins["age"])
    assert bins["age"][1].sum() == ROWS
    assert frame.loc["age", "severity"] == frame.loc["city", "severity"] == "page"
    assert "unseen" in frame.loc["city", "causes"]


def test_the_picture_has_every_column_and_no_markup_of_the_table(reference: TableReference) -> None:
    rows = table(2, moved_at=MOVED_AT)
    rows["city"] = np.where(rows["city"] == "Atlantis", "<script>", rows["city"])
    judged = judge_data(rows, reference)
    html = judged._repr_html_()
    assert re.findall("<tr><td>(.*?)</td>", html)[:2] == ["city", "age"]  # the worst first
    assert "<b>page</b> unseen since row 2,000: " in html
    assert html.count("<svg") == len(judged.columns)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_reference_is_the_same_from_its_file(reference: TableReference, tmp_path: Path) -> None:
    digest = reference.save(tmp_path / "model.json")
    loaded = load_reference(tmp_path / "model.json")
    assert loaded.reference.hash == digest == reference.reference.hash
    assert str(loaded) == str(reference)
    assert "reference of model 1" in reference._repr_html_()
    assert loaded.step_us == pytest.approx(SECOND_US, rel=0.05)  # the rate of its rows


def test_settings_are_those_of_the_settings_file(reference: TableReference) -> None:
    judged = judge_data(table(2, moved_at=MOVED_AT), reference, settings={"max_severity": "ticket"})
    assert judged.severity == "ticket"
    muted = {"features": {"age": {"mute": True}, "city": {"severity": "info"}}}
    left = judge_data(table(2, moved_at=MOVED_AT), reference, settings=muted).findings
    assert {finding["severity"] for finding in left if finding["subject"] in {"age", "city"}} == {"info"}


def test_kinds_and_scores_by_class() -> None:
    random = np.random.default_rng(1)
    share = random.dirichlet([2, 2, 2], 1_000)
    rows = {"zip": random.integers(0, 5, 1_000), "at": random.random(1_000)}
    rows |= {f"p{number}": share[:, number] for number in range(3)}
    rows["said"] = share.argmax(1)
    scores = {number: f"p{number}" for number in range(3)}
    built = build_reference(rows, score=scores, prediction="said", kinds={"zip": "categorical"}, ignore=["at"])
    assert {column.name: column.kind for column in built.reference.columns}["zip"] == "categorical"
    assert set(built.reference.score_classes) == {"0", "1", "2"}
    assert built.reference.task == "multiclass"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"prediction": "sayd"}, "prediction='sayd': there is no such column; there are age, city"),
        ({"score": "p", "label": "p"}, "score='p': that column is label already"),
        ({"tags": "city"}, r"give a list of names: tags=\['city'\]"),
        ({"settings": {"name": "x"}}, "name: the arguments say that already"),
        ({"settings": {"taks": "binary"}}, "models\\[0\\].taks: no such setting"),
        ({"kinds": {"age": "number"}}, "features.age.kind: 'number' is none of"),
        ({"kinds": {"agee": "numeric"}}, "agee"),
    ],
    ids=["missing", "twice", "text", "fixed", "setting", "kind", "kind-of-nothing"],
)
def test_wrong_arguments_of_a_reference_are_said(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        build_reference(table(1, 300), **arguments)


def test_what_cannot_be_judged_is_said(reference: TableReference) -> None:
    with pytest.raises(UsageError, match="nothing was judged: 100 of 100 events were accepted, and a window holds 250"):
        judge_data(table(1, 100), reference)
    with pytest.raises(UsageError, match="no rows"):
        judge_data({name: values[:0] for name, values in table(1).items()}, reference)
    with pytest.raises(UsageError, match=r"settings: features.age.kind: categorical, but the reference has it"):
        judge_data(table(1), reference, settings={"features": {"age": {"kind": "categorical"}}})
    times = ["no time"] * 2_000 + ["2026-03-02T00:00:00Z"] * 1_000
    with pytest.raises(UsageError, match="more than half was lost"):
        judge_data(table(1) | {"when": times}, reference, timestamps="when")


def test_segments_and_fairness_are_those_of_the_reference(tmp_path: Path) -> None:
    rows = table(1) | {"region": ["north", "south"] * (ROWS // 2)}
    fairness = {"by": ["region"], "disparate_impact": 0.7}
    asked = {"segments": ["city", "region"], "fairness": fairness}
    built = build_reference(rows, score="p", prediction="said", label="right", tags=["region"], settings=asked)
    other = table(2) | {"region": ["south", "north"] * (ROWS // 2)}
    judged = judge_data(other, built)
    assert judged.lines[:-1] == judge_data(other, built, settings=asked).lines[:-1]
    of = judged.summary["models"][0]
    assert {name.split("=")[0] for name in of["segments"]} == {"city", "region"}
    assert of["fairness"]["region"]["disparate_impact"]["permitted"] == 0.7
    assert judged.notes == []
    assert (
        "fairness"
        not in judge_data(other, built, settings={"segments": ["city"], "fairness": None}).summary["models"][0]
    )

    without = judge_data(table(2), built)
    assert without.notes == [
        "tags: the reference's table had 'region', which is not here; nothing is said of its segments",
        "fairness: not judged, as region cuts no segments here",
    ]
    assert without.findings == []
    assert {name.split("=")[0] for name in without.summary["models"][0]["segments"]} == {"city"}

    built.save(tmp_path / "r.json")
    unnamed = judge_data(table(2), load_reference(tmp_path / "r.json"), score="p", prediction="said", label="right")
    (note,) = unnamed.notes
    assert "tag 'region' is not among tags=" in note


def test_rows_that_are_lost_are_named_by_their_row(reference: TableReference) -> None:
    times = [f"2026-03-02T{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}Z" for at in reversed(range(ROWS))]
    times[17] = "soon"
    judged = judge_data(table(1) | {"when": times}, reference, timestamps="when")
    assert any("table row 17" in note for note in judged.notes), judged.notes
