"""Listens to the client library's own log, which says why connections failed; its exceptions say no more than
"time-out"."""

from __future__ import annotations

import logging
import threading
from typing import Final

from kafka import errors as kafka_errors

_LIBRARY: Final = "kafka"
_MOST_TEXT: Final = 200
_UNTRUSTED: Final = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "Hostname mismatch")
_NOT_ADMITTED: Final = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.AuthorizationError,
)


class ConnectionTrouble(logging.Handler):
    """What the library said about connections that failed since `forget` was called.

    Attributes:
        text: its last line about one.
        untrusted: whether a certificate was not trusted.
        not_admitted: the kind of error by which a broker refused the user, None if none did. It is worth remembering:
            the library often reads the refusal and the end of the connection together and reports only the latter.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.forget()

    def forget(self) -> None:
        self.text = ""
        self.untrusted = False
        self.not_admitted: type[Exception] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if not str(record.msg).startswith(("Connection failed", "Bootstrap connection")):
            return
        self.text = record.getMessage()[:_MOST_TEXT]
        self.untrusted = self.untrusted or any(sign in self.text for sign in _UNTRUSTED)
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, _NOT_ADMITTED):
                self.not_admitted = type(argument)  # the error itself would keep its frames and sockets


_trouble = ConnectionTrouble()
_lock = threading.Lock()


def connection_trouble() -> ConnectionTrouble:
    """The one listener, put to the library's logger at the first call.

    The library's level is lifted to WARNING where the program left it lower: at DEBUG it logs requests, records and
    the settings with their secrets.
    """
    logger = logging.getLogger(_LIBRARY)
    with _lock:
        if _trouble not in logger.handlers:
            logger.addHandler(_trouble)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
    return _trouble
