"""The promise as series and on the status page."""

from __future__ import annotations

import math
from dataclasses import replace
from html import escape

from prometheus_client.parser import text_string_to_metric_families

from monitor.events import ModelKey
from monitor.judge.promise.words import HEADS, statement, table
from monitor.publish.series import render
from monitor.publish.snapshot import Health, ModelView, Snapshot
from monitor.publish.status.page import status_page
from monitor.stats.testing.promise import Within
from tests.snapshots import NOW_US, model, promise_of

CREDIT = ModelKey("credit", "1")


def shown(*names: str) -> dict[tuple[str, ...], float]:
    """Samples of the promise of such columns by name, feature and change."""
    view = ModelView(CREDIT, promise=promise_of(*names))
    families = text_string_to_metric_families(render(Snapshot(restored=True, models=(view,))).decode())
    samples = [sample for family in families for sample in family.samples if "feature" in sample.labels]
    return {(one.name, one.labels["feature"], one.labels.get("change", "")): one.value for one in samples}


def test_what_is_promised_of_a_column_is_in_figures() -> None:
    assert shown("AGE") == {
        ("driftd_smallest_detectable_effect_ratio", "AGE", ""): 0.06,
        ("driftd_feature_detection_seconds", "AGE", "mean 0.3 sd"): 1_200,
        ("driftd_feature_detection_seconds", "AGE", "missing 1 point"): 10_500,
        ("driftd_feature_detection_seconds", "AGE", "missing 5 points"): 1_200,
        ("driftd_feature_effective_events", "AGE", ""): 9_000,
    }


def test_what_never_pages_has_no_figure_of_a_promise() -> None:
    of_sex = {name: value for (name, feature, _), value in shown("AGE", "LIMIT", "SEX").items() if feature == "SEX"}
    assert of_sex == {"driftd_feature_effective_events": 40}


def test_no_promise_is_no_series() -> None:
    text = render(Snapshot(restored=True, models=(ModelView(CREDIT),))).decode()
    assert "driftd_feature_detection_seconds{" not in text


def test_the_page_has_the_statement_and_a_row_for_each_column() -> None:
    view = replace(model("credit", ()), promise=promise_of("AGE", "<b>", "SEX"))
    assert view.promise is not None
    health = Health(0.0, assigned=True, restored=True, caught_up_once=True)
    page = status_page(Snapshot(restored=True, models=(view,)), health, "", NOW_US).decode()
    for sentence in statement(view.promise):
        assert escape(sentence) in page
    body = page[page.index("<table class=promise>") :]
    body = body[: body.index("</table>")]
    assert body.count("<tr>") == 1 + 3
    assert all(head in body for head in HEADS)
    assert "<b>" not in body
    # what pages latest, or not at all, comes first
    assert body.index("SEX") < body.index("AGE")


def test_the_statement_says_what_pages_by_chance_what_is_seen_what_is_not_and_why() -> None:
    promise = promise_of("AGE", "LIMIT", "SEX")
    said = statement(promise)
    assert said[0] == "by chance at most 1 page in 30 days, while traffic is like the reference"
    assert "at 102 events a minute, as in the reference, a change that lasts pages with 95 % chance:" in said
    assert "- a mean shift of 0.3 sd: within 20 min (AGE is the slowest of 2 columns)" in said
    assert "- 1 % more missing values: within 3 h (AGE is the slowest of 2 columns)" in said
    assert "no page for the distribution of SEX: the reference is too short" in said
    assert any(line.startswith("not seen: ") for line in said)
    assert "after a start, distributions page only once 7.5 min of traffic is known" in said


def test_the_statement_says_why_wrong_predictions_are_not_seen() -> None:
    assert not any("wrong predictions" in line for line in statement(promise_of("AGE")))
    alone = replace(promise_of("AGE"), performance_not_judged="the reference was made without labels")
    assert any("wrong predictions (the reference was made without labels)" in line for line in statement(alone))


def test_traffic_other_than_the_references_is_said() -> None:
    promise = promise_of("AGE")
    faster = statement(replace(promise, events_per_second=100, of_reference=60.0))
    assert any("at 6,000 events a minute, 60 times as many as in the reference" in line for line in faster)
    slower = statement(replace(promise, events_per_second=1e-3, of_reference=0.1))
    assert any("at 86 events a day, 10 times fewer than in the reference" in line for line in slower)


def test_half_of_a_budget_that_is_kept_back_is_said() -> None:
    assert "only 0.5 of that is used, as the reference has fewer than 10,000 events" in statement(
        replace(promise_of("AGE"), used=0.5)
    )


def test_a_time_is_never_rounded_down() -> None:
    promise = promise_of("AGE")
    (column,) = promise.columns
    waits = (59.1e6, 60e6, 61e6, 9.01 * 3600e6, 29.5 * 86400e6, 31 * 86400e6, math.inf)
    soon = [replace(column, named=replace(column.named, us=us)) for us in waits]
    said = [row[2] for row in table(replace(promise, columns=tuple(soon)))]
    assert said == ["1 min", "1 min", "1.1 min", "9.1 h", "30 days", "over 30 days", "never"]


def test_one_column_whose_missing_values_are_not_promised_does_not_hide_the_others() -> None:
    promise = promise_of("AGE", "LIMIT")
    never = Within(math.inf, math.inf, math.inf)
    first, second = promise.columns
    said = statement(replace(promise, columns=(first, replace(second, missing=(never, second.missing[1])))))
    assert "- 1 % more missing values: within 3 h (AGE; not promised of LIMIT)" in said
    assert "- 5 % more missing values: within 20 min (AGE is the slowest of 2 columns)" in said


def test_settings_that_allow_no_page_come_first() -> None:
    said = statement(replace(promise_of("AGE"), max_severity="ticket"))
    assert said[0] == "no pages: max_severity is ticket"


def test_each_wait_after_a_start_is_said() -> None:
    said = statement(replace(promise_of("AGE"), starting_us=(450e6, 1_350e6)))
    assert (
        "after a start, distributions page only once 7.5 min of traffic is known (22.5 min for autocorrelated columns)"
        in said
    )
    assert not any("after a start" in line for line in statement(replace(promise_of("AGE"), starting_us=())))
