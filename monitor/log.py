"""Log lines on standard error: no secret, no payload, nothing long; JSON objects, or lines for people at a terminal.

    log = get_log(__name__)
    log.info("checkpoint_written", bytes=5_120, positions=3)

The event is one or more words in snake_case, everything else is a field. Lines of libraries (`logging`) come out in the
same form as the event `library_message`, from WARNING up and at most once in 10 s each.
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
from monitor.log_lines import Write, coloured_line, console_line, json_line

LEVELS: Final = ("debug", "info", "warning", "error")
REDACTED: Final = "[redacted]"
#: longest text a field may hold, in characters
TEXT_LIMIT: Final = 300
#: most items of a list or object, and most lists within lists
ITEM_LIMIT: Final = 50
DEPTH_LIMIT: Final = 4
#: innermost frames of a traceback that are shown
FRAME_LIMIT: Final = 30
#: seconds in which the same line of a library comes once
REPEAT_SECONDS: Final = 10.0
#: most lines of one library in FAMILY_SECONDS: one trouble makes it speak from many places, without end
FAMILY_LINES: Final = 4
FAMILY_SECONDS: Final = 60.0
#: different lines of libraries that are remembered for that
REPEAT_MEMORY: Final = 1_000

_CONFIDENTIAL: Final = r"passw(?:or)?d|passphrase|secret|token|credential|authorization|jaas|api_?key|private_?key"
_SECRET_KEY: Final = re.compile(_CONFIDENTIAL, re.IGNORECASE)
#: the name of an error is followed by a colon, too, and by what it says
_NO_ERROR: Final = r"(?!\w*(?:Error|Exception)\b)"
_SECRET_IN_TEXT: Final = re.compile(
    rf"""((?:{_CONFIDENTIAL}){_NO_ERROR}\w*["']?\s*[=:]\s*)(?:(?:basic|bearer)\s+)?"""
    r"""("[^"]*"|'[^']*'|[^\s,;)}]+)""",
    re.IGNORECASE,
)
_USER_IN_URL: Final = re.compile(r"(://)[^/@\s]+@")
_CHANGING_PART: Final = re.compile(r"0x[0-9a-fA-F]+|\d+")


def get_log(name: str) -> FilteringBoundLogger:
    """The log of a module; may be asked for at import, before `configure_logging`."""
    return cast("FilteringBoundLogger", structlog.get_logger(logger_name=name))


def configure_logging(
    stream: TextIO | None = None,
    level: str = "info",
    clock: Clock | None = None,
    *,
    form: str = "auto",
    hushed: Collection[str] = (),
) -> None:
    """Send our own lines and those of libraries to `stream` (standard error). May be called again.

    `form` is json, console, or auto: console where the stream is a terminal. `hushed` names loggers of libraries whose
    lines, and those of loggers below them, are not written: where what they say is told in our own words.

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
    _route_libraries(_LibraryHandler(lines, render, tuple(hushed)), max(numeric, logging.WARNING))


def _writer(stream: TextIO, form: str) -> Write:
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
    """Whole lines on a stream; threads do not mix them. A stream that fails costs the line, never the caller."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()  # a signal handler may log while its own thread is writing

    def msg(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (
                OSError,
                ValueError,
                RuntimeError,
            ):  # full disk, closed stream, re-entered stream: nobody to be told
                return

    debug = info = warning = error = critical = exception = msg


class _Render:
    """The last processor: the event as one line."""

    def __init__(self, clock: Clock, write: Write) -> None:
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
    """Takes what libraries say through `logging`: the first line of a kind at once, then one in 10 s.

    Lines of a kind differ in numbers only. A line that follows held back ones says how many in `repeated`. All kinds of
    one library together are FAMILY_LINES in a minute; how many were left out stands in `left_out` of the next.
    """

    def __init__(self, lines: _Lines, render: _Render, hushed: tuple[str, ...] = ()) -> None:
        super().__init__(logging.WARNING)
        self._hushed = tuple(f"{name}." for name in hushed)
        self._lines = lines
        self._render = render
        self._families: dict[str, deque[float]] = {}
        self._left_out: Counter[str] = Counter()
        self._seen: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held."""
        if f"{record.name}.".startswith(self._hushed):
            return
        text = _message_of(record)
        held_back = self._held_back((record.name, record.levelno, _CHANGING_PART.sub("#", text[:TEXT_LIMIT])))
        family = record.name.partition(".")[0]
        if held_back is None or not self._may_speak(family):
            return
        event: EventDict = {
            "level": record.levelname.lower(),
            "logger_name": record.name,
            "event": "library_message",
            "message": text,
            "exc_info": record.exc_info,
        }
        if held_back:
            event["repeated"] = held_back
        if left_out := self._left_out.pop(family, 0):
            event["left_out"] = left_out
        self._lines.msg(self._render(None, "", event))

    def _may_speak(self, family: str) -> bool:
        now, spoken = self._render.clock.monotonic(), self._families.setdefault(family, deque(maxlen=FAMILY_LINES))
        if len(spoken) == FAMILY_LINES and now - spoken[0] < FAMILY_SECONDS:
            self._left_out[family] += 1
            return False
        spoken.append(now)
        return True

    def _held_back(self, kind: tuple[str, int, str]) -> int | None:
        """None: hold this one back too; else how many of its kind were held back since the last that was written."""
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
    except Exception:  # noqa: BLE001 - a library's broken log call runs its own code here and must not stop our loop
        return str(record.msg)


def _exception_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast("BaseException | None", exc_info[1])
    return sys.exc_info()[1] if exc_info else None


def safe(value: object, depth: int = 0) -> object:
    """`value` as JSON may hold it and a log may show it.

    Secrets are replaced by the name of their field, bytes by their number, long texts and lists are cut, objects become
    their text. An exception that is not ours is named by its type: its message may quote a payload.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, BaseException):
        return safe_text(_say(value))
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


def _say(error: BaseException) -> str:
    """The type, and the message where it is known to quote no payload."""
    if isinstance(error, DriftdError):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__


def trace(error: BaseException) -> list[str]:
    """An exception and its causes, newest first: each one's type, then its frames from the outermost in.

    Neither source lines nor local values, and messages of our own exceptions only.
    """
    out: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        out.append(safe_text(_say(current)))
        frames: list[str] = []
        step = current.__traceback__
        while step is not None:
            code = step.tb_frame.f_code
            frames.append(f"  {code.co_filename}:{step.tb_lineno} in {code.co_name}")
            step = step.tb_next
        out.extend(frames[-FRAME_LIMIT:])
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return out
