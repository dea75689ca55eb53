"""Which finding of an incident is named first, and the words for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.findings import PAGE, TICKET, ExplainedBy, Explanation, Finding, Transition
from monitor.judge.incidents.book import IncidentBook
from monitor.judge.incidents.first_cause import has_other_values, in_words, lead, likely_cause, likely_order
from monitor.judge.incidents.incident import worst_first
from monitor.state.codec import decode, encode
from monitor.state.finding_trees import book_of, book_tree, finding_of, finding_tree, transition_of, transition_tree
from tests.books import LONGEST, finding, never, step

NOTHING = Explanation((), "no watched column explains it")


def score(*parts: ExplainedBy, text: str = "BILL explains about 80 %") -> Finding:
    return replace(finding("score", cause="score"), explanation=Explanation(parts, text))


def test_a_column_comes_before_the_score_that_moved_with_it() -> None:
    findings = (finding("score", cause="score", exceedance=50.0), finding("AGE", exceedance=2.0))
    assert likely_cause(findings) == "AGE"
    assert in_words(findings) == "AGE moved (and 1 other finding)"
    assert lead(findings) == "likely first cause: AGE"


def test_the_column_that_explains_the_score_comes_before_a_larger_one() -> None:
    findings = (finding("AGE", exceedance=90.0), score(ExplainedBy("BILL", 0.8, 1.4)), finding("BILL"))
    assert likely_cause(findings) == "BILL"
    assert in_words(findings) == "BILL moved; BILL explains about 80 % (and 1 other finding)"
    assert lead(findings) == "likely first cause: BILL; BILL explains about 80 %"


def test_a_score_that_is_stuck_is_an_effect_and_no_cause() -> None:
    stuck = finding("score", cause="constant", exceedance=90.0, since=10)
    assert likely_cause((stuck, finding("LIMIT", cause="outside", exceedance=2.0, since=20))) == "LIMIT"
    assert likely_cause((stuck,)) == "score"


@pytest.mark.parametrize("result", ["outcome", "label_delay", "label_coverage"])
@pytest.mark.parametrize("effect", ["score", "performance"])
def test_what_comes_back_of_predictions_is_no_cause_of_what_the_model_says(effect: str, result: str) -> None:
    says, back = (
        finding("credit", cause=effect, exceedance=50.0),
        finding("outcome.judge", cause=result, exceedance=90.0),
    )
    for findings in ((says, back), (back, says)):
        assert likely_cause(findings) == "credit"
        assert likely_cause((*findings, finding("AGE"))) == "AGE"
    assert likely_cause((back,)) == "outcome.judge"


def test_values_of_another_kind_are_those_whose_effect_on_the_score_is_not_known() -> None:
    few, many = (replace(finding(cause="missing"), effect=effect) for effect in (0.05, 0.9))
    assert not has_other_values(few)
    assert has_other_values(many)
    assert has_other_values(finding(cause="constant"))
    assert has_other_values(replace(finding(), factor=0.001))
    assert not has_other_values(finding())


def test_what_no_column_explains_has_no_likely_cause() -> None:
    findings = (replace(score(), explanation=NOTHING), finding("AGE", TICKET))
    assert likely_cause(findings) == ""
    assert in_words(findings) == "score moved; no watched column explains it (and 1 ticket)"
    assert lead(findings[:1]) == "no watched column explains it"


def test_a_lost_relation_is_the_likely_cause_of_what_no_column_explains() -> None:
    findings = (replace(score(), explanation=NOTHING), finding("AGE"), finding("BILL~LIMIT", TICKET, cause="relation"))
    assert likely_cause(findings) == "BILL~LIMIT"


def test_a_relation_of_the_score_itself_is_no_cause_of_its_change() -> None:
    findings = (replace(score(), explanation=NOTHING), finding("BILL~score", TICKET, cause="relation"))
    assert likely_cause(findings) == ""
    feature = (replace(score(), explanation=NOTHING), finding("BILL~feature.score", TICKET, cause="relation"))
    assert likely_cause(feature) == "BILL~feature.score"


@pytest.mark.parametrize(("larger", "expected"), [(2.3, "BILL"), (2.6, "AGE")])
def test_of_two_about_equal_columns_the_earlier_one_is_named(larger: float, expected: str) -> None:
    findings = (finding("AGE", exceedance=larger, since=20), finding("BILL", exceedance=2.0, since=10))
    assert likely_cause(findings) == expected


def test_a_column_that_moves_the_score_comes_before_one_that_does_not() -> None:
    moving = replace(finding("BILL", exceedance=2.0), score_shift=-0.1)
    assert likely_cause((finding("AGE", exceedance=90.0), moving)) == "BILL"
    assert likely_cause((finding("AGE", exceedance=90.0), replace(moving, severity=TICKET))) == "AGE"


def test_a_finding_that_is_graver_than_the_likely_cause_is_named_too() -> None:
    findings = (finding("score", cause="score"), finding("AGE", TICKET), finding("SEX", TICKET))
    assert in_words(findings) == "score moved; ticket: AGE moved (and 1 other ticket)", "what pages is said first"
    assert in_words((*findings, finding("BILL"))) == "BILL moved (and 1 other finding, 2 tickets)"


def in_segment(subject: str, severity: str = PAGE, cause: str = "distribution", exceedance: float = 1.5) -> Finding:
    one = finding(subject, severity, cause=cause, exceedance=exceedance)
    return replace(one, key=one.key._replace(segment="SEX=2"), headline=f"{subject} in SEX=2 moved")


def test_a_segment_is_named_before_the_same_of_all_events() -> None:
    whole, part = finding("AGE", exceedance=9.0), in_segment("AGE")
    assert in_words((whole, part)) == "AGE in SEX=2 moved (and 1 other finding)"
    assert likely_order((whole, part)) == [part, whole]
    assert lead((whole, part, finding("score", TICKET, cause="score"))) == "likely first cause: AGE in SEX=2"


def test_a_segment_that_shows_less_or_otherwise_is_named_behind_all_events() -> None:
    whole = finding("AGE", cause="missing", exceedance=9.0)
    assert in_words((whole, in_segment("AGE"))) == "AGE moved; AGE in SEX=2 moved"
    assert in_words((finding("AGE"), in_segment("AGE", TICKET))) == "AGE moved (and 1 ticket)"
    assert in_words((finding("AGE", TICKET), in_segment("AGE", TICKET))) == "AGE in SEX=2 moved (and 1 other finding)"
    assert in_words((finding("AGE"), in_segment("BILL", TICKET))) == "AGE moved (and 1 ticket)"


def test_fairness_does_not_explain_what_the_model_says_and_a_page_leads_before_it() -> None:
    unfair = in_segment("credit", TICKET, cause="fairness", exceedance=90.0)
    scores = (finding("score", cause="score", exceedance=9.0), in_segment("score", cause="score"))
    assert in_words((*scores, unfair)) == "score in SEX=2 moved (and 1 other finding, 1 ticket)"
    worse = finding("credit", cause="performance")
    assert in_words((worse, unfair)) == "credit moved (and 1 ticket)", "another cause of the model"


TAG = replace(finding("sex", TICKET, cause="absent", exceedance=90.0), aside=True)


@pytest.mark.parametrize(
    "ticket",
    [
        in_segment("credit", TICKET, cause="fairness", exceedance=90.0),
        *(finding("credit", TICKET, cause=cause) for cause in ("label_delay", "label_coverage", "performance")),
        replace(finding("score", TICKET, cause="score"), explanation=NOTHING),
        *(finding("credit", TICKET, cause=cause, since=-900) for cause in ("traffic", "duplicates", "clock", "schema")),
        TAG,
    ],
    ids=lambda one: one.key.cause,
)
@pytest.mark.parametrize("page", [finding("outcome.judge", cause="outcome"), finding("AGE")])
def test_a_ticket_about_something_else_is_never_the_first_cause_of_a_page(page: Finding, ticket: Finding) -> None:
    for findings in ((page, ticket), (replace(page, since_us=100), ticket)):
        assert likely_cause(findings) == page.key.subject
        assert likely_order(findings)[0] is findings[0]
        assert in_words(findings) == f"{page.key.subject} moved (and 1 ticket)"
        assert lead(findings) == f"likely first cause: {page.key.subject}"
    alone = likely_cause((ticket,))
    assert alone == ("" if ticket.explanation == NOTHING else ticket.key.subject), "where nothing pages it may be"


def test_a_page_may_be_explained_by_tickets_of_columns_and_by_what_began_with_it() -> None:
    page = finding("outcome.judge", cause="outcome")
    for ticket in (finding("AGE", TICKET), finding("AGE", TICKET, cause="missing"), finding("pay", TICKET, since=5)):
        assert likely_cause((page, ticket)) == ticket.key.subject
        assert in_words((page, ticket)) == f"outcome.judge moved; ticket: {ticket.key.subject} moved"
    together = finding("credit", TICKET, cause="traffic", since=5)
    assert likely_cause((page, together)) == "credit"
    explained = replace(score(ExplainedBy("BILL", 0.8, 1.4)), severity=TICKET)
    assert likely_cause((page, explained)) == "outcome.judge", "BILL has no finding"
    assert likely_cause((page, explained, finding("AGE", TICKET), finding("BILL", TICKET))) == "BILL"


def test_what_a_segment_shows_is_not_said_to_be_unexplained() -> None:
    unexplained = replace(score(), explanation=NOTHING, severity=TICKET)
    findings = (in_segment("score", cause="score"), unexplained)
    assert in_words(findings) == "score in SEX=2 moved (and 1 ticket)"
    assert likely_cause(findings) == "score"
    assert lead(findings) == ""
    assert NOTHING.text in in_words((in_segment("AGE", TICKET), unexplained)), "of another column"


def test_one_fault_of_a_vector_is_said_once_with_its_columns() -> None:
    derived = [replace(finding(f"emb.{name}", exceedance=5.0), parent="emb") for name in ("norm", "p1", "p2", "p3")]
    words = in_words((*derived, finding("AGE", exceedance=2.0)))
    head = "emb changed in 4 of its derived columns (emb.norm, emb.p1, emb.p2 and 1 more)"
    assert words == f"{head}: emb.norm moved (and 1 other finding)"
    assert in_words(derived[:1]) == "emb.norm moved"


def test_a_renamed_column_is_one_fault() -> None:
    gone, new = finding("PAY_2", cause="absent"), finding("pay_2", TICKET, cause="schema", exceedance=2.0)
    new = replace(new, headline="PAY_2 went, pay_2 came", renamed_from="PAY_2")
    assert in_words((gone, new)) == "PAY_2 went, pay_2 came"
    assert lead((gone, new)) == ""
    assert in_words((gone, new, finding("AGE", TICKET))) == "PAY_2 went, pay_2 came (and 1 ticket)"
    assert lead((gone, new, finding("AGE", TICKET))) == "likely first cause: PAY_2"
    # where the absence is no finding, as it is muted, the new column stands for itself
    assert in_words((new,)) == "PAY_2 went, pay_2 came"
    assert in_words((finding("AGE"), new)) == "AGE moved (and 1 ticket)"


def stop() -> Finding:
    none = replace(finding("credit", TICKET, cause="traffic"), headline="no events since 10:00")
    return replace(none, window=none.window._replace(events=0))


def test_that_no_events_come_is_said_before_all_else() -> None:
    findings = (finding("AGE", exceedance=3.0), finding("SEX"), stop())
    assert in_words(findings) == "no events since 10:00; AGE moved (and 1 other finding)"
    assert likely_cause(findings) == "AGE"
    assert in_words((stop(),)) == "no events since 10:00"
    assert lead((finding("AGE"), stop())) == ""


def test_a_plain_incident_needs_no_lead() -> None:
    assert lead((finding(),)) == lead(()) == ""
    assert lead((finding(), finding(cause="outside"))) == "", "both are of one column"


def test_what_a_finding_belongs_to_is_kept_in_a_checkpoint() -> None:
    derived = replace(finding("emb.norm"), parent="emb", renamed_from="norm", next_step="undo it", part_of=("a", "b"))
    derived = replace(derived, aside=True, says_since=True)
    assert finding_of(decode(encode(finding_tree(derived)))) == derived


def told() -> tuple[IncidentBook, Transition]:
    book = IncidentBook(LONGEST)
    moved = replace(finding("BILL"), score_shift=0.25)
    sent = step(book, 10, moved, score(ExplainedBy("BILL", 0.8, 1.4)))
    assert sent is not None
    return book, sent


def test_a_transition_says_the_likely_cause_and_what_it_explains() -> None:
    _, sent = told()
    plain = sent.to_json()
    assert plain["likely_cause"] == "BILL"
    assert plain["summary"] == "credit 1: BILL moved; BILL explains about 80 %"
    by_subject = {one["subject"]: one for one in plain["findings"]}
    assert by_subject["score"]["explained_by"] == [{"subject": "BILL", "share": 0.8, "in_moved_bins": 1.4}]
    assert by_subject["BILL"]["score_shift"] == 0.25
    assert "explained_by" not in by_subject["BILL"]


def test_it_survives_a_checkpoint() -> None:
    book, sent = told()
    assert transition_of(decode(encode(transition_tree(sent)))) == sent
    again = IncidentBook(LONGEST)
    again.restore(book_of(decode(encode(book_tree(book.to_state())))))
    assert worst_first(again.open) == worst_first(book.open)


def test_the_newest_panes_do_not_make_the_part_in_the_score_forgotten() -> None:
    book, _ = told()
    step(book, 20, finding("BILL", start=10, end=20), recheck=never)
    assert {known.finding.score_shift for known in book.open.values() if known.finding.key.subject == "BILL"} == {0.25}
