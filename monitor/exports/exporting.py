"""What `driftd export` writes: findings from the alert topic, a recording of it or a replay's output."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.exports.picked import Picked, picked
from monitor.settings.tree import Settings
from monitor.text import listed, many
from monitor.told.reading import Told, once, read_told

#: behind everything: event times of a replay may be ahead of the clock
_FAR_US: Final = 1 << 62


def findings_of(
    settings: Settings,
    source: str | None,
    clock: Clock,
    of: tuple[str | None, str | None],
    times: tuple[int | None, int | None],
) -> Picked:
    """What was open in that time.

    Raises:
        UsageError: the source cannot be read, or the times are turned round; ExternalError: Kafka does not answer.
    """
    start_us, end_us = times
    if start_us is not None and end_us is not None and start_us >= end_us:
        raise UsageError("--from: is not before --to")
    told = read_told(settings, source, clock)
    until_us = _FAR_US if end_us is None else end_us
    found = picked(once(told.lines), told.windows, settings, (start_us, until_us), *of)
    return replace(found, doubt=_doubt(told, *of))


def _doubt(told: Told, model: str | None, version: str | None) -> str | None:
    """Why nothing found may not mean that all is well; None if it does."""
    if not told.lines and not told.windows:
        if told.others:
            return f"{told.where}: all {many(told.others, 'line')} are of another daemon (kafka.group_id)"
        read = "what is read: the alert topic, a recording of it, the output of driftd replay --json"
        records = many(told.not_understood, "record")
        return f"{told.where}: no incident in {records}; {read}" if told.not_understood else None
    named = [(line.data.get("model"), line.data.get("version")) for line in told.lines if line.data.get("model")]
    named += [(window.get("model"), window.get("version")) for window in told.windows]
    if any(model in {None, name} and version in {None, number} for name, number in named):
        return None
    wanted = " ".join(part for part in (model, version) if part)
    known = listed(sorted({f"{name} {number}" for name, number in named}), 10)
    return f"nothing was told of {wanted}; known there: {known}" if wanted and known else None
