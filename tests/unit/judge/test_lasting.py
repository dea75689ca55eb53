"""A page that stays becomes a ticket, and the model is armed again: what is reported, and what pages then."""

from __future__ import annotations

import pytest

from monitor.findings import PAGE, TICKET, Transition
from monitor.judge.causes.catalog import EXPLAINED_BY
from monitor.judge.incidents.book import IncidentBook, Now
from monitor.judge.incidents.incident import OpenFinding
from monitor.state.codec import decode, encode
from monitor.state.finding_trees import book_of, book_tree
from tests.books import LONGEST, Recheck, all_but, always, context, finding, never, step, steps
from tests.engine import plain

DAY = 1_000


def armed_book(explained: bool = False) -> IncidentBook:
    return IncidentBook(LONGEST, EXPLAINED_BY if explained else {}, lasting_after_us=DAY)


def stand(book: IncidentBook, begin: int, end: int, windows: int, recheck: Recheck = never) -> list[Transition]:
    """So many base windows, the last one at `end`, none of which says anything new of the stream."""
    at = [begin + (end - begin) * (number + 1) // windows for number in range(windows)]
    return [sent for now in at for sent in steps(book, now, recheck=recheck)]


def now_at(effect: float) -> Recheck:
    return lambda _known, _length: Now(2.0, 1.0, effect)


def lasting_book() -> tuple[IncidentBook, Transition]:
    """A page on AGE that became lasting at 1,010 at the level 0.2."""
    book = armed_book()
    opened = step(book, 10, finding())
    assert opened is not None
    (sent,) = stand(book, 10, 10 + DAY, 16, now_at(0.2))
    return book, sent


def test_a_page_that_stands_a_day_becomes_a_ticket_of_the_same_id_with_its_level() -> None:
    book, sent = lasting_book()
    assert (sent.transition, sent.number, sent.severity, sent.at_us) == ("lasting", 2, TICKET, 10 + DAY)
    assert [(one.key.subject, one.severity, one.level) for one in sent.findings] == [("AGE", TICKET, 0.2)]
    assert sent.findings[0].to_json()["level"] == 0.2
    assert sent.summary == "credit 1: lasting after less than 1 s: AGE moved"
    assert (book.incident, book.open, book.pages, book.tickets) == (None, {}, 1, 0)
    assert book.lasting_incident is not None
    assert sent.incident == book.lasting_incident.id


@pytest.mark.parametrize(
    ("opened_on", "windows", "end", "lasting"),
    [
        (1, 16, 10 + DAY, True),
        (1, 15, 10 + DAY, False),
        (1, 16, 9 + DAY, False),
        (16, 31, 5 * DAY, False),
        (16, 32, 5 * DAY, True),
    ],
)
def test_it_takes_a_day_and_enough_base_windows(opened_on: int, windows: int, end: int, lasting: bool) -> None:
    book = armed_book()
    step(book, 10, finding(base_windows=opened_on))
    sent = stand(book, 10, end, windows)
    assert [one.transition for one in sent] == (["lasting"] if lasting else [])


def test_a_ticket_never_becomes_lasting_and_a_page_stands_since_it_is_one() -> None:
    book = armed_book()
    step(book, 10, finding(severity=TICKET))
    assert stand(book, 10, 3 * DAY, 40) == []
    step(book, 3 * DAY, finding("BILL", PAGE, 2 * DAY, 3 * DAY))
    assert stand(book, 3 * DAY, 4 * DAY - 1, 40) == []
    (sent,) = stand(book, 4 * DAY - 1, 4 * DAY, 1)
    assert (sent.transition, len(sent.findings)) == ("lasting", 2)


def test_a_ticket_of_a_long_window_does_not_hold_the_page_up() -> None:
    book = armed_book()
    step(book, 10, finding(), finding("BILL", TICKET, base_windows=64))
    (sent,) = stand(book, 10, 10 + DAY, 16)
    assert (sent.transition, len(sent.findings)) == ("lasting", 2)


def test_another_key_pages_again_under_its_own_id() -> None:
    book, sent = lasting_book()
    again = step(book, 2_000, finding("BILL", start=1_990, end=2_000), recheck=never)
    assert again is not None
    assert (again.transition, again.number, again.severity) == ("opened", 1, PAGE)
    assert again.incident != sent.incident
    assert [one.key.subject for one in again.findings] == ["BILL"]
    assert book.pages == 2


@pytest.mark.parametrize(("effect", "pages"), [(0.2, False), (0.299, False), (0.301, True)])
def test_the_same_key_pages_again_when_its_effect_has_grown_by_half(effect: float, pages: bool) -> None:
    book, sent = lasting_book()
    asked: list[int] = []

    def recheck(_known: OpenFinding, length: int) -> Now:
        asked.append(length)
        return Now(2.0, 1.0, effect)

    again = steps(book, 2_000, finding(start=1_990, end=2_000, effect=0.9), recheck=recheck)
    assert [(one.transition, one.severity) for one in again] == ([("opened", PAGE)] if pages else [])
    assert max(asked) == 16  # measured over windows as long as its level was
    assert all(one.incident != sent.incident for one in again)
    (known,) = book.lasting.values()
    assert (known.finding.effect, known.finding.severity, known.finding.level) == (0.9, TICKET, 0.2)


def test_between_base_windows_a_lasting_finding_is_not_reported() -> None:
    """The newest panes hold 50 events: a share of them is half as large again by chance."""
    book, _ = lasting_book()
    assert step(book, 2_000, finding(start=1_990, end=2_000, effect=0.9)) is None


def test_the_ticket_ends_when_its_last_finding_does() -> None:
    book = armed_book()
    step(book, 10, finding(), finding("BILL"))
    stand(book, 10, 10 + DAY, 16)
    updated = step(book, 1_100, recheck=all_but("BILL"))
    assert updated is not None
    assert (updated.transition, updated.number, updated.severity) == ("updated", 3, TICKET)
    assert [one.key.subject for one in updated.findings] == ["AGE"]
    resolved = step(book, 1_200, recheck=always)
    assert resolved is not None
    assert (resolved.transition, resolved.number, resolved.findings) == ("resolved", 4, ())
    assert (book.lasting, book.lasting_incident) == ({}, None)
    assert [one.severity for one in book.ended] == [PAGE]
    assert step(book, 1_210, finding(start=1_150, end=1_210), recheck=never) is None  # began before that end
    assert step(book, 1_300, finding(start=1_250, end=1_300), recheck=never) is not None


def test_a_second_page_that_lasts_takes_the_ticket_in() -> None:
    book, first = lasting_book()
    second = step(book, 2_000, finding("BILL", start=1_990, end=2_000), recheck=never)
    assert second is not None
    sent = stand(book, 2_000, 2_000 + DAY, 16)
    assert [(one.transition, one.incident) for one in sent] == [
        ("resolved", first.incident),
        ("lasting", second.incident),
    ]
    assert sent[0].summary.endswith(f"resolved (goes on in {second.incident}) after less than 1 s; it was AGE")
    assert {one.key.subject for one in sent[1].findings} == {"AGE", "BILL"}
    assert sent[1].since_us == first.since_us
    assert (book.pages, book.tickets) == (2, 0)


def test_what_a_lasting_finding_explains_is_not_reported() -> None:
    book = armed_book(explained=True)
    step(book, 10, finding(cause="constant"))
    stand(book, 10, 10 + DAY, 16)
    assert step(book, 2_000, finding(start=1_990, end=2_000), recheck=never) is None


@pytest.mark.parametrize(("stuck", "told"), [(PAGE, []), (TICKET, [PAGE])])
def test_a_page_is_news_beside_a_ticket_that_would_explain_it(stuck: str, told: list[str]) -> None:
    """A column stuck for as long as its batches may last is a ticket; that its shares changed far beyond is none."""
    book = armed_book(explained=True)
    step(book, 10, finding(cause="constant", severity=stuck))
    found = steps(book, 20, finding(severity=PAGE, start=15, end=20), recheck=never)
    assert [one.severity for one in found] == told
    assert steps(book, 30, finding(severity=TICKET, start=25, end=30), recheck=never) == []


def test_an_operator_makes_a_page_lasting_at_once() -> None:
    book = armed_book()
    opened = step(book, 10, finding())
    assert opened is not None
    assert book.accept("credit/1/another", "", context(20)) == []
    (sent,) = book.accept(opened.incident, "new customers", context(20))
    assert (sent.transition, sent.incident, sent.severity) == ("lasting", opened.incident, TICKET)
    assert sent.summary == "credit 1: accepted (new customers) after less than 1 s: AGE moved"
    assert [one.level for one in sent.findings] == [0.1]  # the effect of now
    assert book.accept(opened.incident, "", context(30)) == []  # it is one already
    assert step(book, 40, finding("BILL", start=30, end=40)) is not None


def test_giving_up_resolves_both() -> None:
    book, first = lasting_book()
    step(book, 2_000, finding("BILL", start=1_990, end=2_000), recheck=never)
    sent = book.give_up(context(2_100), "settings changed")
    assert [one.transition for one in sent] == ["resolved"] * 2
    assert len({one.incident for one in sent} | {first.incident}) == 2
    assert (book.open, book.lasting, book.incident, book.lasting_incident) == ({}, {}, None, None)


def test_both_books_come_back_from_their_state() -> None:
    book, _ = lasting_book()
    step(book, 2_000, finding("BILL", start=1_990, end=2_000), recheck=never)
    again = armed_book()
    again.restore(book_of(decode(encode(book_tree(book.to_state())))))
    assert plain(book_tree(again.to_state())) == plain(book_tree(book.to_state()))
    for one in (book, again):
        stand(one, 2_000, 2_500, 8)
    assert stand(again, 2_500, 2_000 + DAY, 8) == stand(book, 2_500, 2_000 + DAY, 8) != []
