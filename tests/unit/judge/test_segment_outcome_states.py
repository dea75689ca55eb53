"""Named outcomes by segment through restarts, also from a state that counted none by segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from monitor.count.labels.join_tables import JoinTables, coded
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.state.directory import Loaded
from monitor.stats.performance.outcome_tally import LABEL_VALUE
from tests.engine import CREDIT, EVENTS, Event, MemorySource, Recorded, admission_of, pipeline_of
from tests.restarts import restarted as process_after
from tests.unit.judge.test_segment_outcomes import (
    LABEL,
    MINUTE_US,
    last_values,
    low_is_worse,
    reference,
    stream,
    tree,
    usual,
)


def restarted(made: Pipeline, source: MemorySource, outputs: Recorded, *, older: bool = False) -> Pipeline:
    """A process that goes on from the state of another one; `older`: as one that counted no outcomes by segment."""
    asked = tree("EDU", "region")

    def uncut(loaded: Loaded) -> None:
        if older:
            loaded.parts["join/credit"].pop("outcomes_uncut_before", None)

    return process_after(made, asked, admission_of(asked, reference()), source, outputs, uncut)


def test_a_restart_in_the_middle_changes_nothing() -> None:
    asked, of = tree("EDU", "region"), stream(8_000, 2, low_is_worse)
    expected: list[Any] | None = None
    for chunk, restarts in ((1_000, ()), (1_000, (3, 9, 14)), (700, (5, 11))):
        source, outputs = MemorySource({EVENTS: list(of)}, chunk), Recorded()
        made, _ = pipeline_of(asked, admission_of(asked, reference()), source, outputs)
        for turn in range(18_000 // chunk):
            made.turn()
            if turn in restarts:
                made = restarted(made, source, outputs)
        sent = [one.to_json() for one in outputs.reported]
        assert any(found["segment"] == "EDU=low" for one in sent for found in one["findings"])
        got = [made.totals.labels.of(CREDIT).to_state(), sent]
        assert expected in (None, got)
        expected = got


def revised(of: Sequence[Event]) -> list[Event]:
    """The outcomes of two predictions in five are replaced ten minutes later, those of the others are taken back."""
    later: list[Event] = []
    for one in of:
        if one["type"] == "label":
            is_replaced, at = int(one["id"][2:]) % 5 < 2, one["ts"] + 10 * MINUTE_US
            given = {"judge": 0.25, "topic": "other"} if is_replaced else {"judge": None, "topic": None}
            later.append(LABEL | {"id": one["id"], "ts": at, "outcomes": given})
    return sorted([*of, *later], key=lambda one: one["ts"])


@pytest.mark.parametrize("again", [(), (5, 7, 9)])
def test_what_an_older_state_counted_in_no_segment_is_taken_out_of_none(
    again: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, known, of = tree("EDU", "region"), reference(), revised(stream(5_000, 2, usual))
    source = MemorySource({EVENTS: list(of)}, 1_000)
    with monkeypatch.context() as older:
        older.setattr(Reference, "cuts_outcomes", property(lambda _: False))
        made, _ = pipeline_of(asked, admission_of(asked, known), source, Recorded())
        for _ in range(4):
            made.turn()
        waited = {one["id"] for one in of[:4_000] if one["type"] == "prediction"}
        assert made.joins.predictions_waiting() == {"credit": len(waited)}
        assert made.totals.labels.of(CREDIT).outcomes["judge"].values > 0
        older.undo()
        made = restarted(made, source, Recorded(), older=True)
    for turn in range(16):
        made.turn()
        if turn in again:
            made = restarted(made, source, Recorded())
    totals, expected = made.totals.labels.of(CREDIT), last_values(of)
    segments, shown = known.segments, dict[str, dict[str, int]]()
    assert segments is not None
    for at, own in totals.segments.items():
        shown["=".join(segments.keys[at])] = {name: one.values for name, one in own.outcomes.items()}
    for segment, by_name in expected.items():
        for name in ("judge", "topic", LABEL_VALUE):
            assert shown[segment][name] == sum(of_id not in waited for of_id in by_name[name])
    by_edu = (by_name for segment, by_name in expected.items() if segment.startswith("EDU"))
    assert totals.outcomes["judge"].values == sum(len(by_name["judge"]) for by_name in by_edu)


def test_predictions_stay_uncut_where_their_rows_move() -> None:
    tables = JoinTables()
    rows = np.arange(6, dtype=np.int64)
    tables.add_predictions([rows, rows, rows, rows, coded(0, rows + 1)])
    tables.uncut_before = 4
    moved, _ = tables.keep(np.array([False, True, False, True, True, True]))
    kept = np.array([int(at) for at in moved if at >= 0])
    assert tables.segments_of(kept, np.ones(4, np.int64)).tolist() == [0, 0, 5, 6]
    assert tables.segments_of(kept, np.zeros(4, np.int64)).tolist() == [2, 4, 5, 6]
    tables.keep(np.array([False, False, True, True]))
    assert tables.segments_of(np.arange(tables.predictions.first, tables.predictions.end), np.ones(2, np.int64)).all()
