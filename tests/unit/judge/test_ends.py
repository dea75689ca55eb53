"""The end of a finding is measured by the test that found it."""

from __future__ import annotations

import pytest

from monitor.findings import Finding
from monitor.judge.evaluation import Judge
from monitor.judge.incidents.incident import OpenFinding
from monitor.judge.windows.pyramid import Windows
from tests.unit.judge.test_evaluation import ALPHA, judge, quality, stuck, stuck_found, window, without_features


def check_end(evaluator: Judge, finding: Finding, opened_on: Windows, fine: Windows) -> None:
    """All of it is there in the window it opened on, nothing in one that is fine."""
    known = OpenFinding(finding, 1, 0, evaluator.opening(finding, opened_on, 0))
    then = evaluator.now(known, evaluator.evaluate_again(opened_on, ALPHA))
    assert then == pytest.approx((finding.exceedance, 1.0, finding.effect))
    over, left, _ = evaluator.now(known, evaluator.evaluate_again(fine, ALPHA))
    assert over == 0
    assert left <= 0


def test_the_end_of_missing_features_is_measured_by_its_own_test() -> None:
    evaluator = judge()
    (finding,) = quality(evaluator, without_features(100), ALPHA, None)
    check_end(evaluator, finding, without_features(100), without_features(0))


def test_the_end_of_a_finding_is_measured_by_its_own_test() -> None:
    evaluator, inspected = judge(), window({"missing": 20})
    for finding in quality(evaluator, inspected, ALPHA, None):
        check_end(evaluator, finding, inspected, window({}))
    for finding in stuck_found(evaluator, stuck(60), ALPHA):
        check_end(evaluator, finding, stuck(60), window({}))


def test_of_a_state_of_before_evidence_alone_ends_a_finding() -> None:
    evaluator, inspected = judge(), window({"missing": 20})
    (finding, *_) = quality(evaluator, inspected, ALPHA, None)
    over, left, _ = evaluator.now(OpenFinding(finding, 1, 0), evaluator.evaluate_again(inspected, ALPHA))
    assert over == pytest.approx(finding.exceedance)
    assert left == 0
