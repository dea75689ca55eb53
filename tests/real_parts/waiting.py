"""Awaiting a condition of a real system: the tests never sleep for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_SECONDS = 0.02


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Returns when `condition()` is true.

    Raises:
        TimeoutError: it was not within `seconds`; the message says `what` was awaited.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            message = f"waited {seconds:g} s in vain: {what}"
            raise TimeoutError(message)
        time.sleep(PAUSE_SECONDS)
