"""The demo's stream: real rows, one planted fault, never too far ahead of what was committed."""

from __future__ import annotations

import json
import statistics
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, cast

import pytest

from monitor.cli.parser import main, parser
from monitor.clock import SECOND_US, ManualClock, parse_rfc3339
from monitor.demo import flights as stream
from monitor.demo import words
from monitor.demo.broker import DemoBroker
from monitor.demo.flights import STATION, SUBJECT, Flights, Row, delay_score, flight_rows
from monitor.demo.show import is_found
from monitor.demo.traffic import AHEAD, FAULT_AFTER, LEAD_US, RATE, SPEED, Traffic

ROOT = Path(__file__).parents[2]
RULES_FILE = "driftd.rules.yml"
NOW = parse_rfc3339("2026-11-22T12:00:00Z")
_SKY: Row = {"temp": 59.0, "humid": 40.0, "wind_speed": 5.0, "visib": 10.0}
ROWS: list[Row] = [
    {**_SKY, "origin": STATION, "carrier": "AA", "distance": 900.0, "hour": 9},
    {**_SKY, "origin": "LGA", "carrier": "UA", "distance": 700.0, "hour": 12},
]


class Sent:
    """What a broker was sent: (number, event, record time)."""

    def __init__(self) -> None:
        self.records: list[tuple[int, dict[str, Any], int]] = []

    def send(self, topic: str, number: int, value: bytes, time_us: int) -> None:
        assert topic == "flights"
        self.records.append((number, json.loads(value), time_us))


def send_all(traffic: Traffic, committed: int) -> list[tuple[int, dict[str, Any], int]]:
    sent = Sent()
    traffic.send_due(cast("DemoBroker", sent), "flights", committed)
    return sent.records


def test_the_rows_are_real_flights_of_one_quarter_with_their_weather() -> None:
    rows = flight_rows()
    assert 80_000 < len(rows) < 90_000  # about a quarter of the 336,776 flights of the year
    assert {row["origin"] for row in rows} == {"EWR", "JFK", "LGA"}
    temperatures = [row["temp"] for row in rows if row["temp"] is not None]
    assert 50 < statistics.median(temperatures) < 80  # degrees Fahrenheit
    assert all(0 < delay_score(row) < 1 for row in rows)


def test_the_fault_is_one_airport_in_celsius() -> None:
    flights = Flights(ROWS)
    events = [json.loads(flights.event(NOW, celsius=True))["features"] for _ in range(50)]
    assert {(one["origin"], one[SUBJECT]) for one in events} == {(STATION, 15.0), ("LGA", 59.0)}


def test_the_same_seed_gives_the_same_events() -> None:
    one, other = Flights(ROWS), Flights(ROWS)
    assert [one.event(NOW, celsius=False) for _ in range(20)] == [other.event(NOW, celsius=False) for _ in range(20)]


def test_event_time_runs_ahead_until_it_is_now() -> None:
    clock = ManualClock(NOW)
    traffic = Traffic(Flights(ROWS), clock)
    traffic.begin()
    clock.advance(10)
    assert traffic.played_us() == NOW - LEAD_US + 10 * SPEED * SECOND_US
    clock.advance(100)
    assert traffic.played_us() == clock.now_us()


def test_events_come_in_order_and_the_fault_begins_at_its_time() -> None:
    clock = ManualClock(NOW)
    traffic = Traffic(Flights(ROWS), clock)
    traffic.begin()
    records = []
    for _ in range(100):
        clock.advance(FAULT_AFTER / 50)
        records += send_all(traffic, committed=traffic.sent)
    numbers, times = [number for number, _, _ in records], [time for _, _, time in records]
    assert numbers == list(range(len(records)))
    assert times == [traffic.begin_us + number * SECOND_US // RATE for number in numbers]
    assert all(event["ts"] == time for _, event, time in records)
    for _, event, time in records:
        celsius = event["features"][SUBJECT] == 15.0
        assert celsius == (time >= traffic.fault_us and event["features"]["origin"] == STATION)
    assert traffic.faulty


def test_no_more_is_sent_than_the_broker_keeps() -> None:
    clock = ManualClock(NOW)
    traffic = Traffic(Flights(ROWS), clock)
    traffic.begin()
    clock.advance(60)
    assert len(send_all(traffic, committed=0)) == AHEAD
    assert send_all(traffic, committed=0) == []
    assert len(send_all(traffic, committed=100)) == 100


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(_name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(stream, "find_spec", nothing)
    assert main(["demo"]) == 2
    words = "driftd: demo: needs more than driftd alone; install it with: pip install 'driftd[demo]'\n"
    assert capsys.readouterr().err == words


def test_the_commands_it_ends_with_are_those_of_the_readme_in_their_order() -> None:
    reported = [line.split() for line in words.NEXT.splitlines() if line.startswith("  driftd ")]
    for line in reported:
        options = [*line[1 : line.index("#")]] if "#" in line else line[1:]
        parser().parse_args([word.strip("'") for word in options if not word.startswith(">") and word != RULES_FILE])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    three = [line.split()[:2] for line in readme.splitlines() if line.startswith("driftd ")][:3]
    assert [line[:2] for line in reported][:3] == three


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, True),
        ({"severity": "ticket"}, False),
        ({"findings": [{"subject": "humid"}]}, False),
        ({"at": "2026-11-22T11:59:59Z"}, False),
    ],
)
def test_only_a_page_for_the_planted_fault_counts_as_found(change: dict[str, Any], found: bool) -> None:
    page = {"severity": "page", "findings": [{"subject": SUBJECT}], "at": "2026-11-22T12:00:10Z"}
    assert is_found(page | change, NOW) == found
