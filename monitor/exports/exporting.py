"""What `driftd export` writes: findings from the alert topic, a recording of it or a replay's output."""

from __future__ import annotations

from typing import Final

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.exports.picked import Picked, picked
from monitor.settings.tree import Settings
from monitor.told.reading import once, read_told

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
    return picked(once(told.lines), told.windows, settings, (start_us, until_us), *of)
