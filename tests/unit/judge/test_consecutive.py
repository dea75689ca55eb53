"""Changed against the day before: said once of what changed, and hardly ever of what did not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from monitor.clock import DAY_US, HOUR_US, MINUTE_US
from monitor.count.exchange import Pane
from monitor.count.task_state import PaneKey
from monitor.findings import INFO, Finding
from monitor.judge.causes.consecutive import PREVIOUS, Consecutive, days_compared
from monitor.judge.model import ModelJudge
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.settings.model import Model
from monitor.state.codec import decode, encode
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally
from tests.engine import CREDIT, admission_of, credit_reference, settings

#: the rate of the reference
EVENTS, PANE_US = 1_000, 10 * MINUTE_US
START_US = 20_000 * DAY_US


@cache
def prepared() -> PreparedReference:
    return PreparedReference.of(credit_reference())


def subjects() -> list[str]:
    return list(prepared().subjects)


def drawn(rng: np.random.Generator, moved: dict[str, int]) -> Tally:
    """A tally of values as the reference has them; of columns in `moved` a tenth went to the bin of that number."""
    made = prepared()
    tally = Tally.empty(len(made.columns), made.width)
    for at, bins in enumerate(made.bins):
        shares = bins / bins.sum()
        if (place := moved.get(made.subjects[at])) is not None:
            shares = shares * 0.9
            shares[place] += 0.1
        tally.counts[at, : made.width] = rng.multinomial(EVENTS, shares)
    tally.predictions = EVENTS
    return tally


def panes(days: float, seed: int, moved: dict[str, int], change: float, begin_us: int = START_US) -> Iterator[Pane]:
    """From `change` (days) on the columns in `moved` have other shares."""
    rng = np.random.default_rng(seed)
    for number in range(round(days * DAY_US / PANE_US)):
        start = begin_us + number * PANE_US
        tally = drawn(rng, moved if number * PANE_US >= change * DAY_US else {})
        yield Pane(PaneKey(CREDIT, ""), start, start + PANE_US, tally)


def cause() -> Consecutive:
    return Consecutive(prepared(), Policy(Model(name="credit", reference="r.json")))


def fed(made: Consecutive, stream: Iterator[Pane]) -> Iterator[Finding]:
    for pane in stream:
        block = Block(pane.start_us, pane.end_us, pane.tally)
        made.observe(block, block)
        yield from made.follow(block, LabelTally())


def test_a_change_is_found_within_hours_with_the_day_before_as_its_measure() -> None:
    """At the end of the 6th day AGE goes up; a tenth of a day's values in a slot of three hours are an eighth of it."""
    found = list(fed(cause(), panes(8, 1, {"AGE": 9}, 6)))
    assert {one.key.subject for one in found} == {"AGE"}
    first = found[0]
    assert (first.key.cause, first.key.figure, first.severity, first.direction) == (
        "distribution",
        PREVIOUS,
        INFO,
        "up",
    )
    assert first.window.end_us - first.window.start_us == DAY_US
    assert START_US + 6 * DAY_US < first.window.end_us <= START_US + 7 * DAY_US
    assert first.window.events == DAY_US // PANE_US * EVENTS
    assert first.detail.startswith("changed against the day before: share ")
    assert first.effect >= 0.05 or first.statistic == "bin_share"
    # when both days hold it, nothing changes any more
    assert max(one.window.end_us for one in found) <= START_US + 8 * DAY_US


def test_two_days_after_the_change_it_is_what_is_usual() -> None:
    found = list(fed(cause(), panes(10, 2, {"EDU": 0, "score": 0}, 4)))
    assert {one.key.subject for one in found} == {"EDU", "score"}
    assert max(one.window.end_us for one in found) < START_US + 6 * DAY_US
    (words,) = {one.detail.split(":")[1].split()[0] for one in found if one.key.subject == "EDU"}
    assert words == "share"
    assert {one.direction for one in found if one.key.subject == "EDU"} == {""}


def test_what_does_not_change_is_hardly_ever_said_to() -> None:
    """One false finding in 30 days: of 60 days more than seven have a chance below 0.5 %."""
    assert sum(1 for _ in fed(cause(), panes(60, 3, {}, 0))) <= 7


def test_nothing_is_said_before_two_whole_days_were_seen() -> None:
    """The slot in which driftd began is not whole, and the day behind it may hold the change."""
    found = list(fed(cause(), panes(3, 4, {"AGE": 9}, 1, START_US + HOUR_US)))
    assert all(one.window.end_us >= START_US + 2 * DAY_US + 3 * HOUR_US for one in found)
    assert not list(fed(cause(), panes(2, 4, {"AGE": 9}, 1, START_US + HOUR_US)))


@pytest.mark.parametrize("every", [1, 50])
def test_its_findings_do_not_depend_on_where_checkpoints_cut_the_stream(every: int) -> None:
    whole = list(fed(cause(), panes(6, 5, {"AGE": 9}, 4)))
    made, found = cause(), list[Finding]()
    for number, pane in enumerate(panes(6, 5, {"AGE": 9}, 4)):
        if number % every == 0:
            state = decode(encode(made.to_state()))
            made = cause()
            made.restore(state)
        found += fed(made, iter([pane]))
    assert whole
    assert found == whole


def test_the_model_says_a_change_once_and_opens_no_incident_for_it() -> None:
    """The reference knows the new shares: only the day before does not."""
    after = replace(credit_reference(), hash="sha256:other")
    monitored = admission_of(settings({"features": {"AGE": {"mute": True}}}), after).monitored(CREDIT)
    assert monitored is not None
    judge = ModelJudge(monitored, 1.0, 30 * DAY_US, show_values=True)
    said = [one for pane in panes(5, 6, {"AGE": 9}, 3) for one in judge.add(pane, 1.0)[0]]
    assert [one.key.subject for one in said if one.key.figure == PREVIOUS] == ["AGE"]
    assert judge.book.incident is None
    assert judge.judge.tests_of_length == sum(
        one.tests() for one in judge.judge.causes if not isinstance(one, Consecutive)
    )


@pytest.mark.parametrize(
    ("base_us", "days"), [(0, 1), (150_000_000, 1), (DAY_US // 64, 1), (DAY_US // 63, 2), (DAY_US, 64)]
)
def test_as_many_days_are_compared_as_hold_64_base_windows(base_us: int, days: int) -> None:
    assert days_compared(base_us) == days
    assert base_us * 64 <= days * DAY_US
