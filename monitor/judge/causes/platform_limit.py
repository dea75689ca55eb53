"""Limits that another system sets on a column, and that came with an imported reference: each is a fact of its own.

Held against it is a share of events (missing, never seen, outside, of the wrong type) or a distance from the reference,
in base windows. A finding bears the limit's name, as the other system spells it; like other facts it is a ticket.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from monitor.findings import SEVERITY_RANK, TICKET, Figures, Finding, FindingKey
from monitor.judge.causes.cause import Candidate, Cause, Evaluation
from monitor.judge.causes.schema import SCHEMA, Schema
from monitor.judge.policy import Policy
from monitor.judge.windows.all_values import in_reference, in_window
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import FEATURE
from monitor.reference.imported import Limit
from monitor.stats.bins.reference_bins import ABSENT, MISSING, OUTSIDE, TYPE, UNSEEN
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.limits import DISTANCES, share_allowed
from monitor.text import number, percent

#: quality counts of each share; a value that is not there is missing, however it is written
SHARES: Final = {"missing": (MISSING, ABSENT), "unseen": (UNSEEN,), "outside": (OUTSIDE,), "type": (TYPE,)}
#: bins that are neighbours: only numbers have an order
_ORDERED: Final = "ks"
#: smallest allowance that an exceedance is counted in
_LEAST: Final = 1e-6


class Held(NamedTuple):
    """One limit on a column, by its place."""

    column: int
    limit: Limit


class Measured(NamedTuple):
    """(W, L) by window and limit: the value, and what is over."""

    value: Floats
    threshold: Floats

    @property
    def exceedance(self) -> Floats:
        return np.asarray(self.value / np.maximum(self.threshold, _LEAST), np.float64)


class PlatformLimits(Cause[Measured]):
    """The limits of one imported reference."""

    names = Schema.names
    own_budget = True

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        places = {column.name: at for at, column in enumerate(prepared.columns) if column.role == FEATURE}
        imported = prepared.reference.imported
        limits = () if imported is None else imported.limits
        held = [Held(places[limit.column], limit) for limit in limits if limit.column in places]
        self._held = {self._key(one): one for one in held if self._is_judged(one)}
        self._place = {key: at for at, key in enumerate(self._held)}

    def _is_judged(self, one: Held) -> bool:
        if one.limit.measure == _ORDERED and not self.prepared.ordered[one.column]:
            return False
        return one.limit.measure in SHARES or one.limit.measure in DISTANCES

    def _key(self, one: Held) -> FindingKey:
        return FindingKey(self.prepared.subjects[one.column], SCHEMA, figure=one.limit.name)

    def tests(self) -> int:
        """None of the page budget: they are facts."""
        return 0

    def tickets(self) -> int:
        return len(self._held)

    def measure(self, evaluation: Evaluation) -> Measured:
        windows, alpha = evaluation.windows, min(evaluation.ticket_alpha, 0.5)
        values = np.zeros((len(windows.lengths), len(self._held)))
        thresholds = np.full(values.shape, np.inf)
        for place, one in enumerate(self._held.values()):
            for window in range(len(windows.lengths)) if alpha > 0 else ():
                values[window, place], thresholds[window, place] = self._against(one, evaluation, window, alpha)
        return Measured(values, thresholds)

    def _against(self, one: Held, evaluation: Evaluation, window: int, alpha: float) -> tuple[float, float]:
        """The value in a window, and what would be over."""
        limit, column, windows = one.limit, one.column, evaluation.windows
        if limit.measure in SHARES:
            hits, events = self._share(one, windows, window), int(evaluation.carried[window, column])
            if not hits or not events:
                return 0.0, np.inf
            slots = list(SHARES[limit.measure])
            varies = float(evaluation.variability.quality_overdispersion[window, column, slots].max())
            return hits / events, share_allowed(limit.most, events, varies, alpha)
        if not evaluation.values[window, column]:
            return 0.0, np.inf
        varies = float(evaluation.variability.overdispersion[window, column])
        live, known = in_window(self.prepared, windows, window, column), in_reference(self.prepared, column)
        value, by_chance = DISTANCES[limit.measure](known, live, varies, alpha)
        return value, limit.most + by_chance

    def _share(self, one: Held, windows: Windows, window: int) -> int:
        slots = [self.prepared.width + slot for slot in SHARES[one.limit.measure]]
        return int(windows.counts[window, one.column, slots].sum())

    def candidates(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Candidate]:
        if not self._held:
            return
        exceedance = evaluation.of(self).exceedance
        for key, place in self._place.items():
            for window in np.flatnonzero(exceedance[:, place] > 1).tolist():
                yield Candidate(
                    key,
                    self._severity(key, evaluation, window),
                    float(exceedance[window, place]),
                    evaluation.windows.start_us(window),
                    partial(evaluation.windows.start_us, window),
                    partial(self._finding, key, evaluation, window),
                )

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        place = self._place.get(key)
        return None if place is None else float(evaluation.of(self).exceedance[0, place])

    def change(self, key: FindingKey, windows: Windows, window: int) -> Floats | None:
        """The value over the limit, one number."""
        return np.array([self._over(key, windows, window)]) if key in self._held else None

    def left(self, key: FindingKey, then: Floats, evaluation: Evaluation) -> float:
        return left_of(self._over(key, evaluation.windows, 0), float(then[0])) if then[0] > 0 else 0.0

    def effect(self, key: FindingKey, evaluation: Evaluation) -> float | None:
        return max(self._over(key, evaluation.windows, 0), 0.0) if key in self._held else None

    def _over(self, key: FindingKey, windows: Windows, window: int) -> float:
        one = self._held[key]
        if one.limit.measure in SHARES:
            carried = int(self.prepared.carried(windows.counts)[window, one.column])
            return self._share(one, windows, window) / max(carried, 1) - one.limit.most
        live = in_window(self.prepared, windows, window, one.column)
        if not live.sum():
            return 0.0
        return DISTANCES[one.limit.measure](in_reference(self.prepared, one.column), live, 1.0, 0.5)[0] - one.limit.most

    def figures(self, evaluation: Evaluation) -> Iterator[tuple[str, Figures]]:
        """None: the figures of a subject are those of its worst cause, and a limit has a name of its own."""
        return iter(())

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return percent(figures.value)

    def _severity(self, key: FindingKey, evaluation: Evaluation, window: int) -> str:
        one = self._held[key]
        feature = self.prepared.columns[one.column].feature
        over = max(self._over(key, evaluation.windows, window), 0.0)
        wanted = self.policy.severity(SCHEMA, feature, over, 0.0)
        return min(wanted, TICKET, key=SEVERITY_RANK.__getitem__)  # no test of the page budget finds it

    def _finding(self, key: FindingKey, evaluation: Evaluation, window: int) -> Finding:
        one, measured, windows = self._held[key], evaluation.of(self), evaluation.windows
        value = float(measured.value[window, self._place[key]])
        limit, is_share = one.limit, one.limit.measure in SHARES
        shown, allowed = (percent(value), percent(limit.most)) if is_share else (number(value), number(limit.most))
        imported = self.prepared.reference.imported
        system = "" if imported is None else imported.system
        said = f"{limit.measure} {shown}, and {limit.name} of {system} allows {allowed}"
        return Finding(
            key=key,
            severity=self._severity(key, evaluation, window),
            window=windows.spans[window],
            base_windows=max(windows.lengths[window], 1),
            statistic="share" if is_share else limit.measure,
            value=value,
            threshold=float(measured.threshold[window, self._place[key]]),
            p=None,
            effect=max(value - limit.most, 0.0),
            effect_unit="share" if is_share else limit.measure,
            exceedance=float(measured.exceedance[window, self._place[key]]),
            direction="up",
            detail=said,
            headline=f"{key.subject} is over a limit of {system}: {limit.measure} {shown}, allowed {allowed}",
            records=windows.records(window),
            next_step=f"see {limit.name} in the files that the reference was imported from",
        )
