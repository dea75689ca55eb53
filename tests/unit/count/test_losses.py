"""Lost events are reported: counted by reason, with their first position, and as a share of the newest events."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from monitor.count.losses import MAX_LOSSES, NEWEST, Losses, Newest
from monitor.events import ModelKey
from monitor.pipeline import Pipeline
from tests.engine import CREDIT, EVENTS, Event, MemorySource, Recorded, admission_of, batch_of, blank, event, numeric

from tests.engine import pipeline_of, settings  # isort: skip


def pipeline() -> Pipeline:
    tree = settings({"versions": ["1"]})
    return pipeline_of(tree, admission_of(tree, blank([numeric("x")])), MemorySource({EVENTS: []}), Recorded())[0]


def good(at: int, **fields: object) -> Event:
    return event(at, **({"id": f"p{at}", "prediction": 1} | fields))


def reported(losses: Losses) -> dict[tuple[str, str, ModelKey | None], tuple[int, int]]:
    """{(outcome, reason, what came): (count, first offset)}."""
    return {(loss.outcome, loss.reason, loss.key): (loss.count, loss.first.offset) for loss in losses.all()}


def test_every_kind_of_loss_is_reported_with_its_first_place_and_what_came() -> None:
    counted = pipeline()
    counted.count(
        [
            batch_of(
                [
                    good(1000),
                    good(2000, model="Credit"),
                    good(2000, version="1.0"),
                    b"no json",
                    good(1000),
                    [good(1001), good(1002, ts="yesterday"), good(1003, ts="tomorrow")],
                    None,
                    good(10),
                ]
            )
        ]
    )
    assert reported(counted.losses) == {
        ("unknown_model", "not_configured", ModelKey("Credit", "1")): (1, 1),
        ("ignored", "version", ModelKey("credit", "1.0")): (1, 2),
        ("rejected", "json", None): (1, 3),
        ("duplicate", "", CREDIT): (1, 4),
        ("rejected", "ts", None): (2, 5),
        ("late", "", CREDIT): (1, 7),
    }
    late = next(loss for loss in counted.losses.all() if loss.outcome == "late")
    assert late.behind_us == 991 * 1_000_000
    assert str(late.first) == f"{EVENTS}@7"


@pytest.mark.parametrize(("lost", "of", "not_fine"), [(1, 20, False), (2, 20, True), (1, 1, True), (1, 19, False)])
def test_a_topic_is_not_fine_while_more_than_a_twentieth_is_lost(lost: int, of: int, not_fine: bool) -> None:
    counted = pipeline()
    counted.count([batch_of([good(at, **({"model": "M"} if at < lost else {})) for at in range(of)])])
    assert bool(counted.losses.topics_not_fine()) is not_fine


def test_a_topic_is_fine_again_once_its_newest_thousand_are() -> None:
    counted = pipeline()
    counted.count([batch_of([b"no json"] * 500)])
    counted.count([batch_of([good(at) for at in range(NEWEST - 51)], first=500)])
    assert [topic for topic, _ in counted.losses.topics_not_fine()] == ["events"]
    counted.count([batch_of([good(NEWEST)], first=500 + NEWEST)])
    assert not counted.losses.topics_not_fine()


def test_a_model_is_not_fine_while_all_of_its_newest_events_are_lost() -> None:
    counted = pipeline()
    counted.count([batch_of([good(at) for at in range(50)])])
    counted.count([batch_of([good(at, version="2") for at in range(NEWEST)], first=50)])
    assert [model for model, _ in counted.losses.models_not_fine()] == ["credit"]
    counted.count([batch_of([good(2_000), *(good(at, version="2") for at in range(2 * NEWEST))], first=5_000)])
    assert not counted.losses.models_not_fine(), "one of this batch was taken"


def test_the_first_and_each_tenfold_is_news() -> None:
    counted, told_at = pipeline(), []
    for at in range(250):
        counted.count([batch_of([b"no json"], first=at)])
        told_at += [loss.count for loss in counted.losses.news()]
    assert told_at == [1, 10, 100]


def test_names_from_outside_are_bounded() -> None:
    counted = pipeline()
    counted.count([batch_of([good(at, model=f"m{at}") for at in range(MAX_LOSSES + 500)])])
    losses = counted.losses.all()
    assert len(losses) == MAX_LOSSES + 1
    assert sum(loss.count for loss in losses) == MAX_LOSSES + 500


def test_the_newest_events_are_those_of_a_plain_ring() -> None:
    rng = np.random.default_rng(1)
    newest, plain = Newest(), deque[bool](maxlen=NEWEST)
    for _ in range(300):
        flags = rng.random(int(rng.integers(0, 1_500))) < rng.choice([0.0, 0.02, 1.0])
        if flags.any():
            newest.add(flags)
        else:
            newest.add_fine(len(flags))
        plain.extend(flags.tolist())
        assert (newest.total, newest.lost) == (len(plain), sum(plain))
