"""Says what moved with the score: which columns, how much of the change falls on each, or that no column explains it.

Only where the score (or its residual) is over. A column is named if it has a finding of its own, and its part of the
change has the change's sign, is a fifth of it and more than three of its standard errors. It moved with the score:
whether it is the cause is for people to say.

The parts are what a bin's values did in the reference. Of a column whose values are of another kind now (missing, out
of range, stuck, in another unit) the reference cannot know that: where no part explains the change, such a column is
the first suspect, and is never said to have little to do with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from monitor.findings import ExplainedBy, Explanation, Finding
from monitor.judge.attribution.single_partition import partition_behind_change
from monitor.judge.causes.cause import Cause, Evaluation
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.relation import RELATION
from monitor.judge.causes.residual import Residual
from monitor.judge.incidents.first_cause import ABOUT_EQUAL, began, has_other_values, is_of_outputs
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import FEATURE
from monitor.reference.score_split import Split
from monitor.text import listed

#: least part of the change that is named
LEAST_PART: Final = 0.2
#: a part, or a change, within so many of its standard errors may be chance
ERRORS: Final = 3.0
#: the rest is proven beyond so many of its standard errors, and told where it is so much of the change
Z_REST: Final = 4.5
LEAST_REST: Final = 0.3
#: columns named in words
MOST_NAMED: Final = 5
#: a column that is so far towards its threshold may be about to have a finding of its own
SUSPICIOUS: Final = 0.6
#: a part from here on is all of the change
WHOLE: Final = 0.95

_NO_COLUMN: Final = "no watched column explains it"
UNEXPLAINED: Final = f"{_NO_COLUMN}: the model, the serving layer, or a feature not received"
_LOOK_AT_MODEL: Final = "look at what was deployed at that time: the model, what serves it, other features it reads"
_LOOK_AT_PARTITION: Final = "look at what writes to that partition, and what was deployed there at that time"


@dataclass(frozen=True)
class _Window:
    """One window of a split."""

    split: Split
    at: int

    @property
    def change(self) -> float:
        return float(self.split.change[self.at])

    @property
    def has_changed(self) -> bool:
        """Whether the mean score changed, and not its shape alone."""
        return abs(self.change) > ERRORS * float(self.split.change_error[self.at])

    @property
    def rest(self) -> float:
        return float(self.split.rest[self.at])

    @property
    def z_rest(self) -> float:
        return float(self.split.z_rest[self.at])

    @property
    def is_broken(self) -> bool:
        """Whether something is proven beside the parts of the columns."""
        return abs(self.z_rest) > Z_REST

    @property
    def is_explained(self) -> bool:
        """Whether the parts of the columns leave little of the change, or nothing that is proven."""
        return not self.is_broken or abs(self.rest) <= LEAST_REST * abs(self.change)

    def part(self, column: int) -> float:
        return float(self.split.parts[self.at, column])

    def is_named(self, column: int) -> bool:
        part = self.part(column)
        large = part * self.change > 0 and abs(part) > LEAST_PART * abs(self.change)
        return large and self.is_proven(column)

    def is_proven(self, column: int) -> bool:
        return abs(self.part(column)) > ERRORS * float(self.split.errors[self.at, column])

    def explained_by(self, column: int, subject: str) -> ExplainedBy:
        moved = float(self.split.in_moved_bins[self.at, column])
        change = self.change or 1.0
        return ExplainedBy(subject, _rounded(self.part(column) / change), _rounded(moved / change))


class Attribution:
    """Of one model version; `causes` are all of it."""

    def __init__(self, prepared: PreparedReference, causes: Iterable[Cause[Any]]) -> None:
        known = list(causes)
        self._prepared = prepared
        self._residual = next(cause for cause in known if isinstance(cause, Residual))
        self._distribution = next(cause for cause in known if isinstance(cause, Distribution))
        self._features = frozenset(at for at, column in enumerate(prepared.columns) if column.role == FEATURE)

    def explained(self, found: list[Finding], evaluation: Evaluation, known: Iterable[Finding]) -> list[Finding]:
        """The findings of one evaluation, with what is known of their part in the score; `known` are the open ones.

        The residual is no finding of its own while columns have moved: it is what their parts leave over. An open one
        is followed.
        """
        effects = self._prepared.reference.effects
        if effects is None or not found:
            return found
        followed = list(known)
        opened = {one.key for one in followed}
        moved = self._moved([*followed, *found])
        relations = (one for one in (*followed, *found) if one.key.cause == RELATION.name)
        lost = sorted({one.key.subject for one in relations if not is_of_outputs(one)})
        in_segments = {one.key.subject for one in (*followed, *found) if one.key.segment}
        out: list[Finding] = []
        for finding in found:
            held_back = finding.key == self._residual.key and finding.key not in opened
            if held_back and (moved or self._may_have_moved(evaluation)):
                continue
            with_part = self._with_part(finding, evaluation, moved, lost) if effects.offers_shares else finding
            out.append(_without_unexplained(with_part, finding) if finding.key.subject in in_segments else with_part)
        return out

    def _moved(self, findings: Iterable[Finding]) -> dict[int, Finding]:
        """By the place of a feature its finding; of several one of values of another kind, then the largest."""
        moved: dict[int, Finding] = {}
        for finding in findings:
            column = self._prepared.column_of.get(finding.key.subject)
            # one with a figure compares with something else than the reference
            if column in self._features and column is not None and not finding.key.figure:
                other = moved.get(column)
                if other is None or _weight(finding) > _weight(other):
                    moved[column] = finding
        return moved

    def _may_have_moved(self, evaluation: Evaluation) -> bool:
        """Whether a column is near a finding of its own, or moves the score: its own evidence needs more events."""
        split = evaluation.of(self._residual).split
        proven = np.abs(split.parts) > Z_REST * np.maximum(split.errors, 1e-12)
        if proven.any():
            return True
        features = sorted(self._features)
        for one in evaluation.of(self._distribution).comparisons:
            here = np.isin(one.side.places, features)
            if (one.every.evidence[:, here] > SUSPICIOUS).any():
                return True
        return False

    def _with_part(
        self, finding: Finding, evaluation: Evaluation, moved: Mapping[int, Finding], lost: Sequence[str]
    ) -> Finding:
        """`moved` are the findings of features, `lost` the relations that have one."""
        spans = evaluation.windows.spans
        if finding.window not in spans or finding.key.segment:  # found in the newest panes
            return finding
        at = spans.index(finding.window)
        window = _Window(evaluation.of(self._residual).split, at)
        column = self._prepared.column_of.get(finding.key.subject)
        if column in self._features and column is not None:
            about = moved.get(column, finding)  # what is unknown of a column is so for all its findings
            known = window.is_proven(column) and (window.is_explained or not has_other_values(about))
            return replace(finding, score_shift=_rounded(window.part(column)) if known else None)
        if finding.key not in {self._residual.key, self._residual.key._replace(figure="")}:
            return finding
        explanation = self._explanation(window, moved, lost)
        if explanation is not None and explanation.text == UNEXPLAINED and self._may_have_moved(evaluation):
            explanation = None  # a column is about to have a finding of its own
        if window.has_changed and (part := self._partition(evaluation.windows, at, window.change)) is not None:
            explanation = _through(part, explanation)
        if explanation is None:
            return finding
        return replace(
            finding,
            detail=f"{finding.detail}; {explanation.text}",
            explanation=explanation,
            next_step=_next_step(explanation),
        )

    def _explanation(self, window: _Window, moved: Mapping[int, Finding], lost: Sequence[str]) -> Explanation | None:
        """None where nothing can be said."""
        named = [at for at in moved if window.has_changed and window.is_named(at)]
        suspects = [at for at in moved if has_other_values(moved[at])] if window.is_broken else []
        if named and (window.is_explained or not suspects):
            return self._named(window, moved, named, broken=window.is_broken)
        if window.is_explained:
            return None
        if suspects:
            return self._with_suspects(window, moved, suspects, named)
        if not moved:
            names = listed(lost, MOST_NAMED)
            return Explanation(
                (), f"no column alone explains it, but {names} changed together" if lost else UNEXPLAINED
            )
        most = max(moved, key=lambda at: abs(window.part(at)))
        part = window.explained_by(most, self._subject(most))
        text = f"{part.subject} changed too; by what such values did in the reference it accounts for less than a fifth"
        return Explanation((part,), f"{text} of {self._whose} change")

    def _with_suspects(
        self, window: _Window, moved: Mapping[int, Finding], suspects: Sequence[int], named: Sequence[int]
    ) -> Explanation:
        """Columns of which the reference cannot tell what their values do now come first, the earliest before all."""
        first = sorted(suspects, key=lambda at: (began(moved[at]), -moved[at].exceedance))
        others = sorted((at for at in named if at not in suspects), key=lambda at: -abs(window.part(at)))
        rest = [window.explained_by(at, self._subject(at)) for at in others]
        names = [self._subject(at) for at in first]
        text = f"{self._whose} change came with that of {listed(names, MOST_NAMED)}: how much of it is due to that, "
        known = "".join(f"; {part.subject} accounts for {_about(part.share)}" for part in rest[:MOST_NAMED])
        parts = (*(ExplainedBy(name) for name in names), *rest)
        return Explanation(parts, f"{text}the reference cannot tell{known}")

    def _named(self, window: _Window, moved: Mapping[int, Finding], named: list[int], *, broken: bool) -> Explanation:
        """Columns that explain the change, the likely first cause first.

        Where the mix of events changed, all columns correlated with the true one move: it moved most itself.
        """
        changed = [at for at in named if has_other_values(moved[at])]
        is_mix = len(named) > 1 and not broken and not changed
        if is_mix:
            named = sorted(named, key=lambda at: -moved[at].exceedance)
        else:
            named = sorted(named, key=lambda at: -abs(window.part(at)))
            named = _earlier_first(named, [abs(window.part(at)) for at in named], moved)
            named = sorted(named, key=lambda at: at not in changed)
        parts = tuple(window.explained_by(at, self._subject(at)) for at in named)
        names = [part.subject for part in parts]
        if is_mix:
            together = sum(part.share or 0.0 for part in parts)
            text = f"the mix of events changed: {listed(names, MOST_NAMED)} together {_about(together)}"
            return Explanation(parts, f"{text} of {self._whose} change")
        others = "".join(f", {part.subject} {_about(part.share)}" for part in parts[1:MOST_NAMED])
        text = f"{parts[0].subject} explains {_about(parts[0].share)} of {self._whose} change{others}"
        usual = f"; {parts[0].subject} changed without the columns it goes with (a unit, imputed or corrupted?)"
        return Explanation(parts, text + (usual if broken else ""))

    def _partition(self, windows: Windows, window: int, change: float) -> ExplainedBy | None:
        effects = self._prepared.reference.effects
        return None if effects is None else partition_behind_change(windows, window, change, effects)

    def _subject(self, column: int) -> str:
        return self._prepared.subjects[column]

    @property
    def _whose(self) -> str:
        return f"the {self._residual.key.subject}'s"


def _weight(finding: Finding) -> tuple[bool, float]:
    return has_other_values(finding), finding.exceedance


def _without_unexplained(finding: Finding, before: Finding) -> Finding:
    """Not that nothing explains it: a segment shows the same, and that is said of it."""
    explanation = finding.explanation
    return before if explanation is not None and explanation.text == UNEXPLAINED else finding


def _next_step(explanation: Explanation) -> str:
    """Where to look if no column is to be looked at, else what the finding's cause says."""
    if not explanation.text.startswith(_NO_COLUMN):
        return ""
    return _LOOK_AT_PARTITION if explanation.parts else _LOOK_AT_MODEL


def _through(partition: ExplainedBy, explanation: Explanation | None) -> Explanation:
    """The explanation, and the partition through which the change comes."""
    text = f"partition {partition.subject} alone accounts for it"
    if explanation is None or explanation.text == UNEXPLAINED:
        return Explanation((partition,), f"{_NO_COLUMN}, but {text}")
    return Explanation((*explanation.parts, partition), f"{explanation.text}; {text}")


def _earlier_first(ordered: list[int], sizes: list[float], moved: Mapping[int, Finding]) -> list[int]:
    """Columns by size; those that are about as large as the largest by when they began."""
    equal = [at for at, size in zip(ordered, sizes, strict=True) if size >= (1 - ABOUT_EQUAL) * sizes[0]]
    return sorted(equal, key=lambda at: began(moved[at])) + ordered[len(equal) :]


def _about(share: float | None) -> str:
    """A share of the change as people read it: parts may exceed the whole by what the regression does not see."""
    if share is None:
        return "a part that is not known"
    return "all" if share >= WHOLE else f"about {100 * share:.0f} %"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
