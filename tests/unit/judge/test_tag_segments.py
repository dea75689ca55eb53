"""Segments by a tag: counted, learned and judged as those of a feature, of events that need not have the tag."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.count.admission.versions import Admission
from monitor.judge import warmup
from monitor.judge.causes.tags_gone import TagsGone
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.reference.configured import as_configured, contradictions
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.file.validity import fault_of
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.reference.references import References
from monitor.reference.segments import OTHER, SegmentedBy, counts_name
from monitor.run.replay import replay
from monitor.settings.tree import Settings
from monitor.state.codec import decode, encode
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally, merged
from tests.engine import CREDIT, EVENTS, NOW_US, Credit, Event, MemorySource, build, replayed, settings, transitions_in
from tests.unit.count.test_segment_counter import panes_of, stream

REGIONS = ("north", "south", None)
BY = (SegmentedBy("SEX", ("2", "1")), SegmentedBy("region", ("north", "south"), is_tag=True))


def tagged(events: Iterable[Event]) -> list[Event]:
    """The same events; a third has no region, of these some no tags, some a null."""
    out = []
    for at, one in enumerate(events):
        region = REGIONS[at % 3]
        tags: dict[str, Any] = {"client": str(at)} | ({} if at % 2 and region is None else {"region": region})
        out.append(one if region is None and at % 5 == 0 else one | {"tags": tags})
    return out


def region_of(one: Event) -> str | None:
    return one.get("tags", {}).get("region")  # type: ignore[no-any-return]


def asked(**over: object) -> Settings:
    return settings({"segments": ["EDU", "region"], **over})


@pytest.fixture(scope="module")
def built() -> Reference:
    return build(asked(), tagged(Credit(6_000)))


@pytest.mark.parametrize("chunk", [3, 500])
@pytest.mark.parametrize("slow", [False, True])
def test_a_segment_has_the_counts_of_the_events_with_the_tag(chunk: int, *, slow: bool) -> None:
    """By the compiled decoder, and by the slow one, which reads a byte order mark."""
    events = tagged(stream(300))
    read: list[Any] = [b"\xef\xbb\xbf" + json.dumps(one).encode() for one in events] if slow else events
    tally, width = _counted(read, chunk), None
    for segment, region in enumerate(("north", "south", None), 3):
        own = [one for one in events if region_of(one) == region]
        alone = _counted(own, 500, ())
        width = alone.counts.shape[1]
        counts = tally.further[counts_name(segment)].reshape(-1, width)
        # a never-seen name that shares a bucket is counted there alone, not as never seen too
        np.testing.assert_array_equal(counts[:2], alone.counts[:2])
        assert counts[2, :-5].sum() == alone.counts[2, :-5].sum()
    both = [tally.further[counts_name(one)].astype(np.int64) for one in range(6)]
    np.testing.assert_array_equal(sum(both[:3]), sum(both[3:]))


def _counted(events: list[Any], chunk: int, by: tuple[SegmentedBy, ...] = BY) -> Tally:
    return merged(panes_of(events, by, chunk))


def test_a_reference_learns_the_texts_of_a_tag(built: Reference) -> None:
    segments = built.segments
    assert segments is not None
    assert segments.by[1] == SegmentedBy("region", ("north", "south"), is_tag=True)
    assert segments.keys[-1] == ("region", OTHER)
    of_tag = segments.counts[segments.whole == 1]
    np.testing.assert_array_equal(of_tag.sum(0), built.counts)
    assert of_tag.sum((1, 2)).tolist() == pytest.approx([built.counts.sum() / 3] * 3, rel=0.01)
    assert any(line.startswith("segments by region: north 33") for line in reference_text(built).splitlines())


def test_a_file_gives_the_tag_back_and_settings_may_leave_it_out(built: Reference) -> None:
    body = json.loads(json.dumps(to_json(built)))
    assert fault_of({**body, "hash": built.hash}) == ""
    back = from_json(body)
    assert back.segments is not None
    assert built.segments is not None
    assert back.segments.by == built.segments.by
    assert list(contradictions(back, asked().models[0])) == []
    without = as_configured(back, settings({"segments": ["EDU"]}).models[0]).segments
    assert without is not None
    assert [one.feature for one in without.by] == ["EDU"]


def test_a_change_of_the_events_with_a_tag_names_it(built: Reference) -> None:
    changed = [
        one | {"features": one["features"] | {"AGE": one["features"]["AGE"] + 10}}
        if at > 1_500 and region_of(one) == "south"
        else one
        for at, one in enumerate(tagged(Credit(3_500, 2)))
    ]
    lines, _ = replayed(asked(), built, MemorySource({EVENTS: changed}))
    found = [one for line in transitions_in(lines) for one in line["findings"] if one["segment"]]
    assert {(one["subject"], one["segment"], one["severity"]) for one in found} == {("AGE", "region=south", "page")}


def test_a_warm_up_keeps_the_tags_that_cut_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """And learns what a build of the same events learns."""
    monkeypatch.setattr(warmup, "BASE_WINDOWS", 4)
    tree, events = asked(reference={"warmup": 1_500}), tagged(Credit(2_400))
    admission, lines = Admission(tree, References({}), warms_up=True), list[dict[str, Any]]()
    replay(tree, admission, MemorySource({EVENTS: events}), ManualClock(NOW_US), lines.append)
    (ended,) = [line for line in lines if line["kind"] == "warmup"]
    learned = admission.references.of(CREDIT)
    assert learned is not None
    assert learned.segments is not None
    assert learned.segments.keys[-3:] == (("region", "north"), ("region", "south"), ("region", OTHER))
    whole = learned.segments.whole == 1
    np.testing.assert_array_equal(learned.segments.counts[whole].sum(0), learned.counts)
    same = build(asked(), events[: learned.predictions]).segments
    assert ended["predictions"] == learned.predictions
    assert same is not None
    np.testing.assert_array_equal(same.counts, learned.segments.counts)


def test_a_name_that_a_feature_and_a_tag_have_is_the_features() -> None:
    events = [one | {"tags": {"EDU": "x"}} for one in Credit(600)]
    segments = build(settings({"segments": ["EDU"]}), events).segments
    assert segments is not None
    assert segments.by[0].values == ("high",)
    assert not segments.by[0].is_tag


def renamed(events: Iterable[Event], after: int, until: int = 1 << 30) -> list[Event]:
    """The region comes under another name for some of the events."""
    return [
        one | {"tags": {"area": of} if (of := region_of(one)) else {}} if after <= at < until and "tags" in one else one
        for at, one in enumerate(events)
    ]


@pytest.mark.parametrize("chunk", [7, 10_000])
def test_a_tag_that_is_gone_is_a_ticket_about_it_until_it_is_back(built: Reference, chunk: int) -> None:
    events = renamed(tagged(Credit(6_000, 2)), 1_500, 3_000)
    tree = settings({"segments": ["EDU", "region"], "fairness": {"by": ["region"]}, "severity": {"absent": "page"}})
    lines, _ = replayed(tree, built, MemorySource({EVENTS: events}, chunk))
    opened, *_, resolved = transitions_in(lines)
    (found,) = opened["findings"]
    assert (found["subject"], found["cause"], found["severity"]) == ("region", "absent", "ticket")
    assert found["value"] > 0.66
    assert "segments and fairness are not judged" in opened["summary"]
    assert 0 < opened["predictions"] - 1_500 <= 500
    assert resolved["transition"] == "resolved"
    assert resolved["predictions"] >= 3_000


def test_a_tag_that_half_of_the_events_still_have_is_not_said_to_be_gone(built: Reference) -> None:
    """In the reference two thirds have it; here half."""
    events = [
        one | {"tags": {}} if at % 4 == 0 and "tags" in one else one for at, one in enumerate(tagged(Credit(3_000, 2)))
    ]
    lines, _ = replayed(asked(), built, MemorySource({EVENTS: events}))
    assert [
        one["subject"] for line in transitions_in(lines) for one in line["findings"] if one["cause"] == "absent"
    ] == []


def test_a_block_of_a_tag_goes_on_from_its_state(built: Reference) -> None:
    """Some 50 events without the tag in each pane: the fifth ends a block."""
    assert built.segments is not None
    rest = {counts_name(len(built.segments.keys) - 1): built.segments.counts[-1].ravel() // 36}
    panes = [Block(at, at + 1, replace(Tally.empty(1, 1), further=rest)) for at in range(7)]
    cause = _tags(built)
    found_at = []
    for at, pane in enumerate(panes):
        if list(cause.follow(pane, LabelTally())):
            found_at.append(at)
        again = _tags(built)
        again.restore(decode(encode(cause.to_state())))
        cause = again
    assert found_at in ([4], [5])


def _tags(built: Reference) -> TagsGone:
    return TagsGone(PreparedReference.of(built), Policy(asked().models[0]))
