"""HTTP/1.1 connections of the server's thread: requests and their answers, one after another.

h11 keeps the grammar of HTTP; here are the deadlines and the limits, which servers for applications leave to a proxy in
front of them (docs/decisions/http-server.md). Nobody is waited for: who connects and asks for nothing costs a socket
until its time is up, or until a newer connection needs the place.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

import h11

from monitor.publish.site import PAGES, Answer, Site, in_words, path_of

#: seconds in which a request has to be there, and in which some of its answer has to be taken, again and again
TIMEOUT_SECONDS: Final = 5.0
#: most such periods per answer; a page of a megabyte may take a minute over a bad line
ANSWER_STEPS: Final = 12
#: seconds that a connection is kept for another request; longer than the usual minute between two scrapes
IDLE_SECONDS: Final = 75.0
#: what the kernel holds of an answer, in bytes: with megabytes there, nobody sees whether a slow client takes some
SEND_BYTES: Final = 65_536
#: connections at a time; one more pushes out the oldest that waits for no page
CONNECTION_LIMIT: Final = 64
#: pages that are being taken at a time
PAGE_LIMIT: Final = 32
#: longest request line and headers, in bytes
HEAD_LIMIT: Final = 8_192
#: what is read, and thrown away, of a body that nobody asked for, in bytes
BODY_LIMIT: Final = 65_536

_BUSY: Final = "as many pages are being taken as may be; ask again"
_REFUSED: Final = {
    HTTPStatus.BAD_REQUEST: "no HTTP/1 request",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"more than {HEAD_LIMIT} bytes",
}


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for the next step of the other side, and for which a connection is kept without a request."""

    step: float = TIMEOUT_SECONDS
    idle: float = IDLE_SECONDS


class Connections:
    """Those that are open, the oldest first, and how many may be."""

    def __init__(self) -> None:
        self._open: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def entered(self, connection: Connection) -> None:
        """A connection was made. One that waits for no page makes room: rather one that never asked, rather an old one.

        There is one: only pages take time to leave, and there are fewer of them than connections.
        """
        if len(self._open) >= CONNECTION_LIMIT:
            waiting = min((one for one in self._open if not one.takes_page), key=lambda one: one.has_asked)
            self.left(waiting)
            waiting.abort()
        self._open[connection] = None

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.pop(connection, None)

    def is_busy(self) -> bool:
        """True while as many pages are being taken as may be."""
        return sum(one.takes_page for one in self._open) >= PAGE_LIMIT

    def abort(self) -> None:
        """Drop them all now."""
        for connection in list(self._open):
            connection.abort()


class Connection(asyncio.Protocol):
    """Every step has a deadline; all calls come from the server's thread."""

    def __init__(self, site: Site, connections: Connections, deadlines: Deadlines) -> None:
        self._site = site
        self._connections = connections
        self._deadlines = deadlines
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._request: h11.Request | None = None
        self._body = 0
        #: bytes of the answer that are not in the kernel yet, and how often that was checked
        self._untaken = 0
        self._steps = 0
        self._idle = False
        #: a request was answered, or its answer is on the way
        self.has_asked = False
        #: the answer on the way is a page
        self.takes_page = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)  # `resume_writing` comes when everything is in the kernel
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        self._expect(self._deadlines.step, self.abort)
        self._connections.entered(self)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._proceed()

    def resume_writing(self) -> None:
        """The whole answer is taken: the next request may be there already."""
        self._untaken = 0
        self._next_request()
        self._proceed()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a client that disconnects is not an error
        if self._deadline is not None:
            self._deadline.cancel()
        self._connections.left(self)

    def abort(self) -> None:
        """Drop the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def _expect(self, seconds: float, late: Callable[[], None]) -> None:
        """Give the other side its time for the next step; `late` is called when it is over."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, late)

    def _still_taken(self) -> None:
        """A slow client goes on while it takes something of its answer."""
        left = 0 if self._transport is None else self._transport.get_write_buffer_size()
        self._steps += 1
        if left >= self._untaken or self._steps >= ANSWER_STEPS:
            self.abort()
        else:
            self._untaken = left
            self._expect(self._deadlines.step, self._still_taken)

    def _proceed(self) -> None:
        """Answer what is there. While an answer is not taken nothing more is read: no client can pile up answers."""
        try:
            while self._transport is not None and not self._transport.is_closing() and not self._untaken:
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    self._request = event
                    if self._http.they_are_waiting_for_100_continue:
                        self._answer(event)
                elif isinstance(event, h11.Data):
                    self._body += len(event.data)
                    if self._body > BODY_LIMIT:
                        self._send(in_words(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {BODY_LIMIT} bytes"))
                elif isinstance(event, h11.EndOfMessage) and self._request is not None:
                    self._answer(self._request)
                else:
                    self._awaits_rest()
                    return
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            self._send(in_words(status, _REFUSED.get(status, status.phrase)))

    def _awaits_rest(self) -> None:
        """From its first byte on a request has the time of one step, however it drips."""
        if self._idle and self._http.trailing_data[0]:
            self._idle = False
            self._expect(self._deadlines.step, self.abort)

    def _answer(self, request: h11.Request) -> None:
        method, target = request.method.decode("ascii"), request.target.decode("latin-1")
        if path_of(target) in PAGES and self._connections.is_busy():
            self._send(in_words(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY, ("Retry-After", "1")))
            return
        accepted = b",".join(value for name, value in request.headers if name == b"accept-encoding")
        self.takes_page = path_of(target) in PAGES
        self._send(self._site.answer(method, target, accepted.decode("latin-1")))

    def _send(self, answer: Answer) -> None:
        if self._transport is None:
            return
        self.has_asked, self._steps = True, 0
        length = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        always = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
        if self._http.their_state is not h11.DONE:  # a body or a line that nobody will read
            always.append(("Connection", "close"))
        is_head = self._request is not None and self._request.method == b"HEAD"
        parts = [
            self._http.send(
                h11.Response(
                    status_code=answer.status.value,
                    reason=answer.status.phrase.encode(),
                    headers=[*length, *always, *answer.extra],
                )
            ),
            b"" if is_head else self._http.send(h11.Data(data=answer.body)),
            self._http.send(h11.EndOfMessage()),
        ]
        self._transport.write(b"".join(part for part in parts if part))
        self._untaken = self._transport.get_write_buffer_size()
        if self._untaken:
            self._transport.pause_reading()
            self._expect(self._deadlines.step, self._still_taken)
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()  # after what was written is gone
        elif not self._untaken:
            self._next_request()

    def _next_request(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._http.start_next_cycle()
        self._request, self._body, self.takes_page, self._idle = None, 0, False, True
        self._transport.resume_reading()
        self._expect(self._deadlines.idle, self.abort)
