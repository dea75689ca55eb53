"""The incidents of the status page: open ones with their figures, ended ones, and their links."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Final

from monitor.cli.parser import parser
from monitor.clock import SECOND_US
from monitor.events import ModelKey, Partition
from monitor.findings import Figures, FindingKey, Span
from monitor.publish import rows
from monitor.publish.snapshot import EndedView, FindingView, IncidentView, Snapshot
from monitor.publish.status.html import ago, moment
from monitor.settings.tree import Links
from tests.snapshots import NOW_US, busy_snapshot, column, model
from tests.unit.publish.test_status import ordered, read

MINUTE_US: Final = 60 * SECOND_US


def test_pages_come_before_tickets_and_the_worst_finding_gives_the_summary() -> None:
    words = read(busy_snapshot()).words
    assert ordered(
        words, ["■ page credit-default/1: PAY_0 is gone (and 3 other findings)", "▲ ticket fraud", "\nModels"]
    )


def test_every_open_finding_stands_with_its_own_beginning_its_words_and_its_evidence() -> None:
    snapshot = busy_snapshot()
    words = read(snapshot).words
    for view in snapshot.findings:
        shown = view.detail.replace("\u202e", "\ufffd")
        assert shown in words
        assert view.since_us is not None
        assert f", since {plain_time(view.since_us)}, {ago(view.since_us, NOW_US)}" in words
    until = plain_time(NOW_US)
    assert f"In 5,200 events up to {until}: 5.9 times the threshold, p = 2.5e-24." in words
    assert f"In 5,200 events up to {until}: 40 times the threshold, p < 1e-300." in words


def plain_time(us: int) -> str:
    return re.sub("<[^>]*>", "", moment(us))


def test_a_finding_says_what_the_newest_base_window_alone_shows_of_it() -> None:
    (gone,) = [view for view in busy_snapshot().findings if view.finding.cause == "absent"]
    assert gone.newest is not None

    def shown(newest: Figures | None) -> str:
        return read(replace(busy_snapshot(), findings=(replace(gone, newest=newest),))).words

    assert "The newest 260 events alone: 100 %." in shown(gone.newest)
    ebbing = replace(gone.newest, value=0.004, exceedance=0.3)
    assert "The newest 260 events alone: 0.4 %, below the threshold." in shown(ebbing)
    assert "alone" not in shown(None)
    assert "alone" not in shown(replace(gone.newest, samples=5_200))  # it is the window itself


def test_a_renamed_column_stands_once() -> None:
    watched, new = model("m", ()), FindingKey("pay_2", "schema")
    headline = "PAY_2 went, pay_2 came, with the same values"
    gone = FindingView(watched.key, FindingKey("PAY_2", "absent"), "page", NOW_US, headline, "d", renamed_to=new)
    came = FindingView(watched.key, new, "ticket", NOW_US, headline, "new words", rank=2)
    incidents = (IncidentView(watched.key, "page", summary=headline),)
    words = read(Snapshot(restored=True, models=(watched,), incidents=incidents, findings=(gone, came))).words
    assert words.count(headline) == 1
    assert "new words" not in words


def test_the_window_of_a_finding_is_counted_in_what_its_cause_judges() -> None:
    watched, window = model("m", ()), Span(NOW_US - MINUTE_US, NOW_US, 300)
    for cause, unit in (("performance", "labels"), ("label_coverage", "predictions"), ("traffic", "events")):
        found = FindingView(
            watched.key, FindingKey("m", cause), "page", NOW_US, "h", "d", window=window, exceedance=2.0
        )
        incidents = (IncidentView(watched.key, "page"),)
        words = read(Snapshot(restored=True, models=(watched,), incidents=incidents, findings=(found,))).words
        assert f"In 300 {unit} up to {plain_time(NOW_US)}: 2 times the threshold." in words


def test_a_finding_of_no_events_has_no_window_to_show() -> None:
    watched = model("m", ())
    found = FindingView(
        watched.key, FindingKey("m", "traffic"), "ticket", None, "h", "d", window=Span(1, NOW_US, 0), exceedance=5.0
    )
    snapshot = Snapshot(
        restored=True, models=(watched,), incidents=(IncidentView(watched.key, "ticket"),), findings=(found,)
    )
    words = read(snapshot).words
    assert "m traffic ticket, since an unknown time" in words
    assert "times the threshold" not in words


def test_a_lasting_ticket_stands_next_to_a_page_with_its_own_findings() -> None:
    watched = model("m", ())
    shown = Snapshot(
        restored=True,
        models=(watched,),
        incidents=(
            IncidentView(watched.key, "page", NOW_US - MINUTE_US, summary="BILL moved"),
            IncidentView(watched.key, "ticket", NOW_US - 2_000 * MINUTE_US, lasting=True, summary="AGE moved"),
        ),
        findings=(
            FindingView(
                watched.key, FindingKey("AGE", "distribution"), "ticket", NOW_US, "AGE moved", "", lasting=True
            ),
            FindingView(watched.key, FindingKey("BILL", "distribution"), "page", NOW_US, "BILL moved", ""),
        ),
    )
    words = read(shown).words
    assert ordered(
        words, ["■ page m/1: BILL moved", "▲ lasting ticket m/1: AGE moved", "Lasting: was a page and is still open."]
    )
    assert words.count("AGE distribution changed") == words.count("BILL distribution changed") == 1
    assert "■ page m/1" in words.split("\nModels")[1]  # the model is as bad as its worst incident


def test_an_incident_of_a_model_that_is_not_on_the_board_is_shown() -> None:
    snapshot = Snapshot(restored=True, incidents=(IncidentView(ModelKey("gone", "2"), "page", NOW_US),))
    assert "■ page gone/2" in read(snapshot).words


def test_a_cause_has_a_text_and_a_name_is_not_repeated() -> None:
    watched = model("m", ())
    keys = [FindingKey("score", "score"), FindingKey("AGE", "outside"), FindingKey("m", "absent")]
    found = tuple(FindingView(watched.key, key, "page", NOW_US, "", "") for key in keys)
    incident = IncidentView(watched.key, "page", NOW_US)
    words = read(Snapshot(restored=True, models=(watched,), incidents=(incident,), findings=found)).words
    for messages in ("score distribution changed", "AGE outside the reference's range", "m key not there"):
        assert f"\n{messages} page, since " in words
    assert "score score" not in words


ENDED: Final = tuple(
    EndedView(
        model("m", ()).key,
        "page" if at % 2 else "ticket",
        NOW_US - (200 + at) * MINUTE_US,
        NOW_US - (190 + at) * MINUTE_US,
        NOW_US - (100 + at) * MINUTE_US,
        f"m 1: resolved after 1 h 40 min: euribor3m-{at}- (outside), score",
        (f"euribor3m-{at}- is outside the reference's range in 100 %",),
    )
    for at in range(12)
)


def test_what_an_incident_was_stays_on_the_page_when_it_is_over() -> None:
    words = read(Snapshot(restored=True, models=(model("m", ()),), ended=ENDED)).words
    assert ordered(words, ["Open incidents\nNone.", "Ended incidents", *(f"euribor3m-{at}-" for at in range(10))])
    times = f"since {plain_time(ENDED[1].since_us)}, ended {plain_time(ENDED[1].ended_us)}, 1 h 41 min ago"
    assert times in words
    assert "■ page m 1: resolved after 1 h 40 min: euribor3m-1- (outside), score" in words
    assert "euribor3m-1- is outside the reference's range in 100 %" in words
    assert "euribor3m-10-" not in words, "ten are enough"


def test_without_an_ended_incident_there_is_no_empty_section() -> None:
    assert "Ended incidents" not in read(busy_snapshot()).words


def test_a_threshold_that_is_exceeded_next_to_a_fine_model_is_explained() -> None:
    """The long windows still hold what is over."""
    messages = (
        f"The long windows still hold events from before {plain_time(ENDED[0].ended_us)}, when its last incident ended."
    )
    snapshot = Snapshot(restored=True, models=(model("m", (column("AGE", 37.0),)),), ended=ENDED)
    assert messages in read(snapshot).words
    assert messages not in read(replace(snapshot, models=(model("m", (column("AGE", 0.9),)),))).words
    open_now = FindingView(snapshot.models[0].key, FindingKey("AGE", "distribution"), "page", NOW_US, "h", "d")
    assert messages not in read(replace(snapshot, findings=(open_now,))).words
    assert messages not in read(replace(snapshot, ended=())).words


LINKS: Final = Links(runbooks="https://wiki.example/driftd", dashboards="https://grafana.example")


def test_links_of_the_settings_stand_next_to_an_incident_and_a_models_own_runbook_wins() -> None:
    own = model("m", ())
    for runbook, expected in (
        ("", "https://wiki.example/driftd/DriftdModelDriftPage"),
        ("https://w.example", "https://w.example"),
    ):
        watched = replace(own, runbook=runbook)
        incident = IncidentView(watched.key, "page", NOW_US)
        page = read(Snapshot(restored=True, models=(watched,), incidents=(incident,), links=LINKS))
        targets = [value for attribute, value in page.attributes if attribute == "href"]
        assert expected in targets
        assert "https://grafana.example/d/driftd?var-model=m&var-version=1" in targets
        assert "https://grafana.example/d/driftd" in targets


def test_without_links_in_the_settings_there_is_none() -> None:
    watched = replace(model("m", ()), runbook="")
    page = read(Snapshot(restored=True, models=(watched,), incidents=(IncidentView(watched.key, "page", NOW_US),)))
    targets = {value for attribute, value in page.attributes if attribute == "href" and not value.startswith("data:")}
    assert targets == {"metrics", "livez", "readyz", "#m0"}


def test_a_page_offers_the_commands_that_fetch_its_records_and_accept_it() -> None:
    watched = model("a b", ())
    records = ((Partition("model-events", 0), (120, 371)), (Partition("model-events", 2), (88, 340)))
    found = FindingView(watched.key, FindingKey("AGE", "distribution"), "page", NOW_US, "h", "d", records=records)
    page = IncidentView(watched.key, "page", NOW_US, f"{watched.key}/0d3f")
    shown = Snapshot(restored=True, models=(watched,), incidents=(page,), findings=(found,))
    commands = [line for line in read(shown).words.splitlines() if line.startswith("driftd ")]
    assert [shlex.split(line)[1:] for line in commands] == [
        ["record", "kafka://model-events/0?offsets=120-371", "-o", "model-events-0.records.jsonl", "--config", "F"],
        ["record", "kafka://model-events/2?offsets=88-340", "-o", "model-events-2.records.jsonl", "--config", "F"],
        ["accept", f"{watched.key}/0d3f", "--note", "why it stays", "--config", "F"],
    ]
    for words in commands:
        parser().parse_args(shlex.split(words)[1:])
    ticket = replace(shown, incidents=(replace(page, severity="ticket"),))
    assert "driftd accept" not in read(ticket).words


def test_the_start_of_a_page_is_its_own_where_a_lasting_ticket_has_the_same_finding() -> None:
    watched, key = model("m", ()), FindingKey("AGE", "distribution")
    page = FindingView(watched.key, key, "page", NOW_US)
    lasting = FindingView(watched.key, key, "ticket", NOW_US - 2_000 * MINUTE_US, lasting=True)
    earlier = replace(page, finding=key._replace(figure="previous"), since_us=NOW_US - MINUTE_US)
    for views, since_us in (((page, lasting), NOW_US), ((lasting, page, earlier), NOW_US - MINUTE_US)):
        shown = Snapshot(restored=True, models=(watched,), findings=views)
        assert list(rows.finding_since(shown)) == [((*watched.key, "AGE", "distribution", ""), since_us / SECOND_US)]
        assert list(rows.findings(shown)) == [((*watched.key, "AGE", "distribution", "", "page"), 1)]
