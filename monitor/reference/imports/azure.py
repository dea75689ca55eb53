"""Azure Machine Learning: the thresholds of a monitor (YAML), and the data asset that it compares with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any, Final

from monitor.errors import UsageError
from monitor.reference.imported import Limit
from monitor.reference.imports.limits import JENSEN_SHANNON_DISTANCE, MISSING, OUTSIDE, PSI, TYPE, UNSEEN
from monitor.reference.imports.shape import ImportedColumn, ImportedData, ImportedFile
from monitor.reference.imports.table import table_columns
from monitor.reference.imports.trees import below, number_of, rows_of, yaml_of
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC

SYSTEM: Final = "azure"
_WHAT: Final = "the monitor's YAML and the data asset that it compares with (.csv, .parquet, .jsonl, MLTable)"
_MEASURES: Final[Mapping[tuple[str, str], str]] = {
    **{(kind, "jensen_shannon_distance"): JENSEN_SHANNON_DISTANCE for kind in (NUMERIC, CATEGORICAL)},
    **{(kind, "population_stability_index"): PSI for kind in (NUMERIC, CATEGORICAL)},
    **{(kind, "null_value_rate"): MISSING for kind in (NUMERIC, CATEGORICAL)},
    **{(kind, "data_type_error_rate"): TYPE for kind in (NUMERIC, CATEGORICAL)},
    (NUMERIC, "out_of_bounds_rate"): OUTSIDE,
    (CATEGORICAL, "out_of_bounds_rate"): UNSEEN,
}
_WHY: Final = {
    "normalized_wasserstein_distance": "it is by the values themselves, and a stream is kept as counts of bins",
    "two_sample_kolmogorov_smirnov_test": "it is a p-value of one run; driftd tests by its own budget of pages",
    "pearsons_chi_squared_test": "it is a p-value of one run; driftd tests by its own budget of pages",
}
_SIGNALS: Final = ("data_drift", "data_quality")
_LIST_OF: Final = {"numerical": NUMERIC, "categorical": CATEGORICAL}


def read_azure(files: Sequence[ImportedFile], _slice_name: str = "") -> ImportedData:
    """Distributions by the data asset, limits by the monitor.

    Raises:
        UsageError: there is no table, or a YAML file is no monitor.
    """
    mltables = [one for one in files if one.name.rsplit("/", 1)[-1] == "MLTable"]
    tables = [one for one in files if one.table is not None]
    for one in mltables:
        tables = _tables_of(one, tables)
    monitors = [one for one in files if one.table is None and one not in mltables]
    if len(tables) != 1:
        found = f"{len(tables)} tables ({', '.join(one.name for one in tables[:5])})" if tables else "no table"
        raise UsageError(f"SOURCE: {found}; one is needed: give {_WHAT}")
    data = ImportedData(SYSTEM)
    data.columns = list(table_columns(tables[0].table or {}))
    data.examples = float(max((len(cells) for cells in (tables[0].table or {}).values()), default=0))
    for one in monitors:
        _with_monitor(one.name, yaml_of(one, _WHAT), data)
    data.notes.append("score and prediction are learned in the warm-up, as is how windows vary")
    return data


def _tables_of(mltable: ImportedFile, tables: Sequence[ImportedFile]) -> list[ImportedFile]:
    """The tables that an MLTable names, of those that are beside it."""
    wanted: list[str] = []
    for row in rows_of(yaml_of(mltable, _WHAT).get("paths")):
        place = str(next(iter(row.values()), ""))
        if "://" in place:
            raise UsageError(f"{mltable.name}: paths names {place[:60]!r}, which is elsewhere; download it beside it")
        wanted.append(place.removeprefix("./"))
    if not wanted:
        raise UsageError(f"{mltable.name}: has no paths; give {_WHAT}")
    return [one for one in tables if any(fnmatch(one.name, f"*{pattern}") for pattern in wanted)]


def _with_monitor(file: str, tree: Mapping[str, Any], data: ImportedData) -> None:
    places = (tree, below(tree, "create_monitor"), below(tree, "monitor_definition"))
    signals = next(filter(None, (below(place, "monitoring_signals") for place in places)), None)
    if signals is None:
        raise UsageError(f"{file}: has no monitoring_signals; give {_WHAT}")
    for name, signal in signals.items():
        kind = str(below(signals, str(name)).get("type", ""))
        if kind not in _SIGNALS:
            data.notes.append(f"signal {name} ({kind or 'without a type'}) is not of features: it is not imported")
            continue
        _with_signal(str(name), signal, data)


def _with_signal(name: str, signal: Mapping[str, Any], data: ImportedData) -> None:
    features = signal.get("features")
    wanted = {str(one) for one in features} if isinstance(features, list) else {one.name for one in data.columns}
    if isinstance(features, dict):
        data.notes.append(f"signal {name}: top_n_feature_importance is not known here; it is taken for all features")
    data.notes += [
        f"{one}: is in signal {name}, and the data asset does not have it"
        for one in sorted(wanted - {column.name for column in data.columns})
    ]
    for kind, metric, most in _thresholds(signal.get("metric_thresholds")):
        for column in data.columns:
            if column.name in wanted and _kind_of(column) == kind and not column.left_out:
                measure = _MEASURES.get((kind, metric), "")
                why = "" if measure else _WHY.get(metric, "it is no measure that is known")
                limit_name = f"{name}.{metric}"
                column.limits.append(Limit(column.name, limit_name, measure, most, why))


def _kind_of(column: ImportedColumn) -> str:
    return NUMERIC if column.categories is None else CATEGORICAL


def _thresholds(tree: object) -> Iterator[tuple[str, str, float]]:
    """(kind of feature, metric, threshold), in the spelling of the YAML and in that of older files and of the SDK."""
    if isinstance(tree, dict):
        for word, kind in _LIST_OF.items():
            for metric, value in below(tree, word).items():
                if math.isfinite(most := number_of(value)):
                    yield kind, str(metric), most
    for one in rows_of(tree):
        most = number_of(one.get("threshold"))
        asked = str(one.get("applicable_feature_type", one.get("data_type", ""))).lower()
        kinds = [_LIST_OF[asked]] if asked in _LIST_OF else list(_LIST_OF.values())
        for kind in kinds if math.isfinite(most) else ():
            yield kind, str(one.get("metric_name", one.get("metric", ""))), most
