"""Names of columns in findings, series and on the page: no two subjects of a model share one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.reference.column import PREDICTION, SCORE
from tests.engine import blank, numeric

MODEL = "credit"
names = st.lists(st.sampled_from(["score", "prediction", MODEL, "outcome.", "feature.", "x"]), max_size=4).map("".join)


@given(st.sets(names | st.text(max_size=8), max_size=12))
def test_no_two_subjects_are_one(features: set[str]) -> None:
    columns = [numeric(name) for name in sorted(features)]
    own = [numeric(SCORE, role=SCORE), numeric(PREDICTION, role=PREDICTION)]
    subjects = PreparedReference.of(blank([*columns, *own])).subjects
    assert len({*subjects, MODEL}) == len(columns) + 3
    assert subjects[-2:] == (SCORE, PREDICTION)
    for column, subject in zip(columns, subjects, strict=False):
        assert subject in {column.name, f"feature.{column.name}"}
        assert column.feature == column.name
        assert not subject.startswith("outcome.")


def test_a_usual_feature_bears_its_own_name_and_one_called_like_another_subject_does_not() -> None:
    reported = {name: numeric(name).subject(MODEL) for name in ("AGE", "feature.age", "score", MODEL, "outcome.refund")}
    assert reported == {
        "AGE": "AGE",
        "feature.age": "feature.age",
        "score": "feature.score",
        MODEL: f"feature.{MODEL}",
        "outcome.refund": "feature.outcome.refund",
    }
    assert numeric(SCORE, role=SCORE).feature == ""
