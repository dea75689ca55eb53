"""What `bench` keeps, the page that is made of it, and the comparison of two revisions."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import ALL, main
from tests.benchmarks.bench import Shares, continued, drop_unequal, measured_set, short
from tests.benchmarks.bench_compare import HEAD, compared_rows, daemon_rows, of_benchmark, tree_of
from tests.benchmarks.bench_peers import NAMES, REQUIREMENTS, pins
from tests.benchmarks.bench_table import FIGURES, NOT_MEASURED, PAGE, PARTS, filled, goals, markdown
from tests.benchmarks.dirty import EVERY, KINDS, dirty_values
from tests.benchmarks.goals import (
    GOALS,
    MEMORY,
    Goal,
    beyond_the_start,
    beyond_the_starts,
    each_more,
    farthest,
    ratio,
    runs_of,
    value,
)
from tests.benchmarks.kept import PEERS, Result, head, keep, load, machine, newest, written
from tests.benchmarks.material import MissingError, json_row
from tests.benchmarks.perf_events import START_MS, PerfEvents
from tests.benchmarks.sets.all import SETS, USUAL
from tests.benchmarks.sets.place import Place, Set, templates_of
from tests.benchmarks.side_by_side import Measured, Program, Spread
from tests.house import places_in

#: the same work in two trees: the second takes half of the time, and says how many events it has read
BENCHMARK = """
from tests.benchmarks.material import table
def run(arguments):
    table(("case", "ms", "events"), [[arguments[0], "{ms} [1 - 9]", "1,000"], ["other", "4", "x"]])
"""


def result(**sets: list[Program | tuple[str, list[dict[str, float]]]]) -> Result:
    """A kept run with these runs of these programs."""
    made = head(2, quick=True)
    for name, programs in sets.items():
        rows = [{"name": of, "against": "", "leaves_out": "", "runs": runs} for of, runs in programs]  # type: ignore[misc]
        made["sets"][name] = {"seconds": 1, "programs": rows, "left_out": {}}
    return made


def runs(*cpu: float) -> list[dict[str, float]]:
    return [{"events": 1_000_000, "wall_s": 1.0, "cpu_s": one, "rss_mb": 100 * one} for one in cpu]


def test_a_run_is_kept_whole_and_says_nothing_of_whose_machine_it_was(tmp_path: Path) -> None:
    made = result(peers=[("driftd", runs(1, 2)), ("bare poll", runs(2, 2))])
    made["sets"]["peers"]["left_out"]["x"] = 'a "quoted"\nline with       spaces'
    file = keep(made, tmp_path)
    assert load(file) == made
    assert newest(tmp_path) == file
    assert [line.count('"cpu_s"') for line in file.read_text().splitlines() if '"cpu_s"' in line] == [1, 1, 1, 1]
    assert not list(places_in(file.read_text()))
    assert {*machine()} == {"processor", "cores", "memory_gb", "system"}


def test_the_reason_of_a_program_that_failed_is_kept_without_paths() -> None:
    assert short("Traceback\n  File /some/x.py\nImportError: no 'pathway'\n") == "ImportError: no 'pathway'"
    assert short("cannot open /somewhere/file") == "it failed"


def test_a_kept_run_goes_on_only_where_nothing_else_has_changed() -> None:
    kept = result(peers=[("driftd", runs(1))])
    assert continued(result(), kept) is kept
    with pytest.raises(MissingError, match="rounds, versions"):
        continued(result() | {"rounds": 7, "versions": {}}, kept)


def test_what_is_missing_is_left_out_by_name_and_the_set_goes_on(tmp_path: Path) -> None:
    def programs(place: Place) -> Sequence[Program]:
        place.left_out["pathway"] = "not installed"
        tells = 'print(\'{"name": "a", "events": 1, "wall_s": 1, "cpu_s": 1, "rss_mb": 1}\')'
        fails = Program("b", [sys.executable, "-c", "raise SystemExit('no wheels')"])
        return [Program("a", [sys.executable, "-c", tells]), fails]

    of = Set("tried", "", programs)
    *rounds, kept = measured_set(of, Place(None, tmp_path), 2)
    assert [(one["name"], len(one["runs"])) for one in kept["programs"]] == [("a", 2)]
    assert kept["left_out"] == {"pathway": "not installed", "b": "no wheels"}
    # what is kept after each round, of a run that is stopped then
    assert [[len(one["runs"]) for one in each["programs"]] for each in rounds] == [[1], [2]]
    *_, soon = measured_set(of, Place(None, tmp_path), 2, until=0)
    assert [len(one["runs"]) for one in soon["programs"]] == [1]


def test_sets_share_the_time_by_their_weights_and_what_one_leaves_goes_to_the_others() -> None:
    wanted = [Set("a", "", lambda _: (), weight=weight) for weight in (2, 1, 1)]
    shares = Shares(400, wanted)
    assert [shares.next(now) for now in (0, 100, 250)] == [200, 250, 400]
    assert Shares(10, wanted).next(20) == 20
    assert Shares(None, wanted).next(0) == math.inf


@pytest.mark.parametrize("name", ["peers", "features"])
def test_a_set_that_needs_kafka_is_left_out_where_there_is_none(name: str, tmp_path: Path) -> None:
    *_, kept = measured_set(SETS[name], Place(None, tmp_path), 1)
    assert kept["programs"] == []
    assert kept["left_out"]["the set"]


def test_a_program_that_tallied_other_values_is_no_peer() -> None:
    measured = Measured({name: [{"tallied": number}] for name, number in (("a", 5), ("b", 5), ("c", 4))} | {"d": [{}]})
    drop_unequal(measured)
    assert list(measured.runs) == ["a", "b", "d"]
    assert measured.left_out == {"c": "it tallied 4 values, the others 5"}


def test_every_goal_is_of_a_set_and_a_figure_that_nobody_measured_is_not_made_up() -> None:
    empty = result()
    assert {row.split(" | ")[2] for row in goals(empty).splitlines()[2:]} == {NOT_MEASURED}
    assert len(goals(empty).splitlines()) == 2 + len(GOALS)
    assert all(goal.figure(runs_of(empty)) is None for goal in (*GOALS, *MEMORY))


def test_goals_are_met_by_the_median_of_the_ratios() -> None:
    measured = runs_of(result(a=[("one", runs(1, 2, 9)), ("two", runs(2, 2, 2))]))
    found = ratio("a", "one", "two", "cpu")(measured)
    assert found == Spread(1, 0.5, 4.5)
    assert found is not None
    nothing = value("", "", "")
    assert [Goal("", nothing, most=most).met(found) for most in (0.9, 1)] == ["**no**", "yes"]
    assert [Goal("", nothing, least=least).met(found) for least in (1, 1.1)] == ["yes", "**no**"]
    further = [Goal("", nothing, most=1.5, stretch=stretch) for stretch in (0.9, 1)]
    assert [goal.met(found) for goal in further] == ["yes", "yes, the further one too"]
    assert [goal.limit() for goal in (*further, Goal("", nothing, least=2000, unit=" s"))] == [
        "≤ 1.5 (0.9)",
        "≤ 1.5 (1)",
        "≥ 2,000 s",
    ]
    assert Goal("", nothing).met(found) == Goal("", nothing).limit() == ""
    assert each_more("a", "one", "two", "rss_mb", 7)(measured) == Spread(0, -100 / 7, 100)
    assert value("a", "tw*", "rate")(measured) == Spread(1e6, 1e6, 1e6)


def test_the_farthest_of_several_ratios_is_told_with_its_name() -> None:
    measured = runs_of(result(a=[("one", runs(1, 2, 9)), ("two", runs(2, 2, 2)), ("three", runs(4, 4, 4))]))
    figures = {name: ratio("a", name, "two", "cpu") for name in ("one", "three", "not there")}
    assert farthest(figures, max)(measured) == Spread(2, 2, 2, "three")
    assert farthest(figures, min)(measured) == Spread(1, 0.5, 4.5, "one")
    assert farthest({}, max)(measured) is None


def test_what_a_start_costs_is_in_no_figure_of_an_event() -> None:
    each = {"lines": 2e-6, "table": 3e-6}
    told = {
        f"{short}{name}": [{"events": events, "cpu_s": start + of * events} for start in (1.0, 5.0)]
        for name, of in each.items()
        for short, events in (("short ", 10_000), ("", 1_000_000))
    }
    measured = {"a": told}
    lines = beyond_the_start("a", "lines", "short lines")(measured)
    ratio_of = beyond_the_starts("a", "table", "lines", "short ")(measured)
    assert lines is not None
    assert ratio_of is not None
    assert [lines.least, lines.most, ratio_of.least, ratio_of.most] == pytest.approx([5e5, 5e5, 1.5, 1.5])


def test_each_model_of_a_stream_has_many_different_events() -> None:
    """As one model has: of few that come again and again every column would have drifted."""
    templates = templates_of(PerfEvents(8))
    made = [json.loads(template % (3, 5, START_MS)) for template in templates]
    assert {(event["id"], event["model"], event["ts"]) for event in made} == {("p-000000003", "perf-5", START_MS)}
    assert len({str(event["features"]) for event in made}) == 8


def test_the_page_is_made_of_the_kept_run_and_what_is_written_by_hand_stays() -> None:
    goals_part, peers_part = "<!-- measured: goals -->\nold\n<!-- end -->", "<!-- measured: peers -->\n<!-- end -->"
    page = f"before\n{goals_part}\nbetween\n{peers_part}\nafter\n"
    made = filled(page, result(peers=[("driftd", runs(1)), ("bare poll", runs(2))]))
    by_hand = re.sub(r"(<!-- measured: \w+ -->\n).*?(?=<!-- end)", r"\1", made, flags=re.DOTALL)
    assert by_hand == page.replace("old\n", "")
    assert "| 0.5 | yes, the further one too |" in made
    assert "old" not in made
    assert filled(made, result(peers=[("driftd", runs(1)), ("bare poll", runs(2))])) == made
    with pytest.raises(KeyError):
        filled("<!-- measured: nothing -->\n<!-- end -->", result())


def test_the_page_of_the_project_shows_every_set_and_is_that_of_its_figures() -> None:
    parts = re.findall(r"<!-- measured: ([\w-]+) -->", PAGE.read_text(encoding="utf-8"))
    assert {*parts} == {*USUAL, *PARTS}
    kept = load(FIGURES)
    assert written(kept) == FIGURES.read_text(encoding="utf-8")
    assert {*kept["sets"]} <= {*SETS}


def test_a_table_is_lines_of_json_with_their_numbers() -> None:
    assert markdown(("a", "b"), [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    row = json_row(("what", "when", "ms", "MB", "of"), ["few", "at rest", "1,234.5 [1 - 3]", "7 (20)", ""])
    assert row == {"name": "few, at rest", "ms": 1234.5, "MB": 7.0}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A tiny one with two revisions of a benchmark that runs under the project's own runner."""
    folder = tmp_path / "repository"
    benchmarks = folder / "tests" / "benchmarks"
    benchmarks.mkdir(parents=True)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet", "--initial-branch", "main"], check=True)
    for file in (folder / "tests" / "__init__.py", benchmarks / "__init__.py"):
        file.touch()
    (benchmarks / "material.py").write_text(
        "import json\ndef table(head, rows):\n    print('text')\n"
        "    for row in rows:\n        print(json.dumps({'name': row[0], 'ms': float(row[1].split()[0])}))\n"
    )
    (benchmarks / "__main__.py").write_text(
        "import sys\nfrom tests.benchmarks import tiny\nassert sys.argv[1] == '--json'\ntiny.run(sys.argv[3:])\n"
    )
    for ms in (4, 2):
        (benchmarks / "tiny.py").write_text(BENCHMARK.replace("{ms}", str(ms)))
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", f"{ms} ms"], check=True)
    return folder


def test_a_revision_is_compared_with_the_tree_by_what_its_benchmark_says(repository: Path) -> None:
    with tree_of("HEAD~1", repository) as base:
        told = of_benchmark((base, repository), ("tiny", "an option"), 3)
        assert base.exists()
    assert not base.exists()
    listed = ["git", "-C", str(repository), "worktree", "list"]
    assert len(subprocess.run(listed, check=True, capture_output=True, text=True).stdout.splitlines()) == 1
    rows = compared_rows(*told)
    assert len(rows[0]) == len(HEAD)
    assert rows == [["an option", "ms", "4", "2", "0.500"], ["other", "ms", "4", "4", "1.000"]]


def test_what_one_of_the_trees_does_not_tell_is_no_row_and_an_unknown_revision_is_named(repository: Path) -> None:
    base = [[{"name": "a", "ms": 0.0, "gone": 1.0}]]
    assert compared_rows(base, [[{"name": "a", "ms": 1.0, "new": 2}, {"name": "b", "ms": 1}]]) == [
        ["a", "ms", "0", "1", ""]
    ]
    with pytest.raises(MissingError, match="no-such"), tree_of("no-such", repository):
        pass
    with pytest.raises(MissingError, match="base cannot tell tiny"):
        of_benchmark((repository / "tests", repository), ("tiny", ""), 1)


def test_daemons_of_two_trees_are_compared_by_each_figure() -> None:
    measured = Measured({"x": runs(1, 1), "base: x": runs(2, 4)})
    assert [row[-1] for row in daemon_rows(["x"], measured)] == [
        "0.375 [0.250 - 0.500]",
        "1.000",
        "0.375 [0.250 - 0.500]",
    ]


def test_dirt_is_what_it_says() -> None:
    made = {kind: dirty_values(kind, 2 * EVERY) for kind in KINDS}
    clean = made["clean"]
    changed = {kind: sum(a != b for a, b in zip(values, clean, strict=True)) for kind, values in made.items()}
    once = [kind for kind in KINDS if "thousand" in kind]
    assert len(once) == 4
    assert {changed[kind] for kind in once} == {2}
    assert changed["every event rejected"] == changed["a bad field in every event, the same"] == 2 * EVERY
    share = sum(value.count(b"NaN") for value in made["1 % NaN"]) / (20 * len(clean))
    assert 0.005 < share < 0.015
    types = {
        kind: {type(json.loads(value)["features"]["feature_07"]) for value in made[kind]}
        for kind in ("mixed types in a column", "whole numbers and fractions in a column")
    }
    assert [*types.values()] == [{float, str, bool, type(None)}, {float, int}]


def test_peers_are_locked_with_hashes() -> None:
    locked = REQUIREMENTS.read_text(encoding="utf-8")
    assert [pin.partition("==")[0] for pin in pins(locked)] == NAMES.read_text(encoding="utf-8").split()
    for entry in re.split(r"\n(?=\S)", locked.strip()):
        assert re.match(r"[\w.-]+==\S+( ; [^\n\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry[:100]
        assert "/" not in entry
    assert PEERS.parts[-3:] == (".peers", "bin", "python")


def test_options_of_a_comparison_may_be_names_of_benchmarks(capsys: pytest.CaptureFixture[str]) -> None:
    assert "bench-compare" in ALL
    assert main(["bench-compare", "no-such-revision", "judging"]) == 0
    assert "left out: no-such-revision" in capsys.readouterr().out
