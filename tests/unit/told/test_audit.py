"""`driftd audit`: what was told, and that a line which is missing, changed, added or forked is noticed."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from monitor.chain import Head, linked
from monitor.cli.parser import main
from monitor.clock import ManualClock, rfc3339
from monitor.exit_codes import DONE, FAILED_ON, USAGE
from monitor.findings import Transition
from monitor.kafka.cloud_events import BINARY
from monitor.kafka.producer import Message
from monitor.settings.tree import Settings
from monitor.told.audit import Audit, audit_json, audit_of
from monitor.told.audit_csv import COLUMNS, audit_csv
from monitor.told.audit_html import audit_html
from monitor.told.audit_text import audit_text
from monitor.told.reading import read_told
from tests.engine import settings
from tests.told import HOUR_US, INCIDENT, START_US, accepted, recording, records_of, story

NOW_US = START_US + 100 * HOUR_US


def audited(
    folder: Path,
    messages: list[Message],
    offsets: list[int] | None = None,
    *,
    hours: tuple[float, float] | None = None,
    head: Head | None = None,
) -> Audit:
    path = recording(folder / "alerts.records.jsonl", messages, offsets)
    told = read_told(settings(), str(path), ManualClock(NOW_US))
    start, end = (None, NOW_US) if hours is None else (START_US + int(hour * HOUR_US) for hour in hours)
    assert end is not None
    return audit_of(told, start, end, NOW_US, head=head, team_of=lambda name: "risk" if name == "credit" else "")


@pytest.fixture
def whole(tmp_path: Path) -> Audit:
    messages = records_of(story())
    messages.insert(3, accepted())
    return audited(tmp_path, messages)


def test_all_of_it_is_there_and_follows(whole: Audit) -> None:
    (chain,) = whole.chains
    assert (chain.first, chain.last, chain.lines, chain.repeats) == (1, 8, 8, 0)
    assert (whole.faults, chain.notes, whole.unchained) == ([], [], 0)
    (one,) = whole.stories
    assert [line.data["transition"] for line in one.lines] == ["opened", "escalated", "resolved"]
    assert (one.worst, one.is_whole) == ("page", True)
    assert [line.data["act"] for line in whole.acts] == ["accept", "rebase"]


def test_times_without_monitoring_are_those_between_the_notices(whole: Audit) -> None:
    before, killed, now = whole.monitoring.without
    assert (before.start_us, before.end_us) == (None, START_US - HOUR_US)
    assert killed.start_us is not None
    assert rfc3339(killed.start_us) == "2026-09-21T18:00:00Z"
    assert killed.end_us == START_US + 3 * HOUR_US + 1
    assert killed.why.startswith("ended without stopping")
    assert (now.start_us, now.end_us) == (START_US + 7 * HOUR_US, None)
    (gap,) = whole.monitoring.gaps
    assert (gap.data["first"], gap.data["next"]) == (7, 90)
    assert len(whole.monitoring.starts) == 2


@pytest.mark.parametrize("gone", [1, 2, 3, 6])
def test_a_line_that_is_gone_is_a_fault(gone: int, tmp_path: Path) -> None:
    messages = records_of(story())
    del messages[gone]
    (fault,) = audited(tmp_path, messages).faults
    assert fault.text == f"line {gone + 1} is missing (1 line)"


def test_the_first_lines_may_be_of_an_age_that_the_topic_does_not_keep(tmp_path: Path) -> None:
    messages = records_of(story())[3:]
    found = audited(tmp_path, messages, list(range(3, 8)))
    assert found.faults == []
    assert found.chains[0].notes == ["the lines 1 to 3 are not there: the topic keeps no records of that age"]
    assert not found.stories[0].is_whole
    (fault,) = audited(tmp_path, messages, list(range(5))).faults
    assert fault.text == "the lines 1 to 3 are missing (3 lines)"


def test_a_compacted_topic_is_no_fault_and_what_can_be_said_is_said(tmp_path: Path) -> None:
    messages = records_of(story())
    kept = [0, 3, 4, 5, 6, 7]
    found = audited(tmp_path, [messages[at] for at in kept], kept)
    assert found.faults == []
    assert found.chains[0].notes == [
        "the lines 2 to 3 are not there: the topic is compacted, or records of it are missing"
    ]


def test_the_last_lines_are_missed_by_the_head_in_the_state(tmp_path: Path) -> None:
    head = Head("c0ffee")
    for one in story():
        head = linked(head, one.id, one.to_json()).head
    assert audited(tmp_path, records_of(story()), head=head).faults == []
    (fault,) = audited(tmp_path, records_of(story())[:-2], head=head).faults
    assert fault.text == "the lines 7 to 8 are missing: the daemon's state says they were sent"
    (fault,) = audited(tmp_path, records_of(story()), head=head._replace(hash="sha256:0")).faults
    assert fault.text == "line 8 is not the one that the daemon's state knows"
    (fault,) = audited(tmp_path, records_of(story()), head=head._replace(chain="other")).faults
    assert "is not there at all" in fault.text


def test_a_changed_word_is_a_fault(tmp_path: Path) -> None:
    messages = records_of(story())
    messages[2] = messages[2]._replace(value=(messages[2].value or b"").replace(b"0.12", b"0.02"))
    (fault,) = audited(tmp_path, messages).faults
    assert fault == (f"line 3 ({INCIDENT}/2) was changed: its hash is another", "alerts-0@2")


def with_data(message: Message, **data: object) -> Message:
    event = json.loads(message.value or b"")
    event["data"] = {name: value for name, value in (event["data"] | data).items() if value is not None}
    return message._replace(value=json.dumps(event).encode())


@pytest.mark.parametrize("models", [None, [{"model": "another", "version": "1"}]])
def test_a_list_under_another_name_is_a_fault(models: list[object] | None, tmp_path: Path) -> None:
    """A list is hashed apart from the rest: one that hides the true one, or stands beside it, must not verify."""
    messages = records_of(story())
    true = json.loads(messages[0].value or b"")["data"]["models"]
    messages[0] = with_data(messages[0], findings=true, models=models)
    (fault,) = audited(tmp_path, messages).faults
    assert fault.text.startswith("line 1 (started/")
    messages = records_of(story())
    messages[1] = with_data(messages[1], models=true)
    (fault,) = audited(tmp_path, messages).faults
    assert fault.text.startswith(f"line 2 ({INCIDENT}/1) was changed")


@pytest.mark.parametrize("value", [b"NaN", b"1e999", b"1" + b"0" * 4_000, b"[" * 50_000 + b"]" * 50_000])
def test_a_value_that_no_daemon_writes_is_a_fault_and_ends_nothing(value: bytes, tmp_path: Path) -> None:
    messages = records_of(story())
    old = messages[2].value or b""
    messages[2] = messages[2]._replace(value=old.replace(b'"threshold":0.25', b'"threshold":' + value))
    assert messages[2].value != old
    found = audited(tmp_path, messages)
    assert any(fault.text.startswith("line 3 ") for fault in found.faults)
    assert json.loads(json.dumps(audit_json(found), allow_nan=False))
    assert audit_text(found)
    assert audit_csv(found)
    assert audit_html(found)


def test_a_changed_line_with_a_hash_that_fits_breaks_the_next_one(tmp_path: Path) -> None:
    lines = story()
    other = list(lines)
    one = lines[2]
    assert isinstance(one, Transition)
    other[2] = replace(one, summary="nothing happened")
    forged = [*records_of(lines)[:2], records_of(other)[2], *records_of(lines)[3:]]
    (fault,) = audited(tmp_path, forged).faults
    assert fault.text.startswith("line 4")
    assert fault.text.endswith("does not follow line 3")


def test_a_line_in_no_chain_is_a_fault_once_one_began(tmp_path: Path) -> None:
    extra = records_of(story(), chain="")[1]
    (fault,) = audited(tmp_path, [*records_of(story()), extra]).faults
    assert "is in no chain" in fault.text
    old = records_of(story(), chain="")
    found = audited(tmp_path, old)
    assert (found.faults, found.chains, found.unchained) == ([], [], 8)
    assert "nothing tells whether one is missing" in audit_text(found)


def test_lines_that_come_again_after_a_crash_are_repeats(tmp_path: Path) -> None:
    messages = records_of(story())
    found = audited(tmp_path, [*messages[:3], *messages[1:]])
    assert found.faults == []
    assert found.chains[0].repeats == 2
    assert len(found.stories[0].lines) == 3


def test_two_states_that_went_on_from_one_are_a_fault(tmp_path: Path) -> None:
    lines = story()
    branch = [*lines[:3], lines[4], lines[5]]
    found = audited(tmp_path, [*records_of(lines), *records_of(branch)[3:]])
    assert [fault.text.split(":")[0] for fault in found.faults] == [
        "line 4 is there 2 times with different content",
        "line 5 is there 2 times with different content",
    ]


def test_several_processes_have_a_chain_each_and_other_groups_are_left_aside(tmp_path: Path) -> None:
    messages = [
        message
        for several in zip(
            records_of(story()), records_of(story(), chain="two"), records_of(story(), group="other"), strict=True
        )
        for message in several
    ]
    found = audited(tmp_path, messages)
    assert [chain.name for chain in found.chains] == ["c0ffee", "two"]
    assert (found.told.others, found.faults) == (8, [])


def test_binary_events_say_the_same(tmp_path: Path, whole: Audit) -> None:
    messages = records_of(story(), mode=BINARY)
    messages.insert(3, accepted())
    assert audit_json(audited(tmp_path, messages)) == audit_json(whole)


def test_a_range_holds_what_was_open_in_it(tmp_path: Path) -> None:
    assert len(audited(tmp_path, records_of(story()), hours=(3, 4)).stories) == 1
    assert audited(tmp_path, records_of(story()), hours=(6, 9)).stories == []
    assert audited(tmp_path, records_of(story()), hours=(0, 1)).stories == []


def test_records_that_no_daemon_writes_are_counted(tmp_path: Path) -> None:
    strange = [b"", b"{", b"[]", b'{"specversion": "1.0", "data": {}}', b'{"kind": "transition"}']
    messages = [*records_of(story()), *(Message("alerts", None, value) for value in strange)]
    found = audited(tmp_path, messages)
    assert found.told.not_understood == len(strange)
    assert found.faults == []


class Page(HTMLParser):
    """What an HTML file holds: tags, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_holds_no_script_asks_for_nothing_and_escapes(whole: Audit) -> None:
    page = Page(audit_html(whole))
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "link", "iframe", "b", "form"}
    assert not any(name in attributes for _, attributes in page.tags for name in ("src", "href", "onclick", "style"))
    assert "<b>new</b> customers" in page.words
    assert ("html", {"lang": "en"}) in page.tags
    assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in page.tags if tag == "th")
    captions = [tag for tag, _ in page.tags].count("caption")
    assert captions == [tag for tag, _ in page.tags].count("table") > 3
    for article in ("Article 12(1)", "Article 12(2)(a)", "Article 72(2)"):
        assert article in page.words
    assert "page" in page.words
    assert "For risk." in page.words


def test_the_table_has_a_row_for_each_finding_and_no_formula(tmp_path: Path) -> None:
    lines = story()
    escalated = lines[2]
    assert isinstance(escalated, Transition)
    lines[2] = replace(escalated, summary="=1+1")
    rows = list(csv.DictReader(io.StringIO(audit_csv(audited(tmp_path, records_of(lines))))))
    assert tuple(rows[0]) == COLUMNS
    assert len([row for row in rows if row["transition"] == "escalated"]) == 2
    assert {row["summary"] for row in rows if row["transition"] == "escalated"} == {"'=1+1"}
    assert {row["verifies"] for row in rows if row["kind"] != "act"} == {"True"}
    assert json.loads(rows[1]["records"] or "{}") == {}


CONFIG = "inputs: [{topic: events}]\nmodels: [{name: credit, team: risk, reference: credit.json}]\n"


def test_the_command_gives_what_was_told_and_3_where_something_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "driftd.yaml"
    config.write_text(CONFIG)
    good = recording(tmp_path / "good.records.jsonl", records_of(story()))
    bad = recording(tmp_path / "bad.records.jsonl", records_of(story())[1:])
    page = tmp_path / "page.html"
    given = ["audit", "--config", str(config)]
    assert main([*given, "--json", "--html", str(page), str(good)]) == DONE
    out = json.loads(capsys.readouterr().out)
    assert (out["faults"], out["incidents"][0]["team"]) == ([], "risk")
    assert page.read_text().startswith("<!doctype html>")
    assert main([*given, str(bad)]) == FAILED_ON
    assert "FAULT line 1 is missing" in capsys.readouterr().out
    assert main([*given, "--csv", str(good)]) == DONE
    assert capsys.readouterr().out.startswith("kind,sent,place")
    assert main([*given, "--from", "yesterday", str(good)]) == USAGE
    assert main([*given, "--from", "2026-02-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z", str(good)]) == USAGE
    assert main([*given, "--html", str(tmp_path / "no" / "x.html"), str(good)]) == USAGE
    other = tmp_path / "events.jsonl"
    other.write_text('{"model": "credit", "features": {"age": 1}}\n')
    capsys.readouterr()
    assert main([*given, str(other)]) == USAGE, "not the same as nothing told"
    assert "no record in it is of the alert topic; give a recording" in capsys.readouterr().err


def test_without_an_alert_topic_there_is_nothing_to_read() -> None:
    tree: Settings = settings()
    none = tree.model_copy(update={"outputs": tree.outputs.model_copy(update={"alerts_topic": None})})
    with pytest.raises(Exception, match="name a topic, or a recording"):
        read_told(none, None, ManualClock())
