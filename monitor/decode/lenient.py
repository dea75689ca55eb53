"""The definition of the native format: one record at a time, in plain code. `strict` must never disagree with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from monitor.decode.columns import Limits
from monitor.decode.rows import AnyRow, Row, RowDecoder
from monitor.decode.values import (
    NAME_LENGTH,
    NO_TIME,
    bad_name,
    fits_float,
    is_class,
    is_future,
    is_number,
    time_of,
    whole_characters,
)
from monitor.errors import RejectedRecord
from monitor.events import KINDS, REASONS, ModelKey

#: levels of JSON that are followed: fixed, so that the same record has the same outcome at any depth of the stack
MAX_DEPTH: Final = 500

#: digits that an integer may have before it is infinite as a float anyway
_INTEGER_DIGITS: Final = 400

#: what only Python's parser takes: floats that are not finite, halves of surrogate pairs
_ONLY_PYTHON_READS: Final = (b"NaN", b"Infinity", b"\\u")

_STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


@dataclass(slots=True)
class Reading:
    """What a record holds: its good events, and how many bad ones. `error` is the first one's.

    `indices` are the positions of the bad events where the record is an array whose elements were looked at.
    """

    rows: list[AnyRow]
    bad: int = 0
    error: RejectedRecord | None = None
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads events of JSON objects.

    `decoder_of(key, names)` gives the decoder that knows the wanted features of a model version; `names` are those
    of the event at hand. `model` and `version` win over the payload, whose own fields are not looked at then.
    """

    limits: Limits
    max_skew_us: int
    decoder_of: Callable[[ModelKey, tuple[str, ...]], RowDecoder]
    model: str | None = None
    version: str | None = None
    parse: Callable[[bytes, Limits], object] = field(default_factory=lambda: parse_quickly)

    def record(self, value: bytes, record_us: int, now_us: int) -> Reading:
        """All events of one record. `record_us` is its time in microseconds or NO_TIME."""
        try:
            content = self.parse(value, self.limits)
        except RejectedRecord as error:
            return Reading([], 1, error)
        if type(content) is list and content:
            return self._array(content, record_us, now_us)
        try:
            return Reading([self.row(content, record_us, now_us)])
        except RejectedRecord as error:
            return Reading([], 1, error)

    def _array(self, events: list[object], record_us: int, now_us: int) -> Reading:
        if len(events) > self.limits.events_per_record:
            return Reading([], len(events), rejected("too_many_events"))
        rows: list[AnyRow] = []
        errors: dict[int, RejectedRecord] = {}
        for index, event in enumerate(events):
            try:
                rows.append(self.row(event, record_us, now_us))
            except RejectedRecord as error:
                errors[index] = error
        return Reading(rows, len(errors), next(iter(errors.values()), None), tuple(errors))

    def row(self, event: object, record_us: int, now_us: int) -> AnyRow:
        """One event, checked.

        Raises:
            RejectedRecord: the event cannot be taken.
        """
        if type(event) is not dict:
            raise rejected("no_event")
        kind = _kind(event)
        key = self._key(event)
        identity = _name(event, "id") if "id" in event else None
        if kind == "label" and identity is None:
            raise rejected("id")
        self._check_time(event, record_us, now_us)
        row: AnyRow = Row(type=kind, model=key.model, version=key.version)  # type: ignore[arg-type]  # one of KINDS
        if identity is not None:
            row.id = identity
        if "ts" in event:
            row.ts = event["ts"]
        if kind == "label":
            _read_label(event, row)
            return row
        self._read_features(event, row, kind, key)
        _check_tags(event)
        if kind == "prediction":
            _read_prediction(event, row)
        return row

    def _key(self, event: dict[str, Any]) -> ModelKey:
        model = self.model if self.model is not None else _name(event, "model")
        if not model:
            raise rejected("model")
        if self.version is not None:
            return ModelKey(model, self.version)
        return ModelKey(model, _name(event, "version") if "version" in event else "")

    def _check_time(self, event: dict[str, Any], record_us: int, now_us: int) -> None:
        if "ts" in event:
            try:
                ts = time_of(event["ts"])
            except (ValueError, OverflowError):
                raise rejected("ts") from None
        elif record_us == NO_TIME:
            raise rejected("no_time")
        else:
            ts = record_us
        if is_future(ts, record_us, now_us, self.max_skew_us):
            raise rejected("future")

    def _read_features(self, event: dict[str, Any], row: AnyRow, kind: str, key: ModelKey) -> None:
        if "features" not in event:
            if kind == "features":
                raise rejected("features")
            return
        features = event["features"]
        if type(features) is not dict:
            raise rejected("features")
        if len(features) > self.limits.features:
            raise rejected("too_many_features")
        if any(map(bad_name, features)):
            raise rejected("names")
        row.features = self.decoder_of(key, tuple(features)).features(features)


def parse(value: bytes, limits: Limits) -> object:
    """The JSON value of a record, by Python's own parser.

    `NaN` and infinities become floats that are not finite, and so does an integer too large for a float.

    Raises:
        RejectedRecord: it is empty, too large, no UTF-8, nested too deeply, or no JSON.
    """
    text = _text(value, limits)
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise rejected("nesting") from None
    except ValueError:
        raise rejected("json") from None


def parse_quickly(value: bytes, limits: Limits) -> object:
    """The same as `parse`, by a faster parser; where it knows less, Python's own is asked again."""
    _text(value, limits)
    try:
        return msgspec.json.decode(value)
    except (msgspec.ValidationError, RecursionError):  # a number beyond its range, or too little stack
        return parse(value, limits)
    except msgspec.DecodeError:
        if any(mark in value for mark in _ONLY_PYTHON_READS):
            return parse(value, limits)
        raise rejected("json") from None


def rejected(reason: str) -> RejectedRecord:
    """The error for one of the reason words."""
    return RejectedRecord(reason, REASONS[reason])


def _text(value: bytes, limits: Limits) -> str:
    if not value:
        raise rejected("empty")
    if len(value) > limits.record_bytes:
        raise rejected("too_large")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise rejected("encoding") from None
    if len(text) > MAX_DEPTH and text.count("[") + text.count("{") > MAX_DEPTH and _too_deep(text):
        raise rejected("nesting")
    return text


def _too_deep(text: str) -> bool:
    depth = 0
    for match in _STRUCTURE.finditer(text):
        mark = text[match.start()]
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif mark in "]}":
            depth -= 1
    return False


def _integer(digits: str) -> float:
    if len(digits) > _INTEGER_DIGITS:
        return float(digits)
    value = int(digits)
    return value if fits_float(value) else float(digits)


def _kind(event: dict[str, Any]) -> str:
    if "type" in event:
        kind = event["type"]
        if type(kind) is not str or kind not in KINDS:
            raise rejected("type")
        return kind
    if "prediction" in event or "score" in event:
        return "prediction"
    return "label" if "label" in event and "features" not in event else "features"


def _name(event: dict[str, Any], reason: str) -> str:
    name = event.get(reason)
    if type(name) is not str or len(name) > NAME_LENGTH:
        raise rejected(reason)
    if bad_name(name):
        raise rejected("names")
    return name


def _check_tags(event: dict[str, Any]) -> None:
    if "tags" not in event:
        return
    tags = event["tags"]
    if type(tags) is not dict or not all(type(text) is str and whole_characters(text) for text in tags.values()):
        raise rejected("tags")
    if any(map(bad_name, tags)):
        raise rejected("names")


def _read_prediction(event: dict[str, Any], row: AnyRow) -> None:
    for name in ("prediction", "label"):
        answer = event.get(name)
        if answer is not None and not is_class(answer):
            raise rejected(name)
    row.prediction, row.label = event.get("prediction"), event.get("label")
    score = event.get("score")
    if score is not None and not _is_share(score):
        raise rejected("score")
    row.score = score
    if "scores" in event:
        scores = event["scores"]
        if type(scores) is not dict or not all(map(_is_share, scores.values())):
            raise rejected("score")
        row.scores = scores


def _read_label(event: dict[str, Any], row: AnyRow) -> None:
    if "label" not in event or not (event["label"] is None or is_class(event["label"])):
        raise rejected("label")
    value = event.get("value")
    if value is not None and not is_number(value):
        raise rejected("value")
    row.label, row.value = event["label"], value


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and is_number(value) and 0 <= value <= 1
