"""What the windows of an evaluation split the change of the mean score into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.count.columns.new_slots import NEW_SLOTS
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.score_effects import BEYOND, ScoreEffects
from monitor.reference.score_split import ScoreSplit, Split


@dataclass(frozen=True)
class ScoreParts:
    """The regression of a reference, for the windows of a model version."""

    prepared: PreparedReference
    effects: ScoreEffects
    prepared_split: ScoreSplit

    @classmethod
    def of(cls, prepared: PreparedReference) -> ScoreParts | None:
        """None where the reference has no effects of bins on its score."""
        reference = prepared.reference
        if reference.effects is None:
            return None
        return cls(prepared, reference.effects, ScoreSplit(prepared.columns, reference.counts, reference.effects))

    def split(self, windows: Windows) -> Split:
        """Changes, parts and rests of all windows; values the reference never had count as they score now."""
        columns = len(self.prepared.columns)
        new = windows.further(NEW_SLOTS, columns * BEYOND * 2) if self._may_have_new(windows) else None
        shaped = None if new is None else new.reshape(-1, columns, BEYOND, 2)
        return self.prepared_split.split(windows.counts, windows.sums, shaped)

    def _may_have_new(self, windows: Windows) -> bool:
        """Whether any event lies in no bin: usual windows have none, and their parts need not be walked."""
        return bool(np.any(windows.counts[..., self.prepared.width :]))
