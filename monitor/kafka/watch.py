"""Describes the input topics regularly in a background thread, so that reading never waits for metadata."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from kafka import KafkaAdminClient
from kafka.protocol.consumer import IsolationLevel, OffsetSpec
from kafka.structs import TopicPartition

from monitor.errors import ExternalError, PermanentError, PositionsLost
from monitor.events import Partition
from monitor.kafka.connect import connect, running_config, translating_errors
from monitor.kafka.topics import ClusterDescription, TopicDescription, describe_topics
from monitor.log import get_log
from monitor.records import NewPartition
from monitor.settings.kafka import Kafka

_log = get_log(__name__)
#: pause before a topic that seems gone or recreated is checked again, in seconds
_CONFIRM_AFTER_S = 1.0
#: pause after a check that failed, in seconds
_RETRY_AFTER_S = 3.0


class TopicWatch:
    """Detects added partitions and topics that are gone or were recreated, and keeps the partitions' end offsets.

    A consumer with manually assigned partitions gets none of these from the library. A topic counts as gone or
    recreated when two checks in a row show it: a broker that has just started may have old metadata.
    """

    def __init__(self, settings: Kafka, described: ClusterDescription, *, interval_s: float = 30.0) -> None:
        self._settings = settings
        self._known: dict[str, TopicDescription] = dict(described.topics)
        self._interval_s = interval_s
        self._added: deque[NewPartition] = deque()
        self._error: Exception | None = None
        self._suspected: frozenset[str] = frozenset()
        self._leaderless: frozenset[Partition] = frozenset()
        self._failure = ""
        self._ends: dict[Partition, tuple[int, int]] = {}
        self._admin: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftd-topic-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop the thread and wait for it; it is a daemon thread, so a slow broker cannot block the exit."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def reachable(self) -> bool:
        """Whether the brokers answered the last check."""
        return not self._failure

    @property
    def failure(self) -> str:
        """Why the last check failed, "" if it did not."""
        return self._failure

    def ends(self, partition: Partition) -> tuple[int, int] | None:
        """Log end offset and last stable offset (before the first open transaction) of a partition at the last check.

        None if that check did not return them.
        """
        return self._ends.get(partition)

    def serves(self, partition: Partition) -> bool:
        """Whether the brokers answer and the partition has a leader; otherwise its end is not known."""
        return self.reachable and partition not in self._leaderless

    def take_added(self) -> list[NewPartition]:
        """The partitions that were added since the last call, lowest number first.

        Raises:
            PositionsLost: a topic is gone or was recreated; raised at every call.
        """
        if self._error is not None:
            raise self._error
        added = []
        while self._added:
            added.append(self._added.popleft())
        return added

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._pause()):
                self._check_safely()
            self._drop_admin()
        except Exception as error:  # noqa: BLE001  # raised by `take_added`, in the caller's thread
            self._error = error

    def _pause(self) -> float:
        soon = _CONFIRM_AFTER_S if self._suspected else _RETRY_AFTER_S if self._failure else self._interval_s
        return min(self._interval_s, soon)

    def _check_safely(self) -> None:
        try:
            if self._admin is None:
                self._admin = connect(KafkaAdminClient, running_config(self._settings, "watch"))
            described, missing = describe_topics(self._admin, sorted(self._known))
        except ExternalError as failure:  # also a PermanentError: rights may come back, a certificate be half written
            if not self._failure:
                _log.warning("topics_not_seen", failure=str(failure))
            refused = isinstance(failure, PermanentError)
            self._failure = str(failure) if refused else "the brokers do not answer"
            self._drop_admin()
        else:
            self._failure = ""
            self._compare(described, missing)
            self._update_ends()

    def _update_ends(self) -> None:
        """Ask for the ends of all partitions, also paused ones. A failure only clears them: it is not reported."""
        served = [
            TopicPartition(name, number)
            for name, described in self._known.items()
            for number in range(described.partitions)
            if self.serves(Partition(name, number))
        ]
        wanted = dict.fromkeys(served, OffsetSpec.LATEST)
        try:
            with translating_errors("ask where the partitions end"):
                committed = self._admin.list_partition_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED)
                ends = self._admin.list_partition_offsets(wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED)
        except ExternalError:
            self._ends = {}
        else:
            self._ends = {Partition(*at): (ends[at].offset, committed[at].offset) for at in served if at in committed}

    def _drop_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _compare(self, described: dict[str, TopicDescription], missing: tuple[str, ...]) -> None:
        recreated = {name for name, topic in described.items() if _is_another(self._known[name], topic)}
        suspected = frozenset(missing) | recreated
        confirmed = suspected & self._suspected
        self._suspected = suspected
        if confirmed:
            self._error = PositionsLost("\n".join(self._fault(name, described.get(name)) for name in sorted(confirmed)))
            return
        self._leaderless = frozenset(Partition(name, n) for name, topic in described.items() for n in topic.leaderless)
        for name, topic in sorted(described.items()):
            if name in suspected:
                continue
            self._added.extend(
                NewPartition(Partition(name, n)) for n in range(self._known[name].partitions, topic.partitions)
            )
            self._known[name] = topic

    def _fault(self, name: str, now: TopicDescription | None) -> str:
        before = self._known[name].topic_id
        if now is None:
            return (
                f"the topic {name} is gone (its id was {before or 'not known'}); restore it, or take it out of inputs "
                "and remove the state folder"
            )
        return (
            f"the topic {name} was recreated (id {before or 'not known'} -> {now.topic_id or 'not known'}); its "
            "offsets mean other records now: remove the state folder or restore the topic"
        )


def _is_another(before: TopicDescription, now: TopicDescription) -> bool:
    """Whether the topic was deleted and recreated: another id, or fewer partitions."""
    return now.topic_id != before.topic_id or now.partitions < before.partitions
