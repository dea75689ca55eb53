"""A column of a reference: its bins and figures, and its name in findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from monitor.stats.bins.reference_bins import NUMERIC, ColumnBins
from monitor.stats.testing.directions import ColumnDirections, category_directions, numeric_directions

#: roles of a column
FEATURE: Final = "feature"
SCORE: Final = "score"
PREDICTION: Final = "prediction"
#: keys of `ticket_only` that hold for a part of `outside`; the values of a window lie there on average
NEAR_OUTSIDE: Final = "outside_near"
DRIFT_OUTSIDE: Final = "outside_drift"
ABOVE_OUTSIDE: Final = "outside_above"
BELOW_OUTSIDE: Final = "outside_below"
#: a column that rises by one standard deviation in a reference gets so far after some seventy of them
DRIFT_WIDTHS: Final = 10
#: how far below and above the range each of them goes, in widths of the range
OUTSIDE_PARTS: Final = {
    NEAR_OUTSIDE: (1, 1),
    DRIFT_OUTSIDE: (DRIFT_WIDTHS, DRIFT_WIDTHS),
    ABOVE_OUTSIDE: (0, DRIFT_WIDTHS),
    BELOW_OUTSIDE: (DRIFT_WIDTHS, 0),
}
#: prefixes of the subjects of features named as another subject, and of named outcomes
FEATURE_PREFIX: Final = "feature."
OUTCOME_PREFIX: Final = "outcome."


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its bins, and its figures in the reference.

    `center` and `scale` standardise a number for the fixed-point sums (mean and standard deviation inside the range).
    `log_center` and `log_spread` are mean and standard deviation of log10 |x| (NaN for categories), to detect a changed
    unit. `modal` is the canonical text of the most frequent single value ("" in files of older versions), `modal_share`
    its share. `ticket_only` are the causes that never page for this column, with the reason: the reference itself
    changes that way. A column that is derived from a vector or text has the feature in `parent` and its kind in
    `parent_kind`; the one with the feature's own name is its *presence*, see `stats/derived/columns.py`.
    """

    name: str
    role: str
    bins: ColumnBins
    center: float = 0.0
    scale: float = 1.0
    log_center: float = float("nan")
    log_spread: float = float("nan")
    modal_share: float = 0.0
    modal: str = ""
    ticket_only: tuple[tuple[str, str], ...] = ()
    parent: str = ""
    parent_kind: str = ""

    @property
    def is_presence(self) -> bool:
        """Whether it counts only how often a vector or text is missing, absent or of the wrong type."""
        return bool(self.parent) and self.name == self.parent

    @property
    def kind(self) -> str:
        """Its kind in the words of the settings."""
        return self.parent_kind if self.is_presence else self.bins.kind

    def directions(self) -> ColumnDirections:
        """The sets of bins whose shares are compared."""
        if self.bins.kind == NUMERIC:
            return numeric_directions(self.bins.bins)
        return category_directions(self.bins.named, self.bins.buckets)

    @property
    def feature(self) -> str:
        """The feature's name; "" for the score and the prediction."""
        return self.name if self.role == FEATURE else ""

    def subject(self, model: str) -> str:
        """Its name in findings, series and on the status page, where score, prediction and the model have names too.

        A feature with one of those names becomes `feature.<name>`; to keep subjects unique, a feature that is really
        called `feature.<name>` with such a name becomes `feature.feature.<name>`.
        """
        bare = self.name
        while bare.startswith(FEATURE_PREFIX):
            bare = bare.removeprefix(FEATURE_PREFIX)
        taken = bare in {SCORE, PREDICTION, model} or bare.startswith(OUTCOME_PREFIX)
        return FEATURE_PREFIX + self.name if self.role == FEATURE and taken else self.name
