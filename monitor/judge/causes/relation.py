"""Cause `relation`: two columns that went together in the reference no longer do, though each alone is unchanged.

Its tests are not those of the page budget: a lost relation is a ticket, and all of them together cost one false ticket
a month. Where the settings make it a page, they share the page budget instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.cached import cached_property
from monitor.findings import PAGE, SEVERITY_RANK, TICKET, Figures, Finding, FindingKey
from monitor.judge.causes.cause import Candidate, Cause, CauseName, Evaluation, places
from monitor.judge.comparison.column_change import column_has_changed
from monitor.judge.comparison.exchanged import LOOK_AT_ORDER
from monitor.judge.comparison.related import LEAST_CHANGE, PairTest, Related
from monitor.judge.policy import Policy
from monitor.judge.promise.budget import MAX_BASE_WINDOWS, TicketBudget
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.judge.words.relations import Group, detail, groups_of, headline, remark
from monitor.reference.relations import PAIR_COUNTS
from monitor.stats.pairs.levels import CELLS, LEVELS
from monitor.stats.testing.ending import left_of
from monitor.text import number

Ints = NDArray[np.int64]

RELATION: Final = CauseName(
    "relation",
    in_alert="no longer go together",
    on_page="relation",
    next_step="look at the join or lookup that brings the two columns together",
)


@dataclass(frozen=True)
class Measured:
    """What the test says of W windows and P pairs; `attached` (W, P): one of its columns moved itself."""

    related: Related
    attached: NDArray[np.bool_]
    alpha: float

    @cached_property
    def alone(self) -> NDArray[np.bool_]:
        """(W, P) pairs over their threshold whose columns are unchanged."""
        return np.asarray((self.related.exceedance > 1) & ~self.attached, np.bool_)


class Relation(Cause[Measured]):
    """All watched pairs of a reference; the subject is `A~B`."""

    names = (RELATION,)
    own_budget = True

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        relations = prepared.reference.relations
        self._test = None if relations is None or not len(relations.pairs) else PairTest.of(relations)
        self._pairs: list[tuple[int, int]] = [] if relations is None else [(a, b) for a, b in relations.pairs.tolist()]
        self._subjects = [f"{prepared.subjects[a]}~{prepared.subjects[b]}" for a, b in self._pairs]
        self._place = {subject: at for at, subject in enumerate(self._subjects)}
        self._may_page = policy.most_severe(RELATION.name, "") == PAGE
        self._least = max(LEAST_CHANGE, policy.least_effect(RELATION.name, "", LEAST_CHANGE))

    def tests(self) -> int:
        """None of the page budget, unless the settings make it a page."""
        return len(self._pairs) if self._may_page else 0

    def measure(self, evaluation: Evaluation) -> Measured:
        windows, alpha = evaluation.windows, self._alpha(evaluation)
        if self._test is None or alpha <= 0:
            none = np.zeros((len(windows.lengths), len(self._pairs)))
            return Measured(Related(none, none, none, none, none), none > 0, alpha)
        rates = np.array([self.prepared.rate(span) for span in windows.spans])
        table = self.prepared.table
        levels = [
            table.learned_level(span.events / max(rate, 1.0))
            for span, rate in zip(windows.spans, rates.tolist(), strict=True)
        ]
        related = self._test.measure(self._counts(windows), rates, np.array(levels, np.int64), alpha, self._least)
        attached = np.zeros(related.exceedance.shape, np.bool_)
        moved: dict[tuple[int, int], bool] = {}
        for window, pair in places(related.exceedance > 1):
            for column in self._pairs[pair]:
                at = (window, column)
                if at not in moved:
                    moved[at] = column_has_changed(self.prepared, windows, window, column)
                attached[window, pair] |= moved[at]
        return Measured(related, attached, alpha)

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        """One for the column that is in most of the pairs that are over, by its strongest pair."""
        if not self._pairs:
            return
        measured = evaluation.of(self)
        if not measured.alone.any():
            return
        for group in self._groups(measured):
            for window in np.flatnonzero(measured.alone[:, group.key]).tolist():
                yield Candidate(
                    FindingKey(self._subjects[group.key], RELATION.name),
                    self._severity(measured, window, group),
                    float(measured.related.exceedance[window, group.key]),
                    evaluation.windows.start_us(window),
                    partial(evaluation.windows.start_us, window),
                    partial(self._finding, evaluation, window, group),
                )

    def remarks(self, evaluation: Evaluation) -> Mapping[str, str]:
        """Relations that changed are said with the findings of their columns, which have moved themselves.

        Only those that the newest base window shows too: values of before and after together may be related otherwise
        than either.
        """
        measured = evaluation.of(self)
        said: dict[str, list[str]] = {}
        over = measured.related.exceedance > 1
        for (pair,) in places(np.atleast_1d(over.any(0))):
            window = int(measured.related.exceedance[:, pair].argmax())
            change = float(measured.related.before[window, pair]), float(measured.related.now[window, pair])
            newest = self._moved(evaluation.windows, 0, pair)
            if not (change[1] - change[0]) * newest > 0 or abs(newest) < LEAST_CHANGE:
                continue
            first, second = (self.prepared.subjects[at] for at in self._pairs[pair])
            said.setdefault(first, []).append(remark(second, *change))
            said.setdefault(second, []).append(remark(first, *change))
        return {subject: "its correlation changed too: with " + ", ".join(several) for subject, several in said.items()}

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        pair = self._pair(key)
        return None if pair is None else float(evaluation.of(self).related.exceedance[0, pair])

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The change of the correlation, one number."""
        pair = self._pair(key)
        return None if pair is None else np.array([self._moved(windows, window, pair)])

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return left_of(self._moved(evaluation.windows, 0, self._place[key.subject]), float(then[0]))

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return abs(self._moved(evaluation.windows, 0, self._place[key.subject]))

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        related = evaluation.of(self).related
        for (pair,) in places(np.atleast_1d((related.exceedance > 0).any(0))):
            worst = int(related.exceedance[:, pair].argmax())
            z = float(related.z[worst, pair])
            yield (
                self._subjects[pair],
                Figures(
                    cause=RELATION.name,
                    value=z,
                    threshold=float(related.critical[worst, pair]),
                    effect=abs(float(related.now[worst, pair] - related.before[worst, pair])),
                    p=0.0 if self._test is None else self._test.chance(z, pair),
                    samples=int(self._counts(evaluation.windows)[worst, pair].sum()),
                    exceedance=float(related.exceedance[worst, pair]),
                ),
            )

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return f"correlation of levels changed by {number(figures.effect)}"

    def _pair(self, key: FindingKey) -> int | None:
        return self._place.get(key.subject) if key.cause == RELATION.name else None

    def _counts(self, windows: Windows) -> Ints:
        """(W, P, 3, 3)."""
        size = len(self._pairs)
        return windows.further(PAIR_COUNTS, size * CELLS).reshape(-1, size, LEVELS, LEVELS)

    def _moved(self, windows: Windows, window: int, pair: int) -> float:
        if self._test is None:
            return float("nan")
        now, before = self._test.change(self._counts(windows)[window, pair], pair)
        return now - before

    def _alpha(self, evaluation: Evaluation) -> float:
        """What each test may spend: the page budget's where relations page, else by their own budget.

        The time since the evaluation before is that of a base window, so nothing has to be remembered.
        """
        if self._may_page:
            return evaluation.alpha
        span, length = evaluation.windows.spans[0], max(evaluation.windows.lengths[0], 1)
        elapsed, usual = (span.end_us - span.start_us) / length, self.prepared.reference.base_us
        elapsed = min(elapsed, MAX_BASE_WINDOWS * usual) if usual else elapsed
        lengths = self.prepared.longest().bit_length()
        return TicketBudget(max(len(self._pairs), 1) * lengths).alpha(elapsed)

    def _groups(self, measured: Measured) -> list[Group]:
        over = np.flatnonzero(measured.alone.any(0)).tolist()
        relations = self.prepared.reference.relations
        ties = [] if relations is None else relations.tie.tolist()
        return groups_of(over, self._pairs, ties)

    def _severity(self, measured: Measured, window: int, group: Group) -> str:
        effect = abs(float(measured.related.now[window, group.key] - measured.related.before[window, group.key]))
        feature = self.prepared.columns[group.column].feature
        severity = self.policy.severity(RELATION.name, feature, effect, LEAST_CHANGE)
        if self._may_page:
            return severity
        return min(severity, TICKET, key=SEVERITY_RANK.__getitem__)  # its tests are no part of the page budget

    def _finding(self, evaluation: Evaluation, window: int, group: Group) -> Finding:
        """Of one window in which the group's strongest pair is over."""
        windows, measured = evaluation.windows, evaluation.of(self)
        related, pair = measured.related, group.key
        z, before, now = (float(x[window, pair]) for x in (related.z, related.before, related.now))
        changes = {
            one: (float(related.before[window, one]), float(related.now[window, one]))
            for one in group.pairs
            if related.exceedance[window, one] > 1
        }
        exchanged = self._exchanged(windows, window, measured)
        return Finding(
            key=FindingKey(self._subjects[pair], RELATION.name),
            severity=self._severity(measured, window, group),
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic="likelihood_root",
            value=z,
            threshold=float(related.critical[window, pair]),
            p=0.0 if self._test is None else self._test.chance(z, pair),
            effect=abs(now - before),
            effect_unit="correlation of levels",
            exceedance=float(related.exceedance[window, pair]),
            direction="down" if abs(now) < abs(before) else "up",
            detail=detail(self.prepared, self._pairs, changes),
            headline=headline(self.prepared, self._pairs, group, changes, exchanged),
            records=windows.records(window),
            next_step="" if exchanged is None else LOOK_AT_ORDER,
            part_of=tuple(self.prepared.subjects[column] for column in self._columns(group)),
        )

    def _columns(self, group: Group) -> set[int]:
        """The columns whose own findings explain the group: its column, or its only partner."""
        return {group.column} if len(group.pairs) > 1 else set(self._pairs[group.key])

    def _exchanged(self, windows: Windows, window: int, measured: Measured) -> tuple[int, int] | None:
        """Two columns, among those whose relations changed, whose tables fit when they change places."""
        if self._test is None:
            return None
        over = np.flatnonzero(measured.alone.any(0)).tolist()
        return self._test.exchanged(self._counts(windows)[window], over)
