"""A reference from recorded events: first the bins, from values; then the unrest, from counted base windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import ModelKey, canonical
from monitor.reference.reference import FEATURE, PREDICTION, SCORE, Column, Level, Reference, with_hash
from monitor.stats.bins import CATEGORICAL, FACTS, NUMERIC, category_bins, numeric_bins
from monitor.stats.evidence import dispersion, largest_shift
from monitor.stats.tally import Tally, merged

#: a string column with more than this share of its values distinct is no category
MAX_DISTINCT_SHARE: Final = 0.1
#: fewer values than this say nothing about distinctness
MIN_VALUES_FOR_DISTINCT: Final = 200
#: values of one column kept for its bins; beyond it every second, fourth, ... value is kept
MAX_SAMPLE: Final = 200_000
#: windows of a length that are needed to measure its dispersion, and occurrences of a fact to measure the fact's
MIN_WINDOWS: Final = 8
MIN_FACT_HITS: Final = 20
#: windows side by side that are needed to learn a largest distance
MIN_WINDOWS_LEARNED: Final = 3

Value = str | float | int | bool | None


@dataclass(slots=True)
class Sample:
    """An even, repeatable sample of a column's values: every `step`-th one."""

    values: list[Value] = field(default_factory=list)
    step: int = 1
    seen: int = 0

    def add(self, value: Value) -> None:
        if self.seen % self.step == 0:
            self.values.append(value)
            if len(self.values) >= MAX_SAMPLE:
                self.values = self.values[::2]
                self.step *= 2
        self.seen += 1


@dataclass(slots=True)
class Survey:
    """The first pass: which columns there are, and a sample of each one's values."""

    features: dict[str, Sample] = field(default_factory=dict)
    scores: Sample = field(default_factory=Sample)
    predictions: Sample = field(default_factory=Sample)
    score_classes: int = 0

    def add(self, features: Mapping[str, object] | None, score: float | None, prediction: Value) -> None:
        for name, value in (features or {}).items():
            sample = self.features.setdefault(name, Sample())
            sample.add(value if isinstance(value, (str, float, int, bool)) else None)
        if score is not None:
            self.scores.add(score)
        if prediction is not None:
            self.predictions.add(prediction)


def _finite(values: Sequence[Value]) -> NDArray[np.float64]:
    """The finite numbers among values; a boolean is none."""
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    array = np.array([_float(v) for v in numbers], np.float64)
    return array[np.isfinite(array)]


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def plan_columns(
    survey: Survey, kinds: Mapping[str, str], task: str | None
) -> tuple[list[Column], dict[str, str], str]:
    """Columns to count, what is ignored and why, and the task.

    `kinds` are the settings' kinds by feature name; the rest is inferred as the contract says.
    """
    columns: list[Column] = []
    ignored: dict[str, str] = {}
    for name in sorted(survey.features):
        planned = _plan_feature(name, survey.features[name].values, kinds.get(name))
        if isinstance(planned, str):
            ignored[name] = planned
        else:
            columns.append(planned)
    for name in sorted(set(kinds) - set(survey.features)):
        if kinds[name] != "ignore":
            ignored[name] = "no event of the reference has it"
    if survey.scores.values:
        columns.append(_numeric_column("score", SCORE, _finite(survey.scores.values)))
    settled = task or infer_task(survey)
    predicted = [v for v in survey.predictions.values if v is not None]
    if predicted and settled == "regression" and len(_finite(predicted)):
        columns.append(_numeric_column("prediction", PREDICTION, _finite(predicted)))
    elif predicted:
        columns.append(_category_column("prediction", PREDICTION, [canonical(v) for v in predicted]))
    return columns, ignored, settled


def infer_task(survey: Survey) -> str:
    """Binary with a score or two classes, multiclass with more, regression for numbers without a score."""
    classes = {canonical(v) for v in survey.predictions.values if v is not None}
    if survey.score_classes > 2:
        return "multiclass"
    if survey.scores.values:
        return "binary"
    if not classes:
        return "none"
    if len(classes) <= 2:
        return "binary"
    return "multiclass" if any(isinstance(v, str) for v in survey.predictions.values) else "regression"


def _plan_feature(name: str, values: Sequence[Value], kind: str | None) -> Column | str:
    """The column, or why it is ignored."""
    present = [v for v in values if v is not None]
    if kind == "ignore":
        return "the settings say so"
    if not present:
        return "it has no values"
    inferred = kind or _inferred_kind(present)
    if inferred == NUMERIC:
        numbers = _finite(present)
        return _numeric_column(name, FEATURE, numbers) if len(numbers) else "it is numeric and has no finite number"
    texts = [canonical(v) for v in present if not (isinstance(v, float) and not np.isfinite(v))]
    if kind is None and len(texts) >= MIN_VALUES_FOR_DISTINCT and len(set(texts)) > MAX_DISTINCT_SHARE * len(texts):
        return f"{len(set(texts))} of {len(texts)} values are distinct: an identifier or free text, no category"
    return _category_column(name, FEATURE, texts) if texts else "it has no usable values"


def _inferred_kind(present: Sequence[Value]) -> str:
    numbers = sum(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present)
    return NUMERIC if 2 * numbers > len(present) else CATEGORICAL


def _numeric_column(name: str, role: str, numbers: NDArray[np.float64]) -> Column:
    numbers = np.sort(numbers)  # float sums depend on the order, which partitions may give differently
    center, scale = _center_and_scale(numbers)
    magnitudes = np.abs(numbers[numbers != 0])
    logs = np.log10(magnitudes) if len(magnitudes) else np.array([np.nan])
    _, repeats = np.unique(numbers, return_counts=True)
    return Column(
        name=name,
        role=role,
        bins=numeric_bins(numbers),
        center=center,
        scale=scale,
        log_center=float(logs.mean()),
        log_spread=float(logs.std()),
        commonest_share=float(repeats.max() / len(numbers)),
    )


def _center_and_scale(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation (1 where it is 0); the median and 1 where numbers are too large for them."""
    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = float(numbers.mean()), float(numbers.std())
    if np.isfinite(center) and np.isfinite(scale):
        return center, scale or 1.0
    return float(np.quantile(numbers, 0.5, method="lower")), 1.0


def _category_column(name: str, role: str, texts: Sequence[str]) -> Column:
    _, repeats = np.unique(np.array(texts, dtype=object).astype(str), return_counts=True)
    return Column(name=name, role=role, bins=category_bins(texts), commonest_share=float(repeats.max() / len(texts)))


@dataclass(frozen=True, slots=True)
class BaseWindow:
    """A closed base window of the second pass."""

    start_us: int
    end_us: int
    tally: Tally


def assemble(
    key: ModelKey,
    columns: Sequence[Column],
    windows: Sequence[BaseWindow],
    rest: BaseWindow | None,
    *,
    task: str,
    positive: str,
    ignored: Mapping[str, str],
) -> Reference:
    """The reference of counted base windows; `rest` are events behind the last whole one, counted but no window.

    Raises:
        ValueError: nothing was counted.
    """
    tallies = [window.tally for window in windows]
    parts = [*windows, *([rest] if rest is not None else [])]
    total = merged([part.tally for part in parts])
    width = total.counts.shape[1] - len(FACTS)
    stack = np.stack([tally.counts for tally in tallies]) if tallies else np.zeros((0, *total.counts.shape), np.int64)
    levels = _levels(len(windows), sum(tally.events for tally in tallies))
    ordered = np.array([column.bins.kind == NUMERIC for column in columns])
    phi, fact_phi, top = measure_unrest(stack, total.counts, levels, ordered, width)
    spans = [window.end_us - window.start_us for window in windows]
    reference = Reference(
        key=key,
        task=task,
        positive=positive,
        columns=tuple(columns),
        counts=total.counts,
        levels=levels,
        phi=phi,
        fact_phi=fact_phi,
        top=top,
        events=total.events,
        predictions=total.predictions,
        labels=total.labels + total.labelled,
        start_us=parts[0].start_us,
        end_us=parts[-1].end_us,
        base_windows=len(windows),
        base_us=int(np.median(spans)) if spans else 0,
        ignored=tuple(sorted(ignored.items())),
    )
    return with_hash(reference)


def _levels(base_windows: int, events: int) -> tuple[Level, ...]:
    """Lengths 1, 2, 4, ... base windows, as long as one fits; always at least the first."""
    mean = events / base_windows if base_windows else 0.0
    lengths = [1 << k for k in range(max(1, base_windows.bit_length()))]
    return tuple(
        Level(length, length * mean, base_windows // length, base_windows // length >= MIN_WINDOWS_LEARNED)
        for length in lengths
    )


def measure_unrest(
    stack: NDArray[np.int64],
    total: NDArray[np.int64],
    levels: Sequence[Level],
    ordered: NDArray[np.bool_],
    width: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Dispersion of bins, dispersion of facts, and the largest distance, by level.

    `stack` (windows, C, B + facts) base windows, `total` (C, B + facts) of the whole reference.
    """
    columns = total.shape[0]
    phi = np.ones((columns, len(levels)))
    fact_phi = np.full((columns, len(FACTS), len(levels)), np.nan)
    top = np.full((columns, len(levels)), np.nan)
    for at, level in enumerate(levels):
        if level.windows:
            side_by_side = _side_by_side(stack, level.base_windows)
            phi[:, at], fact_phi[:, :, at] = _dispersions(side_by_side, total, width)
        if level.learned:
            sliding = _sliding(stack, level.base_windows)[..., :width]
            share, cumulative = largest_shift(total[None, :, :width] - sliding, sliding, ordered)
            top[:, at] = np.maximum(share, cumulative).max(0)
    return (
        np.maximum.accumulate(np.nan_to_num(phi, nan=1.0), axis=1),
        _carried(fact_phi),
        top,
    )


def _side_by_side(stack: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    windows = len(stack) // length
    return np.asarray(stack[: windows * length].reshape(windows, length, *stack.shape[1:]).sum(1), np.int64)


def _sliding(stack: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    sums = np.concatenate([np.zeros((1, *stack.shape[1:]), np.int64), np.cumsum(stack, 0)])
    return np.asarray(sums[length:] - sums[:-length], np.int64)


def _dispersions(
    windows: NDArray[np.int64], total: NDArray[np.int64], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C,) of the value bins and (C, facts) of each fact; NaN where it cannot be measured."""
    columns = total.shape[0]
    phi, facts = np.full(columns, np.nan), np.full((columns, len(FACTS)), np.nan)
    if len(windows) < MIN_WINDOWS:
        return phi, facts
    part = windows.sum() / max(total.sum(), 1) / len(windows)
    for c in range(columns):
        bins, whole = windows[:, c, :width], total[c, :width]
        if whole.sum():
            phi[c] = max(1.0, dispersion(bins, whole / whole.sum(), part))
        events, all_events = windows[:, c].sum(1), total[c].sum()
        for slot in range(len(FACTS)):
            hits = windows[:, c, width + slot]
            if total[c, width + slot] >= MIN_FACT_HITS:
                facts[c, slot] = _fact_dispersion(hits, events, total[c, width + slot] / all_events, part)
    return phi, facts


def _fact_dispersion(hits: NDArray[np.int64], events: NDArray[np.int64], share: float, part: float) -> float:
    """Variance of a fact's count over what independent events would show; at least 1."""
    if share >= 1:
        return 1.0
    expected = events * share
    ratio = ((hits - expected) ** 2).sum() / max((expected * (1 - share)).sum(), 1e-9)
    return float(max(1.0, ratio / max(1 - part, 0.1)))


def _carried(fact_phi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Never falling with length; a length that could not be measured takes the next shorter one's."""
    out = fact_phi.copy()
    for at in range(1, out.shape[2]):
        out[:, :, at] = np.fmax(out[:, :, at], out[:, :, at - 1])
    return out
