"""Places of one's own layout: paths and pointers, and every fault at the start with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.settings.places import Constant, FieldPath, Header, RecordKey, Rest, Step, parse_path
from monitor.settings.tree import Input
from tests.settings_texts import Load, faults_of


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("score", ("score",)),
        ("request.id", ("request", "id")),
        ("rows[0].x", ("rows", 0, "x")),
        ("rows[2][10]", ("rows", 2, 10)),
        ("[0].x", (0, "x")),
        ("'a.b'.c", ("a.b", "c")),
        ("a.'it''s [x]'", ("a", "it's [x]")),
        ("a b.c-d.é", ("a b", "c-d", "é")),
        ("0.1", ("0", "1")),
        ("/request/id", ("request", "id")),
        ("/a~1b/m~0n/0", ("a/b", "m~n", 0)),
        ("/00/", ("00", "")),
    ],
)
def test_a_path_or_pointer_is_its_steps(text: str, steps: tuple[Step, ...]) -> None:
    assert parse_path(text) == FieldPath(steps)
    assert parse_path(f"^.{text}") == FieldPath(steps, of_record=True)


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a[1]b", "'a", "a'b", "''", "^", "^.", "a\nb", "/a~2"]
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_path(text)


@given(st.lists(st.text(min_size=1, max_size=6).filter(str.isprintable) | st.integers(0, 99), min_size=1, max_size=4))
def test_a_path_is_printed_as_it_is_read(steps: list[Step]) -> None:
    path = FieldPath(tuple(steps))
    assert parse_path(str(path)) == path


def test_each_form_of_a_place_is_taken() -> None:
    fields = {
        "id": {"key": True}, "model": {"value": "credit"}, "version": {"header": "v"}, "features": "rest",
        "scores": {"1": "p[0]"}, "score": "^.score",
    }  # fmt: skip
    read = Input.model_validate({"topic": "t", "format": "fields", "fields": fields, "rows": "rows"}).fields
    assert read is not None
    assert read.single() == {
        "id": RecordKey(), "model": Constant("credit"), "version": Header("v"),
        "score": FieldPath(("score",), of_record=True),
    }  # fmt: skip
    assert read.objects() == {"features": Rest(), "scores": {"1": FieldPath(("p", 0))}}


PLACE = "write a path such as request.id, {value: TEXT}, {header: NAME} or {key: true}"


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ("format: fields", ["fields: missing; write where each field is, such as {model: {value: NAME}, score: p}"]),
        ("fields: {score: x}", ["fields: goes with format: fields"]),
        ("rows: a, ignore: [b]", ["ignore: goes with format: fields", "rows: goes with format: fields"]),
        ("format: fields, fields: {model: m}",
            ["fields: names nothing to watch; write features, score, prediction or label"]),
        ("format: fields, fields: {score: p}",
            ["fields.model: missing; write a path, {value: NAME}, or inputs[].model"]),
        ("format: fields, model: m, fields: {score: p}", []),
        ("format: fields, fields: {model: m, label: y}",
            ["fields.id: missing; a label belongs to a prediction by its id"]),
        ("format: fields, fields: {model: m, score: p, id: {value: 3}}",
            ["fields.id: a constant would make all events but the first one duplicates; write a path"]),
        ("format: fields, fields: {model: {value: ''}, score: p}", ["fields.model: is empty; write the model's name"]),
        ("format: fields, fields: {model: {value: 1.5}, score: p}",
            ["fields.model: 1.5 is not a name; write up to 256 printable characters"]),
        ("format: fields, fields: {model: m, type: {value: labels}, score: p}",
            ["fields.type: 'labels' is none of prediction, features, label"]),
        ("format: fields, fields: {model: m, score: ^.p}",
            ["fields.score: '^.p' begins at the record, and without rows all paths do; leave ^. out"]),
        ("format: fields, fields: {model: m, score: 5, ts: [a], id: {kee: 1}, scoer: p, features: {A: a..b, B: c}}", [
            "fields.features.A: 'a..b' is not a path (at '.b'); write request.id, rows[0].x or 'a.b'.c",
            f"fields.id: this is not a place; {PLACE}",
            "fields.scoer: no such setting; did you mean inputs[0].fields.score?",
            f"fields.score: 5 is not a place; {PLACE}",
            f"fields.ts: this is not a place; {PLACE}",
        ]),
    ],
)  # fmt: skip
def test_faults_of_a_layout_are_told_all_at_once(load: Load, given: str, faults: list[str]) -> None:
    text = f"inputs: [{{topic: t, {given}}}]\nmodels: [{{name: m, reference: r.json}}]\n"
    if not faults:
        assert load(text).inputs[0].format == "fields"
        return
    assert sorted(faults_of(load, text)) == sorted(f"inputs[0].{fault}" for fault in faults)
