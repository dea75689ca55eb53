"""The group's committed offsets: a mirror of our positions for lag tools and autoscalers, never the truth."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata, TopicPartition

from monitor.errors import DriftdError
from monitor.events import Partition
from monitor.kafka.connect import connect, running_config, sorting_errors
from monitor.log import get_log
from monitor.settings.tree import Kafka
from monitor.tenfold import Tenfold

_log = get_log(__name__)

#: seconds one commit may take, and what the last one gets when the process is to end
_COMMIT_S: Final = 5.0
_LAST_COMMIT_S: Final = 3.0


class GroupOffsets:
    """Reads and writes them over a client of its own, so that reading records never waits for a group coordinator.

    The client is made at the first call and made anew after trouble.
    """

    def __init__(self, settings: Kafka) -> None:
        self._settings = settings
        self._client: Any = None

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offsets the group committed, in records to read next; partitions without one are left out.

        Raises:
            ExternalError: no answer within the request time-out; PermanentError: no right to the group.
        """
        found: dict[Partition, int] = {}
        with sorting_errors(f"read the offsets of the group {self._settings.group_id}"):
            client, timeout_ms = self._connected()
            for partition in partitions:
                offset = client.committed(TopicPartition(*partition), timeout_ms=timeout_ms)
                if offset is not None and offset >= 0:
                    found[partition] = offset
        return found

    def commit(self, positions: Mapping[Partition, int], timeout_s: float) -> None:
        """Write `positions` (the next offset to read), without metadata.

        Raises:
            ExternalError: not written; nothing depends on it, the next commit repairs it.
        """
        if not positions:
            return
        offsets = {TopicPartition(*part): OffsetAndMetadata(offset, "", -1) for part, offset in positions.items()}
        with sorting_errors(f"commit the offsets of the group {self._settings.group_id}"):
            self._connected()[0].commit(offsets, timeout_ms=round(timeout_s * 1000))

    def _connected(self) -> tuple[Any, int]:
        if self._client is None:
            config = running_config(self._settings, "offsets")
            no_fetching = {"group_id": self._settings.group_id, "enable_auto_commit": False}
            self._client = connect(KafkaConsumer, config | no_fetching)
        return self._client, self._settings.request_timeout // 1000

    def close(self, timeout_s: float) -> None:
        client, self._client = self._client, None
        if client is not None:
            close_quietly(lambda: client.close(autocommit=False, timeout_ms=round(timeout_s * 1000)))


class GroupMirror:
    """Commits positions in a thread of its own: nobody waits for the group's coordinator.

    Of positions that wait only the newest are committed. That one failed is said and passed over: nothing depends on
    it, and the next repairs it.
    """

    def __init__(self, settings: Kafka) -> None:
        self._offsets = GroupOffsets(settings)
        self._news = threading.Condition()
        self._wanted: dict[Partition, int] = {}
        self._stopped = False
        self._failures = Tenfold()
        self._thread: threading.Thread | None = None

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Let `positions` (the next offsets to read) be committed; comes back at once."""
        with self._news:
            self._wanted = dict(positions)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="driftd-group-offsets", daemon=True)
                self._thread.start()
            self._news.notify()

    def close(self, timeout_s: float) -> None:
        """Commit what waits and end; a daemon thread cannot hold the exit back."""
        with self._news:
            self._stopped = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join(max(timeout_s, _LAST_COMMIT_S))

    def _run(self) -> None:
        while positions := self._next():
            try:
                self._offsets.commit(positions, _COMMIT_S)
            except DriftdError as failure:  # a certificate that is being replaced is a fault of the settings
                if self._failures.again("commit"):
                    _log.warning("offsets_not_committed", why=str(failure))
        self._offsets.close(_COMMIT_S)

    def _next(self) -> dict[Partition, int]:
        """The positions to commit; empty when there will be no more."""
        with self._news:
            self._news.wait_for(lambda: self._wanted or self._stopped)
            wanted, self._wanted = self._wanted, {}
            return wanted


def close_quietly(close: Callable[[], object]) -> None:
    """Close a client whose brokers may be gone: what it could not say any more is of no use to anybody."""
    try:
        with sorting_errors("close the connection"):
            close()
    except Exception:  # noqa: BLE001, S110  # nothing can be done about a connection that will not close
        pass
