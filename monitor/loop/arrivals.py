"""When the last event of each model version arrived, by the monotonic clock: what is due because none comes."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import partial
from typing import Final

from monitor.clock import SECOND_US, Clock
from monitor.count.task import Task
from monitor.events import ModelKey
from monitor.loop.stage2 import Stage2

#: seconds between two checks of what is due because no event comes
SECONDS_BETWEEN: Final = 1.0


class Arrivals:
    """Notes arrivals, and how long there was none."""

    def __init__(self, clock: Clock, *, live: bool) -> None:
        """Nothing is ever due in a recording, where `live` is False: its time is that of its events."""
        self._clock = clock
        self._live = live
        self._began = self._looked = clock.monotonic()
        self._last: dict[ModelKey, float] = {}

    def note(self, keys: Iterable[ModelKey]) -> None:
        """Events of these model versions were accepted."""
        self._last.update(dict.fromkeys(keys, self._clock.monotonic()))

    def due(self) -> bool:
        """Whether it is time to check again; called with every turn of the loop."""
        now = self._clock.monotonic()
        if not self._live or now - self._looked < SECONDS_BETWEEN:
            return False
        self._looked = now
        return True

    def pass_time(self, stage2: Stage2, tasks: Iterable[Task]) -> None:
        """Find what is due because no event comes, once all that came was judged."""
        unjudged = {pane_key.key for task in tasks for pane_key, panes in task.open.items() if panes}
        stage2.pass_time(self._clock.now_us(), partial(self._waited_us, unjudged))

    def _waited_us(self, unjudged: Container[ModelKey], key: ModelKey) -> int:
        """How long no event of a model version was accepted, in microseconds; at most since the process began."""
        waited = 0 if key in unjudged else self._clock.monotonic() - self._last.get(key, self._began)
        return round(waited * SECOND_US)
