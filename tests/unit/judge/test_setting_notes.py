"""What `check` says of valid settings that do something else than they seem to."""

from __future__ import annotations

import pytest

from monitor.judge.causes.catalog import CAUSES
from monitor.judge.causes.cause import SequentialCause
from monitor.judge.causes.outcome import Outcomes
from monitor.judge.causes.performance import Performance
from monitor.judge.causes.platform_limit import PlatformLimits
from monitor.judge.promise.promised import promise_by_settings
from monitor.judge.promise.words import statement
from monitor.judge.words.setting_notes import OUTSIDE_THE_BUDGET, pages_besides, setting_notes
from monitor.settings.model import Model
from tests.engine import CREDIT, credit_reference, settings


def model(**tree: object) -> Model:
    return Model.model_validate({"name": "credit", "reference": "r.json"} | tree)


def test_plain_settings_have_no_notes() -> None:
    assert list(setting_notes(model())) == []
    assert (
        list(setting_notes(model(severity={"missing": "page", "relation": "page"}, reference={"warmup": 10_000}))) == []
    )


@pytest.mark.parametrize("cause", OUTSIDE_THE_BUDGET)
def test_a_page_outside_the_budget_is_said_unless_nothing_pages(cause: str) -> None:
    ((place, note),) = setting_notes(model(severity={cause: "page"}))
    assert place == f"severity.{cause}"
    assert "outside the page budget" in note
    assert pages_besides(model(severity={cause: "ticket"})) == []
    assert pages_besides(model(severity={cause: "page"}, max_severity="ticket")) == []


def test_they_are_the_causes_that_are_fed_pane_by_pane_with_a_severity_of_their_own() -> None:
    fed = {name.name for cause in CAUSES if issubclass(cause, SequentialCause) for name in cause.names}
    tests = [cause for cause in CAUSES if cause is not PlatformLimits]  # a limit of another system is no test
    within = {name.name for cause in tests if not issubclass(cause, SequentialCause) for name in cause.names}
    within |= {name.name for cause in (Performance, Outcomes) for name in cause.names}  # they share the page budget
    assert set(OUTSIDE_THE_BUDGET) == fed - within


def test_a_warm_up_that_cannot_end_so_soon_is_said() -> None:
    ((place, note),) = setting_notes(model(reference={"warmup": 500}))
    assert place == "reference.warmup"
    assert note.startswith("500 predictions are fewer than the 40 base windows")
    assert note.endswith("write warmup: 10000")


@pytest.mark.parametrize(
    "of_labels",
    [{"outcomes": {"judge": {}}}, {"labels": {"horizon": "2h"}}, {"costs": {"false_positive": 1, "false_negative": 5}}],
)
def test_a_warm_up_of_a_model_with_labels_is_told_what_it_does_not_learn(of_labels: dict[str, object]) -> None:
    ((place, note),) = setting_notes(model(reference={"warmup": 10_000}, **of_labels))
    assert place == "reference.warmup"
    assert "no labels that come later than their predictions" in note
    assert "driftd reference build" in note
    assert not list(setting_notes(model(**of_labels)))


def test_the_promise_says_what_pages_besides() -> None:
    tree = settings({"severity": {"traffic": "page", "schema": "page"}})
    said = statement(promise_by_settings(tree, CREDIT, credit_reference()))
    assert "besides, outside of that: pages by traffic, schema, as the settings say" in said
    assert not any("besides" in one for one in statement(promise_by_settings(settings(), CREDIT, credit_reference())))
