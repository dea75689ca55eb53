"""Shell completion scripts, generated once from the parser: completing does not start Python."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

import shtab

#: {metavar: how shtab completes it}
NAMED: Final = {"FILE": shtab.FILE, "SOURCE": shtab.FILE, "OUT": shtab.FILE, "DIR": shtab.DIRECTORY}


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of `parser`; `shell` is bash, zsh or fish."""
    for action in _actions(parser):
        if isinstance(action.metavar, str) and action.metavar in NAMED:
            action.complete = NAMED[action.metavar]  # type: ignore[attr-defined]  # read by shtab
    script: str = shtab.complete(parser, shell)
    return script + "\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
