"""The daemon of the demo, as a separate process: the demo shows a real `driftd run`.

Run as a module it is that process, which ends together with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Final, Self

from monitor.clock import Clock
from monitor.errors import TransientError, UsageError

HOST: Final = "127.0.0.1"
READY_SECONDS: Final = 30.0
#: seconds that `driftd run` may take for its last checkpoint
STOP_SECONDS: Final = 20.0
_STEP: Final = 0.1
#: of prctl (Linux): the signal to get when the parent ends
_PARENT_DEATH_SIGNAL: Final = 1


def write_settings(folder: Path, tree: dict[str, Any]) -> Path:
    """The settings file; JSON is YAML."""
    path = folder / "driftd.yaml"
    path.write_text(json.dumps(tree, indent=2), encoding="utf-8")
    return path


def free_port(wanted: int | None, usual: int) -> int:
    """The requested port; else the usual one, or any free one.

    Raises:
        UsageError: the requested port is taken.
    """
    for port in (usual, 0) if wanted is None else (wanted,):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError, OverflowError):
                tried.bind((HOST, port))
                return int(tried.getsockname()[1])
    raise UsageError(f"--port: {wanted} is taken or may not be used; give another one, or none")


class DaemonProcess:
    """`driftd run` on a settings file; leaving the `with` block stops it cleanly, with its last checkpoint."""

    def __init__(self, settings_file: Path, port: int, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self.log_file = settings_file.with_name("driftd.log")
        own = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTD_")}
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # this Python, this package
                [sys.executable, "-m", "monitor.demo.child", "run", "--config", str(settings_file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=own, start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_ready(self) -> None:
        """Wait until `/readyz` is 200.

        Raises:
            ExternalError: the process ended, or is not ready in time.
        """
        deadline = self._clock.monotonic() + READY_SECONDS
        while not self._ready():
            self.require_running()
            if self._clock.monotonic() > deadline:
                raise TransientError(f"the daemon is not ready after {READY_SECONDS:.0f} s{self._last_words()}")
            Event().wait(_STEP)

    def require_running(self) -> None:
        """Raises ExternalError: the process ended."""
        if self._process.poll() is not None:
            raise TransientError(f"the daemon ended with {self._process.returncode}{self._last_words()}")

    def stop(self) -> None:
        """Send SIGTERM and wait."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "".join(f"\n  {line}" for line in ["; its last lines:", *lines[-3:]]) if lines else ""


def end_with_parent() -> None:
    """Get SIGTERM when the parent process ends for any reason; Linux only."""
    parent = os.getppid()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:  # it ended in between
        sys.exit(1)


if __name__ == "__main__":
    end_with_parent()
    runpy.run_module("monitor", run_name="__main__")
