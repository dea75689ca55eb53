"""Parses the text of a settings file to plain dicts and lists, strictly.

PyYAML's safe parser with the core schema of YAML 1.2: `on`, `no`, `1:30` and dates stay text. Names are always text.
Aliases, anchors, tags, duplicate names, deep nesting and large files are faults. No fault quotes the file's values.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Final

import yaml

from monitor.settings.types import Loc, Plain

LARGEST_BYTES: Final = 262_144
#: most levels of nesting
DEEPEST: Final = 40
_DIGITS: Final = "-+0123456789."
#: PyYAML's message for an invalid escape in double quotes
_ESCAPE: Final = re.compile("escape (character|sequence)")
#: PyYAML's messages for a tab as indentation, and for an unexpected brace
_TAB: Final = re.compile(r"'\\t' that cannot start")
_BRACE: Final = re.compile("but got '[{]'$")
#: the only message of PyYAML that would quote more than one character of the text
_QUOTING: Final = re.compile("handle .*")


class _Loader(yaml.SafeLoader):
    """Collects faults that do not stop parsing in `faults`; raises yaml.YAMLError for the others."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # a class's own table in PyYAML, filled below

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.faults: list[str] = []
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "aliases and anchors are not allowed", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags are not allowed", event.start_mark)
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {DEEPEST}", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Plain]:
        mapping: dict[Hashable, Plain] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a name has to be text", key.start_mark)
            if key.value in mapping:
                self.faults.append(f"{_place(key.start_mark)}: {key.value[:60]!r} occurs twice; keep one")
            mapping[key.value] = self.construct_object(value, deep=True)
        return mapping


def _construct_map(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Plain]:
    return loader.construct_mapping(node, deep=True)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,18})", [*_DIGITS]),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?", [*_DIGITS]),
    ("float", r"[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", [*_DIGITS]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_map)


def parse_yaml(text: str) -> tuple[Plain, list[str]]:
    """The content of the text ({} if empty, None if it is not YAML), and its faults with their places."""
    try:
        loader = _Loader(text)
        tree = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        problem = _QUOTING.sub("handle", error.problem or "not YAML")
        if _ESCAPE.search(problem):
            problem = "in double quotes \\ begins an escape: use single quotes or /"
        elif _TAB.search(problem):
            problem = "a tab: write spaces, YAML does not allow tabs here"
        elif _BRACE.search(problem) and _is_within_text(error.problem_mark, text):
            problem = 'a { within a text: put the text in quotes, such as "reference/{version}.json"'
        return None, [f"{_place(error.problem_mark)}: {problem}"]
    except yaml.reader.ReaderError as error:
        return None, [f"character {error.position + 1}: not a printable character"]
    return {} if tree is None else tree, loader.faults


def written_at(text: str, loc: Loc) -> str | None:
    """The source text of the scalar at a place of a valid text; None if there is no scalar."""
    node = _Loader(text).get_single_node()
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if getattr(key, "value", None) == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        else:
            return None
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _is_within_text(mark: yaml.Mark | None, text: str) -> bool:
    """Whether a place is inside a word: the character before it is not a space, comma, colon or bracket."""
    return mark is not None and text[max(mark.index - 1, 0)] not in " \t\n,:[]{}"


def _place(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
