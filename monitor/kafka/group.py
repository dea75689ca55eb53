"""The consumer group's committed offsets: a copy of our positions for lag tools and autoscalers.

The positions in the checkpoint are authoritative.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata, TopicPartition

from monitor.errors import DriftdError
from monitor.events import Partition
from monitor.kafka.connect import connect, running_config, translating_errors
from monitor.log import get_log
from monitor.settings.kafka import Kafka
from monitor.tenfold import Tenfold

_log = get_log(__name__)

#: seconds that one commit may take, and that `close` waits for the last one at least
_COMMIT_S: Final = 5.0
_LAST_COMMIT_S: Final = 3.0


class GroupOffsets:
    """Reads and writes them with a separate client, so that reading records never waits for the group coordinator.

    The client is created at the first call.
    """

    def __init__(self, settings: Kafka) -> None:
        self._settings = settings
        self._client: Any = None

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The group's committed offsets (the next offset to read); partitions without one are left out.

        Raises:
            ExternalError: no answer within the request time-out; PermanentError: no right to the group.
        """
        offsets: dict[Partition, int] = {}
        with translating_errors(f"read the offsets of the group {self._settings.group_id}"):
            client, timeout_ms = self._connected()
            for partition in partitions:
                offset = client.committed(TopicPartition(*partition), timeout_ms=timeout_ms)
                if offset is not None and offset >= 0:
                    offsets[partition] = offset
        return offsets

    def commit(self, positions: Mapping[Partition, int], timeout_s: float) -> None:
        """Write `positions` (the next offset to read), without metadata.

        Raises:
            ExternalError: they were not written; nothing depends on it, and the next commit writes newer ones.
        """
        if not positions:
            return
        offsets = {TopicPartition(*part): OffsetAndMetadata(offset, "", -1) for part, offset in positions.items()}
        with translating_errors(f"commit the offsets of the group {self._settings.group_id}"):
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
    """Commits positions in a background thread, so that no caller waits for the group coordinator.

    Only the newest positions are committed. A failed commit is logged and not repeated: the next one writes newer
    positions.
    """

    def __init__(self, settings: Kafka) -> None:
        self._offsets = GroupOffsets(settings)
        self._changed = threading.Condition()
        self._wanted: dict[Partition, int] = {}
        self._stopped = False
        self._failures = Tenfold()
        self._thread: threading.Thread | None = None

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Queue `positions` (the next offsets to read) for the thread; returns at once."""
        with self._changed:
            self._wanted = dict(positions)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="driftd-group-offsets", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Commit what is queued and end the thread; a daemon thread, so it cannot block the exit."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(max(timeout_s, _LAST_COMMIT_S))

    def _run(self) -> None:
        while positions := self._next():
            try:
                self._offsets.commit(positions, _COMMIT_S)
            except DriftdError as failure:  # also a UsageError: a certificate in the middle of a replacement
                if self._failures.again("commit"):
                    _log.warning("offsets_not_committed", why=str(failure))
        self._offsets.close(_COMMIT_S)

    def _next(self) -> dict[Partition, int]:
        """Wait for positions to commit; empty once the mirror is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._stopped)
            wanted, self._wanted = self._wanted, {}
            return wanted


def close_quietly(close: Callable[[], object]) -> None:
    """Close a client and ignore every error: its brokers may be gone, and nothing can be done about it."""
    try:
        with translating_errors("close the connection"):
            close()
    except Exception:  # noqa: BLE001, S110  # as above
        pass
