"""A fault that comes and goes is told as such."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from monitor.clock import DAY_US
from monitor.findings import PAGE, FindingKey
from monitor.judge.incidents.book import IncidentBook
from monitor.judge.incidents.ended import Ended
from monitor.judge.incidents.recurring import REACH_US, recurring
from monitor.state.codec import decode, encode
from monitor.state.finding_trees import book_of, book_tree
from tests.books import LONGEST, always, finding, never, step
from tests.engine import EVENTS, Credit, Event, MemorySource, credit_reference, replayed, settings, transitions_in

AGE = FindingKey("AGE", "distribution")


def ended(*days: float, key: FindingKey = AGE) -> list[Ended]:
    """Incidents about one thing that opened on these days."""
    times = [round(day * DAY_US) for day in days]
    return [Ended(str(at), PAGE, at, at, at + 1, "", (), (key,)) for at in times]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (ended(), ""),
        (ended(9), "second time in 1 day"),
        (ended(8, 9), "third time in 2 days"),
        (ended(8, 9, 9.5, key=FindingKey("AGE", "missing")), "fourth time in 2 days"),
        (ended(9, key=FindingKey("BILL", "distribution")), ""),
        (ended(10 - REACH_US / DAY_US - 0.1, 8.5), "second time in 1.5 days"),
        (ended(*np.linspace(8, 9, 10)), "more than 10 times in 2 days"),
    ],
)
def test_the_times_before_are_counted(before: list[Ended], words: str) -> None:
    assert recurring(AGE, "credit", before, 10 * DAY_US) == words


def test_of_the_model_itself_only_the_same_cause_is_the_same() -> None:
    before = ended(8, 9, key=FindingKey("credit", "traffic"))
    assert recurring(FindingKey("credit", "traffic"), "credit", before, 10 * DAY_US) == "third time in 2 days"
    assert recurring(FindingKey("credit", "duplicates"), "credit", before, 10 * DAY_US) == ""


def test_the_third_incident_says_so_also_after_a_restart() -> None:
    book, summaries = IncidentBook(LONGEST), []
    for at in (10, 1_000, 2_000):
        opened = step(book, at, finding(start=at - 1, end=at), recheck=never)
        assert opened is not None
        summaries.append(opened.summary.partition("; ")[2])
        resolved = step(book, at + 500, recheck=always)
        assert resolved is not None
        assert resolved.transition == "resolved"
        again = IncidentBook(LONGEST)
        again.restore(book_of(decode(encode(book_tree(book.to_state())))))
        assert again.to_state() == book.to_state()
        book = again
    assert [one.split(" time")[0] for one in summaries] == ["", "second", "third"]


def test_a_state_of_before_has_no_earlier_times() -> None:
    book = IncidentBook(LONGEST)
    step(book, 10, finding(), recheck=never)
    step(book, 500, recheck=always)
    tree = book_tree(book.to_state())
    tree["past"] = [one[:7] for one in tree["past"]]
    assert [one.keys for one in book_of(tree).past] == [()]


class ComesAndGoes:
    """A column is larger in 600 of every 1,800 events."""

    def __init__(self) -> None:
        self._so_far = 0

    def __call__(self, made: Event, _rng: np.random.Generator) -> None:
        self._so_far += 1
        if self._so_far % 1_800 < 600:
            made["features"]["LIMIT"] *= 1.6


def test_a_fault_that_comes_and_goes_is_told_how_often() -> None:
    """From the third time on it may be a ticket: its own steps are restless traffic."""
    stream = list(islice(Credit(14_000, seed=3, change=2_000, fault=ComesAndGoes()), 6_600))
    lines, _ = replayed(settings(), credit_reference(), MemorySource({EVENTS: stream}))
    opened = [one for one in transitions_in(lines) if one["transition"] == "opened"]
    assert [one["severity"] for one in opened[:2]] == [PAGE] * 2
    assert "second time in" in opened[1]["summary"]
    assert "third time in" in opened[2]["summary"]
