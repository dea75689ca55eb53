"""HTTP/1.1 connections of the server's thread: requests are answered one after another.

h11 parses HTTP; this adds time-outs and limits, which application servers leave to a proxy
(docs/decisions/http-server.md). A client that connects and sends nothing costs a socket until its time-out, or until a
newer connection takes its place.
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

#: seconds within which a request must be complete, and within which the client must read some more of its answer
TIMEOUT_SECONDS: Final = 5.0
#: most such periods per answer; a page of a megabyte may take a minute over a bad line
ANSWER_STEPS: Final = 12
#: seconds that a connection is kept for another request; longer than the usual minute between two scrapes
IDLE_SECONDS: Final = 75.0
#: socket send buffer, in bytes: with megabytes in the kernel, progress of a slow client could not be seen
SEND_BYTES: Final = 65_536
#: most connections; one more closes the oldest that is not receiving a page
CONNECTION_LIMIT: Final = 64
#: most pages being sent at the same time
PAGE_LIMIT: Final = 32
#: longest request line and headers, in bytes
HEAD_LIMIT: Final = 8_192
#: most bytes of a request body, which is read and discarded
BODY_LIMIT: Final = 65_536

_BUSY: Final = "as many pages are being taken as may be; ask again"
_REFUSED: Final = {
    HTTPStatus.BAD_REQUEST: "no HTTP/1 request",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"more than {HEAD_LIMIT} bytes",
}


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for the client's next step, and for which a connection is kept without a request."""

    step: float = TIMEOUT_SECONDS
    idle: float = IDLE_SECONDS


class Connections:
    """The open connections, oldest first, and their limit."""

    def __init__(self) -> None:
        self._open: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def entered(self, connection: Connection) -> None:
        """Add a connection. At the limit, close one that is not receiving a page.

        One that never sent a request goes first, then the oldest. There always is one, as fewer pages than connections
        may be sent at a time.
        """
        if len(self._open) >= CONNECTION_LIMIT:
            waiting = min((one for one in self._open if not one.takes_page), key=lambda one: one.has_asked)
            self.left(waiting)
            waiting.abort()
        self._open[connection] = None

    def left(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._open.pop(connection, None)

    def is_busy(self) -> bool:
        """True while the limit of pages is reached."""
        return sum(one.takes_page for one in self._open) >= PAGE_LIMIT

    def abort(self) -> None:
        """Drop them all now."""
        for connection in list(self._open):
            connection.abort()


class Connection(asyncio.Protocol):
    """One connection. Every step has a time-out; all calls come from the server's thread."""

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
        #: a request was answered, or its answer is being sent
        self.has_asked = False
        #: the answer being sent is a page
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
        """The whole answer was sent: continue with the next request, which may have arrived already."""
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
        """Start the time-out of the client's next step; `late` is called when it expires."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, late)

    def _still_taken(self) -> None:
        """Keep a slow client as long as it reads some of its answer in each period."""
        left = 0 if self._transport is None else self._transport.get_write_buffer_size()
        self._steps += 1
        if left >= self._untaken or self._steps >= ANSWER_STEPS:
            self.abort()
        else:
            self._untaken = left
            self._expect(self._deadlines.step, self._still_taken)

    def _proceed(self) -> None:
        """Answer the next request. While an answer is being sent nothing is read, so answers cannot pile up."""
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
        """Time-out of an incomplete request, counted from its first byte."""
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
        if self._http.their_state is not h11.DONE:  # the rest of the request will not be read
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
