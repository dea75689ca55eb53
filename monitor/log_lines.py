"""Renders a log entry: as JSON, or as a line for people at a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from monitor.visible import one_line

#: renders an entry: `ts`, `level`, `logger`, `event`, then its fields; `exception` is a list of lines
Renderer: TypeAlias = Callable[[Mapping[str, Any]], str]

_RESET: Final = "\x1b[0m"
_FAINT: Final = "\x1b[2m"
_BOLD: Final = "\x1b[1m"
_LEVELS: Final = {"debug": "\x1b[36m", "info": "\x1b[32m", "warning": "\x1b[33m"}
_RED: Final = "\x1b[31m"
_LEVEL_WIDTH: Final = 8
_EVENT_WIDTH: Final = 20


def json_line(entry: Mapping[str, Any]) -> str:
    """One JSON object in ASCII: newlines, control characters and lone surrogates are escaped."""
    return json.dumps(entry, allow_nan=False)


def console_line(entry: Mapping[str, Any]) -> str:
    """`10:04:30Z warning  turn_failed          why="no broker answers" retry_seconds=0.2`, then the traceback."""
    return _console(entry, lambda text, _: text)


def coloured_line(entry: Mapping[str, Any]) -> str:
    """`console_line` in colours."""
    return _console(entry, lambda text, colour: f"{colour}{text}{_RESET}")


def _console(entry: Mapping[str, Any], paint: Callable[[str, str], str]) -> str:
    fields = dict(entry)
    time, level = str(fields.pop("ts"))[11:19] + "Z", str(fields.pop("level"))
    event, trace = one_line(str(fields.pop("event"))), fields.pop("exception", [])
    fields.pop("logger")
    words = [
        paint(time, _FAINT),
        paint(level.ljust(_LEVEL_WIDTH), _LEVELS.get(level, _RED)),
        paint(event.ljust(_EVENT_WIDTH) if fields else event, _BOLD),
        *(f"{paint(one_line(name), _FAINT)}={_value(value)}" for name, value in fields.items()),
    ]
    return "\n".join([" ".join(words), *(f"    {one_line(line)}" for line in trace)])


def _value(value: object) -> str:
    """A plain word as it is, everything else as JSON; letters beyond ASCII are not escaped."""
    if isinstance(value, str) and value and not set(value) & set(' "=\\') and value.isprintable():
        return value
    return one_line(json.dumps(value, ensure_ascii=False, allow_nan=False))
