"""The part `derived` of a reference file: what vectors and texts become, by feature."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.stats.bins.name_bins import HASH, KnownNames
from monitor.stats.derived.columns import DERIVED_KINDS, TEXT, VECTOR, Derived
from monitor.stats.derived.texts import TextColumns
from monitor.stats.derived.vectors import BITS, MOST_NUMBERS, PROJECTIONS, VectorColumns

_FLOAT: Final = "<f8"
_INTEGER: Final = "<i4"


class DerivedRow(msgspec.Struct, gc=False, kw_only=True):
    """One feature in the file; bytes are base64 there."""

    kind: str
    center: bytes = b""
    components: bytes = b""
    hash: str = HASH
    known: bytes = b""


def derived_json(derived: Sequence[Derived]) -> dict[str, Any]:
    """{feature: what its values become}."""
    return {one.parent: _columns_json(one.columns) for one in derived}


def _columns_json(columns: VectorColumns | TextColumns) -> dict[str, Any]:
    if isinstance(columns, VectorColumns):
        return {
            "kind": VECTOR,
            "center": _packed(columns.center, _FLOAT),
            "components": _packed(columns.components, _INTEGER),
        }
    return {"kind": TEXT, "hash": HASH, "known": base64.b64encode(columns.known.to_bytes()).decode("ascii")}


def _packed(numbers: NDArray[Any], kind: str) -> str:
    return base64.b64encode(numbers.astype(kind).tobytes()).decode("ascii")


def derived_from_json(body: dict[str, Any], names: Iterable[str]) -> tuple[Derived, ...]:
    """From the content of the file, which is valid; `names` are those of its columns."""
    rows = msgspec.convert(body, dict[str, DerivedRow])
    every = [Derived(parent, _columns_of(row)) for parent, row in rows.items()]
    there = frozenset(names)
    return tuple(replace(one, left_out=frozenset((*one.numeric, *one.categorical)) - there) for one in every)


def _columns_of(row: DerivedRow) -> VectorColumns | TextColumns:
    if row.kind != VECTOR:
        return TextColumns(KnownNames.from_bytes(row.known))
    center = np.frombuffer(row.center, _FLOAT).astype(np.float64)
    components = np.frombuffer(row.components, _INTEGER).astype(np.int32)
    return VectorColumns(center, components.reshape(-1, len(center)))


def derived_faults(rows: dict[str, DerivedRow], columns: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with the part; `columns` are (name, feature it is derived from) of the derived columns."""
    wanted: set[tuple[str, str]] = set()
    there = set(columns)
    for parent, row in rows.items():
        place = f"derived.{parent}"
        if row.kind not in DERIVED_KINDS:
            yield f"{place}.kind is none of {', '.join(DERIVED_KINDS)}"
        elif fault := _vector_fault(row) if row.kind == VECTOR else _text_fault(row):
            yield f"{place}: {fault}"
        else:
            one = Derived(parent, _columns_of(row))
            wanted |= {(name, parent) for name in (*one.numeric, *one.categorical)}
            if (parent, parent) not in there:
                yield f"{place}: there is no column of that name"
    if unknown := sorted(there - wanted):
        yield f"column {unknown[0][0]} is derived from {unknown[0][1]}, and the part derived does not have it"


def _vector_fault(row: DerivedRow) -> str:
    length, rest = divmod(len(row.center), 8)
    if rest or not 1 <= length <= MOST_NUMBERS:
        return f"center does not have 1 to {MOST_NUMBERS:,} numbers of 8 bytes"
    if not np.isfinite(np.frombuffer(row.center, _FLOAT)).all():
        return "center holds what is not a finite number"
    if len(row.components) % (4 * length) or len(row.components) > 4 * length * PROJECTIONS:
        return f"components are not up to {PROJECTIONS} times as many integers of 4 bytes as center has numbers"
    if (np.abs(np.frombuffer(row.components, _INTEGER).astype(np.int64)) > 1 << BITS).any():
        return f"components holds an integer above 2^{BITS}"
    return ""


def _text_fault(row: DerivedRow) -> str:
    if row.hash != HASH:
        return f"hash is {row.hash[:20]!r}, and this version counts by {HASH}"
    return "known is not a whole number of hashes of 8 bytes" if len(row.known) % 8 else ""
