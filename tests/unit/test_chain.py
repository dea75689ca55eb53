"""The hash chain over what is told: it goes on through a restart, and anyone can compute it from the records."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from monitor.chain import Head, Link, Told, after, linked, rest_hash
from monitor.events import ModelKey
from monitor.findings import TICKET, Finding, FindingKey, Rebase, Span, Transition
from monitor.kafka.alerts import messages_of
from monitor.kafka.cloud_events import BINARY, STRUCTURED, event_in
from monitor.notices import STARTED, Notice
from monitor.state.codec import decode, encode
from monitor.state.told_trees import told_of, told_tree

KEY = ModelKey("crédit", "1")
HEAD = Head("c", 4, "sha256:4")


def finding(number: int) -> Finding:
    return Finding(
        FindingKey(f"AGE{number}", "distribution"), TICKET, Span(0, 10_000_000, 250), 1, "cut_point", 6.6, 5.4, 4e-11,
        0.1 + number / 3, "share moved", 1.2, detail="mean 35.5 -> 38.2 é",
    )  # fmt: skip


def transition(findings: int = 3) -> Transition:
    several = tuple(finding(number) for number in range(findings))
    return Transition("crédit/1/aa", 2, "updated", KEY, TICKET, 7, 1, 0, "sha256:r", "sha256:s", 0, "words", several)


TOLD: list[Told] = [
    transition(),
    transition(0),
    Rebase(KEY, 9, ("a", "b"), ("c", "d"), "why"),
    Notice(STARTED, 5, facts={"models": [{"model": str(number)} for number in range(40)], "saved": None}),
    Notice("gap", 5, "events-0/7", {"first": 7}),
]


def link_in(value: bytes | None, headers: list[tuple[str, bytes]]) -> tuple[Link, Link]:
    """What a record says of its place, and what its content gives."""
    event = event_in(value, headers)
    assert event is not None
    said = Link(event["chain"], int(event["chainnumber"]), event["chainbefore"], event["chainhash"])
    head = Head(said.chain, said.number - 1, said.before)
    return said, linked(head, event["id"], event["data"], event.get("chainrest", ""))


@pytest.mark.parametrize("mode", [STRUCTURED, BINARY])
@pytest.mark.parametrize("told", TOLD, ids=lambda one: one.id)
def test_every_form_of_a_record_verifies_however_much_was_left_out(told: Told, mode: str) -> None:
    link = linked(HEAD, told.id, told.to_json())
    forms = list(messages_of(told, "alerts", "g", 3, link, mode))
    for message in forms:
        said, found = link_in(message.value, list(message.headers))
        assert said == found == link
    lists = [len(forms[0].value or b"") > len(forms[-1].value or b"")]
    assert lists == [len(forms) > 1]


def test_links_and_the_time_of_sending_are_not_hashed_and_all_else_is() -> None:
    one = transition()
    link = linked(HEAD, one.id, one.to_json())
    with_links = replace(one, links={"status": "https://s.example"})
    assert linked(HEAD, one.id, with_links.to_json()) == link
    for other in (
        replace(one, summary="word"),
        replace(one, severity="page"),
        replace(one, findings=one.findings[:2]),
        replace(one, findings=(one.findings[1], one.findings[0], one.findings[2])),
        replace(one, findings=(*one.findings[:2], replace(one.findings[2], value=6.6000000000000005))),
    ):
        assert linked(HEAD, one.id, other.to_json()).hash != link.hash
    assert linked(HEAD._replace(hash="sha256:5"), one.id, one.to_json()).hash != link.hash
    assert linked(HEAD._replace(chain="d"), one.id, one.to_json()).hash != link.hash
    assert linked(HEAD, "another", one.to_json()).hash != link.hash


def test_the_rest_of_a_list_stands_for_it() -> None:
    members = [{"n": number} for number in range(5)]
    assert rest_hash(members) == rest_hash(members[:2], rest_hash(members[2:]))
    assert rest_hash([]) == ""


@pytest.mark.parametrize("told", TOLD, ids=lambda one: one.id)
def test_what_waits_in_a_state_has_the_same_hash_when_it_comes_back(told: Told) -> None:
    back = told_of(decode(encode(told_tree(told))))
    assert back.id == told.id
    assert after(HEAD, back) == after(HEAD, told)


def test_a_head_without_a_name_is_no_chain() -> None:
    assert after(Head(), transition()) == Head()


def test_binary_mode_has_the_attributes_as_headers_and_the_data_alone_as_value() -> None:
    one = transition()
    (message, *_) = messages_of(one, "alerts", "g", 3, linked(HEAD, one.id, one.to_json()), BINARY)
    headers = dict(message.headers)
    assert headers["content-type"] == b"application/json"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"] == one.id.encode()
    assert headers["ce_type"] == b"io.driftd.incident"
    assert headers["ce_source"] == b"driftd/g"
    assert headers["ce_time"] == b"1970-01-01T00:00:00.000003Z"
    assert headers["ce_subject"] == "crédit/1".encode()
    assert headers["ce_severity"] == b"ticket"
    assert headers["ce_transition"] == b"updated"
    assert json.loads(message.value or b"")["incident"] == one.incident
