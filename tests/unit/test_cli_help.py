"""Help, hints and completion of every command and option, by the parser's own list of them."""

from __future__ import annotations

import argparse
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from monitor.cli.parser import SHELLS, main, parser

USAGE: Final = 2


def commands(top: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that is built, as it is typed behind `driftd`, with its parser."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            built = {choice.dest for choice in action._choices_actions}
            for name in built:
                yield " ".join((*path, name)), action.choices[name]
                yield from commands(action.choices[name], (*path, name))


COMMANDS: Final = dict(sorted(commands(parser()), key=lambda one: one[0]))
OPTIONS: Final = [
    (command, option)
    for command, its in COMMANDS.items()
    for action in its._actions
    for option in action.option_strings
    if option.startswith("--")
]
TOO_SHORT: Final = {"--to"}  # of two letters nobody can tell which were meant
#: a script, as the shell that it is for would read it
SHELL_CHECKS: Final = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


def test_all_commands_are_found() -> None:
    assert {"run", "replay", "reference build", "state show", "completion"} <= COMMANDS.keys()
    assert ("reference build", "--accept-partial") in OPTIONS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_with_examples_that_it_takes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    does, _, examples = text.partition("\nexample")
    assert str(COMMANDS[command].description) in " ".join(does.split())
    lines = [line.strip() for line in examples.splitlines()[1:]]
    assert lines
    for line in lines:
        called = re.search(r"^driftd [^|>]*|(?<=\()driftd [^)]*", line)
        assert called is not None, line
        words = shlex.split(called[0])
        assert " ".join(words).startswith(f"driftd {command}")
        parser().parse_args(words[1:])


def misspelt(word: str) -> str:
    """Two letters of its middle are swapped, or the last one is doubled where they are the same."""
    at = len(word) // 2
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return swapped if swapped != word else word + word[-1]


@pytest.mark.parametrize(("command", "option"), [one for one in OPTIONS if one[1] not in TOO_SHORT])
def test_a_misspelt_option_is_answered_with_the_right_one(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = misspelt(option)
    assert main([*command.split(), wrong, "x"]) == USAGE
    before, _, hint = capsys.readouterr().err.partition("; did you mean ")
    assert before == f"driftd: no such option: {wrong}"
    assert option in hint.removesuffix("?\n").split(" or ")


def test_the_beginning_of_an_option_is_not_taken_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    """`--form` may be a misspelt --from; and what begins one option today may begin two of them tomorrow."""
    assert main(["reference", "build", "--form", "2026-09-01T00:00:00Z"]) == USAGE
    assert capsys.readouterr().err == "driftd: no such option: --form; did you mean --format or --from?\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_command_is_answered_with_the_right_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    *before, last = command.split()
    wrong = misspelt(last)
    assert main([*before, wrong]) == USAGE
    where = " ".join(["driftd", *before])
    assert capsys.readouterr().err == (f"driftd: no such command: {wrong}; did you mean {last}? see {where} --help\n")


def test_another_shell_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == USAGE
    assert capsys.readouterr().err == (
        "driftd: SHELL: 'tcsh' is none of 'bash', 'zsh', 'fish'; see driftd completion --help\n"
    )


def test_help_and_completion_wait_for_nothing_that_they_do_not_need() -> None:
    program = (
        "import sys\nfrom monitor.cli.parser import main\nmain(['completion', 'bash'])\n"
        "print(sorted({'numpy', 'scipy', 'river', 'kafka', 'pydantic'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60, text=True)
    assert done.stderr == "[]\n"
    assert "driftd" in done.stdout


# completion


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, files = tmp_path_factory.mktemp("completion"), {}
    for shell in SHELLS:
        done = subprocess.run(
            [sys.executable, "-m", "monitor", "completion", shell], capture_output=True, check=True, timeout=60
        )
        files[shell] = folder / f"driftd.{shell}"
        files[shell].write_bytes(done.stdout)
    return files


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_command_and_option(shell: str, scripts: dict[str, Path]) -> None:
    words = set(re.findall(r"[\w-]+", scripts[shell].read_text()))
    assert {name for command in COMMANDS for name in command.split()} <= words
    spelt = {option for _, option in OPTIONS} if shell != "fish" else {option[2:] for _, option in OPTIONS}
    assert spelt <= words


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_its_script(shell: str, scripts: dict[str, Path]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    done = subprocess.run([*SHELL_CHECKS[shell], scripts[shell]], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def completed_by_bash(script: Path, typed: str) -> list[str]:
    """The words behind `driftd` after what was typed on a terminal, with a tab at its end, was completed."""
    setup = f"source {shlex.quote(str(script))}; driftd() {{ printf '<%s>' GOT \"$@\"; echo; }}; PS1=; echo READY\n"
    answer = b""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=follower, stdout=follower, stderr=follower, cwd=script.parent, start_new_session=True,
        env={"PATH": os.environ["PATH"], "TERM": "dumb", "INPUTRC": "/dev/null", "HISTFILE": ""},
    ) as bash, closing(os.fdopen(leader, "rb+", buffering=0)) as terminal:  # fmt: skip
        os.close(follower)
        terminal.write(setup.encode())
        while b"\nREADY" not in answer:
            answer += terminal.read(4_096)
        terminal.write(f"driftd {typed}\t\n".encode())
        while not re.search(rb"<GOT>.*\n", answer):
            answer += terminal.read(4_096)
        bash.kill()
    found = re.search(r"<GOT>(.*)\r?\n", answer.decode())
    assert found is not None
    return re.findall(r"<([^>]*)>", found[1])


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("chec", ["check"]),
        ("reference bu", ["reference", "build"]),
        ("state sh", ["state", "show"]),
        ("check --create", ["check", "--create-topics"]),
        ("replay --config F --fail-on pa", ["replay", "--config", "F", "--fail-on", "page"]),
        ("completion fi", ["completion", "fish"]),
        ("run --config driftd.ba", ["run", "--config", "driftd.bash"]),
        ("replay --config F driftd.ba", ["replay", "--config", "F", "driftd.bash"]),
    ],
)
def test_bash_completes_commands_options_choices_and_files(
    typed: str, expected: list[str], scripts: dict[str, Path]
) -> None:
    assert completed_by_bash(scripts["bash"], typed) == expected
