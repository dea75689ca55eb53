"""Makes native events of a call: one for each row, with ids `<call id>#<row>`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from monitor.decode.formats.answers import answer_fields
from monitor.decode.formats.bodies import Unnamed, named
from monitor.decode.formats.call import Call, Row, Wrong, event_id
from monitor.errors import RejectedRecord
from monitor.text import many

Events = list[dict[str, Any] | RejectedRecord]


class Names(NamedTuple):
    """The features of rows without names, in the order of their values; None if they are not known. `judged`: a row
    with another number of values is an event without them, and their number a new column: the reference lacks it."""

    names: Sequence[str] | None
    judged: bool = False


def events_of(call: Call, names: Callable[[], Names], *, binary: bool) -> Events:
    """The native events of a call, and an error for each row that cannot be read.

    `names` is asked for once, if a row has none. `binary`: a single number with a decimal point is the score. A row
    without an answer is a features event.

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
    known = None if rows is None or all(isinstance(row, dict | Wrong) for row in rows) else names()
    for at in range(count):
        features = None if rows is None else _features(rows[at], known or Names(None))
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


def _features(row: Row, known: Names) -> dict[str, object] | Wrong:
    """The features of a row by name."""
    if isinstance(row, dict | Wrong):
        return row
    if known.names is not None:
        if known.judged and len(row) != len(known.names):
            return {f"row of {many(len(row), 'value')}": list(row)}
        found = named(row, known.names)
        return found if isinstance(found, dict | Wrong) else {}
    if isinstance(row, Unnamed):
        return {row.name: list(row)}
    message = f"a row has {len(row):,} values without names, and no reference has them; give them in "
    return Wrong("arity", f"{message}inputs[].feature_names")
