"""One run of `driftd bridge`: listen, connect, take posts until a signal, answer what is in flight, end."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import threading
import time
from typing import Final

from monitor.bridge.access import Access
from monitor.bridge.connection import Connection, Deadlines
from monitor.bridge.figures import OVER_LIMIT, Figures
from monitor.bridge.holding import Holding
from monitor.bridge.receiver import Receiver
from monitor.bridge.routes import routes, topics_of
from monitor.clock import SECOND_US
from monitor.errors import ExternalError, PermanentError
from monitor.exit_codes import BUG, DONE, INTERRUPTED
from monitor.kafka.connect import until_connected
from monitor.kafka.delivery import Delivery
from monitor.kafka.topics import create_command, describe_cluster, largest_messages
from monitor.listening import listen
from monitor.log import get_log
from monitor.settings.kafka import Kafka
from monitor.settings.tree import Settings

_log = get_log(__name__)

#: connections that the kernel holds until they are accepted
BACKLOG: Final = 512
HANDSHAKE_SECONDS: Final = 5.0
#: so often deadlines and changed files are looked at
TICK_SECONDS: Final = 0.25
#: seconds that requests in flight have after SIGTERM, and that the connection to the brokers has to close
DRAIN_SECONDS: Final = 15.0
CLOSE_SECONDS: Final = 2.0
#: files that a process needs beside its connections
_OTHER_FILES: Final = 64


def serve(settings: Settings) -> int:
    """Run until a signal; returns the exit code.

    Raises:
        UsageError: a setting, a file or the address is wrong.
        PermanentError: a topic is missing, or the brokers refuse this user.
    """
    _more_files(settings.bridge.connections)
    return asyncio.run(_Bridge(settings).run())


class _Bridge:
    """Everything of one run."""

    def __init__(self, settings: Settings) -> None:
        self._settings, bridge = settings, settings.bridge
        self._routes, self._access = routes(settings), Access(bridge)
        self._figures = Figures()
        self._holding = Holding(bridge.connections, self._figures)
        self._delivery = Delivery(settings.kafka, bridge.answer_timeout / SECOND_US, bridge.body_bytes)
        self._deadlines = Deadlines(bridge.request_timeout / SECOND_US)
        self._signal: int | None = None
        self._stop = threading.Event()

    async def run(self) -> int:
        bridge, loop = self._settings.bridge, asyncio.get_running_loop()
        receiver = Receiver(self._routes, self._access, self._delivery, self._figures, bridge.queue_bytes)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped, number, stopped)
        listener = listen("bridge", bridge.host, bridge.port, BACKLOG)
        tls = self._access.tls
        server = await loop.create_server(
            lambda: Connection(receiver, self._holding, self._deadlines, bridge.body_bytes),
            sock=listener, backlog=BACKLOG, ssl=tls, ssl_handshake_timeout=None if tls is None else HANDSHAKE_SECONDS,
        )  # fmt: skip
        _log.info("listening", host=bridge.host, port=listener.getsockname()[1], tls=tls is not None)
        ticking = asyncio.create_task(self._tick(stopped))
        connecting = asyncio.create_task(asyncio.to_thread(self._connect))
        stopping = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                connecting.result()  # raises what cannot be healed by waiting
                await stopping
            await self._drain(server, receiver)
        finally:
            self._stop.set()
            receiver.is_leaving = True
            server.close()
            self._holding.drop(OVER_LIMIT)
            ticking.cancel()
            stopping.cancel()
            with contextlib.suppress(ExternalError):
                await connecting
            await asyncio.to_thread(self._delivery.close, CLOSE_SECONDS)
        if (bug := self._delivery.bug) is not None:
            _log.critical("bug", error=type(bug).__name__, exc_info=bug)
            return BUG
        _log.info("ended", records=self._figures.records.total())
        return DONE if self._signal != signal.SIGINT else INTERRUPTED

    def _stopped(self, number: int, stopped: asyncio.Event) -> None:
        if self._signal is not None:  # the second one: without waiting for anybody
            self._holding.drop(OVER_LIMIT)
        self._signal = number
        self._stop.set()
        stopped.set()

    def _connect(self) -> None:
        """Wait for the brokers, require the topics, and deliver from then on. In a thread of its own.

        Raises:
            PermanentError: a topic is missing, or the brokers refuse this user.
        """
        kafka = self._settings.kafka
        topics = topics_of(self._settings)
        largest = until_connected(lambda: _required(topics, kafka), self._stop.is_set, self._stop.wait)
        if largest is not None:
            self._delivery.start(largest)
            _log.info("connected", topics=topics)

    async def _tick(self, stopped: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._delivery.bug is not None:
                self._holding.drop(OVER_LIMIT)  # nobody would get an answer
                stopped.set()
            self._holding.sweep(time.monotonic())
            self._access.look()
            self._figures.is_up = not self._delivery.trouble()

    async def _drain(self, server: asyncio.Server, receiver: Receiver) -> None:
        """Take nothing new, and answer what is in flight."""
        _log.info("ending", waiting_requests=self._figures.waiting_requests)
        receiver.is_leaving = True
        server.close()
        self._holding.leave()
        until = time.monotonic() + DRAIN_SECONDS
        while len(self._holding) and time.monotonic() < until:
            await asyncio.sleep(TICK_SECONDS / 10)


def _required(topics: list[str], kafka: Kafka) -> dict[str, int]:
    """Require that the topics exist and are writable; returns the largest message of each, where it is known.

    Raises:
        ExternalError: no answer; PermanentError: one line for each fault.
    """
    described = describe_cluster(kafka, topics)
    faults = [f"the topic {name} does not exist; make it: {create_command(name, kafka)}" for name in described.missing]
    for name, topic in described.topics.items():
        if topic.operations and "WRITE" not in topic.operations:
            faults.append(f"this user may not WRITE the topic {name}; see kafka-acls.sh --add")
    if faults:
        raise PermanentError("\n".join(faults))
    return largest_messages(kafka, topics)


def _more_files(connections: int) -> None:
    """Raise the limit of open files as far as it is needed and may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + _OTHER_FILES  # as many again may be in their TLS handshake
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
