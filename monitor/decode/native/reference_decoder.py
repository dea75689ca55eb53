"""The definition of the native format, in plain code, one record at a time.

`fast_decoder` must give the same result for every record that it accepts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from monitor.clock import HOUR_US
from monitor.decode.columns import Limits, Rejected, Rules
from monitor.decode.native.rows import AnyRow, FeatureCells, Row, has_result
from monitor.decode.native.wrapping import UTF8_MARK, envelope, no_event, not_json, not_utf8
from monitor.decode.native.wrong import (
    future,
    no_label,
    rejected,
    wrong_class,
    wrong_features,
    wrong_name,
    wrong_outcome,
    wrong_outcomes,
    wrong_probability,
    wrong_scores,
    wrong_tags,
    wrong_time,
    wrong_type,
    wrong_value,
)
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
from monitor.events import KINDS, ModelKey

#: most levels of JSON: a fixed number, so that the outcome of a record does not depend on the stack left to a parser
MAX_DEPTH: Final = 500

#: an integer of more digits is infinite as a float, and need not be converted exactly
_INTEGER_DIGITS: Final = 400

#: what Python's parser accepts and msgspec's does not: floats that are not finite, lone surrogates
_ONLY_PYTHON_READS: Final = (b"NaN", b"Infinity", b"\\u")

_STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class Fault(NamedTuple):
    """The content of a `RejectedRecord`. The exception itself is not kept: its traceback would keep frames alive."""

    reason: str
    message: str
    shown: str

    @classmethod
    def of(cls, error: RejectedRecord) -> Fault:
        return cls(error.reason, error.message, error.shown)


@dataclass(slots=True)
class DecodedRecord:
    """The content of a record: the rows of its valid events, and the number of bad ones. `fault` is that of the first.

    `indices` are the positions of the bad events, if the record is an array whose elements were read. `left_aside`: the
    record is of a kind that its format does not read.
    """

    rows: list[AnyRow]
    bad: int = 0
    fault: Fault | None = None
    indices: tuple[int, ...] = ()
    left_aside: bool = False

    def rejected(self, index: int, offset: int) -> Rejected | None:
        """What is wrong with the record, the `index`-th of its batch; None if every event is valid."""
        if self.fault is None:
            return None
        return Rejected(index, offset, self.fault.reason, self.fault.message, self.indices, self.bad, self.fault.shown)


@dataclass(frozen=True, slots=True)
class ReferenceDecoder:
    """Reads records to rows. `null` in a field is the same as its absence.

    `cells_of(key, names)` returns what converts the features of a model version to cells; `names` are the features of
    the current event.
    """

    rules: Rules
    cells_of: Callable[[ModelKey, tuple[str, ...]], FeatureCells]
    parse: Callable[[bytes, Limits], object] = field(default_factory=lambda: parse_fast)

    def record(self, value: bytes, record_us: int, now_us: int) -> DecodedRecord:
        """All events of one record. `record_us` is its timestamp in microseconds, or NO_TIME."""
        try:
            content = self.parse(value, self.rules.limits)
        except RejectedRecord as error:
            return DecodedRecord([], 1, Fault.of(error))
        return self.content(content, record_us, now_us)

    def content(self, content: object, record_us: int, now_us: int) -> DecodedRecord:
        """All events of an event, or of a list of events and faults; the other arguments are those of `record`."""
        if type(content) is list and content:
            return self._array(content, record_us, now_us)
        row = self._row_or_fault(content, record_us, now_us)
        if isinstance(row, Fault):
            return DecodedRecord([], 1, row)
        return DecodedRecord([row])

    def _array(self, events: list[object], record_us: int, now_us: int) -> DecodedRecord:
        if len(events) > self.rules.limits.events_per_record:
            message = (
                f"the array holds more events than limits.events_per_record ({self.rules.limits.events_per_record:,})"
            )
            return DecodedRecord([], len(events), Fault("too_many_events", message, f"{len(events):,} events"))
        rows: list[AnyRow] = []
        faults: dict[int, Fault] = {}
        for index, event in enumerate(events):
            row = self._row_or_fault(event, record_us, now_us)
            if isinstance(row, Fault):
                faults[index] = row
            else:
                rows.append(row)
        return DecodedRecord(rows, len(faults), next(iter(faults.values()), None), tuple(faults))

    def _row_or_fault(self, event: object, record_us: int, now_us: int) -> AnyRow | Fault:
        if isinstance(event, RejectedRecord):
            return Fault.of(event)
        try:
            return self.row(event, record_us, now_us)
        except RejectedRecord as error:
            outer = envelope(event) if isinstance(event, dict) else None
            return Fault.of(outer or error)

    def row(self, event: object, record_us: int, now_us: int) -> AnyRow:
        """The row of one event.

        Raises:
            RejectedRecord: the event is not valid.
        """
        if type(event) is not dict:
            raise no_event(event)
        kind = _kind(event)
        key = self._key(event)
        identity = _name(event, "id") if event.get("id") is not None else None
        if kind == "label" and identity is None:
            raise wrong_name("id", None)
        self.time_us(event, record_us, now_us)
        row: AnyRow = Row(type=kind, model=key.model, version=key.version)  # type: ignore[arg-type]  # one of KINDS
        if identity is not None:
            row.id = identity
        if event.get("ts") is not None:
            row.ts = event["ts"]
        if kind == "label":
            _read_label(event, row, self.rules.limits.features)
            return row
        features = self._features(event, kind)
        _read_tags(event, row)
        if kind == "prediction":
            _read_prediction(event, row)
        if features is not None:  # last, because it takes the most time
            row.features = self.cells_of(key, tuple(features)).features(features)
        return row

    def _key(self, event: dict[str, Any]) -> ModelKey:
        model = self.rules.model
        if model is None:
            if type(event.get("model")) is not str or not event["model"]:
                raise wrong_name("model", event.get("model"))
            model = _name(event, "model")
        if self.rules.version is not None:
            return ModelKey(model, self.rules.version)
        return ModelKey(model, _name(event, "version") if event.get("version") is not None else "")

    def time_us(self, event: dict[str, Any], record_us: int, now_us: int) -> int:
        """The time of an event in microseconds.

        Raises:
            RejectedRecord: it is not valid, or too far ahead.
        """
        value = event.get("ts")
        if value is not None:
            try:
                ts = time_of(value, self.rules.zone)
            except (ValueError, OverflowError):
                raise wrong_time(value) from None
        elif record_us == NO_TIME:
            raise rejected("no_time", "`ts` is missing or null, and the record has no time of its own; write `ts`")
        else:
            ts = record_us
        if is_future(ts, record_us, now_us, self.rules.max_skew_us):
            raise future(record_us > now_us + HOUR_US)
        return ts

    def _features(self, event: dict[str, Any], kind: str) -> dict[str, Any] | None:
        features = event.get("features")
        if features is None and kind != "features":
            return None
        if type(features) is not dict:
            raise wrong_features(features)
        if len(features) > self.rules.limits.features:
            message = f"the event has more features than limits.features ({self.rules.limits.features:,})"
            raise RejectedRecord("too_many_features", message, f"{len(features):,} features")
        if bad_name("".join(features)):
            raise rejected("names", "the name of a feature holds a control character or half of a surrogate pair")
        return features


def parse(value: bytes, limits: Limits) -> object:
    """The JSON value of a record, by Python's own parser.

    `NaN` and infinities become floats that are not finite, and so does an integer too large for a float.

    Raises:
        RejectedRecord: it is empty, too large, not UTF-8, nested too deeply, or not JSON.
    """
    try:
        return json.loads(_text(value, limits).removeprefix("\ufeff"), parse_int=_integer)
    except RecursionError:
        raise rejected("nesting") from None
    except ValueError:
        raise not_json(value) from None


def parse_fast(value: bytes, limits: Limits) -> object:
    """The same as `parse`, by msgspec; falls back to Python's parser for what msgspec does not accept."""
    _text(value, limits)
    try:
        return msgspec.json.decode(value.removeprefix(UTF8_MARK))
    except (msgspec.ValidationError, RecursionError):  # a number beyond its range, or too little stack left
        return parse(value, limits)
    except msgspec.DecodeError:
        if any(mark in value for mark in _ONLY_PYTHON_READS):
            return parse(value, limits)
        raise not_json(value) from None


def _text(value: bytes, limits: Limits) -> str:
    if not value.removeprefix(UTF8_MARK):
        raise rejected("empty")
    if len(value) > limits.record_bytes:
        message = f"the value is larger than limits.record_bytes ({limits.record_bytes:,})"
        raise RejectedRecord("too_large", message, f"{len(value):,} bytes")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise not_utf8(value) from None
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
    kind = event.get("type")
    if kind is not None:
        if type(kind) is not str or kind not in KINDS:
            raise wrong_type(kind)
        return kind
    if event.get("prediction") is not None or event.get("score") is not None:
        return "prediction"
    is_label = "label" in event or event.get("outcomes") is not None
    return "label" if is_label and event.get("features") is None else "features"


def _name(event: dict[str, Any], field: str) -> str:
    """A model, version or id; an integer becomes its decimal text."""
    name = event.get(field)
    text = str(name) if type(name) is int else name
    if type(text) is not str or len(text) > NAME_LENGTH:
        raise wrong_name(field, name)
    if bad_name(text):
        raise rejected("names", f"`{field}` holds a control character or half of a surrogate pair")
    return text


def _read_tags(event: dict[str, Any], row: AnyRow) -> None:
    tags = event.get("tags")
    if tags is None:
        return
    if type(tags) is not dict or not all(
        text is None or (type(text) is str and whole_characters(text)) for text in tags.values()
    ):
        raise wrong_tags(tags)
    if any(map(bad_name, tags)):
        raise rejected("names", "the name of a tag holds a control character or half of a surrogate pair")
    row.tags = tags


def _read_prediction(event: dict[str, Any], row: AnyRow) -> None:
    for name in ("prediction", "label"):
        answer = event.get(name)
        if answer is not None and not is_class(answer):
            raise wrong_class(name, answer)
    row.prediction, row.label = event.get("prediction"), event.get("label")
    score = event.get("score")
    if score is not None and not _is_probability(score):
        raise wrong_probability(score)
    row.score = score
    scores = event.get("scores")
    if scores is not None:
        if type(scores) is not dict:
            raise wrong_scores(scores)
        for probability in scores.values():
            if probability is not None and not _is_probability(probability):
                raise wrong_probability(probability, "scores")
        row.scores = scores


def _read_label(event: dict[str, Any], row: AnyRow, most: int) -> None:
    """Read a label event's results; `most` outcomes may be in it."""
    outcomes, value = event.get("outcomes"), event.get("value")
    if outcomes is not None:
        row.outcomes = _outcomes(outcomes, most)
    if "label" in event:
        label = event["label"]
        if label is not None and not is_class(label):
            raise wrong_class("label", label)
        row.label = label
    if not has_result(row):
        raise no_label(event)
    if value is not None and not is_number(value):
        raise wrong_value(value)
    row.value = value


def _outcomes(outcomes: object, most: int) -> dict[str, Any]:
    if type(outcomes) is not dict or len(outcomes) > most:
        raise wrong_outcomes(outcomes, most)
    if any(map(bad_name, outcomes)):
        raise rejected("names", "the name of an outcome holds a control character or half of a surrogate pair")
    for name, value in outcomes.items():
        if not 0 < len(name) <= NAME_LENGTH:
            raise rejected("outcomes", f"the name of an outcome is empty or longer than {NAME_LENGTH} characters")
        if value is not None and not is_class(value):
            raise wrong_outcome(value)
    return outcomes


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and is_number(value) and 0 <= value <= 1
