"""Streams with real embeddings and texts, from reference to finding."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.reference.configured import as_configured
from monitor.reference.reference import Reference
from tests.engine import EVENTS, Event, MemorySource, build, replayed, settings, transitions_in
from tests.texts import WIDTH, embedded, of_another_subject, stream

ROWS = 6_000
CHANGE = 1_500
TEXT = {"features": {"note": {"kind": "text"}}}

Change = Callable[[Event, int], None]


@cache
def reference() -> Reference:
    return build(settings(TEXT), stream(ROWS, seed=1))


def findings(
    change: Change | None, model: dict[str, Any] | None = None, *, show_values: bool = True
) -> list[dict[str, Any]]:
    """All findings of the stream, the first of each key; `change` is made to each event from CHANGE on."""
    live = stream(4_000, seed=2, first=ROWS)
    for at, made in enumerate(live):
        if change is not None and at >= CHANGE:
            change(made, at)
    tree = settings(model or TEXT, show_values=show_values)
    lines, _ = replayed(tree, as_configured(reference(), tree.models[0]), MemorySource({EVENTS: live}))
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for transition in transitions_in(lines):
        assert transition["predictions"] > CHANGE, "before the change"
        for one in transition["findings"]:
            found.setdefault((one["subject"], one["cause"]), one)
    return list(found.values())


def keys(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["subject"], one["cause"]) for one in found}


def test_nothing_is_found_where_nothing_changed() -> None:
    assert findings(None) == []


def test_rotated_embeddings_are_found() -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(WIDTH, WIDTH)))

    def rotate(made: Event, _: int) -> None:
        made["features"]["emb"] = (rotation @ made["features"]["emb"]).tolist()

    found = findings(rotate)
    assert ("emb.p1", "distribution") in keys(found)
    assert ("emb.norm", "distribution") not in keys(found), "a rotation keeps the norm"
    assert {subject.partition(".")[0] for subject, _ in keys(found)} == {"emb"}
    assert {one["severity"] for one in found if one["subject"] == "emb.p1"} == {"page"}


def test_embeddings_in_another_unit_are_found() -> None:
    def scale(made: Event, _: int) -> None:
        made["features"]["emb"] = [100 * number for number in made["features"]["emb"]]

    found = findings(scale)
    assert ("emb.norm", "outside") in keys(found)
    (norm,) = [one for one in found if (one["subject"], one["cause"]) == ("emb.norm", "outside")]
    assert norm["factor"] == 100


def test_new_words_are_found_in_the_text_and_its_embedding() -> None:
    others = of_another_subject()
    vectors = embedded(others)

    def replace(made: Event, at: int) -> None:
        made["features"] |= {"note": others[at % len(others)], "emb": vectors[at % len(others)].tolist()}

    found = findings(replace)
    assert ("note.unknown_words", "distribution") in keys(found)
    (unknown,) = [one for one in found if (one["subject"], one["cause"]) == ("note.unknown_words", "distribution")]
    assert unknown["severity"] == "page"
    assert unknown["direction"] == "up"
    assert any(subject.startswith("emb.") for subject, _ in keys(found))


@pytest.mark.parametrize("show_values", [True, False])
def test_another_script_is_named(show_values: bool) -> None:
    """A script is no value of the payload, so it is never hashed."""

    def translate(made: Event, at: int) -> None:
        made["features"]["note"] = "Это совсем другой язык" if at % 3 else "これは日本語です"

    found = findings(translate, show_values=show_values)
    (script,) = [one for one in found if (one["subject"], one["cause"]) == ("note.script", "unseen")]
    assert '"Cyrillic"' in script["detail"]
    assert '"Japanese"' in script["detail"]


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("emb", None, "missing"),
        ("emb", ..., "absent"),
        ("emb", [0.5] * 7, "type"),
        ("emb", "text", "type"),
        ("note", None, "missing"),
        ("note", 7, "type"),
    ],
)
def test_what_is_wrong_with_the_feature_itself_is_said_once(name: str, value: object, cause: str) -> None:
    def spoil(made: Event, _: int) -> None:
        made["features"][name] = value
        if value is ...:
            del made["features"][name]

    (one,) = findings(spoil)
    assert (one["subject"], one["cause"], one["severity"]) == (name, cause, "page")
    assert one["value"] == 1


def test_the_lengths_that_came_are_named() -> None:
    def cut(made: Event, at: int) -> None:
        made["features"]["emb"] = made["features"]["emb"][: 10 if at % 4 else 20]

    (one,) = findings(cut)
    assert one["subject"] == "emb"
    assert "share of the wrong type: 0 % -> 100 %: 10 numbers" in one["detail"]
    assert "20 numbers" in one["detail"]


def test_zero_vectors_are_about_the_vector_and_its_producer() -> None:
    def zeros(made: Event, at: int) -> None:
        if at % 4 == 0:
            made["features"]["emb"] = [0.0] * WIDTH

    derived = [one for one in findings(zeros) if one["subject"].startswith("emb.") and one["cause"] != "constant"]
    assert {one["derived_from"] for one in derived} == {"emb"}
    (step,) = {one["next_step"] for one in derived}
    assert "another embedding model, version or preprocessing" in step


def test_the_settings_of_a_feature_hold_for_its_derived_columns() -> None:
    def scale(made: Event, _: int) -> None:
        made["features"]["emb"] = [3 * number for number in made["features"]["emb"]]

    def severities(features: dict[str, Any]) -> dict[str, str]:
        found = findings(scale, {"features": TEXT["features"] | features})
        return {one["subject"]: one["severity"] for one in found if one["cause"] == "distribution"}

    assert severities({})["emb.norm"] == "page"
    assert set(severities({"emb": {"severity": "ticket"}}).values()) == {"ticket"}
    one_apart = severities({"emb": {"severity": "ticket"}, "emb.norm": {"severity": "page"}})
    assert one_apart.pop("emb.norm") == "page"
    assert set(one_apart.values()) == {"ticket"}
    assert severities({"emb": {"mute": True}}) == {}
    assert "emb.norm" not in severities({"emb.norm": {"kind": "ignore"}})
    assert severities({"emb": {"kind": "ignore"}}) == {}
