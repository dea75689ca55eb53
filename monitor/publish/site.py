"""The answers of the paths `/metrics`, `/livez`, `/readyz`, and `/` for people. Independent of sockets."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple

from monitor.clock import Clock, SystemClock
from monitor.log import get_log
from monitor.publish.series import CONTENT_TYPE, SERIES_LIMIT, SeriesPage
from monitor.publish.snapshot import SnapshotHolder
from monitor.publish.status.page import StatusPages
from monitor.publish.status.style import HEADERS

#: paths with large answers, which may wait; the other answers are short
PAGES: Final = frozenset(("/", "/metrics"))
#: seconds without a turn of the loop after which `/livez` fails
LIVE_SECONDS: Final = 60.0
#: 10,000 series: 795 kB become 136 kB in 4.5 ms; level 6 gives 105 kB and takes twice the time of the consumer's core
GZIP_LEVEL: Final = 1

_TEXT: Final = "text/plain; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"
_NO_WEIGHT: Final = re.compile(r"q=0(\.0{0,3})?")
_log = get_log(__name__)


class Answer(NamedTuple):
    """A response. `extra` are further header fields (name, value)."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = _TEXT
    extra: tuple[tuple[str, str], ...] = ()


def in_words(status: HTTPStatus, text: str, *extra: tuple[str, str]) -> Answer:
    """A plain-text answer."""
    return Answer(status, (text + "\n").encode("utf-8", "replace"), _TEXT, extra)


class Site:
    """Routes requests to pages. Independent of sockets."""

    def __init__(
        self,
        snapshots: SnapshotHolder,
        live_seconds: float = LIVE_SECONDS,
        clock: Clock | None = None,
        series_limit: int = SERIES_LIMIT,
    ) -> None:
        """`clock` is used for times on the status page; the machine's when None."""
        self._snapshots = snapshots
        self._clock = clock or SystemClock()
        self._live_seconds = live_seconds
        self._series = SeriesPage(series_limit)
        self._pages = StatusPages()
        self._paths: dict[str, Callable[[], Answer]] = {
            "/": self._status,
            "/metrics": self._metrics,
            "/livez": self._livez,
            "/readyz": self._readyz,
        }

    def answer(self, method: str, target: str, accept_encoding: str = "") -> Answer:
        """The answer to a request's method, target and Accept-Encoding."""
        if method not in ("GET", "HEAD"):
            return in_words(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", ("Allow", "GET, HEAD"))
        path = path_of(target)
        page = self._paths.get(path)
        if page is None:
            return in_words(HTTPStatus.NOT_FOUND, "there is /, /metrics, /livez and /readyz")
        try:
            answer = page()
        except Exception:  # noqa: BLE001 - a bug in one page must not take the probes down; it is logged and answered
            _log.exception("page_failed", path=path)
            return in_words(HTTPStatus.INTERNAL_SERVER_ERROR, "this page failed; the log has the reason")
        return _compressed(answer, accept_encoding) if path in PAGES else answer

    def _metrics(self) -> Answer:
        return Answer(HTTPStatus.OK, self._series.text(self._snapshots.snapshot), CONTENT_TYPE)

    def _livez(self) -> Answer:
        reason = self._snapshots.stuck_reason(self._live_seconds)
        return in_words(HTTPStatus.SERVICE_UNAVAILABLE, reason) if reason else in_words(HTTPStatus.OK, "ok")

    def _readyz(self) -> Answer:
        """Lost events and stalled positions are listed but do not make it unready: a restart would not fix them."""
        snapshot = self._snapshots.snapshot
        missing, messages = (
            self._snapshots.health.missing(),
            [*snapshot.stalled, *(f"not fine: {why}" for why in snapshot.not_fine)],
        )
        if missing:
            return in_words(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join([*missing, *messages]))
        return in_words(HTTPStatus.OK, "\n".join(["ok", *messages]))

    def _status(self) -> Answer:
        shown, stuck = self._snapshots, self._snapshots.stuck_reason(self._live_seconds)
        page = self._pages.of(shown.snapshot, shown.health, stuck, self._clock.now_us())
        return Answer(HTTPStatus.OK, page, _HTML, HEADERS)


def path_of(target: str) -> str:
    """A request's target without its query."""
    return target.partition("?")[0]


def _compressed(page: Answer, accept_encoding: str) -> Answer:
    """The page, compressed if the client accepts it; `Vary` makes caches keep both forms."""
    vary = ("Vary", "Accept-Encoding")
    if not accepts_gzip(accept_encoding):
        return page._replace(extra=(*page.extra, vary))
    body = gzip.compress(page.body, GZIP_LEVEL, mtime=0)
    return page._replace(body=body, extra=(*page.extra, vary, ("Content-Encoding", "gzip")))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding (RFC 9110, 12.5.3) takes gzip: by name, else by `*`, and not with a weight of 0."""
    weights: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        weights[name.strip()] = not _NO_WEIGHT.fullmatch(weight.strip())
    return weights.get("gzip", weights.get("*", False))
