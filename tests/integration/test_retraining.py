"""The recipes' reader of the alert topic, on a real broker: a page is given out until it was dealt with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.integration import kafka_reading
from tests.real_parts.kafka import KafkaBroker

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected

RECIPES = Path(__file__).parents[2] / "docs" / "examples" / "retraining"
#: takes the first page, and ends before or after the next one is asked for
TAKES = "from alert_topic import pages\nfor event_id, page in pages('g'):\n    print(event_id, flush=True)\n    {then}"


PAGE = json.loads((RECIPES.parents[2] / "tests/platforms/generators/retraining_page.json").read_text(encoding="utf-8"))


def written(kafka: KafkaBroker, topic: str) -> list[str]:
    """The ids of the pages that were written, with other transitions and acts between them."""
    transitions = [PAGE, {**PAGE, "severity": "ticket"}, {**PAGE, "transition": "updated"}, PAGE]
    events: list[dict[str, object] | None] = [
        {"type": "io.driftd.incident", "id": f"credit/1/0d3f5a/{n}", "data": one}
        for n, one in enumerate(transitions, 1)
    ]
    events[1:1] = [{"type": "io.driftd.act", "id": "act", "data": {}}, None]
    kafka.produce(topic, [None if event is None else json.dumps(event).encode() for event in events])
    return ["credit/1/0d3f5a/1", "credit/1/0d3f5a/4"]


def taken(kafka: KafkaBroker, topic: str, script: str, count: int) -> list[str]:
    """The first ids that a recipe with this script prints."""
    env = {**os.environ, "KAFKA": kafka.bootstrap, "DRIFTD_ALERTS": topic}
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=RECIPES, env=env, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        try:
            return [running.stdout.readline().strip() for _ in range(count)]
        finally:
            running.kill()


def test_a_page_is_given_out_until_it_was_dealt_with(kafka: KafkaBroker, topic: str) -> None:
    kafka.create_topic(topic)
    sent = written(kafka, topic)
    assert taken(kafka, topic, TAKES.format(then="break"), 1) == sent[:1]
    assert taken(kafka, topic, TAKES.format(then="pass"), 2) == sent, "the first was not dealt with"
