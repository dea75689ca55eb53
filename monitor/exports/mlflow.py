"""Tags on a registered version of a model in MLflow, and figures on the run it came from, by MLflow's REST API.

The API (2.0) is six calls of JSON over HTTP, stable since MLflow 1: the standard library is enough, and no package of
MLflow has to fit beside driftd's. Sources: mlflow/mlflow, `mlflow/protos/service.proto` and `model_registry.proto`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from monitor.clock import rfc3339
from monitor.errors import PermanentError, TransientError, UsageError
from monitor.exports.picked import Found, Picked
from monitor.findings import SEVERITY_RANK
from monitor.told.incidents import RESOLVED
from monitor.told.line import Line

_SECONDS: Final = 30.0
#: characters of a tag's value, and figures of one call, that every store takes
_LONGEST: Final = 5_000
_BATCH: Final = 1_000
#: what the name of a figure may not hold
_NOT_IN_NAMES: Final = re.compile(r"[^\w./ -]", re.ASCII)
_NOT_THERE: Final = 404
_SERVER_ERROR: Final = 500
FINE: Final = "fine"

Tree = dict[str, Any]


class NotThere(PermanentError):
    """The server does not have what was asked for."""


@dataclass(frozen=True, slots=True)
class Server:
    """A tracking server; `environ` has its password or token under the names that MLflow's own client reads."""

    uri: str
    environ: Mapping[str, str]

    def get(self, path: str, **query: str) -> Tree:
        """Ask.

        Raises:
            NotThere: there is no such thing.
            TransientError: it does not answer; PermanentError: it refuses.
        """
        return self._call(Request(f"{self._url(path)}?{urlencode(query, quote_via=quote)}"))  # noqa: S310  # as of _url

    def post(self, path: str, body: Tree) -> Tree:
        """Tell. Raises as `get`."""
        return self._call(Request(self._url(path), json.dumps(body).encode(), {"content-type": "application/json"}))  # noqa: S310  # as of _url

    def _url(self, path: str) -> str:
        if urlsplit(self.uri).scheme not in {"http", "https"}:
            raise UsageError(f"--tracking-uri: {self.uri!r} is no server; write http://HOST:PORT")
        return f"{self.uri.rstrip('/')}/api/2.0/mlflow/{path}"

    def _call(self, request: Request) -> Tree:
        token, user = (self.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("TOKEN", "USERNAME"))
        if token:
            request.add_unredirected_header("authorization", f"Bearer {token}")
        elif user:
            both = f"{user}:{self.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
            request.add_unredirected_header("authorization", "Basic " + base64.b64encode(both.encode()).decode())
        try:
            with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  # as of _url
                tree: Tree = json.loads(answer.read() or b"{}")
                return tree
        except HTTPError as error:
            raise _failure(error, self.uri) from error
        except (OSError, HTTPException, ValueError) as error:  # an URLError is an OSError
            raise TransientError(f"{self.uri} does not answer as MLflow: {getattr(error, 'reason', error)}") from error


def send(picked: Picked, server: Server) -> Iterator[str]:
    """Tag every model version that something was told of, and log its figures; yields what was done, in words.

    Raises:
        TransientError: the server does not answer; PermanentError: it refuses; both say at which model version.
    """
    by_version: dict[tuple[str, str], list[Line]] = {}
    for line in picked.transitions:
        by_version.setdefault((line.data["model"], line.data["version"]), []).append(line)
    for (model, version), lines in by_version.items():
        try:
            known = server.get("model-versions/get", name=model, version=version)["model_version"]
        except NotThere:
            yield f"{model} {version}: no such registered version on {server.uri}: left out"
            continue
        standing = [one.line for one in picked.found if one.is_open and (one.model, one.version) == (model, version)]
        for key, value in _tags(lines, standing).items():
            body = {"name": model, "version": version, "key": key, "value": value[:_LONGEST]}
            server.post("model-versions/set-tag", body)
        figures = [figure for line in lines for figure in _figures(line)]
        run = known.get("run_id")
        if run:
            _log(server, str(run), figures)
        where = f"run {run}" if run else "no run, so no figures"
        yield f"{model} {version}: tagged; {len(figures) if run else 0} figures on {where}"


def _log(server: Server, run: str, figures: Sequence[Tree]) -> None:
    for at in range(0, len(figures), _BATCH):
        server.post("runs/log-batch", {"run_id": run, "metrics": figures[at : at + _BATCH]})


def _tags(lines: Sequence[Line], standing: Sequence[Line]) -> dict[str, str]:
    """How it is now: the worst of its incidents that are open; `standing` are lines of those, older ones too."""
    newest = {line.data["incident"]: line.data for line in (*standing, *lines)}
    still = [data for data in newest.values() if data["transition"] != RESOLVED]
    worst = max(still, key=lambda data: SEVERITY_RANK.get(data["severity"], -1), default=None)
    last = lines[-1].data
    now = worst or last
    return {
        "driftd.status": FINE if worst is None else str(worst["severity"]),
        "driftd.incident": "" if worst is None else str(worst["incident"]),
        "driftd.summary": str(now["summary"]),
        "driftd.at": str(now["at"]),
        "driftd.reference": str(now["reference"]),
        "driftd.settings": str(now["settings"]),
        "driftd.told": rfc3339(lines[-1].told_us),
    }


def _figures(line: Line) -> Iterator[Tree]:
    """The value, the threshold and the effect of each finding, at the time of its verdict."""
    for finding in line.data.get("findings", ()):
        one = Found(line.data["model"], line.data["version"], line, finding, is_open=True)
        name = "/".join(one.text(part) for part in ("subject", "cause", "segment", "figure") if one.text(part))
        for part in ("value", "threshold", "effect"):
            value = one.number(part)
            if value is not None:
                key = _NOT_IN_NAMES.sub("_", f"driftd/{name}/{part}")
                yield {"key": key, "value": value, "timestamp": one.window[1] // 1_000, "step": 0}


def _failure(error: HTTPError, uri: str) -> Exception:
    try:
        said = str(json.loads(error.read()).get("message", ""))
    except (ValueError, AttributeError, OSError):
        said = ""
    message = f"{uri} answers {error.code}" + (f": {said[:200]}" if said else "")
    if error.code == _NOT_THERE:
        return NotThere(message)
    return TransientError(message) if error.code >= _SERVER_ERROR else PermanentError(message)
