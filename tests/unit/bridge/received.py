"""Connections of the bridge on a free port of this machine, in front of a delivery that a test decides."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.bridge.access import Access
from monitor.bridge.connection import Connection, Deadlines
from monitor.bridge.figures import Figures
from monitor.bridge.holding import RECEIVING_BYTES, Holding
from monitor.bridge.receiver import Receiver
from monitor.bridge.routes import routes
from monitor.errors import ExternalError
from monitor.kafka.delivery import Group
from monitor.settings.tree import Settings
from tests.real_parts.waiting import wait_until


class Deliveries:
    """Keeps groups until the test says what becomes of them; `at_once` acknowledges."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.at_once = True
        self.why = ""
        self.refused: ExternalError | None = None

    def refusal(self, _topic: str) -> str:
        return self.why

    def trouble(self) -> str:
        return self.why

    def submit(self, group: Group) -> None:
        if self.refused is not None:
            raise self.refused
        self.groups.append(group)
        if self.at_once:
            self.settle(len(self.groups) - 1)

    def settle(self, at: int, failure: ExternalError | None = None) -> None:
        """As the library's thread does."""
        self.groups[at].done(failure)
        self.groups[at].gone()

    def values(self) -> list[bytes | None]:
        return [message.value for group in self.groups for message in group.messages]


class Received:
    """The receiver with its connections, in a thread. `bridge` are settings of that section."""

    def __init__(
        self, deadlines: Deadlines | None = None, receiving_bytes: int = RECEIVING_BYTES, **bridge: object
    ) -> None:
        tree = {"inputs": [{"topic": "events"}], "bridge": bridge}
        self.settings = Settings.model_validate(tree)
        self.delivery, self.figures = Deliveries(), Figures()
        self.access = Access(self.settings.bridge)
        self.holding = Holding(self.settings.bridge.connections, self.figures, receiving_bytes)
        self._deadlines = deadlines or Deadlines(10.0)
        self._ready = threading.Event()
        self.port = 0
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        bridge = self.settings.bridge
        self.receiver = Receiver(routes(self.settings), self.access, self.delivery, self.figures, bridge.queue_bytes)
        server = await self.loop.create_server(
            lambda: Connection(self.receiver, self.holding, self._deadlines, bridge.body_bytes),
            "127.0.0.1",
            0,
            ssl=self.access.tls,
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        while not self._stop.is_set():
            self.holding.sweep(time.monotonic())
            await asyncio.sleep(0.02)
        server.close()
        self.holding.drop("slow")
        await asyncio.sleep(0)

    def __enter__(self) -> Self:
        self.thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self.thread.join()

    def leave(self) -> None:
        """As at the end of the bridge."""

        def leaving() -> None:
            self.receiver.is_leaving = True
            self.holding.leave()

        self.loop.call_soon_threadsafe(leaving)

    def client(self) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def wait_submitted(self, number: int) -> None:
        wait_until(lambda: len(self.delivery.groups) >= number, f"{number} groups are submitted")


def token_file(folder: Path, token: str) -> Path:
    file = folder / "token"
    file.write_text(token + "\n")
    return file
