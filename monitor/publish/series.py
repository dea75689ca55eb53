"""Renders a snapshot in the Prometheus text format, and the register of series as Markdown."""

from __future__ import annotations

import threading
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest

from monitor.events import REASONS
from monitor.publish.family import LABEL_LIMIT, Family
from monitor.publish.packed import Page
from monitor.publish.register import REGISTER
from monitor.publish.series_limit import limited_series
from monitor.publish.snapshot import Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: the default of limits.series
SERIES_LIMIT: Final = 10_000


def render(snapshot: Snapshot, limit: int = SERIES_LIMIT, kept: dict[str, Family] | None = None) -> bytes:
    """A snapshot in the Prometheus text format 0.0.4: at most about `limit` series, without the process's own.

    `kept` are the families of before by name: only what changed since is written again, and the same bytes come out.
    """
    families = {} if kept is None else kept
    texts = []
    for series, rows in limited_series(snapshot, limit):
        if series.name not in families:
            families[series.name] = Family(series)
        texts.append(families[series.name].text(rows))
    return b"".join(texts)


class SeriesPage:
    """The whole `/metrics` page. Each snapshot is rendered only once; thread-safe."""

    def __init__(self, limit: int = SERIES_LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._families: dict[str, Family] = {}
        self._page = Page(b"")
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)

    def text(self, snapshot: Snapshot) -> bytes:
        """The page of this snapshot, with the current series of the process itself."""
        return self.body(snapshot, gzip=False)

    def body(self, snapshot: Snapshot, *, gzip: bool) -> bytes:
        """The same, compressed or not."""
        with self._lock:
            if snapshot is not self._snapshot:
                text = render(snapshot, self._limit, self._families)
                self._page, self._snapshot = Page(text), snapshot
            own = generate_latest(self._process)
            return self._page.packed(own) if gzip else self._page.plain(own)


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
