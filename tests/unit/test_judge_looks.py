"""One look at windows that end together: which facts are over, how bad, and with which figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from monitor.findings import INFO, PAGE, TICKET, Finding
from monitor.judge.evaluation import Judge
from monitor.judge.expected import Baseline
from monitor.judge.policy import Policy
from monitor.judge.windows import Block, Ladder, Windows, window_of
from monitor.settings.tree import Model
from monitor.stats.bins import FACTS, OUTSIDE
from monitor.stats.tally import SUM, UNIT, Tally
from tests.engine import blank, categorical, numeric

ALPHA = 1e-7
WIDTH = 4


def found_by(judge: Judge, windows: Windows, alpha: float, recent: Windows | None, causes: set[str]) -> list[Finding]:
    return [one for one in judge.findings(judge.look(windows, alpha), recent) if one.key.cause in causes]


def quality(judge: Judge, windows: Windows, alpha: float, recent: Windows | None) -> list[Finding]:
    return found_by(judge, windows, alpha, recent, set(FACTS))


def stuck_found(judge: Judge, windows: Windows, alpha: float) -> list[Finding]:
    return found_by(judge, windows, alpha, None, {"constant"})


def judge(model: dict[str, object] | None = None, reference_facts: tuple[int, ...] = (0,) * 5) -> Judge:
    """A numeric and a categorical column, each of 10,000 events spread evenly, and the same facts in both."""
    made = blank([numeric("x"), categorical("c", "abcd")])
    counts = np.array([[2_500] * WIDTH + list(reference_facts)] * 2)
    known = replace(made, counts=counts, events=10_000)
    policy = Policy(Model.model_validate({"name": "credit", "reference": "r.json"} | (model or {})))
    return Judge(Baseline.of(known), policy)


def window(*parts: dict[str, int], values: int = 100) -> Windows:
    """One window of parts in a row, each of so many values spread evenly and some facts, in both columns."""
    blocks = []
    for at, facts in enumerate(parts):
        tally = Tally.empty(2, WIDTH)
        tally.counts[:, :WIDTH] = values // WIDTH
        tally.lows[:], tally.highs[:] = 0, 9
        for name, count in facts.items():
            tally.counts[:, WIDTH + FACTS.index(name)] = count
        tally.predictions = int(tally.counts[0].sum())
        blocks.append(Block(10 * at, 10 * (at + 1), tally))
    return window_of(1, tuple(blocks))


def by_subject(findings: Iterable[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.key.subject, finding.key.cause): finding for finding in findings}


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_is_over_where_its_column_can_have_it(fact: str) -> None:
    found = by_subject(quality(judge(), window({fact: 20}), ALPHA, None))
    impossible = {"unseen": ("x", "unseen"), "outside": ("c", "outside")}.get(fact)
    assert set(found) == {("x", fact), ("c", fact)} - {impossible}
    for finding in found.values():
        assert (finding.statistic, finding.severity, finding.direction) == ("exact", PAGE, "up")
        assert finding.value == pytest.approx(20 / 120)
        assert finding.effect == pytest.approx(20 / 120)
        assert finding.p == pytest.approx(stats.hypergeom.sf(19, 10_120, 20, 120))
        assert finding.over == pytest.approx(np.log(finding.p) / np.log(ALPHA))


def test_the_threshold_of_a_fact_is_the_smallest_share_that_would_be_over() -> None:
    def over(count: int) -> Finding | None:
        found = quality(judge(), window({"missing": count}, values=400), ALPHA, None)
        return by_subject(found).get(("x", "missing"))

    least = next(count for count in range(1, 400) if over(count) is not None)
    finding = over(least)
    assert finding is not None
    assert finding.threshold == pytest.approx(finding.value)
    assert finding.over >= 1


def test_nothing_is_over_without_facts_nor_where_the_reference_had_as_many() -> None:
    assert list(quality(judge(), window({}), ALPHA, None)) == []
    often = judge(reference_facts=(2_000,) * 5)
    assert list(quality(often, window({"missing": 20, "type": 20}), ALPHA, None)) == []


def test_a_finding_begins_where_the_fact_does() -> None:
    found = by_subject(quality(judge(), window({}, {}, {"missing": 40}, {"missing": 40}), ALPHA, None))
    assert found["x", "missing"].since_us == 20
    assert found["x", "missing"].window == (0, 40, 480)


def test_of_a_key_the_worst_window_is_told_and_the_shortest_says_since_when() -> None:
    ladder = Ladder(64)
    for at, missing in enumerate((0, 0, 40, 20)):
        (part,) = window({"missing": missing}).parts[0]
        ending_now = ladder.add(Block(10 * at, 10 * (at + 1), part.tally))
    assert ending_now.lengths == (1, 2, 4)
    looker = judge({"features": {"c": {"mute": True}}})
    look = looker.look(ending_now, ALPHA)
    over = look.facts.over[:, 0, FACTS.index("missing")]
    assert over.argmax() == 1
    assert over.min() > 1
    page, told = looker.findings(look, None)
    assert (page.key.subject, page.severity, page.base_windows, page.over) == ("x", PAGE, 2, over[1])
    assert page.since_us == 30  # the length of one began there
    assert (told.key.subject, told.severity, told.base_windows, told.since_us) == ("c", INFO, 1, 30)


@pytest.mark.parametrize(("recent", "severity"), [(60, PAGE), (5, PAGE), (4, TICKET), (0, TICKET)])
def test_outside_pages_only_while_the_newest_panes_still_show_half_of_it(recent: int, severity: str) -> None:
    """The window's share is a tenth: 5 in 100 is half of it."""
    looked_at, newest = window({"outside": 20}, values=180), window({"outside": recent}, values=100 - recent)
    if recent % WIDTH:  # the values are spread evenly over the bins
        newest.counts[0, 0, :WIDTH] = [100 - recent - 72, 24, 24, 24]
    found = by_subject(quality(judge(), looked_at, ALPHA, newest))
    assert found["x", "outside"].severity == severity
    assert newest.counts[0, 0, WIDTH + OUTSIDE] == recent


def test_other_facts_page_whatever_the_newest_panes_show() -> None:
    found = by_subject(quality(judge(), window({"missing": 20}), ALPHA, window({})))
    assert found["x", "missing"].severity == PAGE


@pytest.mark.parametrize(
    ("model", "severity"),
    [
        ({}, PAGE),
        ({"max_severity": "ticket"}, TICKET),
        ({"severity": {"missing": "ticket"}}, TICKET),
        ({"severity": {"type": "ticket"}}, PAGE),
        ({"least_effect": {"missing": 0.5}}, TICKET),
        ({"features": {"x": {"least_effect": 0.5}}}, TICKET),
        ({"features": {"x": {"least_effect": 0.01}}, "least_effect": {"missing": 0.5}}, PAGE),
        ({"features": {"x": {"severity": "page"}}, "severity": {"missing": "ticket"}}, PAGE),
        ({"features": {"x": {"severity": "page"}}, "max_severity": "ticket"}, TICKET),
        ({"features": {"x": {"mute": True}}}, INFO),
        ({"severity": {"missing": "info"}}, INFO),
    ],
)
def test_the_severity_is_the_features_then_the_causes_and_at_most_the_models(
    model: dict[str, object], severity: str
) -> None:
    found = by_subject(quality(judge(model), window({"missing": 20}), ALPHA, None))
    assert found["x", "missing"].severity == severity


def test_a_small_proven_change_is_a_ticket() -> None:
    found = by_subject(quality(judge(), window({"missing": 90}, values=10_000), ALPHA, None))
    assert found["x", "missing"].effect < 0.01
    assert found["x", "missing"].severity == TICKET


@pytest.mark.parametrize(
    ("mean", "words"), [(1.0, "x moved up by 1 sd"), (0.0, "x changed its shape"), (-1.0, "shape")]
)
def test_a_column_is_said_to_have_moved_only_where_its_mean_went_the_same_way(mean: float, words: str) -> None:
    looked_at = window({}, values=0)
    looked_at.counts[0, 0, WIDTH - 1] = 1_000
    looked_at.sums[0, 0, SUM] = round(1_000 * mean * UNIT)
    looker = judge()
    found = by_subject(looker.findings(looker.look(looked_at, ALPHA), None))
    assert words in found["x", "distribution"].headline
    assert found["x", "distribution"].direction == "up"


def stuck(values: int, low: float = 3.5) -> Windows:
    looked_at = window({}, values=0)
    looked_at.counts[0, :, 2] = values
    looked_at.lows[:], looked_at.highs[:] = low, low
    return looked_at


def test_a_constant_column_is_over_when_a_run_of_its_commonest_value_is_too_unlikely() -> None:
    """The commonest value of x had a tenth of the reference, that of c six tenths."""
    found = by_subject(stuck_found(judge(), stuck(25), ALPHA))
    assert set(found) == {("x", "constant")}
    assert found["x", "constant"].p == pytest.approx(0.1**25)
    assert by_subject(stuck_found(judge(), stuck(40), ALPHA)).keys() == {("x", "constant"), ("c", "constant")}
    assert list(stuck_found(judge(), stuck(19), 0.5)) == []  # however rare the value: too few


def test_two_values_are_not_constant() -> None:
    looked_at = stuck(40)
    looked_at.highs[:] = 3.6
    looked_at.counts[0, 1, 1] = 1
    assert list(stuck_found(judge(), looked_at, ALPHA)) == []


def test_a_number_is_never_shown_and_a_category_is() -> None:
    found = by_subject(stuck_found(judge(), stuck(60, low=1234.5), ALPHA))
    assert "1234" not in found["x", "constant"].detail + found["x", "constant"].headline
    assert 'are "c";' in found["c", "constant"].detail


def test_a_bin_that_rare_categories_share_is_no_value() -> None:
    """Of two hundred shops each is rare: a window of them fills one bin, and is as it always was."""
    made = blank([categorical("shop", (), rare=[f"s{n}" for n in range(200)])])
    known = replace(made, counts=np.array([[10_000, 0, 0, 0, 0, 0]]), events=10_000)
    known = replace(known, columns=(replace(known.columns[0], commonest_share=0.006),))
    looker = Judge(Baseline.of(known), Policy(Model.model_validate({"name": "credit", "reference": "r.json"})))

    def shops(low: float, high: float) -> Windows:
        tally = Tally.empty(1, 1)
        tally.counts[0, 0] = tally.predictions = 100
        tally.lows[:], tally.highs[:] = low, high
        return window_of(1, (Block(0, 10, tally),))

    assert list(stuck_found(looker, shops(3, 150), ALPHA)) == []
    (one_shop,) = stuck_found(looker, shops(7, 7), ALPHA)  # but one and the same rare value is
    assert '"s7"' in one_shop.detail


def test_never_seen_values_beside_one_category_are_not_constant() -> None:
    looked_at = stuck(60)
    looked_at.counts[0, 1, WIDTH + FACTS.index("unseen")] = 3
    assert ("c", "constant") not in by_subject(stuck_found(judge(), looked_at, ALPHA))


def test_a_column_stuck_beyond_its_range_is_constant() -> None:
    looked_at = window({}, values=0)
    looked_at.counts[0, 0, WIDTH + OUTSIDE] = 60
    looked_at.lows[:], looked_at.highs[:] = 99, 99
    assert by_subject(stuck_found(judge(), looked_at, ALPHA)).keys() == {("x", "constant")}


def without_features(gone: int, events: int = 100) -> Windows:
    looked_at = window({}, values=events - gone)
    tally = looked_at.parts[0][0].tally
    tally.predictions = events
    return window_of(1, (Block(0, 10, tally),))


def test_predictions_without_features_are_the_models_absence() -> None:
    found = by_subject(quality(judge(), without_features(100), ALPHA, None))
    assert set(found) == {("credit", "absent")}  # one finding, and no column is told beside it
    finding = found["credit", "absent"]
    assert (finding.severity, finding.value, finding.effect) == (PAGE, 1.0, 1.0)
    assert finding.p == pytest.approx(stats.hypergeom.sf(99, 10_100, 100, 100))
    assert finding.value >= finding.threshold > 0
    assert "no prediction has features" in finding.headline


def test_a_part_of_the_predictions_without_features_is_said_by_its_share() -> None:
    found = by_subject(quality(judge(), without_features(20), ALPHA, None))
    assert "20 % of the events of credit have no features" in found["credit", "absent"].headline
    assert quality(judge(), without_features(1, events=101), ALPHA, None) == []
    assert quality(judge(), without_features(0), ALPHA, None) == []


def test_what_the_reference_lacked_too_is_no_news() -> None:
    made = blank([numeric("x"), categorical("c", "abcd")])
    counts = np.array([[1_250] * WIDTH + [0] * 5] * 2)
    half = Judge(
        Baseline.of(replace(made, counts=counts, events=10_000)),
        Policy(Model.model_validate({"name": "credit", "reference": "r.json"})),
    )
    assert quality(half, without_features(56), ALPHA, None) == []
    assert quality(half, without_features(100), ALPHA, None) != []
    never = Judge(
        Baseline.of(replace(made, counts=counts * 0, events=10_000)),
        Policy(Model.model_validate({"name": "credit", "reference": "r.json"})),
    )
    assert quality(never, without_features(100), ALPHA, None) == []


def test_the_end_of_missing_features_is_measured_by_its_own_test() -> None:
    looker = judge()
    (finding,) = quality(looker, without_features(100), ALPHA, None)
    assert looker.over(finding.key, looker.look(without_features(100), ALPHA)) == pytest.approx(finding.over)
    assert looker.over(finding.key, looker.look(without_features(0), ALPHA)) == 0


def unseen(names: dict[str, int], shown: bool = True) -> str:
    looked_at = window({"unseen": sum(names.values())})
    looked_at.parts[0][0].tally.unseen[1] = Counter(names)
    policy = Policy(Model.model_validate({"name": "credit", "reference": "r.json"}), show_values=shown)
    made = blank([numeric("x"), categorical("c", "abcd")])
    known = replace(made, counts=np.array([[2_500] * WIDTH + [0] * 5] * 2), events=10_000)
    (finding,) = quality(Judge(Baseline.of(known), policy), looked_at, ALPHA, None)
    assert finding.detail.endswith(finding.headline.partition(" %")[2])
    return finding.headline


def test_never_seen_values_are_named_the_most_frequent_first() -> None:
    assert unseen({"st98": 3, "st99": 96}) == 'c has never-seen values in 49.7 %: "st99" (96), "st98" (3)'
    assert unseen({f"n{n}": 9 - n for n in range(7)}).endswith('"n4" (5) and others')
    assert "n1" not in unseen({"n1": 40}, shown=False)
    assert unseen({f"free text {n}": 1 for n in range(16)}).endswith(" %")  # each once: that is no category


def test_the_end_of_a_finding_is_measured_by_its_own_test() -> None:
    looker, looked_at = judge(), window({"missing": 20})
    for finding in quality(looker, looked_at, ALPHA, None):
        assert looker.over(finding.key, looker.look(looked_at, ALPHA)) == pytest.approx(finding.over)
        assert looker.over(finding.key, looker.look(window({}), ALPHA)) == 0
    for finding in stuck_found(looker, stuck(60), ALPHA):
        assert looker.over(finding.key, looker.look(stuck(60), ALPHA)) == pytest.approx(finding.over)
        assert looker.over(finding.key, looker.look(window({}), ALPHA)) == 0


def test_the_number_of_tests_is_what_the_budget_is_divided_by() -> None:
    """The model: features. Numeric: four facts, constant, two of the distribution. Categorical: four, constant, one."""
    looker = judge()
    assert looker.tests_of_facts == 11
    assert looker.tests_of_length == 14
    assert looker.total_tests(8) == 8 * 14 + 11
