"""Makes native events of a call: one for each row, with ids `<call id>#<row>`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.decode.formats.answers import answer_fields
from monitor.decode.formats.bodies import Unnamed, named
from monitor.decode.formats.call import Call, Row, Wrong, event_id
from monitor.errors import RejectedRecord

Events = list[dict[str, Any] | RejectedRecord]


def events_of(call: Call, names: Sequence[str] | None, *, binary: bool) -> Events:
    """The native events of a call, and an error for each row that cannot be read.

    `names` are those of rows without names. `binary`: a single number with a decimal point is the score. A row without
    an answer is a features event.

    Raises:
        RejectedRecord: rows and answers cannot be told apart, or there are none.
    """
    rows, answers = call.rows, call.answers
    if rows is None and answers is None:
        raise RejectedRecord("no_event", "neither the request nor the response was captured")
    if rows is not None and answers is not None and len(rows) != len(answers):
        message = f"the request has {len(rows):,} rows and the response {len(answers):,} answers"
        raise RejectedRecord("arity", message)
    count = len(rows if rows is not None else answers or ())
    if not count:
        raise RejectedRecord("no_event", "the request and the response hold no row")
    made: Events = []
    for at in range(count):
        features = None if rows is None else _features(rows[at], names)
        if isinstance(features, Wrong):
            made.append(RejectedRecord(features.reason, features.message))
            continue
        event: dict[str, Any] = {
            "type": "features" if answers is None else "prediction",
            "model": call.model,
            "version": call.version,
            "ts": call.ts,
            "features": features,
        }
        if call.id:
            event["id"] = event_id(call.id, at)
        if call.tags:
            event["tags"] = dict(call.tags)
        if call.labels is not None and len(call.labels) == count:
            event["label"] = call.labels[at]
        if answers is not None:
            event |= answer_fields(answers[at], binary=binary)
        made.append(event)
    return made


def _features(row: Row, names: Sequence[str] | None) -> dict[str, object] | Wrong:
    """The features of a row by name."""
    if isinstance(row, dict | Wrong):
        return row
    if names is not None:
        found = named(row, names)
        return found if isinstance(found, dict | Wrong) else {}
    if isinstance(row, Unnamed):
        return {row.name: list(row)}
    return Wrong("arity", f"a row has {len(row):,} values without names; give them in inputs[].feature_names")
