"""Characters that hide, reorder or move other text never reach a terminal."""

from __future__ import annotations

import json
import sys

import pytest

from monitor.run.terminal import to_stderr, to_stdout
from monitor.visible import one_line, visible

HIDDEN = [
    0,
    0x1B,
    0x0D,
    0x7F,
    0x85,
    0xAD,
    0x61C,
    0x200B,
    0x200D,
    0x200F,
    0x2028,
    0x2029,
    0x202E,
    0x2066,
    0xFEFF,
    0xD800,
]


@pytest.mark.parametrize("code", [*HIDDEN, 0xE0041])
def test_what_cannot_be_seen_is_written_out(code: int) -> None:
    char = chr(code)
    assert visible(f"a{char}b").isprintable()
    assert visible(f"a{char}b").startswith("a\\")


@pytest.mark.parametrize("text", ["plain", "two\nlines\tand a tab", "日本 Ünï", "e\u0301", "a\xa0b", "🙂", ""])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_what_python_can_print_stays() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        assert visible(char) == char or not char.isprintable(), f"U+{code:04X}"


def test_escaped_json_text_keeps_its_value() -> None:
    text = json.dumps({"name": "a\u202eb\u200bc\U000e0041d\u2028"}, ensure_ascii=False)
    assert visible(text).isascii()
    assert json.loads(visible(text)) == json.loads(text)


@pytest.mark.parametrize("text", ["a\nb\tc", "a\xa0b", "a\u202eb", "\U000e0041", "\udc80", "日本 🙂"])
def test_within_a_line_everything_else_is_written_out_as_json_has_it(text: str) -> None:
    assert one_line(text).isprintable()
    assert json.loads(f'"{one_line(text)}"') == text


def test_what_commands_say_shows_no_mark_of_direction(capsys: pytest.CaptureFixture[str]) -> None:
    to_stdout("name \u202egpj.exe, \x1b[31m")
    to_stderr("name \u200bzero")
    shown = capsys.readouterr()
    assert shown.out == "name \\u202egpj.exe, \\u001b[31m\n"
    assert shown.err == "name \\u200bzero\n"
