"""Two live versions of a model are compared with each other: told when they differ, once, and never by chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.count.admission.versions import Admission
from monitor.events import ModelKey
from monitor.judge.fleet import Reported
from monitor.pipeline import Pipeline
from monitor.reference.file.encoding import with_hash
from monitor.reference.reference import Reference
from monitor.reference.references import References
from tests.engine import (
    EVENTS,
    Credit,
    Event,
    MemorySource,
    build,
    credit_reference,
    pipeline_of,
    plain,
    settings,
    trees,
)

TREE = settings()
CANARY = ModelKey("credit", "2")
#: share of the canary's events
SHARE = 0.25


def older(made: Event) -> None:
    made["features"]["AGE"] += 6


def same(_made: Event) -> None:
    """As the other version's."""


def graduates(made: Event) -> None:
    if made["features"]["EDU"] == "low":
        made["features"]["EDU"] = "high"


@cache
def stream(change: Callable[[Event], None], events: int = 12_000, seed: int = 3) -> tuple[Event, ...]:
    """A stable version and a canary of other customers; `change` is applied to the canary's events."""
    rng = np.random.default_rng(seed)
    made = list(Credit(events, seed=seed))
    for one, is_canary in zip(made, (rng.random(events) < SHARE).tolist(), strict=True):
        if is_canary:
            one["version"] = "2"
            change(one)
    return tuple(made)


@cache
def own_reference() -> Reference:
    """A reference of the canary's own, with other bins."""
    made = build(TREE, list(Credit(10_000, seed=77)))
    return with_hash(replace(made, key=CANARY))


def start(references: Sequence[Reference], events: Sequence[Event], chunk: int = 500) -> tuple[Pipeline, MemorySource]:
    source = MemorySource({EVENTS: list(events)}, chunk)
    by_version = {one.key.version: one for one in references}
    pipeline, _ = pipeline_of(TREE, Admission(TREE, References({"credit": by_version})), source)
    return pipeline, source


def told(pipeline: Pipeline, source: MemorySource) -> list[Reported]:
    ended = False
    while not ended:
        ended = source.ended()
        pipeline.turn()
    return versions_of(pipeline)


def versions_of(pipeline: Pipeline) -> list[Reported]:
    reported: Any = pipeline.fleet
    return [one for one in reported.reported if one.finding.key.cause == "version"]


def both() -> list[Reference]:
    return [credit_reference(), with_hash(replace(credit_reference(), key=CANARY))]


@pytest.mark.parametrize("references", [both, lambda: [credit_reference(), own_reference()]])
@pytest.mark.parametrize(("change", "subject"), [(older, "AGE"), (graduates, "EDU")])
def test_a_canary_that_differs_is_told_once(
    references: Callable[[], list[Reference]], change: Callable[[Event], None], subject: str
) -> None:
    found = told(*start(references(), stream(change)))
    assert [(one.monitored.key, one.finding.key.subject, one.finding.severity) for one in found] == [
        (CANARY, subject, "info")
    ]
    (finding,) = [one.finding for one in found]
    assert finding.key.figure == "1"
    assert "not as in version 1" in finding.detail
    assert finding.exceedance >= 1


def test_the_words_have_the_figures_of_both_versions() -> None:
    (found,) = told(*start(both(), stream(older)))
    span = found.finding.window
    ages = {
        version: [
            one["features"]["AGE"]
            for one in stream(older)
            if one["version"] == version and span.start_us <= one["ts"] < span.end_us
        ]
        for version in ("1", "2")
    }
    assert span.events == len(ages["2"])
    mean = float(found.finding.detail.split("mean ")[1].split(" against ")[0])
    assert mean == pytest.approx(np.mean(ages["2"]), abs=0.01)


@pytest.mark.parametrize("seed", range(4, 7))
def test_versions_that_are_alike_are_silent(seed: int) -> None:
    for references in (both(), [credit_reference(), own_reference()]):
        assert not told(*start(references, stream(same, seed=seed)))


def test_it_takes_nothing_of_the_page_budget() -> None:
    pipeline, source = start(both(), stream(older))
    told(pipeline, source)
    alone, of_one = start(both(), [one for one in stream(older) if one["version"] == "2"])
    told(alone, of_one)
    fleets: list[Any] = [pipeline.fleet, alone.fleet]
    shared, single = (fleet.judges[CANARY].budget.expected for fleet in fleets)
    assert shared == pytest.approx(single / 2, rel=0.2)  # the versions share one budget


@pytest.mark.parametrize("chunk", [77, 12_000])
def test_it_is_the_same_however_polls_cut_the_stream_and_across_a_restart(chunk: int) -> None:
    pipeline, source = start(both(), stream(older))
    expected = [one.finding for one in told(pipeline, source)]
    again, other = start(both(), stream(older), chunk)
    assert [one.finding for one in told(again, other)] == expected
    first, _ = start(both(), stream(older))
    for _ in range(15):
        first.turn()
    before = versions_of(first)
    restarted, rest = start(both(), stream(older))
    restarted.restore(first.to_state().state())
    rest.next.update(first.positions())
    assert [one.finding for one in [*before, *told(restarted, rest)]] == expected
    assert plain(trees(restarted.to_state())) == plain(trees(pipeline.to_state()))
