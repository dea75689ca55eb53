"""Kinds of events, their outcomes and reasons, and the keys of model versions and partitions."""

from __future__ import annotations

from typing import Final, NamedTuple


class ModelKey(NamedTuple):
    """A model version: it has a reference, windows, a share of the page budget and at most one open incident."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


class Partition(NamedTuple):
    """A topic-partition, or a file that is read as one."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.number}"


#: kinds of events: their codes in columns, which index KINDS
PREDICTION: Final = 0
FEATURES: Final = 1
LABEL: Final = 2
KINDS: Final = ("prediction", "features", "label")

#: outcomes of an event, in the order in which they are decided; each event has exactly one
REJECTED: Final = "rejected"
UNKNOWN_MODEL: Final = "unknown_model"
IGNORED: Final = "ignored"
OVER_LIMIT: Final = "over_limit"
LATE: Final = "late"
DUPLICATE: Final = "duplicate"
ACCEPTED: Final = "accepted"
OUTCOMES: Final = (REJECTED, UNKNOWN_MODEL, IGNORED, OVER_LIMIT, LATE, DUPLICATE, ACCEPTED)

#: reasons of rejected events, as in series and dead letters, with their meaning
REASONS: Final = {
    "empty": "the record's value has no bytes",
    "too_large": "the record is larger than limits.record_bytes",
    "encoding": "the bytes are not UTF-8",
    "json": "the text is not JSON",
    "schema": "the bytes are not framed by a schema registry, or do not fit the schema of their id",
    "wrapped": "the event is inside something else: a schema registry's prefix, a JSON string, an envelope",
    "nesting": "the JSON is nested deeper than a parser may follow",
    "no_event": "the JSON is neither an object nor an array that contains an object",
    "too_many_events": "the record's array holds more events than limits.events_per_record",
    "type": "the field `type` is not prediction, features or label",
    "model": "the field `model` is missing, empty, too long or not a string",
    "version": "the field `version` is too long, or neither a string nor an integer",
    "id": "the field `id` is missing where it is required, too long, or neither a string nor an integer",
    "ts": "the field `ts` is not a valid time",
    "no_offset": "the field `ts` is a time without an offset from UTC, and inputs[].timezone is not set",
    "no_time": "there is neither a `ts` nor a record timestamp",
    "future": "the time lies too far ahead of the record's own time or of the clock",
    "features": "the field `features` is not an object, or missing in a features event",
    "too_many_features": "the event has more features than limits.features",
    "prediction": "the field `prediction` is not a finite number, string or boolean",
    "score": "the field `score` is not a number between 0 and 1, or `scores` is not an object of them",
    "label": "a label event has neither `label` nor `outcomes`, or its `label` is no finite number, string or boolean",
    "outcomes": "the field `outcomes` is not an object of finite numbers, strings and booleans, or holds too many",
    "value": "the field `value` is not a finite number",
    "tags": "the field `tags` is not an object of strings",
    "format": "the record is not of the format in inputs[].format",
    "body": "the captured request or response cannot be read",
    "base64": "the captured body is not valid base64",
    "protobuf": "the bytes are not the protobuf message that the format has",
    "arity": "a row has another number of values than there are feature names, or a response than its request has rows",
    "names": "a name holds a control character or half of a surrogate pair",
}


def canonical(value: str | float | bool) -> str:
    """The text by which classes and categories are compared: `true`, `1`, `1.0` and `"1"` are equal."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not value.is_integer():
        return repr(value)
    return str(int(value))
