"""`driftd demo` as a newcomer runs it: one page that names the planted column, none before, and an orderly end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SECOND_US, parse_rfc3339
from monitor.demo.broker import DemoBroker
from monitor.demo.flights import SUBJECT
from tests.real_parts.waiting import wait_until

ACTIVE = re.compile(r'driftd_incident_active\{[^}]*severity="page"[^}]*\} 1')
DEMO = [sys.executable, "-m", "monitor", "demo"]


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # loopback, from the demo's own words
        text: str = answer.read().decode()
    return text


def is_listened_on(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Running:
    """A demo in its own process; its words go to a file."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.words_file = folder / "words"
        with self.words_file.open("wb") as words:
            self.process = subprocess.Popen(
                [*DEMO, "--json", *options],
                stdout=subprocess.PIPE, stderr=words, text=True, env={"PATH": "", "TMPDIR": str(folder)},
            )  # fmt: skip

    def words(self) -> str:
        return self.words_file.read_text(encoding="utf-8")

    def wait_for(self, words: str) -> str:
        wait_until(lambda: words in self.words() or self.process.poll() is not None, words, 60)
        assert words in self.words(), self.words()
        return self.words()

    def end(self) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and the JSON lines, when it has ended."""
        messages, _ = self.process.communicate(timeout=60)
        return self.process.returncode, [json.loads(line) for line in messages.splitlines()]

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=60)


def test_it_pages_once_for_the_planted_column_and_shows_where_to_look(tmp_path: Path) -> None:
    demo = Running(tmp_path, "--duration", "50")
    try:
        address = re.search(r"(http://127\.0\.0\.1:\d+)/metrics", demo.wait_for("/metrics"))
        assert address is not None
        demo.wait_for("FOUND")
        wait_until(lambda: ACTIVE.search(read(f"{address[1]}/metrics")), "the page on /metrics", 10)
        page = read(f"{address[1]}/")
        code, lines = demo.end()
    finally:
        demo.kill()
    assert "flight-delay" in page
    plan, *transitions, summary = lines
    assert code == 0
    assert (plan["kind"], plan["subject"]) == ("demo", SUBJECT)
    assert [line["transition"] for line in transitions].count("opened") == 1
    opened = transitions[0]
    assert (opened["transition"], opened["findings"][0]["subject"]) == ("opened", SUBJECT)
    assert next(line for line in transitions if line["severity"] == "page")["findings"][0]["subject"] == SUBJECT
    planted, since, at = (parse_rfc3339(time) for time in (plan["since"], opened["since"], opened["at"]))
    assert abs(since - planted) <= 10 * SECOND_US  # it is narrowed to the pane of 10 s in which it begins
    assert planted < at
    assert [model["pages"] for model in summary["models"]] == [1]
    assert summary["records"] == sum(summary["outcomes"].values()) == summary["outcomes"]["accepted"] > 12_000
    assert "driftd reference build" in demo.words()
    assert not list(tmp_path.glob("driftd-demo-*"))


def test_ctrl_c_before_the_fault_ends_it_in_order_with_its_summary(tmp_path: Path) -> None:
    demo = Running(tmp_path)
    try:
        demo.wait_for("/metrics")
        demo.process.send_signal(signal.SIGINT)
        code, lines = demo.end()
    finally:
        demo.kill()
    assert code == 130
    assert [line["kind"] for line in lines] == ["demo", "summary"]
    assert not list(tmp_path.glob("driftd-demo-*"))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_closed_terminal_or_a_kill_leaves_no_daemon_behind(tmp_path: Path, number: signal.Signals) -> None:
    demo = Running(tmp_path)
    try:
        address = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", demo.wait_for("/metrics"))
        assert address is not None
        demo.process.send_signal(number)
        demo.process.communicate(timeout=60)
    finally:
        demo.kill()
    wait_until(lambda: not is_listened_on(int(address[1])), "the daemon is gone", 20)


def test_a_port_that_is_taken_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([*DEMO, "--port", port], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"driftd: --port: {port} is taken or may not be used; give another one, or none\n"


def test_the_embedded_broker_keeps_what_it_is_sent() -> None:
    with DemoBroker("group", "alerts") as broker:
        broker.make("events", "alerts")
        for number in range(10):
            broker.send("alerts", number, json.dumps({"data": {"number": number}}).encode(), 1_790_000_000_000_000)
        broker.sent()
        got: list[int] = []

        def all_came() -> bool:
            got.extend(one["number"] for one in broker.transitions(0.1))
            return len(got) == 10

        wait_until(all_came, "ten transitions", 10)
        assert sorted(got) == list(range(10))
        assert broker.committed("events") == 0


@pytest.mark.parametrize("duration", ["0", "-1", "nan"])
def test_a_duration_that_is_none_is_refused(duration: str) -> None:
    done = subprocess.run([*DEMO, "--duration", duration], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"--duration: {duration} is not a number of seconds above 0" in done.stderr
