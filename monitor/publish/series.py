"""Renders a snapshot in the Prometheus text format, and the register of series as Markdown."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.utils import floatToGoString

from monitor.events import REASONS
from monitor.publish.column_series import Series
from monitor.publish.register import REGISTER
from monitor.publish.rows import Row
from monitor.publish.series_limit import limited_series
from monitor.publish.snapshot import Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: the default of limits.series
SERIES_LIMIT: Final = 10_000
#: longest label value, in characters
LABEL_LIMIT: Final = 256
#: label values that are kept as they are written, at most 8 MB of them
LABELS_KEPT: Final = 32_768
#: numbers below this are written as Python writes them; further ones get their exponent sooner
AS_PYTHON: Final = 1e6


def clean_label(text: str) -> str:
    """`text` as a label value: printable, without lone surrogates, at most LABEL_LIMIT characters.

    A lone surrogate cannot be encoded and would fail the whole scrape. A changed text ends in a hash of the original,
    so that two different texts never become the same series.
    """
    if len(text) <= LABEL_LIMIT and text.isprintable():
        return text
    mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    room = LABEL_LIMIT - len(mark) - 1
    printable = "".join(char if char.isprintable() else "\ufffd" for char in text[:room])
    return f"{printable}~{mark}"


def render(snapshot: Snapshot, limit: int = SERIES_LIMIT) -> bytes:
    """A snapshot in the Prometheus text format 0.0.4: at most about `limit` series, without the process's own.

    Not by prometheus_client, which takes ten times as long for thousands of series. A family is encoded at a time: one
    call over all of them would keep the interpreter from the loop.
    """
    return b"".join(_family(series, rows) for series, rows in limited_series(snapshot, limit))


def _family(series: Series, rows: Sequence[Row]) -> bytes:
    meaning = series.meaning.replace("\\", r"\\").replace("\n", r"\n")
    head = f"# HELP {series.name} {meaning}\n# TYPE {series.name} {series.kind}\n"
    sample = _sample(series.name, series.labels).format
    named = [sample(*map(_label, values)) for values, _ in rows]
    lines = [f"{name} {_number(number)}\n" for name, (_, number) in zip(named, rows, strict=True)]
    if len(set(named)) < len(named):  # a feature may be named `score`, too; a duplicate sample fails the scrape
        first = {name: at for at, name in reversed(list(enumerate(named)))}
        lines = [line for at, (name, line) in enumerate(zip(named, lines, strict=True)) if first[name] == at]
    return (head + "".join(lines)).encode()


def _number(value: float) -> str:
    number = float(value)
    if -AS_PYTHON < number < AS_PYTHON:
        return repr(number)
    text: str = floatToGoString(number)  # type: ignore[no-untyped-call]  # prometheus_client leaves it without types
    return text


@cache
def _sample(name: str, labels: tuple[str, ...]) -> str:
    """The name and labels of a sample, sorted, with a place for the value of each label."""
    pairs = ",".join(f'{label}="{{{at}}}"' for label, at in sorted(zip(labels, range(len(labels)), strict=True)))
    return f"{name}{{{{{pairs}}}}}" if pairs else name


@lru_cache(maxsize=LABELS_KEPT)
def _label(text: str) -> str:
    """A value as it stands between quotes; kept, because a page has the same ones again and again."""
    return clean_label(text).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class SeriesPage:
    """The whole `/metrics` page. Each snapshot is rendered only once; thread-safe."""

    def __init__(self, limit: int = SERIES_LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._text = b""
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)

    def text(self, snapshot: Snapshot) -> bytes:
        """The page of this snapshot, with the current series of the process itself."""
        with self._lock:
            if snapshot is not self._snapshot:
                self._text = render(snapshot, self._limit)
                self._snapshot = snapshot
            return self._text + generate_latest(self._process)


_INTRO = """\
# Series

What `/metrics` shows. This file is generated from the code by `python -m tests.documents`; do not edit it.

Counters live with the process: they begin at 0 and may count again what a restart reads again. Counts that hold each
record once are in the state. Label values are printable and at most {limit} characters long; one that had to be changed
ends in `~` and a hash of the original.

In addition there are the standard series of the process: `process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds`,
`process_max_fds` and `python_info`.
"""


def document() -> str:
    """The register as Markdown."""
    parts = [_INTRO.format(limit=LABEL_LIMIT)]
    for series in REGISTER:
        labels = ", ".join(f"`{name}`" for name in series.labels) or "none"
        after = " No value before the state is restored." if series.of_model else ""
        parts.append(
            f"## `{series.name}`\n\nType: {series.kind}. Labels: {labels}.{after}\n\n{series.meaning}\n\n"
            f"What to do: {series.advice}\n"
        )
    reasons = "\n".join(f"| `{reason}` | {text} |" for reason, text in REASONS.items())
    parts.append(f"## Reasons of rejected events\n\n| reason | meaning |\n|---|---|\n{reasons}\n")
    return "\n".join(parts)
