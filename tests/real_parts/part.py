"""What real parts have in common: they last as long as a `with`, and listen on their own loopback ports."""

from __future__ import annotations

import itertools
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.real_parts.waiting import PAUSE_SECONDS

#: more than there are ever workers of one run
WORKERS_AT_MOST: Final = 16


class RealPart:
    """Begins with a `with` and is closed at its end; also when its beginning fails or Ctrl-C comes in it."""

    def close(self) -> None:
        """Leaves no process and no folder behind."""
        raise NotImplementedError

    def _begin(self) -> None:
        """What entering does; nothing unless a part says otherwise."""

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def begun(command: Sequence[str], log_file: Path) -> subprocess.Popen[bytes]:
    """A process of its own session, in the folder of the file that takes its output."""
    with log_file.open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=log_file.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def await_ready(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log_file: Path, seconds: float) -> None:
    """Returns when it is ready.

    Raises:
        RuntimeError: it was not within `seconds`, or ended; the message has the end of its output.
    """
    deadline = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > deadline or process.poll() is not None:
            output = log_file.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{process.args!r} was not ready in time, or ended:\n{output}")
        time.sleep(PAUSE_SECONDS)


def free_ports(count: int) -> list[int]:
    """Below the range the system gives to outgoing connections: while a server is down, a client that keeps trying its
    port could otherwise be given that very port, connect to itself and keep it from the server.

    Each worker of a run has its own ports: that of a server which is down for a while is not another worker's."""
    own = random.SystemRandom().sample(ports_of(os.environ.get("PYTEST_XDIST_WORKER")), 500)
    return list(itertools.islice(filter(_is_free, own), count))


def ports_of(worker: str | None) -> range:
    """What a worker of pytest-xdist (`gw3`) may take; everything where there is one process alone."""
    if worker is None:
        return range(15_000, 32_000)
    return range(15_000 + int(worker.removeprefix("gw")) % WORKERS_AT_MOST, 32_000, WORKERS_AT_MOST)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the remains of closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
