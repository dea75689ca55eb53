"""Log lines on standard error, as JSON or for a terminal; without secrets or payloads, and of bounded length.

    log = get_log(__name__)
    log.info("checkpoint_written", bytes=5_120, positions=3)

The event is one or more words in snake_case, everything else is a field. Lines of libraries (`logging`) from WARNING up
are written in the same form as the event `library_message`, each at most once in 10 s.
"""

from __future__ import annotations

import logging
import math
import os
import re
import sys
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import PurePath
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from monitor.clock import Clock, SystemClock, rfc3339
from monitor.errors import DriftdError, UsageError
from monitor.events import ModelKey, Partition
from monitor.log_lines import Renderer, coloured_line, console_line, json_line

LEVELS: Final = ("debug", "info", "warning", "error")
REDACTED: Final = "[redacted]"
#: longest text of a field, in characters
TEXT_LIMIT: Final = 300
#: most items of a list or object, and most levels of nesting
ITEM_LIMIT: Final = 50
DEPTH_LIMIT: Final = 4
#: innermost frames of a traceback that are written
FRAME_LIMIT: Final = 30
#: seconds in which the same line of a library is written once
REPEAT_SECONDS: Final = 10.0
#: most lines of one library in LIBRARY_SECONDS: an outage makes kafka-python log from many places, without end
LIBRARY_LINES: Final = 4
LIBRARY_SECONDS: Final = 60.0
#: different lines of libraries that are remembered to suppress repeats
REPEAT_MEMORY: Final = 1_000

_CONFIDENTIAL: Final = r"passw(?:or)?d|passphrase|secret|token|credential|authorization|jaas|api_?key|private_?key"
_SECRET_KEY: Final = re.compile(_CONFIDENTIAL, re.IGNORECASE)
#: `AuthenticationError: ...` is not a secret: a name that ends so has its message after the colon
_NOT_AN_ERROR: Final = r"(?!\w*(?:Error|Exception)\b)"
_SECRET_IN_TEXT: Final = re.compile(
    rf"""((?:{_CONFIDENTIAL}){_NOT_AN_ERROR}\w*["']?\s*[=:]\s*)(?:(?:basic|bearer)\s+)?"""
    r"""("[^"]*"|'[^']*'|[^\s,;)}]+)""",
    re.IGNORECASE,
)
_USER_IN_URL: Final = re.compile(r"(://)[^/@\s]+@")
_CHANGING_PART: Final = re.compile(r"0x[0-9a-fA-F]+|\d+")


def get_log(name: str) -> FilteringBoundLogger:
    """The logger of a module; may be called at import, before `configure_logging`."""
    return cast("FilteringBoundLogger", structlog.get_logger(logger_name=name))


def configure_logging(
    stream: TextIO | None = None,
    level: str = "info",
    clock: Clock | None = None,
    *,
    form: str = "auto",
    muted: Collection[str] = (),
) -> None:
    """Write our own log lines and those of libraries to `stream` (standard error). May be called again.

    `form` is json, console, or auto: console if the stream is a terminal. `muted` names loggers of libraries that are
    not written, with all loggers below them: driftd logs the same itself.

    Raises:
        UsageError: `level` is none of LEVELS.
    """
    if level not in LEVELS:
        message = f"log level: {level!r} is none of {', '.join(LEVELS)}"
        raise UsageError(message)
    numeric = logging.getLevelNamesMapping()[level.upper()]
    stream = stream if stream is not None else sys.stderr
    lines = _Lines(stream)
    render = _Render(clock or SystemClock(), _writer(stream, form))
    structlog.configure(
        processors=[structlog.processors.add_log_level, render],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    _route_libraries(_LibraryHandler(lines, render, tuple(muted)), max(numeric, logging.WARNING))


def _writer(stream: TextIO, form: str) -> Renderer:
    terminal = stream.isatty()
    if form == "json" or (form == "auto" and not terminal):
        return json_line
    colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return coloured_line if colours else console_line


def _route_libraries(handler: _LibraryHandler, level: int) -> None:
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _LibraryHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("kafka").setLevel(level)  # below WARNING it writes requests and records
    logging.captureWarnings(capture=True)


class _Lines:
    """Writes whole lines to a stream, from any thread. If the stream fails the line is lost; nothing is raised."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()  # a signal handler may log while its own thread is writing

    def msg(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError, RuntimeError):  # full disk, closed stream, re-entered stream
                return

    debug = info = warning = error = critical = exception = msg


class _Render:
    """The last structlog processor: renders the event as one line."""

    def __init__(self, clock: Clock, write: Renderer) -> None:
        self.clock = clock
        self._write = write

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        fields = dict(event)
        line: dict[str, Any] = {"ts": rfc3339(self.clock.now_us())}
        for name, source in (("level", "level"), ("logger", "logger_name"), ("event", "event")):
            line[name] = safe_text(str(fields.pop(source, "")))
        failure = _exception_of(fields.pop("exc_info", None))
        line.update(cast("dict[str, Any]", safe(fields)))
        if failure is not None:
            line["exception"] = trace(failure)
        return self._write(line)


class _LibraryHandler(logging.Handler):
    """Writes what libraries log through `logging`: the first line of a kind at once, then one in 10 s.

    Lines of a kind differ in numbers only; `repeated` has how many were suppressed since the last one. One library
    writes at most LIBRARY_LINES in LIBRARY_SECONDS; `left_out` of its next line has how many were dropped.
    """

    def __init__(self, lines: _Lines, render: _Render, muted: tuple[str, ...] = ()) -> None:
        super().__init__(logging.WARNING)
        self._muted = tuple(f"{name}." for name in muted)
        self._lines = lines
        self._render = render
        self._written: dict[str, deque[float]] = {}
        self._left_out: Counter[str] = Counter()
        self._seen: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held."""
        if f"{record.name}.".startswith(self._muted):
            return
        text = _message_of(record)
        repeated = self._repeats((record.name, record.levelno, _CHANGING_PART.sub("#", text[:TEXT_LIMIT])))
        library = record.name.partition(".")[0]
        if repeated is None or not self._is_within_rate(library):
            return
        event: EventDict = {
            "level": record.levelname.lower(),
            "logger_name": record.name,
            "event": "library_message",
            "message": text,
            "exc_info": record.exc_info,
        }
        if repeated:
            event["repeated"] = repeated
        if left_out := self._left_out.pop(library, 0):
            event["left_out"] = left_out
        self._lines.msg(self._render(None, "", event))

    def _is_within_rate(self, library: str) -> bool:
        now, written = self._render.clock.monotonic(), self._written.setdefault(library, deque(maxlen=LIBRARY_LINES))
        if len(written) == LIBRARY_LINES and now - written[0] < LIBRARY_SECONDS:
            self._left_out[library] += 1
            return False
        written.append(now)
        return True

    def _repeats(self, kind: tuple[str, int, str]) -> int | None:
        """How many lines of this kind were suppressed since the last written one; None: suppress this one too."""
        now = self._render.clock.monotonic()
        last, count = self._seen.pop(kind, (-math.inf, 0))
        if now - last < REPEAT_SECONDS:
            self._seen[kind] = (last, count + 1)
            return None
        self._seen[kind] = (now, 0)
        if len(self._seen) > REPEAT_MEMORY:
            self._seen.popitem(last=False)
        return count


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - formatting runs the library's code; a bug there must not stop our loop
        return str(record.msg)


def _exception_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast("BaseException | None", exc_info[1])
    return sys.exc_info()[1] if exc_info else None


def safe(value: object, depth: int = 0) -> object:
    """`value` as JSON can hold it and a log may show it.

    Fields with the name of a secret are redacted, bytes are replaced by their number, long texts and lists are cut, and
    other objects become their text. Of a foreign exception only the type is written: its message may quote a payload.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, BaseException):
        return safe_text(_error_text(value))
    if isinstance(value, str | ModelKey | Partition | PurePath):
        return safe_text(str(value))
    if depth < DEPTH_LIMIT and isinstance(value, Mapping):
        return _safe_object(value, depth)
    if depth < DEPTH_LIMIT and isinstance(value, list | tuple | set | frozenset):
        return [safe(item, depth + 1) for item in islice(value, ITEM_LIMIT)] + _left_out(len(value))
    return safe_text(str(value))


def _safe_object(value: Mapping[Any, Any], depth: int) -> dict[str, object]:
    out: dict[str, object] = {}
    for key, item in islice(value.items(), ITEM_LIMIT):
        name = safe_text(str(key))
        out[name] = REDACTED if _SECRET_KEY.search(name) else safe(item, depth + 1)
    for note in _left_out(len(value)):
        out["..."] = note
    return out


def _left_out(length: int) -> list[object]:
    return [f"and {length - ITEM_LIMIT} more"] if length > ITEM_LIMIT else []


def safe_text(text: str) -> str:
    """`text` without passwords in URLs or after `password=`, at most TEXT_LIMIT characters and a note."""
    over = len(text) - TEXT_LIMIT
    cleaned = _SECRET_IN_TEXT.sub(rf"\1{REDACTED}", text[: 4 * TEXT_LIMIT])  # a secret may straddle the limit
    cleaned = _USER_IN_URL.sub(rf"\1{REDACTED}@", cleaned)
    return f"{cleaned[:TEXT_LIMIT]}... (+{over} characters)" if over > 0 else cleaned


def _error_text(error: BaseException) -> str:
    """The type, and the message if it cannot quote a payload."""
    if isinstance(error, DriftdError):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__


def trace(error: BaseException) -> list[str]:
    """The traceback of an exception and its causes, newest first: each one's text, then its frames, outermost first.

    Without source lines and local values, and with the messages of our own exceptions only.
    """
    out: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        out.append(safe_text(_error_text(current)))
        frames: list[str] = []
        step = current.__traceback__
        while step is not None:
            code = step.tb_frame.f_code
            frames.append(f"  {code.co_filename}:{step.tb_lineno} in {code.co_name}")
            step = step.tb_next
        out.extend(frames[-FRAME_LIMIT:])
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return out
