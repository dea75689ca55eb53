"""The time that the main loop spends in each step."""

from __future__ import annotations

from monitor.clock import Clock

POLL, DECODE, COUNT, JUDGE, CHECKPOINT, PUBLISH, IDLE = STEPS = (
    "poll",
    "decode",
    "count",
    "judge",
    "checkpoint",
    "publish",
    "idle",
)


class LoopTime:
    """Adds up the loop's time by step; every moment belongs to exactly one step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.monotonic()
        #: seconds by step since the object was created
        self.spent: dict[str, float] = dict.fromkeys(STEPS, 0.0)

    def passed(self, step: str) -> None:
        """Add the time since the last call to `step`."""
        now = self._clock.monotonic()
        self.spent[step] += now - self._at
        self._at = now
