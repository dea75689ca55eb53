"""The reference: what a model version is compared with, as one explicit file with a hash.

Everything a verdict needs of the past is in here: bins, counts, and how restless the reference's own windows are, for
each window length (dispersion, and the largest distance one window had from the rest).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import parse_rfc3339, rfc3339
from monitor.events import ModelKey
from monitor.stats.bins import MAX_RARE, MIN_CATEGORY_SHARE, NUMERIC, QUALITY_COUNTS, ColumnBins, width_of
from monitor.text import percent

FORMAT: Final = "driftd-reference/1"

#: what a column is of the model
FEATURE: Final = "feature"
SCORE: Final = "score"
PREDICTION: Final = "prediction"
#: how subjects begin that are a feature with the name of another subject, or a named outcome
FEATURE_PREFIX: Final = "feature."
OUTCOME_PREFIX: Final = "outcome."


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how it is counted, and its figures in the reference.

    `center` and `scale` standardise a number for the fixed-point sums (mean and standard deviation inside the range).
    `log_center` and `log_spread` are mean and standard deviation of log10 |x| (NaN for categories), for telling a
    changed unit. `modal` is the canonical text of the most frequent single value ("" where an older file does not have
    it), `modal_share` its share. `ticket_only` are causes that never page for this column, each with the reason: the
    reference itself moves that way.
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

    @property
    def feature(self) -> str:
        """The feature's name; "" of the score and the prediction, which are none."""
        return self.name if self.role == FEATURE else ""

    def subject(self, model: str) -> str:
        """Its name in findings, series and on the page, where it stands beside score, prediction and the model.

        A feature that bears such a name is `feature.<name>`, and so that no two are one, `feature.<name>` of that
        kind is `feature.feature.<name>`.
        """
        bare = self.name
        while bare.startswith(FEATURE_PREFIX):
            bare = bare.removeprefix(FEATURE_PREFIX)
        taken = bare in {SCORE, PREDICTION, model} or bare.startswith(OUTCOME_PREFIX)
        return FEATURE_PREFIX + self.name if self.role == FEATURE and taken else self.name


@dataclass(frozen=True, slots=True)
class Level:
    """A window length inside the reference: so many base windows, holding so many events on average.

    `learned`: there were three windows of it side by side, so that a largest distance is known.
    """

    base_windows: int
    events: float
    windows: int
    learned: bool


@dataclass(frozen=True)
class Reference:
    """Shapes: C columns, B value bins (the widest column's), K levels.

    `counts` (C, B + Q): bins, then the Q quality counts. `overdispersion` (C, K) of the value bins,
    `quality_overdispersion` (C, Q, K) of each quality count (NaN where the reference has too few),
    `max_reference_distance` (C, K): largest distance of a window from the rest (NaN: not learned).
    `score_classes` are the classes that `scores` names, `unread` the fields of events that nobody reads, with counts.
    """

    key: ModelKey
    task: str
    positive: str
    columns: tuple[Column, ...]
    counts: NDArray[np.int64]
    levels: tuple[Level, ...]
    overdispersion: NDArray[np.float64]
    quality_overdispersion: NDArray[np.float64]
    max_reference_distance: NDArray[np.float64]
    events: int
    predictions: int
    labels: int
    start_us: int
    end_us: int
    base_windows: int
    base_us: int
    ignored: tuple[tuple[str, str], ...] = ()
    hash: str = ""
    score_classes: tuple[str, ...] = ()
    unread: tuple[tuple[str, int], ...] = ()

    @property
    def width(self) -> int:
        return width_of([column.bins for column in self.columns])

    def unwatched_reason(self, column: Column) -> str:
        """Why a change of this column's distribution would not be seen, for a person; "" where it would be."""
        at = next(at for at, one in enumerate(self.columns) if one is column)
        bins, share = column.bins, column.modal_share
        if not self.counts[at, : bins.bins].any() and not bins.rare:
            return "it has no values"
        if bins.kind == NUMERIC:
            value = f"are {column.modal}" if column.modal else "are one and the same value"
            return "" if bins.edges else "one value alone" if share == 1 else f"{percent(share)} {value}"
        if not bins.categories:
            many = f"{len(bins.rare):,}{' or more' if len(bins.rare) >= MAX_RARE else ''} values, each below"
            return f"{many} {percent(MIN_CATEGORY_SHARE)}; group the values, or kind: ignore"
        return "one value alone" if bins.bins == 1 else ""


def digest(body: dict[str, Any]) -> str:
    """`sha256:…` of a reference's JSON, whatever its layout in the file."""
    content = {name: value for name, value in body.items() if name != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def with_hash(reference: Reference) -> Reference:
    """The same reference, knowing its hash."""
    return replace(reference, hash=digest(to_json(reference)))


def to_json(reference: Reference) -> dict[str, Any]:
    """The file's content, without the hash."""
    return {
        "format": FORMAT,
        "model": reference.key.model,
        "version": reference.key.version,
        "task": reference.task,
        "positive": reference.positive,
        "events": reference.events,
        "predictions": reference.predictions,
        "labels": reference.labels,
        "start": rfc3339(reference.start_us),
        "end": rfc3339(reference.end_us),
        "base_windows": reference.base_windows,
        "base_us": reference.base_us,
        "levels": [
            {"base_windows": x.base_windows, "events": x.events, "windows": x.windows, "learned": x.learned}
            for x in reference.levels
        ],
        "columns": [_column_json(reference, at) for at in range(len(reference.columns))],
        "ignored": dict(reference.ignored),
        **({"score_classes": list(reference.score_classes)} if reference.score_classes else {}),
        **({"unread": dict(reference.unread)} if reference.unread else {}),
    }


def _column_json(reference: Reference, at: int) -> dict[str, Any]:
    column, counts, width = reference.columns[at], reference.counts[at], reference.width
    kind: dict[str, Any] = (
        {"edges": list(column.bins.edges), "low": column.bins.low, "high": column.bins.high}
        if column.bins.kind == "numeric"
        else {"categories": list(column.bins.categories), "rare": list(column.bins.rare)}
    )
    return {
        "name": column.name,
        "role": column.role,
        "kind": column.bins.kind,
        **kind,
        "counts": counts[: column.bins.bins].tolist(),
        **{quality_count: int(counts[width + slot]) for slot, quality_count in enumerate(QUALITY_COUNTS)},
        "center": column.center,
        "scale": column.scale,
        "log_center": _nullable(column.log_center),
        "log_spread": _nullable(column.log_spread),
        "commonest_share": column.modal_share,
        **({"commonest": column.modal} if column.modal else {}),
        **({"ticket_only": dict(column.ticket_only)} if column.ticket_only else {}),
        "dispersion": reference.overdispersion[at].tolist(),
        "fact_dispersion": {
            quality_count: [_nullable(x) for x in reference.quality_overdispersion[at, slot].tolist()]
            for slot, quality_count in enumerate(QUALITY_COUNTS)
        },
        "largest_distance": [_nullable(x) for x in reference.max_reference_distance[at].tolist()],
    }


def _nullable(number: float) -> float | None:
    return None if np.isnan(number) else number


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def from_json(body: dict[str, Any]) -> Reference:
    """Back from the file's content."""
    rows = body["columns"]
    columns = tuple(_column_from(row) for row in rows)
    width = width_of([column.bins for column in columns])
    counts = np.zeros((len(rows), width + len(QUALITY_COUNTS)), np.int64)
    for at, row in enumerate(rows):
        counts[at, : columns[at].bins.bins] = row["counts"]
        counts[at, width:] = [row[quality_count] for quality_count in QUALITY_COUNTS]
    levels = tuple(Level(x["base_windows"], x["events"], x["windows"], x["learned"]) for x in body["levels"])
    shape = (len(rows), len(levels))
    quality_counts = [
        [[_number(x) for x in row["fact_dispersion"][quality_count]] for quality_count in QUALITY_COUNTS]
        for row in rows
    ]
    return Reference(
        key=ModelKey(body["model"], body["version"]),
        task=body["task"],
        positive=body["positive"],
        columns=columns,
        counts=counts,
        levels=levels,
        overdispersion=np.array([row["dispersion"] for row in rows], np.float64).reshape(shape),
        quality_overdispersion=np.array(quality_counts, np.float64).reshape(
            len(rows), len(QUALITY_COUNTS), len(levels)
        ),
        max_reference_distance=np.array(
            [[_number(x) for x in row["largest_distance"]] for row in rows], np.float64
        ).reshape(shape),
        events=body["events"],
        predictions=body["predictions"],
        labels=body["labels"],
        start_us=parse_rfc3339(body["start"]),
        end_us=parse_rfc3339(body["end"]),
        base_windows=body["base_windows"],
        base_us=body["base_us"],
        ignored=tuple(sorted(body["ignored"].items())),
        hash=body.get("hash", ""),
        score_classes=tuple(body.get("score_classes", ())),
        unread=tuple(body.get("unread", {}).items()),
    )


def _column_from(row: dict[str, Any]) -> Column:
    bins = ColumnBins(
        row["kind"],
        edges=tuple(row.get("edges", ())),
        low=row.get("low", 0.0),
        high=row.get("high", 0.0),
        categories=tuple(row.get("categories", ())),
        rare=tuple(row.get("rare", ())),
    )
    return Column(
        name=row["name"],
        role=row["role"],
        bins=bins,
        center=row["center"],
        scale=row["scale"],
        log_center=_number(row["log_center"]),
        log_spread=_number(row["log_spread"]),
        modal_share=row["commonest_share"],
        modal=row.get("commonest", ""),
        ticket_only=tuple(sorted(row.get("ticket_only", {}).items())),
    )
