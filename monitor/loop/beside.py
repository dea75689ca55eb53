"""Work that is done beside the loop, one piece at a time: at once, or in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

Work = Callable[[], None]

#: seconds of the longest rest
LONGEST_REST: Final = 0.005


class Beside(Protocol):
    """Does one piece of work at a time. All calls are made by the loop."""

    def start(self, work: Work) -> None:
        """Begin; the work before has ended."""

    def ended(self, timeout_s: float | None) -> bool:
        """Whether the work has ended, waiting for it up to `timeout_s` (None: without end).

        What it raised is raised here, once.
        """


class AtOnce:
    """Does the work when it is started: a loop that nobody waits for, as in a replay."""

    def __init__(self) -> None:
        self._raised: BaseException | None = None

    def start(self, work: Work) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised by `ended`
            self._raised = error

    def ended(self, timeout_s: float | None) -> bool:
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        return True


class InThread(AtOnce):
    """Does it in a thread, which does not hold up the end of the process."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._thread: threading.Thread | None = None

    def start(self, work: Work) -> None:
        self._thread = threading.Thread(target=super().start, args=(work,), name=self._name, daemon=True)
        self._thread.start()

    def ended(self, timeout_s: float | None) -> bool:
        if self.is_busy(timeout_s):
            return False
        self._thread = None
        return super().ended(timeout_s)

    def is_busy(self, timeout_s: float | None) -> bool:
        """Whether the thread still works after up to `timeout_s`."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is not None and self._thread.is_alive()


class Rest:
    """Called between small steps of such work: it rests as long as it worked, so that it never holds up the loop for
    longer than a step, and takes half of the time at most. Without rests a thread that computes gives way every 5 ms
    only, each time the loop calls anything that lets others run."""

    def __init__(self, sleep: Callable[[float], object] = time.sleep) -> None:
        self._sleep = sleep
        self._rested_at = time.thread_time()
        self._is_hurried = False

    def hurry(self) -> None:
        """No more rests: the loop has ended and waits for the work."""
        self._is_hurried = True

    def __call__(self) -> None:
        if self._is_hurried:
            return
        worked = time.thread_time() - self._rested_at
        self._sleep(min(max(worked, 0.0), LONGEST_REST))
        self._rested_at = time.thread_time()
