"""An independent recount of recorded events, by the simplest code possible: what a checkpoint has to hold.

It uses nothing of the engine: `json` parses the records, outcomes follow their definition, and `bisect` finds the bins
of `driftd reference show --json`.
"""

from __future__ import annotations

import base64
import json
import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import xxhash

from tests.oracles import PlainClock
from tests.real_parts.kafka_client import StoredRecord

QUALITY_COUNTS: Final = ("missing", "absent", "outside", "unseen", "type")
KINDS: Final = ("prediction", "features", "label")
LONGEST_NAME: Final = 256

Json = dict[str, Any]


class Bad(Exception):
    """An event that has to be rejected; the argument is the reason."""


@dataclass
class FeatureCount:
    """One feature over the accepted events that carried features."""

    bins: list[int]
    quality_counts: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> Json:
        """As in `driftd state show --json`."""
        return {
            "bins": self.bins,
            **{quality_count: self.quality_counts[quality_count] for quality_count in QUALITY_COUNTS},
        }


@dataclass
class ModelCount:
    """One model version."""

    features: dict[str, FeatureCount]
    predictions: int = 0
    features_events: int = 0
    labels: int = 0
    with_features: int = 0


@dataclass
class PartitionState:
    """The state on which the outcome of a partition's next event depends."""

    memory: deque[tuple[str, str, str]]
    held: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    clock: PlainClock = field(default_factory=lambda: PlainClock(1_000_000))
    end: int = 0


class Recount:
    """Counts the records of one topic, partition by partition in order of offset.

    `references` are the objects of `driftd reference show --json`, by model and version.
    """

    def __init__(
        self,
        references: Mapping[tuple[str, str], Json],
        *,
        lateness_us: int = 60_000_000,
        max_skew_us: int = 60_000_000,
        id_memory: int = 100_000,
    ) -> None:
        self._columns = {key: [c for c in one["columns"] if c["role"] == "feature"] for key, one in references.items()}
        self._lateness_us = lateness_us
        self._max_skew_us = max_skew_us
        self._id_memory = id_memory
        self._partition_states: dict[int, PartitionState] = {}
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        #: first reason of each record that belongs on the rejects topic, by (partition, offset)
        self.rejected: dict[tuple[int, int], str] = {}
        self.models = {
            key: ModelCount({column["name"]: FeatureCount([0] * _bins_of(column)) for column in columns})
            for key, columns in self._columns.items()
        }

    @property
    def ends(self) -> dict[int, int]:
        """The next offset to read, by partition."""
        return {number: partition_state.end for number, partition_state in self._partition_states.items()}

    @property
    def events(self) -> int:
        """The number of events in all records; each has one outcome."""
        return self.outcomes.total()

    def add_all(self, records: Iterable[StoredRecord]) -> Recount:
        for record in records:
            self.add(record)
        return self

    def add(self, record: StoredRecord) -> None:
        partition_state = self._partition_states.setdefault(record.partition, PartitionState(deque()))
        partition_state.end = record.offset + 1
        if record.value is None:
            self.outcomes["ignored"] += 1
            return
        try:
            events = _events_of(record.value)
        except Bad as bad:
            self._reject(record, bad)
            return
        for event in events:
            try:
                self.outcomes[self._outcome(partition_state, event, record.timestamp_ms * 1000)] += 1
            except Bad as bad:
                self._reject(record, bad)

    def _reject(self, record: StoredRecord, bad: Bad) -> None:
        self.outcomes["rejected"] += 1
        self.reasons[str(bad)] += 1
        self.rejected.setdefault((record.partition, record.offset), str(bad))

    def _outcome(self, partition_state: PartitionState, event: object, record_us: int) -> str:
        kind, key, identity, ts = self._envelope(event, record_us)
        assert isinstance(event, dict)
        if kind == "label" and not key[1]:
            key = self._label_key(key[0])
        if key not in self.models:
            return "unknown_model" if all(key[0] != model for model, _ in self.models) else "ignored"
        if kind != "label":
            before = partition_state.clock.ask(ts, self._lateness_us)
            if before is not None and ts < before - self._lateness_us:
                return "late"
            if kind == "prediction" and identity and self._is_repeated(partition_state, (*key, identity)):
                return "duplicate"
        self._accept(kind, key, event)
        return "accepted"

    def _label_key(self, model: str) -> tuple[str, str]:
        """The model version of a label without a version: that of the model if it has only one."""
        own = [key for key in self.models if key[0] == model]
        return own[0] if len(own) == 1 else (model, "")

    def _is_repeated(self, partition_state: PartitionState, identity: tuple[str, str, str]) -> bool:
        repeated = partition_state.held[identity] > 0
        partition_state.memory.append(identity)
        partition_state.held[identity] += 1
        if len(partition_state.memory) > self._id_memory:
            partition_state.held[partition_state.memory.popleft()] -= 1
        return repeated

    # validation

    def _envelope(self, event: object, record_us: int) -> tuple[str, tuple[str, str], str, int]:
        """Kind, model and version, id and time in microseconds."""
        if not isinstance(event, dict):
            raise Bad("no_event")
        # null is absence, but takes a label back in a label event
        event = {name: value for name, value in event.items() if value is not None or name == "label"}
        kind = _kind_of(event)
        model = _name(event.get("model"), "model")
        if not model:
            raise Bad("model")
        version = _name(_decimal(event.get("version", "")), "version")
        identity = _name(_decimal(event["id"]), "id") if "id" in event else ""
        if kind == "label" and not identity:
            raise Bad("id")
        ts = _time_of(event["ts"]) if "ts" in event else record_us
        if ts > record_us + self._max_skew_us:
            raise Bad("future")
        _check_fields(kind, event)
        return kind, (model, version), identity, ts

    # counting

    def _accept(self, kind: str, key: tuple[str, str], event: Json) -> None:
        model = self.models[key]
        if kind == "label":
            model.labels += 1
            return
        if kind == "prediction":
            model.predictions += 1
            model.labels += event.get("label") is not None and event.get("prediction") is not None
        else:
            model.features_events += 1
        if "features" not in event:
            return
        model.with_features += 1
        for column in self._columns[key]:
            count = model.features[column["name"]]
            place = _place(column, event["features"])
            if isinstance(place, int):
                count.bins[place] += 1
            else:
                count.quality_counts[place] += 1


def _events_of(value: bytes) -> list[object]:
    if not value:
        raise Bad("empty")
    try:
        content = json.loads(value.decode())
    except UnicodeDecodeError:
        raise Bad("encoding") from None
    except ValueError:
        raise Bad("json") from None
    return content if isinstance(content, list) and content else [content]


def _kind_of(event: Json) -> str:
    if "type" in event:
        if event["type"] not in KINDS:
            raise Bad("type")
        return str(event["type"])
    if "prediction" in event or "score" in event:
        return "prediction"
    return "label" if "label" in event and "features" not in event else "features"


def _decimal(value: object) -> object:
    """An integer as its decimal text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _name(value: object, reason: str) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        raise Bad(reason)
    return value


def _time_of(value: object) -> int:
    """Microseconds of seconds, milliseconds, microseconds or nanoseconds (by magnitude), or of an RFC 3339 time."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise Bad("ts") from None
        if moment.tzinfo is None:
            raise Bad("no_offset")
        return round(moment.timestamp() * 1_000_000)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Bad("ts")
    for limit, factor in ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1)):
        if abs(value) < limit:
            return round(value * factor)
    return int(value) // 1_000


def _check_fields(kind: str, event: Json) -> None:
    if kind == "label":
        if "label" not in event or isinstance(event["label"], list | dict):
            raise Bad("label")
        return
    if not isinstance(event.get("features", {} if kind == "prediction" else None), dict):
        raise Bad("features")
    if isinstance(event.get("prediction"), list | dict):
        raise Bad("prediction")
    score = event.get("score")
    if score is not None and (type(score) not in {int, float} or not 0 <= score <= 1):
        raise Bad("score")


def _bins_of(column: Json) -> int:
    if column["kind"] == "numeric":
        return len(column["edges"]) + 1
    return len(column["categories"]) + bool(column.get("buckets"))


def _place(column: Json, features: Json) -> int | str:
    """The bin of a value, or the name of its quality count."""
    if column["name"] not in features:
        return "absent"
    value = features[column["name"]]
    if value is None:
        return "missing"
    if column["kind"] == "numeric":
        if not isinstance(value, int | float) or math.isinf(value):
            return "type"
        if math.isnan(value):
            return "missing"
        inside = column["low"] <= value <= column["high"]
        return bisect_left(column["edges"], value) if inside else "outside"
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        return "type"
    text = _text(value)
    if text in column["categories"]:
        return int(column["categories"].index(text))
    return len(column["categories"]) if _is_known(column, text) else "unseen"


def _is_known(column: Json, text: str) -> bool:
    """Whether the reference has the category, by its hash: eight bytes each, lowest byte first."""
    known = base64.b64decode(column.get("known", ""))
    wanted = xxhash.xxh3_64_intdigest(text.encode()).to_bytes(8, "little")
    return any(known[at : at + 8] == wanted for at in range(0, len(known), 8))


def _text(value: str | float) -> str:
    """`true` = `1` = `1.0` = `"1"`."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)
