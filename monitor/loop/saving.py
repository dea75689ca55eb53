"""When to make a checkpoint, and how to go on while it fails: reading goes on within a bound, and it is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitor.clock import Clock
from monitor.errors import ExternalError, PermanentError
from monitor.log import get_log
from monitor.tenfold import Tenfold

_log = get_log(__name__)

#: pauses between tries while they fail, doubling from the first to the last, in seconds
FIRST_PAUSE, LAST_PAUSE = 0.5, 10.0
#: what a crash may make it read again: beyond either of them it waits with reading
MOST_SECONDS: Final = 900.0
MOST_RECORDS: Final = 5_000_000


class Saving:
    """The schedule of one pipeline's checkpoints.

    Attributes:
        trouble: why the newest try failed, "" after one that did not; `refused`: an outside system said no for good.
        failures: tries that failed since the process began.
        seconds: what the newest try that did not fail took; None before the first.
    """

    def __init__(self, clock: Clock, every: float) -> None:
        """`every` is the usual distance of checkpoints in seconds."""
        self._clock = clock
        self._every = every
        self._made_at = self._kept_at = clock.monotonic()
        self._records = 0
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
        """The monotonic time of the newest checkpoint; of the beginning before the first."""
        return self._made_at

    def due(self, *, news: bool) -> bool:
        """Whether to try now: at once with `news` to tell, after a pause where the last try failed."""
        now = self._clock.monotonic()
        return now >= self._next_try if self.failure else news or now - self._made_at >= self._every

    def attempt(self, make: Callable[[], None]) -> None:
        """Make a checkpoint; trouble is kept and said, not raised."""
        began = self._clock.monotonic()
        self._is_kept = False
        try:
            make()
        except ExternalError as failure:
            self.failed(failure)
        else:
            self._made_at = self._clock.monotonic()
            self.seconds = self._made_at - began
            if self.failure:
                _log.info("checkpoint_written_again", failed_before=self.failures)
            self.failure, self._pause, self._reported = "", FIRST_PAUSE, Tenfold()

    def failed(self, failure: ExternalError) -> None:
        """Take note of a try that failed, and wait before the next."""
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
        """What was read until now is not read again after a crash."""
        self._kept_at, self._records, self._is_kept = self._clock.monotonic(), 0, True

    def is_kept(self) -> bool:
        """Whether the newest try came as far as keeping the state."""
        return self._is_kept

    def in_words(self, *, reads: bool) -> str:
        """What to say while it fails, "" while it does not; `reads`: records are read meanwhile."""
        if not self.failure:
            return ""
        meanwhile = "it reads on meanwhile, and tells nobody" if reads else "reading waits for it"
        return f"no checkpoint can be made: {self.failure}; {meanwhile}"

    def read(self, records: int) -> None:
        """So many more were read."""
        self._records += records

    def holds_reading_back(self) -> bool:
        """Whether so much was read since the state was kept that reading has to wait for it."""
        if not self.failure:
            return False
        return self._clock.monotonic() - self._kept_at >= MOST_SECONDS or self._records >= MOST_RECORDS
