"""Validation of a reference file, on its whole content before it is used."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from typing import Annotated, Any, Final, Literal
from zoneinfo import available_timezones

import msgspec

from monitor.clock import parse_rfc3339
from monitor.reference.column import FEATURE
from monitor.reference.file.derived import DerivedRow, derived_faults
from monitor.reference.file.effects import EffectsRow, effects_faults
from monitor.reference.file.estimate import EstimateRow, estimate_faults
from monitor.reference.file.imported import ImportedRow
from monitor.reference.file.json_faults import json_faults
from monitor.reference.file.outcomes import OutcomeRow, outcome_faults
from monitor.reference.file.performance import PerformanceRow, performance_faults
from monitor.reference.file.segments import SegmentsRow, segment_faults
from monitor.stats.bins.name_bins import BUCKETS, HASH
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC, QUALITY_COUNTS
from monitor.stats.pairs.levels import CELLS, LEVELS
from monitor.stats.season.terms import entries
from monitor.stats.testing.directions import category_directions, numeric_directions
from monitor.stats.traffic import STEPS

#: largest size of a reference file, bytes
LARGEST_BYTES: Final = 512 * 1024 * 1024
#: largest count: sums of counts must fit into 64 bits
_LARGEST: Final = 2**53
_Count = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
#: bins of a column
MOST_BINS: Final = 64


class _Level(msgspec.Struct, gc=False):
    base_windows: _Count
    events: _NotNegative
    windows: _Count
    learned: bool


class _LongRun(msgspec.Struct, gc=False):
    block: _Count
    settled: bool
    reason: str
    variance: list[_NotNegative]
    freedom: list[_NotNegative | None]
    by_rows: list[list[_NotNegative]]


class _Runs(msgspec.Struct, gc=False):
    values: _Count
    number: _Count
    longest: Annotated[list[_Count], msgspec.Meta(min_length=3, max_length=3)]
    clump: Annotated[float, msgspec.Meta(ge=1)]


class _EqualRuns(msgspec.Struct, gc=False):
    values: _Count
    number: _Count
    longest: _Count
    clump: Annotated[float, msgspec.Meta(ge=1)]
    of_commonest: _Runs | msgspec.UnsetType = msgspec.UNSET
    of_others: _Runs | msgspec.UnsetType = msgspec.UNSET


class _Season(msgspec.Struct, gc=False):
    terms: Annotated[list[str], msgspec.Meta(min_length=1)]
    shares: list[list[float]]
    error: list[float]
    means: list[float]
    falls_to: _NotNegative


class _Calendar(msgspec.Struct, gc=False):
    timezone: str
    slot_us: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]


class _Column(msgspec.Struct, gc=False, kw_only=True):
    name: str
    role: Literal["feature", "score", "prediction"]
    kind: Literal["numeric", "categorical"]
    edges: list[float] | None = None
    low: float | None = None
    high: float | None = None
    categories: list[str] | None = None
    buckets: _Count = 0
    cuts: list[_Count] | None = None
    hash: str = HASH
    known: bytes = b""
    bucket_names: list[list[str]] | None = None
    counts: list[_Count]
    missing: _Count
    absent: _Count
    unseen: _Count
    outside: _Count
    type: _Count
    center: float
    scale: Annotated[float, msgspec.Meta(gt=0)]
    log_center: float | None
    log_spread: float | None
    modal_share: _Share = msgspec.field(name="commonest_share")
    modal: Annotated[str, msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.field(
        default=msgspec.UNSET, name="commonest"
    )
    ticket_only: Annotated[dict[str, str], msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    of: str = ""
    of_kind: Literal["", "vector", "text"] = ""
    dispersion: list[_NotNegative]
    quality_dispersion: dict[str, list[_NotNegative]]
    quality_windows: dict[str, _Count]
    unseen_expected: _Count
    unseen_error: _NotNegative
    largest_distance: list[_NotNegative | None]
    kappa: float | None
    long_run: _LongRun
    equal_runs: _EqualRuns | msgspec.UnsetType = msgspec.UNSET
    season: _Season | msgspec.UnsetType = msgspec.UNSET


class _Pair(msgspec.Struct, gc=False, kw_only=True):
    columns: Annotated[list[_Count], msgspec.Meta(min_length=2, max_length=2)]
    counts: Annotated[list[_Count], msgspec.Meta(min_length=CELLS, max_length=CELLS)]
    tie: _Share
    variance: _NotNegative
    freedom: _NotNegative | None
    block: _Count
    settled: bool
    dependent: bool
    largest: list[_NotNegative | None]


class _Relations(msgspec.Struct, gc=False, kw_only=True):
    levels: list[list[Annotated[int, msgspec.Meta(ge=0, lt=LEVELS)]]]
    strongest: list[_Share | None]
    pairs: list[_Pair]
    tables: list[Annotated[list[_Count], msgspec.Meta(min_length=2 + CELLS, max_length=2 + CELLS)]] = []


class _Fact(msgspec.Struct, gc=False):
    hits: _Count
    events: _Count
    largest: list[_Share]


class _RateLevel(msgspec.Struct, gc=False):
    steps: _Count
    windows: _Count
    dispersion: Annotated[float, msgspec.Meta(ge=1)]
    least: _NotNegative
    most: _NotNegative


class _Traffic(msgspec.Struct, gc=False):
    gap_us: _Count
    step_us: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]
    steps: _Count
    per_step: _NotNegative
    most: _Count
    levels: list[_RateLevel]


class _File(msgspec.Struct, gc=False, kw_only=True):
    model: str
    version: str
    task: Literal["binary", "multiclass", "regression", "none"]
    positive: str
    events: _Count
    predictions: _Count
    labels: _Count
    start: str
    end: str
    base_windows: _Count
    base_us: _Count
    clump: _NotNegative
    levels: list[_Level]
    columns: Annotated[list[_Column], msgspec.Meta(min_length=1)]
    ignored: dict[str, str]
    in_order: bool
    score_classes: Annotated[list[str], msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    unread: Annotated[dict[str, _Count], msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    season: _Calendar | msgspec.UnsetType = msgspec.UNSET
    relations: _Relations | msgspec.UnsetType = msgspec.UNSET
    score_effects: EffectsRow | msgspec.UnsetType = msgspec.UNSET
    estimate: EstimateRow | msgspec.UnsetType = msgspec.UNSET
    derived: dict[str, DerivedRow] = {}
    facts: Annotated[dict[str, _Fact], msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    traffic: _Traffic | msgspec.UnsetType = msgspec.UNSET
    performance: PerformanceRow | msgspec.UnsetType = msgspec.UNSET
    outcomes: dict[str, OutcomeRow] = {}
    segments: Annotated[list[SegmentsRow], msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    imported: ImportedRow | msgspec.UnsetType = msgspec.UNSET


def fault_of(body: dict[str, Any]) -> str:
    """The fault of a reference file's content, with its place; "" if it is valid."""
    try:
        file = msgspec.convert(body, _File, strict=True)
    except (msgspec.ValidationError, OverflowError) as error:
        return str(error).replace("`", "").replace(" - at $", " at ")
    except UnicodeEncodeError:
        return "a text holds half of a surrogate pair"
    return next(_faults(body, file), "")


def _faults(body: dict[str, Any], file: _File) -> Iterator[str]:
    yield from json_faults(body)
    for name in ("start", "end"):
        try:
            parse_rfc3339(getattr(file, name))
        except ValueError:
            yield f"{name} is not a valid time"
    for at, level in enumerate(file.levels):
        if level.base_windows != 1 << at:
            yield f"levels[{at}].base_windows is not {1 << at}: lengths double"
        if level.learned and not level.events:
            yield f"levels[{at}] is learned but has no events"
    yield from _calendar_faults(file)
    yield from derived_faults(file.derived, [(column.name, column.of) for column in file.columns if column.of])
    yield from _fact_faults(file)
    seen: set[tuple[str, str]] = set()
    for at, column in enumerate(file.columns):
        if (column.role, column.name) in seen:
            yield f"columns[{at}]: another column has the same name and role"
        seen.add((column.role, column.name))
        for fault in _column_faults(column, len(file.levels)):
            yield f"columns[{at}]: {fault}"
    yield from _part_faults(file)


def _part_faults(file: _File) -> Iterator[str]:
    """Faults of the parts that a file need not have."""
    cut = sum(len(row.counts) for row in file.segments or ())
    yield from (f"outcomes.{fault}" for fault in outcome_faults(file.outcomes, cut))
    if file.performance is not msgspec.UNSET:
        yield from (f"performance.{fault}" for fault in performance_faults(file.performance, file.task, cut))
    if file.relations is not msgspec.UNSET:
        yield from (f"relations.{fault}" for fault in _relation_faults(file.relations, file))
    if file.score_effects is not msgspec.UNSET:
        targets = [column.role for column in file.columns if column.kind == NUMERIC]
        bins = {column.name: len(column.counts) for column in file.columns if column.role == FEATURE}
        faults = effects_faults(file.score_effects, targets, bins, len(file.levels))
        yield from (f"score_effects.{fault}" for fault in faults)
    if file.estimate is not msgspec.UNSET:
        of_columns: dict[tuple[str, str], int] = {
            (column.role, column.name): len(column.counts) for column in file.columns
        }
        yield from (f"estimate.{fault}" for fault in estimate_faults(file.estimate, of_columns))
    if file.segments is not msgspec.UNSET:
        named = [one for one in file.columns if one.role == FEATURE and one.kind != NUMERIC and not one.of]
        names = {one.name: one.categories or [] for one in named}
        each = [len(column.counts) for column in file.columns]
        yield from (f"segments: {fault}" for fault in segment_faults(file.segments, names, each, len(file.levels)))


def _relation_faults(relations: _Relations, file: _File) -> Iterator[str]:
    """Pairs of columns that have levels, in rising order; lists as long as there are columns and lengths."""
    columns = len(file.columns)
    if len(relations.levels) != columns or len(relations.strongest) != columns:
        yield f"levels and strongest do not have one entry for each of the {columns} columns"
        return
    for at, (levels, column) in enumerate(zip(relations.levels, file.columns, strict=True)):
        if levels and len(levels) != len(column.counts):
            yield f"levels[{at}] has {len(levels)} numbers, and there are {len(column.counts)} bins"
    places = [("pairs", pair.columns) for pair in relations.pairs] + [("tables", row[:2]) for row in relations.tables]
    for name, (first, second) in places:
        if not first < second < columns or not relations.levels[first] or not relations.levels[second]:
            yield f"{name}: {first} and {second} are not two columns with levels, in their order"
    for at, pair in enumerate(relations.pairs):
        if len(pair.largest) != len(file.levels):
            yield f"pairs[{at}].largest has {len(pair.largest)} numbers, and there are {len(file.levels)} levels"
        if pair.variance < 1 or not sum(pair.counts):
            yield f"pairs[{at}] has a variance below 1, or no events"


def _fact_faults(file: _File) -> Iterator[str]:
    for name, fact in file.facts.items() if file.facts is not msgspec.UNSET else ():
        if fact.hits > fact.events:
            yield f"facts.{name} has more hits than events"
    if file.traffic is msgspec.UNSET:
        return
    for at, level in enumerate(file.traffic.levels):
        if level.steps != STEPS << at:
            yield f"traffic.levels[{at}].steps is not {STEPS << at}: lengths double"
        if not file.traffic.per_step:
            yield "traffic.per_step is 0, but there are levels"


def _column_faults(column: _Column, levels: int) -> Iterator[str]:
    bins = yield from _bins(column)
    if len(column.counts) != bins:
        yield f"counts has {len(column.counts)} numbers, and there are {bins} bins"
    if sum(column.counts) > _LARGEST:
        yield "counts are too large"
    for what, of_each in (
        ("quality_dispersion", column.quality_dispersion),
        ("quality_windows", column.quality_windows),
    ):
        if of_each.keys() != set(QUALITY_COUNTS):
            yield f"{what} does not have {', '.join(QUALITY_COUNTS)}"
    yield from _long_run_faults(column, bins)
    if column.season is not msgspec.UNSET:
        yield from _season_faults(column.season, bins)
    runs = column.equal_runs
    if runs is not msgspec.UNSET and not (runs.number <= runs.values and runs.longest <= runs.values):
        yield "equal_runs has more runs than values, or a longer one"
    if runs is not msgspec.UNSET and (runs.of_commonest is msgspec.UNSET) != (runs.of_others is msgspec.UNSET):
        yield "equal_runs has only one of of_commonest and of_others"
    lists: list[tuple[str, Sequence[float | None]]] = [
        ("dispersion", column.dispersion),
        ("largest_distance", column.largest_distance),
        *column.quality_dispersion.items(),
    ]
    for name, values in lists:
        if len(values) != levels:
            yield f"{name} has {len(values)} numbers, and there are {levels} levels"


def _bins(column: _Column) -> Generator[str, None, int]:
    """Faults of the bins; returns their number."""
    edges, names = column.edges or [], column.categories or []
    if column.kind == NUMERIC:
        if column.edges is None or column.low is None or column.high is None:
            yield "edges, low or high is missing"
        elif names or column.buckets:
            yield "a numeric column has no categories"
        elif any(a >= b for a, b in itertools.pairwise(edges)):
            yield "edges do not rise"
        elif column.low > column.high:
            yield "low is above high"
        return len(edges) + 1
    if column.kind == CATEGORICAL and column.categories is None:
        yield "categories is missing"
    if edges:
        yield "a categorical column has no edges"
    if len(set(names)) < len(names):
        yield "a category is listed twice"
    yield from _bucket_faults(column, len(names))
    return len(names) + column.buckets


def _bucket_faults(column: _Column, names: int) -> Iterator[str]:
    if column.buckets not in {0, BUCKETS}:
        yield f"buckets is {column.buckets}, not 0 or {BUCKETS}"
    elif column.buckets:
        cuts = column.cuts or []
        if column.hash != HASH:
            yield f"hash is {column.hash[:20]!r}, and this version counts by {HASH}"
        if not cuts or cuts[0] or cuts[-1] != names or any(a >= b for a, b in itertools.pairwise(cuts)):
            yield "cuts do not rise from 0 to the number of categories"
        if len(column.known) % 8:
            yield "known is not a whole number of hashes of 8 bytes"
        if len(column.bucket_names or []) != column.buckets:
            yield f"bucket_names does not have {column.buckets} lists"


def _long_run_faults(column: _Column, bins: int) -> Iterator[str]:
    """There must be one variance for each direction of that many bins."""
    run = column.long_run
    if bins > MOST_BINS:
        yield f"it has {bins} bins, and {MOST_BINS} are the most"
        return
    if column.kind == NUMERIC:
        count = numeric_directions(bins).count
    else:
        count = category_directions(bins - column.buckets, column.buckets).count
    if not len(run.variance) == len(run.freedom) == count or any(len(row) != count for row in run.by_rows):
        yield f"long_run does not have {count} directions"


def _season_faults(season: _Season, bins: int) -> Iterator[str]:
    """A fit must have the entries of its terms, and the bins of the column."""
    try:
        size = len(entries(season.terms))
    except ValueError as error:
        yield f"season: {error}"
        return
    if len(season.shares) != size or any(len(row) != bins for row in season.shares):
        yield f"season.shares is not {size} lists of {bins} numbers"
    if len(season.means) != size:
        yield f"season.means does not have {size} numbers"
    if len(season.error) != size * (size + 1) // 2:
        yield f"season.error does not have {size * (size + 1) // 2} numbers"


def _calendar_faults(file: _File) -> Iterator[str]:
    """Waves need a calendar, whose time zone is known here."""
    if all(column.season is msgspec.UNSET for column in file.columns):
        return
    if file.season is msgspec.UNSET:
        yield "columns have a season, and the file has none"
    elif file.season.timezone not in available_timezones():
        yield f"season.timezone {file.season.timezone[:40]!r} is not known here"
