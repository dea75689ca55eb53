"""The reference that a model version is compared with.

It holds all that the tests need: bins, counts, and the variability of the reference's own rows and windows (long-run
variances, dispersions and the largest distance of a window from the rest).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.events import ModelKey
from monitor.reference.column import PREDICTION, Column
from monitor.reference.estimate import Estimate
from monitor.reference.imported import Imported
from monitor.reference.outcome_part import ReferenceOutcome
from monitor.reference.performance_part import ReferencePerformance
from monitor.reference.relations import Relations
from monitor.reference.score_effects import ScoreEffects
from monitor.reference.season import Seasons
from monitor.reference.segments import CELLS_OF_OUTCOME, MOST_CELLS, Segments
from monitor.reference.variability import Level, ReferenceVariability
from monitor.stats.bins.reference_bins import NUMERIC, outside_bins, width_of
from monitor.stats.derived.columns import Derived
from monitor.stats.performance.class_scores import MOST_CLASSES
from monitor.stats.performance.figures import MULTICLASS, Meaning
from monitor.stats.testing.fact_share import FactShare
from monitor.stats.traffic import Traffic
from monitor.text import percent


@dataclass(frozen=True)
class Reference:
    """Shapes: C columns, B value bins (the widest column's).

    `counts` (C, B + Q): bins, then the Q quality counts; `variability` see there.
    `in_order`: the events' times define their order. `derived`: what vectors and texts become.
    `note` is what its maker wrote, and no part of the hash.
    `score_classes` are the classes named in `scores`, `unread` the fields of events that are not used, with counts.
    `seasons`: the columns' daily, weekly or yearly waves; None where no column has one.
    `relations` of columns; None in files of older versions, and where there are fewer than two columns.
    `traffic` is how fast they came; None in older files, and where times do not define an order. `facts` are
    shares of events with a fact about them, by its name; empty in older files.
    `effects` of the bins on the score; None in older files, and where there is no score.
    `performance` of its labelled predictions; None in older files, and where no label came beside a prediction.
    `outcomes` of its predictions by name, those whose kind is known; none in older files, None while they are learned.
    `estimate` is from what performance is estimated; None in older files, and without labels or score.
    `segments` are its counts by the values of some features; None where the settings named none.
    `imported` is what is known of the import that it comes from; None where it does not come from one.
    `feature_order` are the features of every event in their order; empty in older files, and where events differ in it.
    """

    key: ModelKey
    task: str
    positive: str
    columns: tuple[Column, ...]
    counts: NDArray[np.int64]
    levels: tuple[Level, ...]
    variability: ReferenceVariability
    events: int
    predictions: int
    labels: int
    start_us: int
    end_us: int
    base_windows: int
    base_us: int
    ignored: tuple[tuple[str, str], ...] = ()
    in_order: bool = True
    hash: str = ""
    score_classes: tuple[str, ...] = ()
    unread: tuple[tuple[str, int], ...] = ()
    note: str = ""
    seasons: Seasons | None = None
    relations: Relations | None = None
    derived: tuple[Derived, ...] = ()
    feature_order: tuple[str, ...] = ()
    traffic: Traffic | None = None
    facts: tuple[tuple[str, FactShare], ...] = ()
    effects: ScoreEffects | None = None
    performance: ReferencePerformance | None = None
    outcomes: Mapping[str, ReferenceOutcome] | None = field(default_factory=dict)
    estimate: Estimate | None = None
    segments: Segments | None = None
    imported: Imported | None = None

    @property
    def is_import_alone(self) -> bool:
        """Whether it is an import of which live windows have not shown yet how they vary: nothing is judged by it."""
        return self.imported is not None and not self.events

    @property
    def meaning(self) -> Meaning:
        """What labels of its model mean."""
        numbers = [c for c in self.columns if c.role == PREDICTION and c.bins.kind == NUMERIC]
        center, scale = (numbers[0].center, numbers[0].scale) if numbers else (0.0, 1.0)
        return Meaning(self.task, self.positive, center, scale)

    @property
    def classes(self) -> frozenset[str]:
        """The classes that labels and predictions are counted by; no class of a task without classes."""
        predicted = [column.bins.categories for column in self.columns if column.role == PREDICTION]
        return frozenset((self.positive, "0", "1", *self.probability_classes)).union(*predicted)

    @property
    def cuts_performance(self) -> bool:
        """Whether labels are counted by segment: not where the confusion matrices of all would have too many cells."""
        cells = (len(self.classes) + 2) ** 2 if self.task == "multiclass" else 1
        return self.segments is not None and len(self.segments.keys) * cells <= MOST_CELLS

    @property
    def cuts_outcomes(self) -> bool:
        """Whether outcomes are counted by segment: not where those of all segments would have too many cells."""
        return self.segments is not None and self.outcomes != {} and self.outcome_cells <= MOST_CELLS

    @property
    def outcome_cells(self) -> int:
        """The cells of the known outcomes in all segments."""
        cells = sum(CELLS_OF_OUTCOME + len(one.figures) for one in (self.outcomes or {}).values())
        return 0 if self.segments is None else len(self.segments.keys) * cells

    @property
    def probability_classes(self) -> tuple[str, ...]:
        """The classes whose probabilities are all kept for the label; none where they are too many, or not known."""
        is_known = self.task == MULTICLASS and 1 < len(self.score_classes) <= MOST_CLASSES
        return self.score_classes if is_known else ()

    def parents(self) -> dict[str, str]:
        """{derived column: its feature}."""
        return {column.name: column.parent for column in self.columns if column.parent}

    @property
    def width(self) -> int:
        return width_of([column.bins for column in self.columns])

    @property
    def carried(self) -> NDArray[np.int64]:
        """Events (C,) that carried each column, with a value or without."""
        outside = outside_bins([column.bins for column in self.columns])
        inside: NDArray[np.int64] = self.counts[:, : self.width].sum(1)
        return np.asarray(inside + (self.counts[:, self.width :] * outside).sum(1), np.int64)

    def labelled(self, at: int) -> NDArray[np.int64]:
        """Counts of a column as its bins' labels order them; `unseen` is 0, as every value here was seen."""
        counts = self.counts[at].copy()
        counts[self.width :] = 0
        return self.columns[at].bins.labelled(counts)

    def unwatched_reason(self, column: Column) -> str:
        """Why a change of this column's distribution would not be detected; "" if it would."""
        if column.is_presence:
            return f"a {column.kind}: its derived columns are watched"
        at = next(at for at, one in enumerate(self.columns) if one is column)
        bins, share = column.bins, column.modal_share
        if self.is_import_alone and not self.carried[at]:
            return "it is learned in the warm-up"
        if not self.counts[at, : bins.bins].any():
            return "it has no values"
        if bins.kind == NUMERIC:
            value = f"are {column.modal}" if column.modal else "are one and the same value"
            return "" if bins.edges else "one value alone" if share == 1 else f"{percent(share)} {value}"
        return "one value alone" if bins.bins == 1 else ""
