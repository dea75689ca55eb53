"""What real parts have in common: they last as long as a `with`, and listen on loopback ports of their own."""

from __future__ import annotations

import itertools
import random
import socket
from types import TracebackType
from typing import Self


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


def free_ports(count: int) -> list[int]:
    """Below the range the system gives to outgoing connections: while a server is down, a client that keeps trying its
    port could otherwise be given that very port, connect to itself and keep it from the server."""
    candidates = random.SystemRandom().sample(range(15_000, 32_000), 500)
    return list(itertools.islice(filter(_is_free, candidates), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the remains of closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
