"""Entry point of `driftd` and `python -m monitor`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from monitor.exit_codes import DONE, INTERRUPTED, SIGNALLED


def exit_on_signal(number: int, _frame: FrameType | None) -> None:
    """End the process at once: with 0 for SIGTERM to `driftd run`, else with 128 + the signal's number.

    Commands that have something to save install their own handler.
    """
    os._exit(DONE if number == signal.SIGTERM and sys.argv[1:2] == ["run"] else SIGNALLED + number)


def one_blas_thread() -> None:
    """Have NumPy's OpenBLAS compute in the thread that calls it, unless its user says otherwise; before NumPy loads.

    Its threads wait for work in busy loops, and products here are too small for more than one.
    """
    if not {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"} & os.environ.keys():
        os.environ["OPENBLAS_NUM_THREADS"] = "1"


def main() -> int:
    """Run a command; returns the exit code.

    The handlers are set before the imports, which take half a second: PID 1 of a container ignores SIGTERM without a
    handler, and Ctrl-C must end with 130 and no traceback also during imports and at exit.
    """
    signal.signal(signal.SIGTERM, exit_on_signal)
    handles_sigint = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN  # ignored in background jobs of a shell
    if handles_sigint:
        signal.signal(signal.SIGINT, exit_on_signal)
    one_blas_thread()
    from monitor.cli.parser import main as run_command  # noqa: PLC0415  # after the handlers

    def imported() -> None:
        if handles_sigint:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        return run_command(imported=imported)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if handles_sigint:
            signal.signal(signal.SIGINT, exit_on_signal)


if __name__ == "__main__":
    sys.exit(main())
