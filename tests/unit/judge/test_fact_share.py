"""Repeated ids and wrong clocks: what is said, and that nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from monitor.events import Partition
from monitor.pipeline import Pipeline
from monitor.reference.file.encoding import from_json, to_json
from monitor.stats.testing.fact_share import FactShare, judged, learned, still_over
from tests.engine import (
    CREDIT,
    EVENTS,
    SECOND,
    START_US,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    build,
    credit_reference,
    pipeline_of,
    replayed,
    run_to_end,
    settings,
    transitions_in,
)

CHANGE = 3_000


@pytest.fixture(scope="module")
def stream() -> list[Event]:
    return list(Credit(6_000, seed=4))


def told(stream: list[Event], model: dict[str, object] | None = None, chunk: int = 500) -> list[dict[str, Any]]:
    lines, _ = replayed(settings(model), credit_reference(), MemorySource({EVENTS: stream}, chunk))
    return transitions_in(lines)


def sent_again(stream: list[Event], times_us: int = 1) -> list[Event]:
    """The 2,000 events before the change come again, between the others, with their ids and new times."""
    again = [
        one | {"id": old["id"], "features": old["features"], "ts": one["ts"] + times_us}
        for one, old in zip(stream[CHANGE:5_000], stream[1_000:CHANGE], strict=True)
    ]
    mixed = [event for pair in zip(stream[CHANGE:5_000], again, strict=True) for event in pair]
    return [*stream[:CHANGE], *mixed, *stream[5_000:]]


def skewed(stream: list[Event], every: int, seconds: int = 3_600) -> list[Event]:
    changed = [
        one | {"ts": one["ts"] + seconds * SECOND} if at % every == 0 else one for at, one in enumerate(stream[CHANGE:])
    ]
    return [*stream[:CHANGE], *changed]


def test_a_batch_sent_again_is_one_ticket_about_duplicates_and_nothing_else(stream: list[Event]) -> None:
    transitions = told(sent_again(stream))
    assert [one["transition"] for one in transitions] == ["opened", "resolved"]
    (finding,) = transitions[0]["findings"]
    assert (finding["subject"], finding["cause"], finding["severity"]) == ("credit", "duplicates", "ticket")
    assert "repeat an id" in transitions[0]["summary"]
    assert transitions[0]["predictions"] - CHANGE < 250
    assert finding["effect"] == pytest.approx(finding["value"])


def test_a_wrong_clock_is_a_ticket_about_the_clock(stream: list[Event]) -> None:
    first = told(skewed(stream, 10))[0]
    (finding,) = first["findings"]
    assert (finding["subject"], finding["cause"], first["severity"]) == ("credit", "clock", "ticket")
    assert "ahead" in first["summary"]
    assert first["predictions"] - CHANGE < 500


def test_a_few_of_them_are_not_said(stream: list[Event]) -> None:
    assert told(skewed(stream, 400)) == []


def test_the_least_effect_is_a_setting(stream: list[Event]) -> None:
    assert told(sent_again(stream), {"least_effect": {"duplicates": 0.9}}) == []


def test_a_lasting_share_is_not_over_because_it_looked_larger_at_first(stream: list[Event]) -> None:
    """Of 260 events five in a hundred have a wrong time, then one in 105: a little less than the least effect."""
    at_first = skewed(stream, 20)[: CHANGE + 260]
    transitions = told([*at_first, *skewed(stream, 105)[CHANGE + 260 :]])
    assert [one["transition"] for one in transitions] == ["opened"]
    over = told([*at_first, *stream[CHANGE + 260 :]])
    assert [one["transition"] for one in over] == ["opened", "resolved"]


def test_they_do_not_depend_on_how_polls_cut_the_stream(stream: list[Event]) -> None:
    changed = skewed(sent_again(stream), 10)
    assert told(changed, chunk=7) == told(changed, chunk=10_000) != []


def test_a_partition_that_pauses_has_no_wrong_clock_and_a_replay_counts_what_the_daemon_counts(
    stream: list[Event],
) -> None:
    """Every other event of 14 minutes is not in the second partition, whose clock then follows late."""

    def minute(one: Event) -> float:
        return float(one["ts"] - START_US) / (60 * SECOND)

    second = [one for at, one in enumerate(stream) if at % 2 and not 20 < minute(one) < 34]
    ids = {one["id"] for one in second}
    records = {EVENTS: [one for one in stream if one["id"] not in ids], Partition("events", 1): second}
    replay, source = Recorded(), MemorySource(dict(records), 100)
    pipeline, _ = pipeline_of(settings(), admission_of(settings(), credit_reference()), source, replay)
    run_to_end(pipeline, source)
    assert replay.reported == []
    live, source = Recorded(), MemorySource({partition: [] for partition in records}, 10_000, live=True)
    daemon, clock = pipeline_of(settings(), admission_of(settings(), credit_reference()), source, live, live=True)
    until = START_US
    while until <= stream[-1]["ts"]:
        clock.advance(10)
        until += 10 * SECOND
        for partition, events in records.items():
            known = len(source.records[partition])
            source.records[partition] += [one for one in events[known:] if one["ts"] <= until]
        daemon.turn()
    assert not daemon.exchange.unjudged
    assert wrong_times(daemon) == wrong_times(pipeline) == 0


def wrong_times(pipeline: Pipeline) -> int:
    """Events of a wrong time that were judged."""
    blocks = pipeline.fleet.judges[CREDIT].to_state().causes["clock"]["blocks"]  # type: ignore[attr-defined]
    assert len(blocks)
    return int(np.array(blocks)[:, 2].sum())


@pytest.mark.parametrize("seconds", [400, 86_400])
def test_the_last_event_may_have_a_wrong_time_and_is_no_silence(stream: list[Event], seconds: int) -> None:
    last = stream[3_000] | {"ts": stream[3_000]["ts"] + seconds * SECOND}
    assert told([*stream[:3_000], last]) == []


def test_what_the_reference_has_too_is_not_said() -> None:
    usual = [
        one | {"id": f"{one['id'][:-1]}0"} if at % 5 == 0 else one for at, one in enumerate(Credit(11_000, seed=2))
    ]
    reference = build(settings(), usual[:8_000])
    share = dict(reference.facts)["duplicates"].share
    assert 0.05 < share < 0.3
    lines, _ = replayed(settings(), reference, MemorySource({EVENTS: usual[8_000:]}))
    assert transitions_in(lines) == []


def test_an_older_reference_knows_no_facts_and_judges_none(stream: list[Event]) -> None:
    body = json.loads(json.dumps(to_json(credit_reference())))
    assert from_json(body).facts == credit_reference().facts != ()
    del body["facts"]
    older = replace(from_json(body), traffic=None)
    lines, _ = replayed(settings(), older, MemorySource({EVENTS: sent_again(stream)}))
    assert transitions_in(lines) == []


def test_the_largest_share_is_that_of_sliding_windows() -> None:
    rng = np.random.default_rng(1)
    events = rng.integers(250, 280, 40)
    hits = rng.binomial(events, 0.05)
    known = learned(hits.tolist(), events.tolist())
    for level, largest in enumerate(known.largest):
        ones = np.ones(1 << level)
        shares = np.convolve(hits, ones, "valid") / np.convolve(events, ones, "valid")
        assert largest == pytest.approx(shares.max(), rel=1e-5)
    assert FactShare.from_plain(known.to_plain()) == known
    assert known.share == hits.sum() / events.sum()


def test_a_lasting_share_seldom_looks_over_and_none_at_all_does() -> None:
    """Chance that three base windows of a share of 2 % look as if it were over, by the exact binomial."""
    known = FactShare(0, 10_000, (0.0, 0.0, 0.0))
    events = 870
    looks_over = [hits for hits in range(60) if still_over(known, hits, events, 3, 1e-4, 0.01) < 1]
    assert 0 in looks_over
    assert np.sum(binom.pmf(looks_over, events, 0.02)) < 1e-4


def test_windows_like_those_of_the_reference_are_not_over() -> None:
    rng = np.random.default_rng(2)
    hits = rng.binomial(250, 0.05, 40).tolist()
    known = learned(hits, [250] * 40)
    over = []
    for _ in range(2_000):
        newest = rng.binomial(250, 0.05, 16).tolist()
        excess = judged(known, newest, [250] * 16, 1e-4, 0.01)
        assert excess is not None
        over.append(excess.exceedance > 1)
    assert sum(over) <= 2
    excess = judged(known, [250 // 5] * 16, [250] * 16, 1e-4, 0.01)
    assert excess is not None
    assert excess.exceedance > 1
