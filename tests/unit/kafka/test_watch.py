"""How the result of a check of the topics is interpreted; the checks themselves are tested on a real broker."""

from __future__ import annotations

import pytest

from monitor.errors import PermanentError
from monitor.events import Partition
from monitor.kafka.topics import ClusterDescription, TopicDescription
from monitor.kafka.watch import TopicWatch
from monitor.records import NewPartition
from monitor.settings.kafka import Kafka

BEFORE = TopicDescription("id-1", 2)


def watch_of(**topics: TopicDescription) -> TopicWatch:
    return TopicWatch(Kafka(), ClusterDescription("cluster", topics))


def test_an_added_partition_is_reported_once() -> None:
    watch = watch_of(a=BEFORE, b=BEFORE)
    watch._compare({"a": TopicDescription("id-1", 4), "b": BEFORE}, ())
    assert watch.take_added() == [NewPartition(Partition("a", 2)), NewPartition(Partition("a", 3))]
    watch._compare({"a": TopicDescription("id-1", 4), "b": BEFORE}, ())
    assert watch.take_added() == []


@pytest.mark.parametrize(
    ("now", "messages"),
    [
        (None, "the topic a is gone"),
        (TopicDescription("id-2", 2), r"the topic a was recreated \(id id-1 -> id-2\)"),
        (TopicDescription("id-1", 1), "the topic a was recreated"),
    ],
    ids=["gone", "another id", "fewer partitions"],
)
def test_a_topic_is_given_up_when_two_checks_agree(now: TopicDescription | None, messages: str) -> None:
    watch = watch_of(a=BEFORE)
    check = ({}, ("a",)) if now is None else ({"a": now}, ())
    watch._compare(*check)
    assert watch.take_added() == [], "the answer may be that of a broker that has just started"
    watch._compare(*check)
    for _ in range(2):
        with pytest.raises(PermanentError, match=messages):
            watch.take_added()


def test_a_suspicion_that_is_not_confirmed_is_dropped() -> None:
    watch = watch_of(a=BEFORE)
    for _ in range(3):
        watch._compare({}, ("a",))
        watch._compare({"a": BEFORE}, ())
    assert watch.take_added() == []


def test_a_partition_without_leader_is_not_served() -> None:
    watch = watch_of(a=BEFORE)
    assert watch.serves(Partition("a", 1))
    watch._compare({"a": TopicDescription("id-1", 2, leaderless=frozenset({1}))}, ())
    assert watch.serves(Partition("a", 0))
    assert not watch.serves(Partition("a", 1))
