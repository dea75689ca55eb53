"""HTTP/1.1 connections of the bridge: requests are answered one after another, posts once the brokers have them.

h11 parses HTTP; time-outs and limits are ours (docs/decisions/bridge-http.md). A client that sends its request too
slowly, or does not take its answer, is dropped; the others do not notice it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol, cast

import h11

from monitor.bridge.answers import Answer, RefusedError, bad_request, in_words
from monitor.bridge.holding import Holding
from monitor.bridge.posts import Post
from monitor.bridge.routes import NOWHERE, OF_PAGES, Route

#: longest request line and headers, in bytes; KServe puts the headers of its callers into one of its own
HEAD_LIMIT: Final = 65_536
#: seconds for which a connection is kept without a request
IDLE_SECONDS: Final = 75.0
#: seconds in which an answer has to be taken, and in which what follows a refused head is read and thrown away
TAKE_SECONDS: Final = 5.0
#: bytes of a refused request's body that are read, so that its connection can be kept
SMALL_BODY: Final = 65_536
#: states of a client that has sent its whole request
_WHOLE: Final = (h11.DONE, h11.MUST_CLOSE)
_REFUSED: Final = {
    HTTPStatus.BAD_REQUEST: "no HTTP/1 request",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"more than {HEAD_LIMIT} bytes of headers",
}


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for a whole request, for which a connection is kept without one, and to take an answer."""

    request: float
    idle: float = IDLE_SECONDS
    take: float = TAKE_SECONDS


class Desk(Protocol):
    """What requests are handed to. All calls are of the thread of the connections."""

    #: the bridge is ending: no further request on any connection
    is_leaving: bool

    def route(self, method: str, path: str, headers: dict[str, bytes]) -> Route | Answer:
        """Where a request goes, by its head, or its answer.

        Raises:
            RefusedError: it will not be taken.
        """

    def take(self, route: Route, post: Post, answered: Callable[[Answer], None]) -> None:
        """Carry a post; `answered` is called later, once, by the same thread.

        Raises:
            RefusedError: it is not taken.
        """

    def answers(self, name: str, status: HTTPStatus) -> None:
        """Count an answer to a request of a path of that name."""

    def drops(self, reason: str) -> None:
        """Count a connection that is dropped."""


class Connection(asyncio.Protocol):
    """One connection. Its deadline is looked at by `Holding.sweep`."""

    def __init__(self, desk: Desk, holding: Holding, deadlines: Deadlines, body_limit: int) -> None:
        self._desk, self._holding, self._deadlines, self._body_limit = desk, holding, deadlines, body_limit
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._transport: asyncio.Transport | None = None
        self._request: h11.Request | None = None
        self._goal: Route | Answer | None = None
        #: what the path of the request is, for the series
        self._name = NOWHERE
        self._headers: dict[str, bytes] = {}
        self._body = bytearray()  # parts of a few bytes each would cost many times as much
        #: bytes of further requests that came while one was being answered
        self._ahead = 0
        self._is_paused = False
        self._is_idle = self._discards = self._leaves = False
        self.received = 0
        self.began = time.monotonic()
        self.deadline = self.began + deadlines.request
        self.is_answering = False
        self.has_asked = False

    # called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)  # `resume_writing` comes when everything is in the kernel
        if self._desk.is_leaving or not self._holding.entered(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._discards:
            return
        self._http.receive_data(data)
        if not self.is_answering:
            self._proceed()
            return
        self._ahead += len(data)
        if self._ahead > HEAD_LIMIT and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more; if it waits for an answer it gets it."""
        self._leaves = True
        return self.is_answering

    def resume_writing(self) -> None:
        """The whole answer was taken."""
        if self.is_answering and self._http.our_state in {h11.DONE, h11.MUST_CLOSE}:
            self._taken()
            self._proceed()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a client that disconnects is not an error
        self._transport = None
        self._body.clear()
        self._holding.left(self)

    # called by the bridge

    def drop(self, reason: str) -> None:
        self._holding.left(self)
        if self._transport is not None:
            self._desk.drops(reason)
            self._transport.abort()

    def leave(self) -> None:
        self._leaves = True
        nothing_came = self._request is None and not self._http.trailing_data[0]
        if nothing_came and not self.is_answering and self._transport is not None:
            self._transport.close()

    # one request

    def _is_reading(self) -> bool:
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and not self.is_answering and not self._discards

    def _proceed(self) -> None:
        """Go on with what has arrived, until a post waits for the brokers."""
        while self._is_reading() and self._step():
            pass

    def _step(self) -> bool:
        """Take the next part of a request; False if it has not arrived."""
        try:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._grow(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._complete()
            else:
                self._await_rest()
                return False
        except RefusedError as refused:
            self._send(refused.answer)
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            self._send(in_words(status, _REFUSED.get(status, status.phrase)))
        return True

    def _read_on(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _await_rest(self) -> None:
        """The time of a request counts from its first byte."""
        self._read_on()
        if self._is_idle and (self._request is not None or self._http.trailing_data[0]):
            self._is_idle = False
            self.began = time.monotonic()
            self.deadline = self.began + self._deadlines.request

    def _begin(self, request: h11.Request) -> None:
        self._request, self._headers = request, {}
        for name, value in request.headers:
            text = name.decode("ascii")
            self._headers[text] = self._headers[text] + b", " + value if text in self._headers else value
        if "transfer-encoding" in self._headers and (
            "content-length" in self._headers or request.http_version < b"1.1"
        ):
            # a proxy in front may see other requests in the same bytes: RFC 9112, 6.1
            raise bad_request("Transfer-Encoding with Content-Length, or in HTTP/1.0")
        length = int(self._headers.get("content-length", b"0"))
        path = request.target.decode("latin-1").partition("?")[0]
        try:
            self._goal = self._desk.route(request.method.decode("ascii"), path, self._headers)
            self._name = self._goal.name if isinstance(self._goal, Route) else OF_PAGES
            if length > self._body_limit:
                raise self._too_large()
        except RefusedError as refused:
            waits = self._http.they_are_waiting_for_100_continue
            if length > SMALL_BODY or waits or "transfer-encoding" in self._headers:
                raise
            self._goal = refused.answer
        if self._http.they_are_waiting_for_100_continue and self._transport is not None:
            self._transport.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")

    def _too_large(self) -> RefusedError:
        return RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a body of more than {self._body_limit} bytes; send fewer events at a time, or raise bridge.body_bytes",
        )

    def _grow(self, data: bytes) -> None:
        if isinstance(self._goal, Route):
            self._body += data
        self._holding.grew(self, len(data))
        if self.received > self._body_limit:
            raise self._too_large()

    def _complete(self) -> None:
        body = bytes(self._body)
        self._body.clear()
        self._holding.finished(self)
        if isinstance(self._goal, Answer):
            self._send(self._goal)
        elif self._goal is not None:
            self._desk.take(self._goal, Post(self._headers, body), self._answered)
            self.is_answering, self.deadline = True, math.inf

    # its answer

    def _answered(self, answer: Answer) -> None:
        """Called once the brokers have the records, or will not."""
        self._send(answer)
        self._proceed()

    def _send(self, answer: Answer) -> None:
        transport = self._transport
        self._desk.answers(self._name, answer.status)
        if transport is None or transport.is_closing():
            return
        self.has_asked = True
        is_whole = self._http.their_state in _WHOLE
        transport.write(self._written(answer))
        if not is_whole:
            self._discard(transport)
        elif transport.get_write_buffer_size():
            self.is_answering, self.deadline = True, time.monotonic() + self._deadlines.take
        else:
            self._taken()

    def _written(self, answer: Answer) -> bytes:
        fields = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *answer.extra]
        if self._leaves or self._desk.is_leaving or self._http.their_state not in _WHOLE:
            fields.append(("Connection", "close"))
        is_head = self._request is not None and self._request.method == b"HEAD"
        status = answer.status
        parts = [
            self._http.send(h11.Response(status_code=status.value, reason=status.phrase.encode(), headers=fields)),
            b"" if is_head else self._http.send(h11.Data(data=answer.body)),
            self._http.send(h11.EndOfMessage()),
        ]
        return b"".join(part for part in parts if part)

    def _discard(self, transport: asyncio.Transport) -> None:
        """Read the rest of a refused request for a while: the client may see the answer only once all is sent."""
        self._discards, self.is_answering = True, False
        self._body.clear()
        self._holding.finished(self)
        self._read_on()
        self.deadline = time.monotonic() + self._deadlines.take
        if transport.can_write_eof():
            with contextlib.suppress(OSError):  # it is gone already
                transport.write_eof()

    def _taken(self) -> None:
        """Be ready for the next request, which may have arrived already."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._http.our_state is h11.MUST_CLOSE:
            transport.close()
            return
        self._http.start_next_cycle()
        self._request, self._goal, self._name, self.is_answering, self._is_idle = None, None, NOWHERE, False, True
        self.deadline = time.monotonic() + self._deadlines.idle
        self._ahead = len(self._http.trailing_data[0])  # of many requests sent at once all but this one still wait
