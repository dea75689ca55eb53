"""Prometheus and Alertmanager on free loopback ports, in temporary folders, ended by their own process ids.

with Alertmanager(tree) as alertmanager, Prometheus(tree, {"rules.yml": text}) as prometheus:
    prometheus.query("up")
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.real_parts.install import missing_prometheus_parts
from tests.real_parts.part import RealPart, await_ready, begun, free_ports

START_SECONDS = 30.0
STOP_SECONDS = 20.0

Tree = dict[str, Any]


class _Server(RealPart):
    """One process on its settings; `address` is `127.0.0.1:port`."""

    def __init__(self, command: str, tree: Mapping[str, object], files: Mapping[str, str]) -> None:
        if missing := missing_prometheus_parts():
            raise RuntimeError("; ".join(missing))
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"driftd-{command}-"))
        self._command = command
        for name, text in {"config.yml": yaml.safe_dump(dict(tree)), **files}.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def arguments(self) -> list[str]:
        return [f"--config.file={self.folder / 'config.yml'}", f"--web.listen-address={self.address}"]

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def close(self) -> None:
        """Ends the process and removes its folder."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, path: str, **query: str) -> bytes:
        """The body of a page.

        Raises:
            OSError: it does not answer, or not with 200; the message says where.
        """
        with urllib.request.urlopen(f"http://{self.address}{path}?{urllib.parse.urlencode(query)}", timeout=5) as page:
            return bytes(page.read())

    def _begin(self) -> None:
        log_file = self.folder / "log"
        self._process = begun([self._command, *self.arguments()], log_file)
        await_ready(self._process, self._ready, log_file, START_SECONDS)

    def _ready(self) -> bool:
        try:
            self.get("/-/ready")
        except OSError:
            return False
        return True


class Prometheus(_Server):
    """`files` lie next to its settings, by name."""

    def __init__(self, tree: Mapping[str, object], files: Mapping[str, str] | None = None) -> None:
        super().__init__("prometheus", tree, files or {})

    def arguments(self) -> list[str]:
        return [*super().arguments(), f"--storage.tsdb.path={self.folder / 'data'}"]

    def query(self, expression: str) -> list[Tree]:
        """The samples of an instant vector as its interface gives them: `metric` and `value`.

        Raises:
            OSError: the expression is refused (HTTP 400 or 422).
        """
        result: list[Tree] = json.loads(self.get("/api/v1/query", query=expression))["data"]["result"]
        return result

    def watches(self) -> tuple[int, int]:
        """Targets that answer, and known Alertmanagers; it discovers them some seconds after its start."""
        reported = json.loads(self.get("/api/v1/alertmanagers"))["data"]["activeAlertmanagers"]
        return sum(sample["value"][1] == "1" for sample in self.query("up")), len(reported)


class Alertmanager(_Server):
    """Alone, without gossip; `files` lie next to its settings, by name."""

    def __init__(self, tree: Mapping[str, object], files: Mapping[str, str] | None = None) -> None:
        super().__init__("prometheus-alertmanager", tree, files or {})

    def arguments(self) -> list[str]:
        return [*super().arguments(), f"--storage.path={self.folder / 'data'}", "--cluster.listen-address="]
