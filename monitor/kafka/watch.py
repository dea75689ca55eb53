"""Looks at the input topics from a thread of its own, so that reading never waits for an answer about metadata."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from kafka import KafkaAdminClient
from kafka.protocol.consumer import IsolationLevel, OffsetSpec
from kafka.structs import TopicPartition

from monitor.errors import ExternalError, PermanentError, PositionsLost
from monitor.events import Partition
from monitor.kafka.connect import connect, running_config, sorting_errors
from monitor.kafka.topics import ClusterDescription, TopicDescription, ask_topics
from monitor.log import get_log
from monitor.records import NewPartition
from monitor.settings.tree import Kafka

_log = get_log(__name__)
_SURE_AFTER_S = 1.0
_AGAIN_AFTER_S = 3.0


class TopicWatch:
    """News about topics: partitions that were added, a topic that is gone or was made again, where partitions end.

    A consumer with assigned partitions is told none of these by the brokers. A topic counts as gone or made again
    when two looks in a row say so: a broker that has just started may not know better.
    """

    def __init__(self, settings: Kafka, described: ClusterDescription, *, interval_s: float = 30.0) -> None:
        self._settings = settings
        self._known: dict[str, TopicDescription] = dict(described.topics)
        self._interval_s = interval_s
        self._news: deque[NewPartition] = deque()
        self._bug: Exception | None = None
        self._doubted: frozenset[str] = frozenset()
        self._unserved: frozenset[Partition] = frozenset()
        self._failure = ""
        self._ends: dict[Partition, tuple[int, int]] = {}
        self._admin: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftd-topic-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Ask the thread to end and wait for it; it is a daemon thread, so a slow broker cannot hold the exit back."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def reachable(self) -> bool:
        """False while the brokers did not answer the last look."""
        return not self._failure

    @property
    def failure(self) -> str:
        """Why the last look failed, "" when it did not."""
        return self._failure

    def ends(self, partition: Partition) -> tuple[int, int] | None:
        """The end of a partition at the last look, and how far it may be read (before the first open transaction).

        None where that look did not tell.
        """
        return self._ends.get(partition)

    def serves(self, partition: Partition) -> bool:
        """False while the brokers do not answer or the partition has no leader: its end is not known then."""
        return self.reachable and partition not in self._unserved

    def news(self) -> list[NewPartition]:
        """Partitions that were added since the last call, lowest number first.

        Raises:
            PositionsLost: a topic is gone or was made again; again at each call.
        """
        if self._bug is not None:
            raise self._bug
        drained = []
        while self._news:
            drained.append(self._news.popleft())
        return drained

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._pause()):
                self._check_safely()
            self._drop_admin()
        except Exception as bug:  # noqa: BLE001  # raised where it is seen: in the thread that asks for news
            self._bug = bug

    def _pause(self) -> float:
        soon = _SURE_AFTER_S if self._doubted else _AGAIN_AFTER_S if self._failure else self._interval_s
        return min(self._interval_s, soon)

    def _check_safely(self) -> None:
        try:
            if self._admin is None:
                self._admin = connect(KafkaAdminClient, running_config(self._settings, "watch"))
            found, missing = ask_topics(self._admin, sorted(self._known))
        except ExternalError as failure:  # rights may come back, a certificate may be half written
            if not self._failure:
                _log.warning("topics_not_seen", failure=str(failure))
            refused = isinstance(failure, PermanentError)
            self._failure = str(failure) if refused else "the brokers do not answer"
            self._drop_admin()
        else:
            self._failure = ""
            self._compare(found, missing)
            self._ask_ends()

    def _ask_ends(self) -> None:
        """Where partitions end, also those that are not read now; that nobody tells is no trouble of its own."""
        served = [
            TopicPartition(name, number)
            for name, described in self._known.items()
            for number in range(described.partitions)
            if self.serves(Partition(name, number))
        ]
        wanted = dict.fromkeys(served, OffsetSpec.LATEST)
        try:
            with sorting_errors("ask where the partitions end"):
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

    def _compare(self, found: dict[str, TopicDescription], missing: tuple[str, ...]) -> None:
        replaced = {name for name, described in found.items() if _is_another(self._known[name], described)}
        doubted = frozenset(missing) | replaced
        sure = doubted & self._doubted
        self._doubted = doubted
        if sure:
            self._bug = PositionsLost("\n".join(self._remedy(name, found.get(name)) for name in sorted(sure)))
            return
        self._unserved = frozenset(
            Partition(name, n) for name, described in found.items() for n in described.leaderless
        )
        for name, described in sorted(found.items()):
            if name in doubted:
                continue
            self._news.extend(
                NewPartition(Partition(name, n)) for n in range(self._known[name].partitions, described.partitions)
            )
            self._known[name] = described

    def _remedy(self, name: str, now: TopicDescription | None) -> str:
        before = self._known[name].topic_id
        if now is None:
            return (
                f"the topic {name} is gone (its id was {before or 'not known'}); restore it, or take it out of inputs "
                "and remove the state folder"
            )
        return (
            f"the topic {name} was made again (id {before or 'not known'} -> {now.topic_id or 'not known'}); its "
            "offsets mean other records now: remove the state folder or restore the topic"
        )


def _is_another(before: TopicDescription, now: TopicDescription) -> bool:
    return now.topic_id != before.topic_id or now.partitions < before.partitions
