"""A reference as JSON with a hash: the content of its file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from monitor.clock import parse_rfc3339, rfc3339
from monitor.events import ModelKey
from monitor.reference.column import Column
from monitor.reference.estimate import estimate_from, estimate_json
from monitor.reference.file.derived import derived_from_json, derived_json
from monitor.reference.imported import Imported
from monitor.reference.outcome_part import ReferenceOutcome
from monitor.reference.performance_part import ReferencePerformance
from monitor.reference.reference import Reference
from monitor.reference.relations import relations_from, relations_json
from monitor.reference.score_effects import ScoreEffects
from monitor.reference.season import ColumnSeason, Seasons
from monitor.reference.segments import Segments
from monitor.reference.variability import Level, ReferenceVariability
from monitor.stats.bins.name_bins import HASH
from monitor.stats.bins.reference_bins import QUALITY_COUNTS, ColumnBins, width_of
from monitor.stats.testing.fact_share import FactShare
from monitor.stats.traffic import Traffic
from monitor.stats.variance.equal_runs import EqualRuns
from monitor.stats.variance.long_run import LongRun

FORMAT: Final = "driftd-reference/2"
#: of an import alone: what reads only the one before must not judge by it
FORMAT_OF_IMPORT: Final = "driftd-reference/3"
FORMATS: Final = (FORMAT, FORMAT_OF_IMPORT)


def digest(body: dict[str, Any]) -> str:
    """`sha256:…` of a reference's JSON, independent of its layout in the file."""
    content = {name: value for name, value in body.items() if name not in {"hash", "note"}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def with_hash(reference: Reference) -> Reference:
    """The same reference with its hash."""
    return replace(reference, hash=digest(to_json(reference)))


def to_json(reference: Reference) -> dict[str, Any]:
    """The file's content, without the hash."""
    return {
        "format": FORMAT_OF_IMPORT if reference.is_import_alone else FORMAT,
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
        **({"feature_order": list(reference.feature_order)} if reference.feature_order else {}),
        **({"score_classes": list(reference.score_classes)} if reference.score_classes else {}),
        **({"unread": dict(reference.unread)} if reference.unread else {}),
        **({"note": reference.note} if reference.note else {}),
        **({"season": reference.seasons.to_plain()} if reference.seasons else {}),
        **({"relations": relations_json(reference.relations)} if reference.relations is not None else {}),
        **({"derived": derived_json(reference.derived)} if reference.derived else {}),
        **({"facts": {name: fact.to_plain() for name, fact in reference.facts}} if reference.facts else {}),
        **({"traffic": reference.traffic.to_plain()} if reference.traffic else {}),
        **({} if reference.effects is None else {"score_effects": reference.effects.to_plain(reference.columns)}),
        **({} if reference.performance is None else {"performance": reference.performance.to_plain()}),
        **({"outcomes": _outcomes_json(reference.outcomes)} if reference.outcomes else {}),
        **({} if reference.estimate is None else {"estimate": estimate_json(reference.estimate, reference.columns)}),
        **({} if reference.segments is None else {"segments": reference.segments.to_plain(_bins(reference))}),
        **({} if reference.imported is None else {"imported": reference.imported.to_plain()}),
    }


def _outcomes_json(outcomes: Mapping[str, ReferenceOutcome]) -> dict[str, Any]:
    return {name: outcome.to_plain() for name, outcome in sorted(outcomes.items())}


def _bins(reference: Reference) -> list[int]:
    return [column.bins.bins for column in reference.columns]


def _column_json(reference: Reference, at: int) -> dict[str, Any]:
    column, counts, width = reference.columns[at], reference.counts[at], reference.width
    kind: dict[str, Any] = (
        {"edges": list(column.bins.edges), "low": column.bins.low, "high": column.bins.high}
        if column.bins.kind == "numeric"
        else {"categories": list(column.bins.categories), **_buckets_json(column.bins)}
    )
    varies = reference.variability
    season = reference.seasons.columns.get(at) if reference.seasons else None
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
        **({"of": column.parent, "of_kind": column.parent_kind} if column.parent else {}),
        "dispersion": varies.overdispersion[at].tolist(),
        "quality_dispersion": dict(zip(QUALITY_COUNTS, varies.quality_overdispersion[at].tolist(), strict=True)),
        "quality_windows": dict(zip(QUALITY_COUNTS, varies.quality_windows[at].tolist(), strict=True)),
        "unseen_expected": int(varies.unseen_expected[at]),
        "unseen_error": float(varies.unseen_error[at]),
        "largest_distance": [_nullable(x) for x in varies.max_reference_distance[at].tolist()],
        "kappa": _nullable(float(varies.kappa[at])),
        "long_run": varies.long_runs[at].to_plain(),
        **({"equal_runs": varies.equal_runs[at].to_plain()} if varies.equal_runs[at].number else {}),
        **({"season": season.to_plain()} if season else {}),
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
        note=body.get("note", ""),
        seasons=_seasons_from(body),
        relations=relations_from(body["relations"], len(levels)) if "relations" in body else None,
        feature_order=tuple(body.get("feature_order", ())),
        derived=derived_from_json(body.get("derived", {}), [column.name for column in columns]),
        facts=tuple((name, FactShare.from_plain(fact)) for name, fact in body.get("facts", {}).items()),
        traffic=Traffic.from_plain(body["traffic"]) if "traffic" in body else None,
        effects=ScoreEffects.from_plain(body["score_effects"], columns, width) if "score_effects" in body else None,
        performance=ReferencePerformance.from_plain(body["performance"]) if "performance" in body else None,
        outcomes={name: ReferenceOutcome.from_plain(one) for name, one in body.get("outcomes", {}).items()},
        estimate=estimate_from(body["estimate"], columns, width) if "estimate" in body else None,
        segments=Segments.from_plain(body["segments"], width, len(levels)) if "segments" in body else None,
        imported=Imported.from_plain(body["imported"]) if "imported" in body else None,
    )


def _seasons_from(body: dict[str, Any]) -> Seasons | None:
    columns = {at: ColumnSeason.from_plain(row["season"]) for at, row in enumerate(body["columns"]) if "season" in row}
    return Seasons.from_plain(body["season"], columns) if columns else None


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
        parent=row.get("of", ""),
        parent_kind=row.get("of_kind", ""),
    )
