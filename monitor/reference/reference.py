"""The reference that a model version is compared with: one JSON file with a hash.

It holds all that the tests need: bins, counts, and the variability of the reference's own rows and windows (long-run
variances, dispersions and the largest distance of a window from the rest).
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import parse_rfc3339, rfc3339
from monitor.events import ModelKey
from monitor.stats.bins import NUMERIC, QUALITY_COUNTS, ColumnBins, outside_bins, width_of
from monitor.stats.directions import ColumnDirections, category_directions, numeric_directions
from monitor.stats.equal_runs import EqualRuns
from monitor.stats.long_run import LongRun
from monitor.stats.name_bins import HASH
from monitor.text import percent

FORMAT: Final = "driftd-reference/2"

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
    changes that way.
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


@dataclass(frozen=True, slots=True)
class Level:
    """A window length inside the reference, in base windows, and its events on average.

    `learned`: the reference has at least three windows of it side by side, so its largest distance is known.
    """

    base_windows: int
    events: float
    windows: int
    learned: bool


@dataclass(frozen=True)
class ReferenceVariability:
    """Variability of a reference's rows and windows. Shapes: C columns, Q quality counts, K levels.

    `long_runs` (C) of each column's directions. `overdispersion` (C, K) of the value bins, `quality_overdispersion`
    (C, Q, K) of each quality count, `quality_windows` (C, Q) base windows where it is not 0. `unseen_expected` (C,)
    never-seen values expected among as many events, `unseen_error` (C,) by how much the error of that is larger than
    from independent events. `max_reference_distance` (C, K): largest change of a direction's share in a window against
    the rest (NaN: not learned). `kappa` (C,) how much more similar near events are than far ones (NaN: not known).
    `equal_runs` (C) runs of one value; empty in older files. `clump`: events per cluster, 1 for independent ones.
    """

    long_runs: tuple[LongRun, ...]
    overdispersion: NDArray[np.float64]
    quality_overdispersion: NDArray[np.float64]
    quality_windows: NDArray[np.int64]
    unseen_expected: NDArray[np.int64]
    unseen_error: NDArray[np.float64]
    max_reference_distance: NDArray[np.float64]
    kappa: NDArray[np.float64]
    equal_runs: tuple[EqualRuns, ...]
    clump: float = 1.0

    def of(self, columns: list[int]) -> ReferenceVariability:
        """The variability of some columns, by their indexes."""
        return replace(
            self,
            long_runs=tuple(self.long_runs[at] for at in columns),
            overdispersion=self.overdispersion[columns],
            quality_overdispersion=self.quality_overdispersion[columns],
            quality_windows=self.quality_windows[columns],
            unseen_expected=self.unseen_expected[columns],
            unseen_error=self.unseen_error[columns],
            max_reference_distance=self.max_reference_distance[columns],
            kappa=self.kappa[columns],
            equal_runs=tuple(self.equal_runs[at] for at in columns),
        )

    @classmethod
    def unknown(cls, columns: tuple[Column, ...], levels: int = 0) -> ReferenceVariability:
        """For columns with no counts yet: independent events, nothing learned."""
        n, q = len(columns), len(QUALITY_COUNTS)
        return cls(
            long_runs=tuple(LongRun.independent(column.directions().count) for column in columns),
            overdispersion=np.ones((n, levels)),
            quality_overdispersion=np.ones((n, q, levels)),
            quality_windows=np.zeros((n, q), np.int64),
            unseen_expected=np.zeros(n, np.int64),
            unseen_error=np.ones(n),
            max_reference_distance=np.full((n, levels), np.nan),
            kappa=np.full(n, np.nan),
            equal_runs=(EqualRuns(),) * n,
        )


@dataclass(frozen=True)
class Reference:
    """Shapes: C columns, B value bins (the widest column's).

    `counts` (C, B + Q): bins, then the Q quality counts; `variability` see there.
    `in_order`: the events' times define their order.
    `score_classes` are the classes named in `scores`, `unread` the fields of events that are not used, with counts.
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
        at = next(at for at, one in enumerate(self.columns) if one is column)
        bins, share = column.bins, column.modal_share
        if not self.counts[at, : bins.bins].any():
            return "it has no values"
        if bins.kind == NUMERIC:
            value = f"are {column.modal}" if column.modal else "are one and the same value"
            return "" if bins.edges else "one value alone" if share == 1 else f"{percent(share)} {value}"
        return "one value alone" if bins.bins == 1 else ""


def digest(body: dict[str, Any]) -> str:
    """`sha256:…` of a reference's JSON, independent of its layout in the file."""
    content = {name: value for name, value in body.items() if name != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def with_hash(reference: Reference) -> Reference:
    """The same reference with its hash."""
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
        "clump": reference.variability.clump,
        "levels": [
            {"base_windows": x.base_windows, "events": x.events, "windows": x.windows, "learned": x.learned}
            for x in reference.levels
        ],
        "columns": [_column_json(reference, at) for at in range(len(reference.columns))],
        "ignored": dict(reference.ignored),
        "in_order": reference.in_order,
        **({"score_classes": list(reference.score_classes)} if reference.score_classes else {}),
        **({"unread": dict(reference.unread)} if reference.unread else {}),
    }


def _column_json(reference: Reference, at: int) -> dict[str, Any]:
    column, counts, width = reference.columns[at], reference.counts[at], reference.width
    kind: dict[str, Any] = (
        {"edges": list(column.bins.edges), "low": column.bins.low, "high": column.bins.high}
        if column.bins.kind == "numeric"
        else {"categories": list(column.bins.categories), **_buckets_json(column.bins)}
    )
    varies = reference.variability
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
        "dispersion": varies.overdispersion[at].tolist(),
        "quality_dispersion": dict(zip(QUALITY_COUNTS, varies.quality_overdispersion[at].tolist(), strict=True)),
        "quality_windows": dict(zip(QUALITY_COUNTS, varies.quality_windows[at].tolist(), strict=True)),
        "unseen_expected": int(varies.unseen_expected[at]),
        "unseen_error": float(varies.unseen_error[at]),
        "largest_distance": [_nullable(x) for x in varies.max_reference_distance[at].tolist()],
        "kappa": _nullable(float(varies.kappa[at])),
        "long_run": varies.long_runs[at].to_plain(),
        **({"equal_runs": varies.equal_runs[at].to_plain()} if varies.equal_runs[at].number else {}),
    }


def _buckets_json(bins: ColumnBins) -> dict[str, Any]:
    if not bins.buckets:
        return {}
    return {
        "buckets": bins.buckets,
        "cuts": list(bins.cuts),
        "hash": HASH,
        "known": base64.b64encode(bins.known).decode("ascii"),
        "bucket_names": [list(names) for names in bins.bucket_names],
    }


def _nullable(number: float) -> float | None:
    return None if np.isnan(number) else number


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def from_json(body: dict[str, Any]) -> Reference:
    """The reference from the file's content."""
    rows = body["columns"]
    columns = tuple(_column_from(row) for row in rows)
    width = width_of([column.bins for column in columns])
    counts = np.zeros((len(rows), width + len(QUALITY_COUNTS)), np.int64)
    for at, row in enumerate(rows):
        counts[at, : columns[at].bins.bins] = row["counts"]
        counts[at, width:] = [row[quality_count] for quality_count in QUALITY_COUNTS]
    levels = tuple(Level(x["base_windows"], x["events"], x["windows"], x["learned"]) for x in body["levels"])
    return Reference(
        key=ModelKey(body["model"], body["version"]),
        task=body["task"],
        positive=body["positive"],
        columns=columns,
        counts=counts,
        levels=levels,
        variability=_variability_from(rows, len(levels), float(body["clump"])),
        events=body["events"],
        predictions=body["predictions"],
        labels=body["labels"],
        start_us=parse_rfc3339(body["start"]),
        end_us=parse_rfc3339(body["end"]),
        base_windows=body["base_windows"],
        base_us=body["base_us"],
        ignored=tuple(sorted(body["ignored"].items())),
        in_order=body["in_order"],
        hash=body.get("hash", ""),
        score_classes=tuple(body.get("score_classes", ())),
        unread=tuple(body.get("unread", {}).items()),
    )


def _variability_from(rows: list[dict[str, Any]], levels: int, clump: float) -> ReferenceVariability:
    n, q = len(rows), len(QUALITY_COUNTS)
    quality = [[row["quality_dispersion"][name] for name in QUALITY_COUNTS] for row in rows]
    windows = [[row["quality_windows"][name] for name in QUALITY_COUNTS] for row in rows]
    largest = [[_number(x) for x in row["largest_distance"]] for row in rows]
    return ReferenceVariability(
        long_runs=tuple(LongRun.from_plain(row["long_run"]) for row in rows),
        overdispersion=np.array([row["dispersion"] for row in rows], np.float64).reshape(n, levels),
        quality_overdispersion=np.array(quality, np.float64).reshape(n, q, levels),
        quality_windows=np.array(windows, np.int64).reshape(n, q),
        unseen_expected=np.array([row["unseen_expected"] for row in rows], np.int64),
        unseen_error=np.array([row["unseen_error"] for row in rows], np.float64),
        max_reference_distance=np.array(largest, np.float64).reshape(n, levels),
        kappa=np.array([_number(row["kappa"]) for row in rows], np.float64),
        equal_runs=tuple(
            EqualRuns.from_plain(row["equal_runs"]) if "equal_runs" in row else EqualRuns() for row in rows
        ),
        clump=clump,
    )


def _column_from(row: dict[str, Any]) -> Column:
    bins = ColumnBins(
        row["kind"],
        edges=tuple(row.get("edges", ())),
        low=row.get("low", 0.0),
        high=row.get("high", 0.0),
        categories=tuple(row.get("categories", ())),
        buckets=row.get("buckets", 0),
        cuts=tuple(row.get("cuts", ())),
        known=base64.b64decode(row.get("known", "")),
        bucket_names=tuple(map(tuple, row.get("bucket_names", ()))),
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
