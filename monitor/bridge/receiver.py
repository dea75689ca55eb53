"""Takes requests from connections and gives posts to the delivery; everything here runs in the connections' thread."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

from monitor.bridge.access import Access
from monitor.bridge.answers import RETRY_AFTER, Answer, RefusedError, in_words
from monitor.bridge.figures import CONTENT_TYPE, Figures, page
from monitor.bridge.posts import Carried, Post
from monitor.bridge.routes import PAGES, TOPICS, Route
from monitor.errors import ExternalError
from monitor.kafka.delivery import Group, TooLargeError
from monitor.kafka.producer import Message

#: bytes of the objects of a record
_RECORD_BYTES: Final = 1_000
_PATHS: Final = "POST to /events, /labels, /modeldata/log, /topics/NAME or /; GET /metrics, /livez or /readyz"


def _held(one: Carried) -> int:
    """Bytes that a record costs until the brokers have it; in a batch each has headers of its own."""
    return _RECORD_BYTES + len(one.key) + len(one.value) + sum(len(name) + len(value) for name, value in one.headers)


class Delivers(Protocol):
    """The delivery to Kafka."""

    def refusal(self, topic: str) -> str:
        """Why a group would fail now, "" if it may be acknowledged."""

    def trouble(self) -> str:
        """What is wrong, "" if all is well."""

    def submit(self, group: Group) -> None:
        """Deliver a group.

        Raises:
            TooLargeError: its topic does not take a record of that size.
        """


class Receiver:
    """What connections hand their requests to (`connection.Desk`)."""

    def __init__(
        self, routes: Mapping[str, Route], access: Access, delivery: Delivers, figures: Figures, queue_bytes: int
    ) -> None:
        self._routes, self._access, self._delivery = routes, access, delivery
        self._figures, self._queue_bytes = figures, queue_bytes
        self._loop = asyncio.get_running_loop()
        #: calls of other threads that wait for this one
        self._calls: deque[Callable[[], None]] = deque()
        self._is_scheduled = False
        self.is_leaving = False

    def route(self, method: str, path: str, headers: Mapping[str, bytes]) -> Route | Answer:
        """Where a request goes, by its head.

        Raises:
            RefusedError: it will not be taken.
        """
        if path in PAGES:
            if method not in {"GET", "HEAD"}:
                raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", ("Allow", "GET, HEAD"))
            return self._page(path)
        route = self._routes.get(path)
        if route is None:
            known = [name.removeprefix(TOPICS) for name in self._routes if name.startswith(TOPICS)]
            text = (
                f"no such topic here; known: {', '.join(known)}"
                if path.startswith(TOPICS)
                else f"no such path; {_PATHS}"
            )
            raise RefusedError(HTTPStatus.NOT_FOUND, text)
        if method != "POST":
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, f"only POST here; {_PATHS}", ("Allow", "POST"))
        authorization = headers.get("authorization", b"")
        if not self._access.allows(authorization):
            fault = "the token is not the one in bridge.token_file" if authorization else "a bearer token is needed"
            text = f"{fault}; send Authorization: Bearer TOKEN"
            raise RefusedError(HTTPStatus.UNAUTHORIZED, text, ("WWW-Authenticate", "Bearer"))
        if headers.get("content-encoding", b"identity").lower() != b"identity":
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Content-Encoding is not read; send the body uncompressed")
        return route

    def _page(self, path: str) -> Answer:
        if path == "/metrics":
            return Answer(HTTPStatus.OK, page(self._figures), CONTENT_TYPE)
        why = ""
        if path == "/readyz":
            why = "ending" if self.is_leaving else self._delivery.trouble()
        return in_words(HTTPStatus.SERVICE_UNAVAILABLE, why) if why else in_words(HTTPStatus.OK, "ok")

    def take(self, route: Route, post: Post, answered: Callable[[Answer], None]) -> None:
        """Carry a post; `answered` is called once the brokers have it, or will not.

        Raises:
            RefusedError: it cannot be carried, or not now.
        """
        if why := self._delivery.refusal(route.topic):
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, why, RETRY_AFTER)
        carried = route.carried(post)
        size, figures = sum(map(_held, carried)), self._figures
        if len(carried) > 1 and size > self._queue_bytes:
            text = (
                f"{len(carried)} records take {size} bytes with their headers (bridge.queue_bytes); send fewer a body"
            )
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        if figures.waiting_bytes and figures.waiting_bytes + size > self._queue_bytes:
            text = f"{figures.waiting_bytes} bytes wait for the brokers (bridge.queue_bytes); try again"
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, text, RETRY_AFTER)
        messages = [Message(route.topic, one.key, one.value, one.headers) for one in carried]
        done = partial(self._done, route.topic, len(messages), len(post.body), time.monotonic(), answered)
        group = Group(
            route.topic,
            messages,
            done=lambda failure: self._call(partial(done, failure)),
            gone=lambda: self._call(partial(self._gone, size)),
        )
        try:
            self._delivery.submit(group)
        except TooLargeError as error:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from None
        figures.waiting_requests += 1
        figures.waiting_bytes += size

    def answers(self, name: str, status: HTTPStatus) -> None:
        """Count an answer."""
        self._figures.requests[name, str(status.value)] += 1

    def drops(self, reason: str) -> None:
        """Count a connection that is dropped."""
        self._figures.dropped[reason] += 1

    def _call(self, call: Callable[[], None]) -> None:
        """Have it called in the connections' thread; by any thread."""
        self._calls.append(call)
        # in this order: the flag falls before the calls are taken, so that none is left behind
        if not self._is_scheduled and not self._loop.is_closed():
            self._is_scheduled = True
            self._loop.call_soon_threadsafe(self._run_calls)

    def _run_calls(self) -> None:
        self._is_scheduled = False
        try:
            while self._calls:
                self._calls.popleft()()
        finally:
            if self._calls:  # one has failed; no other may wait for ever because of it
                self._loop.call_soon(self._run_calls)

    def _gone(self, size: int) -> None:
        self._figures.waiting_requests -= 1
        self._figures.waiting_bytes -= size

    def _done(
        self,
        topic: str,
        records: int,
        size: int,
        began: float,
        answered: Callable[[Answer], None],
        failure: ExternalError | None,
    ) -> None:
        self._figures.answered(time.monotonic() - began)
        if failure is None:
            self._figures.records[topic] += records
            self._figures.bytes[topic] += size
            answered(in_words(HTTPStatus.ACCEPTED, f"{records} on {topic}"))
        elif isinstance(failure, TooLargeError):
            answered(in_words(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(failure)))
        else:
            answered(in_words(HTTPStatus.SERVICE_UNAVAILABLE, str(failure), RETRY_AFTER))
