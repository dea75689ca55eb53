"""Dead letters: rejected records, unchanged, with the reason in added headers.

The headers have the names of Kafka Connect's dead letter queue (`__connect.errors.*`), which other tools read, and
`driftd.error.code` with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from monitor.kafka.producer import Message, Outbox
from monitor.records import DeadLetter

_CONNECT: Final = "__connect.errors."
_OWN: Final = "driftd.error."
_MOST_MESSAGE: Final = 500
_MOST_INDICES: Final = 100

Headers = list[tuple[str, bytes]]


class DeadLetters:
    """Writes dead letters to the rejects topic through an outbox; they are durable when the outbox's `flush`
    returns."""

    def __init__(self, outbox: Outbox, topic: str, group_id: str) -> None:
        self._outbox = outbox
        self._topic = topic
        self._group_id = group_id

    def send(self, letter: DeadLetter) -> None:
        """Hand the letter to the outbox.

        Raises:
            ExternalError: the outbox is full and the brokers do not accept it; the letter was not queued.
        """
        whole, digest = dead_letter_messages(letter, self._topic, self._group_id)
        self._outbox.send(whole, smaller=lambda: iter((digest,)))


def dead_letter_messages(letter: DeadLetter, topic: str, group_id: str) -> tuple[Message, Message]:
    """The whole letter (key, value and headers unchanged), and a small one to send if that is too large.

    The small one has the length and SHA-256 of the value as headers instead of the value, and the key only up to 1,024
    bytes. The client refuses a record with neither key nor value, so a null value without a key is written as an empty
    one.
    """
    why = _error_headers(letter, group_id)
    value = b"" if letter.value is None and letter.key is None else letter.value
    whole = Message(topic, letter.key, value, _writable(letter.headers) + why)
    content = letter.value or b""
    digest: Headers = [
        (f"{_OWN}value.bytes", str(len(content)).encode()),
        (f"{_OWN}value.sha256", hashlib.sha256(content).hexdigest().encode()),
    ]
    key = letter.key if letter.key is None or len(letter.key) <= 1024 else None
    return whole, Message(topic, key, b"", why + digest)


def _error_headers(letter: DeadLetter, group_id: str) -> Headers:
    texts = {
        f"{_CONNECT}topic": letter.partition.topic,
        f"{_CONNECT}partition": str(letter.partition.number),
        f"{_CONNECT}offset": str(letter.offset),
        f"{_CONNECT}connector.name": group_id,
        f"{_CONNECT}task.id": "0",
        f"{_CONNECT}stage": "VALUE_CONVERTER",
        f"{_CONNECT}class.name": "monitor.decode",
        f"{_CONNECT}exception.class.name": "monitor.errors.RejectedRecord",
        f"{_CONNECT}exception.message": letter.message[:_MOST_MESSAGE],
        f"{_OWN}code": letter.reason,
    }
    if letter.indices:
        shown = ",".join(map(str, letter.indices[:_MOST_INDICES]))
        texts[f"{_OWN}indices"] = shown + (",..." if len(letter.indices) > _MOST_INDICES else "")
    return [(name, _encoded(text)) for name, text in texts.items()]


def _writable(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """The record's own headers as the client accepts them: null as empty, lone surrogates escaped.

    Error headers of an earlier dead letter are dropped, so that a record shows its last failure only.
    """
    return [(_encoded(name).decode(), value or b"") for name, value in headers if not name.startswith((_CONNECT, _OWN))]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
