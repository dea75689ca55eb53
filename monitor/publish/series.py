"""Renders a snapshot in the Prometheus text format, and the register of series as Markdown."""

from __future__ import annotations

import hashlib
import threading
from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.utils import floatToGoString

from monitor.events import REASONS
from monitor.publish.register import REGISTER
from monitor.publish.series_limit import limited_series
from monitor.publish.snapshot import Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: the default of limits.series
SERIES_LIMIT: Final = 10_000
#: longest label value, in characters
LABEL_LIMIT: Final = 256


@lru_cache(maxsize=16_384)
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

    Not by prometheus_client, which takes ten times as long for thousands of series.
    """
    lines: list[str] = []
    for series, rows in limited_series(snapshot, limit):
        meaning = series.meaning.replace("\\", r"\\").replace("\n", r"\n")
        lines.append(f"# HELP {series.name} {meaning}")
        lines.append(f"# TYPE {series.name} {series.kind}")
        shown: set[str] = set()
        for values, number in rows:
            head = _head(series.name, series.labels, values)
            if head not in shown:  # a feature may be named `score`, too; a duplicate sample fails the scrape
                shown.add(head)
                lines.append(f"{head} {_number(number)}")
    return "\n".join([*lines, ""]).encode()


def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # prometheus_client leaves it without types
    return text


@lru_cache(maxsize=32_768)
def _head(name: str, labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    """The name and labels of a sample; cached, because they are the same in every scrape."""
    cleaned = sorted(zip(labels, map(clean_label, values), strict=True))
    pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in cleaned)
    return f"{name}{{{pairs}}}" if pairs else name


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


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
