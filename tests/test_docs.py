"""What the documents say is true: their commands run, their examples are taken, their names exist."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from monitor.cli.parser import parser
from monitor.clock import SystemClock
from monitor.decode.columns import Limits, Rules
from monitor.decode.native.decoder import NativeDecoder
from monitor.events import Partition
from monitor.records import RecordBatch
from tests.documents import DOCUMENTS
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands_under(heading: str, block: int = 0) -> list[str]:
    """The lines of a bash block under a heading of the README."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    assert len(blocks) > block, f"no such commands under {heading!r}"
    return list(blocks[block].strip().splitlines())


def environment() -> dict[str, str]:
    """A shell in which the project is installed, as after `source .venv/bin/activate`."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(line: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", "-ec", line], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done


def example(folder: Path) -> Path:
    """A copy of docs/example as in a clean clone."""
    made = shutil.ignore_patterns("events.jsonl", "reference", "state")
    shutil.copytree(ROOT / "docs" / "example", folder / "example", ignore=made)
    return folder / "example"


def test_the_two_commands_are_targets_of_make() -> None:
    assert commands_under("See it work") == ["make demo"]
    assert "`make test`" in README
    for target in ("demo", "test", "venv"):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_the_example_on_a_file_finds_the_planted_fault(tmp_path: Path) -> None:
    cd, *lines = commands_under("Without Kafka")
    assert cd == "cd docs/example"
    folder = example(tmp_path)
    made, built, replayed = [run(line, folder, environment()) for line in lines]
    assert made.stdout == ""
    assert "What can page" in built.stderr
    assert replayed.stdout.count("opened") == 1
    assert "amount is outside the reference's range" in replayed.stdout


def test_the_example_on_kafka_tells_the_alert_topic_and_metrics(tmp_path: Path, kafka: KafkaBroker) -> None:
    folder = example(tmp_path)
    assert commands_under("With your own topic") == ["make venv && source .venv/bin/activate"]
    cd, build, check, daemon = commands_under("With your own topic", 1)
    assert cd == "cd docs/example"
    env = environment() | {
        "DRIFTD_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "DRIFTD_KAFKA__GROUP_ID": "readme",
        "DRIFTD_HTTP__PORT": "0",
        "DRIFTD_WINDOWS__IDLE_AFTER": "1s",
    }
    kafka.create_topic("model-events", 1)
    events = run("python make_events.py", folder, env).stdout.splitlines()
    kafka.produce("model-events", [line.encode() for line in events])
    run(build, folder, env)
    run(check, folder, env)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(daemon.split(), cwd=folder, env=env, stderr=log)
    try:

        def severities() -> list[str]:
            told = [json.loads(one.value or b"")["data"] for one in kafka.records("driftd.alerts")]
            alerts = [one for one in told if one["kind"] == "transition"]  # the start is told there, too
            assert all(alert["findings"][0]["subject"] == "amount" for alert in alerts)
            return [alert["severity"] for alert in alerts]

        # a tenth of the events: a burst at first, and a page once it lasts
        wait_until(lambda: "page" in severities(), "the page", 60)
        assert severities()[0] == "ticket"
        listening = next(line for line in (folder / "log").read_text().splitlines() if '"listening"' in line)
        address = f"http://127.0.0.1:{json.loads(listening)['port']}/metrics"
        active = b'driftd_incident_active{model="loans",severity="page",version="1"} 1.0'
        wait_until(lambda: active in urllib.request.urlopen(address, timeout=5).read(), "the series", 20)  # loopback
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    shown = run("driftd state show --config driftd.yaml", folder, env).stdout
    assert "20,000 accepted" in shown


def test_the_example_event_is_taken() -> None:
    block = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert block is not None
    decoder = NativeDecoder(lambda _: None, Rules(Limits(1 << 20, 100, 100), 0))
    now = SystemClock().now_us()
    events = decoder.decode(RecordBatch(Partition("t", 0), [block[1].encode()], np.arange(1), None, 1, now))
    assert (len(events), events.rejected) == (1, [])


@pytest.mark.parametrize("command", re.findall(r"`driftd (\w+(?: \w+)?)`", README.split("## Commands")[1]))
def test_a_command_of_the_table_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*command.split(), "--help"])
    assert ended.value.code == 0
    assert "usage: driftd" in capsys.readouterr().out


def test_every_linked_document_exists() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


RECIPES = (ROOT / "docs" / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMES_IN_FILES = [
    *re.findall(r"`(\w+)`\s+(?:in|of)\s+`([\w/]+\.py)`", RECIPES),
    *((name, file) for file, name in re.findall(r"`([\w/]+\.py)`\s+\(`(\w+)`\)", RECIPES)),
]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_the_files_that_a_page_for_developers_names_exist(page: str) -> None:
    files = re.findall(
        r"`((?:monitor|tests|deploy|docs)/[\w./-]*|\w+\.toml)`", (ROOT / "docs" / page).read_text(encoding="utf-8")
    )
    assert len(files) > 4
    for file in files:
        assert "NAME" in file or (ROOT / file).exists(), file


@pytest.mark.parametrize(("name", "file"), NAMES_IN_FILES)
def test_what_a_recipe_names_stands_in_its_file(name: str, file: str) -> None:
    assert re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", re.findall(r"python -m ([\w.]+)", RECIPES))
def test_a_module_that_a_recipe_runs_exists(module: str) -> None:
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize("target", re.findall(r"^(?:.*`)?make ([a-z-]+)", RECIPES, re.MULTILINE))
def test_a_target_that_a_recipe_makes_exists(target: str) -> None:
    assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_what_the_code_makes(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == DOCUMENTS[name](), "run: python -m tests.documents"
