"""docs/platforms.md and its pages: their settings are taken, and they are of every format."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from monitor.decode.platform import READERS
from monitor.settings.load import load_settings
from tests.platform_pages import FOLDER, ways

TEXT = FOLDER.with_suffix(".md").read_text(encoding="utf-8")
EXAMPLES = [*re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL), *(way.settings for way in ways())]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_settings_are_taken(example: str, tmp_path: Path) -> None:
    (tmp_path / "driftd.yaml").write_text(example)
    tree = load_settings(tmp_path / "driftd.yaml", {})
    assert all(entry.format in {*READERS, "auto"} for entry in tree.inputs)


def test_every_format_has_an_example() -> None:
    assert {one["format"] for example in EXAMPLES for one in yaml.safe_load(example)["inputs"]} == {*READERS, "auto"}


def test_the_overview_has_a_line_of_every_format_with_the_page_that_has_it() -> None:
    lines = re.findall(r"^\| [^|]+\| `(\w+)` \|.*\(platforms/(\w+\.md)\) \|$", TEXT, re.MULTILINE)
    assert [name for name, _ in lines] == sorted({name for name, _ in lines}, key=[name for name, _ in lines].index)
    assert {*lines} == {(one["format"], way.page) for way in ways() for one in yaml.safe_load(way.settings)["inputs"]}
