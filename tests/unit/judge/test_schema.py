"""New columns, renamed ones, and columns whose type changes: what is said, and how soon."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from monitor.count.columns.sample import Sampled, accepted_sample, sample_of
from monitor.count.columns.schema import EVERY, SchemaCounter, sampled
from monitor.decode.columns import Limits, Rules
from monitor.decode.native.decoder import NativeDecoder
from monitor.decode.raw import OneEvent
from monitor.reference.configured import as_configured
from monitor.settings.model import Model
from monitor.stats.tallies import names
from monitor.stats.tallies.further import NEW, NEW_FIELDS, SAMPLED, VALUES, left_out
from monitor.stats.tallies.tally import Tally
from monitor.stats.testing.evidence import same_shares
from tests.engine import (
    EVENTS,
    Credit,
    Event,
    MemorySource,
    batch_of,
    credit_reference,
    raw,
    replayed,
    settings,
    transitions_in,
)

CHANGE = 2_000
LIMITS = Limits(record_bytes=1 << 20, events_per_record=1_000, features=1_000)


@pytest.fixture(scope="module")
def stream() -> list[Event]:
    return list(Credit(4_000, seed=6))


def told(stream: list[Event], model: Mapping[str, object] | None = None, chunk: int = 500) -> list[dict[str, Any]]:
    tree = settings(model)
    reference = as_configured(credit_reference(), tree.models[0])
    lines, _ = replayed(tree, reference, MemorySource({EVENTS: stream}, chunk))
    return transitions_in(lines)


def renamed(stream: list[Event], old: str, new: str) -> list[Event]:
    return [
        *stream[:CHANGE],
        *(with_features(one, {(new if n == old else n): v for n, v in _of(one)}) for one in stream[CHANGE:]),
    ]


def added(stream: list[Event], every: int = 1) -> list[Event]:
    return [
        *stream[:CHANGE],
        *(
            with_features(one, dict(_of(one)) | ({"CITY": "Graz"} if at % every == 0 else {}))
            for at, one in enumerate(stream[CHANGE:])
        ),
    ]


def with_features(one: Event, features: dict[str, object]) -> Event:
    return one | {"features": features}


def _of(one: Event) -> Any:  # noqa: ANN401 - the features' items
    return one["features"].items()


def findings(transitions: list[dict[str, Any]], cause: str) -> list[tuple[int, dict[str, Any]]]:
    return [(one["predictions"], found) for one in transitions for found in one["findings"] if found["cause"] == cause]


@pytest.mark.parametrize("old", ["LIMIT", "EDU"])
def test_a_renamed_column_is_told_as_one_and_the_absence_says_so(stream: list[Event], old: str) -> None:
    transitions = told(renamed(stream, old, old.lower()))
    predictions, absent = findings(transitions, "absent")[0]
    assert absent["subject"] == old
    assert predictions - CHANGE <= 100
    predictions, schema = findings(transitions, "schema")[0]
    assert (schema["subject"], schema["severity"]) == (old.lower(), "ticket")
    assert predictions - CHANGE <= 1_000
    assert "its values are like those" in schema["detail"]
    assert schema["renamed_from"] == old
    undo = "rename it back, unless the model reads the new name; then build a new reference"
    assert schema["next_step"] == undo
    assert any(found.get("next_step") == undo for _, found in findings(transitions, "absent"))
    assert any("was it renamed?" in found["detail"] for _, found in findings(transitions, "absent"))
    assert all(one["summary"].startswith(f"credit 1: {old} is ") for one in transitions[:-1])
    assert transitions[-1]["summary"] == f"credit 1: {old} went, {old.lower()} came, with the same values"
    assert {found["cause"] for one in transitions for found in one["findings"]} == {"absent", "schema"}


def test_another_column_in_the_place_of_one_is_no_rename(stream: list[Event]) -> None:
    gone = renamed(stream, "LIMIT", "BLANK")
    other = [
        one if "BLANK" not in one["features"] else with_features(one, dict(_of(one)) | {"BLANK": -5.0}) for one in gone
    ]
    _, schema = findings(told(other), "schema")[0]
    assert "same values" not in schema["detail"]
    assert "BLANK is a new column" in told(other)[-1]["summary"] or schema["subject"] == "BLANK"


def test_a_new_column_is_a_ticket(stream: list[Event]) -> None:
    transitions = told(added(stream))
    assert (transitions[0]["severity"], transitions[0]["summary"]) == ("ticket", "credit 1: CITY is a new column")
    assert transitions[0]["predictions"] - CHANGE <= 1_000


@pytest.mark.parametrize("share", [0.3, 0.45, 0.5, 0.55, 0.7])
def test_one_in_about_half_of_the_events_is_one_ticket_at_most(share: float) -> None:
    rng = np.random.default_rng(1)
    there = [
        with_features(one, dict(_of(one)) | {"CITY": 1}) if rng.random() < share else one
        for one in Credit(6_000, seed=4)
    ]
    transitions = [one["transition"] for one in told(there)]
    assert transitions == ["opened"] if share >= 0.45 else len(transitions) <= 1


def test_one_that_goes_again_is_over(stream: list[Event]) -> None:
    last = CHANGE + 1_000
    after = [one for one in Credit(8_000, seed=9) if one["ts"] > stream[last - 1]["ts"]]
    transitions = told([*added(stream[:last]), *after])
    assert [one["transition"] for one in transitions] == ["opened", "resolved"]


@pytest.mark.parametrize("parts", [1, 3, 50])
def test_names_of_new_columns_are_bounded_and_the_rest_is_counted(parts: int) -> None:
    """The same names and counts in any order and parts."""
    counter, rng = SchemaCounter(credit_reference()), np.random.default_rng(parts)
    events: list[dict[str, object]] = [{"A": 1, "B": 2, f"u{at}": at} for at in range(200)]
    tallies = [Tally.empty(1, 1) for _ in range(parts)]
    for at in rng.permutation(len(events)).tolist():
        tallies[int(rng.integers(parts))].add_further(counter.of(events[at]))
    for other in tallies[1:]:
        tallies[0].merge(other)
    found = tallies[0].further
    every = ["A", "B", *(f"u{at}" for at in range(200))]
    kept = names.smallest(every, names.KEPT)
    assert {name for name in found if name.startswith(NEW)} == {NEW + name for name in kept}
    assert len(found) <= 2 + 5 * names.KEPT
    assert int(found[SAMPLED][0]) == 200
    assert int(found[NEW_FIELDS][0]) == 600
    assert left_out(found) == 600 - sum(200 if name in "AB" else 1 for name in kept)


def test_one_that_comes_now_and_then_or_is_ignored_is_not(stream: list[Event]) -> None:
    assert told(added(stream, every=5)) == []
    without = {"features": {"LIMIT": {"kind": "ignore"}}}
    assert told(stream, without) == []


def test_it_does_not_depend_on_how_polls_cut_the_stream(stream: list[Event]) -> None:
    changed = renamed(stream, "EDU", "edu")
    assert told(changed, chunk=9) == told(changed, chunk=5_000) != []


def test_a_number_that_becomes_text_is_told_within_a_hundred_events(stream: list[Event]) -> None:
    text = [*stream[:CHANGE], *(with_features(one, dict(_of(one)) | {"LIMIT": "much"}) for one in stream[CHANGE:])]
    transitions = told(text)
    predictions, found = findings(transitions, "type")[0]
    assert predictions - CHANGE <= 100
    assert found["subject"] == "LIMIT"
    assert "page" in {found["severity"] for before, found in findings(transitions, "type") if before - CHANGE <= 250}
    assert {found["cause"] for one in transitions for found in one["findings"]} == {"type"}


def test_a_sample_has_its_share_of_any_offsets() -> None:
    for step in (1, 2, 3, 32, 64, 100):
        share = len(sampled(np.arange(0, 200_000 * step, step))) / 200_000
        assert share == pytest.approx(1 / EVERY, rel=0.1)


def test_an_events_columns_are_counted_by_name_and_by_the_bins_of_one_that_is_gone() -> None:
    reference = credit_reference()
    at = next(at for at, column in enumerate(reference.columns) if column.name == "LIMIT")
    counter = SchemaCounter(reference)
    assert list(counter.of({"AGE": 1.0})) == [SAMPLED]
    counts = counter.of({"AGE": 1.0, "BILL": 2.0, "EDU": "low", "limit": 60_000.0})
    bins = counts[f"{VALUES}{at}:limit"]
    edges = np.array(reference.columns[at].bins.edges)
    assert bins.sum() == bins[np.searchsorted(edges, 60_000.0)] == 1
    assert counts[NEW + "limit"].tolist() == [1]
    many = counter.of({f"f{n}": n for n in range(100)})
    assert sum(name.startswith(NEW) for name in many) == 8


def test_the_chance_of_two_samples_is_that_of_a_contingency_table() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        few, many = rng.multinomial(30, [0.2] * 5), rng.multinomial(900, [0.2] * 5)
        assert same_shares(few, many) == pytest.approx(chi2_contingency([few, many], correction=False).pvalue)
    assert same_shares(np.zeros(5, np.int64), np.ones(5, np.int64)) == 1.0


def one_event(value: bytes | None, offset: int = 0) -> OneEvent | None:
    """The event of a record, or one of its events, that is sampled."""
    batch = batch_of([value])
    batch.offsets[:] = offset
    (found,) = NativeDecoder(lambda _: None, Rules(LIMITS, 0)).features(batch, [0])
    return found


@pytest.mark.parametrize("value", [None, b"", b"[]", b"nonsense", b'{"features": 3}', b'{"label": 1}', b"[7]"])
def test_what_has_no_features_has_none(value: bytes | None) -> None:
    assert one_event(value) is None


def test_every_event_of_an_array_has_its_turn() -> None:
    value = raw([{"features": {f"f{at}": float("nan")}} for at in range(5)])
    offsets = sampled(np.arange(100_000))
    batch, rows, turns = batch_of([value] * len(offsets)), list(range(len(offsets))), Counter[int]()
    batch.offsets[:] = offsets
    every, again = (NativeDecoder(lambda _: None, Rules(LIMITS, 0)).features(batch, rows) for _ in range(2))
    for offset, found, same in zip(offsets.tolist(), every, again, strict=True):
        assert found is not None
        assert [*found.features] == [f"f{found.place}"]
        assert same == found
        if found.place not in turns:
            assert one_event(value, offset) == found, "whatever else is in the batch"
        turns[found.place] += 1
    assert sorted(turns) == [0, 1, 2, 3, 4]
    assert chisquare([turns[at] for at in range(5)]).pvalue > 0.001


def test_a_sampled_event_is_counted_as_itself_between_events_that_are_rejected() -> None:
    """Its own model and time, and not those of an event that is in its place because others are not there."""
    good: list[dict[str, Any]] = [
        {"model": f"m{at}", "ts": 1_764_000_000_000 + at, "features": {f"f{at}": 1}} for at in range(6)
    ]
    content: list[object] = [*good]
    content[1], content[4] = 7, {"model": "m4", "features": 3}
    values: list[bytes | None] = [raw(content)] * 4_000
    batch = batch_of(values)
    decoder = NativeDecoder(lambda _: None, Rules(LIMITS, 0))
    events, sample = decoder.decode(batch), sample_of(batch, decoder)
    every = np.ones(len(events), np.bool_)
    found = list(accepted_sample(sample, events, every))
    assert len(found) == len(sample)
    for one, (key, ts, features) in zip(sample, found, strict=True):
        assert key.model == f"m{one.place}"
        assert ts == good[one.place]["ts"] * 1_000
        assert features is one.features
    assert {one.place for one in sample} == {0, 2, 3, 5}
    rejected = [Sampled(int(batch.offsets[0]), at, {}) for at in (1, 4)]
    assert not list(accepted_sample(rejected, events, every))
    of_m0 = np.array([events.keys[key].model == "m0" for key in events.key])
    assert [key.model for key, *_ in accepted_sample(sample, events, of_m0)] == ["m0"] * sum(
        not one.place for one in sample
    )


def test_settings_name_the_cause() -> None:
    model = Model.model_validate({"name": "m", "reference": "r.json", "severity": {"schema": "info"}})
    assert model.severity == {"schema": "info"}


def test_a_column_that_is_derived_from_a_feature_is_no_field_that_can_be_gone() -> None:
    reference = credit_reference()
    columns = tuple(
        replace(column, name="text.words", parent="text", parent_kind="text") if column.name == "LIMIT" else column
        for column in reference.columns
    )
    counts = SchemaCounter(replace(reference, columns=columns)).of({"AGE": 1.0, "text": "a", "BILL": 1.0, "edu": "low"})
    assert [name for name in counts if name.startswith(NEW)] == [NEW + "edu"]
    gone = next(at for at, column in enumerate(reference.columns) if column.name == "EDU")
    assert [name for name in counts if name.startswith(VALUES)] == [f"{VALUES}{gone}:edu"]
