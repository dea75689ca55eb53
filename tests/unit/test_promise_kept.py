"""What is promised is kept: stored references are made anew, changes of the promised size planted, and judged.

Many more references and runs: `python -m tests.benchmarks promise`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.judge.model import ModelJudge
from monitor.judge.promise.promised import Traffic, promise_by_settings, promise_of, promise_without_settings
from monitor.judge.promise.words import statement, text_table
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.monitored import Monitored
from monitor.stats.testing.promise import MISSING_NAMED, SHARE, SHIFT
from monitor.stats.variance.long_run import ROWS_WITHOUT_DISTANCE
from tests.engine import CREDIT, build, event, settings
from tests.promised import NAME, SOURCES, Promised, Source, delays, missing_delays, promised, unseen_pages

REFERENCES = 3
RUNS = 8
#: a promise may be so many times later than what 95 in 100 changes need
MOST_CAUTION = 2.5


@cache
def of_source(name: str, seed: int = 1) -> Promised:
    return promised(SOURCES[name], seed)


def kept(paged: int, runs: int) -> bool:
    """No fewer than 95 in 100, but for chance: three standard errors."""
    return paged >= runs * 0.95 - 3 * math.sqrt(runs * 0.95 * 0.05)


@pytest.mark.parametrize("name", SOURCES)
def test_a_change_of_the_promised_size_pages_as_soon_as_is_said(name: str) -> None:
    found: list[float] = []
    for seed in range(REFERENCES):
        one = of_source(name, seed)
        assert not one.column.why_not
        found += [delay / one.column.named.events for delay in delays(one, RUNS)]
    assert kept(sum(delay <= 1 for delay in found), len(found)), found
    assert np.quantile(found, 0.95) >= 1 / MOST_CAUTION, found


@pytest.mark.parametrize("name", ["independent", "AR 0.7"])
def test_a_change_below_what_is_seen_does_not_page(name: str) -> None:
    found = [paged for seed in range(2) for paged in unseen_pages(of_source(name, seed), 2)]
    assert sum(found) <= len(found) / 4, found


def test_more_missing_values_page_as_soon_as_is_said() -> None:
    for at, size in enumerate(MISSING_NAMED):
        one = of_source("independent")
        events = one.column.missing[at].events
        found = [delay / events for delay in missing_delays(one, size, events, RUNS)]
        assert kept(sum(delay <= 1 for delay in found), len(found)), (size, found)


def test_a_stored_reference_has_the_same_promise() -> None:
    reference = of_source("AR 0.7").reference
    again = from_json(to_json(reference))
    assert promise_without_settings(again) == promise_without_settings(reference)
    assert promise_by_settings(settings(), CREDIT, again) == promise_without_settings(reference)


def test_faster_traffic_needs_more_events_where_they_depend_on_each_other_and_the_same_where_not() -> None:
    waits = {}
    for name in ("AR 0.7", "independent"):
        one = of_source(name)
        judge, usual = one.simulation.judge(), Traffic.of_reference(one.reference)
        fast = replace(usual, base_us=usual.base_us / 3)
        promises = [promise_of(judge, traffic) for traffic in (usual, fast)]
        waits[name] = [promise.columns[0].named for promise in promises]
        assert promises[1].of_reference == pytest.approx(3 * promises[0].of_reference, rel=1e-3)
        assert promises[1].events_per_second == pytest.approx(3 * promises[0].events_per_second)
    assert waits["AR 0.7"][1].events > waits["AR 0.7"][0].events
    # a look that comes three times as often may spend a third: a little later, in a third of the time
    assert waits["independent"][1].events <= 1.5 * waits["independent"][0].events
    assert waits["independent"][1].us < 0.6 * waits["independent"][0].us


def test_settings_that_allow_no_page_are_the_reason() -> None:
    reference = of_source("independent").reference
    by_settings = (
        {"features": {NAME: {"severity": "ticket"}}},
        {"features": {NAME: {"mute": True}}},
        {"severity": {"distribution": "ticket"}},
        {"max_severity": "ticket"},
    )
    for model in by_settings:
        (column,) = promise_by_settings(settings(model), CREDIT, reference).columns
        assert "by the settings it is at most" in column.why_not, model
    larger = promise_by_settings(settings({"features": {NAME: {"least_effect": 0.2}}}), CREDIT, reference)
    assert larger.columns[0].moved > 2 * promise_without_settings(reference).columns[0].moved


def test_versions_share_the_pages_of_their_model() -> None:
    reference = of_source("independent").reference
    alone = promise_by_settings(settings({"versions": ["1"]}), CREDIT, reference)
    both = promise_by_settings(settings({"versions": ["1", "2"]}), CREDIT, reference)
    assert (alone.pages, both.pages) == (1.0, 0.5)
    assert both.columns[0].smallest >= alone.columns[0].smallest


def test_a_short_reference_sees_less_and_uses_half_of_its_pages() -> None:
    whole = of_source("independent")
    short = promised(replace(SOURCES["independent"], rows=2_000), 1)
    assert len(short.reference.levels) < len(whole.reference.levels)
    assert short.reference.events < ROWS_WITHOUT_DISTANCE < whole.reference.events
    assert short.column.smallest > whole.column.smallest
    promise = promise_without_settings(short.reference)
    assert promise.used == promise.pages / 2


def test_a_column_that_never_settles_has_its_reason() -> None:
    waves = Source(SHIFT, lambda rng, rows: np.repeat(rng.standard_normal(4), rows // 4) + 0.1 * rng.random(rows))
    assert "depend on each other" in promised(waves, 1).column.why_not


def test_the_form_of_a_change_is_what_the_column_can_do() -> None:
    forms = {name: of_source(name).column.form for name in SOURCES}
    assert forms == {name: source.form for name, source in SOURCES.items()}
    assert {SHIFT, SHARE} == set(forms.values())


def test_a_judge_has_the_promise_of_its_monitored_version() -> None:
    one = of_source("independent")
    monitored: Monitored = one.simulation.monitored
    judge = ModelJudge(monitored, 1.0, settings().budget.per, show_values=True)
    assert promise_of(judge, Traffic.today(judge)) == promise_without_settings(one.reference)


ODD: dict[str, list[dict[str, Any]]] = {
    "a few events": [{"x": float(at % 7)} for at in range(60)],
    "one event": [{"x": 1.0}],
    "one value, none, and both": [{"x": 1.0, "y": None, "z": None if at % 2 else "a"} for at in range(600)],
    "mostly missing": [{"x": None if at % 200 else float(at), "y": at % 5} for at in range(3_000)],
    "very large and very small": [{"x": (at % 11) * 1e300, "y": (at % 7) * 1e-300} for at in range(3_000)],
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("seconds", [0.0, 0.0005, 0.6, 3_600.0])
def test_every_reference_has_a_promise_in_words(name: str, seconds: float) -> None:
    stream = [event(at * seconds, id=f"e{at}", features=values) for at, values in enumerate(ODD[name])]
    promise = promise_without_settings(build(settings(), stream))
    said = [*statement(promise), *text_table(promise)]
    assert not any(word in line for line in said for word in ("nan", "inf", "None"))
    for column in promise.columns:
        assert column.unseen <= column.smallest
        assert math.isinf(column.smallest) or not column.why_not
