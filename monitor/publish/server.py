"""The HTTP server: `/metrics`, `/livez`, `/readyz`, and `/` for people.

One thread serves all connections without ever waiting for one of them. Who connects and says nothing costs a socket
until its time is up, or until a newer connection needs the place. An answer that has begun is never cut short for
somebody else: while as many pages are being taken as may be, another one is 503, and probes are answered all the same.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple, cast

from monitor.clock import Clock, SystemClock
from monitor.errors import UsageError
from monitor.log import get_log
from monitor.publish.series import CONTENT_TYPE, SERIES_LIMIT, SeriesPage
from monitor.publish.snapshot import SnapshotHolder
from monitor.publish.status.page import StatusPages
from monitor.publish.status.style import HEADERS

#: seconds in which a request has to be there, and in which some of its answer has to be taken, again and again
TIMEOUT_SECONDS: Final = 5.0
#: so many times; a page of a megabyte may take a minute over a bad line
ANSWER_STEPS: Final = 12
#: what the kernel holds of an answer, in bytes: with megabytes there, nobody sees whether a slow client takes some
SEND_BYTES: Final = 65_536
#: connections at a time; one more pushes out the oldest that has not asked for anything yet
CONNECTION_LIMIT: Final = 64
#: pages that are being taken at a time
PAGE_LIMIT: Final = 32
#: longest request line and headers, in bytes
HEAD_LIMIT: Final = 8_192
#: what is large and may wait; the other answers are a few words
PAGES: Final = frozenset(("/", "/metrics"))
#: seconds without a turn of the loop after which `/livez` fails
LIVE_SECONDS: Final = 60.0

_TEXT: Final = "text/plain; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"
_BUSY: Final = "as many pages are being taken as may be; ask again"
_log = get_log(__name__)


class Answer(NamedTuple):
    """What is sent back. `extra` are further header lines."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = _TEXT
    extra: tuple[str, ...] = ()


def _say(status: HTTPStatus, text: str, *extra: str) -> Answer:
    return Answer(status, (text + "\n").encode("utf-8", "replace"), _TEXT, extra)


class Site:
    """Which path answers what. Knows nothing of sockets."""

    def __init__(
        self,
        snapshots: SnapshotHolder,
        live_seconds: float = LIVE_SECONDS,
        clock: Clock | None = None,
        series_limit: int = SERIES_LIMIT,
    ) -> None:
        """`clock` says what now is for people; the machine's when None."""
        self._showcase = snapshots
        self._clock = clock or SystemClock()
        self._live_seconds = live_seconds
        self._series = SeriesPage(series_limit)
        self._pages = StatusPages()
        self._paths: dict[str, Callable[[], Answer]] = {
            "/": self._status,
            "/metrics": self._metrics,
            "/livez": self._livez,
            "/readyz": self._readyz,
        }

    def answer(self, method: str, target: str) -> Answer:
        """The answer to a request line's method and target."""
        if method not in ("GET", "HEAD"):
            return _say(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", "Allow: GET, HEAD")
        path = _path(target)
        page = self._paths.get(path)
        if page is None:
            return _say(HTTPStatus.NOT_FOUND, "there is /, /metrics, /livez and /readyz")
        try:
            return page()
        except Exception:  # noqa: BLE001 - a bug in one page must not take the probes down; it is logged and answered
            _log.exception("page_failed", path=path)
            return _say(HTTPStatus.INTERNAL_SERVER_ERROR, "this page failed; the log has the reason")

    def _metrics(self) -> Answer:
        return Answer(HTTPStatus.OK, self._series.text(self._showcase.snapshot), CONTENT_TYPE)

    def _livez(self) -> Answer:
        reason = self._showcase.silence(self._live_seconds)
        return _say(HTTPStatus.SERVICE_UNAVAILABLE, reason) if reason else _say(HTTPStatus.OK, "ok")

    def _readyz(self) -> Answer:
        """Lost events and stalled positions are said and change nothing: a new process would not mend them."""
        snapshot = self._showcase.snapshot
        missing, messages = (
            self._showcase.health.missing(),
            [*snapshot.stalled, *(f"not fine: {why}" for why in snapshot.not_fine)],
        )
        if missing:
            return _say(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join([*missing, *messages]))
        return _say(HTTPStatus.OK, "\n".join(["ok", *messages]))

    def _status(self) -> Answer:
        shown, silence = self._showcase, self._showcase.silence(self._live_seconds)
        page = self._pages.of(shown.snapshot, shown.health, silence, self._clock.now_us())
        return Answer(HTTPStatus.OK, page, _HTML, HEADERS)


def _path(target: str) -> str:
    return target.partition("?")[0]


class _Connection(asyncio.Protocol):
    """One request, one answer, closed. Every step has a deadline; all calls come from the server's thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._untaken = 0
        self._steps = 0
        #: the request is there, and its answer on the way
        self.answered = False
        #: that answer is a page
        self.takes_page = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        self._expect(self.abort)
        self._server.entered(self)

    def data_received(self, data: bytes) -> None:
        if self.answered:
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if (end if end >= 0 else len(self._head)) > HEAD_LIMIT:
            self._send("GET", _say(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {HEAD_LIMIT} bytes"))
        elif end >= 0:
            self._answer(self._head[:end].split(b"\r\n", 1)[0].decode("latin-1"))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a client that went away is no trouble of ours
        if self._deadline is not None:
            self._deadline.cancel()
        self._server.left(self)

    def abort(self) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def _expect(self, late: Callable[[], None]) -> None:
        """Give the other side its time for the next step; `late` is called when it is over."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(self._server.timeout, late)

    def _still_taken(self) -> None:
        """A slow client goes on while it takes something of its answer."""
        left = 0 if self._transport is None else self._transport.get_write_buffer_size()
        self._steps += 1
        if left >= self._untaken or self._steps >= ANSWER_STEPS:
            self.abort()
        else:
            self._untaken = left
            self._expect(self._still_taken)

    def _answer(self, request_line: str) -> None:
        words = request_line.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            self._send("GET", _say(HTTPStatus.BAD_REQUEST, "no HTTP/1 request"))
        elif _path(words[1]) in PAGES and self._server.is_busy():
            self._send(words[0], _say(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY, "Retry-After: 1"))
        else:
            self.takes_page = _path(words[1]) in PAGES
            self._send(words[0], self._server.site.answer(words[0], words[1]))

    def _send(self, method: str, answer: Answer) -> None:
        if self._transport is None:
            return
        self.answered = True
        lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}", "Connection: close"]
        if answer.status is not HTTPStatus.NO_CONTENT:
            lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {len(answer.body)}"]
        lines += ["Cache-Control: no-store", "X-Content-Type-Options: nosniff", *answer.extra, "", ""]
        head = "\r\n".join(lines).encode("ascii")
        self._transport.write(head if method == "HEAD" else head + answer.body)
        self._untaken = self._transport.get_write_buffer_size()
        self._expect(self._still_taken)
        self._transport.close()  # after what was written is gone


class Server:
    """Serves a showcase on `host`:`port` (0: a free one) from `start` to `close`, before Kafka is there and after."""

    def __init__(
        self,
        snapshots: SnapshotHolder,
        host: str,
        port: int,
        *,
        live_seconds: float = LIVE_SECONDS,
        timeout: float = TIMEOUT_SECONDS,
        clock: Clock | None = None,
        series_limit: int = SERIES_LIMIT,
    ) -> None:
        self.site = Site(snapshots, live_seconds, clock, series_limit)
        self.timeout = timeout
        self._address = (host, port)
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._connections: dict[_Connection, None] = {}

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
        self._listener = _listen(*self._address)
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

    def entered(self, connection: _Connection) -> None:
        """A connection was made. The oldest of those that have asked for nothing yet makes room for it.

        There is one: only pages take time to leave, and there are fewer of them than connections.
        """
        if len(self._connections) >= CONNECTION_LIMIT:
            silent = next((one for one in self._connections if not one.answered), None)
            if silent is not None:
                self.left(silent)
                silent.abort()
        self._connections[connection] = None

    def is_busy(self) -> bool:
        """True while as many pages are being taken as may be."""
        return sum(one.takes_page for one in self._connections) >= PAGE_LIMIT

    def left(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)

    def _serve(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._until_closed(loop, listener))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    async def _until_closed(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        server = await loop.create_server(lambda: _Connection(self), sock=listener, backlog=128)
        await self._closing.wait()
        loop.remove_reader(listener)
        arriving = asyncio.all_tasks() - {asyncio.current_task()}  # accepted; a closed server would lose their sockets
        await asyncio.gather(*arriving, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()
        server.close()
        await asyncio.sleep(0)  # lets the aborted ones close their sockets


def _listen(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except PermissionError:
        message = f"http.port: {where} may not be listened on by this user; set http.port to one above 1023"
    except (socket.gaierror, UnicodeError):
        message = f"http.host: {host!r} is no address of this machine; write 127.0.0.1 or 0.0.0.0"
    except OSError as error:
        message = (
            f"http.port: {where} cannot be listened on ({error.strerror}); stop what uses it,"
            " or set http.port (DRIFTD_HTTP__PORT) to a free one and http.host to an address of this machine"
        )
    raise UsageError(message)
