"""What a reference learns of pairs of columns, against a recount of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.reference.column import FEATURE, PREDICTION, Column
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.learn import relations as learning
from monitor.reference.learn.relations import PairRows, learn_relations
from monitor.reference.relations import Relations, relations_json
from monitor.reference.variability import Level
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC, ColumnBins
from monitor.stats.pairs.tables import tie
from tests.engine import Credit, build, credit_reference, settings, tied

Codes = NDArray[np.uint8]

ROWS = 6_000
NONE = 255
NUMBERS = ColumnBins(NUMERIC, edges=tuple(range(1, 10)), low=0, high=10)
NAMES = ColumnBins(CATEGORICAL, categories=("x", "y", "z", "w"))


def columns() -> list[Column]:
    bins = {"a": NUMBERS, "b": NUMBERS, "c": NUMBERS, "d": NAMES, "e": NUMBERS}
    return [Column(name, FEATURE, one) for name, one in bins.items()] + [Column("score", "score", NUMBERS)]


def rows(each: int = 1) -> Codes:
    """b goes with a, c loosely; d is a's third; e and the score go with nothing. Some have no value."""
    rng = np.random.default_rng(3)
    a = rng.integers(0, 10, ROWS)
    near = np.clip(a + rng.integers(-1, 2, ROWS), 0, 9)
    loose = np.where(rng.random(ROWS) < 0.5, a, rng.integers(0, 10, ROWS))
    name = np.where(rng.random(ROWS) < 0.8, np.minimum(a // 3, 3), rng.integers(0, 4, ROWS))
    codes = np.stack([a, near, loose, name, *rng.integers(0, 10, (2, ROWS))]).astype(np.uint8)
    codes[rng.random(codes.shape) < 0.05] = NONE
    return np.repeat(codes[:, : ROWS // each], each, axis=1)


def learned(codes: Codes, chunks: Sequence[int] = (250,), of: Sequence[Column] = ()) -> Relations:
    kept = PairRows(of or columns())
    ends = iter(range(250, codes.shape[1] + 1, 250))
    end, at, turn = next(ends, None), 0, 0
    while at < codes.shape[1]:
        stop = min(at + chunks[turn % len(chunks)], end or codes.shape[1], codes.shape[1])
        kept.add(codes[:, at:stop])
        at, turn = stop, turn + 1
        if at == end:
            kept.close_window()
            end = next(ends, None)
    windows = codes.shape[1] // 250
    lengths = [Level(n, 250.0 * n, windows // n, windows // n >= 3) for n in (1, 2, 4, 8, 16)]
    found = learn_relations(kept, [False] * len(codes), lengths, windows)
    assert found is not None
    return found


def test_columns_derived_from_one_value_are_no_pair_and_leave_their_place_to_others() -> None:
    parents = {"a": "emb", "b": "emb", "c": "note"}
    derived = [replace(column, parent=parents.get(column.name, "")) for column in columns()]
    pairs = learned(rows(), of=derived).pairs.tolist()
    assert [0, 1] not in pairs
    assert [0, 2] in pairs, "columns of two parents may go together"


def test_the_strongest_partners_of_each_column_are_watched_by_exact_tables() -> None:
    codes, found = rows(), learned(rows())
    assert found.pairs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3]]
    assert [columns()[at].name for at in found.without_partner()] == ["e", "score"]
    for (a, b), table, strength in zip(found.pairs.tolist(), found.tables, found.tie.tolist(), strict=True):
        recount = np.zeros((3, 3), np.int64)
        for i, j in zip(codes[a].tolist(), codes[b].tolist(), strict=True):
            if NONE not in {i, j}:
                recount[found.levels[a][i], found.levels[b][j]] += 1
        assert table.tolist() == recount.tolist() == found.all_tables[a, b].tolist()
        assert found.table(b, a).T.tolist() == recount.tolist()  # type: ignore[union-attr]  # all are kept
        assert strength == pytest.approx(float(tie(recount.astype(np.float64))), abs=1e-6)
    assert (found.variance == 1).all()
    assert not found.dependent.any()
    assert found.settled.all()


def test_rows_may_come_in_any_pieces_and_be_packed_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = learned(rows())
    assert relations_json(learned(rows(), (1, 7, 60))) == relations_json(whole)
    monkeypatch.setattr(learning, "PIECE", 512)
    assert relations_json(learned(rows())) == relations_json(whole)
    monkeypatch.setattr(learning, "ROWS_BEFORE_LEVELS", 1_000)
    early = learned(rows())
    assert early.levels != whole.levels
    assert early.tables.sum((1, 2)).tolist() == whole.tables.sum((1, 2)).tolist()


def test_rows_that_come_several_times_have_that_variance_and_a_largest_window() -> None:
    found = learned(rows(each=10))
    assert found.dependent.all()
    assert (found.variance > 6).all()
    assert (found.variance < 20).all()
    known = found.largest[[level for level, windows in enumerate((24, 12, 6, 3)) if windows >= 3]]
    assert np.isfinite(known).all()
    assert np.isnan(found.largest[4]).all()


def test_the_prediction_stands_for_the_score_only_where_there_is_none() -> None:
    with_score = [*columns(), Column("prediction", PREDICTION, NAMES)]
    assert PairRows(with_score).places == [0, 1, 2, 3, 4, 5]
    assert PairRows([*columns()[:-1], Column("prediction", PREDICTION, NAMES)]).places == [0, 1, 2, 3, 4, 5]


def test_a_reference_keeps_its_relations_in_its_file_and_older_ones_have_none() -> None:
    reference = build(settings(), list(tied(Credit(3_000))))
    relations = reference.relations
    assert relations is not None
    assert [[reference.columns[at].name for at in pair] for pair in relations.pairs.tolist()] == [["BILL", "LIMIT"]]
    body = to_json(reference)
    again = from_json(body)
    assert to_json(again) == body
    del body["relations"]
    assert from_json(body).relations is None
    independent = credit_reference().relations
    assert independent is not None
    assert not len(independent.pairs)
