"""A handler on kafka-python's own log, which has the reasons of failed connections: its exceptions only have
"time-out"."""

from __future__ import annotations

import logging
import os
import re
import threading
from typing import Final

from kafka import errors as kafka_errors

_LIBRARY: Final = "kafka"
#: loggers of the library that a daemon does not write out: it logs itself which broker does not answer, and why
REPORTED_BY_US: Final = ("kafka.net", "kafka.cluster")
_MOST_TEXT: Final = 200
_UNTRUSTED: Final = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "Hostname mismatch")
_ABOUT_CONNECTIONS: Final = ("Connection failed", "Bootstrap connection", "Bootstrap attempt")
_BOOTSTRAP_NODE: Final = re.compile(r"bootstrap-\d+")
#: the number of a system call's error, as in "111 ECONNREFUSED"
_SYSTEM_ERROR: Final = re.compile(r"\b(\d+) E[A-Z]+\b")
_A_LISTENER: Final = "is it a Kafka listener, and one of this kafka.security.protocol?"
#: (part of a log line, its meaning); the first match counts
_MEANINGS: Final = (
    ("DNS", "no such host"),
    ("Handshake failed", f"the TLS handshake failed: {_A_LISTENER}"),
    ("socket disconnected", f"closed the connection: {_A_LISTENER}"),
    ("reset by peer", f"closed the connection: {_A_LISTENER}"),
    ("Broken pipe", f"closed the connection: {_A_LISTENER}"),
    ("InvalidReceiveError", f"answered, but not as Kafka does: {_A_LISTENER}"),
    ("CorrelationIdError", f"answered, but not as Kafka does: {_A_LISTENER}"),
    ("imed out", f"no answer in time: {_A_LISTENER}"),
)
_AUTH_ERRORS: Final = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.AuthorizationError,
)


class ConnectionFailure(logging.Handler):
    """What the library logged about failed connections since `reset`.

    Attributes:
        text: the last line about one.
        count: such lines since the process began; `reset` keeps it.
        why: the meaning of the last line.
        by_node: that of the last line about each bootstrap server, by the library's node id.
        untrusted: whether a certificate was not trusted.
        auth_error: the type of the error with which a broker refused the user, None if none did. The library often
            reads this answer together with the end of the connection, and raises only for the latter.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        self.reset()

    def reset(self) -> None:
        self.text = self.why = ""
        self.by_node: dict[str, str] = {}
        self.untrusted = False
        self.auth_error: type[Exception] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if not str(record.msg).startswith(_ABOUT_CONNECTIONS):
            return
        self.count += 1
        self.text = record.getMessage()[:_MOST_TEXT]
        self.why = meaning_of(self.text)
        if node := _BOOTSTRAP_NODE.search(self.text):
            self.by_node[node[0]] = self.why
        self.untrusted = self.untrusted or any(sign in self.text for sign in _UNTRUSTED)
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, _AUTH_ERRORS):
                self.auth_error = type(argument)  # the error itself would keep its frames and sockets alive


def meaning_of(text: str) -> str:
    """Why a connection failed, by the library's log line about it."""
    if number := _SYSTEM_ERROR.search(text):
        return os.strerror(int(number[1])).lower()
    return next((meaning for part, meaning in _MEANINGS if part in text), "the connection failed")


_failure = ConnectionFailure()
_lock = threading.Lock()


def _after_fork() -> None:
    """The thread that held it may not be in the child."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def connection_failure() -> ConnectionFailure:
    """The one handler, attached to the library's logger at the first call.

    Raises the logger's level to WARNING if it is lower: at DEBUG the library logs requests, records, and the settings
    with their secrets.
    """
    logger = logging.getLogger(_LIBRARY)
    with _lock:
        if _failure not in logger.handlers:
            logger.addHandler(_failure)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
    return _failure


class _Kept(logging.Filter):
    """Keeps what the library logs in its own threads of one client for `connection_failure` alone."""

    def __init__(self, client_id: str) -> None:
        super().__init__()
        self.client_id = client_id

    def filter(self, record: logging.LogRecord) -> bool:
        if self.client_id not in str(record.threadName):
            return True
        _failure.handle(record)
        return False


def keep_out_of_log(client_id: str) -> None:
    """Connections of that client are reported by us: a service's log is not filled with the library's lines.

    Threads of the client have its id in their names. Other clients of the process are logged as before.
    """
    connection_failure()
    with _lock:
        for name, logger in list(logging.root.manager.loggerDict.items()):
            if not isinstance(logger, logging.Logger) or not name.startswith(f"{_LIBRARY}."):
                continue
            if not any(isinstance(one, _Kept) and one.client_id == client_id for one in logger.filters):
                logger.addFilter(_Kept(client_id))
