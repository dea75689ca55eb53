"""Schedules checkpoints and their retries; while they fail, reading goes on up to a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitor.clock import Clock
from monitor.errors import ExternalError, PermanentError
from monitor.log import get_log
from monitor.tenfold import Tenfold

_log = get_log(__name__)

#: first and longest pause between failed attempts, in seconds; it doubles each time
FIRST_PAUSE, LAST_PAUSE = 0.5, 10.0
#: most that a crash may cause to be read again: while checkpoints fail, reading pauses beyond either of them
MOST_SECONDS: Final = 900.0
MOST_RECORDS: Final = 5_000_000
#: seconds after which a checkpoint that is being written is a reason not to be ready
SLOW_SECONDS: Final = 60.0


class Saving:
    """The checkpoint schedule of a pipeline.

    Attributes:
        failure: why the newest attempt failed, "" if it did not.
        refused: whether it failed with a PermanentError.
        failures: failed attempts since the process began.
        seconds: duration of the newest successful attempt; None before the first.
    """

    def __init__(self, clock: Clock, every: float) -> None:
        """`every` is the checkpoint interval in seconds."""
        self._clock = clock
        self._every = every
        self._made_at = self._kept_at = clock.monotonic()
        self._records = 0
        #: when the newest checkpoint was cut, and how many of the records are in it
        self._began, self._cut_records = self._made_at, 0
        self._is_running = False
        self._pause = FIRST_PAUSE
        self._next_try = 0.0
        self._is_kept = True
        self._reported = Tenfold()
        self.failure = ""
        self.refused = False
        self.failures = 0
        self.seconds: float | None = None

    @property
    def made_at(self) -> float:
        """The monotonic time of the newest checkpoint, or of the start before the first one."""
        return self._made_at

    def due(self, *, urgent: bool) -> bool:
        """Whether to make a checkpoint now: at once if `urgent` (unsent transitions), after a pause if the last one
        failed."""
        now = self._clock.monotonic()
        return now >= self._next_try if self.failure else urgent or now - self._made_at >= self._every

    def attempt(self, make: Callable[[], None]) -> None:
        """Make a checkpoint with `make`; an ExternalError is logged and kept in `failure`, not raised."""
        try:
            make()
        except ExternalError as failure:
            self.failed(failure)

    def begin(self) -> None:
        """A checkpoint of this moment is being made, until it has succeeded or failed."""
        self._began, self._cut_records = self._clock.monotonic(), self._records
        self._is_kept, self._is_running = False, True

    def succeeded(self) -> None:
        """The checkpoint that was begun is complete."""
        self._is_running = False
        self._made_at = self._clock.monotonic()
        self.seconds = self._made_at - self._began
        if self.failure:
            _log.info("checkpoint_written_again", failed_before=self.failures)
        self.failure, self._pause, self._reported = "", FIRST_PAUSE, Tenfold()

    def failed(self, failure: ExternalError) -> None:
        """Record a failed attempt, and schedule the next after a pause."""
        self._is_running = False
        self.failures += 1
        text = str(failure)
        if self._reported.again(text):
            _log.error(
                "checkpoint_failed",
                why=text,
                failures=self.failures,
                consequence="page and series go on; incidents are sent when it succeeds; tried again",
            )
        self.failure, self.refused = text, isinstance(failure, PermanentError)
        self._next_try = self._clock.monotonic() + self._pause
        self._pause = min(2 * self._pause, LAST_PAUSE)

    def state_is_kept(self) -> None:
        """The state was saved as it was at `begin`: what was read until then is not read again after a crash."""
        self._kept_at, self._is_kept = self._began, True
        self._records -= self._cut_records
        self._cut_records = 0

    def is_kept(self) -> bool:
        """Whether the newest attempt has saved the state, even if it failed afterwards."""
        return self._is_kept

    def message(self, *, reads: bool) -> str:
        """The failure for the page and /readyz, "" without one; `reads`: records are read meanwhile."""
        if not self.failure:
            taken = self._clock.monotonic() - self._began
            slow = self._is_running and taken > SLOW_SECONDS
            why = "the disk of state.path, or the brokers, answer slowly"
            return (
                f"a checkpoint is not done after {taken:.0f} s: {why}; no incident is sent until it is" if slow else ""
            )
        meanwhile = "reading goes on, but no incident is sent" if reads else "reading waits for it"
        return f"no checkpoint can be made: {self.failure}; {meanwhile}"

    def read(self, records: int) -> None:
        """Count records that were read."""
        self._records += records

    def must_pause_reading(self) -> bool:
        """Whether checkpoints fail, or one does not end, and the limit on what was read since the saved state is
        reached."""
        if not self.failure and not self._is_running:
            return False
        return self._clock.monotonic() - self._kept_at >= MOST_SECONDS or self._records >= MOST_RECORDS
