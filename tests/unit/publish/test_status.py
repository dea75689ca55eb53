"""The status page as text: its content by state, its order, and that no foreign name becomes markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.events import ModelKey, Partition
from monitor.findings import Figures, FindingKey
from monitor.publish.snapshot import (
    ColumnView,
    FindingView,
    Health,
    IncidentView,
    NoticeView,
    Snapshot,
    SnapshotHolder,
)
from monitor.publish.status.page import status_page
from tests.snapshots import HOSTILE, NOW_US, busy_snapshot, column, model, wide_snapshot

WELL: Final = Health(0.0, assigned=True, restored=True, caught_up_once=True)


class Read(HTMLParser):
    """The page's elements with their attributes' names, its words, and what stands folded."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.attributes: list[tuple[str, str]] = []
        self.words, self.folded = "", ""
        self._depth, self._style = 0, False
        self.feed(page.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(attribute for attribute, _ in attrs)))
        self.attributes += [(attribute, value or "") for attribute, value in attrs]
        self._depth += tag == "details"
        self._style |= tag == "style"
        self.words += "" if tag in {"b", "bdi", "time", "small", "span"} else "\n"

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "details"
        self._style &= tag != "style"

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.words += data
            self.folded += data if self._depth else ""


def read(snapshot: Snapshot, health: Health = WELL, silence: str = "", now_us: int = NOW_US) -> Read:
    return Read(status_page(snapshot, health, silence, now_us))


def of_column(view: ColumnView, *findings: FindingView) -> Read:
    return read(Snapshot(restored=True, models=(model("m", (view,)),), findings=findings))


def ordered(words: str, parts: Sequence[str]) -> bool:
    places = [words.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


# names are words and nothing else


names = st.one_of(
    st.sampled_from([HOSTILE, "</title><script>", "javascript:alert(1)", "]]>", "--><b>"]),
    st.text("<>&\"'/ =a\u202e\0", min_size=1, max_size=90),
    st.text(min_size=1, max_size=90),
)


def named(words: Sequence[str]) -> Snapshot:
    """A snapshot with these seven texts wherever foreign text can appear."""
    subject, version, category, detail, team, runbook, topic = words
    view = replace(column(subject, 2.0), bins=(category,) * 10, quality_counts=((detail, 0.0, 0.5),), role=team)
    view = replace(view, distances=(("psi", 0.1),), figures=(*view.figures, Figures(category, 1, 1, 1, 0.1, 1, 1)))
    key = ModelKey(subject, version)
    watched = replace(model("m", (view,)), key=key, team=team, runbook="x" + runbook, performance=((detail, 0.5),))
    finding = FindingKey(subject, category, team, topic)
    partition = Partition(topic, 0)
    return Snapshot(
        restored=True,
        models=(watched,),
        lags={partition: 1, Partition("b", 1): 0},
        watermarks={partition: 1, Partition("b", 1): 2},
        incidents=(IncidentView(key, "page", NOW_US, category),),
        findings=(
            FindingView(key, finding, "page", NOW_US, detail, category),
            FindingView(key, finding, version, None, team, topic),
        ),
    )


@given(st.lists(names, min_size=7, max_size=7), names)
@settings(max_examples=150, deadline=None)
def test_no_word_from_outside_becomes_an_element_or_an_attribute(words: list[str], failure: str) -> None:
    plain = read(named(["w"] * 7), replace(WELL, failure="w"))
    assert read(named(words), replace(WELL, failure=failure)).elements == plain.elements


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=79).filter(str.strip))
def test_a_printable_name_stands_on_the_page_as_it_is(word: str) -> None:
    assert word in read(named([word] * 7)).words


def test_a_word_from_outside_is_cut_at_a_limit_and_half_a_surrogate_does_no_harm() -> None:
    page = read(named(["x" * 100_000, "\udc80", "\0", *["y" * 100_000] * 4]))
    assert len(page.words) < 10_000
    assert "x…" in page.words


@pytest.mark.parametrize(
    "runbook", ["javascript:alert(1)", "data:text/html,x", "//x.example", "page.html", " https://x", "https:x"]
)
def test_only_a_web_address_becomes_a_link(runbook: str) -> None:
    watched = replace(model("m", ()), runbook=runbook)
    page = read(Snapshot(restored=True, models=(watched,), incidents=(IncidentView(watched.key, "page", NOW_US),)))
    assert {value for attribute, value in page.attributes if attribute == "href"} & {runbook, runbook.strip()} == set()
    assert f"runbook: {runbook}" in page.words


def test_a_web_address_is_a_link_without_referrer() -> None:
    page = read(busy_snapshot())
    assert ("href", "https://runbooks.example/drift") in page.attributes
    assert ("rel", "noreferrer noopener") in page.attributes


def test_the_page_has_no_script_and_fetches_nothing() -> None:
    page = read(busy_snapshot())
    assert not {tag for tag, *_ in page.elements} & {"script", "img", "iframe", "object", "form"}
    assert not [
        attribute for attribute, _ in page.attributes if attribute.startswith("on") or attribute in {"src", "style"}
    ]


def test_a_browser_asks_for_the_page_again_after_15_seconds() -> None:
    assert [value for attribute, value in read(Snapshot()).attributes if attribute == "content"][1:] == ["15"]


# the monitor itself


@pytest.mark.parametrize(
    ("health", "silence", "messages"),
    [
        (WELL, "", "✓ fine It reads and judges."),
        (WELL, "the loop has not turned for 75 s", "■ stuck It stands still: the loop has not turned for 75 s."),
        (replace(WELL, failure="no broker"), "silent", "■ stuck It stands still: silent."),
        (replace(WELL, failure="no broker"), "", "▲ failing It cannot go on: no broker."),
        (replace(WELL, caught_up_once=False), "", "? not caught up It reads, and has not reached the end"),
        (replace(WELL, restored=False), "", "? restoring It is starting: the state is not restored."),
        (Health(0.0), "", "? restoring It is starting: no partitions are assigned, the state is not restored, the end"),
    ],
)
def test_the_monitors_own_state_has_a_sentence(health: Health, silence: str, messages: str) -> None:
    assert messages in read(Snapshot(restored=True, references=True, models=(model("m", ()),)), health, silence).words


@pytest.mark.parametrize(
    ("references", "health", "messages"),
    [
        (False, WELL, "? idle It reads, and no model of the settings has a reference: see `driftd check`."),
        (False, replace(WELL, caught_up_once=False), "? idle It reads, and no model of the settings has a reference"),
        (True, WELL, "? idle It reads, and no event of a model that is watched has come yet."),
        (True, replace(WELL, caught_up_once=False), "? not caught up It reads, and has not reached the end"),
        (False, replace(WELL, failure="no broker"), "▲ failing It cannot go on: no broker."),
        (False, replace(WELL, restored=False), "? restoring It is starting"),
    ],
)
def test_a_monitor_that_watches_no_model_is_not_called_fine(references: bool, health: Health, messages: str) -> None:
    words = read(Snapshot(restored=True, references=references), health).words
    assert messages in words
    assert "fine" not in words


LOST: Final = "1,000 of the newest 1,000 events of <events> are lost: 3,000 events rejected (ts), newest events-0@2999"


@pytest.mark.parametrize(
    ("health", "silence", "state"),
    [
        (WELL, "", "▲ not fine It reads, and not all that comes can be judged:"),
        (replace(WELL, caught_up_once=False), "", "▲ not fine It reads, and not all that comes can be judged:"),
        (replace(WELL, failure="no broker"), "", "▲ failing It cannot go on: no broker."),
        (replace(WELL, restored=False), "", "? restoring It is starting"),
        (WELL, "silent", "■ stuck It stands still: silent."),
    ],
)
def test_a_monitor_that_loses_events_is_not_fine_and_shows_which_and_why(
    health: Health, silence: str, state: str
) -> None:
    page = read(Snapshot(restored=True, references=True, not_fine=(LOST, "second")), health, silence)
    assert state in page.words
    assert ordered(page.words, [state, LOST, "second"]), "also beside something worse"
    assert "✓" not in page.words


def test_the_title_shows_that_the_monitor_is_not_fine() -> None:
    assert "monitor not fine, 1 page, 1 ticket - driftd" in read(replace(busy_snapshot(), not_fine=(LOST,))).words


def test_a_stuck_loop_is_shown_by_the_limit_of_livez() -> None:
    clock = ManualClock()
    snapshots = SnapshotHolder(clock)
    snapshots.beat(assigned=True, restored=True, caught_up_once=True)
    clock.advance(61)
    page = read(busy_snapshot(), snapshots.health, snapshots.stuck_reason(60))
    assert "the loop has not turned for 61 s, the limit is 60 s. All below is from before." in page.words
    assert "monitor stuck, 1 page, 1 ticket - driftd" in page.words, "a tab in the background says it too"


def test_what_is_not_known_of_the_monitor_is_not_zero() -> None:
    words = read(Snapshot(), Health(0.0)).words
    for messages in ("Lag\nnot known yet", "Newest event\nnone seen yet", "Last checkpoint\nnone since it began"):
        assert messages in words
    assert "Nothing is known of the models yet." in words
    assert "None; no model was judged yet." in words
    assert not re.search(r"\b0\b", words.split("The monitor itself")[1])


def test_lag_watermark_and_checkpoint_are_shown_with_the_worst_partition() -> None:
    words = read(busy_snapshot()).words
    assert "Lag\n762 records in 4 partitions, most in events-3: 381" in words
    assert "Newest event\n3 s ago" in words
    assert "Furthest behind\n2 min 3 s ago events-3" in words
    assert "Last checkpoint\n24 s ago" in words
    assert "42 records gone before they were read" in words
    assert "Rejected since it began\n17 records" in words


# models and their features


def test_models_are_pages_then_tickets_then_unknown_then_fine() -> None:
    models = read(busy_snapshot()).words.split("\nModels")[1]
    assert ordered(
        models, ["■ page credit-default/1", "▲ ticket fraud", "? not judged yet newcomer/1", "✓ fine churn/1"]
    )


def test_a_model_shows_its_counts_its_budget_and_its_figures() -> None:
    words = read(busy_snapshot()).words
    assert "Predictions\n1,234,567 45,678 labels" in words
    assert "Pages\n1 sent 0.21 false ones expected so far, budget: 1 in 30 d" in words
    assert "Performance\naccuracy 93.4 % of the newest 1,000 labels" in words
    assert "Judged up to\n12 min ago" in words
    assert "Judged up to\nnot yet" in words


@pytest.mark.parametrize(("predictions", "messages"), [
    (0, "? idle It reads, and no event of a model that is watched has come yet."),
    (7, "? nothing judged yet It reads, and no model has had a whole window of events yet."),
])  # fmt: skip
def test_a_monitor_that_has_judged_nothing_yet_is_not_called_fine(predictions: int, messages: str) -> None:
    waiting = replace(model("m", (), judged=False), predictions=predictions)
    words = read(Snapshot(restored=True, references=True, models=(waiting,))).words
    assert messages in words
    assert "✓ fine" not in words
    assert "✓ fine It reads and judges." in read(Snapshot(restored=True, models=(waiting, model("n", ())))).words


def test_a_model_that_was_never_judged_is_not_called_fine() -> None:
    words = read(Snapshot(restored=True, models=(model("m", (column("AGE", None),), judged=False),))).words
    assert "? not judged yet m/1" in words
    assert "None; no model was judged yet." in words
    assert "? 1 not judged yet" in words
    assert "1 feature not judged yet" in words


def test_after_a_restart_a_model_has_its_restored_state_and_its_features_wait_for_an_evaluation() -> None:
    words = read(Snapshot(restored=True, models=(model("m", (column("AGE", None),)),))).words
    assert "✓ fine m/1" in words
    assert "Judged up to\n12 min ago" in words
    assert "1 feature in no window yet since driftd was started" in words


def test_a_silence_is_shown_with_its_end_and_what_it_holds_back_and_excluded_events_with_their_number() -> None:
    watched = replace(model("m", ()), silence=(NOW_US, "a <release>"), excluded=70)
    held = FindingView(watched.key, FindingKey("AGE", "distribution"), "ticket", NOW_US, "AGE moved", silenced=True)
    incident = IncidentView(watched.key, "ticket", NOW_US)
    page = read(Snapshot(restored=True, models=(watched,), incidents=(incident,), findings=(held,)))
    assert "No pages until\n2026-11-18" in page.words
    assert "a <release>" in page.words
    assert "In excluded times, never to be judged\n70 events" in page.words
    assert "ticket, no page during a silence" in page.words
    quiet = read(Snapshot(restored=True, models=(model("m", ()),))).words
    assert "Silent" not in quiet
    assert "excluded" not in quiet


def test_unjudged_events_are_shown() -> None:
    watched = model("m", ())
    words = read(Snapshot(restored=True, models=(watched,), unjudged={watched.key: 7})).words
    assert "Accepted, never to be judged\n7 events" in words


@given(st.lists(st.floats(0, 50), min_size=2, max_size=8, unique_by=lambda exceedance: f"{exceedance:.2g}"))
@settings(max_examples=40, deadline=None)
def test_features_are_sorted_by_exceedance_and_only_quiet_ones_are_folded(overs: list[float]) -> None:
    views = tuple(column(f"feature-{at}-", exceedance, at) for at, exceedance in enumerate(overs))
    page = read(Snapshot(restored=True, models=(model("m", views),)))
    by_exceedance = sorted(range(len(overs)), key=lambda at: -overs[at])
    assert ordered(page.words, [f"feature-{at}-" for at in by_exceedance])
    assert {at for at in by_exceedance if f"feature-{at}-" in page.folded} == {
        at for at in by_exceedance if overs[at] < 0.5
    }


def test_a_feature_with_an_open_finding_is_not_folded_though_it_is_quiet_now() -> None:
    found = FindingView(model("m", ()).key, FindingKey("AGE", "distribution"), "page", NOW_US, "h", "d")
    assert "AGE" not in of_column(column("AGE", 0.1), found).folded
    assert "AGE" in of_column(column("AGE", 0.1)).folded


def test_changed_quality_counts_are_shown_and_others_are_not() -> None:
    words = of_column(column("AGE", 2.0, missing=0.03)).words
    assert "missing 0 % → 3 %" in words
    assert "unseen" not in words


def test_a_figure_that_is_not_a_number_counts_as_not_judged() -> None:
    view = replace(column("AGE", 1.0), figures=(Figures("distribution", 1, 1, 1, 1, 1, float("nan")),))
    assert "1 feature without a verdict: too few values in every window" in of_column(view).words


def test_a_feature_without_evidence_in_any_window_is_not_shown_as_waiting() -> None:
    inspected = replace(column("income", 0.1), figures=())
    words = of_column(inspected).words
    assert "1 feature without a verdict: too few values in every window" in words
    assert "in no window yet" not in words


def test_without_live_counts_nothing_yet_is_shown_and_no_line_is_drawn() -> None:
    page = of_column(replace(column("AGE", None), quality_counts=(("missing", 0.2, 0.0),)))
    assert "1 feature in no window yet since driftd was started" in page.words
    assert "nothing yet; missing 20 % → nothing yet" in page.words
    assert ("aria-label", "reference alone") in page.attributes
    lines = [value for attribute, value in page.attributes if attribute == "d"]
    assert sum(value.endswith("z") for value in lines) == len(lines) - 1, "the only line is the key's"


def test_an_unwatched_column_is_shown_with_its_reason_and_in_no_other_list() -> None:
    columns = (replace(column("pdays", None), unwatched="96 % are 999"), column("AGE", 0.2))
    words = read(Snapshot(restored=True, models=(model("m", columns),))).words
    assert "Distribution not watched: pdays (96 % are 999)" in words
    assert "in no window yet" not in words
    assert "Distribution not watched" not in of_column(column("AGE", 0.2)).words


def test_nearness_is_a_percentage_until_it_is_a_finding() -> None:
    assert "99 % of its threshold" in of_column(column("AGE", 0.999)).words
    assert "1 times its threshold" in of_column(column("AGE", 1.0)).words
    assert "30 %" in of_column(column("AGE", 0.3)).words


def test_a_column_that_is_gone_is_not_taken_for_one_that_has_not_begun() -> None:
    words = of_column(replace(column("AGE", None), quality_counts=(("absent", 0.0, 1.0),))).words
    assert "no live values; absent 0 % → 100 %" in words
    assert "nothing yet" not in words


def test_many_features_and_models_stay_small() -> None:
    assert len(status_page(wide_snapshot(20, 25), WELL, "", NOW_US)) < 150_000


def test_more_quiet_features_than_there_is_room_for_are_counted() -> None:
    page = read(
        Snapshot(restored=True, models=(model("m", tuple(column(f"f{at}-", 0.01, at) for at in range(1_005))),))
    )
    assert "1,005 quiet features" in page.words
    assert "and 5 more, which are not shown" in page.words


def test_informational_findings_and_what_nobody_watches_have_a_section_of_their_own() -> None:
    differs = FindingKey(f"AGE {HOSTILE}", "version", figure="1")
    changed = FindingKey("BILL", "distribution", figure="previous")
    views = (
        NoticeView(ModelKey("credit", "2"), differs, NOW_US - 60_000_000, "not as in version 1: mean 41 against 35"),
        NoticeView(ModelKey("credit", "1"), changed, NOW_US - 90_000_000, "changed against the day before"),
    )
    sentence = '2 events in events: version "9" of credit is not watched'
    page = read(replace(busy_snapshot(), notices=views, unwatched=(sentence,)))
    section = page.words.split("Worth knowing")[1].split("Models")[0]
    order = [section.index(words) for words in (sentence, "mean 41 against 35", "changed against the day before")]
    assert order == sorted(order)
    assert "credit/2: AGE" in section
    assert "Worth knowing" not in read(busy_snapshot()).words
