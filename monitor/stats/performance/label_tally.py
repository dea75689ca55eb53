"""The tally of labels of one model version and cohort.

A plain mergeable value of integers, as the tally of events is: merging is exact in any order. A change of such a tally
is one too, with negative counts for labels that were replaced or taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from monitor.stats.performance.class_scores import ClassScores, no_class_scores
from monitor.stats.performance.outcome_tally import OutcomeTally, add_outcome, add_outcomes

#: a label, and the class that was predicted
Pair = tuple[str, str]
_K = TypeVar("_K")


@dataclass(slots=True)
class LabelTally:
    """Labels of one cohort, each in one of both.

    `labels` are counted and nothing else: labels that are not joined to a prediction, those of a prediction that named
    no class, and those of a task without classes. `pairs` counts (label, predicted class), where both are known.
    Beside both, `scores` counts the scores of labelled predictions by `stats.score_grid.place_of`, and `sums` are
    fixed-point sums over labelled predictions by the names of `stats.label_sums`. Of more than two classes `scores` are
    of the predicted class, positive where that is the label, and `class_scores` of every class. `outcomes` are further
    results of predictions by name, with or without a label; none of them holds nothing. `segments` are the same labels
    and outcomes once more by the number of the segment that their prediction is in, without scores and grids.
    """

    labels: int = 0
    pairs: dict[Pair, int] = field(default_factory=dict)
    scores: dict[int, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, OutcomeTally] = field(default_factory=dict)
    segments: dict[int, LabelTally] = field(default_factory=dict)
    class_scores: ClassScores = field(default_factory=no_class_scores)

    @property
    def total(self) -> int:
        """All labels."""
        return self.labels + self.paired

    @property
    def paired(self) -> int:
        """Labels whose predicted class is known."""
        return sum(self.pairs.values())

    @property
    def errors(self) -> int:
        """Pairs whose predicted class was wrong."""
        return sum(count for (label, prediction), count in self.pairs.items() if label != prediction)

    @property
    def accuracy(self) -> float | None:
        """Share of the pairs whose predicted class was right; None without any."""
        paired = self.paired
        return 1 - self.errors / paired if paired else None

    @property
    def is_empty(self) -> bool:
        """Whether it counts nothing at all."""
        some = self.labels or self.pairs or self.scores or self.sums or self.outcomes or self.segments
        return not (some or self.class_scores)

    def merge(self, other: LabelTally) -> None:
        """Add another tally to this one. Most are of a label or two: what the other one has not is not looked at."""
        self.labels += other.labels
        if other.pairs:
            _add(self.pairs, other.pairs)
        if other.scores:
            _add(self.scores, other.scores)
        if other.sums:
            _add(self.sums, other.sums)
        if other.outcomes:
            add_outcomes(self.outcomes, other.outcomes)
        for segment, tally in other.segments.items():
            self.add_segment(segment, tally)
        if other.class_scores:
            self.class_scores = self.class_scores + other.class_scores

    def merge_outcome(self, name: str, other: LabelTally) -> None:
        """Add one outcome of another tally, with its segments."""
        if name in other.outcomes:
            add_outcome(self.outcomes, name, other.outcomes[name])
        for segment, tally in other.segments.items():
            if name in tally.outcomes:
                own = self.segments.setdefault(segment, LabelTally())
                add_outcome(own.outcomes, name, tally.outcomes[name])
                if own.is_empty:
                    del self.segments[segment]

    def add_pair(self, pair: Pair, count: int) -> None:
        """Add this many of one pair; a negative number takes some out again."""
        _add(self.pairs, {pair: count})

    def add_segment(self, segment: int, tally: LabelTally) -> None:
        """Add to the labels of one segment; one that has none left is dropped, as other sums of 0 are."""
        own = self.segments.get(segment)
        if own is None:
            own = self.segments[segment] = LabelTally()
        own.merge(tally)
        if own.is_empty:
            del self.segments[segment]

    def without_segments(self) -> LabelTally:
        """The same labels, not cut."""
        return LabelTally(self.labels, self.pairs, self.scores, self.sums, self.outcomes, {}, self.class_scores)

    def copy(self) -> LabelTally:
        outcomes = {name: of.copy() for name, of in self.outcomes.items()}
        counts = self.pairs.copy(), self.scores.copy(), self.sums.copy()
        segments = {segment: of.copy() for segment, of in self.segments.items()}
        return LabelTally(self.labels, *counts, outcomes, segments, self.class_scores)

    def of_labels(self) -> LabelTally | None:
        """The same without outcomes; None where nothing is left."""
        if not self.outcomes and not any(of.outcomes for of in self.segments.values()):
            return self
        segments = {at: own for at, of in self.segments.items() if (own := of.of_labels()) is not None}
        left = LabelTally(self.labels, self.pairs, self.scores, self.sums, {}, segments, self.class_scores)
        return None if left.is_empty else left

    def has_outcome(self, name: str) -> bool:
        """Whether there is something of one outcome, if only in a segment."""
        return name in self.outcomes or any(name in of.outcomes for of in self.segments.values())

    def of_outcome(self, name: str) -> LabelTally | None:
        """One outcome alone, with its segments; None where there is nothing of it."""
        segments = {at: own for at, of in self.segments.items() if (own := of.of_outcome(name)) is not None}
        whole = {name: self.outcomes[name]} if name in self.outcomes else {}
        return LabelTally(outcomes=whole, segments=segments) if whole or segments else None

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values for a checkpoint; does not depend on the order in which it was counted."""
        outcomes = {name: of.to_state() for name, of in sorted(self.outcomes.items())}
        return {
            "labels": self.labels,
            "pairs": [[*pair, count] for pair, count in sorted(self.pairs.items())],
            **({"score_counts": [[at, count] for at, count in sorted(self.scores.items())]} if self.scores else {}),
            **({"label_sums": dict(sorted(self.sums.items()))} if self.sums else {}),
            **({"outcomes": outcomes} if outcomes else {}),
            **(
                {"segments": [[at, of.to_state()] for at, of in sorted(self.segments.items())]} if self.segments else {}
            ),
            **({"class_scores": self.class_scores.to_state()} if self.class_scores else {}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LabelTally:
        return cls(
            state["labels"],
            {(label, prediction): count for label, prediction, count in state["pairs"]},
            dict(state.get("score_counts", ())),
            dict(state.get("label_sums", {})),
            {name: OutcomeTally.from_state(of) for name, of in state.get("outcomes", {}).items()},
            {at: cls.from_state(of) for at, of in state.get("segments", ())},
            ClassScores.from_state(state["class_scores"]) if "class_scores" in state else no_class_scores(),
        )


def _add(into: dict[_K, int], counts: Mapping[_K, int]) -> None:
    """Sums of 0 are dropped: tallies that say the same are equal."""
    for key, count in counts.items():
        total = into.get(key, 0) + count
        if total:
            into[key] = total
        else:
            into.pop(key, None)


def merged_labels(tallies: Iterable[LabelTally]) -> LabelTally:
    """One tally of all the given ones; none of them is changed."""
    total = LabelTally()
    for tally in tallies:
        total.merge(tally)
    return total
