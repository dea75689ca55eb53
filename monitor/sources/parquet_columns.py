"""What the columns of Arrow say about rows that are predictions, without the JSON of each row.

Only columns of plain types, without a value that might be rejected: everything else is told by the JSON of its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from monitor.decode.columns import MISSING, MISSING_BITS, TYPE_BITS
from monitor.decode.table_rows import Predictions
from monitor.sources.csv_rows import TAG
from monitor.sources.parquet_cells import Column, cells_of, event_times

Floats = NDArray[np.float64]

_MISSING: Final = np.array(MISSING_BITS, np.uint64).view(np.float64)
_TYPE: Final = np.array(TYPE_BITS, np.uint64).view(np.float64)
#: most digits of decimals that JSON has as integers
_DIGITS: Final = 18
#: most bytes of a number, a boolean or a time in JSON; of a byte of text that is escaped; around a value; around a row
_VALUE_BYTES: Final = 40
_ESCAPED: Final = 6
_AROUND: Final = 8
_ROW_BYTES: Final = 256
#: kinds of columns whose values have one way to be written in JSON
_PLAIN: Final = (
    kinds.is_floating,
    kinds.is_integer,
    kinds.is_boolean,
    kinds.is_string,
    kinds.is_large_string,
    kinds.is_timestamp,
    kinds.is_date,
    kinds.is_time,
    kinds.is_duration,
    kinds.is_null,
)
#: texts are looked for among those before where they repeat so often on average
_REPEATED: Final = 4


@dataclass(frozen=True, slots=True)
class ArrowColumn:
    """A feature's column of a plain type."""

    column: Column

    def numbers(self) -> Floats:
        """The cells (n,) of a numeric column: text, infinite numbers and times are of the wrong type."""
        kind = self.column.type
        if kinds.is_boolean(kind):
            return _cells(self.column.cast(pa.uint8()))
        if kinds.is_floating(kind) or kinds.is_integer(kind):
            return _cells(self.column)
        if kinds.is_decimal(kind) or kinds.is_duration(kind):
            return np.array([MISSING if one is None else one for one in self.values()], np.float64)
        return np.where(self.column.is_null().to_numpy(zero_copy_only=False), _MISSING, _TYPE)

    def values(self) -> list[object]:
        """n of str, int, float, bool or None."""
        return _repeated_texts(self.column) if kinds.is_string(self.column.type) else cells_of(self.column)


def _cells(column: Column) -> Floats:
    """Numbers as cells: null and NaN are missing, infinite ones of the wrong type."""
    if column.null_count and not kinds.is_floating(column.type):
        missing = column.is_null().to_numpy(zero_copy_only=False)
        found = column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
        found[missing] = _MISSING
        return found  # type: ignore[no-any-return]  # of pyarrow
    numbers: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64)
    if np.isfinite(numbers).all():
        return numbers
    return np.where(np.isnan(numbers), _MISSING, np.where(np.isinf(numbers), _TYPE, numbers))


def _repeated_texts(column: Column) -> list[object]:
    """Texts, of which most columns have few: each is one object, however often it occurs."""
    coded = column.dictionary_encode()
    if len(coded.dictionary) * _REPEATED > len(coded):
        return cells_of(column)
    names = np.array([*cells_of(coded.dictionary), None], object)
    found: list[object] = names[coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)].tolist()
    return found


def predictions_of(columns: Mapping[str, Column], fields: Mapping[str, str]) -> Predictions | None:
    """What columns (n of each, by name) tell of n rows; `fields` are those of events by the column's name.

    None where a row may be no prediction, may be rejected, or has a value whose JSON is not simply its text.
    """
    if not all(_is_plain(column) and _is_readable(column) for column in columns.values()):
        return None
    given = {fields[name]: column for name, column in columns.items() if name in fields}
    features = {name: ArrowColumn(column) for name, column in columns.items() if name not in fields}
    if "ts" not in given or "value" in given or not features:
        return None
    names = [_one_name(given[name]) if name in given else "" for name in ("model", "version")]
    ts, ids = event_times(given["ts"]), _ids(given["id"]) if "id" in given else ()
    score = _probabilities(given["score"]) if "score" in given else ()
    model, version = names
    if model is None or version is None or ts is None or ids is None or score is None:
        return None
    found = Predictions(
        model=model,
        version=version,
        ids=ids or None,
        ts=ts,
        score=score if isinstance(score, np.ndarray) else None,
        prediction=cells_of(given["prediction"]) if "prediction" in given else None,
        label=cells_of(given["label"]) if "label" in given else None,
        features=features,
        most_bytes=_ROW_BYTES + sum(_most_bytes(name, column) for name, column in columns.items()),
        tags={name.removeprefix(TAG): cells_of(column) for name, column in given.items() if name.startswith(TAG)},
    )
    are_texts = all(_is_text(column.type) for name, column in given.items() if name.startswith(TAG))
    return found if are_texts and _are_predictions(found, given.get("type")) else None


def _are_predictions(found: Predictions, kind: Column | None) -> bool:
    """Whether each row is a prediction: by its type, or without one by its score or prediction."""
    if kind is not None:
        return _one_name(kind) == "prediction"
    if found.score is not None and not np.isnan(found.score).any():
        return True
    return found.prediction is not None and None not in found.prediction


def _is_text(kind: Any) -> bool:  # noqa: ANN401  # of pyarrow
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


def _is_plain(column: Column) -> bool:
    kind = column.type
    if kinds.is_dictionary(kind):
        return _is_text(kind) and not column.dictionary.null_count
    if kinds.is_decimal(kind):
        return bool(kind.precision <= _DIGITS)
    return any(is_kind(kind) for is_kind in _PLAIN)


def _is_readable(column: Column) -> bool:
    """False for text that is not UTF-8 and times that Python does not have: only the conversion of rows tells of them.

    What is told here is asked for value by value much later, by who knows nothing of files.
    """
    try:
        if _is_text(column.type):
            column.validate(full=True)
        elif kinds.is_temporal(column.type) and not kinds.is_timestamp(column.type):
            cells_of(column)  # such columns are rare
    except (pa.ArrowException, ValueError, OverflowError):
        return False
    return True


def _most_bytes(name: str, column: Column) -> int:
    """No less than a value takes in the JSON of its row, with its name."""
    of_name = _ESCAPED * len(name.encode()) + _AROUND
    if not _is_text(column.type):
        return of_name + _VALUE_BYTES
    texts = column.dictionary if kinds.is_dictionary(column.type) else column
    longest = pc.max(pc.binary_length(texts)).as_py()
    return of_name + _ESCAPED * (longest or 0)


def _one_name(column: Column) -> str | None:
    """The text that all rows have, an integer as its text; None where they have several, or another type."""
    found = column.unique()
    if column.null_count or len(found) != 1 or not (_is_text(column.type) or kinds.is_integer(column.type)):
        return None
    return str(found[0].as_py())


def _ids(column: Column) -> list[str] | None:
    """The ids of all rows, None where one is missing or is no text or integer."""
    if column.null_count or not (_is_text(column.type) or kinds.is_integer(column.type)):
        return None
    return list(map(str, cells_of(column)))


def _probabilities(column: Column) -> Floats | None:
    """The score of each row, None where one is no probability."""
    if not (kinds.is_floating(column.type) or kinds.is_integer(column.type)):
        return None
    scores = _cells(column)
    are_fine = ((scores >= 0) & (scores <= 1)) | (scores.view(np.uint64) == MISSING_BITS)
    return scores if are_fine.all() else None
