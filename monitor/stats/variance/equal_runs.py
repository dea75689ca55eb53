"""Runs of equal values in the rows of a reference, in time order.

Values that come in batches are constant for as long as a batch lasts, and beyond the range for as long, too. How long a
run is to be expected is told by the longest one that was seen: among N runs of a geometric tail one of n values or more
has the chance N^(-n / longest). Batches of clients mostly have a heavier tail than that: then a run that is longer than
the longest one says little.

One or two runs far longer than any other are incidents, and no habit: the longest one counts as twice the third longest
at most. The most frequent value may last where no other does (no sun at night), so its runs are counted apart; and
where all values last, it may last as long as they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Identities = NDArray[np.uint64]

#: digits kept of a clump: what is stored is what is judged by
DIGITS: Final = 6
#: rows processed at once
PIECE: Final = 1 << 13
#: the longest run is not explained by independent values if so many or fewer runs as long are to be expected of them
EXPLAINED: Final = 1e-4
#: the logarithm of the longest of N geometric runs has about this standard deviation over log N (Gumbel); two of them
#: are allowed, as the longest one may have been short by chance
ERROR_OF_LONGEST: Final = 1.28
ERRORS: Final = 2.0
#: the longest of N geometric runs is their mean length x log N; one that is so many times longer has a heavy tail
HEAVY: Final = 1.5
#: fewer runs of a kind tell nothing of their tail
LEAST_RUNS: Final = 10
#: runs of which the last one tells how long the longest may be: so many times that
LONGEST: Final = 3
TIMES_THIRD: Final = 2
#: least runs of values other than the most frequent one to say that they come as independent ones do
LEAST_SINGLE: Final = 200
#: a shorter run is no incident worth a note
LEAST_INCIDENT: Final = 20
#: then a run is a page from so many times the longest one on: nothing but that length tells it from another batch
TIMES_LONGEST: Final = 10


@dataclass(frozen=True, slots=True)
class Runs:
    """So many `values` in a `number` of runs, the lengths of the three `longest`, falling (0 where there are fewer).

    `clump`: how long the run is that a value lies in on average (sum k^2 / sum k); 1 where no two in a row are equal.
    """

    values: int = 0
    number: int = 0
    longest: tuple[int, int, int] = (0, 0, 0)
    clump: float = 1.0

    @property
    def usual(self) -> int:
        """The longest one, apart from one or two incidents."""
        return min(self.longest[0], TIMES_THIRD * self.longest[-1])

    @property
    def surely_usual(self) -> int:
        """The longest one that is no incident: the third longest where that may be one."""
        return self.longest[0] if self.longest[0] == self.usual else self.longest[-1]

    def joined(self, other: Runs) -> Runs:
        values = self.values + other.values
        first, second, third = sorted(self.longest + other.longest, reverse=True)[:LONGEST]
        squares = self.clump * self.values + other.clump * other.values
        return Runs(values, self.number + other.number, (first, second, third), squares / max(values, 1))

    def to_plain(self) -> dict[str, Any]:
        return {"values": self.values, "number": self.number, "longest": list(self.longest), "clump": self.clump}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Runs:
        first, second, third = map(int, plain["longest"])
        return cls(int(plain["values"]), int(plain["number"]), (first, second, third), float(plain["clump"]))


@dataclass(frozen=True, slots=True)
class EqualRuns:
    """Of one column: so many `values` in a `number` of runs, the `longest` of them, and their `clump`.

    Of these, the runs of its most frequent value (`modal`) and those of all `others`; None in files of before.
    """

    values: int = 0
    number: int = 0
    longest: int = 0
    clump: float = 1.0
    modal: Runs | None = None
    others: Runs | None = None

    def by_kind(self) -> tuple[Runs, Runs]:
        """Of the most frequent value, and of the others; in files of before, both are all of them.

        Where the most frequent value has too few runs to have habits of its own, it is one of the others.
        """
        if self.modal is None or self.others is None:
            known = Runs(self.values, self.number, (self.longest,) * LONGEST, self.clump)
            return known, known
        if self.modal.number < LONGEST:
            known = self.modal.joined(self.others)
            return known, known
        return self.modal, self.others

    def incidents(self, share: float) -> list[int]:
        """Lengths of runs that are no habit, falling; `share` of the most frequent value."""
        modal, others = self.by_kind()
        if modal is others:  # counted once
            modal = Runs()
        found = []
        for runs, p, usual in (
            (modal, share, max(modal.usual, others.usual)),
            (others, min(share, 1 - share), others.usual),
        ):
            least = max(LEAST_INCIDENT, usual + 1)
            if runs.longest[0] >= least and by_chance(self.values, share, p, runs.longest[0]) < EXPLAINED:
                found += [one for one in runs.longest if one >= least]
        return sorted(found, reverse=True)

    def to_plain(self) -> dict[str, Any]:
        plain = {"values": self.values, "number": self.number, "longest": self.longest, "clump": self.clump}
        if self.modal is None or self.others is None:
            return plain
        return {**plain, "of_commonest": self.modal.to_plain(), "of_others": self.others.to_plain()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> EqualRuns:
        all_of_it = int(plain["values"]), int(plain["number"]), int(plain["longest"]), float(plain["clump"])
        if "of_commonest" not in plain or "of_others" not in plain:
            return cls(*all_of_it)
        return cls(*all_of_it, Runs.from_plain(plain["of_commonest"]), Runs.from_plain(plain["of_others"]))


def by_chance(values: Floats | int, share: Floats | float, p: Floats | float, longest: Floats | int) -> Floats:
    """How many runs as long independent values have at most; `share` of the most frequent one, `p` of the run's."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(values * (1 - np.clip(share, 1e-12, 1 - 1e-12)) * p ** np.maximum(longest - 1.0, 0.0), np.float64)


class _Sums:
    """Counts of the runs of one kind."""

    def __init__(self) -> None:
        self.values = self.number = self.squares = 0
        self.longest: Ints = np.zeros(LONGEST, np.int64)

    def add(self, lengths: Ints) -> None:
        self.number += len(lengths)
        self.squares += int((lengths * lengths).sum())
        self.values += int(lengths.sum())
        self.longest = np.sort(np.concatenate([self.longest, lengths]))[-LONGEST:]

    def finish(self) -> Runs:
        first, second, third = self.longest[::-1].tolist()
        return Runs(self.values, self.number, (first, second, third), _clump(self.squares, self.values))


def _clump(squares: int, values: int) -> float:
    return round(squares / values, DIGITS) if values else 1.0


class RunLengths:
    """Collects one column's values in order, each as a number that tells it from others; rows without one are left out.

    The result does not depend on the pieces in which the rows come.
    """

    def __init__(self, modal: int | None = None) -> None:
        """`modal` is the most frequent value as such a number; None: no value is."""
        self._waiting: list[Identities] = []
        self._held = 0
        self._last = np.zeros(0, np.uint64)  # the value of the run that may go on, and how long it is so far
        self._open = 0
        self._modal = np.array([] if modal is None else [modal], np.uint64)
        self._of_modal, self._of_others = _Sums(), _Sums()

    def add(self, values: Identities) -> None:
        if len(values):
            self._waiting.append(values)
            self._held += len(values)
            if self._held >= PIECE:
                self._work()

    def finish(self) -> EqualRuns:
        """The result; nothing more can be added."""
        self._work()
        self._close(np.array([self._open] if self._open else [], np.int64), self._last)
        modal, others = self._of_modal.finish(), self._of_others.finish()
        values, squares = modal.values + others.values, self._of_modal.squares + self._of_others.squares
        longest = max(modal.longest[0], others.longest[0])
        return EqualRuns(values, modal.number + others.number, longest, _clump(squares, values), modal, others)

    def _work(self) -> None:
        if not self._waiting:
            return
        values = np.concatenate(self._waiting)
        self._waiting.clear()
        self._held = 0
        begins = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
        lengths = np.diff(np.concatenate([begins, [len(values)]])).astype(np.int64)
        of = values[begins]
        if self._open and of[0] == self._last[0]:
            lengths[0] += self._open
        elif self._open:
            lengths, of = np.concatenate([[self._open], lengths]), np.concatenate([self._last, of])
        self._last, self._open = of[-1:], int(lengths[-1])
        self._close(lengths[:-1], of[:-1])

    def _close(self, lengths: Ints, of: Identities) -> None:
        is_modal = np.isin(of, self._modal)
        self._of_modal.add(lengths[is_modal])
        self._of_others.add(lengths[~is_modal])


@dataclass(frozen=True)
class Tails:
    """What the runs of one kind of C columns make one expect; arrays (C,).

    `scale` is the length per unit of log chance, NaN where independent values explain the runs; `heavy` where their
    tail is, or is not known; `surely` from which length on a run is none of theirs all the same.
    """

    scale: Floats
    heavy: Flags
    surely: Floats

    @classmethod
    def of(cls, runs: Sequence[Runs], total: Sequence[EqualRuns], share: Floats, p: Floats) -> Tails:
        """`share` (C,) of the most frequent value, `p` of the most frequent one of this kind."""
        known = np.array([(one.values, one.number, one.usual, one.surely_usual) for one in runs], np.float64)
        values, number, usual, surely_usual = known.reshape(len(runs), 4).T
        of_all = np.array([(one.values, one.number) for one in total], np.float64)
        all_values, all_runs = of_all.reshape(len(total), 2).T
        dependent = (number >= 2) & (by_chance(all_values, share, p, surely_usual) < EXPLAINED)
        logs = np.log(np.maximum(all_runs, 2))
        scale = np.where(dependent, usual * (1 + ERRORS * ERROR_OF_LONGEST / logs) / logs, np.nan)
        geometric = HEAVY * values / np.maximum(number, 1) * np.log(np.maximum(number, 2))
        heavy = dependent & ((number < LEAST_RUNS) | (usual > geometric))
        return cls(scale, heavy, np.where(heavy, TIMES_LONGEST * usual, 0.0))

    def log_chance(self, values: Floats) -> Floats:
        """Log of the chance (..., C) of a run of so many values; -inf where independent values explain the runs."""
        explained = np.isnan(self.scale)
        return np.where(explained, -np.inf, -values / np.where(explained, 1.0, self.scale))


@dataclass(frozen=True)
class ExpectedRuns:
    """What the runs of C columns make one expect, of the most frequent value and of the others.

    `clump` (C,): how many of the others come together, 1 where independent values explain their runs; `single` (C,)
    where these are known to come as independent values do.
    """

    modal: Tails
    others: Tails
    clump: Floats
    single: Flags

    @classmethod
    def of(cls, runs: Sequence[EqualRuns], share: Floats) -> ExpectedRuns:
        """`share` (C,) of the most frequent value."""
        modal, others = [one.by_kind()[0] for one in runs], [one.by_kind()[1] for one in runs]
        of_others = Tails.of(others, runs, share, np.minimum(share, 1 - share))
        clump = np.array([min(one.clump, max(one.usual, 1)) for one in others], np.float64)
        explained = np.isnan(of_others.scale)
        known = np.array([one.others is not None and one.others.number >= LEAST_SINGLE for one in runs], np.bool_)
        return cls(
            Tails.of(modal, runs, share, share), of_others, np.where(explained, 1.0, clump), single=explained & known
        )

    def log_chance(self, values: Floats, is_modal: Flags) -> Floats:
        """Log of the chance (..., C) of a run of so many values, of the most frequent one or of another."""
        others = self.others.log_chance(values)
        return np.where(is_modal, np.maximum(self.modal.log_chance(values), others), others)

    def surely(self, column: int, *, is_modal: bool) -> float:
        """The length from which on a run is not one of the expected ones."""
        others = float(self.others.surely[column])
        return max(others, float(self.modal.surely[column])) if is_modal else others

    def scale(self, column: int, *, is_modal: bool) -> float:
        """Values per unit of log chance; 0 where independent values explain the runs."""
        scales = [float(self.others.scale[column]), float(self.modal.scale[column]) if is_modal else np.nan]
        return max([scale for scale in scales if not np.isnan(scale)], default=0.0)
