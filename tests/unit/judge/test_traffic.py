"""Traffic that falls, rises or stops: what is said, from when on, and that a replay says the same as the daemon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.cli.check import check_offline
from monitor.clock import ManualClock, parse_rfc3339, rfc3339
from monitor.count.admission.versions import Admission
from monitor.findings import Transition
from monitor.pipeline import Pipeline
from monitor.publish.status.model_cards import FINE, UNKNOWN, states_of
from monitor.reference.references import References
from monitor.run.human_lines import human_line
from monitor.run.snapshot_builder import SnapshotBuilder
from tests.engine import (
    EVENTS,
    NOW_US,
    SECOND,
    START_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    credit_reference,
    replayed,
    run_to_end,
    settings,
    transitions_in,
)

KEY = ("credit", "traffic")
#: seconds of silence until it is said
LIMIT = 120


def slowed(stream: list[Event], change: int, times: float) -> list[Event]:
    """From the event `change` on, the time between two events is so many times as long."""
    begin = stream[change]["ts"]
    late = [one | {"ts": round(begin + (one["ts"] - begin) * times)} for one in stream[change:]]
    return stream[:change] + late


def paused(stream: list[Event], change: int, seconds: float) -> list[Event]:
    return stream[:change] + [one | {"ts": one["ts"] + round(seconds * SECOND)} for one in stream[change:]]


def told(stream: list[Event], model: dict[str, object] | None = None) -> list[dict[str, Any]]:
    lines, _ = replayed(settings(model), credit_reference(), MemorySource({EVENTS: stream}))
    return transitions_in(lines)


@pytest.fixture(scope="module")
def stream() -> list[Event]:
    return list(Credit(6_000, seed=4))


def test_a_usual_stream_has_no_ticket(stream: list[Event]) -> None:
    assert told(stream) == []


@pytest.mark.parametrize(("times", "word", "direction"), [(10.0, "fell", "down"), (0.2, "rose", "up")])
def test_a_changed_rate_is_one_ticket_with_its_words(
    stream: list[Event], times: float, word: str, direction: str
) -> None:
    first = told(slowed(stream, 3_000, times))[0]
    assert (first["transition"], first["severity"]) == ("opened", "ticket")
    (finding,) = first["findings"]
    assert (finding["subject"], finding["cause"]) == KEY
    assert finding["direction"] == direction
    assert f"traffic {word} to" in first["summary"]
    assert "no daily pattern is known" in finding["detail"]
    if times > 1:
        assert first["predictions"] - 3_000 <= 60


def test_it_ends_when_the_rate_is_back(stream: list[Event]) -> None:
    slow = slowed(stream, 2_000, 10.0)[:2_200]
    gap = slow[-1]["ts"] - stream[2_200]["ts"]
    back = [one | {"ts": one["ts"] + gap} for one in stream[2_201:]]
    transitions = told([*slow, *back])
    assert [one["transition"] for one in transitions] == ["opened", "resolved"]


def test_silence_is_said_at_the_last_event_and_two_minutes_by_the_next_event(stream: list[Event]) -> None:
    transitions = told(paused(stream, 3_000, 1_800))
    assert [one["transition"] for one in transitions] == ["opened", "resolved"]
    first = transitions[0]
    last_us = stream[2_999]["ts"]
    assert parse_rfc3339(first["at"]) == last_us + LIMIT * SECOND
    assert parse_rfc3339(first["since"]) == last_us
    assert first["predictions"] == 3_000
    assert "no events since" in first["summary"]
    assert first["findings"][0]["p"] is None, "it is a rule, not a test"
    text = str(human_line(first))
    assert "by chance" not in text
    assert "0 events" not in text
    assert [finding["cause"] for one in transitions for finding in one["findings"]] == ["traffic"]


def test_a_silence_ends_with_the_events_that_come(stream: list[Event]) -> None:
    """Within two panes, whatever the windows still hold, and it may come again at once."""
    pane = 10 * SECOND
    quiet = paused(paused(stream, 3_000, 1_800), 3_040, 1_200)
    transitions = told(quiet)
    assert [one["transition"] for one in transitions] == ["opened", "resolved"] * 2
    for last, (opened, resolved) in zip((2_999, 3_039), (transitions[:2], transitions[2:]), strict=True):
        back = quiet[last + 1]["ts"]
        assert parse_rfc3339(opened["since"]) == quiet[last]["ts"]
        assert back < parse_rfc3339(resolved["at"]) <= back + 2 * pane
        minutes = "30 min" if last == 2_999 else "20 min"
        assert f"traffic is back since {rfc3339(back)}, {minutes}" in resolved["summary"]


def test_an_excluded_time_puts_a_silence_off_and_does_not_end_it(stream: list[Event]) -> None:
    last_us = stream[2_999]["ts"]
    for begin, end in ((60, 1_860), (-600, 1_860), (100, 130)):
        exclude = [{"from": last_us + begin * SECOND, "to": last_us + end * SECOND}]
        opened, resolved = told(paused(stream, 3_000, 86_400), {"exclude": exclude})
        assert parse_rfc3339(opened["at"]) == last_us + (end + LIMIT) * SECOND
        assert parse_rfc3339(opened["since"]) <= last_us
        assert resolved["transition"] == "resolved"


def test_it_is_said_so_if_the_first_pane_afterwards_holds_few_events(stream: list[Event]) -> None:
    """Fewer than it takes until the partition's clock has followed them."""
    for events in (1, 4, 8):
        quiet = [*paused(stream, 3_000, 1_800)[: 3_000 + events], *paused(stream, 3_000, 1_830)[3_000 + events :]]
        first = told(quiet)[0]
        assert parse_rfc3339(first["at"]) == stream[2_999]["ts"] + LIMIT * SECOND
        assert first["predictions"] == 3_000


def test_the_first_events_after_a_gap_end_it_though_the_clock_has_not_followed_them() -> None:
    """Few events in a long time: what is silence of ten minutes is not one of seven and of those that came then."""
    reference = credit_reference()
    assert reference.traffic is not None
    reference = replace(reference, traffic=replace(reference.traffic, gap_us=120 * SECOND, levels=()))
    stream = list(Credit(60, seed=5))
    slow = slowed(stream, 30, 60.0)
    gap = [*slow[:31], *paused(slow, 31, 420)[31:]]
    lines, _ = replayed(settings(), reference, MemorySource({EVENTS: gap}))
    assert transitions_in(lines) == []
    lines, _ = replayed(settings(), reference, MemorySource({EVENTS: paused(gap, 50, 700)}))
    assert parse_rfc3339(transitions_in(lines)[0]["since"]) == gap[49]["ts"]


def test_a_pause_in_an_excluded_time_is_not_said(stream: list[Event]) -> None:
    last_us = stream[2_999]["ts"]
    exclude = [{"from": last_us, "to": last_us + 1_700 * SECOND}]
    assert told(paused(stream, 3_000, 1_800), {"exclude": exclude}) == []


def test_a_short_pause_is_not_said(stream: list[Event]) -> None:
    assert told(paused(stream, 3_000, LIMIT / 2)) == []


def test_severity_and_least_effect_are_settings(stream: list[Event]) -> None:
    slow = slowed(stream, 3_000, 3.0)
    assert told(slow, {"severity": {"traffic": "page"}})[0]["severity"] == "page"
    assert told(slow, {"least_effect": {"traffic": 0.9}}) == []


@pytest.mark.parametrize(("pane", "notes"), [("10s", 0), ("7s", 1)])
def test_panes_that_do_not_divide_the_steps_of_the_reference_are_said_by_check(pane: str, notes: int) -> None:
    reference = credit_reference()
    assert reference.traffic is not None
    assert reference.traffic.levels
    tree = settings(windows={"pane": pane})
    lines = [
        line
        for line in check_offline(tree, References({"credit": {"1": reference}}), ())
        if line.what == "traffic credit 1"
    ]
    assert len(lines) == notes
    for line in lines:
        assert "windows.pane (7 s) does not divide" in line.more
    assert reference.traffic.in_panes_of(tree.windows.pane) == (not notes)


def test_an_older_reference_without_traffic_judges_none(stream: list[Event]) -> None:
    reference = replace(credit_reference(), traffic=None)
    lines, _ = replayed(settings(), reference, MemorySource({EVENTS: paused(stream, 3_000, 1_800)}))
    assert transitions_in(lines) == []


# live


class Live:
    """A daemon's pipeline on a source that grows, with a clock that is moved by hand."""

    def __init__(self, *, model: dict[str, object] | None = None) -> None:
        self.tree = settings(model)
        self.source = MemorySource({EVENTS: []}, chunk=10_000, live=True)
        self.clock = ManualClock(NOW_US)
        self.outputs = Recorded()
        self.admission: Admission = admission_of(self.tree, credit_reference())
        self.pipeline = self._pipeline()

    def _pipeline(self) -> Pipeline:
        return Pipeline(self.tree, self.admission, self.source, self.clock, self.outputs, live=True)

    def produce(self, events: list[Event]) -> None:
        """The clock goes on to the time of the last of them, and they are read."""
        self.source.records[EVENTS] += events
        self.clock.advance((events[-1]["ts"] - self.clock.now_us()) / SECOND)
        self.pipeline.turn()

    def wait(self, seconds: float, step: float = 5.0) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.pipeline.turn()

    def restart(self) -> None:
        self.pipeline.checkpoint()
        self.admission = admission_of(self.tree, credit_reference())
        self.pipeline = self._pipeline()
        self.pipeline.restore(self.outputs.saved[-1])

    def told(self) -> list[Transition]:
        self.pipeline.checkpoint()
        return self.outputs.reported


def test_live_it_is_said_by_the_clock_and_the_same_as_in_a_replay(stream: list[Event]) -> None:
    quiet = paused(stream, 3_000, 1_800)
    live = Live()
    live.produce(quiet[:3_000])
    live.wait(LIMIT - 10)
    assert live.told() == []
    live.wait(15)
    (first,) = live.told()
    assert first.summary == f"credit 1: {first.findings[0].headline}"
    live.restart()
    live.wait(1_600)
    assert [one.transition for one in live.told()] == ["opened"]
    for at in range(3_000, 6_000, 100):
        live.produce(quiet[at : at + 100])
    live.wait(300)
    # the last silence is the end of the stream, which a replay does not know
    as_json = [one.to_json() for one in live.told()][:2]
    assert as_json == told(quiet)


def test_it_is_not_said_while_events_of_an_old_time_come(stream: list[Event]) -> None:
    live = Live()
    live.clock.advance(1_000_000)
    for at in range(0, 3_000, 100):
        live.source.records[EVENTS] += stream[at : at + 100]
        live.wait(60)
    assert live.told() == []
    live.wait(LIMIT + 60)
    assert [one.transition for one in live.told()] == ["opened"]


def test_it_is_not_said_before_all_is_read(stream: list[Event]) -> None:
    live = Live()
    live.produce(stream[:3_000])
    live.wait(70)
    live.source.unread.add(EVENTS)
    live.wait(600)
    assert live.told() == []
    live.source.unread.clear()
    live.wait(10)
    assert [one.transition for one in live.told()] == ["opened"]


def test_while_events_have_stopped_a_model_is_never_fine(stream: list[Event]) -> None:
    live = Live(model={"severity": {"traffic": "info"}})
    live.produce(stream[:3_000])
    live.wait(70)
    assert list(states_of(shown(live)).values()) == [FINE]
    live.wait(60)
    assert live.told() == []
    assert [finding.finding.key[:2] for finding in live.pipeline.fleet.reported] == [KEY]  # type: ignore[attr-defined]
    snapshot = shown(live)
    assert list(states_of(snapshot).values()) == [UNKNOWN]
    assert snapshot.models[0].stopped_since_us == stream[2_999]["ts"]


def shown(live: Live) -> Any:  # noqa: ANN401 - a snapshot
    outputs = type("Outputs", (), {"checkpoint_us": None, "checkpoint_bytes": 0, "checkpoint_parts": 0})()
    builder = SnapshotBuilder(live.tree, live.admission, live.pipeline, live.pipeline.fleet, outputs)  # type: ignore[arg-type]
    return builder.snapshot({})


def test_a_replay_does_not_depend_on_how_polls_cut_the_stream(stream: list[Event]) -> None:
    quiet = slowed(paused(stream, 2_000, 600), 4_000, 8.0)
    results = []
    for chunk in (7, 500, 100_000):
        lines, _ = replayed(settings(), credit_reference(), MemorySource({EVENTS: quiet}, chunk))
        results.append(transitions_in(lines))
    assert results[0] == results[1] == results[2] != []


def test_a_replay_restored_anywhere_goes_on_as_if_it_had_not_stopped(stream: list[Event]) -> None:
    quiet = slowed(paused(stream, 2_000, 600), 4_000, 8.0)
    source, outputs, reported = MemorySource({EVENTS: quiet}, 300), Recorded(), list[Transition]()
    while not source.ended():
        before, outputs = outputs, Recorded()
        reported += before.reported
        pipeline = Pipeline(
            settings(), admission_of(settings(), credit_reference()), source, ManualClock(NOW_US), outputs, live=False
        )
        if before.saved:
            pipeline.restore(before.saved[-1])
        for _ in range(3):
            pipeline.turn()
        pipeline.checkpoint()
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    reported += outputs.reported
    assert [one.to_json() for one in reported] == told(quiet)
    assert reported[0].at_us > START_US
