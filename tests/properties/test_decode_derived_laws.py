"""Vectors and texts: the fast decoder and the reference decoder give the same cells, in chunks of any size."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.decode.columns import (
    ABSENT_BITS,
    ABSENT_VALUE,
    MISSING_BITS,
    TYPE_BITS,
    TYPE_VALUE,
    Group,
    Limits,
    Rules,
    Shape,
)
from monitor.decode.derived import text_value, value_of, vector_value
from monitor.decode.native import decoder as native
from monitor.decode.native.decoder import Fast, NativeDecoder
from monitor.decode.native.reference_decoder import ReferenceDecoder, parse
from monitor.decode.native.rows import FAILURES_BEFORE_WIDENING
from monitor.events import ModelKey, Partition
from monitor.records import RecordBatch
from monitor.stats.bins.name_bins import KnownNames, hashes_of
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.derived.columns import TEXT, VECTOR, Derived
from monitor.stats.derived.texts import TextColumns
from monitor.stats.derived.vectors import learn_vector_columns

KEY = ModelKey("credit", "1")
T0_MS = 1_764_000_000_000
LIMITS = Limits(record_bytes=100_000, events_per_record=6, features=40)
VECTORS = learn_vector_columns(np.random.default_rng(1).normal(size=(100, 3)))
EMB = Derived("emb", VECTORS)
ONE = VECTORS.of(np.array([[1.0, 2.0, 3.0]]))[:, 0]
NOTE = Derived("note", TextColumns(KnownNames(np.unique(hashes_of(["known", "words"])))))
SHAPE = Shape((("x", NUMERIC), ("c", CATEGORICAL), ("emb", VECTOR), ("note", TEXT)), "1", derived=(EMB, NOTE))


class ByDefinition(NativeDecoder):
    """Without the fast path and the fast parser."""

    def __init__(self) -> None:
        super().__init__({KEY: SHAPE}.get, Rules(LIMITS, 60_000_000))
        self._reader = ReferenceDecoder(Rules(LIMITS, 60_000_000), self._versions.decoder_of, parse=parse)

    def _decode_fast(
        self, batch: RecordBatch, first: int, values: Sequence[bytes | None], record_us: NDArray[np.int64]
    ) -> Fast:
        return Fast.nothing(len(record_us))


def group_of(features: Sequence[object], decoder: NativeDecoder | None = None) -> Group:
    """The group of events with these features; bytes are the JSON of the features."""
    values: list[bytes | None] = []
    for one in features:
        text = one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode()
        values.append(b'{"type":"features","model":"credit","version":"1","features":' + text + b"}")
    times = np.full(len(values), T0_MS)
    batch = RecordBatch(Partition("t", 0), values, np.arange(len(values)), times, len(values), T0_MS * 1_000)
    events = (decoder or NativeDecoder({KEY: SHAPE}.get, Rules(LIMITS, 60_000_000))).decode(batch)
    assert not events.rejected
    (group,) = events.groups
    return group


def cells(group: Group) -> tuple[bytes, list[list[object]]]:
    return np.ascontiguousarray(group.numeric).tobytes(), group.categorical


NUMBERS = st.floats() | st.integers() | st.booleans() | st.none() | st.text(max_size=2) | st.just(10**400)
VALUES = st.recursive(
    NUMBERS | st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)
FEATURES = st.fixed_dictionaries(
    {}, optional={"x": NUMBERS, "c": st.sampled_from(["a", "b", 1]), "emb": VALUES, "note": VALUES, "z": VALUES}
)


def is_readable(features: object) -> bool:
    """Without lone surrogates, which UTF-8 cannot hold."""
    try:
        json.dumps(features, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(st.lists(FEATURES.filter(is_readable), min_size=1, max_size=30))
def test_the_fast_decoder_gives_what_the_definition_gives(features: list[dict[str, Any]]) -> None:
    assert cells(group_of(features)) == cells(group_of(features, ByDefinition()))


@settings(max_examples=50, deadline=None)
@given(st.lists(FEATURES.filter(is_readable), min_size=1, max_size=30), st.integers(1, 2_000))
def test_chunks_make_no_difference(features: list[dict[str, Any]], size: int) -> None:
    whole = cells(group_of(features))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "CHUNK_BYTES", size)
        assert cells(group_of(features)) == whole


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_a_cell_converted_again_is_unchanged(value: object) -> None:
    for kind in (VECTOR, TEXT):
        once = value_of(kind)(value)
        assert repr(value_of(kind)(once)) == repr(once)


def test_what_is_a_vector_and_what_is_not() -> None:
    assert vector_value([1, 2.5, -0.0]) == [1.0, 2.5, 0.0]
    assert repr(vector_value([1, 2])) == "[1.0, 2.0]"
    assert vector_value([]) == []
    no_vectors: list[object] = [
        [1, None],
        [1, True],
        [1, "2"],
        [math.nan],
        [math.inf, 1],
        [10**400],
        [[1]],
        "text",
        1.5,
    ]
    for wrong in no_vectors:
        assert vector_value(wrong) is TYPE_VALUE
    assert vector_value(None) is None
    assert vector_value(math.nan) is None
    assert vector_value(ABSENT_VALUE) is ABSENT_VALUE
    assert text_value("日本") == "日本"
    assert text_value("") == ""
    no_texts: list[object] = [1, True, ["a"], {}, "\ud800"]
    for wrong in no_texts:
        assert text_value(wrong) is TYPE_VALUE
    assert text_value(math.nan) is None


@pytest.mark.parametrize("repeated", [1, FAILURES_BEFORE_WIDENING + 1])
def test_each_value_ends_in_one_cell(repeated: int) -> None:
    """Also once a feature failed so often that it is decoded without a type."""
    values: list[tuple[object, object, int]] = [
        ({"emb": [1, 2, 3]}, "3 numbers", 0),
        ({"emb": [1, 2]}, "2 numbers", TYPE_BITS),
        ({"emb": []}, "0 numbers", TYPE_BITS),
        ({"emb": [1]}, "1 number", TYPE_BITS),
        ({"emb": [0.5] * 5_000}, "5,000 numbers", TYPE_BITS),
        ({"emb": [1, 2, True]}, TYPE_VALUE, TYPE_BITS),
        (b'{"emb": [1, 2, NaN]}', TYPE_VALUE, TYPE_BITS),
        (b'{"emb": [1, Infinity, 3]}', TYPE_VALUE, TYPE_BITS),
        (b'{"emb": [1, 2, 1e999]}', TYPE_VALUE, TYPE_BITS),
        (b'{"emb": Infinity}', TYPE_VALUE, TYPE_BITS),
        ({"emb": [1, None, 3]}, TYPE_VALUE, TYPE_BITS),
        ({"emb": "text"}, TYPE_VALUE, TYPE_BITS),
        ({"emb": 1.5}, TYPE_VALUE, TYPE_BITS),
        ({"emb": {"a": 1}}, TYPE_VALUE, TYPE_BITS),
        (b'{"emb": NaN}', None, MISSING_BITS),
        ({"emb": None}, None, MISSING_BITS),
        ({}, ABSENT_VALUE, ABSENT_BITS),
    ]
    group = group_of([features for features, _, _ in values * repeated])
    assert group.categorical[1] == [presence for _, presence, _ in values * repeated]
    norms = group.numeric[1].view(np.uint64).tolist()
    for (_, presence, bits), norm in zip(values * repeated, norms, strict=True):
        assert norm == (bits or int(ONE[:1].view(np.uint64)[0])), presence


def test_the_cells_are_in_the_order_of_the_shape() -> None:
    group = group_of([{"note": "Known words здесь", "emb": [0, 0, 0], "c": "a", "x": 7}])
    assert group.numeric[0].tolist() == [7]
    assert group.numeric[1:6, 0].tolist() == VECTORS.of(np.zeros((1, 3)))[:, 0].tolist()
    assert group.numeric[6:, 0].tolist() == [17, 3, 1 / 3]
    assert group.categorical == [["a"], ["3 numbers"], ["text"], ["Latin"]]


def test_a_column_that_is_not_wanted_is_not_made() -> None:
    left_out = Derived("emb", VECTORS, frozenset({"emb.norm", "emb.p2"}))
    silent = Derived("note", NOTE.columns, frozenset({"note.script"}))
    shape = Shape((("emb", VECTOR), ("note", TEXT)), "1", derived=(left_out, silent))
    group = group_of([{"emb": [1, 2, 3], "note": "a"}], NativeDecoder({KEY: shape}.get, Rules(LIMITS, 60_000_000)))
    assert group.numeric[:3, 0].tolist() == ONE[[1, 2, 4]].tolist()
    assert group.categorical == [["3 numbers"], ["text"]]
