"""Events that are not in a reference: why, how many, where first, and the remedy."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import DAY_US, rfc3339
from monitor.count.losses import Loss, Place
from monitor.decode.columns import Rejected
from monitor.events import DUPLICATE, LATE, REJECTED, ModelKey, Partition
from monitor.records import PlaceText
from monitor.run.loss_reasons import UNIQUE_ID, late_remedy
from monitor.settings.duration import about
from monitor.stats.tallies.thinning import Thinning
from monitor.text import many

#: most model versions listed, and remembered
NAMED: Final = 10
MAX_OTHERS: Final = 1_000
#: times that are kept; beyond it every second, fourth, ... one is
MAX_TIMES: Final = 100_000
#: files whose positions are shown as lines or rows: offset 0 is line 1, or line 2 in a .csv with its header
_LINES: Final = (".jsonl", ".ndjson", ".csv", ".parquet")
#: an event further from the others than this many times their span has a wrong time
FAR: Final = 30

Ints = NDArray[np.int64]


def place_text(partition: Partition, offset: int) -> str:
    """`file:line` for files of lines, else `topic-partition@offset`."""
    name = partition.topic.lower().removesuffix(".gz").removesuffix(".zst")
    if name.endswith(_LINES) and not name.endswith(".records.jsonl"):
        return f"{partition.topic}:{offset + (2 if name.endswith('.csv') else 1)}"
    return str(Place(partition, offset))


def is_table(partition: Partition) -> bool:
    """True for a file without types (.csv)."""
    return partition.topic.lower().removesuffix(".gz").removesuffix(".zst").endswith(".csv")


@dataclass(slots=True)
class Others:
    """What else the records hold: rejected events, and other model versions."""

    counts: Counter[ModelKey] = field(default_factory=Counter)
    firsts: dict[ModelKey, Place] = field(default_factory=dict)
    #: {reason: loss}
    rejections: dict[str, Loss] = field(default_factory=dict)

    def add(self, key: ModelKey, partition: Partition, offset: int, count: int) -> None:
        """Count events of a model version; `offset` is that of the first."""
        if key in self.counts or len(self.counts) < MAX_OTHERS:
            self.counts[key] += count
            if key not in self.firsts:
                self.firsts[key] = Place(partition, offset)

    def reject(self, partition: Partition, one: Rejected) -> None:
        """Count a rejected event."""
        if one.reason not in self.rejections:
            place = Place(partition, one.offset)
            self.rejections[one.reason] = Loss(
                partition.topic, REJECTED, one.reason, None, place, place, one.message, one.shown
            )
        self.rejections[one.reason].count += one.count

    @property
    def rejected(self) -> int:
        return sum(loss.count for loss in self.rejections.values())


class Times:
    """Times of the events in microseconds, thinned evenly, and the positions of the earliest and the latest."""

    def __init__(self) -> None:
        self._parts = [np.zeros(0, np.int64)]
        self.first: tuple[int, Place] | None = None
        self.last: tuple[int, Place] | None = None
        self._thinning = Thinning(MAX_TIMES)

    def add(self, ts: Ints, offset: Ints, partition: Partition) -> None:
        """Take the next events: times and offsets (n,)."""
        if not len(ts):
            return
        for picked, is_full in self._thinning.take(len(ts)):
            self._parts.append(ts[picked])
            if is_full:
                self._parts = [self.values[::2].copy()]
        least, most = int(ts.argmin()), int(ts.argmax())
        if self.first is None or ts[least] < self.first[0]:
            self.first = int(ts[least]), Place(partition, int(offset[least]))
        if self.last is None or ts[most] > self.last[0]:
            self.last = int(ts[most]), Place(partition, int(offset[most]))

    @property
    def values(self) -> Ints:
        return np.concatenate(self._parts)

    def usual(self) -> tuple[float, float]:
        """The range of plausible times."""
        if not len(self.values):
            return -np.inf, np.inf
        low, high = np.quantile(self.values, [0.01, 0.99])
        reach = max(FAR * (high - low), DAY_US)
        return float(low - reach), float(high + reach)


def nothing_found(others: Others, times: Times, key: ModelKey, place: PlaceText) -> list[str]:
    """What the source holds instead of the requested events, one line for each reason."""
    if times.first is not None and times.last is not None:
        first, last = rfc3339(times.first[0]), rfc3339(times.last[0])
        return [f"{key}: its events in the source are from {first} to {last}, none between --from and --to"]
    rejected = others.rejected
    lines = list(rejected_lines(others, key, rejected + others.counts.total(), place))
    if others.counts or not lines:
        lines.insert(0, f"{key}: the source holds none of its events; {_held(others, place)}{_choice(others, key)}")
    return lines


def _held(others: Others, place: PlaceText) -> str:
    if not others.counts:
        return "it is empty"
    named = [
        f"{other} ({many(count, 'event')}, first at {place(*others.firsts[other])})"
        for other, count in others.counts.most_common(NAMED)
    ]
    more = f" and {len(others.counts) - NAMED:,} more" if len(others.counts) > NAMED else ""
    return f"it holds {', '.join(named)}{more}"


def _choice(others: Others, key: ModelKey) -> str:
    """The options that select the versions of this model in the source."""
    versions = sorted(other.version for other in others.counts if other.model == key.model)
    if not versions:
        return ""
    first = f"--version {shlex.quote(versions[0])}"
    return f"; choose it with {first}" if len(versions) == 1 else f"; choose one with --version, for example {first}"


def rejected_lines(others: Others, key: ModelKey, events: int, place: PlaceText) -> Iterator[str]:
    """One line for each reason, the most frequent first. `events` is the number read."""
    for loss in sorted(others.rejections.values(), key=lambda one: -one.count):
        shown = f"{loss.shown}: " if loss.shown else ""
        yield (
            f"{key}: {_part(loss.count, events)} rejected: {loss.reason} {loss.count:,}, first at "
            f"{place(*loss.first)}: {shown}{loss.message}"
        )


def _part(count: int, of: int) -> str:
    if count == of:
        return f"all {many(of, 'event')} were" if of > 1 else "the only event was"
    return f"{count:,} of {many(of, 'event')} {'was' if count == 1 else 'were'}"


def lost_lines(losses: Iterable[Loss], key: ModelKey, events: int, place: PlaceText, settings_name: str) -> list[str]:
    """Lines on late and duplicate events of the model version; `settings_name` is the path of its settings."""
    return [
        f"{key}: {loss.count:,} of {many(events, 'event')} {words(loss, events, place(*loss.first), settings_name)}"
        for loss in losses
        if (words := _LOST.get(loss.outcome)) is not None
    ]


def _repeats(loss: Loss, _events: int, where: str, _settings_name: str) -> str:
    verb = "repeats" if loss.count == 1 else "repeat"
    return f"{verb} an id (duplicate); first at {where}: {UNIQUE_ID}"


def _late(loss: Loss, events: int, where: str, settings_name: str) -> str:
    late = "is late" if loss.count == 1 else "are late"
    is_file = where != str(loss.first)
    if is_file and 2 * loss.count > events:
        return (
            f"{late}: older than one before (first at {where}); {loss.topic} is not in time order: sort it by ts, or "
            "add --sort"
        )
    remedy = late_remedy(loss.behind_us, settings_name, in_a_file=is_file)
    return f"{late}, up to {about(loss.behind_us)} behind (first at {where}); {remedy}"


_LOST: Final = {LATE: _late, DUPLICATE: _repeats}


def far_line(far: int, times: Times, place: PlaceText) -> str:
    """A line on events with implausible times; "" if there are none."""
    if not far or times.first is None or times.last is None:
        return ""
    ahead = times.last[0] > times.usual()[1]
    ts, where = times.last if ahead else times.first
    beyond = ts - float(np.quantile(times.values, 0.99)) if ahead else float(np.quantile(times.values, 0.01)) - ts
    stands = "" if far == 1 else "the furthest at "
    verb = "is" if far == 1 else "are up to"
    direction = "ahead of" if ahead else "behind"
    return (
        f"{many(far, 'event')} {verb} {about(int(beyond))} {direction} the others ({stands}{place(*where)}): "
        f"left out; is a producer's clock wrong?"
    )
