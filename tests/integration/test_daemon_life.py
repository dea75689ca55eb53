"""What happens around a running daemon: brokers come and go, topics grow, records vanish, somebody asks it to end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from monitor.clock import Clock, SystemClock
from monitor.count.admission.versions import Admission
from monitor.errors import ExternalError, PermanentError
from monitor.kafka.consumer import KafkaSource
from monitor.kafka.topics import describe_cluster
from monitor.pipeline import Pipeline
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.settings.tree import Settings
from tests.daemons import STOP_SECONDS, state_of
from tests.engine import SECOND, START_US, Credit, Event, Recorded, event
from tests.integration import kafka_reading
from tests.integration.conftest import Site
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected

DONE, INTERRUPTED = 0, 130


def some_events(ids: Sequence[int], first_s: float = 0, step_s: float = 1) -> list[Event]:
    return [event(first_s + at * step_s, id=str(one), features={"AGE": 35}, score=0.5) for at, one in enumerate(ids)]


def test_a_daemon_outlives_a_broker_that_is_down_at_its_start_and_killed_later(
    kafka_parts: None, make_site: Callable[[KafkaBroker, str], Site]
) -> None:
    with KafkaBroker() as broker:
        site = make_site(broker, "outage")
        site.write(kafka={"request_timeout": "2s"})
        site.make_topics(partitions=2)
        site.produce(some_events(range(8)))
        broker.stop()
        running = site.start()
        running.wait_for("kafka_not_connected")
        assert running.get("/livez")[0] == 200
        status, why = running.get("/readyz")
        assert status == 503
        assert "Kafka" in why

        broker.start()
        running.wait_records(8)
        running.wait_ready()
        wait_until(lambda: broker.records(site.alerts), "the notice of the start", 30)  # no offsets go before it
        site.produce(some_events(range(8, 10), first_s=8))
        running.wait_records(10)
        broker.kill()
        running.wait_for("offsets_not_committed")
        assert running.get("/livez")[0] == 200
        broker.start()
        site.produce(some_events(range(10, 30), first_s=10))
        site.produce(some_events(range(30, 35)), partition=1)
        site.produce([{"broken": True}], partition=1)
        running.wait_records(36)
        running.wait_ready()
        assert running.stop() == DONE

        assert site.shown()["outcomes"] == {"rejected": 1, "accepted": 35}
        assert site.positions() == {f"{site.topic}-0": 30, f"{site.topic}-1": 6}
        assert len(broker.records(site.rejects)) == 1
        assert broker.committed(site.name, site.topic) == {0: 30, 1: 6}


def test_ctrl_c_saves_what_is_known_and_says_130(site: Site) -> None:
    site.make_topics()
    site.produce(some_events(range(10)))
    site.write(state={"every": "1h"})
    running = site.start()
    running.wait_records(10)
    assert running.interrupt() == INTERRUPTED
    assert running.lines("stopped")
    assert site.shown()["outcomes"] == {"accepted": 10}


def test_a_burst_of_signals_ends_it_at_once_and_never_hangs_it(site: Site) -> None:
    """The second one finds the first still at work; whatever it interrupts, it must not wait for that."""
    site.make_topics()
    running = site.start()
    running.wait_ready()
    for _ in range(50):
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGTERM)
    assert running.wait(STOP_SECONDS) in {DONE, 128 + signal.SIGTERM}


def test_records_that_retention_took_while_the_daemon_was_away_are_counted_and_reported(site: Site) -> None:
    site.make_topics(partitions=2)
    site.produce(some_events(range(10)))
    running = site.start()
    running.wait_records(10)
    assert running.stop() == DONE
    site.produce(some_events(range(10, 50), first_s=10))
    admin = AdminClient({"bootstrap.servers": site.broker.bootstrap})
    target = TopicPartition(site.topic, 0, 45)
    admin.delete_records([target])[target].result(10)

    again = site.start()
    again.wait_records(5)
    again.wait_until(
        lambda: again.values("driftd_offset_gap_records_total") == {(site.topic, "0"): 35, (site.topic, "1"): 0},
        "the gap is shown",
    )
    (line,) = again.lines("records_gone")
    assert (line["partition"], line["first"], line["next"]) == (f"{site.topic}-0", 10, 45)
    assert again.stop() == DONE
    shown = site.shown()
    assert shown["outcomes"] == {"accepted": 15}
    assert shown["gaps"] == {f"{site.topic}-0": 35}
    assert site.positions() == {f"{site.topic}-0": 50, f"{site.topic}-1": 0}

    third = site.start()
    third.wait_ready()
    third.wait_until(lambda: third.values("driftd_restored") == {(): 1}, "a board")
    assert set(third.values("driftd_offset_gap_records_total").values()) == {0.0}, "counters begin with the process"
    assert third.stop() == DONE


class Engine:
    """The daemon's pipeline in this process, with a watch that looks often; its outputs are recorded."""

    def __init__(self, site: Site, reference: Reference, clock: Clock | None = None, **windows: str) -> None:
        tree = {**site.tree(), "windows": windows, "state": {"store": "memory"}}
        self.settings = Settings.model_validate(tree)
        admission = Admission(self.settings, References({"credit": {"*": reference}}))
        described = describe_cluster(self.settings.kafka, [site.topic])
        self.source = KafkaSource(self.settings.kafka, described, SystemClock(), watch_interval_s=0.1)
        self.outputs = Recorded()
        self.pipeline = Pipeline(self.settings, admission, self.source, clock or SystemClock(), self.outputs)
        self.source.begin(self.source.resolve_start(self.settings.kafka.start))
        self.open_panes: list[int] = []

    def accepted(self) -> int:
        return self.pipeline.accepted.total()

    def turn(self) -> None:
        try:
            self.pipeline.turn()
        except PermanentError:
            raise
        except ExternalError:
            time.sleep(0.1)  # as the daemon does
        self.open_panes.append(sum(task.open_panes for task in self.pipeline.tasks.values()))

    def turn_until(self, condition: Callable[[], object], what: str) -> None:
        def turned() -> object:
            self.turn()
            return condition()

        wait_until(turned, what, seconds=40.0)


def test_partitions_that_are_added_are_read_from_their_beginning(site: Site, credit_reference: Reference) -> None:
    site.write(kafka={"start": "latest"})
    site.make_topics()
    site.produce(some_events(range(10)))
    engine = Engine(site, credit_reference)
    try:
        site.broker.add_partitions(site.topic, 3)
        site.produce(some_events(range(10, 15)), partition=1)
        site.produce(some_events(range(15, 22)), partition=2)
        engine.turn_until(lambda: engine.accepted() == 22, "the records of the new partitions")
    finally:
        engine.source.close()
    assert {part.number: offset for part, offset in engine.pipeline.positions().items()} == {0: 10, 1: 5, 2: 7}


def test_a_partition_far_behind_the_others_keeps_open_panes_few(site: Site, credit_reference: Reference) -> None:
    """Two partitions hold the last 400 panes of 5 minutes; the third one's begin two days before theirs."""
    site.make_topics(partitions=3)
    for number, step_s in enumerate((4, 10, 4)):
        first_us = START_US - 30_000 * step_s * SECOND
        normal = Credit(30_000, seed=number + 2)
        events = [one | {"ts": first_us + at * step_s * SECOND} for at, one in enumerate(normal)]
        site.produce(events, partition=number)
    engine = Engine(site, credit_reference, pane="5m", idle_after="1s")
    try:
        engine.turn_until(lambda: engine.accepted() == 90_000, "every record")
        engine.turn_until(lambda: engine.open_panes[-1] == 0, "every pane is judged after the silence")
    finally:
        engine.source.close()
    pipeline = engine.pipeline
    assert pipeline.outcomes.total() == 90_000, "each once"
    assert pipeline.exchange.unjudged.total() == 0
    # Of each partition: what one poll of 5,000 may bring (67 and 167 panes) beyond the hour (13) that it may be ahead.
    assert max(engine.open_panes) <= 2 * (67 + 13) + 167 + 13
    judges = [pipeline.fleet.to_state(key) for key in pipeline.fleet.judged()]
    assert [judge.context.predictions for judge in judges if judge is not None] == [90_000]


def test_a_silent_partition_holds_windows_back_until_it_was_idle_for_long_enough(
    site: Site, credit_reference: Reference
) -> None:
    site.make_topics(partitions=2)
    site.produce(some_events(range(300), step_s=10))
    site.produce(some_events(range(300, 310)), partition=1)
    engine = Engine(site, credit_reference, idle_after="3s")
    try:
        engine.turn_until(lambda: engine.accepted() == 310, "every record")
        read_at = time.monotonic()
        held = engine.open_panes[-1]
        assert held > 290, "partition 1 is at second 9 and holds what comes after"
        engine.turn_until(lambda: engine.open_panes[-1] == 0, "the silence is long enough")
        assert time.monotonic() - read_at > 2.0, "not before"
    finally:
        engine.source.close()


def test_a_topic_that_vanishes_ends_the_daemon_with_a_remedy(site: Site, credit_reference: Reference) -> None:
    site.make_topics()
    engine = Engine(site, credit_reference)
    refusals: list[str] = []
    try:
        engine.turn()
        site.broker.delete_topic(site.topic)

        def refused() -> bool:
            try:
                engine.pipeline.turn()
            except ExternalError as failure:
                refusals.append(str(failure))
            return any(f"the topic {site.topic} is gone" in text for text in refusals)

        wait_until(refused, "the watch sees it twice")
    finally:
        engine.source.close()
    assert "remove the state folder" in refusals[-1]


def test_a_checkpoint_can_be_shown_next_to_the_running_daemon(site: Site) -> None:
    site.make_topics()
    running = site.start()
    running.wait_ready()
    site.produce(some_events(range(10)))
    running.wait_until(lambda: state_of(site.config)["outcomes"] == {"accepted": 10}, "it is saved")
    assert running.stop() == DONE
