"""Findings of segments: of a change in one segment alone, and within the page budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.clock import DAY_US, SECOND_US, parse_rfc3339
from monitor.errors import UsageError
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.quality import Quality
from monitor.judge.causes.segment_quality import SegmentQuality
from monitor.judge.causes.segments import Segments
from monitor.judge.comparison.columns import sides_of
from monitor.judge.comparison.segmented import Segmented
from monitor.judge.model import ModelJudge
from monitor.judge.windows.pyramid import BASE_EVENTS
from monitor.reference.configured import as_configured, contradictions
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.notes.segments import segment_lines
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.run.human_lines import human_line
from monitor.settings.tree import Settings
from tests.engine import (
    CREDIT,
    EVENTS,
    START_US,
    Credit,
    Event,
    MemorySource,
    admission_of,
    build,
    event,
    replayed,
    settings,
    transitions_in,
)

CHANGE = 1_500
OPENED = {"at": "", "transition": "opened", "severity": "page", "summary": ""}
Fault = Callable[[Event, np.random.Generator], None]


def tree(*names: str, **over: object) -> Settings:
    return settings({"segments": list(names)}, **over)


@cache
def reference() -> Reference:
    return build(tree("EDU"), list(Credit(6_000)))


def findings(fault: Fault, events: int = 3_500) -> list[dict[str, Any]]:
    source = MemorySource({EVENTS: list(Credit(events, 2, CHANGE, fault))})
    lines, _ = replayed(tree("EDU"), reference(), source)
    return [found for line in transitions_in(lines) for found in line["findings"]]


def older(made: Event, rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 10


def older_where_low(made: Event, rng: np.random.Generator) -> None:
    if made["features"]["EDU"] == "low":
        older(made, rng)


def without_where_low(made: Event, rng: np.random.Generator) -> None:
    if made["features"]["EDU"] == "low":
        made["features"]["LIMIT"] = None


def judge(*names: str, rows: int = 6_000) -> ModelJudge:
    settings_of = tree(*names)
    built = build(settings_of, list(Credit(rows)))
    monitored = admission_of(settings_of, built).monitored(CREDIT)
    assert monitored is not None
    return ModelJudge(monitored, 1.0, 30 * DAY_US, show_values=True)


def test_a_change_in_one_segment_names_it() -> None:
    found = findings(older_where_low)
    assert ("AGE", "distribution", "EDU=low") in {(one["subject"], one["cause"], one["segment"]) for one in found}
    assert {one["segment"] for one in found} <= {"", "EDU=low"}
    named = next(one for one in found if one["segment"])
    assert named["severity"] == "page"
    assert named["direction"] == "up"
    assert "AGE in EDU=low: distribution" in (human_line({"kind": "transition", **OPENED, "findings": [named]}) or "")


def somewhat_older_where_low(made: Event, _rng: np.random.Generator) -> None:
    if made["features"]["EDU"] == "low":
        made["features"]["AGE"] += 4


def test_a_change_that_a_long_window_shows_begins_where_the_segment_changed() -> None:
    named = [one for one in findings(somewhat_older_where_low, 6_000) if one["segment"]]
    assert any(one["window"]["events"] > BASE_EVENTS for one in named), "no window of several parts was over"
    began = [(parse_rfc3339(one["since"]) - START_US) / SECOND_US * 100 / 60 for one in named]  # 100 events a minute
    assert began == pytest.approx([CHANGE] * len(named), abs=1.5 * BASE_EVENTS)


def test_a_change_of_all_events_is_told_once() -> None:
    found = findings(older)
    assert {(one["subject"], one["segment"]) for one in found} == {("AGE", "")}


def test_missing_values_of_one_segment_name_it() -> None:
    found = findings(without_where_low)
    told = [one for one in found if one["segment"]]
    assert {(one["subject"], one["cause"], one["segment"]) for one in told} == {("LIMIT", "missing", "EDU=low")}
    assert all(one["value"] > 0.9 for one in told)


def test_values_may_be_hidden() -> None:
    settings_of = tree("EDU", show_values=False)
    monitored = admission_of(settings_of, reference()).monitored(CREDIT)
    assert monitored is not None
    hidden = ModelJudge(monitored, 1.0, 30 * DAY_US, show_values=False).judge
    view = Segmented.of(hidden.performance.prepared, hidden.performance.policy)
    assert view is not None
    assert view.names[-1] == "EDU=other"
    assert all(name.startswith("EDU=#") for name in view.names[:-1])


def test_long_values_are_told_apart_on_one_line() -> None:
    values = [end + "\n" + "x" * 100 + end for end in ("a", "b")] + ["x" * 100 + end for end in ("a", "b")]
    stream = [event(at, id=str(at), features={"X": values[at % 4], "Y": at % 7}) for at in range(1_200)]
    asked = tree("X")
    monitored = admission_of(asked, build(asked, stream)).monitored(CREDIT)
    assert monitored is not None
    known = ModelJudge(monitored, 1.0, 30 * DAY_US, show_values=True)
    view = Segmented.of(known.prepared, known.policy)
    assert view is not None
    assert len(set(view.names)) == 5
    assert all(name.isprintable() and len(name) <= 50 for name in view.names)


def test_segments_of_a_feature_take_as_much_of_the_budget_as_all_events() -> None:
    """However many its values are: the tests of each count by its share of the events."""
    without, with_one = judge(), judge("EDU")
    of_all = sum(cause.tests() for cause in without.judge.causes if type(cause) in {Distribution, Quality})
    of_segments = sum(cause.tests() for cause in with_one.judge.causes if type(cause) in {Segments, SegmentQuality})
    assert 0 < of_segments <= of_all
    assert with_one.judge.tests_of_length == without.judge.tests_of_length + of_segments
    assert sum(cause.tests() for cause in without.judge.causes if isinstance(cause, (Segments, SegmentQuality))) == 0


def test_a_smaller_segment_may_spend_less() -> None:
    one = judge("EDU").judge.performance
    view = Segmented.of(one.prepared, one.policy)
    assert view is not None
    assert view.names[:4] == ("EDU=high", "EDU=middle", "EDU=low", "EDU=none")
    np.testing.assert_allclose(view.shares[:4], [0.45, 0.3, 0.2, 0.05], atol=0.02)
    side = sides_of(view.prepared)[0]
    age = [at for at, place in enumerate(side.places.tolist()) if view.prepared.columns[place].name == "AGE"]
    largest = side.reference.critical(1e-6)[age[:4]].min(1)
    assert largest.tolist() == sorted(largest.tolist())
    assert side.reference.sizes[age[3]].max() > 8 * side.reference.sizes[age[0]].max()


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ("AGE", "models[0].segments[0]: AGE is numeric; write features.AGE.kind: categorical, or leave it out"),
        ("region", "models[0].segments[0]: no event of the reference has a feature or a tag region"),
        ("Edu", "models[0].segments[0]: no event of the reference has a feature or a tag Edu; did you mean EDU?"),
    ],
)
def test_what_cannot_cut_the_events_is_a_fault(asked: str, fault: str) -> None:
    with pytest.raises(UsageError) as raised:
        build(tree(asked), list(Credit(500)))
    assert raised.value.faults == (fault,)


def test_a_reference_without_the_segments_is_refused() -> None:
    plain = build(tree(), list(Credit(500)))
    assert list(contradictions(plain, tree("EDU").models[0])) == [
        "segments[0]: EDU, but the reference was built without it; build the reference again"
    ]
    assert list(contradictions(plain, tree("AGE", "Ag").models[0])) == [
        "segments[0]: AGE is numeric in the reference; write features.AGE.kind: categorical and build the reference "
        "again, or leave it out",
        "segments[1]: Ag, but the reference was built without it; build the reference again; did you mean AGE?",
    ]
    assert list(contradictions(reference(), tree("EDU").models[0])) == []


def test_segments_that_the_settings_do_not_name_are_left_out() -> None:
    configured = as_configured(reference(), tree().models[0])
    assert configured.segments is None
    model = settings({"segments": ["EDU"], "features": {"BILL": {"kind": "ignore"}}}).models[0]
    kept, whole = as_configured(reference(), model).segments, reference().segments
    assert kept is not None
    assert whole is not None
    left = [at for at, column in enumerate(reference().columns) if column.name != "BILL"]
    np.testing.assert_array_equal(kept.counts.sum(2), whole.counts[:, left].sum(2))


def test_the_counts_of_a_reference_add_up_to_all_events() -> None:
    segments, whole = reference().segments, reference()
    assert segments is not None
    np.testing.assert_array_equal(segments.counts.sum(0), whole.counts)


def test_a_file_gives_the_segments_back() -> None:
    body = json.loads(json.dumps(to_json(reference())))
    assert fault_of({**body, "hash": reference().hash}) == ""
    back, known = from_json(body).segments, reference().segments
    assert back is not None
    assert known is not None
    assert back.by == known.by
    for name in ("counts", "below", "largest"):
        np.testing.assert_array_equal(getattr(back, name), getattr(known, name))


def test_the_reference_shows_its_segments() -> None:
    line = next(line for line in reference_text(reference()).splitlines() if line.startswith("segments by EDU: high 4"))
    assert all(f" {value} " in line for value in ("middle", "low", "none"))
    assert "other" not in line, "no event is in it"
    segments = reference().segments
    assert segments is not None
    counts = segments.counts.copy()
    counts[-1] = 60
    (line,) = segment_lines(replace(reference(), segments=replace(segments, counts=counts)))
    assert " other " in line


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("feature", "AGE", "segments: AGE is no categorical feature"),
        ("tag", True, "segments: EDU is a feature, and no tag"),
        ("values", ["high", "phd"], "segments: EDU: a value is none of its categories"),
        (
            "below",
            [],
            "segments: EDU: counts, below and largest_distance do not have one entry for each segment",
        ),
    ],
)
def test_a_damaged_part_of_a_file_is_a_fault(name: str, value: object, fault: str) -> None:
    body = json.loads(json.dumps(to_json(reference())))
    body["segments"][0][name] = value
    assert fault_of({**body, "hash": "sha256:0"}) == fault
