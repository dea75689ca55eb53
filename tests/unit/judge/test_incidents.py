"""The life of an incident: opened once, moved by its findings, resolved when none is left; the same after a restart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import ModelKey
from monitor.findings import PAGE, SEVERITY_RANK, TICKET, Finding, FindingKey, Span, Transition
from monitor.judge.causes.catalog import EXPLAINED_BY
from monitor.judge.incidents.book import IncidentBook, Now
from monitor.judge.incidents.ended import lasted
from monitor.judge.incidents.incident import OpenFinding, incident_id
from monitor.state.codec import decode, encode
from monitor.state.finding_trees import book_of, book_tree, transition_of, transition_tree
from tests.books import LONGEST, Recheck, all_but, always, context, finding, never, step
from tests.engine import CREDIT


def test_an_incident_opens_once_and_says_nothing_while_nothing_is_new() -> None:
    book = IncidentBook(LONGEST)
    opened = step(book, 10, finding())
    assert opened is not None
    assert (opened.transition, opened.number, opened.severity, opened.since_us) == ("opened", 1, PAGE, 0)
    assert opened.id == f"{opened.incident}/1"
    assert opened.summary == "credit 1: AGE moved"
    assert (opened.at_us, opened.predictions, opened.reference) == (10, 25_000, "sha256:r")
    assert step(book, 20, finding(start=10, end=20), recheck=never) is None
    assert (book.pages, book.tickets) == (1, 0)


def test_a_quiet_book_says_nothing() -> None:
    assert step(IncidentBook(LONGEST), 10, recheck=always) is None


def test_another_key_updates_the_incident_and_pages_no_second_time() -> None:
    book = IncidentBook(LONGEST)
    step(book, 10, finding())
    updated = step(book, 20, finding("BILL", start=10, end=20, exceedance=9.0), recheck=never)
    assert updated is not None
    assert (updated.transition, updated.number) == ("updated", 2)
    assert [one.key.subject for one in updated.findings] == ["BILL", "AGE"]  # worst first
    assert updated.summary == "credit 1: BILL moved (and 1 other finding)"
    assert book.pages == 1


def test_tickets_that_come_in_a_row_are_reported_together_once_a_base_window() -> None:
    book = IncidentBook(LONGEST)
    step(book, 10, finding("AGE"))
    for at in range(20, 150, 10):
        assert step(book, at, finding(f"BILL{at}", TICKET, at - 10, at)) is None
    updated = step(book, 150, recheck=never)
    assert updated is not None
    assert (updated.transition, updated.number, len(updated.findings)) == ("updated", 2, 14)
    assert step(book, 160, recheck=never) is None  # told once


def test_pages_of_other_columns_are_reported_at_once_those_of_a_pane_together() -> None:
    book = IncidentBook(LONGEST)
    step(book, 10, finding("AGE"))
    updated = step(book, 20, finding("BILL", start=10, end=20), finding("LIMIT", start=10, end=20))
    assert updated is not None
    assert (updated.transition, updated.number, len(updated.findings)) == ("updated", 2, 3)
    again = finding("BILL", start=20, end=30)
    assert step(book, 30, replace(again, key=again.key._replace(cause="missing"))) is None  # the column is known


def test_a_severity_and_an_end_are_reported_at_once() -> None:
    book = IncidentBook(LONGEST)
    step(book, 10, finding("AGE", TICKET))
    assert step(book, 20, finding("BILL", TICKET, 10, 20)) is None
    escalated = step(book, 30, finding("LIMIT", PAGE, 20, 30))
    assert escalated is not None
    assert (escalated.transition, len(escalated.findings)) == ("escalated", 3)
    assert step(book, 40, recheck=never) is None  # that told of all three
    resolved = step(book, 50, recheck=always)
    assert resolved is not None
    assert resolved.transition == "resolved"


def test_the_end_says_how_long_it_lasted_and_what_it_was() -> None:
    book, minute = IncidentBook(LONGEST), 60_000_000
    step(book, minute, finding("euribor3m", cause="outside"), finding("score", cause="score"))
    resolved = step(book, 35 * minute, recheck=always)
    assert resolved is not None
    assert resolved.summary == "credit 1: resolved after 34 min; it was euribor3m (outside), score"


def test_the_last_ten_incidents_are_kept_with_their_words() -> None:
    book = IncidentBook(LONGEST)
    for number in range(12):
        at = 1_000 * number
        step(book, at + 10, finding("AGE", TICKET, start=at, end=at + 10))
        step(book, at + 20, finding("BILL", PAGE, start=at + 10, end=at + 20))
        step(book, at + 30, recheck=all_but("BILL"))
        step(book, at + 40, recheck=always)
    assert [(one.since_us, one.opened_at, one.ended_at) for one in book.ended] == [
        (1_000 * number, 1_000 * number + 10, 1_000 * number + 40) for number in range(2, 12)
    ]
    assert {(one.severity, one.findings) for one in book.ended} == {(PAGE, ("AGE moved", "BILL moved"))}
    assert len({one.id for one in book.ended}) == 10


@pytest.mark.parametrize(
    ("window", "base_windows", "since", "expected"),
    [
        ((20, 50), 1, 36, 40),  # within a base window of the other
        ((20, 50), 1, 20, 40),  # the window holds that time, and no more is known
        ((20, 140), 4, 75, 75),  # later than by a base window of 30
        ((20, 140), 4, 69, 40),
        ((100, 130), 1, 100, 100),  # another window
        ((0, 30), 1, 0, 0),  # it was there before
    ],
)
def test_findings_of_one_column_say_the_same_beginning_of_one_change(
    window: tuple[int, int], base_windows: int, since: int, expected: int
) -> None:
    for subject, wanted in (("AGE", expected), ("BILL", since)):
        book = IncidentBook(LONGEST)
        step(book, 70, finding(start=40, end=70, since=40))
        other = finding(subject, start=window[0], end=window[1], since=since, cause="outside")
        step(book, 140, replace(other, base_windows=base_windows))
        assert book.since(other.key) == wanted


def test_facts_of_the_model_have_beginnings_of_their_own_but_for_figures_of_one_cause() -> None:
    for cause, segment, wanted in (("duplicates", "", 36), ("performance", "SEX=1", 36), ("performance", "", 40)):
        book = IncidentBook(LONGEST)
        step(book, 70, finding(CREDIT.model, start=40, end=70, since=40, cause="performance"))
        one = finding(CREDIT.model, start=20, end=50, since=36, cause=cause)
        one = replace(one, key=one.key._replace(segment=segment, figure="recall"))
        step(book, 140, one)
        assert book.since(one.key) == wanted


def test_a_page_on_a_column_ends_the_ticket_about_its_pair() -> None:
    book = IncidentBook(LONGEST)
    pair = replace(finding("AGE~BILL", TICKET, cause="relation"), part_of=("AGE", "BILL"))
    step(book, 10, pair, finding("LIMIT", TICKET))
    assert pair.key in book.open
    again = IncidentBook(LONGEST)  # after a restart, too
    again.restore(book_of(decode(encode(book_tree(book.to_state())))))
    for one in (book, again):
        step(one, 20, finding("AGE", TICKET, 10, 20))  # a ticket says less than that they went apart
        assert pair.key in one.open
        escalated = step(one, 30, finding("BILL", PAGE, 20, 30))
        assert escalated is not None
        assert [found.key.subject for found in escalated.findings] == ["BILL", "AGE", "LIMIT"]
        step(one, 40, replace(pair, window=Span(30, 40, 500)))
        assert pair.key not in one.open


def test_a_state_of_the_version_before_is_taken() -> None:
    book = IncidentBook(LONGEST)
    step(book, 10, finding(since=4))
    state = book_tree(book.to_state())
    del state["past"], state["lasting"], state["lasting_incident"]
    state["incident"] = state["incident"][:5]
    state["open"] = [one[:3] for one in state["open"]]
    again = IncidentBook(LONGEST)
    again.restore(book_of(decode(encode(state))))
    resolved = step(again, 50, recheck=always)
    assert resolved is not None
    assert resolved.summary.endswith("; it was AGE")
    assert [(one.opened_at, one.findings) for one in again.ended] == [(4, ("AGE moved",))]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "less than 1 s"), (59, "59 s"), (2_040, "34 min"), (7_500, "2 h 5 min"), (7_205, "2 h"), (270_000, "3 d 3 h")],
)
def test_durations_are_reported_in_two_units(seconds: int, words: str) -> None:
    assert lasted(seconds * 1_000_000) == words


def test_the_incident_follows_its_worst_finding_between_ticket_and_page() -> None:
    book = IncidentBook(LONGEST)
    opened = step(book, 10, finding("AGE", TICKET))
    assert opened is not None
    assert opened.severity == TICKET
    assert (book.pages, book.tickets) == (0, 1)
    escalated = step(book, 20, finding("BILL", PAGE, 10, 20))
    assert escalated is not None
    assert (escalated.transition, escalated.severity) == ("escalated", PAGE)
    assert (book.pages, book.tickets) == (1, 0)
    deescalated = step(book, 30, recheck=all_but("BILL"))
    assert deescalated is not None
    assert (deescalated.transition, deescalated.severity) == ("deescalated", TICKET)
    again = step(book, 40, finding("LIMIT", PAGE, 30, 40))
    assert again is not None
    assert (again.transition, again.number, book.pages, book.tickets) == ("escalated", 4, 1, 0)
    resolved = step(book, 50, recheck=always)
    assert resolved is not None
    assert (resolved.transition, resolved.number, resolved.findings) == ("resolved", 5, ())
    assert book.incident is None


def test_the_severity_of_a_finding_rises_and_never_falls_while_it_lasts() -> None:
    book = IncidentBook(LONGEST)
    step(book, 10, finding(severity=TICKET))
    escalated = step(book, 20, finding(severity=PAGE, start=10, end=20))
    assert escalated is not None
    assert escalated.transition == "escalated"
    assert step(book, 30, finding(severity=TICKET, start=20, end=30)) is None
    (known,) = book.open.values()
    assert known.finding.severity == PAGE
    assert known.finding.window == (20, 30, 250)  # the figures are those of now
    assert known.finding.since_us == 0  # the beginning is not


def test_the_end_asks_the_newest_windows_twice_as_long_as_the_opening_one() -> None:
    asked: list[tuple[int, int]] = []

    def recheck(known: OpenFinding, length: int) -> Now | None:
        asked.append((length, known.since_us))
        return None

    for base_windows, length in ((1, 3), (2, 4), (16, 32), (32, 64), (64, LONGEST)):
        book = IncidentBook(LONGEST)
        step(book, 10, finding(base_windows=base_windows, since=4))
        step(book, 20, finding(base_windows=1, start=10, end=20), recheck=recheck)  # seen shorter: still the first
        assert asked.pop() == (length, 4)


@pytest.mark.parametrize(
    ("over", "left", "ends"),
    [(0.99, 0.25, True), (0.0, -0.5, True), (1.0, 0.0, False), (0.0, 0.26, False), (0.0, math.nan, False)],
)
def test_a_finding_ends_where_it_is_not_over_and_a_quarter_is_left(over: float, left: float, ends: bool) -> None:
    book = IncidentBook(LONGEST)
    step(book, 10, finding())
    assert step(book, 20, recheck=lambda _known, _length: None) is None  # not so many windows yet
    transition = step(book, 20, recheck=lambda _known, _length: Now(over, left, 0.1))
    assert (transition is not None) == ends
    assert bool(book.open) != ends


def test_a_window_that_began_before_the_end_does_not_open_the_key_again() -> None:
    book = IncidentBook(LONGEST)
    first = step(book, 10, finding())
    step(book, 50, recheck=always)
    assert step(book, 60, finding(start=49, end=60)) is None
    assert step(book, 60, finding("BILL", start=49, end=60)) is not None  # another key may
    step(book, 70, recheck=always)
    again = step(book, 80, finding(start=50, end=80))
    assert again is not None
    assert (again.transition, again.number) == ("opened", 1)
    assert first is not None
    assert again.incident != first.incident


def test_a_stuck_columns_distribution_is_not_reported() -> None:
    book = IncidentBook(LONGEST, EXPLAINED_BY)
    opened = step(book, 10, finding(cause="constant"), finding(cause="distribution"))
    assert opened is not None
    assert [one.key.cause for one in opened.findings] == ["constant"]
    assert step(book, 20, finding("BILL", start=10, end=20), recheck=never) is not None


def test_of_one_key_the_worst_window_speaks_and_the_shortest_says_since_when() -> None:
    book = IncidentBook(LONGEST)
    long = finding(start=0, end=40, exceedance=5.0, base_windows=4)
    long = Finding(**{name: getattr(long, name) for name in long.__slots__} | {"window": Span(0, 40, 1_000)})
    opened = step(book, 40, finding(start=30, end=40, exceedance=2.0), long)
    assert opened is not None
    assert [(one.exceedance, one.since_us) for one in opened.findings] == [(5.0, 30)]
    assert opened.since_us == 30


def test_the_id_is_made_of_model_version_and_the_first_windows_end() -> None:
    opened = [step(IncidentBook(LONGEST), at, finding(end=10)) for at in (10, 30)]
    assert {one.incident for one in opened if one is not None} == {incident_id(CREDIT, 10)}
    keys = [CREDIT, ModelKey("credit", "2"), ModelKey("credit1", ""), ModelKey("credi", "t1")]
    assert len({incident_id(key, end).rsplit("/")[-1] for key in keys for end in (10, 11)}) == 8


def test_giving_up_resolves_with_the_reason_and_a_quiet_book_has_nothing_to_say() -> None:
    book = IncidentBook(LONGEST)
    assert book.give_up(context(5), "settings changed") == []
    step(book, 10, finding())
    (last,) = book.give_up(context(20), "settings changed")
    assert (last.transition, last.number) == ("resolved", 2)
    assert last.summary == "credit 1: resolved (settings changed) after less than 1 s; it was AGE"
    assert (book.open, book.incident) == ({}, None)


def test_a_transition_comes_back_from_its_state_as_it_was() -> None:
    opened = step(IncidentBook(LONGEST), 10, finding())
    assert opened is not None
    assert transition_of(decode(encode(transition_tree(opened)))) == opened


# whatever happens

findings = st.tuples(
    st.sampled_from(["AGE", "BILL"]),
    st.sampled_from(["distribution", "missing", "constant"]),
    st.sampled_from([PAGE, TICKET]),
    st.floats(1, 9),
    st.integers(0, 5),
    st.sampled_from([1, 2, 8]),
)
moments = st.lists(st.tuples(st.lists(findings, max_size=4), st.sets(st.sampled_from(["AGE", "BILL"]))), max_size=30)

Moment = tuple[list[tuple[str, str, str, float, int, int]], set[str]]


def play(many: Sequence[Moment], after: Callable[[IncidentBook], IncidentBook]) -> list[Transition]:
    """Steps 10 apart; in each some findings, and some subjects that are fine again."""
    book, reported = IncidentBook(LONGEST), list[Transition]()
    for number, (raw, fine) in enumerate(many, 1):
        at = 10 * number
        found = [finding(s, sev, at - 10 - 10 * back, at, c, exceedance, n) for s, c, sev, exceedance, back, n in raw]
        severities = {key: known.finding.severity for key, known in book.open.items()}
        transition = step(book, at, *found, recheck=recheck_of(fine))
        check_book(book, severities)
        reported += [transition] if transition is not None else []
        book = after(book)
    return reported


def recheck_of(fine: set[str]) -> Recheck:
    return lambda known, length: (always if known.finding.key.subject in fine else never)(known, length)


def check_book(book: IncidentBook, before: dict[FindingKey, str]) -> None:
    assert (book.incident is None) == (not book.open)
    for key, known in book.open.items():
        assert SEVERITY_RANK[known.finding.severity] >= SEVERITY_RANK[before.get(key, known.finding.severity)]
    if book.incident is not None:
        worst = max((known.finding.severity for known in book.open.values()), key=SEVERITY_RANK.__getitem__)
        assert book.incident.severity == worst


@settings(deadline=None)
@given(moments)
def test_transitions_tell_whole_lives_of_incidents(many: list[Moment]) -> None:
    reported = play(many, lambda book: book)
    lives: dict[str, list[Transition]] = {}
    for transition in reported:
        lives.setdefault(transition.incident, []).append(transition)
    assert [one.id for one in reported] == [one.id for life in lives.values() for one in life]  # one at a time
    for number, life in enumerate(lives.values(), 1):
        assert [one.number for one in life] == list(range(1, len(life) + 1))
        assert [one.transition == "opened" for one in life] == [True] + [False] * (len(life) - 1)
        assert [one.transition for one in life[:-1]].count("resolved") == 0
        assert life[-1].transition == "resolved" or number == len(lives)
        check_moves(life)


def check_moves(life: Sequence[Transition]) -> None:
    for before, now in pairwise(life):
        if now.transition == "resolved":
            assert now.findings == ()
            continue
        moved = SEVERITY_RANK[now.severity] - SEVERITY_RANK[before.severity]
        assert now.transition == {1: "escalated", 0: "updated", -1: "deescalated"}[(moved > 0) - (moved < 0)]
        assert now.severity == now.findings[0].severity
        ranks = [(-SEVERITY_RANK[one.severity], -one.exceedance) for one in now.findings]
        assert ranks == sorted(ranks)


@settings(deadline=None)
@given(moments)
def test_a_book_goes_on_from_its_state(many: list[Moment]) -> None:
    def restored(book: IncidentBook) -> IncidentBook:
        again = IncidentBook(LONGEST)
        again.restore(book_of(decode(encode(book_tree(book.to_state())))))
        assert again.to_state() == book.to_state()
        return again

    assert play(many, restored) == play(many, lambda book: book)


@settings(deadline=None)
@given(moments)
def test_pages_and_tickets_count_each_incident_once(many: list[Moment]) -> None:
    books: list[IncidentBook] = []
    reported = play(many, lambda book: books.append(book) or book)  # type: ignore[func-returns-value]  # append gives None
    paged = {one.incident for one in reported if one.severity == PAGE and one.transition != "resolved"}
    everyone = {one.incident for one in reported}
    if books:
        assert (books[-1].pages, books[-1].tickets) == (len(paged), len(everyone - paged))
