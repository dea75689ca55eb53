"""Whatever a state may hold comes back exactly, and no bytes make the decoder do anything but refuse."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitor.errors import UsageError
from monitor.state import codec

DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float64")

any_float = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=6),
        elements=any_float if dtype == "float64" else None,
    )
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.sampled_from([-(2**63) - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**64)]),
    any_float,
    st.text(max_size=20),
    st.binary(max_size=20),
    arrays,
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=8), inner, max_size=5), st.lists(st.integers())
    ),
    max_leaves=20,
)


def fingerprint(node: object) -> object:
    """Type and every bit of a tree, so that True is not 1, -0.0 not 0.0, and a NaN is its payload."""
    if isinstance(node, dict):
        return ["dict", [(key, fingerprint(child)) for key, child in node.items()]]
    if isinstance(node, list):
        return ["list", [fingerprint(child) for child in node]]
    if isinstance(node, float):
        return ["float", struct.pack("<d", node)]
    if isinstance(node, np.ndarray):
        return ["array", node.dtype.str, node.shape, np.ascontiguousarray(node).tobytes()]
    return [type(node).__name__, node]


@settings(deadline=None)
@given(trees)
def test_a_tree_comes_back_with_every_bit(tree: object) -> None:
    assert fingerprint(codec.decode(codec.encode(tree))) == fingerprint(tree)


@settings(deadline=None)
@given(arrays)
def test_an_array_comes_back_as_its_own_writable_copy(array: np.ndarray[Any, Any]) -> None:
    back = codec.decode(codec.encode([array]))[0]
    assert back.flags.writeable
    assert back.flags.owndata or back.base.flags.owndata


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_decoded_or_refused_and_nothing_else(data: bytes, with_version: bool) -> None:
    with contextlib.suppress(UsageError):
        codec.decode(bytes((codec.VERSION,)) + data if with_version else data)


@settings(deadline=None)
@given(trees, st.data())
def test_a_cut_off_tree_is_refused(tree: object, data: st.DataObject) -> None:
    whole = codec.encode(tree)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(UsageError):
        codec.decode(whole[:cut])
