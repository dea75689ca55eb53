"""A settings file's text to plain dicts and lists, with every doubt refused.

YAML by PyYAML's safe parser, with the words of YAML 1.2's core schema: `on`, `no`, `1:30` and dates stay text. Names
are always text. No aliases, anchors or tags, no name twice, nothing deep or large. No fault cites the file's values.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Final

import yaml

from monitor.settings.types import Loc, Plain

LARGEST_BYTES: Final = 262_144
DEEPEST: Final = 40
_DIGITS: Final = "-+0123456789."
#: PyYAML's words for a backslash in double quotes that it cannot take
_ESCAPE: Final = re.compile("escape (character|sequence)")
#: PyYAML's words for a tab that indents, and for a brace it did not expect
_TAB: Final = re.compile(r"'\\t' that cannot start")
_BRACE: Final = re.compile("but got '[{]'$")
#: the one place where PyYAML's own words would cite more of the text than a character
_CITED: Final = re.compile("handle .*")


class _Loader(yaml.SafeLoader):
    """Collects what is wrong and can be passed over in `faults`; raises yaml.YAMLError at what cannot."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # a class's own table in PyYAML, filled below

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.faults: list[str] = []
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "aliases and anchors are not taken", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags are not taken", event.start_mark)
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {DEEPEST}", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Plain]:
        found: dict[Hashable, Plain] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a name has to be text", key.start_mark)
            if key.value in found:
                self.faults.append(f"{_place(key.start_mark)}: {key.value[:60]!r} stands twice; keep one")
            found[key.value] = self.construct_object(value, deep=True)
        return found


def _construct_map(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Plain]:
    return loader.construct_mapping(node, deep=True)


for _tag, _words, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,18})", [*_DIGITS]),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?", [*_DIGITS]),
    ("float", r"[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", [*_DIGITS]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_words})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_map)


def parse_yaml(text: str) -> tuple[Plain, list[str]]:
    """What the text holds ({} when empty, None when that cannot be told), and what is wrong with it, with its place."""
    try:
        loader = _Loader(text)
        tree = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        problem = _CITED.sub("handle", error.problem or "no YAML")
        if _ESCAPE.search(problem):
            problem = "in double quotes \\ begins an escape: use single quotes or /"
        elif _TAB.search(problem):
            problem = "a tab: write spaces, YAML takes no tabs here"
        elif _BRACE.search(problem) and _is_within_text(error.problem_mark, text):
            problem = 'a { within a text: put the text in quotes, such as "reference/{version}.json"'
        return None, [f"{_place(error.problem_mark)}: {problem}"]
    except yaml.reader.ReaderError as error:
        return None, [f"character {error.position + 1}: not a printable character"]
    return {} if tree is None else tree, loader.faults


def written_at(text: str, loc: Loc) -> str | None:
    """How a scalar is written that stands at a place of a text `parse_yaml` took; None where there is none."""
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
    """Whether a word goes on at a place: what stands before it is no space, comma, colon or bracket."""
    return mark is not None and text[max(mark.index - 1, 0)] not in " \t\n,:[]{}"


def _place(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
