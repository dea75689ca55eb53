"""MLflow: the signature in MLmodel, and a dataset of the run (Parquet, CSV or JSON lines) for the distributions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from monitor.errors import UsageError
from monitor.reference.imported import Limit
from monitor.reference.imports.limits import MISSING
from monitor.reference.imports.shape import ImportedColumn, ImportedData, ImportedFile
from monitor.reference.imports.table import table_columns
from monitor.reference.imports.trees import below, rows_of, yaml_of
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC

SYSTEM: Final = "mlflow"
_WHAT: Final = "MLmodel, and a dataset of the run (.parquet, .csv, .jsonl)"
_KINDS: Final = {
    **dict.fromkeys(("integer", "long", "float", "double"), NUMERIC),
    **dict.fromkeys(("string", "boolean"), CATEGORICAL),
}


def read_mlflow(files: Sequence[ImportedFile], _slice_name: str = "") -> ImportedData:
    """Names, types and which are required by the signature; distributions by the dataset.

    Raises:
        UsageError: there is no model, or it has no signature that names columns.
    """
    models = [one for one in files if one.name.rsplit("/", 1)[-1] == "MLmodel"]
    tables = [one for one in files if one.table is not None]
    if len(models) != 1:
        found = f"{len(models)} files" if models else "no file"
        raise UsageError(f"SOURCE: {found} named MLmodel; give {_WHAT}")
    if len(tables) > 1:
        named = ", ".join(one.name for one in tables[:5])
        raise UsageError(f"SOURCE: {len(tables)} tables ({named}); give the one dataset that is to be compared with")
    tree = yaml_of(models[0], _WHAT)
    data = ImportedData(SYSTEM)
    data.columns = list(_signature(models[0].name, tree, data))
    if tables and tables[0].table is not None:
        _with_table(data, list(table_columns(tables[0].table)))
    else:
        data.notes.append("MLmodel has names and types only: all distributions are learned in the warm-up")
    data.notes.append("score and prediction are learned in the warm-up, as is how windows vary")
    return data


def _signature(name: str, tree: dict[str, Any], data: ImportedData) -> Iterator[ImportedColumn]:
    text = below(tree, "signature").get("inputs")
    if not isinstance(text, str):
        raise UsageError(f"{name}: has no signature.inputs; log the model with signature=infer_signature(...)")
    try:
        fields = rows_of(json.loads(text))
    except (ValueError, RecursionError):
        raise UsageError(f"{name}: signature.inputs is no JSON; log the model again") from None
    for at, field in enumerate(fields):
        kind, column_name = str(field.get("type", "")), field.get("name")
        if not isinstance(column_name, str) or kind == "tensor":
            what = "a tensor, whose columns have no names" if kind == "tensor" else "without a name"
            data.notes.append(f"signature.inputs[{at}] is {what}: write inputs[].feature_names")
            continue
        data.order.append(column_name)
        column = ImportedColumn(column_name, kind=_KINDS.get(kind, ""))
        if not column.kind:
            column.left_out = f"its type in the signature is {kind}"
        elif field.get("required", not field.get("optional", False)):
            column.limits.append(Limit(column_name, "signature.inputs.required", MISSING, 0.0))
        yield column


def _with_table(data: ImportedData, found: Sequence[ImportedColumn]) -> None:
    """The columns of the signature with what the dataset has of them; a column of the dataset alone is no input."""
    by_name = {one.name: one for one in found}
    merged = []
    for column in data.columns:
        counted = by_name.get(column.name)
        if counted is None:
            data.notes.append(f"{column.name}: is in the signature, and the dataset does not have it")
            merged.append(column)
            continue
        if not counted.left_out:
            counted.left_out = column.left_out
        if column.kind == CATEGORICAL and counted.categories is None and not counted.left_out:
            counted.left_out = "it is text by the signature, and numbers in the dataset"
        counted.limits = column.limits
        merged.append(counted)
    known = {one.name for one in data.columns}
    if known:
        data.notes += [
            f"{one.name}: is in the dataset, and no input of the model" for one in found if one.name not in known
        ]
    data.columns = merged if known else list(found)
