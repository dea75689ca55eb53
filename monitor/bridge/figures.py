"""The series of the bridge, and its page of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from monitor import __version__

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: upper bounds of the buckets of answer times, in seconds
BOUNDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: why a connection was closed by the bridge
SLOW, OVER_LIMIT = "slow", "over_limit"

Rows = Iterable[tuple[tuple[str, ...], float]]


class Figures:
    """Counts since the start. Only the thread of the connections changes them."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.records: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter({SLOW: 0, OVER_LIMIT: 0})
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.answer_seconds = 0.0
        self.connections = 0
        self.waiting_requests = 0
        self.waiting_bytes = 0
        self.is_up = False

    def answered(self, seconds: float) -> None:
        """Count how long a post waited for the brokers."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.answer_seconds += seconds


class Series(NamedTuple):
    """A series: its full name, type, label names, and what it says."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    rows: Callable[[Figures], Rows]


REGISTER: Final = (
    Series(
        "driftd_bridge_requests_total", "counter", ("path", "code"),
        "Requests by what their path is (root, events, labels, azure, topics, pages, none) and the status answered.",
        lambda of: of.requests.items(),
    ),
    Series(
        "driftd_bridge_records_total", "counter", ("topic",),
        "Records that the brokers acknowledged and that were answered with 202.",
        lambda of: (((topic,), count) for topic, count in of.records.items()),
    ),
    Series(
        "driftd_bridge_bytes_total", "counter", ("topic",),
        "Bytes of their values.",
        lambda of: (((topic,), count) for topic, count in of.bytes.items()),
    ),
    Series(
        "driftd_bridge_waiting_requests", "gauge", (),
        "Posts whose records the brokers have not acknowledged yet.",
        lambda of: [((), of.waiting_requests)],
    ),
    Series(
        "driftd_bridge_waiting_bytes", "gauge", (),
        "Bytes of those; at bridge.queue_bytes posts are answered with 429.",
        lambda of: [((), of.waiting_bytes)],
    ),
    Series(
        "driftd_bridge_connections", "gauge", (),
        "Open connections; at bridge.connections the oldest that waits for no answer is closed.",
        lambda of: [((), of.connections)],
    ),
    Series(
        "driftd_bridge_dropped_connections_total", "counter", ("reason",),
        "Connections closed by the bridge: slow (no whole request, or an answer not taken, in time) or over_limit.",
        lambda of: (((reason,), count) for reason, count in of.dropped.items()),
    ),
    Series(
        "driftd_bridge_up", "gauge", (),
        "1 while the brokers acknowledge; 0: /readyz and the log say why.",
        lambda of: [((), of.is_up)],
    ),
    Series(
        "driftd_bridge_build_info", "gauge", ("version",),
        "1; what runs here.",
        lambda _: [((__version__,), 1)],
    ),
)  # fmt: skip
ANSWER_SECONDS: Final = (
    "driftd_bridge_answer_seconds",
    "How long posts waited for the brokers' acknowledgement or failure (histogram).",
)


def page(figures: Figures) -> bytes:
    """The text of /metrics."""
    return "".join(_lines(figures)).encode()


def _lines(figures: Figures) -> Iterator[str]:
    for series in REGISTER:
        yield f"# HELP {series.name} {series.meaning}\n# TYPE {series.name} {series.kind}\n"
        for values, number in series.rows(figures):
            labels = ",".join(f'{name}="{text}"' for name, text in zip(series.labels, values, strict=True))
            yield f"{series.name}{f'{{{labels}}}' if labels else ''} {float(number)!r}\n"
    name, meaning = ANSWER_SECONDS
    yield f"# HELP {name} {meaning}\n# TYPE {name} histogram\n"
    total = 0
    for bound, count in zip((*BOUNDS, float("inf")), figures.buckets, strict=True):
        total += count
        le = "+Inf" if bound == float("inf") else repr(bound)
        yield f'{name}_bucket{{le="{le}"}} {float(total)!r}\n'
    yield f"{name}_sum {figures.answer_seconds!r}\n{name}_count {float(total)!r}\n"
