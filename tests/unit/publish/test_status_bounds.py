"""What the status page says of other versions and of lost events, and how much it shows of many findings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.events import ModelKey
from monitor.findings import PAGE, FindingKey
from monitor.publish.snapshot import FindingView, IncidentView, ModelView, NoticeView, Snapshot
from tests.snapshots import busy_snapshot
from tests.unit.publish.test_status import read


@pytest.mark.parametrize(
    ("since", "changes", "words"),
    [
        (10, {}, "Version 1 does not show this."),
        (10, {"findings": "both"}, "Version 1 shows the same: AGE."),
        (10, {"stopped_since_us": 30}, ""),
        (10, {"judged_us": None}, ""),
        (60, {}, ""),
    ],
    ids=["only this one", "both", "has no events", "not judged yet", "not judged since"],
)
def test_an_incident_says_whether_another_version_shows_the_same(
    since: int, changes: dict[str, Any], words: str
) -> None:
    stable, canary = ModelKey("loans", "1"), ModelKey("loans", "2")
    views = [FindingView(canary, FindingKey("AGE", "missing"), PAGE, since, "AGE is missing", "")]
    if changes.pop("findings", None):
        views.append(FindingView(stable, FindingKey("AGE", "missing"), PAGE, since, "AGE is missing", ""))
    models = (ModelView(canary, judged_us=50), ModelView(stable, **({"judged_us": 50} | changes)))
    incident = IncidentView(canary, PAGE, since_us=since)
    shown = read(Snapshot(restored=True, models=models, incidents=(incident,), findings=tuple(views))).words
    assert ("Version 1" in shown) == bool(words)
    assert words in shown


def test_a_model_with_many_informational_findings_does_not_push_out_the_others() -> None:
    loud, quiet = ModelKey("loud", "1"), ModelKey("quiet", "1")
    notices = [NoticeView(loud, FindingKey(f"c{at}", "distribution"), at, "") for at in range(40, 0, -1)]
    notices.append(NoticeView(quiet, FindingKey("AGE", "distribution"), 0, "differs from version 2"))
    words = read(Snapshot(restored=True, notices=tuple(notices))).words
    assert "differs from version 2" in words
    assert [f"c{at}" in words for at in (40, 39, 38, 37)] == [True, True, True, False]


def test_of_many_findings_the_first_are_shown_and_the_others_folded() -> None:
    key = ModelKey("loans", "1")
    views = [FindingView(key, FindingKey(f"c{at}", "missing"), PAGE, 1, f"c{at} gone", "", rank=at) for at in range(9)]
    snapshot = Snapshot(
        restored=True,
        models=(ModelView(key, judged_us=50),),
        incidents=(IncidentView(key, PAGE, since_us=1),),
        findings=tuple(views),
    )
    words = read(snapshot).words
    assert words.index("c4 gone") < words.index("4 more findings") < words.index("c5 gone")


def test_events_that_were_not_accepted_are_shown_with_their_reasons_and_the_sums_are_right() -> None:
    events = {("a", "accepted", ""): 400, ("b", "accepted", ""): 55, ("a", "duplicate", ""): 47}
    events |= {("a", "rejected", "json"): 7, ("b", "rejected", "json"): 3, ("a", "rejected", "ts"): 2}
    words = read(replace(busy_snapshot(), events=events)).words
    assert "Events not accepted\n59 of 514 events 47 duplicate; 12 rejected (json 10, ts 2)" in words
    assert "Events not accepted" not in read(replace(busy_snapshot(), events={("a", "accepted", ""): 9})).words
