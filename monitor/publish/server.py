"""The HTTP server: one thread that serves all connections without ever waiting for one of them."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Final

from monitor.clock import Clock
from monitor.listening import listen
from monitor.publish.connection import Connection, Connections, Deadlines
from monitor.publish.series import SERIES_LIMIT
from monitor.publish.site import LIVE_SECONDS, Site
from monitor.publish.snapshot import SnapshotHolder

#: connections that the kernel holds until they are accepted
BACKLOG: Final = 128


class Server:
    """Serves the newest snapshot on `host`:`port` (0: a free one) from `start` to `close`, with Kafka or without."""

    def __init__(
        self,
        snapshots: SnapshotHolder,
        host: str,
        port: int,
        *,
        live_seconds: float = LIVE_SECONDS,
        deadlines: Deadlines | None = None,
        clock: Clock | None = None,
        series_limit: int = SERIES_LIMIT,
    ) -> None:
        self.site = Site(snapshots, live_seconds, clock, series_limit)
        self.connections = Connections()
        self._deadlines = deadlines or Deadlines()
        self._address = (host, port)
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()

    @property
    def port(self) -> int:
        """The port listened on; before `start` the one asked for."""
        return self._address[1] if self._listener is None else int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Listen and answer from now on; does nothing when started already.

        Raises:
            UsageError: the address cannot be listened on.
        """
        if self._thread is not None:
            return
        self._listener = listen("http", *self._address, BACKLOG)
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, args=(self._loop, self._listener), name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and drop what is open; does nothing when closed already."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._thread = self._loop = self._listener = None

    def _serve(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._until_closed(loop, listener))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def _connection(self) -> Connection:
        return Connection(self.site, self.connections, self._deadlines)

    async def _until_closed(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        server = await loop.create_server(self._connection, sock=listener, backlog=BACKLOG)
        await self._closing.wait()
        loop.remove_reader(listener)
        arriving = asyncio.all_tasks() - {asyncio.current_task()}  # accepted; a closed server would lose their sockets
        await asyncio.gather(*arriving, return_exceptions=True)
        self.connections.abort()
        server.close()
        await asyncio.sleep(0)  # lets the aborted ones close their sockets
