"""Figures by late labels of real rows are scikit-learn's, in whatever order and cut the stream comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.real_labels import STREAMS, WAYS, differences, figures

ROWS = 1_800


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "digits"])
def test_every_figure_of_real_rows_is_that_of_scikit_learn_however_they_come(name: str, shared_data: Path) -> None:
    of = STREAMS[name](ROWS, shared_data)
    (first, allowed), *others = (figures(of, way) for way in WAYS.values())
    assert all(other == (first, allowed) for other in others)
    away = differences(of, first)
    assert {figure: one for figure, one in away.items() if one > allowed[figure]} == {}
    assert max(allowed.values()) < 0.02  # of areas
    assert len(away) == {"binary": 10, "multiclass": 11, "regression": 5}[of.task]


def test_figures_of_many_classes_are_those_of_scikit_learn_however_they_come() -> None:
    of = STREAMS["digits"](None, Path())
    (first, allowed), *others = (figures(of, way) for way in WAYS.values())
    assert all(other == (first, allowed) for other in others)
    away = differences(of, first)
    assert len(away) == 11
    assert {figure: one for figure, one in away.items() if one > allowed[figure]} == {}
    assert max(allowed.values()) < 0.005  # of areas
