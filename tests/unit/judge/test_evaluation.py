"""One evaluation of windows that end together: which quality counts are over, how severe, and with which figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from monitor.findings import INFO, PAGE, TICKET, Finding
from monitor.judge.causes.around import ALONE, Around
from monitor.judge.causes.quality import Quality
from monitor.judge.evaluation import Judge
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import WindowPyramid, Windows, window_of
from monitor.settings.model import Model
from monitor.stats.bins.name_bins import BUCKETS, as_extreme, bucket_of, hashes_of
from monitor.stats.bins.reference_bins import OUTSIDE, QUALITY_COUNTS
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import SUM, UNIT, Tally
from tests.engine import blank, categorical, numeric

ALPHA = 1e-7
PLAIN = Policy(Model.model_validate({"name": "credit", "reference": "r.json"}))
WIDTH = 4


def found_by(judge: Judge, windows: Windows, alpha: float, recent: Windows | None, causes: set[str]) -> list[Finding]:
    return [one for one in judge.findings(judge.evaluate(windows, alpha), recent) if one.key.cause in causes]


def observe(judge: Judge, windows: Windows) -> None:
    """The panes of one window come, which is then the newest base window."""
    *before, last = windows.parts[0]
    whole = last.tally.copy()
    for pane in before:
        judge.observe(pane, None)
        whole.merge(pane.tally)
    judge.observe(last, Block(windows.start_us(0), last.end_us, whole))


def quality(judge: Judge, windows: Windows, alpha: float, recent: Windows | None) -> list[Finding]:
    observe(judge, windows)
    return found_by(judge, windows, alpha, recent, set(QUALITY_COUNTS))


def stuck_found(judge: Judge, windows: Windows, alpha: float) -> list[Finding]:
    return found_by(judge, windows, alpha, None, {"constant"})


def judge(
    model: dict[str, object] | None = None, reference_quality: tuple[int, ...] = (0,) * 5, around: Around = ALONE
) -> Judge:
    """A numeric and a categorical column, each of 10,000 events spread evenly, and the same facts in both."""
    made = blank([numeric("x"), categorical("c", "abcd")])
    counts = np.array([[2_500] * WIDTH + list(reference_quality)] * 2)
    known = replace(made, counts=counts, events=10_000)
    policy = Policy(Model.model_validate({"name": "credit", "reference": "r.json"} | (model or {})))
    return Judge(PreparedReference.of(known), policy, around)


def window(*parts: dict[str, int], values: int = 100) -> Windows:
    """One window of consecutive parts, each with values spread evenly and some quality counts, in both columns."""
    blocks = []
    for at, quality_counts in enumerate(parts):
        tally = Tally.empty(2, WIDTH)
        tally.counts[:, :WIDTH] = values // WIDTH
        tally.lows[:], tally.highs[:] = 0, 9
        for name, count in quality_counts.items():
            tally.counts[:, WIDTH + QUALITY_COUNTS.index(name)] = count
        tally.predictions = int(tally.counts[0].sum())
        blocks.append(Block(10 * at, 10 * (at + 1), tally))
    return window_of(1, tuple(blocks))


def by_subject(findings: Iterable[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.key.subject, finding.key.cause): finding for finding in findings}


@pytest.mark.parametrize("quality_count", QUALITY_COUNTS)
def test_a_fact_is_over_where_its_column_can_have_it(quality_count: str) -> None:
    found = by_subject(quality(judge(), window({quality_count: 10}, {quality_count: 10}, values=60), ALPHA, None))
    impossible = {"unseen": ("x", "unseen"), "outside": ("c", "outside")}.get(quality_count)
    assert set(found) == {("x", quality_count), ("c", quality_count)} - {impossible}
    for finding in found.values():
        assert (finding.statistic, finding.severity, finding.direction) == ("exact", PAGE, "up")
        assert finding.value == pytest.approx(20 / 140)
        assert finding.effect == pytest.approx(20 / 140)
        p = stats.hypergeom.sf(19, 10_140, 20, 140)
        assert finding.p == pytest.approx(p)
        assert finding.exceedance == pytest.approx(np.log(p) / np.log(ALPHA))


def test_the_threshold_of_a_fact_is_the_smallest_share_that_would_be_over() -> None:
    def exceedance(count: int) -> Finding | None:
        found = quality(judge(), window({"missing": count}, values=400), ALPHA, None)
        return by_subject(found).get(("x", "missing"))

    least = next(count for count in range(1, 400) if exceedance(count) is not None)
    finding = exceedance(least)
    assert finding is not None
    assert finding.threshold == pytest.approx(finding.value)
    assert finding.exceedance >= 1


def test_nothing_is_over_without_facts_nor_where_the_reference_had_as_many() -> None:
    assert list(quality(judge(), window({}), ALPHA, None)) == []
    often = judge(reference_quality=(2_000,) * 5)
    assert list(quality(often, window({"missing": 20, "type": 20}), ALPHA, None)) == []


def test_what_the_reference_itself_does_is_at_most_a_ticket() -> None:
    made = blank([replace(numeric("x"), ticket_only=(("outside", "it rises"),)), categorical("c", "abcd")])
    counts = np.array([[2_500] * WIDTH + [0] * 5] * 2)
    rising = Judge(PreparedReference.of(replace(made, counts=counts, events=10_000)), PLAIN)
    found = by_subject(quality(rising, window({"outside": 50, "missing": 50}), ALPHA, None))
    assert found["x", "outside"].severity == TICKET
    assert found["x", "missing"].severity == PAGE


def test_a_finding_begins_where_the_fact_does() -> None:
    found = by_subject(quality(judge(), window({}, {}, {"missing": 40}, {"missing": 40}), ALPHA, None))
    assert found["x", "missing"].since_us == 20
    assert found["x", "missing"].window == (0, 40, 480)


def test_of_a_key_the_worst_window_is_reported_and_the_shortest_says_since_when() -> None:
    pyramid = WindowPyramid(64)
    for at, missing in enumerate((0, 0, 40, 20)):
        (part,) = window({"missing": missing}).parts[0]
        ending_now = pyramid.add(Block(10 * at, 10 * (at + 1), part.tally))
    assert ending_now.lengths == (1, 2, 4)
    evaluator = judge({"features": {"c": {"mute": True}}})
    evaluation = evaluator.evaluate(ending_now, ALPHA)
    (measured,) = (evaluation.of(cause) for cause in evaluator.causes if isinstance(cause, Quality))
    exceedance = measured.exceedance[:, 0, QUALITY_COUNTS.index("missing")]
    assert exceedance.argmax() == 1
    assert exceedance.min() > 1
    page, reported = evaluator.findings(evaluation, None)
    assert (page.key.subject, page.severity, page.base_windows, page.exceedance) == ("x", PAGE, 2, exceedance[1])
    assert page.since_us == 30  # the length of one began there
    assert (reported.key.subject, reported.severity, reported.base_windows, reported.since_us) == ("c", INFO, 1, 30)


@pytest.mark.parametrize(("since", "length"), [(None, 4), (0, 4), (20, 2), (30, 1), (35, 4)])
def test_of_an_open_finding_the_worst_window_behind_its_start_is_reported(since: int | None, length: int) -> None:
    """Where none lies behind its start, the worst of all."""
    pyramid = WindowPyramid(64)
    for at in range(4):
        (part,) = window({"missing": 40}).parts[0]
        ending_now = pyramid.add(Block(10 * at, 10 * (at + 1), part.tally))
    evaluator = judge()
    evaluation = evaluator.evaluate(ending_now, ALPHA)
    found = by_subject(evaluator.findings(evaluation, None, lambda key: since if key.subject == "x" else None))
    assert found["x", "missing"].base_windows == length
    assert found["c", "missing"].base_windows == 4


@pytest.mark.parametrize(("recent", "severity"), [(60, PAGE), (5, PAGE), (4, TICKET), (0, TICKET)])
def test_outside_pages_only_while_the_newest_panes_still_show_half_of_it(recent: int, severity: str) -> None:
    """The window's share is a tenth: 5 in 100 is half of it."""
    inspected = window({"outside": 10}, {"outside": 10}, values=90)
    inspected.counts[0, 0, :WIDTH] = 45  # the values are spread evenly over the bins
    newest = window({"outside": recent}, values=100 - recent)
    if recent % WIDTH:
        newest.counts[0, 0, :WIDTH] = [100 - recent - 72, 24, 24, 24]
    found = by_subject(quality(judge(), inspected, ALPHA, newest))
    assert found["x", "outside"].severity == severity
    assert newest.counts[0, 0, WIDTH + OUTSIDE] == recent


def test_other_facts_page_whatever_the_newest_panes_show() -> None:
    found = by_subject(quality(judge(), window({"missing": 10}, {"missing": 10}), ALPHA, window({})))
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
    found = by_subject(quality(judge(model), window({"missing": 10}, {"missing": 10}), ALPHA, None))
    assert found["x", "missing"].severity == severity


def test_a_small_proven_change_is_a_ticket() -> None:
    found = by_subject(quality(judge(), window({"missing": 90}, values=10_000), ALPHA, None))
    assert found["x", "missing"].effect < 0.01
    assert found["x", "missing"].severity == TICKET


@pytest.mark.parametrize(
    ("mean", "words"), [(1.0, "x moved up by 1 sd"), (0.0, "x changed its shape"), (-1.0, "shape")]
)
def test_a_column_is_reported_to_have_moved_only_where_its_mean_went_the_same_way(mean: float, words: str) -> None:
    inspected = window({}, values=0)
    inspected.counts[0, 0, WIDTH - 1] = 1_000
    inspected.sums[0, 0, SUM] = round(1_000 * mean * UNIT)
    evaluator = judge()
    found = by_subject(evaluator.findings(evaluator.evaluate(inspected, ALPHA), None))
    assert words in found["x", "distribution"].headline
    assert found["x", "distribution"].direction == "up"


def test_the_share_in_a_findings_words_changed_by_what_its_headline_says() -> None:
    inspected = window({}, values=0)
    inspected.counts[0, 0, :WIDTH] = 130, 245, 315, 310  # the lowest cut has more evidence, the middle one moved more
    evaluator = judge()
    found = by_subject(evaluator.findings(evaluator.evaluate(inspected, ALPHA), None))["x", "distribution"]
    assert "cut-point distance 0.12" in found.headline
    assert found.detail.endswith(": 0.75 -> 0.87")


def stuck(values: int, low: float = 3.5) -> Windows:
    inspected = window({}, values=0)
    inspected.counts[0, :, 2] = values
    inspected.lows[:], inspected.highs[:] = low, low
    return inspected


def test_a_constant_column_is_over_when_a_run_of_its_most_frequent_value_is_too_unlikely() -> None:
    found = by_subject(stuck_found(judge(), stuck(25), ALPHA))  # the commonest of x had a tenth, that of c six tenths
    assert set(found) == {("x", "constant")}
    assert found["x", "constant"].p == pytest.approx(0.1**25)
    assert by_subject(stuck_found(judge(), stuck(40), ALPHA)).keys() == {("x", "constant"), ("c", "constant")}
    assert list(stuck_found(judge(), stuck(19), 0.5)) == []  # however rare the value: too few


def test_two_values_are_not_constant() -> None:
    inspected = stuck(40)
    inspected.highs[:], inspected.counts[0, 1, 1] = 3.6, 1
    assert list(stuck_found(judge(), inspected, ALPHA)) == []


def test_a_number_is_never_shown_and_a_category_is() -> None:
    found = by_subject(stuck_found(judge(), stuck(60, low=1234.5), ALPHA))
    assert "1234" not in found["x", "constant"].detail + found["x", "constant"].headline
    assert 'are "c";' in found["c", "constant"].detail


def test_a_bucket_that_names_share_is_not_a_value() -> None:
    """Of two hundred shops each is rare: a window of two that share a bucket fills one bin, and is not constant."""
    shops = [f"s{n}" for n in range(200)]
    buckets = bucket_of(hashes_of(shops))
    made = blank([categorical("shop", (), others=shops)])
    counts = np.array([[*(50 * np.bincount(buckets, minlength=BUCKETS)), 0, 0, 0, 0, 0]])
    known = replace(made, counts=counts, events=10_000, columns=(replace(made.columns[0], modal_share=0.006),))
    evaluator = Judge(PreparedReference.of(known), PLAIN)
    together = [name for name, bucket in zip(shops, buckets.tolist(), strict=True) if bucket == buckets[7]]

    def only(*names: str) -> Windows:
        tally, extremes = Tally.empty(1, BUCKETS), as_extreme(hashes_of(names))
        tally.counts[0, buckets[7]] = tally.predictions = 100
        tally.lows[:], tally.highs[:] = extremes.min(), extremes.max()
        return window_of(1, (Block(0, 10, tally),))

    assert len(together) > 1
    assert list(stuck_found(evaluator, only(*together[:2]), ALPHA)) == []
    (one_shop,) = stuck_found(evaluator, only("s7"), ALPHA)
    assert '"s7"' in one_shop.detail


def test_never_seen_values_next_to_one_category_are_not_constant() -> None:
    inspected = stuck(60)
    inspected.counts[0, 1, WIDTH + QUALITY_COUNTS.index("unseen")] = 3
    assert ("c", "constant") not in by_subject(stuck_found(judge(), inspected, ALPHA))


def test_a_column_stuck_beyond_its_range_is_constant() -> None:
    inspected = window({}, values=0)
    inspected.counts[0, 0, WIDTH + OUTSIDE] = 60
    inspected.lows[:], inspected.highs[:] = 99, 99
    assert by_subject(stuck_found(judge(), inspected, ALPHA)).keys() == {("x", "constant")}


def without_features(gone: int, events: int = 100) -> Windows:
    inspected = window({}, values=events - gone)
    tally = inspected.parts[0][0].tally
    tally.predictions = events
    return window_of(1, (Block(0, 10, tally),))


def test_predictions_without_features_are_the_models_absence() -> None:
    found = by_subject(quality(judge(), without_features(100), ALPHA, None))
    assert set(found) == {("credit", "absent")}  # one finding, and none of a column
    finding = found["credit", "absent"]
    assert (finding.severity, finding.value, finding.effect) == (PAGE, 1.0, 1.0)
    assert finding.p == pytest.approx(stats.hypergeom.sf(99, 10_100, 100, 100))
    assert finding.value >= finding.threshold > 0
    assert "no prediction has features" in finding.headline


def test_a_part_of_the_predictions_without_features_is_reported_by_its_share() -> None:
    found = by_subject(quality(judge(), without_features(20), ALPHA, None))
    assert "20 % of the events of credit have no features" in found["credit", "absent"].headline
    assert quality(judge(), without_features(1, events=101), ALPHA, None) == []
    assert quality(judge(), without_features(0), ALPHA, None) == []


def test_what_the_reference_lacked_too_is_not_reported() -> None:
    made = blank([numeric("x"), categorical("c", "abcd")])
    counts = np.array([[1_250] * WIDTH + [0] * 5] * 2)
    half = Judge(PreparedReference.of(replace(made, counts=counts, events=10_000)), PLAIN)
    assert quality(half, without_features(56), ALPHA, None) == []
    assert quality(half, without_features(100), ALPHA, None) != []
    never = Judge(PreparedReference.of(replace(made, counts=counts * 0, events=10_000)), PLAIN)
    assert quality(never, without_features(100), ALPHA, None) == []


def unseen(names: dict[str, int], shown: bool = True) -> str:
    inspected = window({"unseen": sum(names.values())})
    inspected.parts[0][0].tally.unseen[1] = Counter(names)
    policy = Policy(Model.model_validate({"name": "credit", "reference": "r.json"}), show_values=shown)
    made = blank([numeric("x"), categorical("c", "abcd")])
    known = replace(made, counts=np.array([[2_500] * WIDTH + [0] * 5] * 2), events=10_000)
    (finding,) = quality(Judge(PreparedReference.of(known), policy), inspected, ALPHA, None)
    assert finding.detail.endswith(finding.headline.partition(" %")[2])
    return finding.headline


def test_never_seen_values_are_named_the_most_frequent_first() -> None:
    assert unseen({"st98": 3, "st99": 96}) == 'c has never-seen values in 49.7 %: "st99" (96), "st98" (3)'
    assert unseen({f"n{n}": 9 - n for n in range(7)}).endswith('"n4" (5) and others')
    assert "n1" not in unseen({"n1": 40}, shown=False)
    assert unseen({f"free text {n}": 1 for n in range(16)}).endswith(" %")  # each once: that is not a category


def test_the_number_of_tests_is_what_the_budget_is_divided_by() -> None:
    """The model: features. Numeric: four facts, constant, two of the distribution. Categorical: four, constant, one.

    Each fact is tested twice: its events, and the base windows that have any.
    """
    evaluator = judge()
    assert evaluator.tests_of_recent == 11
    assert evaluator.tests_of_length == 11 + 8 + 3
    assert evaluator.total_tests(8) == 8 * 22 + 11


def test_a_burst_in_one_pane_is_a_ticket_and_the_same_hits_over_more_events_a_page() -> None:
    burst = by_subject(quality(judge(), window({}, {"missing": 20}, {}, values=120), ALPHA, None))
    lasting = by_subject(quality(judge(), window({"missing": 10}, {}, {"missing": 10}, values=120), ALPHA, None))
    assert burst["x", "missing"].value == lasting["x", "missing"].value < 0.2
    assert (burst["x", "missing"].severity, lasting["x", "missing"].severity) == (TICKET, PAGE)


def test_base_windows_that_have_a_fact_are_tested_in_addition_to_its_events() -> None:
    """A burst in each of 8 base windows: the reference had so large bursts, but in one window of a hundred."""
    made = blank([numeric("x"), categorical("c", "abcd")])
    counts = np.array([[2_500] * WIDTH + [0] * 5] * 2)
    counts[:, WIDTH + QUALITY_COUNTS.index("missing")] = 60
    none = made.variability
    phi, windows = np.full_like(none.quality_overdispersion, 20.0), np.full_like(none.quality_windows, 1)
    clumped = replace(none, quality_overdispersion=phi, quality_windows=windows)
    known = replace(made, counts=counts, events=10_000, variability=clumped, base_windows=100)
    bursts = Judge(PreparedReference.of(known), PLAIN)
    pyramid = WindowPyramid(64)
    for at in range(8):
        (part,) = window({"missing": 5}, values=240).parts[0]
        ending_now = pyramid.add(Block(10 * at, 10 * (at + 1), part.tally))
    found = by_subject(found_by(bursts, ending_now, 1e-6, None, {"missing"}))
    assert found["x", "missing"].base_windows == 8
    assert found["x", "missing"].p == pytest.approx(stats.hypergeom.sf(7, 108, 9, 8))


def test_only_tests_that_are_made_are_expected_to_page() -> None:
    evaluator = judge()

    def made(windows: Windows) -> int:
        return evaluator.tests_made(evaluator.evaluate(windows, ALPHA))

    # one base window has no others to be compared by: of each column four facts and constant; features; distributions
    assert made(window({}, values=400)) == 2 * (4 + 1) + 1 + (2 + 1)
    assert made(window({}, values=16)) == 2 * 4 + 1 + (2 + 1)  # too few values for constant
    assert made(window({}, values=0)) == 1  # nothing carries a column
    newest = window_of(0, window({}, values=400).parts[0])
    assert made(newest) == 2 * (4 + 1) + 1 == evaluator.tests_of_recent
    pyramid = WindowPyramid(64)
    for at in range(2):
        (part,) = window({}, values=400).parts[0]
        ending_now = pyramid.add(Block(10 * at, 10 * (at + 1), part.tally))
    assert made(ending_now) == 14 + 14 + 2 * 4  # plus two windows: those with a hit are counted too
    assert made(ending_now) <= evaluator.tests_of_length * len(ending_now.lengths)
