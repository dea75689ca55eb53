"""The printed reference: complete, and itself a settings file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.settings.detector import OPTIONS
from monitor.settings.document import settings_reference
from monitor.settings.later import NOT_IN_THIS_VERSION
from monitor.settings.load import load_settings
from monitor.settings.shape import fields_of, items_of, part_of
from monitor.settings.tree import Settings
from monitor.settings.types import Part
from tests.house import read_modules


def _parts(part: type[Part]) -> Iterator[type[Part]]:
    yield part
    for field in part.model_fields.values():
        below = part_of(field.annotation) or part_of(items_of(field.annotation))
        if below is not None:
            yield from _parts(below)


def test_every_setting_stands_in_it_with_its_help() -> None:
    text = settings_reference()
    words = " ".join(re.sub(r"[#\s]+", " ", text).split())
    for part in _parts(Settings):
        for name, field in fields_of(part).items():
            assert re.search(rf"^[# -]*{name}:", text, re.MULTILINE), (part, name)
            assert field.description, (part, name)
            assert " ".join(field.description.split()) in words, (part, name)


def test_every_setting_is_read_somewhere() -> None:
    """Coarse: a name of several settings counts for all of them."""
    nodes = (node for module in read_modules("monitor") for node in ast.walk(module.tree))
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    read |= {name for names in OPTIONS.values() for name in names}  # read by these names
    for part in _parts(Settings):
        for name in part.model_fields:
            assert name.removesuffix("_file") in read, f"nothing reads {name} of {part.__name__}"


def test_every_name_that_is_not_in_this_version_stands_in_it() -> None:
    lines = settings_reference().splitlines()
    assert [row for row in NOT_IN_THIS_VERSION if f"#   {row}" not in lines] == []


def test_it_is_a_settings_file_of_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(settings_reference(), encoding="utf-8")
    loaded = load_settings(file, {})
    small = tmp_path / "small.yaml"
    small.write_text(
        "inputs: [{topic: model-events}]\nmodels: [{name: credit, reference: 'reference/credit-{version}.json'}]\n",
        encoding="utf-8",
    )
    assert loaded == load_settings(small, {})


def test_its_commented_settings_are_taken_too(tmp_path: Path) -> None:
    text = settings_reference()
    for group, name in (("features", "AGE"), ("outcomes", "judge")):
        for old, new in (
            (f"\n    # {group}:", f"\n    {group}:"),
            ("#   <name>:", f"  {name}:"),
            ("#     mute: false", "    mute: true"),
        ):
            assert old in text
            text = text.replace(old, new, 1)  # the groups follow each other
    assert "<name>" not in text
    file = tmp_path / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    model = load_settings(file, {}).models[0]
    assert model.features["AGE"].mute
    assert model.outcomes["judge"].mute


@pytest.mark.parametrize("line", settings_reference().splitlines())
def test_no_line_is_too_wide_for_a_terminal(line: str) -> None:
    assert len(line) <= 130
