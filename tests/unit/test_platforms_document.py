"""docs/platforms.md: its settings are taken, and it names every format."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.decode.platform import READERS
from monitor.settings.load import load_settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "platforms.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_settings_are_taken(example: str, tmp_path: Path) -> None:
    (tmp_path / "driftd.yaml").write_text(example)
    tree = load_settings(tmp_path / "driftd.yaml", {})
    assert all(entry.format in {*READERS, "auto"} for entry in tree.inputs)


def test_every_format_has_an_example() -> None:
    assert {name for example in EXAMPLES for name in re.findall(r"format: (\w+)", example)} == {*READERS, "auto"}
