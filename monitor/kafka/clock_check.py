"""Nothing is read while the records say that this machine's clock is behind: they would all be taken for the future."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.clock import SECOND_US, clock_is_wrong, rfc3339
from monitor.errors import TransientError
from monitor.records import RecordBatch


class ClockCheck:
    """Compares the clock with the records of a poll."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._is_behind = False

    def require(self, batches: Sequence[RecordBatch], now_us: int) -> None:
        """Records that are fetched again after a wrong clock take a while to come: until then it is as it was.

        Raises:
            ExternalError: more than half of the records are more than an hour ahead of the clock.
        """
        if batches:
            self._is_behind = self._wanted and clock_is_wrong((batch.times_ms or () for batch in batches), now_us)
        if self._is_behind:
            raise TransientError(
                f"this machine's clock says {rfc3339(now_us // SECOND_US * SECOND_US)}, and more than half of the "
                "records are more than an hour ahead of it: set the clock (timedatectl); reading waits until it is "
                "right, nothing is lost"
            )
