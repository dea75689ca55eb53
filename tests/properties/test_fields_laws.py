"""One's own layout gives the events that the same rows give as native events, by both of its paths, for any bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.decode import layout_decoder
from monitor.decode.columns import Events, Rules
from monitor.decode.encodings.json import JsonEncoding
from monitor.decode.fields import fan_out
from monitor.decode.fields.compiled import CompiledFields
from monitor.decode.fields.layout import FieldsLayout
from monitor.decode.layout_decoder import LayoutDecoder
from monitor.decode.native.decoder import Fast, NativeDecoder
from monitor.decode.native.reference_decoder import MAX_DEPTH
from monitor.decode.native.versions import Versions
from monitor.records import Envelope, RecordBatch
from monitor.settings.tree import Input
from tests.properties.test_decode_laws import (
    FIELDS,
    LIMITS,
    MODELS,
    SHAPES,
    SKEW_US,
    T0_MS,
    batch_of,
    features,
    numbers,
    object_text,
    quality_counts,
    records,
    strings,
)

#: fields of one's own for every field of an event, as nested keys
NESTED: Mapping[str, tuple[str, ...]] = {
    "type": ("kind",),
    "id": ("request", "id"),
    "features": ("request", "inputs"),
    "ts": ("scored_at",),
    "model": ("model", "name"),
    "version": ("model", "version"),
    "prediction": ("result", "class"),
    "score": ("result", "p"),
    "scores": ("result", "by class"),
    "label": ("truth",),
    "value": ("amount",),
    "outcomes": ("results",),
    "tags": ("request", "tags"),
}
SAME: Mapping[str, tuple[str, ...]] = {name: (name,) for name in NESTED}


def layout_of(fields: Mapping[str, object], **more: object) -> FieldsLayout:
    entry = Input.model_validate({"topic": "t", "format": "fields", "fields": fields} | more)
    assert entry.fields is not None
    return FieldsLayout(entry.fields, entry.rows, entry.ignore)


def mapped(places: Mapping[str, tuple[str, ...]]) -> dict[str, object]:
    return {name: ".".join(f"'{step}'" for step in steps) for name, steps in places.items()}


def decoder_of(layout: FieldsLayout, *, compiled: bool) -> LayoutDecoder:
    compiler = CompiledFields(layout) if compiled else None
    make = LayoutDecoder if compiled else ByDefinition
    return make(JsonEncoding(LIMITS), layout, SHAPES.get, Rules(LIMITS, SKEW_US), compiler)


class ByDefinition(LayoutDecoder):
    """The same decoder without its fast path."""

    def _decode_fast(
        self, batch: RecordBatch, first: int, values: Sequence[bytes | None], record_us: NDArray[np.int64]
    ) -> Fast:
        return Fast.nothing(len(record_us))


def counts(events: Events) -> dict[str, object]:
    """Everything that was decoded, without the messages, which name other places."""
    return quality_counts(replace(events, rejected=[replace(one, message="", shown="") for one in events.rejected]))


def assert_same(
    layout: FieldsLayout,
    own: Sequence[bytes | None],
    native: Sequence[bytes | None] | None,
    envelopes: Sequence[Envelope] | None = None,
) -> None:
    """By definition, compiled (what was learned from the first time must change nothing), and as native events."""
    batch = batch_of(own, [T0_MS] * len(own))
    if envelopes is not None:
        batch = replace(batch, envelope=envelopes.__getitem__)
    by_definition = decoder_of(layout, compiled=False).decode(batch)
    fast = decoder_of(layout, compiled=True)
    for _ in range(3):
        assert quality_counts(fast.decode(batch)) == quality_counts(by_definition)
    if native is not None:
        expected = NativeDecoder(SHAPES.get, Rules(LIMITS, SKEW_US)).decode(batch_of(native, [T0_MS] * len(native)))
        assert counts(by_definition) == counts(expected)


def nested_text(items: Mapping[str, str], places: Mapping[str, tuple[str, ...]]) -> str:
    """The JSON of an object with the values of native fields (by their quoted names) at other places."""
    above: dict[str, list[tuple[str, str]]] = {}
    top: list[tuple[str, str]] = []
    for name, value in items.items():
        *keys, last = places.get(json.loads(name), (f"other {json.loads(name)}",))
        (above.setdefault(keys[0], []) if keys else top).append((json.dumps(last), value))
    return object_text([*top, *((json.dumps(key), object_text(below)) for key, below in above.items())])


@st.composite
def fields_of_events(draw: st.DrawFn) -> dict[str, str]:
    """The fields of an event that is mostly right, by their quoted names."""
    items = dict(draw(MODELS)) | {'"id"': '"p-1"'}
    usual = draw(st.sampled_from(["prediction", "features", "label"]))
    if usual == "prediction":
        items |= {'"features"': draw(features), '"prediction"': "1", '"score"': "0.5"}
    elif usual == "features":
        items |= {'"features"': draw(features)}
    else:
        items |= {'"label"': draw(st.sampled_from(["1", "null", '"x"', "true"]))}
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
        items[name] = draw(FIELDS[name])
    return items


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=100, deadline=None)
@given(st.lists(fields_of_events(), min_size=1, max_size=6))
def test_nested_fields_are_the_same_native_events(events: list[dict[str, str]]) -> None:
    native = [encoded(object_text(list(items.items()))) for items in events]
    assert_same(layout_of(mapped(NESTED)), [encoded(nested_text(items, NESTED)) for items in events], native)


@settings(max_examples=100, deadline=None)
@given(st.lists(records, max_size=9))
@example([b'{"model":"credit","version":"1","features":{"AGE":1},"score":2}'])
@example([b'{"model":"quoted","features":{"1st":1}}', b'{"model":"credit","version":"2","features":{}}'] * 5)
@example([b'{"model":"credit","version":null,"features":null}', b'{"model":null}'])
def test_any_bytes_in_the_layout_of_native_events_are_native_events(values: list[bytes | None]) -> None:
    assert_same(layout_of(mapped(SAME)), values, values)


@settings(max_examples=100, deadline=None)
@given(st.lists(records | fields_of_events().map(lambda items: encoded(nested_text(items, NESTED))), max_size=9))
@example([b'{"model":null,"request":{}}', b'{"model":{"name":"credit"},"request":7}', b'{"request":{"inputs":{}}}'])
def test_both_paths_agree_for_any_bytes(values: list[bytes | None]) -> None:
    for more in ({}, {"model": {"value": "credit"}, "version": {"value": 1}}):
        for objects in ({}, {"features": "rest"}, {"features": {"AGE": "request.inputs.AGE", "sex.1": "kind"}}):
            assert_same(layout_of(mapped(NESTED) | more | objects), values, None)
    assert_same(layout_of({"id": "id", "model": {"value": "m"}, "label": "truth"}), values, None)
    assert_same(layout_of({"score": "x", "model": "x"}, rows="request.inputs"), values, None)


#: the same fields in lists: the place of an item is a step of a path
LISTED: Mapping[str, str] = {
    "type": "[0]",
    "id": "request[0]",
    "features": "request[2].inputs",
    "ts": "scored[1][0]",
    "model": "model.names[0]",
    "version": "model.names[1]",
    "prediction": "result[0].class",
    "score": "result[0].p",
}


def listed_text(items: Mapping[str, str]) -> str:
    """The JSON of an event in lists; what is absent is null, or ends its list."""

    def of(name: str) -> str:
        return items.get(f'"{name}"', "null")

    names = [text for name in ("model", "version") if (text := items.get(f'"{name}"')) is not None]
    beside = [
        f'"{key}":{text}' for key, name in (("class", "prediction"), ("p", "score")) if (text := items.get(f'"{name}"'))
    ]
    parts = [
        f'"request":[{of("id")},[1,{{"deep":"x"}}],{{"inputs":{of("features")}}},7]',
        f'"scored":["x",[{of("ts")}]]',
        f'"model":{{"names":[{",".join(names)}]}}',
        f'"result":[{{{",".join(beside)}}}]',
    ]
    return "{" + ",".join(parts) + "}"


@settings(max_examples=80, deadline=None)
@given(st.lists(fields_of_events().map(listed_text).map(encoded) | records, max_size=6))
@example([b'{"request":["a"],"model":{"names":["credit","1"]},"result":[]}', b'{"request":{"0":"a"},"result":7}'])
def test_items_of_lists_are_read_alike_by_both_paths(values: list[bytes | None]) -> None:
    places = {name: place for name, place in LISTED.items() if name != "type"}
    assert_same(layout_of(places), values, None)
    assert_same(
        layout_of(places | {"features": {"AGE": "request[2].inputs.AGE", "sex.1": "request[1][0]"}}), values, None
    )


TEXTS = ["p-1", "17", "1", "0.25", "2", "-1e400", "1764000000000", "2025-11-24T16:00:00Z", "", "\x7f", "0", "credit"]
OUTSIDE = st.none() | st.sampled_from([*map(str.encode, TEXTS), b"\xff"]) | st.binary(max_size=300)
PLACED = ("id", "ts", "model", "version", "type", "prediction", "score", "label")


@settings(max_examples=100, deadline=None)
@given(st.data(), st.lists(fields_of_events(), min_size=1, max_size=4), st.booleans())
def test_keys_and_headers_are_read_alike_by_both_paths(
    data: st.DataObject, events: list[dict[str, str]], in_rows: bool
) -> None:
    names = data.draw(st.lists(st.sampled_from(PLACED), min_size=1, max_size=3, unique=True))
    places = {name: {"header": name} for name in names} | ({"id": {"key": True}} if data.draw(st.booleans()) else {})
    fields = {name: name for name in ("id", "model", "version", "features", "score", "prediction")} | places
    values: list[bytes | None] = [encoded(object_text(list(one.items()))) for one in events]
    if in_rows:
        values = [b'{"rows":[%b,%b]}' % (value, value) for value in values if value is not None]
    envelopes = [Envelope(data.draw(OUTSIDE), [(name, data.draw(OUTSIDE)) for name in names]) for _ in events]
    assert_same(layout_of(fields, **({"rows": "rows"} if in_rows else {})), values, None, envelopes)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.lists(
            fields_of_events().map(lambda items: object_text(list(items.items())))
            | st.sampled_from(["null", "7", "[1]"]),
            max_size=4,
        ),
        max_size=4,
    )
)
def test_rows_are_read_alike_by_both_paths(records: list[list[str]]) -> None:
    around = '"model":"credit","version":"1","id":"r","ts":1764000000000'
    values: list[bytes | None] = [encoded(f'{{{around},"rows":[{",".join(rows)}]}}') for rows in records]
    own = {name: name for name in ("type", "features", "score", "prediction", "label")}
    shared = {name: f"^.{name}" for name in ("model", "version", "id", "ts")}
    for fields in (own | shared, own | shared | {"id": "id", "model": "model"}, own | shared | {"features": "rest"}):
        assert_same(layout_of(fields, rows="rows"), values, None)
    assert_same(layout_of({"score": "[0]", "features": {"AGE": "[1]"}, **shared}, rows="rows"), values, None)


def wide(count: int, depth: int = 0) -> str:
    """An event with so many features, and lists within one another in a field that nobody reads."""
    features = object_text([(f'"n{at}"', "1") for at in range(count)])
    return f'{{"model":"credit","version":"1","features":{features},"deep":{"[" * depth}0{"]" * depth}}}'


ROWS = (
    fields_of_events().map(lambda items: object_text(list(items.items())))
    | st.sampled_from(["null", "7", "[1]", wide(40), wide(41), wide(3, 240)])
    | records.filter(bool).map(lambda value: (value or b"").decode(errors="replace"))
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ROWS, max_size=7) | records, max_size=6), st.sampled_from([1, 1, 40]))
@example([[wide(1)] * 6, [wide(1)] * 7, [wide(39)] * 6], 1)
@example([[wide(1, 498)]], 1)
@example([[wide(1)], [wide(1, 497)], [wide(1, 498)]], 1)
@example([[wide(1, 499)], [wide(1, 247)] * 2, [wide(1, 90)] * 6], 1)
@example([[f'{{"model":"credit","version":"{1 + at % 2}","features":{{"AGE":1}}}}'] * 3 for at in range(6)], 40)
@example([['{"model":"credit","version":"1","features":{"AGE":1}}', '{"model":"quoted","features":{}}']] * 2, 1)
def test_records_with_rows_of_any_version_are_read_alike_by_both_paths(
    of: list[list[str] | bytes | None], repeated: int
) -> None:
    values = [encoded(f'{{"rows":[{",".join(one)}]}}') if isinstance(one, list) else one for one in of]
    names = [name for name in NESTED if name != "outcomes"]
    assert_same(layout_of({name: name for name in names}, rows="rows"), values * repeated, None)
    outside: dict[str, object] = {"model": {"value": "credit"}, "version": "version", "features": "rest"}
    assert_same(layout_of(outside | {"id": "^.id"}, rows="rows"), values * repeated, None)


@pytest.mark.parametrize("rows", ["rows", "a.rows", "a.b[1].rows"])
@pytest.mark.parametrize("beyond", [-1, 0, 1, 2, 3, 4, 5])
def test_a_row_is_as_deep_as_its_place_in_the_record_lets_it_be(rows: str, beyond: int) -> None:
    """The depth that counts is that of the whole record. At first nothing of a version is known, later all."""
    open_, close = {
        "rows": ('{"rows":', "}"),
        "a.rows": ('{"a":{"rows":', "}}"),
        "a.b[1].rows": ('{"a":{"b":[0,{"rows":', "}]}}"),
    }[rows]
    layout = layout_of({name: name for name in NESTED if name != "outcomes"}, rows=rows)
    border = MAX_DEPTH - sum(map(open_.count, "[{")) - 2 - 2  # a list of rows, and the row; two more without `beyond`
    deep, small = wide(1, border + beyond), wide(1)
    beside = f'"x":{"[" * (MAX_DEPTH - 1)}{"]" * (MAX_DEPTH - 1)},'
    for own in ([[deep]], [[small], [deep]], [[small, deep], [small]], [[deep, deep]]):
        assert_same(layout, [encoded(f"{open_}[{','.join(one)}]{close}") for one in own], None)
        assert_same(layout, [encoded(f"{{{beside}{open_[1:]}[{','.join(one)}]{close}") for one in own], None)


def test_the_first_record_of_a_version_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if nothing was noticed in front: it is parsed for the order of its features."""
    monkeypatch.setattr(fan_out, "may_exceed_with_rows", lambda *_: False)
    layout = layout_of({name: name for name in NESTED if name != "outcomes"}, rows="rows")
    values = [encoded(f'{{"rows":[{wide(1, MAX_DEPTH)}]}}'), encoded(f'{{"rows":[{wide(2)}]}}')]
    mixed = [*values, encoded(f'{{"rows":[{wide(3).replace("credit", "quoted")}]}}')]
    for own in (values[:1], values, mixed):
        decoded = decoder_of(layout, compiled=True).decode(batch_of(own, [T0_MS] * len(own)))
        assert [one.reason for one in decoded.rejected] == ["nesting"]


GATHERED = st.fixed_dictionaries({}, optional={'"AGE"': numbers, '"sex.1"': strings, '"年齢 x"': numbers})
ENVELOPE: Mapping[str, str] = {'"model"': '"credit"', '"version"': '"1"', '"id"': '"p"', '"score"': "0.5"}


@settings(max_examples=100, deadline=None)
@given(st.lists(GATHERED, min_size=1, max_size=6), st.booleans())
def test_features_beside_the_other_fields_are_the_same_native_events(rows: list[dict[str, str]], rest: bool) -> None:
    native = [encoded(object_text([*ENVELOPE.items(), ('"features"', object_text(list(row.items())))])) for row in rows]
    own = [encoded(object_text([*row.items(), *ENVELOPE.items()])) for row in rows]
    names = {name: name for name in map(json.loads, ENVELOPE)}
    each: object = {"AGE": "AGE", "sex.1": "'sex.1'", "年齢 x": "年齢 x", "absent": "not.there"}
    assert_same(layout_of(names | {"features": "rest" if rest else each}), own, native)


@settings(max_examples=100, deadline=None)
@given(st.lists(GATHERED | st.sampled_from([{}]), min_size=1, max_size=6), st.sampled_from(["p", "", None]))
def test_rows_of_a_record_are_native_events_with_an_index(rows: list[dict[str, str]], name: str | None) -> None:
    def event(row: dict[str, str], index: int) -> str:
        identity = [] if name is None else [('"id"', json.dumps(f"{name}#{index}"))]
        return object_text([*head, *identity, ('"features"', object_text(list(row.items())))])

    head = [item for item in ENVELOPE.items() if item[0] != '"id"']
    native = [encoded(f"[{','.join(map(event, rows, range(len(rows))))}]")]
    own = [f'"rows":[{",".join(object_text(list(row.items())) for row in rows)}]', f'"id":{json.dumps(name)}']
    fields = {key: f"^.{key}" for key in ("model", "version", "id", "score")} | {"features": "rest"}
    record = [*(f"{key}:{value}" for key, value in head), *own]
    assert_same(layout_of(fields, rows="rows"), [encoded("{" + ",".join(record) + "}")], native)


def _never(*_: object) -> None:
    pytest.fail("not the compiled path")


def test_usual_records_take_the_compiled_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the laws above would compare the definition with itself."""
    rows = [{'"AGE"': "41", '"sex.1"': '"2"'}] * 3
    own = [encoded(object_text([*row.items(), *ENVELOPE.items()])) for row in rows]
    nested = [encoded(nested_text({**ENVELOPE, '"features"': object_text(list(row.items()))}, NESTED)) for row in rows]
    listed = [
        encoded(listed_text({**ENVELOPE, '"features"': object_text(list(row.items())), '"ts"': f"{T0_MS}"}))
        for row in rows
    ]
    in_rows = [b'{"rows":[%b,%b,%b]}' % (one, one, one) for one in own[:1]]
    names: dict[str, Any] = {name: name for name in map(json.loads, ENVELOPE)}
    outside = Envelope(b"p", [("v", b"1"), ("at", b"%d" % T0_MS)])
    by_header = names | {"id": {"key": True}, "version": {"header": "v"}, "ts": {"header": "at"}, "features": "rest"}
    lists = {name: place for name, place in LISTED.items() if name != "type"}
    for fields, values, over in (
        (mapped(NESTED), nested, {}),
        (names | {"features": "rest"}, own, {}),
        (by_header, own, {}),
        (lists, listed, {}),
        (by_header, in_rows, {"rows": "rows"}),
    ):
        batch = replace(batch_of(values, [T0_MS] * len(values)), envelope=lambda _: outside)
        decoder = decoder_of(layout_of(fields, **over), compiled=True)
        assert len(decoder.decode(batch)) == 3
        with monkeypatch.context() as patched:
            patched.setattr(FieldsLayout, "events", _never)
            (group,) = decoder.decode(batch).groups
            assert group.numeric[0].tolist() == [41, 41, 41]
        with monkeypatch.context() as patched:
            patched.setattr(Versions, "decode", _never)
            patched.setattr(layout_decoder, "decode_many", _never)
            assert len(decoder_of(layout_of(fields, **over), compiled=False).decode(batch)) == 3
