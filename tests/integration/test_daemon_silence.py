"""Traffic stops on a real topic: it is said by the clock, it ends with the traffic, and nothing drifted."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.clock import SystemClock, parse_rfc3339
from monitor.findings import TICKET, Transition
from monitor.reference.reference import Reference
from tests.engine import SECOND, START_US, Credit, Event
from tests.integration import kafka_reading
from tests.integration.conftest import Site
from tests.integration.test_daemon_life import Engine

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected

#: events before the silence and after it, and seconds of silence until it is said
BEFORE, AFTER, LIMIT = 1_500, 2_500, 120


class ShiftedClock(SystemClock):
    """The machine's clock, put forward by hand: nobody waits for minutes to pass."""

    shift_s = 0.0

    def now_us(self) -> int:
        return super().now_us() + round(self.shift_s * SECOND)

    def monotonic(self) -> float:
        return super().monotonic() + self.shift_s


def from_now_on(stream: Credit, begin_us: int) -> Iterator[Event]:
    """The same events, whose times begin there."""
    for one in stream:
        yield one | {"ts": one["ts"] - START_US + begin_us}


def test_traffic_that_stops_is_a_ticket_by_the_clock_and_no_drift_when_it_is_back(
    site: Site, credit_reference: Reference
) -> None:
    clock = ShiftedClock()
    site.make_topics()
    usual = list(from_now_on(Credit(BEFORE, seed=5), 0))
    lasted_us = usual[-1]["ts"]
    last_us = clock.now_us()
    site.produce([one | {"ts": one["ts"] - lasted_us + last_us} for one in usual])
    # events after the silence have times that have not come yet by the broker's own clock
    engine = Engine(site, credit_reference, clock, idle_after="1s", max_skew="2h")
    try:
        engine.turn_until(lambda: engine.accepted() == BEFORE, "every record")
        engine.turn_until(lambda: engine.open_panes[-1] == 0, "every pane is judged")
        engine.pipeline.checkpoint()
        assert engine.outputs.reported == []

        clock.shift_s = LIMIT + 5
        engine.turn_until(lambda: engine.outputs.reported, "the silence is told")
        (silent,) = engine.outputs.reported
        assert (silent.transition, silent.severity) == ("opened", TICKET)
        assert subjects(silent) == {("credit", "traffic")}
        assert parse_rfc3339(silent.to_json()["at"]) == last_us + LIMIT * SECOND

        clock.shift_s = 1_800
        site.produce(list(from_now_on(Credit(AFTER, seed=6), clock.now_us())))
        engine.turn_until(lambda: engine.outputs.reported[-1].transition == "resolved", "traffic is as before")
        engine.turn_until(lambda: engine.accepted() == BEFORE + AFTER, "every record")
        clock.shift_s += 30  # the partition is idle
        engine.turn_until(lambda: engine.open_panes[-1] == 0, "every pane is judged")
        engine.pipeline.checkpoint()
    finally:
        engine.source.close()
    assert engine.outputs.reported[-1].transition == "resolved"
    assert set().union(*map(subjects, engine.outputs.reported)) == {("credit", "traffic")}


def subjects(transition: Transition) -> set[tuple[str, str]]:
    return {(found.key.subject, found.key.cause) for found in transition.findings}
