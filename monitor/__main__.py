"""The way in: `driftd`, or `python -m monitor`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def leave(number: int, _frame: FrameType | None) -> None:
    """End at once; commands that have something to save take it over. A daemon that has not begun ends as it should."""
    os._exit(0 if sys.argv[1:2] == ["run"] else 128 + number)


def main() -> int:
    """Run a command; gives the exit code.

    The first process of a container hears no SIGTERM without a handler, and importing takes half a second.
    """
    signal.signal(signal.SIGTERM, leave)
    from monitor.cli import main as run_command  # noqa: PLC0415  # after the handler

    return run_command()


if __name__ == "__main__":
    sys.exit(main())
