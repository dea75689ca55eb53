"""docs/bridge.md: its commands run with its settings, and it names every series and setting there is."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from monitor.bridge.figures import ANSWER_SECONDS, REGISTER
from monitor.settings.bridge import Bridge
from tests.bridges import BridgeProcess
from tests.real_parts.kafka import KafkaBroker

PAGE: Final = (Path(__file__).parents[2] / "docs" / "bridge.md").read_text(encoding="utf-8")
ADDRESS: Final = "http://127.0.0.1:9748/"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_of_the_page(
    kafka: KafkaBroker, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings,) = blocks("yaml")
    start, posts = blocks("bash")
    assert start == "driftd bridge --config driftd.yaml\n"
    for old, new in (("localhost:9092", kafka.bootstrap), ("model-events", topic), ("port: 9748", "port: 0")):
        assert old in settings
        settings = settings.replace(old, new)
    (tmp_path / "driftd.yaml").write_text(settings)
    (tmp_path / "events.jsonl").write_text('{"id": "p-1"}\n{"id": "p-2"}\n')
    kafka.create_topic(topic)
    with BridgeProcess(tmp_path / "driftd.yaml") as bridge:
        bridge.wait_ready()
        said = []
        for line in posts.splitlines():
            assert ADDRESS in line
            own = line.replace(ADDRESS, f"http://127.0.0.1:{bridge.port}/")
            done = subprocess.run(["bash", "-ec", own], cwd=tmp_path, capture_output=True, text=True, check=True)
            said.append(done.stdout)
    assert said == [f"2 on {topic}\n", f"1 on {topic}\n", "ok\n"]
    assert [json.loads(record.value or b"")["id"] for record in kafka.records(topic)] == ["p-1", "p-2", "p-1"]


def test_every_series_stands_in_the_page_with_its_meaning() -> None:
    rows = {match[1]: match[2] for match in re.finditer(r"^\| `(driftd_bridge_\w+)` \| [^|]* \| (.*) \|$", PAGE, re.M)}
    assert rows == {**{one.name: one.meaning for one in REGISTER}, ANSWER_SECONDS[0]: ANSWER_SECONDS[1]}


def test_every_setting_stands_in_the_page() -> None:
    assert not [name for name in Bridge.model_fields if not re.search(rf"\b{name}\b", PAGE)]
