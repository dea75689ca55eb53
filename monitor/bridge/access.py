"""Who may post: the bearer token and the certificate, whose files are read again when they change."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from monitor.errors import UsageError
from monitor.log import get_log
from monitor.settings.bridge import Bridge

Read = TypeVar("Read")

_log = get_log(__name__)
_LONGEST_TOKEN: Final = 65_536
_BEARER: Final = b"bearer "


class Watched(Generic[Read]):
    """What files hold. A changed file that cannot be read leaves what was read before."""

    def __init__(self, files: tuple[Path, ...], read: Callable[[], Read]) -> None:
        """Raises OSError, ValueError: as `read` does."""
        self._files, self._read = files, read
        self._seen = self._marks()
        #: why the files could not be taken when they were looked at last
        self._why = ""
        self.value = read()

    def look(self) -> None:
        """Read again what has changed."""
        marks = self._marks()
        if marks == self._seen:
            return
        try:
            self.value = self._read()
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
            if why != self._why:  # once: it is tried again until it can be read
                _log.warning("file_not_taken", files=[str(file) for file in self._files], why=why)
            self._why = why
            return
        self._seen, self._why = marks, ""
        _log.info("file_read_again", files=[str(file) for file in self._files])

    def _marks(self) -> list[tuple[int, int, int]]:
        marks = []
        for file in self._files:
            try:
                stat = file.stat()
            except OSError:
                marks.append((0, 0, 0))
            else:
                marks.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
        return marks


def _token_in(file: Path) -> bytes:
    with file.open("rb") as opened:
        token = opened.read(_LONGEST_TOKEN + 1).strip()
    if not token or len(token) > _LONGEST_TOKEN or len(token.split()) > 1:
        raise ValueError("is empty" if not token else "holds more than a token")
    return token


class Access:
    """The token and certificate of the settings."""

    def __init__(self, settings: Bridge) -> None:
        """Raises UsageError: all faults of their files."""
        faults: list[str] = []
        self._token = self._watched("token_file", settings.token_file, faults, _token_in)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        key = settings.tls_keyfile
        self._certificate = self._watched(
            "tls_certfile", settings.tls_certfile, faults, lambda file: self._load(file, key), key
        )
        if faults:
            raise UsageError(faults)

    @staticmethod
    def _watched(
        name: str, file: Path | None, faults: list[str], read: Callable[[Path], Read], also: Path | None = None
    ) -> Watched[Read] | None:
        if file is None:
            return None
        try:
            return Watched((file, *([also] if also else [])), lambda: read(file))
        except OSError as error:
            faults.append(f"bridge.{name}: cannot be read: {error.strerror or type(error).__name__}")
        except ValueError as error:
            faults.append(f"bridge.{name}: {error}; it has to hold the token and nothing else")
        return None

    def _load(self, file: Path, key: Path | None) -> None:
        # a password that is asked for would wait at the terminal
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, key, password="")
        # only then: a certificate whose key does not fit would take the place of the one that is served
        self._context.load_cert_chain(file, key, password="")

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context of new connections; None without a certificate."""
        return None if self._certificate is None else self._context

    def allows(self, authorization: bytes) -> bool:
        """Whether a post with this header may be taken."""
        if self._token is None:
            return True
        kind, given = authorization[: len(_BEARER)], authorization[len(_BEARER) :].strip()
        return kind.lower() == _BEARER and hmac.compare_digest(given, self._token.value)

    def look(self) -> None:
        """Read again what has changed."""
        for watched in (self._token, self._certificate):
            if watched is not None:
                watched.look()
