"""Segments of a reference under the settings: what cannot cut the events is a fault, and none reaches the counting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from monitor.count.columns.aggregator import Aggregator
from monitor.errors import UsageError
from monitor.reference.configured import as_configured, contradictions
from monitor.reference.file.encoding import to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.learn.segments import SegmentLearner
from monitor.reference.reference import Reference
from monitor.reference.segments import MOST_COUNTS, SegmentedBy, blank_segments, counts_name
from monitor.settings.model import Model
from monitor.stats.tallies.tally import Tally
from tests.engine import Event, blank, build, categorical, event, numeric, settings

COLUMNS = (numeric("AGE"), categorical("EDU", ("a", "b", "c")), categorical("SEX", ("1", "2")))
BY = (SegmentedBy("EDU", ("b",)), SegmentedBy("SEX", ("2", "1")))


def reference(by: Sequence[SegmentedBy] = BY, columns: Sequence[object] = COLUMNS) -> Reference:
    made = blank(tuple(columns))  # type: ignore[arg-type]
    return replace(made, segments=blank_segments(by, *made.counts.shape))


def model(**over: object) -> Model:
    """Of settings that were not checked: whatever they are, no reference may be cut by what is not there."""
    plain = {name: value for name, value in over.items() if name != "segments"}
    checked = Model.model_validate({"name": "credit", "reference": "credit.json", **plain})
    return checked.model_copy(update={"segments": over["segments"]})


def commented() -> list[Event]:
    words = ["hello world", "bonjour le monde", "a third one"]
    return [event(at, id=str(at), features={"AGE": at % 7, "comment": f"{words[at % 3]} {at}"}) for at in range(1_200)]


@pytest.mark.parametrize(("kind", "said"), [("ignore", "is ignored"), ("numeric", "is numeric"), ("text", "is text")])
def test_settings_that_take_a_segment_away_are_refused(kind: str, said: str) -> None:
    with pytest.raises(ValidationError, match=f"EDU {said} by features.EDU.kind; leave one of both out"):
        settings({"segments": ["SEX", "EDU"], "features": {"EDU": {"kind": kind}}})


def test_a_segment_by_an_ignored_feature_is_a_contradiction() -> None:
    of = model(segments=["SEX", "EDU"], features={"EDU": {"kind": "ignore"}})
    assert list(contradictions(reference(), of)) == ["segments[1]: EDU is ignored; leave it out, or do not ignore it"]
    kept = model(segments=["SEX", "EDU"], features={"AGE": {"kind": "ignore"}, "EDU": {"mute": True}})
    assert list(contradictions(reference(), kept)) == []


@pytest.mark.parametrize("ignored", [["EDU"], ["EDU", "SEX"], ["AGE"]])
def test_only_features_that_remain_cut_the_events(ignored: list[str]) -> None:
    of = model(segments=["EDU", "SEX"], features={name: {"kind": "ignore"} for name in ignored})
    configured = as_configured(reference(), of)
    remain = tuple(one.feature for one in BY if one.feature not in ignored)
    assert (() if configured.segments is None else tuple(one.feature for one in configured.segments.by)) == remain
    Aggregator(configured)


def test_a_derived_column_cuts_no_events() -> None:
    with pytest.raises(UsageError) as raised:
        build(settings({"segments": ["comment.script"], "features": {"comment": {"kind": "text"}}}), commented())
    assert raised.value.faults == (
        "models[0].segments[0]: comment.script is derived from comment; only features of the events cut them",
    )


def test_a_file_that_is_cut_by_a_derived_column_is_damaged() -> None:
    built = build(settings({"features": {"comment": {"kind": "text"}}}), commented())
    body = json.loads(json.dumps(to_json(replace(built, segments=None))))
    row = {"feature": "comment.script", "values": [], "counts": [], "below": [], "largest_distance": []}
    fault = fault_of({**body, "segments": [row], "hash": "sha256:0"})
    assert fault.startswith("segments: comment.script is no categorical feature")


def test_a_file_with_more_segments_than_fit_beside_a_prediction_is_damaged() -> None:
    built = build(settings({"features": {"comment": {"kind": "text"}}}), commented())
    body = json.loads(json.dumps(to_json(replace(built, segments=None))))
    many = {"values": [str(at) for at in range(31)], "counts": [], "below": [], "largest_distance": [], "tag": True}
    fault = fault_of({**body, "segments": [{"feature": "city", **many}], "hash": "sha256:0"})
    assert fault.startswith("segments: city: 31 values; 20 are possible")
    rows = [{"feature": str(at), **many, "values": []} for at in range(9)]
    fault = fault_of({**body, "segments": rows, "hash": "sha256:0"})
    assert fault.startswith("segments: 9 features or tags; 8 are possible")


def wide() -> tuple[object, ...]:
    names = tuple(str(at) for at in range(20))
    return (*(numeric(f"n{at}", edges=tuple(range(1, 20)), high=30) for at in range(95)), categorical("EDU", names))


def test_more_counts_than_fit_in_memory_are_a_contradiction() -> None:
    most = reference([SegmentedBy("EDU", tuple(str(at) for at in range(20)))], wide())
    assert list(contradictions(most, model(segments=["EDU"]))) == []
    names = [f"c{at}" for at in range(4)]
    values = tuple(str(at) for at in range(20))
    columns = (*wide(), *(categorical(name, values) for name in names))
    more = reference([SegmentedBy(name, values) for name in names], columns)
    assert more.segments is not None
    size = more.segments.counts.size
    assert size > MOST_COUNTS
    (said,) = contradictions(more, model(segments=names))
    assert said.startswith("segments: 84 segments of 100 columns with up to ")
    assert f"{size:,} counts, and {MOST_COUNTS:,} fit in memory; name fewer features" in said
    assert list(contradictions(more, model(segments=names[:1]))) == []


def test_more_counts_than_fit_in_memory_are_a_fault_when_a_reference_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.reference.segments.MOST_COUNTS", 10)
    stream = [event(at, id=str(at), features={"AGE": at % 7, "EDU": "ab"[at % 2]}) for at in range(1_000)]
    with pytest.raises(UsageError, match=r"models\[0\]\.segments: 3 segments of . columns .* and 10 fit in memory"):
        build(settings({"segments": ["EDU"]}), stream)


def test_windows_with_more_values_than_two_bytes_hold_are_learned_exactly() -> None:
    """The shares of all windows are equal, so none lies apart from the others, however many events it has."""
    learner = SegmentLearner(BY[:1], COLUMNS)
    for at in range(40):
        tally = Tally.empty(len(COLUMNS), blank(COLUMNS).width)
        own = np.zeros_like(tally.counts)
        own[0, :2] = (100_000, 300_000) if at % 2 else (10_000, 30_000)
        tally.counts[:] = own * 2
        tally.further |= {counts_name(0): own.ravel(), counts_name(1): own.ravel()}
        learner.take(tally, is_window=True)
    segments = learner.finish()
    assert segments is not None
    assert segments.counts[0, 0, :2].tolist() == [2_200_000, 6_600_000]
    assert np.nanmax(segments.largest[:, 0]) == 0
