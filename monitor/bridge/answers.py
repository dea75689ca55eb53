"""The answers of the bridge, and what a request is refused with."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, NamedTuple

TEXT: Final = "text/plain; charset=utf-8"
#: seconds after which a client may try again
RETRY_AFTER: Final = ("Retry-After", "1")


class Answer(NamedTuple):
    """A response. `extra` are further header fields (name, value)."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = TEXT
    extra: tuple[tuple[str, str], ...] = ()


class RefusedError(Exception):
    """A request that cannot be carried, with its answer."""

    def __init__(self, status: HTTPStatus, text: str, *extra: tuple[str, str]) -> None:
        super().__init__(text)
        self.answer = in_words(status, text, *extra)


def in_words(status: HTTPStatus, text: str, *extra: tuple[str, str]) -> Answer:
    """A plain-text answer."""
    return Answer(status, (text + "\n").encode("utf-8", "replace"), TEXT, extra)


def bad_request(text: str) -> RefusedError:
    """What cannot be carried, and what would be right."""
    return RefusedError(HTTPStatus.BAD_REQUEST, text)
