"""Topics that are stopped because too many of their newest events were rejected: probably a wrong format or setting.

Reading on would skip events that the right settings could still count. This is not state: after a restart reading
continues where it stopped, and stops again if nothing was fixed. Meanwhile windows wait for the topic as for any other
that is behind, because a verdict without its events would be final.
"""

from __future__ import annotations

from collections.abc import Iterable

from monitor.count.losses import NEWEST, Losses
from monitor.events import REJECTED, Partition


class RejectedShare:
    """Which topics are stopped, each with its reason."""

    def __init__(self, losses: Losses, share: float) -> None:
        """`share` of the newest 1,000 events of a topic that may be rejected; 1 never stops a topic."""
        self._losses = losses
        self._share = share
        self.stopped: dict[str, str] = {}

    def stops(self, topic: str) -> bool:
        """Whether the topic is stopped from now on; called after every batch of it."""
        newest = self._losses.rejected.get(topic)
        if topic in self.stopped or newest is None or newest.lost <= self._share * NEWEST:
            return False
        loss = next(loss for loss in self._losses.of_topic(topic) if loss.outcome == REJECTED)
        self.stopped[topic] = (
            f"{topic} is not read on: {newest.lost:,} of its newest {newest.total:,} events were rejected, most as "
            f"{loss.reason}; models that it may bring get no verdict meanwhile. Fix the settings or the producer and "
            f"start again, or set limits.rejected_share: 1 to go on; first at {loss.first}: {loss.message}"
        )
        return True

    def of_stopped(self, partitions: Iterable[Partition]) -> set[Partition]:
        """Those of `partitions` whose topic is stopped."""
        return {partition for partition in partitions if partition.topic in self.stopped} if self.stopped else set()

    def in_words(self) -> str:
        """Why topics are stopped; "" if none is."""
        return "; ".join(why for _, why in sorted(self.stopped.items()))
