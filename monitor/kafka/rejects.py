"""Dead letters: a record that could not be taken, as it was, with headers that say why.

The headers have the names of Kafka Connect's dead letter queue (`__connect.errors.*`), which tools know, and
`driftd.error.code` with the reason word.
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
    """Writes dead letters to the rejects topic through an outbox; the outbox's `flush` tells when they are safe."""

    def __init__(self, outbox: Outbox, topic: str, group_id: str) -> None:
        self._outbox = outbox
        self._topic = topic
        self._group_id = group_id

    def send(self, letter: DeadLetter) -> None:
        """Hand the letter to the outbox.

        Raises:
            ExternalError: the outbox is full and the brokers do not take it; the letter was not taken.
        """
        whole, digest = dead_letter_messages(letter, self._topic, self._group_id)
        self._outbox.send(whole, smaller=lambda: iter((digest,)))


def dead_letter_messages(letter: DeadLetter, topic: str, group_id: str) -> tuple[Message, Message]:
    """The letter whole (key, value and headers unchanged), and the one for when that is too large.

    The small one has no value but its length and SHA-256 as headers, and the key only if that is short.
    Kafka takes no record with neither key nor value: a null value without key is written as an empty one.
    """
    why = _why(letter, group_id)
    value = b"" if letter.value is None and letter.key is None else letter.value
    whole = Message(topic, letter.key, value, _writable(letter.headers) + why)
    content = letter.value or b""
    digest: Headers = [
        (f"{_OWN}value.bytes", str(len(content)).encode()),
        (f"{_OWN}value.sha256", hashlib.sha256(content).hexdigest().encode()),
    ]
    key = letter.key if letter.key is None or len(letter.key) <= 1024 else None
    return whole, Message(topic, key, b"", why + digest)


def _why(letter: DeadLetter, group_id: str) -> Headers:
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
    """The record's own headers as the client takes them: null as empty, half surrogates written out.

    Those of an earlier dead letter go: a record that came back from a dead letter queue shows its last failure.
    """
    return [(_encoded(name).decode(), value or b"") for name, value in headers if not name.startswith((_CONNECT, _OWN))]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
