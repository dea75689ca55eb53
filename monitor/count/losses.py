"""Lost events by reason, with their first position: reported when not all of a topic is counted.

Lost are events that are rejected, of an unknown model, of a version that is not listed, late or duplicate. All of this
is kept since the process started; the totals of outcomes are in the state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.decode.columns import Events, Rejected
from monitor.events import DUPLICATE, IGNORED, LATE, REJECTED, UNKNOWN_MODEL, ModelKey, Partition

#: newest events of a topic or model over which the lost share is computed
NEWEST: Final = 1_000
#: share of a topic's newest events that may be lost
TOLERATED_SHARE: Final = 1 / 20
#: least events before the share is used
MIN_EVENTS: Final = 20
#: losses kept per name (of a model or version); further ones are summed without a name
MAX_LOSSES: Final = 1_000


Mask: TypeAlias = NDArray[np.bool_]
_Name: TypeAlias = tuple[str, str, str, ModelKey | None]


class Refused(NamedTuple):
    """Rows of a batch that were not admitted, all of one key and outcome."""

    outcome: str
    reason: str
    key: ModelKey
    rows: NDArray[np.int64]


class Lost(NamedTuple):
    """Lost events of one batch with the same outcome, reason and key.

    `offsets` of the records, in order, one per event. `key` is the events' model version (None if it could not be
    read). `message` says what is wrong, `shown` is the value found, for people only: it is never logged.
    `behind_us` is how far the latest late event is behind the clock.
    """

    outcome: str
    reason: str
    key: ModelKey | None
    offsets: NDArray[np.int64]
    message: str = ""
    shown: str = ""
    behind_us: int = 0


class Place(NamedTuple):
    """A record's topic-partition and offset."""

    partition: Partition
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"


@dataclass(slots=True)
class Loss:
    """All lost events of a topic with the same outcome, reason and key."""

    topic: str
    outcome: str
    reason: str
    key: ModelKey | None
    first: Place
    newest: Place
    message: str
    shown: str
    count: int = 0
    behind_us: int = 0
    reported: int = 0

    def add(self, partition: Partition, lost: Lost) -> None:
        self.count += len(lost.offsets)
        self.newest = Place(partition, int(lost.offsets[-1]))
        self.behind_us = max(self.behind_us, lost.behind_us)


class Newest:
    """The newest events: `total`, at most `NEWEST`, and `lost` among them."""

    __slots__ = ("_at", "_flags", "lost", "total")

    def __init__(self) -> None:
        self._flags = np.zeros(NEWEST, np.bool_)
        self._at = 0
        self.total = 0
        self.lost = 0

    def add(self, flags: Mask) -> None:
        """Add events in order: True for a lost one."""
        self.total = min(NEWEST, self.total + len(flags))
        flags = flags[-NEWEST:]
        if not self.lost and not flags.any():
            return
        self._write(flags)

    def add_fine(self, events: int) -> None:
        """Add events of which none was lost."""
        self.total = min(NEWEST, self.total + events)
        if self.lost:
            self._write(np.zeros(min(events, NEWEST), np.bool_))

    def _write(self, flags: Mask) -> None:
        self._flags[(self._at + np.arange(len(flags))) % NEWEST] = flags
        self._at = (self._at + len(flags)) % NEWEST
        self.lost = int(np.count_nonzero(self._flags))

    @property
    def share(self) -> float:
        """Share of lost events among the newest."""
        return self.lost / self.total if self.total else 0.0

    @property
    def all_lost(self) -> bool:
        return self.total > 0 and self.lost == self.total

    @property
    def not_fine(self) -> bool:
        """True while more are lost than tolerated."""
        return self.all_lost or (self.total >= MIN_EVENTS and self.share > TOLERATED_SHARE)


class Losses:
    """Events lost since the process started, by topic, outcome, reason and key."""

    def __init__(self, models: Collection[str]) -> None:
        """`models` are the names in the settings."""
        self._models = frozenset(models)
        self.topics: dict[str, Newest] = {}
        self.models: dict[str, Newest] = {}
        #: rejected ones among the newest events, by topic
        self.rejected: dict[str, Newest] = {}
        self._losses: dict[_Name, Loss] = {}
        self._news: dict[_Name, Loss] = {}

    def add(self, partition: Partition, events: Events, lost: Sequence[Lost]) -> None:
        """Add the lost events of a decoded batch."""
        topic = partition.topic
        all_of_it, rejected = self.topics.setdefault(topic, Newest()), self.rejected.setdefault(topic, Newest())
        if lost:
            offsets = np.concatenate([events.offset, *(one.offsets for one in lost if one.outcome == REJECTED)])
            all_of_it.add(_flags(offsets, lost))
            rejected.add(_flags(offsets, [one for one in lost if one.outcome == REJECTED]))
        else:
            all_of_it.add_fine(len(events))
            rejected.add_fine(len(events))
        self._add_models(events, lost)
        for one in lost:
            self.count(partition, one)

    def _add_models(self, events: Events, lost: Sequence[Lost]) -> None:
        """Lost events are added after the others of the batch: only `all_lost` of a model is used."""
        rows = np.bincount(events.key, minlength=len(events.keys)).tolist()
        gone: Counter[str] = Counter()
        for one in lost:
            if one.key is not None:
                gone[one.key.model] += len(one.offsets)
        came: Counter[str] = Counter()
        for key, count in zip(events.keys, rows, strict=True):
            came[key.model] += count
        for model in came.keys() & self._models:
            newest = self.models.setdefault(model, Newest())
            fine = came[model] - gone[model]
            newest.add_fine(fine)
            if gone[model]:
                newest.add(np.ones(min(gone[model], NEWEST - 1 if fine else NEWEST), np.bool_))

    def lose(self, partition: Partition, lost: Lost) -> None:
        """Add lost events that come in no decoded batch."""
        self.topics.setdefault(partition.topic, Newest()).add(np.ones(len(lost.offsets), np.bool_))
        self.count(partition, lost)

    def count(self, partition: Partition, lost: Lost) -> None:
        """Count lost events without changing the newest ones."""
        name = (partition.topic, lost.outcome, lost.reason, lost.key)
        if name not in self._losses and len(self._losses) >= MAX_LOSSES:
            name = (partition.topic, lost.outcome, lost.reason, None)
        if name not in self._losses:
            first = Place(partition, int(lost.offsets[0]))
            self._losses[name] = Loss(*name, first, first, lost.message, lost.shown)
        loss = self._losses[name]
        loss.add(partition, lost)
        if loss.count >= max(1, 10 * loss.reported):
            loss.reported = 10 ** (len(str(loss.count)) - 1)
            self._news[name] = loss

    def news(self) -> list[Loss]:
        """Losses that are new or grew tenfold since the last call."""
        news, self._news = list(self._news.values()), {}
        return news

    def all(self) -> list[Loss]:
        """Every loss, the most events first."""
        return sorted(self._losses.values(), key=lambda loss: -loss.count)

    def of_topic(self, topic: str) -> list[Loss]:
        """Losses of a topic, the most events first."""
        return [loss for loss in self.all() if loss.topic == topic]

    def of_model(self, model: str) -> list[Loss]:
        """Losses of a model, the most events first."""
        return [loss for loss in self.all() if loss.key is not None and loss.key.model == model]

    def topics_not_fine(self) -> list[tuple[str, Newest]]:
        """Topics that lost too many of their newest events."""
        return [(topic, newest) for topic, newest in sorted(self.topics.items()) if newest.not_fine]

    def models_not_fine(self) -> list[tuple[str, Newest]]:
        """Models that lost all of their newest events."""
        return [(model, newest) for model, newest in sorted(self.models.items()) if newest.all_lost]


def _flags(offsets: NDArray[np.int64], lost: Sequence[Lost]) -> Mask:
    """True for the lost ones of a batch's events, in the order of the log; `offsets` has an entry for each event."""
    if not lost:
        return np.zeros(len(offsets), np.bool_)
    places, counts = np.unique(offsets, return_counts=True)
    gone = np.zeros(len(places), np.int64)
    np.add.at(gone, np.searchsorted(places, np.concatenate([one.offsets for one in lost])), 1)
    return np.repeat(np.tile([False, True], len(places)), np.stack([counts - gone, gone], 1).ravel())


def lost_of(events: Events, refused: Sequence[Refused], late: NDArray[np.int64], duplicate: Mask) -> list[Lost]:
    """The lost events of a decoded batch.

    `refused` are the rows that were not admitted, by outcome; `late` (n,) is how many microseconds a late event is
    behind the clock, else 0; `duplicate` (n,).
    """
    lost = rejected_events(events.rejected)
    for one in refused:
        if one.outcome == UNKNOWN_MODEL or (one.outcome, one.reason) == (IGNORED, "version"):
            lost.append(Lost(one.outcome, one.reason, one.key, events.offset[one.rows]))
    for at in np.unique(events.key[late > 0]).tolist() if late.any() else ():
        rows = np.flatnonzero((late > 0) & (events.key == at))
        lost.append(Lost(LATE, "", events.keys[at], events.offset[rows], behind_us=int(late[rows].max())))
    for at in np.unique(events.key[duplicate]).tolist() if duplicate.any() else ():
        rows = np.flatnonzero(duplicate & (events.key == at))
        lost.append(Lost(DUPLICATE, "", events.keys[at], events.offset[rows]))
    return lost


def rejected_events(several: Sequence[Rejected]) -> list[Lost]:
    """The rejected events of a batch, by reason."""
    by_reason: dict[str, list[Rejected]] = {}
    for one in several:
        by_reason.setdefault(one.reason, []).append(one)
    return [
        Lost(
            REJECTED,
            reason,
            None,
            np.repeat([one.offset for one in of_it], [one.count for one in of_it]),
            of_it[0].message,
            of_it[0].shown,
        )
        for reason, of_it in by_reason.items()
    ]
