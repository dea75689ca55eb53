"""The group's offsets follow the newest positions, and no caller waits for a commit or fails with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest

from monitor.errors import TransientError
from monitor.events import Partition
from monitor.kafka.group import GroupMirror, GroupOffsets
from monitor.settings.kafka import Kafka

A = Partition("events", 0)


class Coordinator:
    """Takes commits one after the other, each when it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[int] = []
        self.asked, self.let = threading.Semaphore(0), threading.Semaphore(0)
        self.failing = False
        monkeypatch.setattr(GroupOffsets, "commit", lambda _, positions, _timeout: self._commit(positions))

    def _commit(self, positions: Mapping[Partition, int]) -> None:
        self.asked.release()
        assert self.let.acquire(timeout=10)
        if self.failing:
            raise TransientError("no coordinator")
        self.taken.append(positions[A])


def test_a_slow_coordinator_blocks_no_caller_and_gets_the_newest_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator, mirror = Coordinator(monkeypatch), GroupMirror(Kafka())
    mirror.commit({A: 1})
    assert coordinator.asked.acquire(timeout=10)
    began = time.monotonic()
    for offset in range(2, 1_000):
        mirror.commit({A: offset})
    assert time.monotonic() - began < 1.0
    coordinator.let.release(2)
    mirror.close(10)
    assert coordinator.taken == [1, 999]


def test_a_failed_commit_is_not_retried_and_the_next_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator, mirror = Coordinator(monkeypatch), GroupMirror(Kafka())
    coordinator.failing = True
    mirror.commit({A: 1})
    assert coordinator.asked.acquire(timeout=10)
    mirror.commit({A: 2})
    coordinator.let.release()
    assert coordinator.asked.acquire(timeout=10)
    coordinator.failing = False
    coordinator.let.release()
    mirror.close(10)
    assert coordinator.taken == [2]


def test_a_mirror_that_was_never_used_ends_at_once() -> None:
    began = time.monotonic()
    GroupMirror(Kafka()).close(10)
    assert time.monotonic() - began < 1.0
