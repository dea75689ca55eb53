"""Topics that are not read on: too many of their newest events were rejected, so that something is wrong as a whole.

Reading on would pass by what a right decoder, or right settings, could still count. It begins with the process: a
restart goes on from where reading stopped, and stops again where it is no better. Meanwhile the topic is waited for as
any other that is behind: a verdict without its events would be final.
"""

from __future__ import annotations

from monitor.count.losses import NEWEST, Losses
from monitor.events import REJECTED


class RejectedShare:
    """Which topics are stopped, each with why in words."""

    def __init__(self, losses: Losses, share: float) -> None:
        """`share`: of the newest 1,000 events of a topic, so many may be rejected; 1 stops nothing."""
        self._losses = losses
        self._share = share
        self.stopped: dict[str, str] = {}

    def stops(self, topic: str) -> bool:
        """Whether the topic is stopped from now on; asked whenever something of it was counted."""
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

    def in_words(self) -> str:
        """Why topics are stopped; "" where none is."""
        return "; ".join(why for _, why in sorted(self.stopped.items()))
