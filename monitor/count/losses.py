"""Which events were lost, why, and where first: what a person is told when a topic does not arrive whole.

Lost is what is rejected, of an unknown model, of a version that is not listed, late or a duplicate. Everything here
begins with the process; the state keeps the outcomes.
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

#: events of a topic or model that are looked back at
NEWEST: Final = 1_000
#: the share of a topic's newest events that may be lost before it is not fine
TOLERATED_SHARE: Final = 1 / 20
#: events that must have come before a part of them being lost says anything
MIN_EVENTS: Final = 20
#: losses that are told apart by what came (a model's name, a version); further ones go under no name
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
    """Lost events of one batch that share an outcome, a reason and what came.

    `offsets` are of the records, in order, one entry an event. `key` is what the events name (None where they could
    not be read). `message` says what is wrong, `shown` what came; `shown` may hold a value and is never logged.
    `behind_us` is how far the latest of the late events lie behind the clock.
    """

    outcome: str
    reason: str
    key: ModelKey | None
    offsets: NDArray[np.int64]
    message: str = ""
    shown: str = ""
    behind_us: int = 0


class Place(NamedTuple):
    """Where a record stands."""

    partition: Partition
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"


@dataclass(slots=True)
class Loss:
    """All lost events of a topic that share an outcome, a reason and what came."""

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
    """Which of the newest events were lost: `total` of them, at most `NEWEST`, and `lost` of those."""

    __slots__ = ("_at", "_flags", "lost", "total")

    def __init__(self) -> None:
        self._flags = np.zeros(NEWEST, np.bool_)
        self._at = 0
        self.total = 0
        self.lost = 0

    def add(self, flags: Mask) -> None:
        """Take events in their order: True for a lost one."""
        self.total = min(NEWEST, self.total + len(flags))
        flags = flags[-NEWEST:]
        if not self.lost and not flags.any():
            return
        self._write(flags)

    def add_fine(self, events: int) -> None:
        """The same for events none of which was lost."""
        self.total = min(NEWEST, self.total + events)
        if self.lost:
            self._write(np.zeros(min(events, NEWEST), np.bool_))

    def _write(self, flags: Mask) -> None:
        self._flags[(self._at + np.arange(len(flags))) % NEWEST] = flags
        self._at = (self._at + len(flags)) % NEWEST
        self.lost = int(np.count_nonzero(self._flags))

    @property
    def share(self) -> float:
        """Lost ones among the newest events."""
        return self.lost / self.total if self.total else 0.0

    @property
    def all_lost(self) -> bool:
        return self.total > 0 and self.lost == self.total

    @property
    def not_fine(self) -> bool:
        """True while more are lost than is tolerated."""
        return self.all_lost or (self.total >= MIN_EVENTS and self.share > TOLERATED_SHARE)


class Losses:
    """What was lost since the process began, by topic, outcome, reason and what came."""

    def __init__(self, models: Collection[str]) -> None:
        """`models` are the names in the settings."""
        self._models = frozenset(models)
        self.topics: dict[str, Newest] = {}
        self.models: dict[str, Newest] = {}
        #: of the newest events of a topic, those that were rejected
        self.rejected: dict[str, Newest] = {}
        self._losses: dict[_Name, Loss] = {}
        self._news: dict[_Name, Loss] = {}

    def add(self, partition: Partition, events: Events, lost: Sequence[Lost]) -> None:
        """Take what was lost of a decoded batch."""
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
        """Lost ones go behind the others of the batch: only whether all of a model's newest are lost is asked."""
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

    def count(self, partition: Partition, lost: Lost) -> None:
        """Count lost events alone; what is looked back at stays as it is."""
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
        """Losses that happened for the first time, or grew tenfold, since the last call."""
        news, self._news = list(self._news.values()), {}
        return news

    def all(self) -> list[Loss]:
        """Every loss, the most events first."""
        return sorted(self._losses.values(), key=lambda loss: -loss.count)

    def of_topic(self, topic: str) -> list[Loss]:
        """Those of a topic, the most events first."""
        return [loss for loss in self.all() if loss.topic == topic]

    def of_model(self, model: str) -> list[Loss]:
        """Those whose events name the model, the most events first."""
        return [loss for loss in self.all() if loss.key is not None and loss.key.model == model]

    def topics_not_fine(self) -> list[tuple[str, Newest]]:
        """The topics of whose newest events too many are lost."""
        return [(topic, newest) for topic, newest in sorted(self.topics.items()) if newest.not_fine]

    def models_not_fine(self) -> list[tuple[str, Newest]]:
        """The models all of whose newest events are lost."""
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
    """What was lost of a decoded batch.

    `refused` are the rows that were not admitted, by outcome; `late` is (n,) microseconds that an event lies behind
    the clock where it is late, else 0; `duplicate` (n,).
    """
    lost = rejected_events(events.rejected)
    for one in refused:
        if one.outcome == UNKNOWN_MODEL or (one.outcome, one.reason) == (IGNORED, "version"):
            lost.append(Lost(one.outcome, one.reason, one.key, events.offset[one.rows]))
    for at in np.unique(events.key[late > 0]).tolist():
        rows = np.flatnonzero((late > 0) & (events.key == at))
        lost.append(Lost(LATE, "", events.keys[at], events.offset[rows], behind_us=int(late[rows].max())))
    for at in np.unique(events.key[duplicate]).tolist():
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
