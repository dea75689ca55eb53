"""An operator accepts a page: `driftd accept` writes to the alert topic, and the daemon makes it a lasting ticket."""

from __future__ import annotations

from contextlib import closing
from typing import Any, Final
from urllib.parse import quote

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.findings import PAGE
from monitor.judge.fleet import Fleet
from monitor.kafka.acts import MOST_NOTE, Act, ActReader, act_message
from monitor.kafka.alerts import source_of
from monitor.kafka.cloud_events import INCIDENT, event_in
from monitor.kafka.producer import Outbox
from monitor.log import get_log
from monitor.records import RecordBatch
from monitor.run.open_source import SCHEME, OffsetRange
from monitor.settings.tree import Settings

_log = get_log(__name__)

#: seconds for the brokers to acknowledge the record
_FLUSH_SECONDS: Final = 30.0
_CLOSE_SECONDS: Final = 1.0
#: open pages listed in the message for an unknown incident
_NAMED: Final = 10

Tree = dict[str, Any]


def accept(settings: Settings, incident: str, note: str, clock: Clock) -> str:
    """Write the request; returns the message for the operator.

    Raises:
        UsageError: there is no alert topic, or no open page of that id on it.
        ExternalError: Kafka does not answer; PermanentError: no such topic, or not authorized.
    """
    topic = settings.outputs.alerts_topic
    if topic is None:
        raise UsageError("outputs.alerts_topic: is null, and driftd accept writes to it; name a topic")
    require_note(note)
    newest = _newest_transitions(settings, topic, clock)
    _require_open_page(newest, incident, topic)
    found = newest[incident]
    subject = f"{found['model']}/{found['version']}"
    outbox = Outbox(settings.kafka)
    try:
        group, mode = settings.kafka.group_id, settings.outputs.cloudevents
        outbox.send(act_message(Act(incident, note), topic, group, subject, clock.now_us(), mode))
        outbox.flush(_FLUSH_SECONDS)
    finally:
        outbox.close(_CLOSE_SECONDS)
    return f"{incident}: accepted; the running daemon makes it a lasting ticket, and the next change pages"


class TakenActs:
    """The daemon's reader of accept requests, from the time of its saved state on; idle without an alert topic."""

    def __init__(self, settings: Settings, fleet: Fleet, saved_us: int | None) -> None:
        topic = settings.outputs.alerts_topic
        self._fleet = fleet
        self._reader = None if topic is None else ActReader(settings.kafka, topic, saved_us)
        if self._reader is not None:
            self._reader.start()

    def take(self) -> None:
        """Apply the requests that came, before the turn whose checkpoint contains them."""
        for act in () if self._reader is None else self._reader.taken():
            if self._fleet.accept(act.incident, act.note):
                _log.info("incident_accepted", incident=act.incident, note=act.note)
            else:
                why = "no open page of that id: over, a ticket, or accepted already"
                _log.info("accept_without_effect", incident=act.incident, why=why)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


def require_note(note: str) -> None:
    """Check that a note is one line, and not too long.

    Raises:
        UsageError: it is not.
    """
    if len(note) > MOST_NOTE or not note.isprintable():
        raise UsageError(f"--note: write one line of at most {MOST_NOTE} characters")


def _require_open_page(newest: dict[str, Tree], incident: str, topic: str) -> None:
    """Check that the newest transition of the incident is that of an open page."""
    found = newest.get(incident)
    if found is None:
        pages = [name for name, one in newest.items() if one["transition"] != "resolved" and one["severity"] == PAGE]
        known = f"open pages: {', '.join(pages[-_NAMED:])}" if pages else "no page is open"
        raise UsageError(f"INCIDENT: {incident!r} is on no transition of {topic}; {known}")
    if found["transition"] == "resolved":
        raise UsageError(f"INCIDENT: {incident} is over since {found['at']}; there is nothing to accept")
    if found["transition"] == "lasting":
        raise UsageError(f"INCIDENT: {incident} is a lasting ticket since {found['at']} already")
    if found["severity"] != PAGE:
        raise UsageError(f"INCIDENT: {incident} is a {found['severity']}; only a page can be accepted")


def _newest_transitions(settings: Settings, topic: str, clock: Clock) -> dict[str, Tree]:
    """{incident: data of its newest transition}, of all that this consumer group's daemon has sent."""
    newest: dict[str, Tree] = {}
    source = source_of(settings.kafka.group_id)
    with closing(OffsetRange(f"{SCHEME}{quote(topic, safe='')}", settings.kafka, clock)) as records:
        while not records.ended():
            for batch in records.poll(()):
                for data in filter(None, (_transition_in(batch, at, source) for at in range(len(batch)))):
                    known = newest.pop(data["incident"], None)
                    lasting = known is not None and known["transition"] == "lasting" and data["transition"] == "updated"
                    newest[data["incident"]] = data | ({"transition": "lasting"} if lasting else {})
            records.changes()
    return newest


def _transition_in(batch: RecordBatch, index: int, source: str) -> Tree | None:
    event = event_in(batch.values[index], batch.envelope(index).headers)
    if event is None or event.get("type") != INCIDENT or event.get("source") != source:
        return None
    data: Tree = event["data"]
    needed = ("incident", "transition", "severity", "model", "version", "at")
    return data if isinstance(data, dict) and all(isinstance(data.get(name), str) for name in needed) else None
