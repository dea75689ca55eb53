"""Settings of detectors: what each kind takes, and the faults of what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.judge.causes.detectors import new_detector
from monitor.reference.configured import contradictions
from monitor.settings.detector import OF_ERRORS, OPTIONS, DetectorSettings
from monitor.settings.model import Model
from monitor.stats.detectors.adwin import Adwin
from tests.engine import CREDIT, blank, categorical, numeric
from tests.settings_texts import Load, faults_of

KINDS = "'adwin', 'page_hinkley', 'kswin', 'hddm_a', 'hddm_w', 'ddm' or 'eddm'"


@pytest.mark.parametrize(
    ("detectors", "fault"),
    [
        ("x", "detectors: not a list; write ['x']"),
        ("[{kind: adwn, on: error}]", f"detectors[0].kind: 'adwn' is none of {KINDS}"),
        (
            "[{kind: ddm, on: AGE}]",
            "detectors[0].on: 'AGE': ddm takes errors alone; write on: error, or kind: adwin, page_hinkley, kswin",
        ),
        (
            "[{kind: eddm, on: error, delta: 0.1}]",
            "detectors[0].delta: means nothing for kind: eddm, whose options are warm_start, beta",
        ),
        ("[{kind: adwin, on: error, delta: 1.5}]", "detectors[0].delta: 1.5 is not between 0 and 1"),
        ("[{kind: page_hinkley, on: A, delta: -1}]", "detectors[0].delta: -1 is below 0"),
        ("[{kind: kswin, on: A, stat_size: 5}]", "detectors[0].stat_size: 5 is not from 10 to 1000"),
        (
            "[{kind: kswin, on: A, window_size: 50}]",
            "detectors[0].window_size: 50 is less than twice stat_size (30): the newest values are compared with as"
            " many older",
        ),
        (
            "[{kind: ddm, on: error}, {kind: ddm, on: error, warm_start: 9}]",
            "detectors[1]: ddm on error occurs twice; keep one",
        ),
    ],
)
def test_a_wrong_detector_has_one_fault(load: Load, detectors: str, fault: str) -> None:
    text = f"inputs: [{{topic: events}}]\nmodels: [{{name: m, reference: c.json, detectors: {detectors}}}]\n"
    assert faults_of(load, text) == [f"models[0].{fault}"]


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_of_a_kind_is_taken_by_its_detector(kind: str) -> None:
    values = {"mode": "up", "two_sided_test": True, "clock": 7, "max_buckets": 4, "min_window_length": 3}
    values |= {"grace_period": 20, "min_instances": 40, "window_size": 90, "stat_size": 20, "seed": 3, "warm_start": 40}
    given = {name: values.get(name, 0.25) for name in OPTIONS[kind]}
    made = DetectorSettings.model_validate({"kind": kind, "on": "error", **given})
    assert made.options() == given
    assert vars(new_detector(made)) != vars(
        new_detector(DetectorSettings.model_validate({"kind": kind, "on": "error"}))
    )


def test_without_options_a_detector_has_its_own_defaults() -> None:
    made = new_detector(DetectorSettings(kind="adwin", on="error"))
    assert vars(made) == vars(Adwin())


@pytest.mark.parametrize("kind", [kind for kind in OPTIONS if kind not in OF_ERRORS])
def test_a_detector_is_on_a_numeric_column_of_the_reference(kind: str) -> None:
    reference = replace(blank([numeric("AGE"), categorical("EDU"), numeric("score", role="score")]), key=CREDIT)

    def faults(on: str) -> list[str]:
        model = {"name": "credit", "reference": "r.json", "detectors": [{"kind": kind, "on": on}]}
        return list(contradictions(reference, Model.model_validate(model)))

    assert [faults(on) for on in ("error", "AGE", "score")] == [[], [], []]
    for wrong in ("EDU", "AGEE"):
        text = f"detectors[0].on: '{wrong}' is no numeric column of the reference; write one of error, AGE, score"
        assert faults(wrong) == [text]
