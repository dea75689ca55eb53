"""The answers of the paths `/metrics`, `/livez`, `/readyz`, and `/` for people. Independent of sockets."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple

from monitor.clock import Clock, SystemClock
from monitor.log import get_log
from monitor.publish.packed import LEAST, Page, accepts_gzip
from monitor.publish.series import CONTENT_TYPE, SERIES_LIMIT, SeriesPage
from monitor.publish.snapshot import SnapshotHolder
from monitor.publish.status.page import StatusPages
from monitor.publish.status.style import HEADERS

#: paths with large answers, which may wait; the other answers are short
PAGES: Final = frozenset(("/", "/metrics"))
#: seconds without a turn of the loop after which `/livez` fails
LIVE_SECONDS: Final = 60.0

_TEXT: Final = "text/plain; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"
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
        self._status_page = Page(b"")
        self._paths: dict[str, Callable[[bool], Answer]] = {
            "/": self._status,
            "/metrics": self._metrics,
            "/livez": lambda _: self._livez(),
            "/readyz": lambda _: self._readyz(),
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
            answer = page(accepts_gzip(accept_encoding))
        except Exception:  # noqa: BLE001 - a bug in one page must not take the probes down; it is logged and answered
            _log.exception("page_failed", path=path)
            return in_words(HTTPStatus.INTERNAL_SERVER_ERROR, "this page failed; the log has the reason")
        return answer

    def _metrics(self, gzip: bool) -> Answer:
        return _page(self._series.body(self._snapshots.snapshot, gzip=gzip), CONTENT_TYPE, gzip)

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

    def _status(self, gzip: bool) -> Answer:
        shown, stuck = self._snapshots, self._snapshots.stuck_reason(self._live_seconds)
        text = self._pages.of(shown.snapshot, shown.health, stuck, self._clock.now_us())
        if text is not self._status_page.text:
            self._status_page = Page(text)
        packs = gzip and len(text) >= LEAST
        return _page(self._status_page.packed() if packs else text, _HTML, packs, *HEADERS)


def _page(body: bytes, content_type: str, gzip: bool, *extra: tuple[str, str]) -> Answer:
    """`Vary` makes caches keep both forms."""
    encoded = (("Content-Encoding", "gzip"),) if gzip else ()
    return Answer(HTTPStatus.OK, body, content_type, (*extra, ("Vary", "Accept-Encoding"), *encoded))


def path_of(target: str) -> str:
    """A request's target without its query."""
    return target.partition("?")[0]
