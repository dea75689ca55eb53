"""Labels on a second topic, outcomes on a third, a daemon that is killed often: all counts are those of a recount."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass

import pytest

from tests.daemons import Tree
from tests.faulty_stream import credit_rows
from tests.killing import MOMENTS, alert_faults, model_of
from tests.late_results import MET, LateTrial, Results, late_records, recount
from tests.real_parts.kafka import KafkaBroker

EVENTS = 6_000
KILLS = 8


@dataclass
class Aftermath:
    """What is left when a killed daemon has come to the end of the three topics."""

    trial: LateTrial
    expected: Results
    model: Tree


@pytest.fixture(scope="module")
def aftermath(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    trial = LateTrial(kafka, tmp_path_factory.mktemp("late-labels"), "late-labels")
    rows, _ = credit_rows()
    trial.prepare(rows)
    trial.run_killed(list(late_records(rows, EVENTS, random.Random(42))), KILLS, seed=43)
    assert set(trial.moments) == set(MOMENTS)
    expected = recount(trial)
    state = trial.finish_joined(lambda model: Results.of(model) == expected)
    return Aftermath(trial, expected, model_of(state))


def test_labels_and_outcomes_of_a_killed_daemon_are_those_of_a_recount(aftermath: Aftermath) -> None:
    assert not list(Results.of(aftermath.model).faults(aftermath.expected))


def test_labels_and_outcomes_had_every_fate(aftermath: Aftermath) -> None:
    fates = [aftermath.model["fates"], *aftermath.model["outcome_fates"].values()]
    assert all(of.get(fate, 0) > 50 for of in fates for fate in (*MET, "expired"))
    assert sum(sum(row.values()) for row in aftermath.expected.confusion.values()) > EVENTS / 2


def test_the_alert_topic_holds_the_transitions_of_a_replay_of_all_three_topics(aftermath: Aftermath) -> None:
    assert not list(alert_faults(aftermath.trial.alerts(), aftermath.trial.replay()))


def test_the_check_finds_one_value_too_many(aftermath: Aftermath) -> None:
    expected = copy.deepcopy(aftermath.expected)
    expected.outcomes["review"]["texts"]["short"] += 1
    (fault,) = Results.of(aftermath.model).faults(expected)
    assert fault.startswith("outcomes: ")
