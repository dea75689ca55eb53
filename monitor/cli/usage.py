"""Usage errors of the command line: one line with the fault, the likely correction, and where help is."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence

from monitor.errors import UsageError


def nearest(word: str, known: Sequence[str]) -> list[str]:
    """The likely corrections of a misspelt word: two if two are very near, none if nothing is."""
    return difflib.get_close_matches(word, known, 2, cutoff=0.8) or difflib.get_close_matches(word, known, 1)


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises `UsageError`."""

    def parse_known_args(  # type: ignore[override]  # without its overloads
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Report an unknown option before the arguments that are missing because of it."""
        if self.prefix_chars == "-":
            self._refuse_unknown_options(list(args or ()))
        return super().parse_known_args(args, namespace)

    def _refuse_unknown_options(self, given: Sequence[str]) -> None:
        known = [name for action in self._actions for name in action.option_strings]
        commands = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        for word in given:
            if word == "--" or (commands and not word.startswith("-")):
                return
            name = word.split("=", 1)[0]
            if not re.fullmatch(r"--?[A-Za-z][\w-]*", name) or name in known:
                continue
            if not name.startswith("--") and name[:2] in known:
                continue  # -oOUT
            near = nearest(name, known) or [option for option in known if option[2:3] == name[1:]][:1]
            hint = f"did you mean {' or '.join(near)}?" if near else f"see {self.prog} --help"
            raise UsageError(f"no such option: {name}; {hint}")

    def error(self, message: str) -> None:  # type: ignore[override]  # the base class never returns; this one raises
        wrong = re.search(r"argument ([^:]+): invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if wrong:
            choices = re.findall(r"[\w-]+", wrong[3])  # quoted by some Pythons and bare by others
            near = nearest(wrong[2], choices)
            is_command = wrong[1] == "COMMAND"
            what = (
                f"no such command: {wrong[2]}"
                if is_command
                else f"{wrong[1]}: {wrong[2]!r} is none of {', '.join(map(repr, choices))}"
            )
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"{what}; {hint}see {self.prog} --help")
        number = re.fullmatch(r"argument ([^:]+): invalid int value: ('.*')", message)
        if number:
            raise UsageError(f"{number[1]}: {number[2]} is not a whole number; write digits only, such as 10000")
        extra = re.fullmatch(r"unrecognized arguments: (.*)", message)
        if extra:
            raise UsageError(
                f"too many arguments: {extra[1]}; driftd run and check read the topics of the settings, driftd replay "
                "reads files; see driftd COMMAND --help"
            )
        raise UsageError(f"{message}; see {self.prog} --help")
