"""A change of an error in the words of whoever runs the model, and its numbers in the figure's own unit."""

from __future__ import annotations

from typing import Final, NamedTuple

from monitor.findings import DOWN, UP
from monitor.stats.performance.figures import (
    ACCURACY,
    BIAS,
    BINARY,
    CALIBRATION_ERROR,
    COST,
    F1,
    IN_TARGET_UNIT,
    MAE,
    PRECISION,
    RECALL,
    Meaning,
    figures,
)
from monitor.stats.performance.label_tally import LabelTally
from monitor.text import many, number, percent

#: figures that fall where their error rises
_GOOD: Final = frozenset({ACCURACY, RECALL, PRECISION})
#: figures told beside the one that changed
_BESIDE: Final = (ACCURACY, RECALL, PRECISION, F1, "log_loss", "brier", "roc_auc", MAE, "rmse", "r2", BIAS, COST)
_MOST_BESIDE: Final = 5
#: the part of a change from which on labels of new classes lead the words
_MUCH: Final = 0.5


class Change(NamedTuple):
    """The mean of an error in a window: `now`, and `before` in the reference.

    `upwards`: of an error of which both ways are worse, whether it is higher.
    """

    figure: str
    now: float
    before: float
    upwards: bool = True

    @property
    def rise(self) -> float:
        """By how much it is worse."""
        return self.now - self.before if self.upwards else self.before - self.now

    @property
    def direction(self) -> str:
        """Which way the figure moved."""
        if self.figure in _GOOD:
            return DOWN
        return UP if self.upwards else DOWN


def shown(figure: str, error: float, meaning: Meaning) -> float:
    """A figure's value by the mean of its error."""
    if figure in _GOOD:
        return 1 - error
    if figure in IN_TARGET_UNIT:
        return error * meaning.scale
    return error * 1000 if figure == COST else error


def effect_unit(figure: str) -> str:
    """The unit of a finding's effect."""
    return {
        RECALL: "share of positives",
        PRECISION: "share of predicted positives",
        MAE: "share of the reference's",
        BIAS: "share of the reference's mean absolute error",
        COST: "share of the reference's",
    }.get(figure, "share of predictions")


def headline(change: Change, meaning: Meaning, segment: str = "", new_classes: float = 0.0) -> str:
    """What changed, in a short sentence; in the predictions of a segment, where one is named.

    `new_classes` is the share of labels of classes that the reference has not: said where it is much of the change.
    """
    said = _headline(change, meaning)
    if change.figure in _GOOD and new_classes >= _MUCH * change.rise:
        said += f": {_of_new_classes(new_classes)}"
    return f"in {segment} {said}, not so in the others" if segment else said


def _headline(change: Change, meaning: Meaning) -> str:
    figure, more = change.figure, _of_thousand(change.rise)
    value, before = shown(figure, change.now, meaning), shown(figure, change.before, meaning)
    if figure == ACCURACY:
        return f"of 1,000 predictions about {more} more are wrong than in the reference"
    if figure == RECALL:
        return f"of 1,000 positives about {more} more are missed: recall {before:.2f} -> {value:.2f}"
    if figure == PRECISION:
        return f"of 1,000 predicted positives about {more} more are false: precision {before:.2f} -> {value:.2f}"
    if figure == CALIBRATION_ERROR:
        side, hit = "more" if change.upwards else "fewer", "positive" if meaning.task == BINARY else "right"
        return f"of 1,000 predictions about {more} {side} are {hit} than scores like these had in the reference"
    if figure == MAE:
        return f"errors are larger than in the reference: mean absolute error {number(before)} -> {number(value)}"
    if figure == BIAS:
        side = "high" if change.upwards else "low"
        return f"predictions are too {side}: mean error {number(before)} -> {number(value)}"
    return f"1,000 predictions cost {number(value)} instead of {number(before)}"


def _of_thousand(share: float) -> str:
    """So many of 1,000: whole ones, where there is one."""
    return f"{1000 * share:,.0f}" if 1000 * share >= 1 else number(1000 * share)


def detail(
    change: Change, tally: LabelTally, reference: LabelTally, rows: int, meaning: Meaning, new_classes: float = 0.0
) -> str:
    """The figures of a window beside those of the reference; `new_classes` as in `headline`."""
    now, before = figures(tally, meaning), figures(reference, meaning)
    value, was = shown(change.figure, change.now, meaning), shown(change.figure, change.before, meaning)
    if change.figure == CALIBRATION_ERROR:
        less = (
            "of positives less mean score" if meaning.task == BINARY else "right less mean score of the predicted class"
        )
        first = f"share {less} {was:+.3g} -> {value:+.3g}"
    else:
        first = f"{_name(change.figure)} {_moved(was, value)}"
    told = [
        f"{_name(name)} {_moved(before[name], now[name])}"
        for name in _BESIDE
        if name in now and name in before and name != change.figure
    ]
    of_new = [_of_new_classes(new_classes)] if new_classes else []
    return f"by {many(rows, 'label')}: {'; '.join([first, *told[:_MOST_BESIDE], *of_new])}"


def new_classes(tally: LabelTally, reference: LabelTally) -> float:
    """The share of labels whose class is none of the reference's, where that has classes.

    `reference` has all labels, also for a `tally` of a segment.
    """
    known = {name for pair in reference.pairs for name in pair}
    new = sum(count for (label, _), count in tally.pairs.items() if label not in known)
    return new / tally.paired if known and new > 0 and tally.paired > 0 else 0.0


def _of_new_classes(share: float) -> str:
    return f"{percent(share)} of the labels are of a class that the reference never had"


def _name(figure: str) -> str:
    return figure.replace("_", " ")


def _moved(before: float, now: float) -> str:
    return f"{before:.3g} -> {now:.3g}"
