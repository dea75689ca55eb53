"""`driftd run` as its own process: start it with a settings file, observe it from outside, stop or kill it.

config = write_settings(folder, settings_tree(broker.bootstrap, "events", model))
with DaemonProcess(config) as daemon:
    daemon.wait_ready()
    daemon.get("/metrics")
    assert daemon.stop() == 0
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.real_parts.waiting import wait_until

START_SECONDS: Final = 30.0
#: seconds in which a daemon has to end after SIGTERM
STOP_SECONDS: Final = 20.0
DRIFTD: Final = (sys.executable, "-m", "monitor")

_numbers = itertools.count(1)
_SAMPLE: Final = re.compile(r"(\w+)(\{.*\})? (\S+)")

Tree = dict[str, Any]


def settings_tree(bootstrap: str, topic: str, model: Mapping[str, object], **over: object) -> Tree:
    """Settings of one model on one topic; outputs go to `<topic>.alerts` and `<topic>.rejects`, the port is free.

    `over` replaces whole sections: windows={"idle_after": "2s"}.
    """
    tree: Tree = {
        "kafka": {"bootstrap_servers": [bootstrap], "group_id": topic, "start": "earliest"},
        "inputs": [{"topic": topic}],
        "outputs": {"alerts_topic": f"{topic}.alerts", "rejects_topic": f"{topic}.rejects"},
        "state": {"path": "state", "every": "1s"},
        "http": {"port": 0},
        "models": [dict(model)],
        "unknown_models": "ignore",
    }
    return tree | over


def write_settings(folder: Path, tree: Mapping[str, object], name: str = "driftd.yaml") -> Path:
    """Write the settings file; its relative paths start in `folder`."""
    path = folder / name
    path.write_text(json.dumps(tree, indent=1), encoding="utf-8")  # JSON is YAML
    return path


def driftd(*arguments: str, expect: int = 0) -> str:
    """Run a command to its end; returns its standard output.

    Raises:
        AssertionError: its exit code is not `expect`; the message has its standard error.
    """
    done = subprocess.run([*DRIFTD, *arguments], capture_output=True, text=True, check=False, env=driftd_environment())
    assert done.returncode == expect, f"driftd {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


def state_of(config: Path) -> Tree:
    """The output of `driftd state show --json`."""
    shown: Tree = json.loads(driftd("state", "show", "--config", str(config), "--json"))
    return shown


class DaemonProcess:
    """One process, killed at the end of its `with` block if it still runs. Its log is a file next to the settings."""

    def __init__(self, config: Path, *arguments: str, command: Sequence[str] = DRIFTD) -> None:
        """`command` is what runs `driftd`."""
        self._start(
            [*command, "run", "--config", str(config), *arguments], config.parent / f"daemon-{next(_numbers)}.log"
        )

    def _start(self, command: Sequence[str], log_file: Path) -> None:
        self.log_file = log_file
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=driftd_environment(),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def text(self) -> str:
        """Its output so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def lines(self, event: str = "") -> list[Tree]:
        """Its complete log lines so far, or those whose event begins with `event`."""
        whole = self.text().rpartition("\n")[0].splitlines()
        parsed = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in parsed if str(line["event"]).startswith(event)]

    def wait_for(self, event: str, seconds: float = START_SECONDS) -> Tree:
        """The first log line of that event."""
        self.wait_until(lambda: self.lines(event), f"the log line {event}", seconds)
        return self.lines(event)[0]

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
        """Wait as `wait_until` does, but fail at once if the process has ended."""

        def holds() -> object:
            result = condition()
            assert result or self.running(), f"the daemon ended while waiting for {what}:\n{self.text()[-3000:]}"
            return result

        wait_until(holds, what, seconds)

    @property
    def port(self) -> int:
        """The port it listens on, from its log."""
        return int(self.wait_for("listening")["port"])

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; status 0 if there is no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until it is restored, assigned and has caught up once."""
        self.wait_until(lambda: self.get("/readyz")[0] == 200, "/readyz is 200", seconds)

    def series(self, name: str) -> dict[str, float]:
        """The samples of one series of /metrics, by their label text (`{topic="a",partition="0"}`)."""
        samples = filter(None, map(_SAMPLE.fullmatch, self.get("/metrics")[1].splitlines()))
        return {sample[2] or "": float(sample[3]) for sample in samples if sample[1] == name}

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for its end; returns the exit code."""
        return self._process.wait(seconds)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Send SIGTERM; returns the exit code.

        Raises:
            AssertionError: it has not ended within `seconds`.
        """
        began = time.monotonic()
        self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            waited = time.monotonic() - began
            raise AssertionError(f"still running {waited:.0f} s after SIGTERM:\n{self.text()[-3000:]}") from None

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL, like a crash."""
        self._process.kill()
        self._process.wait()


def driftd_environment() -> dict[str, str]:
    """This process's environment without settings of driftd."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DRIFTD_")}
