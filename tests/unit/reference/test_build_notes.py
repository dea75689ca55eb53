"""What `reference build` says of the events it reads: fields nobody reads, mixed forms, kinds, what only rises."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.judge.promise.promised import promise_without_settings
from monitor.reference.column import FEATURE
from monitor.reference.file.encoding import from_json, to_json
from monitor.reference.notes.events import reference_notes
from monitor.reference.notes.paging import may_page, order_note, paging_notes
from monitor.reference.notes.show import reference_text
from monitor.reference.reference import Reference
from monitor.run.first_pass import EventRange
from monitor.run.reference_build import build_reference
from monitor.run.reference_file import load_reference, save_reference
from monitor.sources.files import FileSource, open_source
from monitor.stats.bins.reference_bins import UNSEEN
from monitor.stats.variance.long_run import GROWS, TOO_SHORT
from tests.engine import (
    CREDIT,
    EVENTS,
    NOW_US,
    START_US,
    MemorySource,
    event,
    numeric,
    replayed,
    settings,
    transitions_in,
)

N = 600
ROWS = range(N)


def reported(
    stream: list[Any], model: dict[str, object] | None = None, *, partial: bool = False
) -> tuple[Reference, list[str]]:
    """The reference of a stream, and the lines that are reported with it."""
    lines: list[str] = []
    reference = build_reference(
        settings(model),
        CREDIT,
        lambda: MemorySource({EVENTS: stream}),
        ManualClock(NOW_US),
        EventRange(rows=len(stream)),
        lines.append,
        accept_partial=partial,
    )
    return reference, lines


def of_values(values: list[Any], model: dict[str, object] | None = None) -> tuple[Reference, list[str]]:
    """The same of a feature `x` next to a steady one; an Ellipsis is no such key."""
    stream = [
        event(i, features={"steady": i % 7} | ({} if x is ... else {"x": x}), prediction=i % 2)
        for i, x in enumerate(values)
    ]
    return reported(stream, model)


def line_of(lines: list[str], name: str = "x") -> str:
    """The one line that begins with this column."""
    (line,) = [line for line in lines if line.startswith(f"{name}: ")]
    return line


def kinds(reference: Reference) -> dict[str, str]:
    return {column.name: column.bins.kind for column in reference.columns if column.role == FEATURE}


def test_features_that_are_elsewhere_are_the_first_thing_that_is_reported() -> None:
    flat = [event(i, score=i / N, prediction=i % 2, inputs={"a": 1}, other=2) for i in ROWS]
    reference, lines = reported(flat)
    assert lines[0].startswith("no event has features: only score and prediction will be watched.")
    assert lines[0].endswith(f"Fields that nobody reads: inputs ({N} events), other ({N} events)")
    assert next(reference_notes(reference, "models[0]")) == lines[0], "a check says the same"


def test_fields_that_nobody_reads_are_named_with_their_counts_and_their_number_is_bounded() -> None:
    stream = [event(i, features={"a": i % 5}, prediction=1) | {f"extra{i % 30}": 1} for i in ROWS]
    _, lines = reported(stream)
    (line,) = [line for line in lines if line.startswith("fields that nobody reads: ")]
    assert line.count("(20 events)") == 10
    assert line.endswith("and 20 more")
    assert not [
        line
        for line in reported([event(i, features={"a": i % 5}, score=0.5, label=1) for i in ROWS])[1]
        if "nobody" in line
    ]


def test_no_name_of_a_payload_reaches_a_terminal_or_a_file_unescaped(tmp_path: Path) -> None:
    names = {"\u202egnp": 1, "\x1b[31m": 2, "long" * 100: 3, "half \ud800": 4}
    stream = [event(i, features={"a\u200b": i % 5}, scores={"\u202e": 0.5, "b": 0.5}) | names for i in ROWS]
    reference, lines = reported([json.dumps(e).encode() for e in stream])
    assert all(line.isprintable() for line in lines)
    assert {name for name, _ in reference.unread} == {"\\u202egnp", "\\u001b[31m", ("long" * 15), "half \\ud800"}
    save_reference(reference, tmp_path / "r.json")
    assert load_reference(tmp_path / "r.json").unread == reference.unread


@pytest.mark.parametrize(
    ("values", "kind", "messages"),
    [
        ([3.5, 4, "n/a"] * 200, "numeric", '66.7 % numbers, 33.3 % text (first "n/a", events-0@2): read as numeric'),
        ([3.5, 4, "n/a"] * 200, "numeric", "the text counts as type; write null (an empty cell in a .csv)"),
        ([1.5, 2, 9, "1,234.5"] * 150, "numeric", "write all of them as plain numbers (1234.5)"),
        ([1.5, 2, 9, "7.25"] * 150, "numeric", "write all of them as plain numbers (1234.5), or set kind: categorical"),
        ([1.5, 2, 9, "big"] * 150, "numeric", "set kind: categorical to take both as categories"),
        ([1, 0, True] * 200, "numeric", "33.3 % booleans: true and false count as 1 and 0"),
        ([1, 0, 4, [1]] * 150, "numeric", "lists of numbers (first events-0@3): read as numeric, the rest counts"),
        ([1, "low", "high"] * 200, "categorical", "(first events-0@0): read as categorical: a number is the category"),
        (["True", "False"] * 300, "categorical", "the texts True and False; the JSON booleans true and false would be"),
        (["00501", "00502", "00601"] * 200, "categorical", "digits with leading zeros, read as text"),
        ([10115, "01067", 80331] * 200, "categorical", "digits with leading zeros are codes"),
        (["1", "2", "3.5"] * 200, "categorical", "text that reads as numbers: watched as categories"),
        (["a", "b", "NULL"] * 200, "categorical", '33.3 % are "NULL", a category as any other; write null'),
    ],
)  # fmt: skip
def test_a_column_of_several_forms_has_a_line_with_shares_a_place_and_a_remedy(
    values: list[Any], kind: str, messages: str
) -> None:
    reference, lines = of_values(values)
    assert kinds(reference)["x"] == kind
    assert messages in line_of(lines)


@pytest.mark.parametrize(
    "values", [[1.5, 2, 3] * 200, ["a", "b", ""] * 200, [True, False] * 300, [2, None, 4, 5] * 150]
)
def test_a_plain_column_has_no_line(values: list[Any]) -> None:
    assert not [line for line in of_values(values)[1] if line.startswith("x: ")]


@pytest.mark.parametrize(
    ("values", "kind", "fault"),
    [
        (["c2", "c1"] * 300, "numeric", 'all 600 values are text (first "c2"); write kind: categorical'),
        ([[1, 2]] * 600, "categorical", "all 600 values are lists of numbers (first events-0@0); write kind: ignore"),
        ([None] * 600, "numeric", "it has no values; leave its kind out"),
        ([...] * 600, "categorical", "no event of the reference has it; leave its kind out"),
    ],
)
def test_a_kind_that_would_make_a_column_empty_is_refused(values: list[Any], kind: str, fault: str) -> None:
    with pytest.raises(UsageError) as refused:
        of_values(values, {"features": {"x": {"kind": kind}}})
    (line,) = refused.value.faults
    assert line.startswith(f"models[0].features.x.kind: {kind}, but {fault}")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([10**6 + 3 * i for i in ROWS], "only rises"),
        ([1e3 - i / 7 for i in ROWS], "only falls"),
        ([f"2026-0{1 + i // 100}-15" for i in ROWS], "dates that come once"),
        ([f"session {i // 3}" for i in ROWS], "never seen before"),
        ([f"{i},{i % 90 + 10}" for i in ROWS], "text that reads as numbers"),
        ([f"{i * 150:05}" for i in ROWS], "codes; group them, such as by their first digits"),
        ([[1.5, 2], [1]] * (N // 2), "its lists of numbers have several lengths (2 (50 %), 1 (50 %))"),
        ([[1.5]] * 40 + [None] * (N - 40), "it has 40 vectors of finite numbers, and a centre is learned from 50"),
        ([[0.5] * 4_097] * N, "its vectors have 4,097 numbers, and limits.vector is 4,096"),
        ([["a"]] * N, "lists are not watched"),
        ([{"a": 1}] * N, "nested objects are not watched"),
    ],
)
def test_what_follows_time_or_is_not_a_value_is_left_out_with_its_reason(values: list[Any], why: str) -> None:
    reference, _ = of_values(values)
    ignored = dict(reference.ignored)
    assert list(ignored) == ["x"]
    assert why in ignored["x"]
    assert f"ignored: x: {ignored['x']}" in reference_text(reference)


def test_a_table_says_how_its_cells_were_read(tmp_path: Path) -> None:
    cells = [("1.5", "True", "00501", ""), ("2", "False", "10115", "a"), ("7", "True", "80331", "b")]
    rows = [f"{START_US // 1000 + i * 100},{i % 2}," + ",".join(cells[i % 3]) for i in ROWS]
    (tmp_path / "ref.csv").write_text("\n".join(["when,said,amount,flag,zip,word", *rows]) + "\n")
    tree = settings(inputs=[{"topic": "t", "model": "credit", "version": "1"}])
    clock, mapped, lines = ManualClock(NOW_US), {"when": "ts", "said": "prediction"}, list[str]()

    def opened() -> FileSource:
        return open_source([tmp_path / "ref.csv"], clock, csv_map=mapped)

    reference = build_reference(tree, CREDIT, opened, clock, EventRange(rows=N), lines.append)
    assert kinds(reference) == {"amount": "numeric", "flag": "categorical", "word": "categorical", "zip": "categorical"}
    categories = {column.name: set(column.bins.categories) for column in reference.columns}
    assert categories["flag"] == {"0", "1"}, "as the booleans of JSON"
    assert categories["zip"] == {"00501", "10115", "80331"}, "as text of JSON"
    assert "the texts True and False are read as true and false" in line_of(lines, "flag")
    assert "codes" in line_of(lines, "zip")
    assert "33.3 % empty cells are read as null" in line_of(lines, "word")
    (numbers,) = [line for line in lines if line.startswith("read as numbers, as a .csv has no types: amount; ")]
    assert "set kind: categorical" in numbers


def test_a_kind_in_the_settings_wins_over_what_would_be_left_out() -> None:
    reference, _ = of_values([10**6 + 3 * i for i in ROWS], {"features": {"x": {"kind": "numeric"}}})
    assert kinds(reference)["x"] == "numeric"


def test_an_identifier_that_is_to_be_a_category_never_pages_for_its_new_values() -> None:
    tree: dict[str, object] = {"features": {"x": {"kind": "categorical"}}}
    reference, lines = of_values([f"user{i}" for i in ROWS], tree)
    (unseen,) = [line for line in lines if "new value" in line]
    assert unseen.startswith("x: 100 % of events bring a new value: unseen is not watched")
    live = [event(N + i, features={"steady": i % 7, "x": f"user{N + i}"}, prediction=i % 2) for i in range(2_000)]
    messages, _ = replayed(settings(tree), reference, MemorySource({EVENTS: live}))
    assert not transitions_in(messages)


def test_new_values_that_the_reference_expects_are_counted_as_unseen_and_no_event_is_lost() -> None:
    values = [f"once{i}" if i % 20 == 0 else "abc"[i % 3] for i in ROWS]
    reference, lines = of_values(values)
    at = next(at for at, column in enumerate(reference.columns) if column.name == "x")
    assert reference.counts[at, reference.width + UNSEEN] == N // 20
    assert (
        reference.counts[at, : reference.width].sum() == reference.carried[at] == N
    )  # unseen counts in addition to the bins
    assert line_of(lines) == "x: 5 % of events are expected to bring a new value; unseen is judged against that"


def test_a_column_that_changes_within_the_reference_is_reported_and_a_steady_one_is_not() -> None:
    values = list(np.random.default_rng(3).normal(0.0, 1.0, 4_000))
    changed = [value + (20.0 if i >= 3_000 else 0.0) for i, value in enumerate(values)]
    assert not [line for line in of_values(values)[1] if line.startswith("x: ")]
    leaves, restless = [line for line in of_values(changed)[1] if line.startswith("x: ")]
    so_far = "outside, up to 10 times as far as the range is wide, is at most a ticket"
    assert leaves == f"x: 50 % of its second half is beyond the range of its first half: {so_far}"
    assert "times more than chance would have it" in restless
    assert "build it from a time without one (--from, --to)" in restless


def test_an_outage_in_the_reference_is_reported() -> None:
    values = np.random.default_rng(3).normal(0.0, 1.0, 4_000)
    values[1_000:1_060] = values[1_000]
    note = line_of(of_values(values.tolist())[1])
    assert note.startswith("x: a run of equal values (60), far longer than all others: taken for an incident")
    values[2_000:2_080] = values[2_000]
    assert "x: 2 runs of equal values (80, 60), far longer" in line_of(of_values(values.tolist())[1])


def test_a_column_that_begins_or_ends_within_the_reference_is_reported_with_its_place() -> None:
    _, lines = of_values([None] * 200 + [i % 9 for i in range(400)])
    assert line_of(lines).startswith(f"x: its first value comes with event 201 of {N} (events-0@200)")
    _, lines = of_values([i % 9 for i in range(400)] + [...] * 200)
    assert line_of(lines).startswith(f"x: its last value comes with event 400 of {N}; it is gone")
    assert not [line for line in of_values([None, 1, 2] * 200)[1] if line.startswith("x: ")]


def by_name(i: int) -> dict[str, object]:
    return {"scores": {"yes": 0.4, "no": 0.6}, "prediction": "no" if i % 4 else "yes"}


def zeros_and_ones(i: int) -> dict[str, object]:
    return {"score": 0.5, "prediction": i % 2}


@pytest.mark.parametrize(
    ("fields", "model", "messages"),
    [
        (by_name, {}, 'positive is 1, and no class is: "no" 75 %, "yes" 25 %. No score is watched; set '),
        (lambda _: {"scores": {"a": 0.4, "b": 0.6}}, {"positive": "c"}, 'positive is c, and no class is: "a", "b".'),
        (zeros_and_ones, {"positive": "yes"}, 'positive is yes, and no class is: "0" 50 %, "1" 50 %; set models[0]'),
        (by_name, {"positive": "yes"}, ""),
        (lambda i: {"score": 0.5, "prediction": bool(i % 2)}, {}, ""),
        (lambda _: {"score": 0.5, "prediction": 0}, {}, ""),
        (lambda _: {"score": 0.5, "prediction": 0}, {"positive": "bad"}, 'positive is bad, and no class is: "0" 100 %'),
        (lambda i: {"prediction": "abc"[i % 3]}, {}, ""),
        (lambda i: {"prediction": i * 1.5}, {}, ""),
        (lambda i: {"score": i / N}, {}, ""),
    ],
)  # fmt: skip
def test_a_positive_class_that_never_occurs_is_reported_with_the_classes_at_build_and_check(
    fields: Any,  # noqa: ANN401 - a function of a row
    model: dict[str, object],
    messages: str,
) -> None:
    reference, lines = reported([event(i, features={"x": i % 9}, **fields(i)) for i in ROWS], model)
    for notes in (lines, list(reference_notes(reference, "models[0]"))):
        found = [line for line in notes if line.startswith("positive is ")]
        assert len(found) == bool(messages)
        assert not messages or found[0].startswith(messages)


def test_of_several_classes_none_has_to_be_the_positive_one() -> None:
    reference, lines = reported([event(i, features={"x": i % 9}, **by_name(i)) for i in ROWS], {"task": "multiclass"})
    for notes in (lines, list(reference_notes(reference, "models[0]"))):
        assert not [line for line in notes if line.startswith("positive is ")]
        (line,) = (line for line in notes if line.startswith("no score is watched"))
        assert line.endswith('models[0].positive to it (one of "no" 75 %, "yes" 25 %)')


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([999] * 24 + [3], ""),
        (["EUR"], "one value alone"),
        ([4.5], "one value alone"),
        ([f"shop{i}" for i in range(120)], ""),
        (["a", "b"], ""),
        ([1, 2, 3], ""),
        ([0] * 24 + [3], ""),
    ],
)
def test_a_distribution_that_is_not_watched_says_so_and_why(values: list[Any], reason: str) -> None:
    stream = list(itertools.islice(itertools.cycle(np.random.default_rng(2).permutation(np.array(values, object))), N))
    reference, lines = of_values(stream)
    (x,) = (column for column in reference.columns if column.name == "x")
    assert reference.unwatched_reason(x) == reason
    row = next(line for line in reference_text(reference).splitlines() if line.startswith("x "))
    assert (f"not watched: {reason}" in row) == bool(reason)
    assert any(line == f"x: its distribution is not watched: {reason}" for line in lines) == bool(reason)


def test_the_table_has_every_quality_count_and_names_an_empty_text() -> None:
    values = ["", "", "b", None, ..., [1], "", "b", "c", "c"] * 60
    reference, _ = of_values(values)
    header, row = (line for line in reference_text(reference).splitlines() if line.startswith(("column ", "x ")))
    for quality_count, share in (("missing", "10.0%"), ("absent", "10.0%"), ("type", "10.0%"), ("unseen", "0.0%")):
        end = header.index(quality_count) + len(quality_count)
        assert row[:end].endswith(share), quality_count
    assert row.endswith('"" 42.9 %, "b" 28.6 %, "c" 28.6 %')


def test_a_column_that_is_mostly_missing_is_worth_its_values() -> None:
    values = np.random.default_rng(3).normal(size=N)
    reference, _ = of_values([float(v) if i % 30 == 0 else None for i, v in enumerate(values)])
    promise = {column.name: column for column in promise_without_settings(reference).columns}
    assert promise["x"].worth == N // 30
    assert promise["steady"].worth == N


def test_a_column_that_only_has_tickets_is_reported_with_the_reason() -> None:
    waves = np.repeat(np.random.default_rng(5).normal(size=4), N // 4)  # a level for each quarter: nothing settles
    reference, _ = of_values([float(x) for x in waves + np.random.default_rng(6).normal(scale=0.1, size=N)])
    (x,) = (at for at, column in enumerate(reference.columns) if column.name == "x")
    assert reference.variability.long_runs[x].reason in {TOO_SHORT, GROWS}
    assert x not in may_page(reference)
    (said,) = (line.strip() for line in reference_text(reference).splitlines() if line.startswith("  x: "))
    assert said.startswith("x: its distribution is at most a ticket: ")
    assert [said] == list(paging_notes(reference))
    (row,) = (line for line in reference_text(reference).splitlines() if line.startswith("x "))
    assert row.endswith(" tickets only")


def test_events_without_their_own_times_have_no_order_and_that_is_reported_once() -> None:
    stream = [event(0, features={"x": i % 9}) for i in ROWS]
    reference, _ = reported(stream)
    assert not reference.in_order
    assert not from_json(to_json(reference)).in_order
    said = [line for line in reference_text(reference).splitlines() if "no times of their own: " in line]
    assert said == [f"  {order_note(reference)}"]
    assert not order_note(of_values([1, 2] * 300)[0])


def test_shares_of_a_shown_column_with_buckets_are_of_all_its_values() -> None:
    reference, _ = of_values([f"once{i}" if i % 2 == 0 and i % 5 else "abc"[i % 3] for i in ROWS])
    (at,) = (at for at, column in enumerate(reference.columns) if column.name == "x")
    assert reference.columns[at].bins.buckets
    assert reference.labelled(at).sum() == N
    assert len(reference.labelled(at)) == len(reference.columns[at].bins.labels())


def test_a_reason_is_asked_of_the_references_own_columns() -> None:
    reference, _ = of_values([1, 2] * 300)
    with pytest.raises(StopIteration):
        reference.unwatched_reason(numeric("x"))
