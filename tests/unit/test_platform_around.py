"""docs/platforms/*.md: the baseline that comes in and the result that goes out, by the pages' own commands; those of
Kafka are run by the integration tests."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Final

import pytest
import yaml

from monitor.cli.parser import main, parser
from monitor.run.reference_file import load_reference
from tests.platform_pages import FOLDER, Around, arounds, put_own_files, ways
from tests.tracking_server import tracking_server

PAGES: Final = arounds()
#: those whose result is written by a command; that of the others is the alert topic
EXPORTED: Final = [one for one in PAGES if one.result[0].startswith("driftd export ")]
OVERVIEW: Final = FOLDER.with_suffix(".md").read_text(encoding="utf-8")
DONE, NOTHING_JUDGED = 0, 2
#: columns of the traffic
COLUMNS: Final = {"age", "income", "grade"}


def words_of(line: str) -> list[str]:
    program, *words = shlex.split(line)
    assert program == "driftd", line
    return words


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_own_files(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("around", PAGES, ids=lambda around: around.page)
def test_a_baseline_becomes_the_reference_of_the_page(
    around: Around, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "driftd.yaml").write_text(around.way.settings)
    (line,) = around.baseline
    assert main(words_of(line)) == DONE, line
    reference = load_reference(tmp_path / "credit.json")
    assert reference.is_import_alone
    assert {column.name for column in reference.columns} >= COLUMNS
    capsys.readouterr()

    assert main(["replay", "--config", "driftd.yaml", str(around.way.sample)]) == NOTHING_JUDGED
    shown = capsys.readouterr().out
    assert "1,200 accepted" in shown  # by the names of the import where the traffic has none
    assert "in its warm-up: 1,200 of 10,000 predictions" in shown


def told_by_a_replay(around: Around, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The output of the page's traffic, on the reference that the page builds."""
    (folder / "driftd.yaml").write_text(around.way.settings)
    build, replay = around.way.on_sample
    assert main(words_of(build)) == DONE
    capsys.readouterr()
    assert main([*words_of(replay), "--json"]) == DONE
    told = folder / "told.jsonl"
    told.write_text(capsys.readouterr().out)
    return told


@pytest.mark.parametrize("around", EXPORTED, ids=lambda around: around.page)
def test_a_result_goes_out_in_the_form_of_the_page(
    around: Around, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = told_by_a_replay(around, tmp_path, capsys)
    (line,) = around.result
    words = [*words_of(line), str(told)]
    if "-o" in words:
        assert main(words) == DONE, line
        assert "income" in (tmp_path / words[words.index("-o") + 1]).read_text()
        return
    with tracking_server() as (uri, calls):
        assert main([uri if word.startswith("http://") else word for word in words]) == DONE
    tags = {body["key"]: body["value"] for path, body in calls if path == "model-versions/set-tag"}
    assert tags["driftd.status"] == "page"
    (figures,) = (body["metrics"] for path, body in calls if path == "runs/log-batch")
    assert {one["key"].split("/")[1] for one in figures} == {"income"}


def test_a_schedule_runs_the_command_that_the_page_has() -> None:
    (around,) = (one for one in PAGES if one.page == "mlflow.md")
    (cron,) = re.findall(r"^\*/15 \* \* \* \* (driftd .*)$", (FOLDER / around.page).read_text(), re.MULTILINE)
    (job,) = map(yaml.safe_load, around.yaml)
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    asked = [words_of(around.result[0]), words_of(cron), container["args"]]
    parsed: list[argparse.Namespace] = [parser().parse_args(words) for words in asked]
    assert len({(one.command, one.form) for one in parsed}) == 1
    assert all(one.tracking_uri for one in parsed)


def test_the_overview_has_three_commands_for_each_platform_and_each_is_on_its_page() -> None:
    rows = re.findall(r"^\| (\[.*platforms/.*\.md\).*?) \| (`driftd.*) \|$", OVERVIEW, re.MULTILINE)
    covered: set[str] = set()
    for name, cells in rows:
        pages = set(re.findall(r"platforms/(\w+\.md)", name))
        covered |= pages
        traffic, baseline, result = (re.findall(r"`(driftd [^`]+)`", cell) for cell in cells.split(" | "))
        assert {*traffic} <= {line for way in ways() if way.page in pages for line in way.on_sample}
        assert {*baseline} <= {line for one in PAGES if one.page in pages for line in one.baseline}
        assert {*result} <= {line for one in PAGES if one.page in pages for line in one.result}
        assert [len(cell) for cell in (traffic, baseline, result)] == [1, 1, 1]
    assert covered == {one.page for one in PAGES}
    assert 3 * len(rows) == 18
