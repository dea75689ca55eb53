"""Rows that wait to be counted: bounded, not held back by others' rows, and no difference to whoever looks."""

from __future__ import annotations

import numpy as np

from monitor.count import put_off
from monitor.count.put_off import Part, PutOff
from monitor.decode.columns import Group
from monitor.events import ModelKey, Partition

KEY = ModelKey("m", "1")
PARTITION = Partition("t", 0)


def part(first: int, rows: int, partition: Partition = PARTITION, key: ModelKey = KEY, of: int = 1) -> Part:
    """Rows whose numbers are part of an array `of` times as large."""
    numbers = np.arange(first, first + rows, dtype=np.float64)
    block = np.zeros((1, rows * of))
    block[0, :rows] = numbers
    group = Group(
        key,
        np.arange(rows),
        np.ones(rows, np.bool_),
        block[:, :rows],
        [[str(number) for number in numbers]],
        numbers / 1e6,
        list(numbers),
        [None] * rows,
    )
    at = np.arange(first, first + rows)
    return Part(partition, group, at * 10, at, np.ones(rows, np.bool_))


def test_rows_that_waited_are_counted_together_in_their_order() -> None:
    waiting, counted = PutOff(), list[Part]()
    for first in range(0, 300, 10):
        waiting.add(0, part(first, 10), "by", counted.append)
    assert not counted
    waiting.count_all()
    (whole,) = counted
    assert whole.offset.tolist() == list(range(300))
    assert whole.ts.tolist() == [10 * at for at in range(300)]
    assert whole.group.numeric[0].tolist() == list(range(300))
    assert whole.group.categorical == [[str(float(at)) for at in range(300)]]
    assert whole.group.prediction == [float(at) for at in range(300)]
    waiting.count_all()
    assert len(counted) == 1


def test_enough_rows_do_not_wait() -> None:
    waiting, counted = PutOff(), list[Part]()
    waiting.add(0, part(0, put_off.ENOUGH - 1), "by", counted.append)
    assert not counted
    waiting.add(0, part(put_off.ENOUGH - 1, 1), "by", counted.append)
    assert [len(one.ts) for one in counted] == [put_off.ENOUGH]


def test_all_that_waits_is_bounded() -> None:
    waiting, counted, rows = PutOff(), list[Part](), put_off.ENOUGH // 2
    models = put_off.MOST_CELLS // rows // 8
    for at in range(models):
        waiting.add(0, part(0, rows, key=ModelKey(f"m{at}", "1")), "by", counted.append)
    assert len(counted) > models // 2


def test_a_few_rows_do_not_hold_on_to_those_decoded_with_them() -> None:
    waiting, counted = PutOff(), list[Part]()
    waiting.add(0, part(0, 2, of=500), "by", counted.append)
    waiting.count_all()
    held = counted[0].group.numeric
    assert held.base is None
    assert held.tolist() == [[0.0, 1.0]]


def test_partitions_tasks_and_references_are_counted_apart() -> None:
    waiting, counted = PutOff(), list[Part]()
    waiting.add(0, part(0, 2), "by", counted.append)
    waiting.add(0, part(2, 2, Partition("other", 0)), "by", counted.append)
    waiting.add(1, part(4, 2, Partition("t", 1)), "by", counted.append)
    waiting.count_of(0, KEY)
    assert [(one.partition, len(one.ts)) for one in counted] == [(PARTITION, 2), (Partition("other", 0), 2)]
    waiting.add(1, part(6, 3, Partition("t", 1)), "by another reference", counted.append)
    assert [one.offset.tolist() for one in counted[2:]] == [[4, 5]]


def test_what_is_forgotten_is_never_counted() -> None:
    waiting, counted = PutOff(), list[Part]()
    waiting.add(0, part(0, 2), "by", counted.append)
    waiting.drop(0, KEY)
    waiting.count_all()
    assert not counted
