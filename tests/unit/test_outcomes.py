"""Named outcomes in the join: what comes of each is counted, whatever becomes of the label beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from monitor.count.labels.joined_model import MOST_OUTCOMES
from monitor.reference.outcome_part import ReferenceOutcome
from monitor.run.state_show import state_json, state_text
from monitor.state import codec
from monitor.state.join_part import decode, encode
from monitor.state.label_parts import decode_model, encode_model
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import OutcomeTally
from tests.engine import CREDIT, EVENTS, Event, admission_of, blank, event, numeric
from tests.engine import settings as settings_of
from tests.unit.test_joins import Made, prediction

NOTHING: dict[str, Any] = {"tally": OutcomeTally(), "windows": 0, "rows": 0.0, "base_us": 0, "errors": {}}
PREDICTIONS = [prediction(at, f"p{at}") for at in range(30)]


def label(at: float, name: str, **fields: object) -> Event:
    return event(at, type="label", id=name, **fields)


def outcomes(made: Made) -> dict[str, OutcomeTally]:
    return made.pipeline.totals.labels.of(CREDIT).outcomes


def fates(made: Made) -> dict[tuple[str, str], int]:
    counted: Counter[tuple[str, str]] = Counter()
    for (_, name, fate), count in made.pipeline.joins.outcome_fates.items():
        counted[name, fate] += count
    return dict(counted)


def state_of(made: Made) -> dict[str, Any]:
    return {part.name: codec.decode(codec.encode(part.tree())) for part in made.pipeline.to_state().parts}


def test_outcomes_come_later_and_apart_are_replaced_and_taken_back() -> None:
    late = [
        label(40, "p1", label=1, outcomes={"judge": 0.5, "topic": "refund"}),
        label(41, "p1", outcomes={"judge": 0.75}),
        label(42, "p2", outcomes={"judge": 0.25, "topic": "refund"}),
        label(43, "p2", label=None, outcomes={"topic": None}),
        label(44, "p99", outcomes={"judge": 1}),
    ]
    made = Made({EVENTS: [*PREDICTIONS, *late]}).run()
    assert outcomes(made)["judge"].mean == 0.5
    assert outcomes(made)["topic"].texts() == {"(other)": 1}
    assert fates(made) == {
        ("judge", "matched"): 2, ("judge", "replaced"): 1, ("judge", "expired"): 1,
        ("topic", "matched"): 2, ("topic", "retracted"): 1,
    }  # fmt: skip
    assert made.fates() == {"matched": 1}
    assert made.tally() == LabelTally(0, {("1", "1"): 1})


def test_a_null_label_beside_outcomes_takes_no_label_back() -> None:
    late = [label(40, "p1", label=1), label(41, "p1", label=None, outcomes={"judge": 0.5})]
    made = Made({EVENTS: [*PREDICTIONS, *late]}).run()
    assert made.tally().pairs == {("1", "1"): 1}
    taken = Made({EVENTS: [*PREDICTIONS, *late, label(42, "p1", label=None)]}).run()
    assert taken.tally().pairs == {}
    assert outcomes(taken)["judge"].mean == 0.5


def test_events_with_outcomes_alone_are_accepted_events_and_no_labels() -> None:
    made = Made({EVENTS: [*PREDICTIONS, label(40, "p1", outcomes={"judge": 0.5})]}).run()
    assert made.pipeline.accepted[CREDIT, "label"] == 1
    assert made.tally().total == 0


def test_names_over_the_limit_are_counted_and_nothing_else() -> None:
    many = {f"o{at:02}": at for at in range(MOST_OUTCOMES + 3)}
    made = Made({EVENTS: [*PREDICTIONS, label(40, "p1", outcomes=many), label(41, "p1", outcomes=many)]}).run()
    assert len(outcomes(made)) == MOST_OUTCOMES
    assert fates(made)["(other)", "over_limit"] == 6


def test_outcomes_of_the_reference_and_the_settings_have_their_place_whatever_came_before() -> None:
    known = {"refund": ReferenceOutcome(NUMERIC, (), **NOTHING)}
    reference = replace(blank([numeric("x")], CREDIT), task="binary", outcomes=known)
    others = {f"other {at}": at for at in range(MOST_OUTCOMES + 1)}
    late: tuple[dict[str, Any], ...] = ({"outcomes": others}, {"value": 3, "outcomes": {"refund": 0.5, "judge": 0.25}})
    for arriving in (late, late[::-1]):
        model = {"outcomes": {"judge": {"severity": "ticket"}}}
        events = [*PREDICTIONS, *(label(40 + at, f"p{at}", **fields) for at, fields in enumerate(arriving))]
        made = Made({EVENTS: events}, references=(reference,), model=model).run()
        got = outcomes(made)
        assert (got["refund"].mean, got["judge"].mean, got[""].mean) == (0.5, 0.25, 3.0)
        assert len(got) == MOST_OUTCOMES + 3
        assert fates(made)["(other)", "over_limit"] == 1


def test_every_whole_number_is_a_number_and_one_that_is_too_large_is_counted_as_that() -> None:
    large = [2**53 + 1, 10**15, 10**38]
    late = [label(40 + at, f"p{at}", outcomes={"cents": number}) for at, number in enumerate(large)]
    far = [label(50 + at, f"p{9 + at}", value=10**300, outcomes={"cents": -(10**300)}) for at in range(2)]
    beside = label(60, "p20", outcomes={"topic": "text", "cents": 2**60 + 1})
    made = Made({EVENTS: [*PREDICTIONS, *late, *far, beside]}).run()
    assert outcomes(made)["cents"].numbers == outcomes(made)["cents"].values == 4
    assert outcomes(made)["cents"].mean == sum(map(float, [*large, 2**60 + 1])) / 4
    assert fates(made) == {
        ("cents", "matched"): 4, ("topic", "matched"): 1, ("cents", "too_large"): 2, ("(other)", "too_large"): 2,
    }  # fmt: skip


def test_outcomes_of_a_model_whose_labels_are_not_joined_are_counted() -> None:
    stream = [*PREDICTIONS, label(40, "p1", label=1, outcomes={"judge": 0.5})]
    made = Made({EVENTS: stream}, model={"labels": {"horizon": 0}}).run()
    assert fates(made) == {("(other)", "expired"): 1}


def test_texts_are_counted_by_the_categories_of_the_reference_however_many_others_there_are() -> None:
    known = {
        "topic": ReferenceOutcome(CATEGORICAL, ("refund", "3"), **NOTHING),
        "judge": ReferenceOutcome(NUMERIC, (), **NOTHING),
    }
    reference = replace(blank([numeric("x")], CREDIT), task="binary", outcomes=known)
    predictions = [prediction(at % 50, f"p{at}") for at in range(5_000)]
    texts = [label(60, f"p{at}", outcomes={"topic": f"free text {at}", "judge": "text"}) for at in range(4_990)]
    late = [label(61, f"p{at}", outcomes={"topic": topic}) for at, topic in enumerate(["refund", 3, True], 4_990)]
    made = Made({EVENTS: [*predictions, *texts, *late]}, references=(reference,)).run(25)
    assert outcomes(made)["topic"].counts == {"refund": 1, "3": 1, "(other)": 4_991}
    assert outcomes(made)["judge"].counts == {"(other)": 4_990}


def test_a_checkpoint_brings_outcomes_back() -> None:
    late = [label(40, f"p{at}", outcomes={"judge": at / 7, "topic": "x"}) for at in range(9)]
    made = Made({EVENTS: [*PREDICTIONS, *late, label(45, "p99", outcomes={"judge": 1})]}).run()
    trees = state_of(made)
    assert decode(trees["join/credit"]).outcome_fates == made.pipeline.joins.models["credit"].outcome_fates
    assert encode(decode(trees["join/credit"])).keys() == trees["join/credit"].keys()
    labels = decode_model(trees['model_labels/["credit", "1"]'])
    assert labels.totals.outcomes == outcomes(made)
    assert encode_model(labels)["totals"] == trees['model_labels/["credit", "1"]']["totals"]


def test_state_show_has_them() -> None:
    late = [label(40, f"p{at}", outcomes={"judge": at, "topic": "x"}) for at in range(5)]
    made = Made({EVENTS: [*PREDICTIONS, *late]}).run()
    reference = replace(blank([numeric("x")], CREDIT), task="binary")
    shown = state_json(made.pipeline.to_state().state(), admission_of(settings_of({"versions": ["1"]}), reference))
    (model,) = (model for model in shown["models"] if model["version"] == "1")
    assert model["outcomes"] == {
        "judge": {"values": 5, "numbers": 5, "mean": 2.0},
        "topic": {"values": 5, "texts": {"(other)": 5}},
    }
    assert model["outcome_fates"] == {"judge": {"matched": 5}, "topic": {"matched": 5}}
    assert "5 values of judge" in state_text(shown)
