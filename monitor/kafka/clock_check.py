"""Stops reading while the record timestamps show that this machine's clock is behind.

All events would be rejected as `future` otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.clock import HOUR_US, LAST_US, MS_US, SECOND_US, rfc3339
from monitor.errors import TransientError
from monitor.records import RecordBatch


class ClockCheck:
    """Compares the clock with the timestamps of a poll's records."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._is_behind = False

    def require(self, batches: Sequence[RecordBatch], now_us: int) -> None:
        """Require that the clock is right by the newest poll that had records; an empty poll keeps the last verdict.

        Raises:
            ExternalError: more than half of the records are more than an hour ahead of the clock.
        """
        if batches:
            self._is_behind = self._enabled and clock_is_wrong(
                (batch.times_ms for batch in batches if batch.times_ms is not None), now_us
            )
        if self._is_behind:
            raise TransientError(
                f"this machine's clock says {rfc3339(now_us // SECOND_US * SECOND_US)}, and more than half of the "
                "records are more than an hour ahead of it: set the clock (timedatectl); reading waits until it is "
                "right, nothing is lost"
            )


def clock_is_wrong(times_ms: Iterable[NDArray[np.int64]], now_us: int) -> bool:
    """Whether more than half of the polled records are more than an hour ahead of this machine's clock.

    `times_ms` are the record timestamps, batch by batch. A few such records have wrong timestamps. Kafka 4 brokers
    reject records that far ahead, so if most are ahead, this machine's clock is behind. Timestamps beyond the year 9999
    do not count as ahead.
    """
    first, last = (now_us + HOUR_US) // MS_US, LAST_US // MS_US
    ahead = total = 0
    for times in times_ms:
        total += len(times)
        ahead += int(np.count_nonzero((times > first) & (times <= last)))
    return 2 * ahead > total
