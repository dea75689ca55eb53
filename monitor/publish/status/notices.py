"""What the status page tells beside incidents: informational findings, and events that nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.judge.causes.catalog import NAMES as CAUSES
from monitor.publish.snapshot import Snapshot
from monitor.publish.status.html import ago, moment, name, text

#: informational findings that are shown, the newest first
NOTICES: Final = 10
#: sentences about events that are not watched
UNWATCHED: Final = 5


def notices(snapshot: Snapshot, now_us: int) -> Iterator[str]:
    """The section, nothing if there is nothing to tell."""
    if not (snapshot.notices or snapshot.unwatched):
        return
    yield "<section><h2>Worth knowing</h2><ol class=card>"
    for sentence in snapshot.unwatched[:UNWATCHED]:
        yield f"<li><p>{text(sentence)}</p></li>"
    for one in snapshot.notices[:NOTICES]:
        known = CAUSES.get(one.finding.cause)
        cause = one.finding.cause if known is None else known.on_page or one.finding.cause
        yield f"<li><p>{name(str(one.key))}: <b>{name(one.finding.subject)}</b> {text(cause)}"
        yield f" <small>{moment(one.at_us)}, {ago(one.at_us, now_us)}</small></p><p>{text(one.detail)}</p></li>"
    yield "</ol></section>"
