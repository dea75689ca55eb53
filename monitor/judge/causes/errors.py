"""Cause `performance` without a reference's labels: ADWIN on the error rate of predictions that carry their own label.

A sequential detector is not mergeable: it is fed the error rate of each pane, in time order (Bifet and Gavalda 2007).
Its state is opaque, so a checkpoint keeps the values it was fed since it last began and feeds them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from monitor.findings import INFO, Finding, FindingKey
from monitor.judge.causes.cause import CauseName, SequentialCause
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import window_of
from monitor.reference.performance_part import is_judged
from monitor.stats.detectors.adwin import Adwin
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block

PERFORMANCE: Final = "performance"
PERFORMANCE_NAME: Final = CauseName(
    PERFORMANCE,
    in_alert="are wrong more often",
    on_page="performance",
    sample="label",
    next_step="see whether a column moved too; if none did, the world changed: retrain the model, or roll it back",
)
#: the detector is reset after this many values, which depends on the stream alone, so that memory stays bounded
MAX_FED: Final = 4_096
DELTA: Final = 0.002


class Errors(SequentialCause):
    """A rise of the error rate of one model version: an `info` finding, which opens no incident."""

    names = (PERFORMANCE_NAME,)
    state_name = "errors"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self._fed: list[float] = []
        self._detector: Adwin | None = None
        #: there is more to compare errors with: see `causes/performance.py`
        self._is_judged = is_judged(prepared.reference.performance)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        paired = labels.paired
        if paired == 0 or self._is_judged:
            return
        rate = labels.errors / paired
        detector = self._running()
        fed = self._fed
        fed.append(rate)
        drifted, now = detector.update(rate), detector.estimation
        if drifted or len(fed) >= MAX_FED:
            self._fed, self._detector = [], None
        if not drifted:
            return
        before = float(np.mean(fed[:-1])) if len(fed) > 1 else rate
        if now > before:
            yield _finding(pane, self.prepared.reference.key.model, before, now)

    def _running(self) -> Adwin:
        """The detector, after all values that were fed."""
        if self._detector is None:
            self._detector = Adwin(DELTA)
            for rate in self._fed:
                self._detector.update(rate)
        return self._detector

    def to_state(self) -> dict[str, Any]:
        return {"fed": np.array(self._fed, np.float64)}

    def restore(self, state: dict[str, Any]) -> None:
        self._fed, self._detector = np.array(state["fed"], np.float64).tolist(), None


def _finding(pane: Block, subject: str, before: float, now: float) -> Finding:
    windows = window_of(0, (pane,))
    return Finding(
        key=FindingKey(subject, PERFORMANCE, figure="error_rate"),
        severity=INFO,
        window=windows.spans[0],
        base_windows=1,
        statistic="adwin",
        value=now,
        threshold=before,
        p=DELTA,
        effect=now - before,
        effect_unit="error rate",
        exceedance=now / before if before else 1.0,
        direction="up",
        detail=f"error rate {before:.4f} -> {now:.4f} by predictions that bring their own label",
        headline=f"the error rate rose to {now:.1%}",
        records=windows.records(0),
    )
