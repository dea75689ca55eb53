"""A credit stream with every kind of fault, as records for a topic of three partitions.

Rows are those of the UCI credit default data if that is there, else random ones of the same shape. Most records are
valid predictions; the others are late, repeated, malformed, of another model, or have an odd feature value.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.real_parts.install import ROOT

PARTITIONS: Final = 3
CATEGORICAL: Final = ("SEX", "EDUCATION", "MARRIAGE")
#: a new prediction comes every tenth of a second
START_MS: Final = 1_764_000_000_000
STEP_MS: Final = 100
MINUTE_MS: Final = 60_000

Row = dict[str, int]
Event = dict[str, Any]

MALFORMED: Final = (
    b"",
    b"{",
    b"not json",
    b"\xff\xfe",
    b"7",
    b"[]",
    b'{"type": "prediction", "id": "a"}',
    b'{"type": "prophecy", "model": "credit"}',
    b'{"type": "label", "id": "a", "model": "credit"}',
    b'{"type": "prediction", "id": 7, "model": "credit", "prediction": 1}',
    b'{"type": "prediction", "id": "a", "model": "credit", "version": "1", "ts": "yesterday", "prediction": 1}',
    b'{"type": "prediction", "id": "a", "model": "credit", "version": "1", "prediction": 1, "score": 1.5}',
    b'{"type": "features", "model": "credit", "version": "1", "features": [1, 2]}',
)


class Record(NamedTuple):
    """A record to produce."""

    partition: int
    value: bytes | None
    timestamp_ms: int


def credit_rows() -> tuple[list[Row], bool]:
    """Rows in a fixed shuffled order, each with its label as `default`; and whether they are the real ones."""
    folder = Path(os.environ.get("TEST_DRIFTD_DATA") or ROOT.parent / "shared" / "data")
    file = folder / "credit_default.csv.gz"
    rng = random.Random(20)
    if not file.is_file():
        return [_random_row(rng) for _ in range(10_000)], False
    with gzip.open(file, "rt", newline="") as lines:
        rows = [{name: int(float(value)) for name, value in row.items()} for row in csv.DictReader(lines)]
    for row in rows:
        row["default"] = row.pop("default.payment.next.month")
        del row["ID"]
    rng.shuffle(rows)
    return rows, True


def _random_row(rng: random.Random) -> Row:
    row = {
        "LIMIT_BAL": 10_000 * rng.randint(1, 50),
        "SEX": rng.choice((1, 2, 2)),
        "EDUCATION": rng.choice((1, 1, 2, 2, 2, 3, 4)),
        "MARRIAGE": rng.choice((1, 1, 2, 2, 2, 3)),
        "AGE": 21 + round(rng.gammavariate(3, 4.8)),
    }
    for month in ("0", "2", "3", "4", "5", "6"):
        row[f"PAY_{month}"] = rng.choice((-2, -1, -1, 0, 0, 0, 0, 1, 2))
    for month in "123456":
        row[f"BILL_AMT{month}"] = round(rng.lognormvariate(10, 1.2))
        row[f"PAY_AMT{month}"] = round(rng.lognormvariate(7, 1.5))
    row["default"] = int(rng.random() < 0.22)
    return row


def predictions(rows: Sequence[Row], events: int, *, seed: int = 0, drift: bool = True) -> Iterator[Event]:
    """Predictions in order of time.

    With `drift`, BILL_AMT1 is missing for a while in the middle, AGE shifts at two thirds, and from five sixths on
    LIMIT_BAL is often absent and MARRIAGE has a new category.
    """
    rng = random.Random(seed)
    for number in range(events):
        row = rows[number % len(rows)]
        features: dict[str, object] = {name: value for name, value in row.items() if name != "default"}
        if drift and number >= events * 2 // 3:
            features["AGE"] = row["AGE"] + 8
        if drift and events // 3 <= number < events // 2 and rng.random() < 0.2:
            features["BILL_AMT1"] = None
        if drift and number >= events * 5 // 6 and rng.random() < 0.1:
            features.pop("LIMIT_BAL")
            features["MARRIAGE"] = "registered"
        _make_odd(features, rng)
        score = round(1 / (1 + math.exp(1.3 - 0.7 * row["PAY_0"] - 0.2 * row["PAY_2"])), 4)
        event: Event = {
            "type": "prediction",
            "id": f"{seed}-{number}",
            "model": "credit",
            "version": "1",
            "ts": START_MS + STEP_MS * number - rng.choice((0, 0, 0, 0, 1, 500, 20_000)),
            "features": features,
            "score": score,
            "prediction": int(score > 0.5),
        }
        if rng.random() < 0.05:
            event["label"] = row["default"]
        yield event


def _make_odd(features: dict[str, object], rng: random.Random) -> None:
    """In 5 % of the events make one value missing, absent, unseen, outside, of the wrong type, or a text."""
    if rng.random() >= 0.05:
        return
    name = rng.choice(list(features))
    value = features[name]
    odd = (None, "text", True, [1], 1e15, -7, str(value), float(value) if isinstance(value, int) else value, math.inf)
    if rng.random() < 0.3:
        del features[name]
    else:
        features[name] = rng.choice(odd)


def faulty_records(rows: Sequence[Row], events: int, *, seed: int) -> list[Record]:
    """About `events` records in the order to produce them, with the drift of `predictions`."""
    rng = random.Random(seed + 1)
    records: list[Record] = []
    sent: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for number, event in enumerate(predictions(rows, events, seed=seed)):
        at_ms = START_MS + STEP_MS * number
        partition = rng.randrange(PARTITIONS)
        values = list(_with_fault(event, at_ms, sent[partition], rng))
        sent[partition] = [*sent[partition][-500:], *(value for value in values if value)]
        records.extend(Record(partition, value, at_ms) for value in values)
    return records


def _with_fault(event: Event, at_ms: int, before: Sequence[bytes], rng: random.Random) -> Iterator[bytes | None]:
    """The values of the records of one event, with or without a random fault; `before` are values to repeat."""
    fault = rng.choices(("none", *_FAULTS), (88, *([1] * len(_FAULTS))))[0]
    if fault == "malformed":
        yield rng.choice(MALFORMED)
    elif fault == "tombstone":
        yield None
    elif fault == "repeated" and before:
        yield rng.choice(before)
    elif fault == "together":
        others = [event | {"id": event["id"] + "+"}, rng.choice((7, {"model": ""}, event | {"score": "high"}))]
        yield _bytes([event, *others])
    elif fault == "label":
        yield _bytes({"type": "label", "id": event["id"], "model": "credit", "ts": at_ms, "label": 1})
    else:
        yield _bytes(_changed(event, fault, at_ms))
    if fault in {"malformed", "tombstone", "repeated", "label"}:
        yield _bytes(event)


_FAULTS: Final = (
    "malformed", "tombstone", "repeated", "together", "label", "late", "future", "foreign", "version", "untimed",
    "features", "bare",
)  # fmt: skip


def _changed(event: Event, fault: str, at_ms: int) -> Event:
    if fault == "late":
        return event | {"ts": at_ms - 5 * MINUTE_MS}
    if fault == "future":
        return event | {"ts": at_ms + 5 * MINUTE_MS}
    if fault == "foreign":
        return event | {"model": "churn"}
    if fault == "version":
        return event | {"version": "9"}
    if fault == "features":
        return {name: event[name] for name in ("model", "version", "ts", "features")}
    left_out = {"untimed": "ts", "bare": "features"}.get(fault)
    return {name: value for name, value in event.items() if name != left_out}


def _bytes(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
