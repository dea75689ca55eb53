"""Apicurio Registry on a free loopback port, which keeps everything in memory; it speaks Confluent's API.

with SchemaRegistry() as registry:
    client = SchemaRegistryClient({"url": registry.url})
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from tests.real_parts.install import missing_registry_parts, registry_folder
from tests.real_parts.part import RealPart, await_ready, begun, free_ports

START_SECONDS = 120.0


class SchemaRegistry(RealPart):
    """One process; `url` is where Confluent's API is."""

    def __init__(self) -> None:
        if missing := missing_registry_parts():
            raise RuntimeError("; ".join(missing))
        self._port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self._port}/apis/ccompat/v7"
        self._folder = Path(tempfile.mkdtemp(prefix="driftd-registry-"))
        self._log_file = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        """It answers no more, until `thaw`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _begin(self) -> None:
        (jar,) = registry_folder().glob("*-runner.jar")
        command = ["java", "-Xmx512m", "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self._port}"]
        self._process = begun([*command, "-jar", str(jar)], self._log_file)
        await_ready(self._process, self._ready, self._log_file, START_SECONDS)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5):  # noqa: S310  # loopback
                return True
        except (urllib.error.URLError, OSError):
            return False
