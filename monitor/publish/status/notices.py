"""What the status page tells beside incidents: informational findings, and events that nobody watches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from monitor.events import ModelKey
from monitor.judge.causes.catalog import NAMES as CAUSES
from monitor.publish.snapshot import NoticeView, Snapshot
from monitor.publish.status.html import ago, moment, name, text

#: informational findings that are shown, the newest first, and of one model version
NOTICES: Final = 10
OF_MODEL: Final = 3
#: sentences about events that are not watched
UNWATCHED: Final = 5


def notices(snapshot: Snapshot, now_us: int) -> Iterator[str]:
    """The section, nothing if there is nothing to tell."""
    if not (snapshot.notices or snapshot.unwatched):
        return
    yield "<section><h2>Worth knowing</h2><ol class=card>"
    for sentence in snapshot.unwatched[:UNWATCHED]:
        yield f"<li><p>{text(sentence)}</p></li>"
    for one in _newest(snapshot.notices):
        known = CAUSES.get(one.finding.cause)
        cause = one.finding.cause if known is None else known.on_page or one.finding.cause
        yield f"<li><p>{name(str(one.key))}: <b>{name(one.finding.subject)}</b> {text(cause)}"
        yield f" <small>{moment(one.at_us)}, {ago(one.at_us, now_us)}</small></p><p>{text(one.detail)}</p></li>"
    yield "</ol></section>"


def _newest(notices: Sequence[NoticeView]) -> list[NoticeView]:
    """The newest of each model version, so that one that has many does not push out the others."""
    shown: Counter[ModelKey] = Counter()
    out: list[NoticeView] = []
    for one in notices:
        shown[one.key] += 1
        if shown[one.key] <= OF_MODEL:
            out.append(one)
    return out[:NOTICES]
