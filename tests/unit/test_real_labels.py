"""Figures by late labels of real rows are scikit-learn's, in whatever order and cut the stream comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.real_labels import STREAMS, WAYS, differences, figures

ROWS = 1_800


@pytest.mark.parametrize("name", STREAMS)
def test_every_figure_of_real_rows_is_that_of_scikit_learn_however_they_come(name: str, shared_data: Path) -> None:
    of = STREAMS[name](ROWS, shared_data)
    (first, allowed), *others = (figures(of, way) for way in WAYS.values())
    assert all(other == (first, allowed) for other in others)
    away = differences(of, first)
    assert {figure: one for figure, one in away.items() if one > allowed[figure]} == {}
    assert max(allowed.values()) < 0.02  # of areas
    assert len(away) == (5 if of.task == "regression" else 10)
