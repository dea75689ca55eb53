"""A partition whose records need what cannot be had waits; the others do not, and it is said once."""

from __future__ import annotations

import numpy as np

from monitor.clock import ManualClock
from monitor.errors import TransientError
from monitor.events import Partition
from monitor.kafka.withheld import Withheld
from monitor.records import RecordBatch

ONE, OTHER = Partition("t", 0), Partition("t", 1)


def batch_of(partition: Partition) -> RecordBatch:
    return RecordBatch(partition, [b"x"], np.zeros(1, np.int64), None, 1, 0)


def test_a_partition_waits_until_its_records_can_be_decoded() -> None:
    missing = {ONE}
    clock = ManualClock()

    def prepare(batch: RecordBatch) -> None:
        if batch.partition in missing:
            raise TransientError("schema 7 is not there")

    withheld = Withheld(prepare, clock)
    assert [withheld.admits(batch_of(partition)) for partition in (ONE, OTHER)] == [False, True]
    assert withheld.partitions() == {ONE}
    assert withheld.reason() == "schema 7 is not there (t-0 waits)"
    clock.advance(5.5)
    assert withheld.partitions() == set(), "it is fetched again"
    assert withheld.reason() == "schema 7 is not there (t-0 waits)", "it waits as long as it was not read"
    missing.clear()
    assert withheld.admits(batch_of(ONE))
    assert (withheld.partitions(), withheld.reason()) == (set(), "")


def test_without_a_need_nothing_waits() -> None:
    withheld = Withheld(None, ManualClock())
    assert withheld.admits(batch_of(ONE))
    assert (withheld.partitions(), withheld.reason()) == (set(), "")
