"""What `bench` keeps, the page that is made of it, and the comparison of two revisions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import ALL, main
from tests.benchmarks.bench import continued, drop_unequal, measured_set, short
from tests.benchmarks.bench_compare import HEAD, compared_rows, daemon_rows, of_benchmark, tree_of
from tests.benchmarks.bench_peers import NAMES, REQUIREMENTS, pins
from tests.benchmarks.bench_table import FIGURES, NOT_MEASURED, PAGE, PARTS, filled, goals, markdown
from tests.benchmarks.dirty import EVERY, KINDS, dirty_values
from tests.benchmarks.goals import GOALS, MEMORY, Goal, each_more, ratio, runs_of, value
from tests.benchmarks.kept import PEERS, Result, head, keep, load, machine, newest, written
from tests.benchmarks.material import MissingError, json_row
from tests.benchmarks.sets.all import SETS, USUAL
from tests.benchmarks.sets.place import Place, Set
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
        fails = Program("b", [sys.executable, "-c", "raise SystemExit('no wheels')"], optional=True)
        return [Program("a", [sys.executable, "-c", tells]), fails]

    kept = measured_set(Set("tried", "", programs), Place(None, tmp_path), 2)
    assert [(one["name"], len(one["runs"])) for one in kept["programs"]] == [("a", 2)]
    assert kept["left_out"] == {"pathway": "not installed", "b": "no wheels"}


@pytest.mark.parametrize("name", ["peers", "features"])
def test_a_set_that_needs_kafka_is_left_out_where_there_is_none(name: str, tmp_path: Path) -> None:
    kept = measured_set(SETS[name], Place(None, tmp_path), 1)
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
    assert [Goal("", value("", "", ""), most=most).met(found) for most in (0.9, 1)] == [False, True]
    assert [Goal("", value("", "", ""), least=least).met(found) for least in (1, 1.1)] == [True, False]
    assert Goal("", value("", "", "")).met(found) is None
    assert each_more("a", "one", "two", "rss_mb", 7)(measured) == Spread(0, -100 / 7, 100)
    assert value("a", "tw*", "rate")(measured) == Spread(1e6, 1e6, 1e6)


def test_the_page_is_made_of_the_kept_run_and_what_is_written_by_hand_stays() -> None:
    goals_part, peers_part = "<!-- measured: goals -->\nold\n<!-- end -->", "<!-- measured: peers -->\n<!-- end -->"
    page = f"before\n{goals_part}\nbetween\n{peers_part}\nafter\n"
    made = filled(page, result(peers=[("driftd", runs(1)), ("bare poll", runs(2))]))
    by_hand = re.sub(r"(<!-- measured: \w+ -->\n).*?(?=<!-- end)", r"\1", made, flags=re.DOTALL)
    assert by_hand == page.replace("old\n", "")
    assert "| 0.5 | yes |" in made
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
    assert len(once) == 3
    assert {changed[kind] for kind in once} == {2}
    assert changed["every event rejected"] == changed["a bad field in every event, the same"] == 2 * EVERY
    share = sum(value.count(b"NaN") for value in made["1 % NaN"]) / (20 * len(clean))
    assert 0.005 < share < 0.015
    assert {type(json.loads(value)["features"]["feature_07"]) for value in made["mixed types in a column"]} == {
        float,
        str,
        bool,
        type(None),
    }


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
