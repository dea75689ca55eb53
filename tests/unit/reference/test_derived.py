"""References with vectors and texts: what is planned, the file, and what the settings may say."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.errors import UsageError
from monitor.reference.configured import as_configured, contradictions
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.notes.events import reference_notes
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.reference.survey import vectors as vector_sample
from monitor.reference.survey.vectors import VectorSample
from monitor.run.reference_file import load_reference, save_reference
from monitor.stats.bins.reference_bins import ABSENT, MISSING, OUTSIDE, TYPE, UNSEEN
from monitor.stats.derived.vectors import VectorColumns
from tests.engine import EVENTS, MemorySource, build, event, replayed, settings
from tests.texts import WIDTH, stream
from tests.unit.reference.test_build_notes import line_of, of_values

TEXT = {"features": {"note": {"kind": "text"}}}
VECTOR_NAMES = ["emb", "emb.norm", "emb.distance", "emb.p1", "emb.p2", "emb.p3", "emb.p4"]
TEXT_NAMES = ["note", "note.length", "note.words", "note.unknown_words", "note.script"]
N = 600


@cache
def reference() -> Reference:
    return build(settings(TEXT), stream(2_000, seed=1))


def names(one: Reference) -> list[str]:
    return [column.name for column in one.columns if column.role == "feature"]


def vectors(width: int, count: int = N, seed: int = 1) -> list[Any]:
    return [*np.random.default_rng(seed).normal(size=(count, width)).round(4).tolist()]


def test_lists_of_numbers_are_vectors_and_texts_where_the_settings_say_so() -> None:
    assert names(reference()) == [*VECTOR_NAMES, *TEXT_NAMES, "x"]
    kinds = {column.name: column.kind for column in reference().columns}
    assert (kinds["emb"], kinds["note"], kinds["emb.norm"], kinds["note.script"]) == (
        "vector",
        "text",
        "numeric",
        "categorical",
    )
    silent = build(settings(), stream(1_000, seed=1))
    assert names(silent)[-1] == "x"
    assert not {"note.words", "note.script"} & set(names(silent))


def test_free_text_is_ignored_with_the_kind_that_watches_it() -> None:
    values = [f"ticket {at} of customer {at * 7919 % 104_729}" for at in range(N)]
    ignored, _ = of_values(values)
    assert "kind: text to watch its words" in dict(ignored.ignored)["x"]
    watched, lines = of_values(values, {"features": {"x": {"kind": "text"}}})
    assert names(watched) == ["steady", "x", "x.length", "x.words", "x.unknown_words", "x.script"]
    assert line_of(lines) == "x: a text, watched by x.length, x.words, x.unknown_words, x.script"


def test_a_reference_counts_every_event_of_a_derived_column_once() -> None:
    values = [*vectors(3), None, [1, 2], "text", ..., [1, 2, 3]] * 2
    one, lines = of_values(values)
    assert line_of(lines).startswith("x: a vector of 3 numbers, watched by x.norm, x.distance, x.p1, x.p2, x.p3; ")
    for at, column in enumerate(one.columns):
        counts = one.counts[at]
        assert counts[: one.width].sum() + counts[one.width :].sum() == len(values), column.name
        if column.name == "x":
            assert counts[one.width + np.array([MISSING, ABSENT, UNSEEN, OUTSIDE, TYPE])].tolist() == [2, 2, 0, 0, 4]


def test_the_centre_and_the_bins_are_those_of_the_events() -> None:
    values = vectors(5)
    one, _ = of_values(values)
    (derived,) = one.derived
    columns = derived.columns
    assert isinstance(columns, VectorColumns)
    np.testing.assert_allclose(columns.center, np.mean(values, axis=0), rtol=1e-9)
    figures = columns.of(np.array(values))
    for name, own in zip(derived.numeric, figures, strict=True):
        at = next(at for at, column in enumerate(one.columns) if column.name == name)
        edges = np.array(one.columns[at].bins.edges)
        assert (
            one.counts[at, : len(edges) + 1].tolist() == np.bincount(np.searchsorted(edges, own), minlength=10).tolist()
        )


def test_the_file_holds_all_of_it_and_an_older_one_is_read_as_before(tmp_path: Path) -> None:
    save_reference(reference(), tmp_path / "r.json")
    again = load_reference(tmp_path / "r.json")
    assert to_json(again) == to_json(reference())
    assert again.hash == reference().hash
    texts = ["One of the words here", "zzz qqq", ""]
    for one, other in zip(reference().derived, again.derived, strict=True):
        assert one.parent == other.parent
        if isinstance(one.columns, VectorColumns):
            assert isinstance(other.columns, VectorColumns)
            some = np.array(vectors(WIDTH))
            assert other.columns.of(some).tobytes() == one.columns.of(some).tobytes()
        else:
            assert not isinstance(other.columns, VectorColumns)
            assert other.columns.of(texts).tobytes() == one.columns.of(texts).tobytes()
    older = {**to_json(build(settings(), [event(at, features={"x": at % 7}) | {"prediction": 1} for at in range(400)]))}
    assert "derived" not in older
    assert not any("of" in row for row in older["columns"])
    assert from_json(older).derived == ()


def broken(change: Any) -> str:  # noqa: ANN401  # changes the content of a file
    body = json.loads(json.dumps(to_json(reference())))
    change(body)
    return fault_of(body)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda body: body.pop("derived"), "column emb is derived from emb, and the part derived does not have it"),
        (lambda body: body["derived"].pop("note"), "column note is derived from note, and the part derived does not"),
        (lambda body: body["derived"]["emb"].update(kind="numeric"), "derived.emb.kind is none of vector, text"),
        (
            lambda body: body["derived"]["emb"].update(center=""),
            "derived.emb: center does not have 1 to 32,768 numbers",
        ),
        (lambda body: body["derived"]["emb"].update(center="AAAA"), "derived.emb: center does not have 1 to 32,768"),
        (
            lambda body: body["derived"]["emb"].update(center=_packed(np.full(WIDTH, np.nan))),
            "derived.emb: center holds what is not a finite number",
        ),
        (lambda body: body["derived"]["emb"].update(components="AAAAAA=="), "derived.emb: components are not up to 4"),
        (
            lambda body: body["derived"]["emb"].update(components=_packed(np.full(WIDTH, 1 << 20, np.int32))),
            "derived.emb: components holds an integer above 2^19",
        ),
        (
            lambda body: body["derived"]["note"].update(known="AAAA"),
            "derived.note: known is not a whole number of hash",
        ),
        (lambda body: body["derived"]["note"].update(hash="md5"), "derived.note: hash is 'md5', and this version"),
        (lambda body: body["columns"].pop(0), "derived.emb: there is no column of that name"),
        (
            lambda body: body["derived"]["emb"].update(center="?"),
            "Invalid base64 encoded string at .derived[...].center",
        ),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(change: Any, fault: str) -> None:  # noqa: ANN401  # as above
    assert broken(lambda _: None) == ""
    assert broken(change).startswith(fault)


def _packed(numbers: Any) -> str:  # noqa: ANN401  # an array
    return base64.b64encode(numbers.tobytes()).decode()


def test_what_the_settings_ignore_is_neither_made_nor_counted() -> None:
    tree = settings({"features": {"emb.norm": {"kind": "ignore"}, "note": {"kind": "ignore"}}})
    kept = as_configured(reference(), tree.models[0])
    assert names(kept) == ["emb", "emb.distance", "emb.p1", "emb.p2", "emb.p3", "emb.p4", "x"]
    assert [one.parent for one in kept.derived] == ["emb"]
    assert "emb.norm" not in kept.derived[0].numeric
    assert list(contradictions(reference(), tree.models[0])) == []
    lines, _ = replayed(tree, kept, MemorySource({EVENTS: stream(1_000, seed=3, first=2_000)}))
    assert lines[-1]["outcomes"] == {"accepted": 1_000}


def test_a_column_left_out_at_build_is_left_out_after_it_too(tmp_path: Path) -> None:
    tree = settings({"features": {"note": {"kind": "text"}, "note.script": {"kind": "ignore"}}})
    built = build(tree, stream(1_000, seed=1))
    assert "note.script" not in names(built)
    save_reference(built, tmp_path / "r.json")
    again = load_reference(tmp_path / "r.json")
    assert [one.script for one in again.derived] == ["", ""]
    lines, _ = replayed(tree, as_configured(again, tree.models[0]), MemorySource({EVENTS: stream(500, 3, 1_000)}))
    assert lines[-1]["outcomes"] == {"accepted": 500}


@pytest.mark.parametrize(
    ("features", "fault"),
    [
        ({"emb": {"kind": "numeric"}}, "features.emb.kind: numeric, but the reference has it as vector; build"),
        ({"emb": {"kind": "text"}}, "features.emb.kind: text, but the reference has it as vector; build"),
        ({"x": {"kind": "vector"}}, "features.x.kind: vector, but the reference has it as numeric; build"),
        ({"emb.p9": {"kind": "numeric"}}, "features.emb.p9: no event of the reference has it"),
        ({"emb": {"kind": "vector"}, "emb.p1": {"kind": "numeric"}, "note": {"kind": "text"}}, None),
    ],
)
def test_a_kind_that_the_reference_does_not_have_is_a_contradiction(features: Any, fault: str | None) -> None:  # noqa: ANN401  # settings
    said = list(contradictions(reference(), settings({"features": features}).models[0]))
    assert said == [] if fault is None else len(said) == 1 and said[0].startswith(fault)


@pytest.mark.parametrize(
    ("values", "kind", "fault"),
    [
        ([1.5] * N, "vector", "it has no list of numbers"),
        ([1.5] * N, "text", "it has no text"),
        (
            [[1.0], [1.0, 2.0], [3.0, 4.0, 5.0]] * 200,
            "vector",
            "its lists of numbers have several lengths (1 (33.3 %), 2",
        ),
        ([[0.5] * 9] * N, "vector", "its vectors have 9 numbers, and limits.vector is 8"),
        (
            [[0.5, 1.5]] * 20 + [None] * 580,
            "vector",
            "it has 20 vectors of finite numbers, and a centre is learned from 50",
        ),
    ],
)
def test_a_kind_that_the_values_contradict_is_refused(values: list[Any], kind: str, fault: str) -> None:
    stream_of = [event(at, features={"s": at % 7, "x": value}, prediction=1) for at, value in enumerate(values)]
    with pytest.raises(UsageError) as refused:
        build(settings({"features": {"x": {"kind": kind}}}, limits={"vector": 8}), stream_of)
    (line,) = refused.value.faults
    assert line.startswith(f"models[0].features.x.kind: {kind}, but {fault}")


def test_a_derived_column_never_takes_the_name_of_a_feature() -> None:
    values = [{"emb": [at / 7, 1.0], "emb.norm": at % 7} for at in range(N)]
    events = [event(at, features=one, prediction=1) for at, one in enumerate(values)]
    one = build(settings(), events)
    assert names(one) == ["emb.norm"]
    assert dict(one.ignored)["emb"].startswith("its derived column emb.norm has the name of another feature: rename")
    with pytest.raises(UsageError):
        build(settings({"features": {"emb": {"kind": "vector"}}}), events)


def test_what_is_shown_says_that_the_columns_are_derived() -> None:
    shown = reference_text(reference())
    assert "emb                 vector" in shown
    assert "not watched: a vector: its derived columns are watched" in shown
    assert not [note for note in reference_notes(reference(), "m") if note.startswith(("emb:", "note:"))]


def test_the_sample_of_vectors_is_bounded_and_does_not_depend_on_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_sample, "SAMPLE_NUMBERS", 300)
    values = [[1.0], *vectors(3, 1_000), None, "x", [True, 1.0, 2.0], [1.0, 2.0]]
    times = np.arange(len(values))
    whole, parts = VectorSample(), VectorSample()
    whole.add(values, times)
    for at in range(0, len(values), 37):
        parts.add(values[at : at + 37], times[at : at + 37])
    assert whole.length == parts.length == 3
    assert whole.lengths == parts.lengths == {1: 1, 3: 1_001, 2: 1}
    (all_of_it, at_once), (in_parts, by_parts) = whole.in_time_order(), parts.in_time_order()
    assert all_of_it.tolist() == in_parts.tolist()
    assert at_once.tolist() == by_parts.tolist()
    assert 50 <= len(all_of_it) <= 100
    assert all(values[time] == row for time, row in zip(at_once.tolist(), all_of_it.tolist(), strict=True))


def test_the_usual_length_may_be_another_than_the_first() -> None:
    sample = VectorSample()
    sample.add([[1.0, 2.0]] * 3, np.arange(3))
    sample.add(vectors(4, 60), np.arange(3, 63))
    assert sample.length == 4
    assert sample.in_time_order()[0].tolist() == vectors(4, 60)
