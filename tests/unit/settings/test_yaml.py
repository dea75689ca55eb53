"""The text of a settings file: plain values, strict parsing, and faults that quote no value."""

from __future__ import annotations

import pytest

from monitor.settings.yaml_text import parse_yaml


def test_an_empty_text_holds_nothing() -> None:
    assert parse_yaml("# only a comment\n") == ({}, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("010", "010"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("=", "="),
        ("'12'", "12"),
        ("[a, 1]", ["a", 1]),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_scalar_is_read_by_yaml_1_2(text: str, value: object) -> None:
    tree, faults = parse_yaml(f"key: {text}\n")
    assert faults == []
    assert tree == {"key": value}
    assert type(tree["key"]) is type(value)


def test_names_are_always_text() -> None:
    assert parse_yaml("1: a\ntrue: b\nno: c\n1.0: d\n<<: e\n") == (
        {"1": "a", "true": "b", "no": "c", "1.0": "d", "<<": "e"},
        [],
    )


def test_every_name_that_stands_twice_is_a_fault_with_its_place() -> None:
    _, faults = parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n")
    assert sorted(faults) == [
        "line 4, column 3: 'c' occurs twice; keep one",
        "line 5, column 1: 'a' occurs twice; keep one",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: &b [1]\n", "line 1, column 4: aliases and anchors are not allowed"),
        ("a: *hunter2\n", "line 1, column 4: aliases and anchors are not allowed"),
        ("a: !!python/object/apply:os.system [x]\n", "line 1, column 4: tags are not allowed"),
        ("a: !!binary aGk=\n", "line 1, column 4: tags are not allowed"),
        ("? [1, 2]\n: 3\n", "line 1, column 3: a name has to be text"),
        ("a: " + "[" * 60 + "]" * 60 + "\n", "line 1, column 43: nested deeper than 40"),
        ("a: [1\nb: 2\n", "line 2, column 2: expected ',' or ']', but got ':'"),
        ("a:\n\t- b\n", "line 2, column 1: a tab: write spaces, YAML does not allow tabs here"),
        (
            "a: {b: c/{d}.json}\n",
            'line 1, column 10: a { within a text: put the text in quotes, such as "reference/{version}.json"',
        ),
        ("a: [b {c}]\n", "line 1, column 7: expected ',' or ']', but got '{'"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: but found another document"),
        ("a: \x07\n", "character 4: not a printable character"),
    ],
)
def test_what_yaml_could_hide_is_refused_with_its_place(text: str, fault: str) -> None:
    assert parse_yaml(text) == (None, [fault])


@pytest.mark.parametrize(
    "text",
    [
        "sasl_password: !hunter2canary!x y\n",
        "sasl_password: *hunter2canary\n",
        "sasl_password: &hunter2canary x\n",
        'sasl_password: "hunter2canary\n',
        "sasl_password: hunter2canary: x\n",
        "sasl_password: [hunter2canary\n",
        "sasl_password: @hunter2canary\n",
    ],
)
def test_a_broken_text_is_reported_without_its_values(text: str) -> None:
    tree, faults = parse_yaml(text)
    assert tree is None
    assert faults
    assert "hunter2canary" not in "".join(faults)
