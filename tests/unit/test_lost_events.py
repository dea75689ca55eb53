"""What is reported of lost events: on the page while too many are lost, in the log at the first and each tenfold."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from monitor.clock import ManualClock
from monitor.log import configure_logging
from monitor.pipeline import Pipeline
from monitor.run.lost_events import LostEvents
from monitor.settings.tree import Settings
from tests.engine import EVENTS, Event, MemorySource, Recorded, admission_of, batch_of, blank, event, numeric

from tests.engine import pipeline_of, settings  # isort: skip

TREE: Settings = settings({"versions": ["1", "2"], "allowed_lateness": "1m"})


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root, kafka = logging.getLogger(), logging.getLogger("kafka")
    before = list(root.handlers), root.level, kafka.level
    stream = io.StringIO()
    configure_logging(stream, "info", ManualClock(), form="json")
    yield stream
    root.handlers[:], root.level = before[0], before[1]
    kafka.setLevel(before[2])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


class Reported:
    """A pipeline that reads one batch after another, and what is reported of its losses."""

    def __init__(self, tree: Settings = TREE) -> None:
        admission = admission_of(tree, blank([numeric("x")]))
        self.pipeline: Pipeline = pipeline_of(tree, admission, MemorySource({EVENTS: []}), Recorded())[0]
        self.lost = LostEvents(self.pipeline.losses, tree)
        self._offset = 0

    def read(self, *events: Event | bytes) -> Reported:
        self.pipeline.count([batch_of(list(events), self._offset)])
        self._offset += len(events)
        return self

    @property
    def not_fine(self) -> tuple[str, ...]:
        return self.lost.not_fine(self.pipeline.positions())


def good(at: float, **fields: object) -> Event:
    return event(at, **({"id": f"p{at}", "prediction": 1} | fields))


def many(count: int, begin: int = 0, /, **fields: object) -> list[Event]:
    return [good(begin + at, **fields) for at in range(count)]


def logged(lines: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "events_lost"]


def test_nothing_is_reported_while_all_is_well() -> None:
    assert Reported().read(*many(1_000)).not_fine == ()


@pytest.mark.parametrize(("lost", "fine"), [(50, True), (51, False)])
def test_a_twentieth_of_the_newest_thousand_is_the_edge(lost: int, fine: bool) -> None:
    reported = Reported().read(*many(1_000 - lost), *many(lost, 5_000, model="M"))
    assert (reported.not_fine == ()) == fine
    assert reported.lost.shares()[0] == {EVENTS.topic: lost / 1_000}


def test_it_is_fine_again_once_enough_good_ones_have_come() -> None:
    reported = Reported().read(*many(300, model="M"))
    assert reported.not_fine
    assert reported.read(*many(949)).not_fine
    assert reported.read(*many(1, 949)).not_fine == ()


def test_a_few_events_say_nothing_of_a_part() -> None:
    reported = Reported().read(*many(9), *many(10, 100, model="M"))
    assert (reported.not_fine, reported.lost.shares()[0]) == ((), {})
    assert reported.read(*many(1, 200, model="M")).not_fine


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"model": "M"}, 'model "M" is not in the settings; known: credit'),
        ({"version": "1.0"}, 'version "1.0" of credit is not watched: models[0].versions lists "1", "2"'),
        ({"version": "2"}, 'version "2" of credit has no reference: models[0].reference is '),
        ({"ts": "2026-09-21T14:13:20"}, "rejected (no_offset), newest"),
    ],
)
def test_what_came_and_what_would_be_right_is_reported(fields: dict[str, object], messages: str) -> None:
    [sentence] = Reported().read(*many(3_000, **fields)).not_fine
    assert sentence.startswith(f"1,000 of the newest 1,000 events of {EVENTS.topic} are lost: 3,000 events ")
    assert f"newest {EVENTS}@2999: " in sentence
    assert messages in sentence
    assert "14:13" not in sentence


def test_late_events_are_reported_with_the_lateness_that_would_accept_them() -> None:
    [sentence] = Reported().read(*many(100, 10_000), *many(100, 9_325)).not_fine
    assert "100 events late" in sentence
    assert "up to 12.9 min behind the newest of their partition; models[0].allowed_lateness: 30m would" in sentence


def test_repeated_ids_are_reported() -> None:
    [sentence] = Reported().read(*many(30, id="customer-17")).not_fine
    assert "29 events with an id that came before" in sentence
    assert "customer-17" not in sentence


def test_a_model_all_of_whose_events_are_lost_is_reported_though_its_topic_is_fine() -> None:
    models = [{"name": name, "reference": f"{name}.json"} for name in ("credit", "rare")]
    reported = Reported(settings(models=models)).read(*many(990), *many(10, model="rare"))
    assert reported.lost.shares()[1] == {"credit": 0, "rare": 1}
    assert [sentence.split(":")[0] for sentence in reported.not_fine] == ["10 of the newest 10 events of rare are lost"]


def test_what_lies_behind_the_newest_events_is_not_told_any_more() -> None:
    reported = Reported().read(*many(2_000, model="M"), *many(1_100, version="9"))
    assert '"9"' in reported.not_fine[0]
    assert '"M"' not in reported.not_fine[0]


def test_the_log_has_the_first_and_each_tenfold_with_place_and_name(lines: io.StringIO) -> None:
    reported = Reported()
    for count in (1, 8, 1, 89, 1, 900):
        reported.read(*many(count, model="M"))
        reported.lost.log()
    messages = logged(lines)
    assert [(line["count"], line["first"], line["newest"]) for line in messages] == [
        (count, f"{EVENTS}@0", f"{EVENTS}@{count - 1}") for count in (1, 10, 100, 1_000)
    ]
    assert all((line["level"], line["topic"], line["model"]) == ("warning", EVENTS.topic, "M") for line in messages)
    assert 'model "M" is not in the settings' in messages[0]["why"]


def test_the_log_holds_no_value(lines: io.StringIO) -> None:
    reported = Reported().read(good(0, ts="canary-1"), good(0, id="canary-2"), good(0, id="canary-2"), b"canary-3")
    reported.lost.log()
    assert {line["outcome"] for line in logged(lines)} == {"rejected", "duplicate"}
    assert "canary" not in lines.getvalue()


def test_a_version_that_is_not_listed_is_named_however_few_its_events() -> None:
    reported = Reported().read(*many(500), good(500, version="3"), good(501, version="3"), good(502, model="other"))
    assert reported.not_fine == ()
    assert reported.lost.not_watched() == (
        '2 events in events: version "3" of credit is not watched: models[0].versions lists "1", "2"',
        '1 event in events: model "other" is not in the settings; known: credit',
    )
    assert Reported().read(*many(10), b"{").lost.not_watched() == ()
