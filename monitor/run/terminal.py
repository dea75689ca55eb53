"""Output of commands: data to standard output, messages to standard error, progress only to a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import Final

from monitor.clock import Clock
from monitor.visible import visible

WIDTH: Final = 30
EVERY_SECONDS: Final = 0.1
ERASE_TO_END: Final = "\x1b[K"  # of the line (ECMA-48, EL)


def to_stdout(text: str) -> None:
    """Print a line of the command's result."""
    sys.stdout.write(visible(text) + "\n")
    sys.stdout.flush()


def to_stderr(text: str) -> None:
    """Print a message for people."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


class Progress:
    """A progress bar on standard error, if that is a terminal; `caption` gives the text next to it."""

    def __init__(
        self, progress: Callable[[], tuple[int, int]], clock: Clock, caption: Callable[[], str] = lambda: ""
    ) -> None:
        self._progress = progress
        self._clock = clock
        self._caption = caption
        self._on = sys.stderr.isatty()
        self._shown_at = float("-inf")
        self._dirty = False

    def show(self) -> None:
        """Draw it, at most ten times a second."""
        now = self._clock.monotonic()
        if not self._on or now - self._shown_at < EVERY_SECONDS:
            return
        self._shown_at, self._dirty = now, True
        done, total = self._progress()
        share = min(done / total, 1.0) if total else 1.0
        bar = "█" * round(WIDTH * share)
        line = f"{bar:░<{WIDTH}} {share:4.0%}  {visible(self._caption())}"
        sys.stderr.write(f"\r{line[: shutil.get_terminal_size().columns - 1]}{ERASE_TO_END}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Remove the bar before other output."""
        if self._dirty:
            sys.stderr.write(f"\r{ERASE_TO_END}")
            sys.stderr.flush()
            self._dirty = False
