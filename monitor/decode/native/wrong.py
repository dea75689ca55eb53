"""The errors of rejected records and events: what is wrong, what would be right, the line to write.

A message never quotes the payload, only types and names of fields, so that it can be logged and dead-lettered, and
equal faults have equal messages. Only `shown` has the value.
"""

from __future__ import annotations

import re
from typing import Any, Final

from monitor.decode.values import NAME_LENGTH, NO_OFFSET, TIMES_END, fits_float, is_nan, is_number
from monitor.errors import RejectedRecord
from monitor.events import KINDS, REASONS
from monitor.visible import one_line

#: most characters of `shown`
SHOWN: Final = 60

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_DIGITS: Final = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_AS_TEXT: Final = "write it as text"


def rejected(reason: str, message: str = "", value: object = ...) -> RejectedRecord:
    """The error for a reason, by default with the message of `events.REASONS`; `value` is shown unless it is `...`."""
    return RejectedRecord(reason, message or REASONS[reason], "" if value is ... else shown(value))


def shown(value: object) -> str:
    """A value on one line of at most 60 characters, without control characters."""
    if isinstance(value, dict):
        text = f"an object of {len(value)}"
    elif isinstance(value, list):
        text = f"a list of {len(value)}"
    elif isinstance(value, str):
        text = f'"{value[:SHOWN]}"'
    elif isinstance(value, bytes):
        text = value[:SHOWN].decode("utf-8", "backslashreplace")
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = _number(value)
    text = one_line(text)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _number(value: object) -> str:
    if isinstance(value, int) and not fits_float(value):
        return "inf"  # as Python's parser reads it
    return repr(value)


def kind_of(value: object) -> str:
    """The type of a JSON value with its article: `text`, `a list`, `a number`."""
    if isinstance(value, bool):
        return "a boolean"
    if is_nan(value):
        return "NaN"
    if isinstance(value, (int, float)) and not is_number(value):
        return "an infinite number"
    kinds: dict[type, str] = {str: "text", dict: "an object", list: "a list", type(None): "null"}
    return kinds.get(type(value), "a number")


def wrong_type(value: object) -> RejectedRecord:
    if isinstance(value, str):
        return rejected("type", f"`type` is none of {', '.join(KINDS)}; write one of them, or leave it out", value)
    return rejected("type", f"`type` is {kind_of(value)}; write {', '.join(KINDS)}, or leave it out", value)


def wrong_name(field: str, value: object) -> RejectedRecord:
    """The error for a `model`, `version` or `id` that is not valid."""
    rest = {"model": ", or set inputs[].model", "version": ", or set inputs[].version", "id": ""}[field]
    if value is None:
        needed = {"id": "; a label needs that of its prediction", "model": f"; write it{rest}"}
        return rejected(field, f"`{field}` is missing or null{needed.get(field, '')}", ...)
    if isinstance(value, str):
        problem = "is empty" if not value else f"has more than {NAME_LENGTH} characters"
        return rejected(field, f"`{field}` {problem}; write up to {NAME_LENGTH}{rest}", value)
    if is_number(value) and field != "model":
        problem = f"an integer of more than {NAME_LENGTH} digits" if isinstance(value, int) else "not an integer"
        return rejected(field, f"`{field}` is a number and {problem}; {_AS_TEXT}{rest}", value)
    return rejected(field, f"`{field}` is {kind_of(value)}; {_AS_TEXT}{rest}", value)


def wrong_time(value: object) -> RejectedRecord:
    """The error for a `ts` that is not a valid time."""
    hint = "write 2026-11-22T10:00:00Z or Unix milliseconds"
    if isinstance(value, str):
        return _wrong_time_text(value, hint)
    if isinstance(value, list):
        return rejected("ts", f"`ts` is a list, as Jackson writes dates where WRITE_DATES_AS_TIMESTAMPS is on; {hint}")
    if isinstance(value, (int, float)) and is_number(value):
        if abs(value) >= TIMES_END:
            return rejected("ts", f"`ts` is too large, even for nanoseconds since 1970; {hint}", value)
        return rejected("ts", f"`ts` lies outside of the years 1 to 9999; {hint}", value)
    return rejected("ts", f"`ts` is {kind_of(value)}; {hint}", value)


def _wrong_time_text(value: str, hint: str) -> RejectedRecord:
    if NO_OFFSET.fullmatch(value):
        message = "`ts` has no offset; write 2026-11-22T10:00:00Z or +01:00, or set inputs[].timezone"
        return rejected("no_offset", message, value)
    if _DATE.fullmatch(value):
        return rejected("ts", f"`ts` is a date without a time of day; {hint}", value)
    if _DIGITS.fullmatch(value):
        return rejected("ts", f"`ts` is a number in quotes; {hint}", value)
    return rejected("ts", f"`ts` is text and not an RFC 3339 time; {hint}", value)


def wrong_features(value: object) -> RejectedRecord:
    hint = "write an object {name: value}"
    if value is None:
        message = "`features` is missing, and so are `prediction`, `score` and `label`; " + hint
        return rejected("features", message)
    if isinstance(value, list):
        return rejected("features", f"`features` is a list, so the features have no names; {hint}", value)
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        return rejected("features", f"`features` is JSON inside a JSON string; {hint}", value)
    return rejected("features", f"`features` is {kind_of(value)}; {hint}", value)


def wrong_class(field: str, value: object) -> RejectedRecord:
    """The error for a `prediction` or `label` that is not a class."""
    hint = "write a number, a text or a boolean"
    if isinstance(value, str):
        return rejected(field, f"`{field}` holds half of a surrogate pair; write whole characters", value)
    if isinstance(value, list) and field == "prediction":
        hint = "write one class or number, and probabilities by class in `scores`"
    elif is_nan(value):
        hint += ", and null where there is none"
    return rejected(field, f"`{field}` is {kind_of(value)}; {hint}", value)


def no_label(event: dict[str, Any]) -> RejectedRecord:
    """The error for a label event that says nothing of its prediction."""
    if event.get("outcomes") is not None:
        return rejected("label", "`label` is missing and `outcomes` is empty; write a label or an outcome")
    return rejected("label", "`label` is missing; write it, null to take an earlier one back, or `outcomes`")


def wrong_outcomes(value: object, most: int) -> RejectedRecord:
    """The error for `outcomes` that are no object, or more than `most`."""
    if isinstance(value, dict):
        return rejected("outcomes", f"the event has more outcomes than limits.features ({most:,})")
    return rejected("outcomes", f"`outcomes` is {kind_of(value)}; write an object {{name: value}}", value)


def wrong_outcome(value: object) -> RejectedRecord:
    """The error for an outcome that is none of the values it may be."""
    hint = "write a number, a text or a boolean, and null to take an earlier one back"
    if isinstance(value, str):
        return rejected(
            "outcomes", "a value in `outcomes` holds half of a surrogate pair; write whole characters", value
        )
    return rejected("outcomes", f"a value in `outcomes` is {kind_of(value)}; {hint}", value)


def wrong_probability(value: object, field: str = "score") -> RejectedRecord:
    """The error for a `score`, or an entry of `scores`, that is not a probability."""
    name = "`score`" if field == "score" else "a value in `scores`"
    if isinstance(value, (int, float)) and is_number(value):
        side = "above 1" if value > 1 else "below 0"
        return rejected("score", f"{name} is {side}; write the probability of the class, 0 to 1", value)
    hint = "write the probability of the positive class, 0 to 1"
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
        return rejected("score", f"{name} is text with a decimal comma; write a point: 0.25", value)
    if isinstance(value, list) and field == "score":
        hint += ", or `scores` {class: probability}"
    elif is_nan(value):
        hint += ", and null where there is none"
    return rejected("score", f"{name} is {kind_of(value)}; {hint}", value)


def wrong_scores(value: object) -> RejectedRecord:
    return rejected("score", f"`scores` is {kind_of(value)}; write an object {{class: probability}}", value)


def wrong_value(value: object) -> RejectedRecord:
    return rejected("value", f"`value` is {kind_of(value)}; write a number", value)


def wrong_tags(value: object) -> RejectedRecord:
    if isinstance(value, dict):
        odd = next((text for text in value.values() if text is not None and not isinstance(text, str)), "")
        problem = "holds half of a surrogate pair" if isinstance(odd, str) else f"is {kind_of(odd)}"
        return rejected("tags", f"a value in `tags` {problem}; write text", odd)
    return rejected("tags", f"`tags` is {kind_of(value)}; write an object {{name: text}}", value)


def future(record_is_ahead: bool) -> RejectedRecord:
    if record_is_ahead:
        message = "the record's own time is more than an hour ahead of this machine's clock; is a clock wrong?"
    else:
        message = "`ts` is more than windows.max_skew ahead of the record's own time; is the producer's clock right?"
    return rejected("future", message)
