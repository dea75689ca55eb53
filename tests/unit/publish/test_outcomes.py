"""Named outcomes and the value of labels in series and on the status page."""

from __future__ import annotations

from dataclasses import replace

from monitor.publish.series import render
from monitor.publish.snapshot import ModelView, OutcomeSegment, OutcomeView, Snapshot
from monitor.run.understood import understand
from monitor.stats.performance.outcome_tally import LABEL_VALUE
from tests.engine import CREDIT, EVENTS, batch_of, event
from tests.engine import settings as settings_of
from tests.snapshots import NOW_US, busy_snapshot
from tests.unit.publish.test_status import read

IN_LOW = OutcomeSegment("EDU=low", 100, mean=0.5, mean_before=0.69)
JUDGE = OutcomeView("judge <b>", 1_000, NOW_US, mean=0.64, mean_before=0.69, segments=(IN_LOW,))
TOPIC = OutcomeView(
    "topic",
    900,
    NOW_US,
    shares=(("refund", 0.2), ("(other)", 0.8)),
    shares_before=(("refund", 0.1),),
    judged=False,
    segments=(OutcomeSegment("EDU=low", 10, shares=(("refund", 0.4),)),),
)
VALUE = OutcomeView(
    LABEL_VALUE, 500, NOW_US, mean=1.25, mean_before=1.0, segments=(OutcomeSegment("EDU=low", 50, mean=2.5),)
)


def test_series_have_means_shares_how_many_and_what_became_of_them() -> None:
    fates = {(CREDIT, "topic", "matched"): 7, (CREDIT, "(other)", "over_limit"): 2}
    watched = ModelView(CREDIT, outcomes=(TOPIC, VALUE, replace(JUDGE, name="judge")))
    page = render(Snapshot(restored=True, models=(watched,), outcome_fates=fates)).decode()
    of = 'model="credit",outcome='
    for line in (
        f'driftd_outcome_mean{{{of}"judge",segment="",version="1"}} 0.64',
        f'driftd_outcome_mean{{{of}"judge",segment="EDU=low",version="1"}} 0.5',
        'driftd_outcome_ratio{bin="refund",model="credit",outcome="topic",segment="",version="1"} 0.2',
        'driftd_outcome_ratio{bin="refund",model="credit",outcome="topic",segment="EDU=low",version="1"} 0.4',
        f'driftd_outcome_values{{{of}"topic",segment="",version="1"}} 900.0',
        f'driftd_outcome_values{{{of}"judge",segment="EDU=low",version="1"}} 100.0',
        'driftd_outcomes_total{fate="matched",model="credit",outcome="topic",version="1"} 7.0',
        'driftd_outcomes_total{fate="over_limit",model="credit",outcome="(other)",version="1"} 2.0',
        'driftd_performance_error{basis="realised",metric="value_per_thousand",model="credit",segment="",version="1"} '
        "1250.0",
        'driftd_performance_error{basis="realised",metric="value_per_thousand",model="credit",segment="EDU=low",'
        'version="1"} 2500.0',
    ):
        assert line in page.splitlines()
    assert 'outcome=""' not in page


def test_the_page_has_them_beside_the_reference_with_how_many_there_are() -> None:
    snapshot = busy_snapshot()
    first = replace(snapshot.models[0], outcomes=(JUDGE, TOPIC, VALUE))
    words = read(replace(snapshot, models=(first, *snapshot.models[1:]))).words
    assert "Outcome judge <b>\nmean 0.64 0.69 in the reference; of the newest 1,000 values" in words
    assert "Outcome topic\nrefund 20 % (10 %), (other) 80 % (0 %) of the newest 900 values" in words
    assert "not judged: the reference has too few values" in words
    assert "Value of 1,000 labels\n1,250 1,000 in the reference; of the newest 500 values" in words


def test_the_page_has_the_segments_with_most_values_first_and_their_number() -> None:
    snapshot = busy_snapshot()
    each = tuple(OutcomeSegment(f"k=<{at}>", 20 + at, mean=0.5, mean_before=0.7) for at in range(30))
    first = replace(snapshot.models[0], outcomes=(replace(JUDGE, segments=each), TOPIC))
    words = read(replace(snapshot, models=(first, *snapshot.models[1:]))).words
    assert "Outcome judge <b> in k=<29>\nmean 0.5 0.7 in the reference; of 49 values" in words
    assert "Outcome topic in EDU=low" not in words  # of all these it has the fewest
    assert "Outcomes in other segments\n7 more, in the series" in words


def test_check_says_what_a_label_event_brings() -> None:
    tree = settings_of({"versions": ["1"]})
    one = event(0, type="label", id="p-1", outcomes={"judge": 0.5, "topic": "bill"})
    assert list(understand(tree, EVENTS.topic, [batch_of([one])]).lines()) == [
        'events-0@0: label of credit/1: at 2025-11-24T16:00:00Z, with an id, outcome judge 0.5, outcome topic "bill"'
    ]
