"""Programs in turn: the order of the runs, the arithmetic of ratios, and what becomes of one that fails."""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.side_by_side import (
    FailedError,
    Measured,
    Program,
    Spread,
    in_turn,
    lines_of,
    one_round,
    one_run,
    quantities,
    quantity,
    ratios,
    rows_of,
)

TELLS = """
import json, sys
from pathlib import Path
log, name = Path(sys.argv[1]), sys.argv[2]
log.write_text((log.read_text() if log.exists() else "") + name)
print("not a line of figures")
print(json.dumps({"name": name, "events": 10, "wall_s": 2.0, "cpu_s": 1.0, "rss_mb": 7}))
"""

RUN = st.fixed_dictionaries(
    {"events": st.integers(1, 10**6), "wall_s": st.floats(0.01, 1e3), "cpu_s": st.floats(0.01, 1e3)}
)


def telling(log: Path, name: str, against: str = "") -> Program:
    return Program(name, [sys.executable, "-c", TELLS, str(log), name], against)


def failing(name: str) -> Program:
    return Program(name, [sys.executable, "-c", "raise SystemExit('no such library')"])


def test_programs_run_in_turn_and_each_is_prepared_before(tmp_path: Path) -> None:
    prepared: list[str] = []
    programs = [
        Program(name, telling(tmp_path / "log", name).command, before=lambda of=name: prepared.append(of))  # type: ignore[misc]  # bound now
        for name in "ABC"
    ]
    measured = in_turn(programs, 2)
    assert (tmp_path / "log").read_text() == "ABCABC"
    assert prepared == list("ABCABC")
    assert [len(runs) for runs in measured.runs.values()] == [2, 2, 2]
    assert quantity(measured.runs["A"][0], "cpu") == 1e5
    assert quantity(measured.runs["A"][0], "rate") == 5
    assert quantity(measured.runs["A"][0], "rss_mb") == 7


def test_in_a_round_one_that_fails_is_left_out_with_what_it_said_and_the_others_go_on(tmp_path: Path) -> None:
    programs = [telling(tmp_path / "log", "A"), failing("B"), telling(tmp_path / "log", "C")]
    measured, told = Measured(), list[str]()
    for _ in range(2):
        one_round(programs, measured, told.append)
    assert (tmp_path / "log").read_text() == "".join(told) == "ACAC"
    assert list(measured.runs) == ["A", "C"]
    assert measured.left_out["B"].endswith("no such library\n")


def test_programs_that_are_compared_alone_all_have_to_run(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="no such library"):
        in_turn([telling(tmp_path / "log", "A"), failing("B")], 1)
    with pytest.raises(FailedError, match="silent ended with 0"):
        lines_of(Program("silent", [sys.executable, "-c", "print('nothing')"]))


@given(st.lists(st.tuples(RUN, RUN), min_size=1, max_size=9))
def test_a_ratio_is_the_median_of_the_rounds_and_its_range_holds_them_all(
    rounds: list[tuple[dict[str, float], dict[str, float]]],
) -> None:
    mine, others = [one for one, _ in rounds], [other for _, other in rounds]
    for name in ("cpu", "rate"):
        each = [quantity(one, name) / quantity(other, name) for one, other in rounds]
        assert ratios(mine, others, name) == Spread(statistics.median(each), min(each), max(each))
        assert ratios(mine, mine, name) == Spread(1, 1, 1)
        assert quantities(mine, name).least <= quantities(mine, name).median <= quantities(mine, name).most


def test_ratios_are_of_the_same_round() -> None:
    """A machine that is twice as slow in the second round changes both programs, and no ratio."""
    slow = [{"events": 1, "wall_s": 1.0, "cpu_s": by} for by in (1.0, 2.0)]
    half = [{"events": 1, "wall_s": 1.0, "cpu_s": by / 2} for by in (1.0, 2.0)]
    assert ratios(half, slow, "cpu") == Spread(0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ratios(half, slow[:1], "cpu")


def test_figures_are_for_the_events_that_a_program_is_about(tmp_path: Path) -> None:
    """It reads ten records, five of them labels."""
    assert one_run(replace(telling(tmp_path / "log", "A"), events=5))["events"] == 5


def test_a_row_has_the_ratio_to_the_program_it_is_compared_with(tmp_path: Path) -> None:
    programs = [
        telling(tmp_path / "log", "A"),
        telling(tmp_path / "log", "B", "A"),
        telling(tmp_path / "log", "C", "Z"),
    ]
    rows = rows_of(programs, in_turn(programs, 1))
    assert [row[4:] for row in rows] == [["", "", ""], ["1.00", "1.00", "A"], ["", "", "Z"]]


@pytest.mark.parametrize(
    ("spread", "form", "told"),
    [
        (Spread(2, 2, 2), "", "2"),
        (Spread(0.71234, 0.6, 1234.4), "", "0.712 [0.6 - 1,234]"),
        (Spread(0.71234, 0.6, 0.8), ".2f", "0.71 [0.60 - 0.80]"),
    ],
)
def test_a_spread_is_told_with_its_range(spread: Spread, form: str, told: str) -> None:
    assert spread.shown(form) == told


def test_a_run_is_the_last_line_of_json(tmp_path: Path) -> None:
    two = f"print('{json.dumps({'name': 'a'})}'); print('{json.dumps({'name': 'b'})}')"
    assert [line["name"] for line in lines_of(Program("two", [sys.executable, "-c", two]))] == ["a", "b"]
