"""Two columns that were exchanged are named, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from monitor.judge.causes.unit_change import SCALES, UnitChange
from monitor.judge.comparison.exchanged import LOOK_AT_ORDER
from monitor.judge.evaluation import with_exchanged
from monitor.reference.reference import Reference
from tests.books import finding
from tests.engine import EVENTS, Credit, Event, MemorySource, build, replayed, settings

CHANGE, END = 2_000, 3_600
FEATURES: dict[str, object] = {"versions": ["1"]}


@pytest.fixture(scope="module")
def reference() -> Reference:
    return build(settings(FEATURES), in_thousands(Credit(6_000)))


def in_thousands(stream: Iterable[Event]) -> list[Event]:
    """The same events, with a BILL in thousands and on another level: about 140, with a spread of 15."""
    changed = list(stream)
    for one in changed:
        one["features"]["BILL"] = round(100 + one["features"]["BILL"] / 1_000, 3)
    return changed


def at_the_end(reference: Reference, change: Callable[[dict[str, Any]], None]) -> str:
    """What is open at the end of a stream with a fault, in words."""
    stream = in_thousands(Credit(END, seed=2))
    for one in stream[CHANGE:]:
        change(one["features"])
    lines, _ = replayed(settings(FEATURES), reference, MemorySource({EVENTS: stream}))
    (words,) = lines[-1]["models"][0]["at_the_end"]
    return str(words)


@pytest.mark.parametrize("change", [UnitChange.by(10.0), UnitChange.to(SCALES[0])])
def test_of_exchanged_columns_no_unit_is_said_and_where_to_look_is(change: UnitChange) -> None:
    plain = finding("AGE", cause="outside")
    said = replace(
        plain, headline=plain.headline + change.headline, detail=plain.detail + change.detail, factor=change.factor
    )
    told = with_exchanged(said, "BILL")
    assert told == with_exchanged(plain, "BILL")
    assert (told.headline, told.factor) == (f"AGE and BILL look exchanged: {plain.headline}", None)
    assert told.next_step == LOOK_AT_ORDER


def test_two_exchanged_columns_are_named_as_such(reference: Reference) -> None:
    def exchange(features: dict[str, Any]) -> None:
        features["BILL"], features["AGE"] = features["AGE"], features["BILL"]

    words = at_the_end(reference, exchange)
    assert words.startswith(("AGE and BILL look exchanged: AGE ", "BILL and AGE look exchanged: BILL "))


@pytest.mark.parametrize("other", ["one", "same", "far"])
def test_columns_that_only_moved_are_not(reference: Reference, other: str) -> None:
    """One with the other's values while that one keeps its own; both moved; both moved past each other."""

    def change(features: dict[str, Any]) -> None:
        if other == "one":
            features["AGE"] = features["BILL"]
        elif other == "same":
            features["AGE"], features["BILL"] = features["AGE"] + 8, features["BILL"] + 15
        else:
            features["AGE"], features["BILL"] = features["BILL"] * 2, features["AGE"] / 2

    words = at_the_end(reference, change)
    assert words
    assert "exchanged" not in words
