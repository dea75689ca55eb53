"""Labels in a platform's topic, or in a topic of their own: flat JSON with the id of a call and perhaps its row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from monitor.decode.formats.call import Native, event_id
from monitor.decode.formats.unwrap import text_of

_IDS: Final = ("id", "event_id", "inference_id", "correlation_id")
_TIMES: Final = ("label_time", "ts")
#: an event's own id: that of its call, and the row; Azure's monitoring writes `_` between them
_OWN_ID: Final = re.compile(r"(?s)(?P<call>.+)(?P<mark>[#_])(?P<row>[0-9]{1,9})")
_KEPT: Final = ("model", "version", "value", "outcomes")


def label_event(tree: object) -> Native | None:
    """The native label event of a flat label; None if the tree is none."""
    if not isinstance(tree, Mapping) or not ("label" in tree or "outcomes" in tree):
        return None
    name = next((name for name in _IDS if tree.get(name) is not None), None)
    if name is None:
        return None
    whose = _whose(tree[name], tree.get("row"), by_correlation=name == "correlation_id")
    event: Native = {"type": "label", "id": whose}
    if "label" in tree:
        event["label"] = tree["label"]
    event |= {name: tree[name] for name in _KEPT if tree.get(name) is not None}
    time = next((tree[name] for name in _TIMES if tree.get(name) is not None), None)
    if time is not None:
        event["ts"] = time
    return event


def _whose(identity: object, row: object, *, by_correlation: bool) -> object:
    """The id of the event: the call's row, by default its first one."""
    text = text_of(identity)
    if text is None:
        return identity
    if type(row) is int:
        return event_id(text, row)
    own = _OWN_ID.fullmatch(text)
    if own is not None and (own["mark"] == "#" or by_correlation):
        return event_id(own["call"], int(own["row"]))
    return event_id(text, 0)
