"""Building a reference: which events, which columns, which kinds, and how restless the reference itself is."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.clock import SECOND_US, ManualClock
from monitor.errors import UsageError
from monitor.events import ModelKey, Partition
from monitor.reference.file.encoding import digest, to_json
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.reference_file import load_reference, save_reference
from monitor.run.reference_files import load_references
from monitor.settings.tree import Settings
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.variance.long_run import DEPENDENT, INDEPENDENT
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    START_US,
    Credit,
    MemorySource,
    build,
    credit_reference,
    event,
    settings,
)


def built(
    records: dict[Partition, list[Any]], event_range: EventRange, tree: Settings | None = None, chunk: int = 500
) -> Reference:
    return build_reference(
        tree or settings(), CREDIT, lambda: MemorySource(records, chunk), ManualClock(NOW_US), event_range
    )


def column_counts(reference: Reference, name: str) -> dict[str, int]:
    """Counts by the bin's name and the facts'."""
    at = next(at for at, column in enumerate(reference.columns) if column.name == name)
    bins = reference.columns[at].bins
    names = [*bins.labels(), *itertools.repeat("(padding)", reference.width - bins.bins), *QUALITY_COUNTS]
    counts = zip(names, reference.counts[at].tolist(), strict=True)
    return {name: count for name, count in counts if count}


def test_every_prediction_is_counted_in_each_of_its_columns() -> None:
    reference = credit_reference()
    assert (reference.events, reference.predictions, reference.key) == (10_000, 10_000, CREDIT)
    assert [(c.name, c.role, c.bins.kind) for c in reference.columns] == [
        ("AGE", "feature", "numeric"),
        ("BILL", "feature", "numeric"),
        ("EDU", "feature", "categorical"),
        ("LIMIT", "feature", "numeric"),
        ("score", "score", "numeric"),
        ("prediction", "prediction", "categorical"),
    ]
    assert reference.counts.sum(1).tolist() == [10_000] * 6
    assert reference.counts[:, reference.width :].sum() == 0


def test_the_counts_are_those_of_a_recount() -> None:
    reference, stream = credit_reference(), list(Credit(10_000))
    educations = [made["features"]["EDU"] for made in stream]
    assert column_counts(reference, "EDU") == {name: educations.count(name) for name in set(educations)}
    age = reference.columns[0]
    values = np.array([made["features"]["AGE"] for made in stream])
    assert [age.center, age.scale] == pytest.approx([values.mean(), values.std()])
    expected = np.bincount(np.searchsorted(age.bins.edges, values), minlength=age.bins.bins)
    assert reference.counts[0, : age.bins.bins].tolist() == expected.tolist()


def test_independent_events_are_not_restless_and_clusters_are() -> None:
    assert {run.reason for run in credit_reference().variability.long_runs} == {INDEPENDENT}
    clusters = [
        made | {"id": f"{i}-{copy}", "ts": made["ts"] + copy}
        for i, made in enumerate(Credit(1_000))
        for copy in range(10)
    ]
    for run in build(settings(), clusters).variability.long_runs:
        assert run.reason == DEPENDENT
        assert 8 < np.median(run.variance) < 16  # ten equal rows in a row vary ten times as much


def test_levels_go_as_far_as_the_reference_and_a_distance_needs_three_windows() -> None:
    reference = credit_reference()
    assert [level.base_windows for level in reference.levels] == [1, 2, 4, 8, 16, 32][: len(reference.levels)]
    assert [level.learned for level in reference.levels] == [level.windows >= 3 for level in reference.levels]
    for at, level in enumerate(reference.levels):
        assert np.isnan(reference.variability.max_reference_distance[:, at]).all() != level.learned
    assert (np.diff(reference.variability.overdispersion, axis=1) >= 0).all()
    assert reference.base_windows == reference.levels[0].windows > 30


@pytest.mark.parametrize("chunk", [1, 7, 500])
def test_the_reference_is_the_same_under_any_size_of_polls(chunk: int) -> None:
    stream = list(Credit(1_500))
    assert to_json(built({EVENTS: stream}, EventRange(rows=1_000), chunk=chunk)) == to_json(
        build(settings(), stream[:1_000])
    )


def test_a_number_of_rows_takes_the_first_predictions_and_what_came_between_them() -> None:
    stream = [
        one
        for i, made in enumerate(Credit(700))
        for one in (made, event(made["ts"] / SECOND_US - START_US / SECOND_US, type="features", features={"AGE": i}))
    ]
    reference = built({EVENTS: stream}, EventRange(rows=300))
    assert (reference.predictions, reference.events) == (300, 599)


def test_a_range_of_time_takes_every_event_in_it() -> None:
    stream = list(Credit(3_000))
    start, end = START_US + 300 * SECOND_US, START_US + 900 * SECOND_US
    reference = built({EVENTS: stream}, EventRange(start_us=start, end_us=end))
    assert reference.events == sum(start <= made["ts"] < end for made in stream)
    assert reference.start_us == start


def test_excluded_times_are_no_part_of_a_reference_and_do_not_count_as_rows() -> None:
    stream = list(Credit(3_000))
    start, end = START_US + 300 * SECOND_US, START_US + 900 * SECOND_US
    rest = [made for made in stream if not start <= made["ts"] < end]
    tree = settings({"exclude": [{"from": start + 1, "to": end - 1}]})  # panes are excluded as a whole
    notes: list[str] = []
    for by in (EventRange(rows=1_500), EventRange(start_us=START_US, end_us=START_US + 1_500 * SECOND_US)):
        made = build_reference(
            tree, CREDIT, lambda: MemorySource({EVENTS: stream}), ManualClock(NOW_US), by, notes.append
        )
        without = to_json(built({EVENTS: rest}, by))
        without["facts"]["ahead"] = to_json(made)["facts"]["ahead"]  # the time jumps where the events are missing
        assert to_json(made) == without
    assert f"{len(stream) - len(rest):,} events in times of models[0].exclude: not in the reference" in notes


def test_a_stream_that_is_excluded_as_a_whole_is_refused() -> None:
    tree = settings({"exclude": [{"from": START_US, "to": START_US + 10**12}]})
    with pytest.raises(UsageError, match=r"all of its 500 events lie in times that the settings exclude"):
        build(tree, list(Credit(500)))


def test_too_few_predictions_and_an_unknown_model_are_refused_with_a_remedy() -> None:
    with pytest.raises(UsageError, match=r"holds 100 predictions of credit/1, not 101 "):
        built({EVENTS: list(Credit(100))}, EventRange(rows=101))
    with pytest.raises(UsageError, match="holds none of its events"):
        built({EVENTS: [event(0, model="other", prediction=1)]}, EventRange(rows=1))
    with pytest.raises(UsageError, match="'loan' is not in the settings; they name 'credit'"):
        build_reference(
            settings(),
            ModelKey("loan", ""),
            lambda: MemorySource({EVENTS: []}),
            ManualClock(NOW_US),
            EventRange(rows=1),
        )
    with pytest.raises(UsageError, match="has a feature, score or prediction"):
        built({EVENTS: [event(0, type="features", features={})]}, EventRange(start_us=0))


@pytest.mark.parametrize(
    "bad",
    [
        event(5, prediction=1, ts="yesterday", features={"AGE": 1}),
        event(5, prediction=1, ts=None, features={"AGE": 1}),
        event(5, prediction=1, ts=..., features={"AGE": 1}),
        event(5, score=10**400, features={"AGE": 1}),
        event(5, prediction=1, version=["1"], features={"AGE": 1}),
        event(5, prediction=1, features=[1]),
        b"{",
        None,
        [7, "x"],
    ],
    ids=["ts", "null ts", "no ts", "score", "version", "features", "json", "tombstone", "array"],
)
def test_a_bad_event_is_left_out(bad: object) -> None:
    stream: list[object] = list(Credit(600))
    stream.insert(3, bad)
    assert built({EVENTS: stream}, EventRange(start_us=0)).events == 600


def test_kinds_are_inferred_as_documented_and_the_settings_win() -> None:
    features = [
        {
            "number": i % 7 + 0.5,
            "word": "ab"[i % 2],
            "flag": i % 2 == 0,
            "code": i % 3,
            "identifier": f"id-{i}",
            "vector": [1, 2],
            "none": None,
            "skipped": 1,
        }
        for i in range(400)
    ]
    stream = [event(i, features=one, prediction=i % 2) for i, one in enumerate(features)]
    tree = settings({"features": {"code": {"kind": "categorical"}, "skipped": {"kind": "ignore"}}})
    reference = built({EVENTS: stream}, EventRange(rows=400), tree)
    kinds = {c.name: c.kind for c in reference.columns if c.role == "feature"}
    values = {"number": "numeric", "word": "categorical", "flag": "categorical", "code": "categorical"}
    assert kinds == {**values, "vector": "vector", "vector.norm": "numeric", "vector.distance": "numeric"}
    assert set(dict(reference.ignored)) == {"identifier", "none", "skipped"}
    assert dict(reference.ignored)["identifier"].startswith("100 % of its values are never seen before")
    assert column_counts(reference, "flag") == {"1": 200, "0": 200}


def test_a_kind_that_the_reference_was_not_built_for_is_refused_with_its_reason(tmp_path: Path) -> None:
    stream = [event(i, features={"no": 10**6 + i, "x": i % 9}, prediction=1) for i in range(400)]
    save_reference(built({EVENTS: stream}, EventRange(rows=400)), tmp_path / "r.json")
    tree = settings({"reference": str(tmp_path / "r.json"), "features": {"no": {"kind": "numeric"}}})
    with pytest.raises(UsageError, match=r"models\[0\].features.no.kind: numeric, but .* ignored \(only rises.*build"):
        load_references(tree)


@pytest.mark.parametrize(
    ("fields", "task", "kind"),
    [
        (lambda i: {"score": i / 400, "prediction": i % 2}, "binary", "categorical"),
        (lambda i: {"prediction": "yes" if i % 2 else "no"}, "binary", "categorical"),
        (lambda i: {"prediction": "abc"[i % 3]}, "multiclass", "categorical"),
        (lambda i: {"prediction": i * 1.5}, "regression", "numeric"),
        (lambda i: {"scores": {"a": 0.2, "b": 0.3, "c": 0.5}, "prediction": "abc"[i % 3]}, "multiclass", "categorical"),
    ],
)
def test_the_task_is_inferred_from_scores_and_classes(fields: Any, task: str, kind: str) -> None:  # noqa: ANN401 - a function of a row
    stream = [event(i, features={"x": i % 9}, **fields(i)) for i in range(400)]
    reference = built({EVENTS: stream}, EventRange(rows=400))
    assert reference.task == task
    assert {c.bins.kind for c in reference.columns if c.role == "prediction"} == {kind}


def test_facts_of_the_reference_are_counted_apart_from_its_values() -> None:
    features: list[dict[str, Any]] = [{"x": i % 9, "c": "ab"[i % 2]} for i in range(400)]
    for i in range(40):
        features[i]["x"] = None
        del features[100 + i]["x"]
        features[200 + i]["x"] = "7"
    stream = [event(i, features=one, prediction=1) for i, one in enumerate(features)]
    counts = column_counts(built({EVENTS: stream}, EventRange(rows=400)), "x")
    assert {name: counts[name] for name in ("missing", "absent", "type")} == {"missing": 40, "absent": 40, "type": 40}
    assert sum(counts.values()) == 400


def test_the_largest_number_there_is_may_stand_for_unknown() -> None:
    largest = 1.7976931348623157e308
    stream = [event(i, features={"x": largest if i % 10 == 0 else i % 7}, prediction=1) for i in range(400)]
    reference = built({EVENTS: stream}, EventRange(rows=400))
    (x,) = (column for column in reference.columns if column.name == "x")
    assert x.bins.low <= 0
    assert x.bins.high == largest
    assert all(np.isfinite([x.center, x.scale, *x.bins.edges]))
    assert reference.counts[0].sum() == 400


def test_a_reference_comes_back_from_its_file_and_one_that_was_changed_does_not(tmp_path: Path) -> None:
    reference, file = credit_reference(), tmp_path / "credit.json"
    assert save_reference(reference, file) == reference.hash
    loaded = load_reference(file)
    assert to_json(loaded) == to_json(reference)
    assert loaded.hash == reference.hash
    np.testing.assert_array_equal(loaded.counts, reference.counts)
    file.write_text(file.read_text().replace('"predictions": 10000', '"predictions": 10001'))
    with pytest.raises(UsageError, match="was changed after it was built"):
        load_reference(file)


def test_a_file_of_before_these_fields_is_read_as_it_was_built(tmp_path: Path) -> None:
    stream = [event(i, features={"x": "ab"[i % 2]}, scores={"a": 0.5, "b": 0.5}, own=1) for i in range(400)]
    body = to_json(built({EVENTS: stream}, EventRange(rows=400)))
    for name in ("score_classes", "unread"):
        del body[name]
    del body["columns"][0]["commonest"]
    body["hash"] = digest(body)
    (tmp_path / "old.json").write_text(json.dumps(body))
    loaded = load_reference(tmp_path / "old.json")
    assert (loaded.score_classes, loaded.unread, loaded.columns[0].modal) == ((), (), "")
    assert to_json(loaded) | {"hash": loaded.hash} == body


def test_partitions_give_the_same_reference_as_one_does_where_nothing_is_late() -> None:
    """But for the ids: each partition remembers its own."""
    stream = list(Credit(2_000))
    rng = np.random.default_rng(1)
    parts: dict[Partition, list[Any]] = {EVENTS: [], Partition("events", 1): []}
    for made in stream:
        parts[Partition("events", int(rng.integers(0, 2)))].append(made)
    whole = EventRange(start_us=START_US)
    assert to_json(built(parts, whole)) == to_json(built({EVENTS: stream}, whole))


def test_events_of_other_models_and_broken_text_are_no_trouble(tmp_path: Path) -> None:
    stream: list[object] = [event(n, id=str(n), prediction=n % 2, features={"c": "ab"[n % 2]}) for n in range(600)]
    broken = event(5, id="5", prediction=1, features={"c": "\udc80"})
    stream[5] = json.dumps(broken).encode()
    stream.insert(7, event(3, model="fraud", prediction=1))
    tree = settings(models=[{"name": "credit", "reference": "r"}, {"name": "fraud", "reference": "r"}])
    reference = build_reference(
        tree, CREDIT, lambda: MemorySource({EVENTS: list(stream)}), ManualClock(NOW_US), EventRange(rows=600)
    )
    assert save_reference(reference, tmp_path / "made" / "r.json") == reference.hash
    column = next(column for column in reference.columns if column.name == "c")
    assert set(column.bins.categories) == {"a", "b"}


@pytest.mark.parametrize("model", ["credit", ...])
def test_of_several_inputs_none_is_meant_by_a_recording_under_another_name(model: object) -> None:
    tree = settings(inputs=[{"topic": "events", "model": "credit", "version": "1"}, {"topic": "other"}])
    records = {Partition("export.jsonl", 0): [event(n, prediction=1, features={"x": 1}) for n in range(300)]}
    for made in records[Partition("export.jsonl", 0)]:
        if model is ...:
            del made["model"]
    if model is ...:
        with pytest.raises(UsageError, match=r"model 300, first at .*`model` is missing"):
            built(records, EventRange(rows=300), tree)
    else:
        assert built(records, EventRange(rows=300), tree).events == 300
