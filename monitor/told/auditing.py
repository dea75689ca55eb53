"""`driftd audit`: reads the alert topic, or a recording of it, and the head of the chain in the daemon's state."""

from __future__ import annotations

from monitor.chain import Head
from monitor.clock import Clock
from monitor.errors import DriftdError, UsageError
from monitor.settings.tree import Settings
from monitor.state.directory import StateDirectory
from monitor.state.parts import state_in
from monitor.told.audit import Audit, audit_of
from monitor.told.reading import read_told


def audit(settings: Settings, source: str | None, start_us: int | None, end_us: int | None, clock: Clock) -> Audit:
    """The audit of a range of time, by default up to now.

    Raises:
        UsageError: there is no alert topic, or the file is damaged or not of one; ExternalError: Kafka does not answer.
    """
    head = None if source is not None else _head(settings)
    told = read_told(settings, source, clock)
    if source is not None and told.not_understood and not told.lines:
        topic = settings.outputs.alerts_topic or "TOPIC"
        remedy = f"give a recording of it (driftd record kafka://{topic} -o alerts.records.jsonl.zst)"
        raise UsageError(f"{source}: no record in it is of the alert topic; {remedy}")
    now_us = clock.now_us()
    until_us = now_us if end_us is None else end_us
    return audit_of(told, start_us, until_us, now_us, head=head, team_of=lambda name: _team(settings, name))


def _head(settings: Settings) -> Head | None:
    """Where the chain stands in the newest state, if it can be read from here: read before the topic, so that all it
    knows to be acknowledged has to be there."""
    if settings.state.store != "directory":
        return None
    try:
        loaded = StateDirectory(settings.state.path).load(read_only=True)
        return None if loaded is None else state_in(loaded).outbox.head
    except (DriftdError, OSError):
        return None


def _team(settings: Settings, name: str) -> str:
    model = settings.model(name)
    return "" if model is None else model.team or ""
