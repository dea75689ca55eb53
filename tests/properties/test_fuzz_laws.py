"""Whatever is done to the bytes of a record, in every encoding and format: it has a fate, the definition's, and the
records beside it have theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.decode.auto_decoder import AutoDecoder
from monitor.decode.columns import Events, Shape
from monitor.decode.decoder import ENCODINGS, FORMATS, LAYOUTS, Decoder, decoder_for
from monitor.decode.half import alone
from monitor.decode.native.decoder import Fast, NativeDecoder
from monitor.decode.pairing_decoder import PairingDecoder, in_partitions
from monitor.decode.platform import READERS
from monitor.decode.table_decoder import TableDecoder
from monitor.events import REASONS, ModelKey
from monitor.records import RegisteredSchema, SchemaId
from monitor.settings.tree import Input, Settings
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from tests.benchmarks.formats import AVRO, FORMS, PROTO, Form
from tests.benchmarks.perf_events import NAMES, NUMBERS, PerfEvents
from tests.platform_calls import CALL, T0_US, Record
from tests.platform_records import KINDS, batch_of, settings_for
from tests.properties.test_decode_laws import quality_counts

WIDE = Shape(tuple((name, NUMERIC if at < NUMBERS else CATEGORICAL) for at, name in enumerate(NAMES)), "1")
CREDIT = Shape((("income", NUMERIC), ("age", NUMERIC)), "1")
#: the schemas of a registry: any other number is that of a schema which is not there, and so of another kind
SCHEMAS: Final[Mapping[SchemaId, RegisteredSchema]] = {
    1: RegisteredSchema("AVRO", json.dumps(AVRO)),
    2: RegisteredSchema("PROTOBUF", PROTO),
}


@dataclass(frozen=True)
class Case:
    """An encoding and a format: what decodes it, and records of it that are right."""

    encoding: str
    format: str
    decoder: Callable[[], Decoder]
    records: Sequence[Record] = field(repr=False)


def _of_form(form: Form, encoding: str | None = None) -> Case:
    entry = form.entry if encoding is None else form.entry | {"encoding": encoding}
    tree = {
        "inputs": [{"topic": "traffic", **entry}],
        "models": [{"name": "perf-0", "reference": "perf.json"}],
        "schema_registry": {"url": "http://127.0.0.1:1"},
    }
    configured = Settings.model_validate(tree)
    values = form.written(list(PerfEvents(20)))[:2]
    if encoding is not None:
        values = [b"\0\0\0\0\3" + value for value in values]
    return Case(
        entry.get("encoding", "json"),
        entry.get("format", "native"),
        lambda: decoder_for(configured, "traffic", _wide, _schema),
        [Record(value, {"id": "p-1"}, b"k") for value in values],
    )


def _wide(key: ModelKey) -> Shape | None:
    return WIDE if key.model == "perf-0" else None


def _credit(key: ModelKey) -> Shape | None:
    return CREDIT if key.model == "credit" else None


def _schema(schema: SchemaId) -> RegisteredSchema:
    return SCHEMAS.get(schema, RegisteredSchema("JSON", "{}"))


def _of_platform(kind: str, format_: str) -> Case:
    of, make = KINDS[kind]
    records = make(CALL)
    records = [record for record in records if record.topic == records[0].topic]
    configured = settings_for(of, model="credit", **({"format": "auto"} if format_ == "auto" else {}))
    return Case("json", format_, lambda: decoder_for(configured, records[0].topic, _credit), records)


CASES: Final[Mapping[str, Case]] = {
    **{form.name: _of_form(form) for form in FORMS},
    **{
        f"{form.name} in json_schema": _of_form(form, "json_schema")
        for form in FORMS
        if "encoding" not in form.entry and form.entry.get("format") == "fields"
    },
    **{kind: _of_platform(kind, of) for kind, (of, _) in KINDS.items()},
    **{f"auto: {kind}": _of_platform(kind, "auto") for kind in ("kserve structured", "databricks legacy", "seldon")},
}


def test_every_encoding_and_every_format_is_here() -> None:
    """What is added to the code, or to the settings, has to be added to these cases."""
    encodings, formats = {case.encoding for case in CASES.values()}, {case.format for case in CASES.values()}
    assert encodings == {*ENCODINGS} == {*get_args(Input.model_fields["encoding"].annotation)}
    assert formats == {*FORMATS, *LAYOUTS, *READERS, "auto"} == {*get_args(Input.model_fields["format"].annotation)}
    assert {kind for kind in KINDS if kind not in CASES} == set()


@pytest.mark.parametrize("name", CASES)
def test_the_records_are_right_before_anything_is_done_to_them(name: str) -> None:
    found = fates(CASES[name].decoder(), CASES[name].records)
    assert not found.rejected
    assert len(found.accepted) + len(found.halves) > 0


@dataclass
class Fates:
    """What became of records, by the place of each."""

    accepted: list[int]
    rejected: list[tuple[int, str, int]]
    halves: list[str]
    counts: list[dict[str, object]]
    others: int


def fates(decoder: Decoder, records: Sequence[Record]) -> Fates:
    batch = batch_of(records)
    events = decoder.decode(batch)
    inner = decoder.inner if isinstance(decoder, AutoDecoder) else decoder
    halves = inner.take_halves() if isinstance(inner, PairingDecoder) else []
    counts = [quality_counts(events)]
    for half in halves:
        assert isinstance(inner, PairingDecoder)
        for partition, own in in_partitions([alone(half)]):
            _, whole = inner.decode_pairs(partition, own, T0_US)
            assert len(whole) + sum(one.count for one in whole.rejected) + whole.left_aside
            counts.append(quality_counts(whole))
    check(events, len(records), len(halves))
    return Fates(
        events.offset.tolist(),
        [(one.offset, one.reason, one.count) for one in events.rejected],
        [repr(half) for half in halves],
        counts,
        events.tombstones + events.left_aside,
    )


def check(events: Events, records: int, halves: int) -> None:
    """Every record has a fate; one that is rejected as a whole has no event."""
    bad = {one.offset: one for one in events.rejected}
    assert len(bad) == len(events.rejected)
    assert {one.reason for one in events.rejected} <= {*REASONS}
    assert all(one.count >= max(1, len(one.indices)) for one in events.rejected)
    with_events = {*events.offset.tolist()}
    assert all(bad[offset].indices for offset in with_events & bad.keys())
    assert len(with_events | bad.keys()) + halves + events.tombstones + events.left_aside == records
    for group in events.groups:
        assert group.numeric.shape[1] == len(group.prediction) == len(group.rows)
        assert all(len(column) == len(group.rows) for column in group.categorical)


def by_definition(decoder: Decoder) -> Decoder:
    """The decoder without its fast path."""

    def nothing(_batch: object, _first: int, _values: object, record_us: NDArray[np.int64]) -> Fast:
        return Fast.nothing(len(record_us))

    if isinstance(decoder, TableDecoder):  # it has none of its own for records that are no tables
        decoder = decoder._inner
    assert isinstance(decoder, NativeDecoder)
    vars(decoder)["_decode_fast"] = nothing
    return decoder


@st.composite
def spoiled(draw: st.DrawFn, value: bytes) -> bytes:
    """The bytes with some changed, cut off, put in, said twice, or taken from elsewhere in them."""
    for _ in range(draw(st.integers(1, 3))):
        at, cut = draw(st.integers(0, len(value))), draw(st.integers(0, 4))
        how = draw(st.integers(0, 4))
        if how == 0:
            value = value[:at]
        elif how == 1:
            value = value[:at] + draw(st.binary(max_size=4)) + value[at + cut :]
        elif how == 2:
            other = draw(st.integers(0, len(value)))
            value = value[:at] + value[other : other + draw(st.integers(0, 40))] + value[at + cut :]
        elif how == 3:
            marks = [b"NaN", b"null", b'"', b"\\", b"[", b"{", b"}", b"\\ud800", b"1e999", b"\xff", b"\0", b",", b"-1"]
            value = value[:at] + draw(st.sampled_from(marks)) + value[at + cut :]
        else:
            value = value[:at] + value[at : at + 1] * draw(st.integers(2, 9)) + value[at + 1 :]
    return value


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_spoiled_record_has_a_fate_and_harms_no_other(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    right = list(case.records)
    victim = data.draw(st.sampled_from(right))
    bad = victim._replace(value=data.draw(spoiled(victim.value or b"")))
    mixed = [*right, bad]
    found = fates(case.decoder(), mixed)
    alone_ = fates(case.decoder(), right)
    offsets = set(range(len(right)))
    assert [offset for offset in found.accepted if offset in offsets] == alone_.accepted
    assert [one for one in found.rejected if one[0] in offsets] == alone_.rejected
    assert found.halves[: len(alone_.halves)] == alone_.halves
    decoder = case.decoder()
    for _ in range(2):  # what was learned from the first time changes nothing
        assert fates(decoder, mixed) == found
    if case.format != "auto":
        assert fates(by_definition(case.decoder()), mixed) == found


def test_a_schema_that_is_not_there_is_a_fault_of_the_record_here() -> None:
    """Else a spoiled number of a schema would ask for it again and again."""
    schema: Any = _schema(77)
    assert schema.kind == "JSON"
