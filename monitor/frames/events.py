"""Native events of a service, from what it has at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from monitor.errors import UsageError
from monitor.frames.columns import plain
from monitor.frames.rows import Row, beside, is_one, one_row, rows_of

_SCALARS: Final = str | int | UUID


def feature_events(
    features: Any,  # noqa: ANN401  # an object, a frame or an array
    names: Sequence[str] | None,
    fields: Mapping[str, Any],
    scores: Mapping[Any, Any] | None,
    tags: Mapping[str, str] | None,
) -> list[Row]:
    """One event of features given as an object, else one a row; `fields` and `scores` are values, or columns of them.

    Raises:
        UsageError: something cannot be written as events; lengths differ; `fields` or `scores` are of the wrong form.
    """
    if is_one(features):
        events = [{"features": one_row(features, names)}]
    else:
        events = [{"features": row} for row in rows_of(features, names)]
    single = is_one(features)
    for name, values in fields.items():
        if values is not None:
            _put_beside(events, name, values, single=single)
    if scores is not None:
        by_class: list[Row] = [{} for _ in events]
        for name, values in scores.items():
            _put_beside(by_class, str(name), values, single=single)
        for event, row in zip(events, by_class, strict=True):
            event["scores"] = row
    if tags:
        written = {str(name): str(value) for name, value in tags.items()}
        for event in events:
            event["tags"] = written
    return events


def label_events(
    ids: Any,  # noqa: ANN401  # an id, or a column of them
    fields: Mapping[str, Any],
    outcomes: Mapping[str, Any],
) -> list[Row]:
    """One label event, or one for each id; with `outcomes` and no label they say nothing of the label.

    Raises:
        UsageError: an id is None; lengths differ; something cannot be written as events.
    """
    single = isinstance(ids, _SCALARS)
    known = [ids] if single else beside("id", ids, None)
    if any(one is None for one in known):
        raise UsageError("id: is missing; give the id of the prediction that the label is of")
    about: Row = {} if outcomes else {"label": None}
    events: list[Row] = [{"id": one, **about} for one in known]
    for name, values in fields.items():
        if values is not None:
            _put_beside(events, name, values, single=single)
    if outcomes:
        named: list[Row] = [{} for _ in known]
        for name, values in outcomes.items():
            _put_beside(named, name, values, single=single)
        for event, own in zip(events, named, strict=True):
            event["outcomes"] = own
    return events


def complete(events: list[Row], start: Mapping[str, Any], now_us: int, new_id: Callable[[], str] | None) -> list[str]:
    """Give the events what they all have: `start`, a time, and an id where there is none; returns their ids as text.

    Without `new_id` an event may have none, and then its text is "".
    """
    ids = []
    for event in events:
        event.update(start)
        if event.get("ts") is None:
            event["ts"] = now_us
        named = event.pop("id", None)
        text = str(named) if named is not None else new_id() if new_id is not None else ""
        if text:
            event["id"] = text
        ids.append(text)
    return ids


def encoded(event: Row) -> bytes:
    """The event as JSON."""
    return msgspec.json.encode({name: value for name, value in event.items() if value is not None or name == "label"})


def _put_beside(events: list[Row], name: str, values: Any, *, single: bool) -> None:  # noqa: ANN401
    column = [plain(name, 0, _unpacked(values))] if single else beside(name, values, len(events))
    for event, value in zip(events, column, strict=True):
        event[name] = value


def _unpacked(value: Any) -> Any:  # noqa: ANN401
    """The value of an array of one: what `predict` gives for one row."""
    return value[0] if getattr(value, "ndim", 0) == 1 and len(value) == 1 else value
