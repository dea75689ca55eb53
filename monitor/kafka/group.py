"""The group's committed offsets: a mirror of our positions for lag tools and autoscalers, never the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata, TopicPartition

from monitor.events import Partition
from monitor.kafka.connect import client_config, connect, sorting_errors
from monitor.settings import Kafka


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
            OutsideTrouble: no answer within the request time-out; OutsideRefusal: no right to the group.
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
            OutsideTrouble: not written; nothing depends on it, the next commit repairs it.
        """
        if not positions:
            return
        offsets = {TopicPartition(*part): OffsetAndMetadata(offset, "", -1) for part, offset in positions.items()}
        with sorting_errors(f"commit the offsets of the group {self._settings.group_id}"):
            self._connected()[0].commit(offsets, timeout_ms=round(timeout_s * 1000))

    def _connected(self) -> tuple[Any, int]:
        if self._client is None:
            config = client_config(self._settings, "offsets")
            no_fetching = {"group_id": self._settings.group_id, "enable_auto_commit": False}
            self._client = connect(KafkaConsumer, config | no_fetching)
        return self._client, self._settings.request_timeout // 1000

    def close(self, timeout_s: float) -> None:
        client, self._client = self._client, None
        if client is not None:
            close_quietly(lambda: client.close(autocommit=False, timeout_ms=round(timeout_s * 1000)))


def close_quietly(close: Callable[[], object]) -> None:
    """Close a client whose brokers may be gone: what it could not say any more is of no use to anybody."""
    try:
        with sorting_errors("close the connection"):
            close()
    except Exception:  # noqa: BLE001, S110  # nothing can be done about a connection that will not close
        pass
