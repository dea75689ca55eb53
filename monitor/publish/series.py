"""The one register of series: what there is, what it means, what to do about it, and how a board becomes text.

`python -m monitor.publish.series` writes the register as Markdown, which is docs/series.md.
"""

from __future__ import annotations

import hashlib
import platform
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric

import monitor
from monitor.clock import SECOND_US
from monitor.events import KINDS, OUTCOMES, REASONS, REJECTED, ModelKey, Partition
from monitor.findings import PAGE, SEVERITY_RANK, TICKET
from monitor.publish.board import Board

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: longest label value, in characters
LABEL_LIMIT: Final = 256

Row = tuple[tuple[str, ...], float]


class Series(NamedTuple):
    """One line of the register. `advice` says what to do when it rises or is not what it should be."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    advice: str
    rows: Callable[[Board], Iterable[Row]]
    of_model: bool = False


@lru_cache(maxsize=16_384)
def clean_label(text: str) -> str:
    """`text` as a label value can carry it: printable, whole characters, at most LABEL_LIMIT of them.

    A lone half of a surrogate pair cannot be encoded and would take the whole page down. What had to be changed ends
    in a hash of the original, so that two different texts never become the same series.
    """
    if len(text) <= LABEL_LIMIT and text.isprintable():
        return text
    mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    room = LABEL_LIMIT - len(mark) - 1
    printable = "".join(char if char.isprintable() else "\ufffd" for char in text[:room])
    return f"{printable}~{mark}"


def _by_partition(values: Mapping[Partition, float]) -> Iterator[Row]:
    return (((topic, str(number)), value) for (topic, number), value in values.items())


def _watermarks(board: Board) -> Iterator[Row]:
    return _by_partition({partition: us / SECOND_US for partition, us in board.watermarks.items()})


def _events(board: Board) -> Iterator[Row]:
    topics = {partition.topic for partition in board.records} | {topic for topic, _, _ in board.events}
    known = [(outcome, "") for outcome in OUTCOMES if outcome != REJECTED] + [(REJECTED, reason) for reason in REASONS]
    zeros = {(topic, outcome, reason): 0 for topic in sorted(topics) for outcome, reason in known}
    return iter((zeros | dict(board.events)).items())


def _model_events(board: Board) -> Iterator[Row]:
    zeros = {(model.key, kind): 0 for model in board.models for kind in KINDS}
    return (((*key, kind), count) for (key, kind), count in (zeros | dict(board.model_events)).items())


def _unjudged(board: Board) -> Iterator[Row]:
    zeros: dict[ModelKey, int] = {model.key: 0 for model in board.models}
    return iter((zeros | dict(board.unjudged)).items())


def _incidents(board: Board) -> Iterator[Row]:
    for incident in board.incidents:
        for severity in (PAGE, TICKET):
            yield (*incident.key, severity), float(incident.severity == severity)


def _since(board: Board) -> Iterator[Row]:
    for incident in board.incidents:
        if incident.severity and incident.since_us is not None:
            yield incident.key, incident.since_us / SECOND_US


def _findings(board: Board) -> Iterator[Row]:
    """A finding's figure is no label: of several figures the worst severity stands for all."""
    worst: dict[tuple[str, ...], str] = {}
    for view in board.findings:
        labels = (*view.key, view.finding.subject, view.finding.cause, view.finding.segment)
        if SEVERITY_RANK[view.severity] >= SEVERITY_RANK[worst.get(labels, view.severity)]:
            worst[labels] = view.severity
    return (((*labels, severity), 1) for labels, severity in worst.items())


def _checkpoint_time(board: Board) -> Iterator[Row]:
    if board.checkpoint_us is not None:
        yield (), board.checkpoint_us / SECOND_US


@cache
def _build() -> tuple[str, ...]:
    try:
        client = version("kafka-python")
    except PackageNotFoundError:
        client = "none"
    return monitor.__version__, platform.python_version(), client


REGISTER: Final = (
    Series(
        "driftd_records_total",
        "counter",
        ("topic", "partition"),
        "Records read.",
        "Follows the traffic. When it stands still while driftd_lag_records rises, see /readyz and the log.",
        lambda board: _by_partition(board.records),
    ),
    Series(
        "driftd_events_total",
        "counter",
        ("topic", "outcome", "reason"),
        "Events of those records, each in exactly one outcome: rejected (with a reason), unknown_model, ignored,"
        " over_limit, late, duplicate or accepted.",
        "Rejected: read the reason below and a dead letter, then mend the producer. Late: raise allowed_lateness or"
        " find the slow producer. Duplicate: a producer retries without idempotence.",
        _events,
    ),
    Series(
        "driftd_dead_letters_total",
        "counter",
        (),
        "Records handed to the rejects topic.",
        "Read the newest records of the rejects topic: their headers name the reason and the position.",
        lambda board: [((), board.dead_letters)],
    ),
    Series(
        "driftd_offset_gap_records_total",
        "counter",
        ("topic", "partition"),
        "Offsets that were gone before they were read (retention). They are in no figure.",
        "Lengthen the topic's retention, or find out why driftd was down or behind for longer than that.",
        lambda board: _by_partition(board.retention_gaps),
    ),
    Series(
        "driftd_lag_records",
        "gauge",
        ("topic", "partition"),
        "Offsets between what was read and the end of the partition.",
        "Steadily rising: more traffic than one process takes; give it a core of its own.",
        lambda board: _by_partition(board.lags),
    ),
    Series(
        "driftd_watermark_timestamp_seconds",
        "gauge",
        ("topic", "partition"),
        "Event time up to which the partition is complete.",
        "Standing still with traffic: the producer's clock stands, or one event lay far ahead.",
        _watermarks,
    ),
    Series(
        "driftd_open_panes",
        "gauge",
        (),
        "Panes that still take events.",
        "Rising without end: one partition's event time is far behind the others and holds them open.",
        lambda board: [((), board.open_panes)],
    ),
    Series(
        "driftd_checkpoint_timestamp_seconds",
        "gauge",
        (),
        "When the newest checkpoint was written; absent before the first.",
        "More than a minute old: the disk is full or read-only, or the loop is stuck; the log has the reason.",
        _checkpoint_time,
    ),
    Series(
        "driftd_checkpoint_size_bytes",
        "gauge",
        (),
        "Size of the newest checkpoint.",
        "Grows with models, features and open panes; rising at even traffic goes with driftd_open_panes.",
        lambda board: [((), board.checkpoint_bytes)],
    ),
    Series(
        "driftd_restored",
        "gauge",
        (),
        "1 once the state is restored; before that no model has any series.",
        "0 for more than a minute: the log says what the state waits for.",
        lambda board: [((), board.restored)],
    ),
    Series(
        "driftd_build_info",
        "gauge",
        ("version", "python_version", "kafka_python_version"),
        "1; what runs here.",
        "Several values at once: a rolling update is under way.",
        lambda _board: [(_build(), 1)],
    ),
    Series(
        "driftd_model_info",
        "gauge",
        ("model", "version", "team", "runbook_url", "reference"),
        "1; for joining an alert with its team, its runbook and the reference it is held against.",
        "A new reference hash: somebody changed the reference, and the model's windows began anew.",
        lambda board: [((*one.key, one.team, one.runbook, one.reference), 1) for one in board.models],
        of_model=True,
    ),
    Series(
        "driftd_model_events_total",
        "counter",
        ("model", "version", "type"),
        "Accepted events of a model version by type: prediction, features, label.",
        "Follows the model's traffic. Labels that stop: the labelling job has failed.",
        _model_events,
        of_model=True,
    ),
    Series(
        "driftd_unjudged_events_total",
        "counter",
        ("model", "version"),
        "Accepted events that came for panes already judged: in all totals, in no verdict.",
        "A partition was silent for longer than windows.idle_after and then delivered old events: raise idle_after.",
        _unjudged,
        of_model=True,
    ),
    Series(
        "driftd_incident_active",
        "gauge",
        ("model", "version", "severity"),
        "1 while an incident of this severity (page, ticket) is open; 0 when it is known that none is; absent while"
        " nothing is known.",
        "Open the runbook of driftd_model_info; driftd_finding_active names the columns.",
        _incidents,
        of_model=True,
    ),
    Series(
        "driftd_incident_since_timestamp_seconds",
        "gauge",
        ("model", "version"),
        "Since when the open incident's change shows, in event time; absent while none is open.",
        "Look for a deploy, a data change or a new client at that time.",
        _since,
        of_model=True,
    ),
    Series(
        "driftd_finding_active",
        "gauge",
        ("model", "version", "subject", "cause", "segment", "severity"),
        "1 for each finding that is over its threshold now.",
        "The subject is the column, the cause what happened to it.",
        _findings,
        of_model=True,
    ),
    Series(
        "driftd_expected_false_pages_total",
        "counter",
        ("model", "version"),
        "False pages the looks taken so far were allowed to cost: the promise.",
        "Rises evenly towards the budget; compare its increase with that of driftd_pages_total.",
        lambda board: [(one.key, one.expected_false_pages) for one in board.models],
        of_model=True,
    ),
    Series(
        "driftd_pages_total",
        "counter",
        ("model", "version"),
        "Incidents that were ever a page, each once: what came of the promise.",
        "Far above driftd_expected_false_pages_total without real faults: build the reference from more days.",
        lambda board: [(one.key, one.pages) for one in board.models],
        of_model=True,
    ),
)


class _BoardCollector:
    """The register's families of one board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        for series in REGISTER:
            if series.of_model and not self._board.restored:
                continue
            family = Metric(series.name.removesuffix("_total"), series.meaning, series.kind)
            for values, number in series.rows(self._board):
                labels = {name: clean_label(value) for name, value in zip(series.labels, values, strict=True)}
                family.add_sample(series.name, labels, number)
            yield family


def render(board: Board) -> bytes:
    """A board in the Prometheus text format 0.0.4, without the process's own series."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_BoardCollector(board))
    return generate_latest(registry)


class SeriesPage:
    """The whole `/metrics` page. A board is rendered once, however often it is asked for; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._text = b""
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)

    def text(self, board: Board) -> bytes:
        """The page of this board, with the process's own series as they are now."""
        with self._lock:
            if board is not self._board:
                self._text = render(board)
                self._board = board
            return self._text + generate_latest(self._process)


_INTRO = """\
# Series

What `/metrics` shows. This file is made from the register by `python -m monitor.publish.series`; do not edit it.

Counters live with the process: they begin at 0 and may count again what a restart reads again. Counts that hold each
record once are in the state. Label values are printable and at most {limit} characters long; one that had to be changed
ends in `~` and a hash of the original.

Beside these there are the process's own series with the usual names: `process_cpu_seconds_total`,
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


if __name__ == "__main__":
    sys.stdout.write(document())
