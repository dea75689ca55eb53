"""What moved the score: parts that add up, the column that is named, and what no column explains."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.count.columns.aggregator import Aggregator
from monitor.count.columns.by_partition import BY_PARTITION, SLOTS, slot_of
from monitor.count.columns.new_slots import NEW_SLOTS
from monitor.events import Partition
from monitor.findings import FindingKey
from monitor.judge.attribution.moved import UNEXPLAINED
from monitor.judge.attribution.score_parts import ScoreParts
from monitor.judge.causes.residual import RESIDUAL
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import window_of
from monitor.reference.configured import as_configured
from monitor.reference.file.encoding import from_json, to_json, with_hash
from monitor.reference.learn.effects import MOST_PIECES, PIECE, ScoredRows
from monitor.reference.reference import Reference
from monitor.reference.score_effects import ABOVE_RANGE, BEYOND, NEVER_SEEN, NO_VALUE, ScoreEffects
from monitor.settings.model import Model
from monitor.stats.tallies.tally import SUM, UNIT
from tests.engine import EVENTS, Event, MemorySource, numeric, replayed, settings, transitions_in
from tests.laws.cause_examples import Example, reference, stream
from tests.laws.cause_laws import merge, panes_of

#: events before a fault, and after it
QUIET, FAULTY = 1_500, 2_500
Fault = Callable[[Event, float], None]


def features(**changes: Callable[[Any], Any]) -> Fault:
    """A fault of the events' features, which the model sees too."""

    def fault(made: Event, _lot: float) -> None:
        made["features"] = made["features"] | {name: of(made["features"][name]) for name, of in changes.items()}

    return fault


def judged(fault: Fault) -> list[dict[str, Any]]:
    """The transitions of a stream whose scores are the model's of the faulty features."""
    events = list(stream(fault, QUIET))[: QUIET + FAULTY]
    lines, _ = replayed(settings(), reference(), MemorySource({EVENTS: events}))
    return transitions_in(lines)


def about_score(transitions: list[dict[str, Any]], figure: str | None = None) -> dict[str, Any]:
    """The last finding of the score."""
    findings = [one for transition in transitions for one in transition["findings"] if one["subject"] == "score"]
    last: dict[str, Any] = [one for one in findings if one.get("figure") == figure][-1]
    return last


@cache
def lower_limit() -> list[dict[str, Any]]:
    return judged(features(LIMIT=lambda limit: limit / 3, BILL=lambda bill: bill + 15_000))


def test_the_column_that_moved_the_score_is_named_and_the_one_that_did_not_is_not() -> None:
    transitions = lower_limit()
    score = about_score(transitions)
    assert [part["subject"] for part in score["explained_by"]] == ["LIMIT"]
    assert 0.6 < score["explained_by"][0]["share"] < 1.4
    assert "LIMIT explains" in score["detail"]
    assert "next_step" not in score, "what the cause always says: to look at the columns"
    assert {transition["likely_cause"] for transition in transitions} == {"LIMIT"}


def test_the_columns_own_finding_says_what_it_does_to_the_score() -> None:
    last = {one["subject"]: one for one in lower_limit()[-1]["findings"]}
    assert last["LIMIT"]["score_shift"] > 0.3
    assert abs(last["BILL"].get("score_shift", 0.0)) < 0.1


def test_a_change_of_the_model_alone_is_a_ticket_that_no_column_explains() -> None:
    def served(made: Event, _lot: float) -> None:
        made["score"] = round(min(made["score"] * 1.08, 1.0), 4)

    transitions = judged(served)
    assert next(transition["severity"] for transition in transitions) == "ticket"
    residual = about_score(transitions, RESIDUAL)
    assert (residual["severity"], residual["direction"], residual["explained_by"]) == ("ticket", "up", [])
    assert UNEXPLAINED in residual["detail"]
    assert residual["next_step"].startswith("look at what was deployed")
    assert UNEXPLAINED in transitions[0]["summary"]
    assert "likely_cause" not in transitions[0]


def test_a_shuffled_column_is_named_by_its_relations() -> None:
    bills = {event["id"]: event["features"]["BILL"] for event in stream()}
    others = dict(zip(bills, [*list(bills.values())[977:], *list(bills.values())[:977]], strict=True))

    def shuffled(made: Event, _lot: float) -> None:
        made["features"]["BILL"] = others[made["id"]]  # the model has the right one, and is another one
        made["score"] = round(min(made["score"] * 1.08, 1.0), 4)

    transitions = judged(shuffled)
    assert transitions[-1]["likely_cause"] == "BILL~LIMIT"
    assert (
        "no column alone explains it, but BILL~LIMIT changed together" in about_score(transitions, RESIDUAL)["detail"]
    )


def test_while_a_column_has_moved_the_residual_is_no_finding_of_its_own() -> None:
    findings = [one for transition in lower_limit() for one in transition["findings"]]
    assert all(one.get("figure") != RESIDUAL for one in findings)


def test_values_out_of_range_are_valued_as_they_score_now() -> None:
    score = about_score(judged(features(LIMIT=lambda limit: limit * 1_000)))
    assert [part["subject"] for part in score["explained_by"]] == ["LIMIT"]
    assert 0.8 < score["explained_by"][0]["share"] < 1.2  # the end bin's effect alone would be a third of it


EXONERATING = ("less than a fifth", "no watched column", "the mix of events")


@pytest.mark.parametrize("beside", [{}, {"AGE": lambda age: age + 3}], ids=["alone", "beside another that moved"])
def test_a_column_whose_effect_the_reference_cannot_know_is_the_first_suspect(beside: dict[str, Any]) -> None:
    """It is stuck at one of its usual values: by what that value did in the reference it would explain little."""
    transitions = judged(features(LIMIT=lambda _: 20_000.0, **beside))
    assert {transition["likely_cause"] for transition in transitions} == {"LIMIT"}
    words = [transition["summary"] for transition in transitions]
    words += [one["detail"] for transition in transitions for one in transition["findings"]]
    assert not [text for text in words if any(phrase in text for phrase in EXONERATING)]


def test_quiet_traffic_has_no_finding() -> None:
    assert judged(lambda _made, _lot: None) == []


def test_an_older_reference_explains_nothing() -> None:
    older = with_hash(replace(reference(), effects=None))
    events = list(stream(features(LIMIT=lambda limit: limit / 3), QUIET))[: QUIET + FAULTY]
    lines, _ = replayed(settings(), older, MemorySource({EVENTS: events}))
    findings = [one for transition in transitions_in(lines) for one in transition["findings"]]
    assert {one["subject"] for one in findings} >= {"LIMIT", "score"}
    assert not any("explained_by" in one or "score_shift" in one for one in findings)


# partitions


def over_partitions(wrong: int | None, count: int = 4) -> list[dict[str, Any]]:
    """Transitions of a stream over so many partitions; from `QUIET` on the scores of one of them are wrong, or all."""
    events: dict[Partition, list[Event]] = {Partition("events", at): [] for at in range(count)}
    for at, event in enumerate(list(stream())[: QUIET + FAULTY]):
        if at >= QUIET and wrong in {None, at % count}:
            event["score"] = round(min(event["score"] * (1.3 if wrong is None else 2.2), 1.0), 4)
        events[Partition("events", at % count)].append(event)
    lines, _ = replayed(settings(), reference(), MemorySource(events))
    return transitions_in(lines)


def test_one_partition_that_accounts_for_the_change_is_named() -> None:
    last = over_partitions(2)[-1]["findings"]
    score = next(one for one in last if one["subject"] == "score")
    assert [part["subject"] for part in score["explained_by"]] == ["events-2"]
    assert "but partition events-2 alone accounts for it" in score["detail"]


def test_no_partition_is_named_if_all_changed() -> None:
    transitions = over_partitions(None)
    details = [one["detail"] for transition in transitions for one in transition["findings"]]
    assert details
    assert not any("partition" in detail for detail in details)


def test_partitions_of_a_topic_are_counted_apart() -> None:
    assert len({slot_of(Partition("events", number)) for number in range(SLOTS)}) == SLOTS


def test_the_scores_of_all_partitions_are_those_of_the_score_column() -> None:
    block = merge(panes_of(example(far), 1.0))
    at, width = effects_of(reference()).target, reference().width
    counted = block.tally.further[BY_PARTITION].reshape(SLOTS, 2).sum(0)
    assert counted.tolist() == [block.tally.counts[at, :width].sum(), block.tally.sums[at, SUM]]


# the split


def example(change: Callable[[Event, float, float], None]) -> Example:
    return Example(FindingKey("LIMIT", "distribution"), change)


def far(made: Event, size: float, lot: float) -> None:
    if lot < size / 2:
        made["features"] = made["features"] | {"LIMIT": 9e9, "EDU": "phd", "AGE": None}


def parts() -> ScoreParts:
    found = ScoreParts.of(PreparedReference.of(reference()))
    assert found is not None
    return found


def test_the_parts_and_the_rest_add_up_to_the_change() -> None:
    block = merge(panes_of(example(far), 1.0))
    split = parts().split(window_of(1, (block,)))
    assert split.parts.sum() + split.rest[0] == pytest.approx(split.change[0], abs=1e-9)
    assert NEW_SLOTS in block.tally.further


@pytest.mark.parametrize("size", [0.0, 0.02])
def test_the_quick_rest_is_the_one_of_the_split(size: float) -> None:
    windows = window_of(1, (merge(panes_of(example(far), size)),))
    found, carried = parts(), PreparedReference.of(reference()).carried(windows.counts)
    rest, error = found.prepared_split.rest_of_known(windows.counts, windows.sums, carried)
    split = found.prepared_split.split(windows.counts, windows.sums)
    assert rest == pytest.approx(split.rest, abs=1e-12)
    assert error == pytest.approx(split.rest_error, rel=1e-12)


def test_the_quick_rest_is_not_known_where_new_values_count() -> None:
    windows = window_of(1, (merge(panes_of(example(far), 1.0)),))
    carried = PreparedReference.of(reference()).carried(windows.counts)
    assert np.isnan(parts().prepared_split.rest_of_known(windows.counts, windows.sums, carried)[0]).all()


def test_of_the_reference_itself_nothing_is_left() -> None:
    built = reference()
    assert built.effects is not None
    assert built.effects.explained > 0.9
    shares = parts().prepared_split.shares
    assert np.abs((shares * built.effects.effects).sum(1)).max() < 1e-6
    assert np.abs((shares * built.effects.means).sum(1)).max() < 1e-6


def test_new_values_are_counted_with_their_scores_however_the_stream_is_cut() -> None:
    blocks = panes_of(example(far), 1.0)
    built, total = reference(), merge(blocks)
    counts = total.tally.further[NEW_SLOTS].reshape(len(built.columns), BEYOND, 2)
    at = {column.name: place for place, column in enumerate(built.columns)}
    hit = total.tally.counts[at["AGE"], built.width]  # missing; as many as have the two others
    assert hit > 300
    score = built.columns[at["score"]]
    expected = [round((one["score"] - score.center) / score.scale * UNIT) for one in _hit_events()]
    for name, slot in (("AGE", NO_VALUE), ("LIMIT", ABOVE_RANGE), ("EDU", NEVER_SEEN)):
        assert counts[at[name], slot].tolist() == [hit, sum(expected)]
    assert counts.sum(0)[:, 0].sum() == 3 * hit


def _hit_events() -> list[Event]:
    """The events that `far` changes, with the scores they come with."""
    lots = np.random.default_rng(11).random(2_000).tolist()
    return [event for at, (event, lot) in enumerate(zip(stream(), lots, strict=False)) if at >= 1_000 and lot < 0.5]


def test_usual_events_count_nothing_more() -> None:
    assert all(NEW_SLOTS not in block.tally.further for block in panes_of(example(lambda *_: None), 0.0))


# the reference


def effects_of(built: Reference) -> ScoreEffects:
    assert built.effects is not None
    return built.effects


def test_a_file_gives_the_effects_back() -> None:
    built = reference()
    again = from_json(json.loads(json.dumps(to_json(built))))
    for name in ("effects", "means", "known"):
        assert np.array_equal(getattr(effects_of(again), name), getattr(effects_of(built), name))
    assert to_json(again) == to_json(built)
    assert effects_of(again).may_be_judged


def test_an_ignored_feature_leaves_its_part_to_the_residual() -> None:
    built = reference()
    ignoring = Model.model_validate(
        {"name": "credit", "reference": "r.json", "features": {"LIMIT": {"kind": "ignore"}}}
    )
    less = as_configured(built, ignoring)
    assert len(effects_of(less).effects) == len(less.columns) == len(built.columns) - 1
    assert less.columns[effects_of(less).target].name == "score"
    assert effects_of(less).residual_variance > 2 * effects_of(built).residual_variance
    Aggregator(less)


def test_without_a_score_there_are_no_effects() -> None:
    rows = ScoredRows([numeric("AGE", (1.0, 2.0))], 255)
    rows.add(np.zeros((1, 10), np.uint8), np.zeros((1, 10), np.uint64))
    assert rows.finish([], merge(panes_of(example(far), 0.0)).tally, []) is None


def test_of_a_long_reference_pieces_are_kept_from_all_of_it() -> None:
    columns = [c for c in reference().columns if c.name in {"AGE", "score"}]
    rows, pieces = ScoredRows(columns, 255), 3 * MOST_PIECES
    values = np.zeros((2, PIECE))
    for piece in range(pieces):
        values[[column.name == "score" for column in columns]] = piece / pieces
        rows.add(np.zeros((2, PIECE), np.uint8), values.view(np.uint64))
    score = columns[[column.name for column in columns].index("score")]
    kept = [float(own[0]) * score.scale + score.center for _, own in rows._pieces]
    assert MOST_PIECES / 2 <= len(kept) <= MOST_PIECES
    assert np.ptp(np.diff(kept)) < 1e-9
    assert kept[-1] - kept[0] > 0.5 * (score.bins.high - score.bins.low)
