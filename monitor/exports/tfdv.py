"""`Anomalies` of TensorFlow Data Validation in protobuf's text form, as `tfdv.load_anomalies_text` reads them.

Source of the form: tensorflow/metadata, `tensorflow_metadata/proto/v0/anomalies.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.exports.form import Written
from monitor.exports.picked import Found, Picked, apart, said_of
from monitor.findings import DOWN, PAGE

NAME: Final = "TFDV"
#: the type of each cause; a pair: of values that went down, and of all others
TYPES: Final = {
    "type": "UNEXPECTED_DATA_TYPE",
    "missing": "FEATURE_TYPE_LOW_FRACTION_PRESENT",
    "absent": "SCHEMA_MISSING_COLUMN",
    "schema": "SCHEMA_NEW_COLUMN",
    "unseen": "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
    "constant": "FEATURE_TYPE_LOW_UNIQUE",
    "distribution": "COMPARATOR_L_INFTY_HIGH",
    "score": "COMPARATOR_L_INFTY_HIGH",
    "prediction": "COMPARATOR_L_INFTY_HIGH",
    "outside": ("FLOAT_TYPE_SMALL_FLOAT", "FLOAT_TYPE_BIG_FLOAT"),
}
#: of the whole data set
OF_DATASET: Final = {"traffic": ("COMPARATOR_LOW_NUM_EXAMPLES", "COMPARATOR_HIGH_NUM_EXAMPLES")}
_SHORT: Final = {"COMPARATOR_L_INFTY_HIGH": "High distance from the reference"}


def anomalies(picked: Picked) -> Written:
    """The text: one entry for each column, its worst severity, and a reason for each finding."""
    picked.of_one_model()
    of_columns, others = apart(picked.found, lambda one: one.text("cause") in TYPES and bool(one.column))
    of_dataset, left = apart(others, lambda one: one.text("cause") in OF_DATASET)
    by_column: dict[str, list[Found]] = {}
    for one in of_columns:
        by_column.setdefault(one.column, []).append(one)
    lines = [line for column, several in by_column.items() for line in _entry(column, several)]
    if of_dataset:
        lines += ["dataset_anomaly_info {", *_indented(_info(of_dataset)), "}"]
    return Written("\n".join(lines), said_of(left, NAME))


def _entry(column: str, several: list[Found]) -> Iterator[str]:
    yield "anomaly_info {"
    yield f"  key: {_quoted(column)}"
    yield "  value {"
    yield f"    path {{ step: {_quoted(column)} }}"
    yield from _indented(_indented(_info(several)))
    yield "  }"
    yield "}"


def _info(several: list[Found]) -> Iterator[str]:
    severity = "ERROR" if any(one.text("severity") == PAGE for one in several) else "WARNING"
    reasons = [(_type_of(one), one.description) for one in several]
    short = _short(reasons[0][0]) if len(reasons) == 1 else "Multiple errors"
    yield f"severity: {severity}"
    yield f"description: {_quoted('; '.join(description for _, description in reasons))}"
    yield f"short_description: {_quoted(short)}"
    for kind, description in reasons:
        yield "reason {"
        yield f"  type: {kind}"
        yield f"  short_description: {_quoted(_short(kind))}"
        yield f"  description: {_quoted(description)}"
        yield "}"


def _type_of(one: Found) -> str:
    cause = one.text("cause")
    kind = TYPES.get(cause) or OF_DATASET[cause]
    return kind if isinstance(kind, str) else kind[one.text("direction") != DOWN]


def _short(kind: str) -> str:
    """In words; the names of the types are words already."""
    return _SHORT.get(kind, kind.replace("_", " ").capitalize())


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _quoted(text: str) -> str:
    """A string of protobuf's text form: UTF-8 with control characters as three octal digits."""
    plain = text.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if ord(char) >= 32 and ord(char) != 127 else f"\\{ord(char):03o}" for char in plain) + '"'
