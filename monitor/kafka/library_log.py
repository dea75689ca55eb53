"""Listens to the client library's own log, which says why connections failed; its exceptions say no more than
"time-out"."""

from __future__ import annotations

import logging
import os
import re
import threading
from typing import Final

from kafka import errors as kafka_errors

_LIBRARY: Final = "kafka"
#: loggers of the library whose lines a daemon does not repeat: it says itself which broker does not answer, and why
REPORTED_BY_US: Final = ("kafka.net", "kafka.cluster")
_MOST_TEXT: Final = 200
_UNTRUSTED: Final = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "Hostname mismatch")
_ABOUT_CONNECTIONS: Final = ("Connection failed", "Bootstrap connection", "Bootstrap attempt")
_BOOTSTRAP_NODE: Final = re.compile(r"bootstrap-\d+")
#: the number of a system call's error, as in "111 ECONNREFUSED"
_SYSTEM_ERROR: Final = re.compile(r"\b(\d+) E[A-Z]+\b")
_A_LISTENER: Final = "is it a Kafka listener, and one of this kafka.security.protocol?"
#: the first sign that stands in a line says what it means
_WORDS: Final = (
    ("DNS", "no such host"),
    ("Handshake failed", f"the TLS handshake failed: {_A_LISTENER}"),
    ("socket disconnected", f"closed the connection: {_A_LISTENER}"),
    ("reset by peer", f"closed the connection: {_A_LISTENER}"),
    ("Broken pipe", f"closed the connection: {_A_LISTENER}"),
    ("InvalidReceiveError", f"answered what is no Kafka: {_A_LISTENER}"),
    ("CorrelationIdError", f"answered what is no Kafka: {_A_LISTENER}"),
    ("imed out", f"no answer in time: {_A_LISTENER}"),
)
_NOT_ADMITTED: Final = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.AuthorizationError,
)


class ConnectionFailure(logging.Handler):
    """What the library said about connections that failed since `forget` was called.

    Attributes:
        text: its last line about one.
        heard: how many such lines there were in all.
        why: what the last one means, in words.
        by_node: the same of each node that was to tell about the others, by the library's name for it.
        untrusted: whether a certificate was not trusted.
        not_admitted: the kind of error by which a broker refused the user, None if none did. It is worth remembering:
            the library often reads the refusal and the end of the connection together and reports only the latter.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard = 0
        self.forget()

    def forget(self) -> None:
        self.text = self.why = ""
        self.by_node: dict[str, str] = {}
        self.untrusted = False
        self.not_admitted: type[Exception] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if not str(record.msg).startswith(_ABOUT_CONNECTIONS):
            return
        self.heard += 1
        self.text = record.getMessage()[:_MOST_TEXT]
        self.why = in_words(self.text)
        if node := _BOOTSTRAP_NODE.search(self.text):
            self.by_node[node[0]] = self.why
        self.untrusted = self.untrusted or any(sign in self.text for sign in _UNTRUSTED)
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, _NOT_ADMITTED):
                self.not_admitted = type(argument)  # the error itself would keep its frames and sockets


def in_words(text: str) -> str:
    """What became of a connection, from the library's line about it."""
    if number := _SYSTEM_ERROR.search(text):
        return os.strerror(int(number[1])).lower()
    return next((words for sign, words in _WORDS if sign in text), "the connection failed")


_failure = ConnectionFailure()
_lock = threading.Lock()


def connection_failure() -> ConnectionFailure:
    """The one listener, put to the library's logger at the first call.

    The library's level is lifted to WARNING where the program left it lower: at DEBUG it logs requests, records and
    the settings with their secrets.
    """
    logger = logging.getLogger(_LIBRARY)
    with _lock:
        if _failure not in logger.handlers:
            logger.addHandler(_failure)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
    return _failure
