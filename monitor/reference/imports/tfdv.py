"""TensorFlow Data Validation: statistics (binary, text or TFRecord), and beside them a schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from monitor.errors import UsageError
from monitor.reference.imports.shape import ImportedColumn, ImportedData, ImportedFile
from monitor.reference.imports.tfdv_messages import SCHEMA, STATISTICS, from_bytes, from_text
from monitor.reference.imports.tfdv_schema import apply_schema
from monitor.reference.imports.tfrecord import is_tfrecord, records_of
from monitor.stats.bins.weighted import Shares
from monitor.text import listed, many, quoted

SYSTEM: Final = "tfdv"
#: the slice that holds every example
ALL: Final = "All Examples"
#: by how much its quantiles are off, as measured on columns of 10,000 to 1,000,000 values
ERROR: Final = 0.005
#: a quantile of integers is exact only where few rows have that very value
MOST_OF_ONE: Final = 0.01
_TEXT: Final = re.compile(
    rb"\s*(#.*\s+)*(datasets|feature|string_domain|int_domain|float_domain|default_environment)\b"
)
_MOST_NAMED: Final = 10
#: fewer values may all be different
_FEW: Final = 100


def read_tfdv(files: Sequence[ImportedFile], slice_name: str = "") -> ImportedData:
    """The statistics of one data set, and its schema if there is one.

    Raises:
        UsageError: files that are neither, or no statistics.
    """
    statistics: list[tuple[ImportedFile, Any]] = []
    schemas: list[tuple[ImportedFile, Any]] = []
    for file in files:
        kind, message = _message(file)
        (statistics if kind == STATISTICS else schemas).append((file, message))
    if len(statistics) > 1 or len(schemas) > 1:
        both = f"{many(len(statistics), 'file')} of statistics and {len(schemas)} of schemas"
        raise UsageError(f"SOURCE: {both}: give one file of statistics, and at most one schema (schema.pbtxt)")
    if not statistics:
        raise UsageError(f"{schemas[0][0].name}: is a schema; give the statistics too (FeatureStats.pb)")
    file, message = statistics[0]
    data = ImportedData(SYSTEM)
    dataset = _dataset(file.name, message, slice_name)
    data.examples = float(dataset.num_examples)
    data.columns = [_column(feature, data.examples) for feature in dataset.features]
    if not data.columns:
        raise UsageError(f"{file.name}: the statistics are empty: no feature is in them")
    if dataset.weighted_num_examples not in {0.0, data.examples}:
        data.notes.append("weights of examples are left aside: every example counts once")
    for _, schema in schemas:
        apply_schema(schema, data)
    data.notes += _notes(data)
    return data


def _notes(data: ImportedData) -> Iterator[str]:
    yield "score and prediction: TFDV has features only; they are learned in the warm-up"
    yield "order of rows: how windows vary is not in it; it is learned in the warm-up"


def _message(file: ImportedFile) -> tuple[str, Any]:
    """What a file holds: statistics or a schema."""
    name, data = file.name, file.data
    if file.table is not None:
        raise UsageError(f"{name}: is a table of rows; give the statistics of StatisticsGen (FeatureStats.pb)")
    if not data:
        raise UsageError(f"{name}: is empty; give the statistics of StatisticsGen (FeatureStats.pb)")
    if _TEXT.match(data):
        kind = STATISTICS if data.lstrip().startswith(b"datasets") else SCHEMA
        try:
            return kind, from_text(kind, data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{name}: is no text form of {kind}: {error}") from None
    if is_tfrecord(data):
        records = records_of(name, data)
        if len(records) != 1:
            what = f"{many(len(records), 'record')}, and statistics are one"
            raise UsageError(f"{name}: is a TFRecord of {what}; examples are no statistics")
        data = records[0]
    if data[:1] in b"{[" or data[:2] == b"\x1f\x8b":
        what = "JSON" if data[:1] in b"{[" else "compressed (gzip): decompress it first"
        raise UsageError(f"{name}: is {what}, not statistics of TFDV (binary, text or TFRecord)")
    return _of_bytes(name, data)


def _of_bytes(name: str, data: bytes) -> tuple[str, Any]:
    try:
        statistics = from_bytes(STATISTICS, data)
    except ValueError:
        statistics = None
    if statistics is not None and any(len(one.features) for one in statistics.datasets):
        return STATISTICS, statistics
    try:
        schema = from_bytes(SCHEMA, data)
    except ValueError:
        schema = None
    if schema is not None and any(one.name and one.type for one in schema.feature):
        return SCHEMA, schema
    if statistics is not None and statistics.datasets:
        raise UsageError(f"{name}: the statistics are empty: no feature is in them")
    raise UsageError(f"{name}: is neither a DatasetFeatureStatisticsList nor a Schema, or is cut off; copy it again")


def _dataset(name: str, statistics: Any, slice_name: str) -> Any:  # noqa: ANN401  # messages
    """The data set of all examples, or the slice that was asked for."""
    names = [one.name for one in statistics.datasets]
    wanted = slice_name or ALL
    found = [one for one in statistics.datasets if one.name == wanted]
    if not found and not slice_name and len(names) == 1:
        found = list(statistics.datasets)
    if len(found) != 1:
        known = (
            f"write --slice with one of {listed(map(quoted, names), _MOST_NAMED)}"
            if any(names)
            else ("its data set has no name: leave --slice out")
        )
        raise UsageError(f"{name}: no slice {wanted!r} in it; {known}")
    return found[0]


def _name(feature: Any) -> str:  # noqa: ANN401  # as above
    return ".".join(feature.path.step) if feature.HasField("path") else str(feature.name)


def _column(feature: Any, examples: float) -> ImportedColumn:  # noqa: ANN401  # as above
    column = ImportedColumn(_name(feature))
    which = next(
        (one for one in ("num_stats", "string_stats", "bytes_stats", "struct_stats") if feature.HasField(one)), ""
    )
    if not which:
        column.left_out = "there are no statistics of its values"
        return column
    statistics = getattr(feature, which)
    common = statistics.common_stats
    column.present, column.missing = float(common.num_non_missing), float(common.num_missing)
    if which in {"bytes_stats", "struct_stats"}:
        what = "a structure: its fields are features of their own" if which == "struct_stats" else "bytes"
        column.left_out = f"it is {what}"
    elif common.max_num_values > 1:
        column.left_out = f"it has up to {common.max_num_values} values an example; lists are not imported"
    elif which == "num_stats":
        _numeric(column, statistics, is_integer=feature.type == 0)
    else:
        _strings(column, statistics)
    return column


def _strings(column: ImportedColumn, statistics: Any) -> None:  # noqa: ANN401  # as above
    """The rank histogram has up to a thousand values, the list of top values twenty."""
    ranked = statistics.rank_histogram.buckets
    if ranked and all(one.low_rank == one.high_rank for one in ranked):
        pairs = [(one.label, one.sample_count) for one in ranked]
    else:
        pairs = [(one.value, one.frequency) for one in statistics.top_values]
    column.categories = [(name.decode("utf-8", "replace"), float(count)) for name, count in pairs]
    total = float(statistics.common_stats.tot_num_values) or column.present
    if 2 * statistics.unique > column.present > _FEW:
        column.left_out = (
            f"{many(statistics.unique, 'different value')} in {column.present:,.0f}: an identifier, or text"
        )
    column.others = max(total - sum(count for _, count in column.categories), 0.0)
    if not column.categories and statistics.unique and column.present:
        column.left_out = f"its {many(statistics.unique, 'value')} are not listed: an identifier, or free text"


def _numeric(column: ImportedColumn, statistics: Any, *, is_integer: bool) -> None:  # noqa: ANN401  # as above
    histograms = [one for one in statistics.histograms if len(one.buckets)]
    if not histograms or not column.present:
        column.left_out = "it has no values" if not column.present else "there is no histogram of its values"
        return
    nan = max(float(one.num_nan) for one in histograms)
    column.present, column.missing = column.present - nan, column.missing + nan
    low, high = float(statistics.min), float(statistics.max)
    finite = [bucket for one in histograms for bucket in one.buckets]
    if not all(map(math.isfinite, (low, high))):
        ends = [end for one in finite for end in (one.low_value, one.high_value) if math.isfinite(end)]
        low, high = (min(ends), max(ends)) if ends else (0.0, 0.0)
    column.mean, column.deviation = float(statistics.mean), float(statistics.std_dev)
    column.error = ERROR
    if low == high:
        column.numbers = Shares(low, high, np.zeros(0), np.zeros(0))
        return
    places = _places(histograms, low, high, is_integer=is_integer)
    places = _with_zeros(places, float(statistics.num_zeros) / max(column.present, 1.0), low, high)
    column.numbers = Shares(low, high, np.array([one for one, _ in places]), np.array([one for _, one in places]))


def _places(histograms: Sequence[Any], low: float, high: float, *, is_integer: bool) -> list[tuple[float, float]]:
    """(value, share of values up to it), rising, from the quantiles and from the buckets of equal width.

    A quantile that many rows have says little: the share up to it is only known to lie between two quantiles. With
    integers that is how it is wherever a value is frequent, by the buckets of equal width.
    """
    quantiles = next((_reached(one) for one in histograms if one.type == 1), [])
    standard = next((_reached(one) for one in histograms if one.type == 0), [])
    density = _density(standard, low) if is_integer else []
    places: dict[float, float] = {}
    for value, share in quantiles:
        of_one = next((mass for end, mass in density if value <= end), 0.0)
        if of_one <= MOST_OF_ONE:
            places[value] = max(share, places.get(value, 0.0))
    if not quantiles or is_integer:
        places |= {value: share for value, share in standard if value not in places}
    rising, reached = [], 0.0
    for value in sorted(places):
        if low <= value < high and places[value] >= reached:
            reached = min(places[value], 1.0)
            rising.append((value, reached))
    return rising


def _reached(histogram: Any) -> list[tuple[float, float]]:  # noqa: ANN401  # as above
    """(end of a bucket, share of values up to it)."""
    total = sum(max(one.sample_count, 0.0) for one in histogram.buckets)
    reached, places = 0.0, []
    for one in histogram.buckets:
        reached += max(one.sample_count, 0.0)
        if math.isfinite(one.high_value) and total > 0:
            places.append((float(one.high_value), reached / total))
    return places


def _density(standard: Sequence[tuple[float, float]], low: float) -> list[tuple[float, float]]:
    """(end of a bucket, share of one integer in it)."""
    found, begin, before = [], low, 0.0
    for end, share in standard:
        found.append((end, (share - before) / max(end - begin, 1.0)))
        begin, before = end, share
    return found


def _with_zeros(places: list[tuple[float, float]], zeros: float, low: float, high: float) -> list[tuple[float, float]]:
    """With what is told of zeros: where they are many, the share up to them is known exactly if none is below."""
    if zeros <= MOST_OF_ONE or low != 0 or high <= 0:
        return places
    return [(0.0, zeros), *((value, max(share, zeros)) for value, share in places if value > 0)]
