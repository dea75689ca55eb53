"""Log lines for people: on a terminal, with or without colours, and as safe as the JSON ones."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import ManualClock, parse_rfc3339
from monitor.log import configure_logging, get_log
from monitor.log_lines import coloured_line, console_line, json_line

NOON_US = parse_rfc3339("2026-11-22T12:34:56Z")
COLOUR = re.compile("\x1b\\[[0-9]+m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, kafka = logging.getLogger(), logging.getLogger("kafka")
    before = list(root.handlers), root.level, kafka.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    kafka.setLevel(before[2])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def logged(stream: io.StringIO, form: str = "auto", level: str = "info") -> str:
    configure_logging(stream, level, ManualClock(NOON_US), form=form)
    get_log("monitor.run.daemon").warning("turn_failed", why="no broker answers", topic="events", retry_seconds=0.2)
    return stream.getvalue()


PLAIN = '12:34:56Z warning  turn_failed          why="no broker answers" topic=events retry_seconds=0.2\n'


def test_a_terminal_gets_readable_lines_and_everything_else_json(environ: pytest.MonkeyPatch) -> None:
    assert COLOUR.sub("", logged(Terminal())) == PLAIN
    assert json.loads(logged(io.StringIO()))["event"] == "turn_failed"


def test_the_settings_win_over_what_the_stream_is(environ: pytest.MonkeyPatch) -> None:
    assert json.loads(logged(Terminal(), "json"))["event"] == "turn_failed"
    assert logged(io.StringIO(), "console") == PLAIN, "a file is never coloured"


@pytest.mark.parametrize(("name", "value", "coloured"), [
    ("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False), ("TERM", "xterm", True),
])  # fmt: skip
def test_colours_are_for_terminals_that_want_them(
    environ: pytest.MonkeyPatch, name: str, value: str, coloured: bool
) -> None:
    environ.setenv(name, value)
    assert bool(COLOUR.search(logged(Terminal()))) == coloured


def test_a_level_is_the_least_that_is_written() -> None:
    assert logged(io.StringIO(), level="error") == ""


def test_a_trace_stands_below_its_line() -> None:
    stream = io.StringIO()
    configure_logging(stream, "info", ManualClock(NOON_US), form="console")
    try:
        raise KeyError
    except KeyError:
        get_log("a").exception("page_failed", path="/")
    first, kind, *frames = stream.getvalue().splitlines()
    assert first == "12:34:56Z error    page_failed          path=/"
    assert kind == "    KeyError"
    assert frames
    assert all(frame.startswith("      ") for frame in frames)


values: st.SearchStrategy[Any] = st.one_of(
    st.text(), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(), max_size=3), st.dictionaries(st.text(), st.text(), max_size=3),
)  # fmt: skip


def entry(fields: dict[str, Any]) -> dict[str, Any]:
    head = {"ts": "2026-11-22T12:34:56Z", "level": "info", "logger": "a", "event": "seen"}
    return head | {f"x{name}": value for name, value in fields.items()}


@given(st.dictionaries(st.text(), values, max_size=4))
def test_whatever_the_fields_hold_it_is_one_line_of_what_can_be_seen(fields: dict[str, Any]) -> None:
    line = console_line(entry(fields))
    assert line.isprintable()
    assert COLOUR.sub("", coloured_line(entry(fields))) == line
    assert json.loads(json_line(entry(fields))) == entry(fields)


@given(values)
def test_a_value_can_be_read_back(value: object) -> None:
    messages = console_line(entry({"": value})).partition(" x=")[2]
    assert messages == value or json.loads(messages) == value
