"""The way in: `driftd`, or `python -m monitor`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from monitor.exit_codes import DONE, INTERRUPTED, SIGNALLED


def leave(number: int, _frame: FrameType | None) -> None:
    """End at once; commands that have something to save take it over. A daemon that has not begun ends as it should."""
    os._exit(DONE if number == signal.SIGTERM and sys.argv[1:2] == ["run"] else SIGNALLED + number)


def main() -> int:
    """Run a command; gives the exit code.

    The first process of a container hears no SIGTERM without a handler, and importing takes half a second. Ctrl-C
    ends with 130 and without a trace at any moment: while importing, while a command runs, and behind it.
    """
    signal.signal(signal.SIGTERM, leave)
    hears_ctrl_c = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN  # a shell's `&` has it ignored
    if hears_ctrl_c:
        signal.signal(signal.SIGINT, leave)
    from monitor.cli.parser import main as run_command  # noqa: PLC0415  # after the handler

    def imported() -> None:
        if hears_ctrl_c:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        return run_command(imported=imported)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if hears_ctrl_c:
            signal.signal(signal.SIGINT, leave)


if __name__ == "__main__":
    sys.exit(main())
