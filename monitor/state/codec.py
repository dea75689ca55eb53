"""State as bytes: explicit, versioned, exact, and never able to run code (no pickle).

The bytes are one version byte and one MessagePack value.
Three extension types carry what MessagePack lacks:

    1  an integer beyond 64 bits      two's complement, big endian
    2  an array of numbers            dtype code, dtype code as stored, number of axes, u64 length of each axis, then
                                      the numbers row by row, little endian
    3  a growing row kept apart       u64 first position, u64 end position (exclusive), its name in UTF-8

Integer arrays without negative numbers are stored in the smallest unsigned type that holds them and decoded to their
own dtype: checkpoints consist mostly of tallies, and tallies of small counts.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.errors import UsageError
from monitor.stats.tallies.growing import Growing, Numbers
from monitor.stats.tallies.later import Later

VERSION: Final = 1

_BIG_INTEGER: Final = 1
_ARRAY: Final = 2
_APART: Final = 3
_SPAN: Final = struct.Struct("<QQ")
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1

#: the code of a dtype is part of the format: only ever add at the end
_DTYPES: Final = tuple(
    np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float64")
)
_CODES: Final = {dtype: code for code, dtype in enumerate(_DTYPES)}
_UNSIGNED: Final = tuple(dtype for dtype in _DTYPES if dtype.kind == "u")
_AS_THEY_ARE: Final = frozenset({str, float, bool, bytes, type(None)})


class _How(NamedTuple):
    """Where named growing rows go, and what is called between steps."""

    apart: list[Growing] | None
    rest: Callable[[], object]


#: the path from the root to a node, innermost first: (outer, name)
_Path = tuple[Any, str] | None


def encode(tree: object, apart: list[Growing] | None = None, rest: Callable[[], object] = lambda: None) -> bytearray:
    """Bytes of a tree of dict (str keys), list, str, int (any size), float, bool, None, bytes and number arrays.

    Arrays have one or two axes and a dtype of int8..int64, uint8..uint64 or float64. A NumPy scalar is kept as the
    Python number it equals. Floats keep every bit. A growing row is a dict of `first` and `keys`; where `apart` is
    given, named rows are added to it and stored as references. A `Later` is the tree it makes;
    `rest` is called after each.

    Raises:
        TypeError: the tree holds another type (a tuple would be decoded as a list, so it is refused).
        ValueError: a string holds half of a surrogate pair.
    """
    encoded = bytearray((VERSION,))
    _ENCODER.encode_into(_prepared(tree, None, _How(apart, rest)), encoded, 1)  # without another copy: a state is large
    return encoded


def decode(data: bytes | bytearray, apart: Callable[[str, int, int], Numbers] | None = None) -> Any:  # noqa: ANN401 - the reader of a state checks its shape
    """The tree that was given to `encode`; arrays own their memory and are writable.

    `apart(name, first, end)` gives the numbers of rows stored as references; it raises ValueError if it has none.

    Raises:
        UsageError: the bytes are not a tree, or not of a version this build reads.
    """
    if not data:
        raise UsageError("no bytes")
    if data[0] != VERSION:
        raise UsageError(f"codec version {data[0]}; this build reads version {VERSION}")
    try:
        return msgspec.msgpack.Decoder(Any, ext_hook=partial(_extension, apart)).decode(memoryview(data)[1:])
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(f"not decodable: {error}") from error


def _prepared(node: object, path: _Path, how: _How) -> object:
    """The same tree with extension values for types that MessagePack lacks."""
    kind = type(node)
    if kind in _AS_THEY_ARE:
        return node
    if isinstance(node, Later):
        made = _prepared(node.tree(), path, how)
        how.rest()
        return made
    if isinstance(node, dict):
        for key in node:
            if type(key) is not str:
                raise TypeError(f"{_shown(path)}: a key is {type(key).__name__}, not str")
        return {key: _prepared(child, (path, key), how) for key, child in node.items()}
    if isinstance(node, list):
        return node if _is_plain(node) else [_prepared(child, (path, str(i)), how) for i, child in enumerate(node)]
    if type(node) is int:
        return node if _SMALLEST <= node <= _LARGEST else msgspec.msgpack.Ext(_BIG_INTEGER, _big(node))
    if type(node) is np.ndarray:
        return msgspec.msgpack.Ext(_ARRAY, _packed(node, path))
    if type(node) is Growing:
        return _prepared_row(node, path, how)
    if isinstance(node, np.bool_ | np.integer | np.float64):
        return node.item()
    raise TypeError(f"{_shown(path)}: {kind.__name__} cannot be kept")


def _prepared_row(row: Growing, path: _Path, how: _How) -> object:
    if how.apart is None or not row.name:
        return _prepared(dict(row), path, how)
    how.apart.append(row)
    return msgspec.msgpack.Ext(_APART, _SPAN.pack(row.first, row.end) + row.name.encode())


def _is_plain(items: list[Any]) -> bool:
    """True for a list that MessagePack encodes as it is; checked at C speed, as lists of ids are long."""
    kinds = set(map(type, items))
    if kinds == {int}:
        return bool(min(items) >= _SMALLEST and max(items) <= _LARGEST)
    return kinds <= _AS_THEY_ARE


def _big(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _packed(array: NDArray[Any], path: _Path) -> bytes:
    dtype = array.dtype.newbyteorder("=")
    if dtype not in _CODES or array.ndim not in (1, 2):
        raise TypeError(f"{_shown(path)}: an array of {array.dtype} with {array.ndim} axes cannot be kept")
    kept = _smallest_type(array, dtype)
    head = struct.pack(f"<3B{array.ndim}Q", _CODES[dtype], _CODES[kept], array.ndim, *array.shape)
    return head + array.astype(kept.newbyteorder("<"), order="C", copy=False).tobytes()


def _smallest_type(array: NDArray[Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "f" or dtype.itemsize == 1 or array.size == 0 or array.min() < 0:
        return dtype
    largest = int(array.max())
    return next(kept for kept in _UNSIGNED if largest <= np.iinfo(kept).max)


def _unpacked(data: memoryview) -> NDArray[Any]:
    try:
        code, kept_code, axes = struct.unpack_from("<3B", data)
        if axes not in (1, 2):
            raise ValueError("an array without one or two axes")
        shape = struct.unpack_from(f"<{axes}Q", data, 3)
        dtype, kept = _DTYPES[code], _DTYPES[kept_code].newbyteorder("<")
    except (struct.error, IndexError) as error:
        raise ValueError("an array with an invalid header") from error
    numbers = np.frombuffer(data[3 + 8 * axes :], dtype=kept)
    return numbers.reshape(shape).astype(dtype)


def _extension(apart: Callable[[str, int, int], Numbers] | None, code: int, data: memoryview) -> object:
    if code == _BIG_INTEGER:
        return int.from_bytes(data, "big", signed=True)
    if code == _ARRAY:
        return _unpacked(data)
    if code == _APART and apart is not None:
        return _referred_to(apart, bytes(data))
    raise ValueError(f"unknown extension {code}")


def _referred_to(apart: Callable[[str, int, int], Numbers], data: bytes) -> object:
    if len(data) < _SPAN.size:
        raise ValueError("a row kept apart with an invalid header")
    first, end = _SPAN.unpack_from(data)
    return {"first": first, "keys": apart(data[_SPAN.size :].decode(), first, end)}


def _shown(path: _Path) -> str:
    names: list[str] = []
    while path is not None:
        path, name = path
        names.append(name)
    return ".".join(reversed(names)) or "the root"


_ENCODER: Final = msgspec.msgpack.Encoder()
