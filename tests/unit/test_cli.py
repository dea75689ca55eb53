"""The command line: what is not built is refused by name, what is wrong is reported in a line, and how things end."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from monitor.cli import commands
from monitor.cli.parser import LATER, main
from monitor.errors import PermanentError, TransientError, UsageError
from monitor.log import get_log

DONE, USAGE, REFUSED, INTERRUPTED = 0, 2, 4, 130
CONFIG = "inputs: [{topic: events}]\nmodels: [{name: credit, reference: credit.json}]\n"


def messages(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = USAGE) -> str:
    """What a command that ends with `code` says on standard error; nothing stands on standard output."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    return err


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "driftd.yaml").write_text(CONFIG)
    return str(tmp_path / "driftd.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        *([name] for name in LATER),
        ["state", "export", "--config", "F"],
        ["state", "import"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_not_built_is_refused_by_name(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = " ".join(word for word in arguments[:2] if word in {*LATER, "reference", "state", "import", "export"})
    assert messages(capsys, *arguments) == f"driftd: {name}: not in this version; the changelog says what is\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["replay", "--report", "O"], "--report: not in this version"),
        (["replay", "--compare", "O", "--json", "--windows"], "--windows: does not go with --compare"),
        (["replay", "--format", "kserv"], "--format: 'kserv' is not a format; write auto"),
        (["replay", "--compare", "O", "--format", "kserve"], "--format: does not go with --compare"),
        (["replay", "--windows"], "--windows: goes with --json"),
        (
            ["reference", "build", "--model", "m", "--rows", "5", "-o", "O", "--format", "otlp"],
            "--format: 'otlp' is not",
        ),
    ],
)
def test_an_option_that_is_not_built_is_refused_by_name(
    arguments: list[str], expected: str, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"driftd: {expected}" in messages(capsys, *arguments, "--config", config, "stream.jsonl")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "the following arguments are required: COMMAND; see driftd --help"),
        ("frobnicate", "no such command: frobnicate; see driftd --help"),
        ("reference", "required: COMMAND; see driftd reference --help"),
        ("run", "required: --config; see driftd run --help"),
        ("run --config F --quickly", "no such option: --quickly; see driftd run --help"),
        ("replay --config F", "required: SOURCE; see driftd replay --help"),
        (
            "replay --config F --fail-on info s.jsonl",
            "--fail-on: 'info' is none of 'ticket', 'page'; see driftd replay",
        ),
        ("check --confg F", "no such option: --confg; did you mean --config?"),
        ("check -c F", "no such option: -c; did you mean --config?"),
        ("reference build --config F --modle m s.jsonl", "no such option: --modle; did you mean --model?"),
        ("--verison", "no such option: --verison; did you mean --version?"),
        ("chekc --config F", "no such command: chekc; did you mean check? see driftd --help"),
        ("reference shwo f.json", "no such command: shwo; did you mean show? see driftd reference --help"),
        ("replay --config F --fail-on pgae s.jsonl", "is none of 'ticket', 'page'; did you mean page?"),
        ("record kafka://t", "required: -o/--output"),
        ("record kafka://t --decode -o O.records.jsonl", "with --decode it is not a recording"),
        ("record kafka://t --decode -o O.txt", "name it OUT.jsonl"),
        ("record stream.jsonl -o O.records.jsonl", "'stream.jsonl' is not a topic; write kafka://TOPIC"),
        ("record kafka://t -o O.jsonl", "a recording's name ends with"),
        ("reference show nowhere.json", "nowhere.json: cannot be read ("),
        ("state show --config nowhere.yaml", "nowhere.yaml: cannot be read"),
    ],
)
def test_a_usage_error_is_one_line_that_helps(
    arguments: str, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    line = messages(capsys, *arguments.split())
    assert line.startswith("driftd: ")
    assert line.count("\n") == 1
    assert expected in line
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize(
    "source",
    [
        "kafka://",
        "kafka://t/one",
        "kafka://t/²",
        "kafka://[t",
        "kafka://t?since=1",
        "kafka://t?from=then",
        "kafka://t?from=²",
        "kafka://t?to=offset:",
        "kafka://t?to=offset:-1",
        "kafka://t?to=offset:" + 5_000 * "9",
        "kafka://t?to=" + 5_000 * "9",
        f"kafka://t?from={10**20}",
        "kafka://t?to=2026-11-22T10:00:00",
    ],
    ids=lambda source: source[:30],
)
def test_a_place_in_a_topic_that_cannot_be_understood_is_refused_before_kafka_is_asked(
    source: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = messages(capsys, "record", source, "-o", str(tmp_path / "O.records.jsonl"))
    assert f"driftd: {source}: " in line
    assert "write" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    ["", "run", "check", "reference", "reference build", "reference show", "replay", "record", "state", "state show",
     "dashboards", "settings", "version"],
)  # fmt: skip
def test_every_command_explains_itself(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*arguments.split(), "--help"])
    assert left.value.code == DONE
    assert capsys.readouterr().out.startswith(f"usage: driftd {arguments}".strip())


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (UsageError(["one", "two"]), USAGE, "driftd: one\ndriftd: two\n"),
        (TransientError("no answer"), REFUSED, "driftd: no answer\n"),
        (PermanentError("no right"), REFUSED, "driftd: no right\n"),
        (KeyboardInterrupt(), INTERRUPTED, ""),
    ],
)
def test_the_exit_code_says_how_it_ended(
    error: BaseException,
    code: int,
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(_: Namespace) -> int:
        raise error

    monkeypatch.setattr(commands, "version", failing)
    assert messages(capsys, "version", code=code) == expected


def test_what_is_logged_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def logging(_: Namespace) -> int:
        get_log("monitor.test").error("something_happened")
        return DONE

    monkeypatch.setattr(commands, "version", logging)
    assert '"event": "something_happened"' in messages(capsys, "version", code=DONE)


def test_a_reader_that_has_enough_is_not_a_fault() -> None:
    """`driftd settings | head -1`"""
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "settings"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == DONE


def test_a_file_given_to_the_daemon_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", "driftd.yaml", "live.csv"]) == 2
    reported = capsys.readouterr().err
    assert "live.csv" in reported
    assert "driftd replay reads files" in reported
