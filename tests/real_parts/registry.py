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
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.real_parts.install import missing_registry_parts, registry_folder
from tests.real_parts.part import RealPart, free_ports

START_SECONDS = 120.0


class SchemaRegistry(RealPart):
    """One process; `url` is where Confluent's API is."""

    def __init__(self) -> None:
        if missing := missing_registry_parts():
            raise RuntimeError("; ".join(missing))
        self._port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self._port}/apis/ccompat/v7"
        self._folder = Path(tempfile.mkdtemp(prefix="driftd-registry-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

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
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-jar", str(jar)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"the registry was not ready in time, or ended:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5):  # noqa: S310  # loopback
                return True
        except (urllib.error.URLError, OSError):
            return False
