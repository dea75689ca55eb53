"""Where the time of a loop goes, by step."""

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
    """Adds up to the loop's whole time: each call gives what passed since the one before to a step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.monotonic()
        #: seconds since it was made
        self.spent: dict[str, float] = dict.fromkeys(STEPS, 0.0)

    def passed(self, step: str) -> None:
        now = self._clock.monotonic()
        self.spent[step] += now - self._at
        self._at = now
