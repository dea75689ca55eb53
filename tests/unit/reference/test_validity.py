"""A reference file that was changed in any way is loaded as it stands, or refused in a line; never a trace."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from monitor.errors import UsageError
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.reference.file.encoding import digest, to_json
from monitor.reference.notes.show import reference_json, reference_text
from monitor.run.reference_file import load_reference
from tests.engine import Credit, build, settings, tied

Body = dict[str, Any]

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([-1, 0, 2**53 + 1, 1e308, float("nan"), float("inf"), "\ud800", "\u202e", 10**400])
)
_anything = st.recursive(_scalars, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below))


@pytest.fixture(scope="module")
def body() -> Body:
    """A small sound reference's content."""
    return to_json(build(settings(), list(tied(Credit(1_200)))))


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Body], Body]:
    """Writes a content with the hash that belongs to it, loads it and gives back the content of what was loaded."""
    file = tmp_path / "x.json"

    def loaded(content: Body) -> Body:
        with contextlib.suppress(ValueError):
            content = content | {"hash": digest(content)}
        file.write_text(json.dumps(content), encoding="utf-8")
        reference = load_reference(file)
        assert reference_text(reference)
        assert reference_json(reference)
        PreparedReference.of(reference).variability([10, 1_000])
        return to_json(reference)

    return loaded


def places(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every part of a tree."""
    if path:
        yield path
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, part in below:
        yield from places(part, (*path, step))


def changed(node: Any, path: tuple[str | int, ...], value: object, *, gone: bool = False) -> Any:  # noqa: ANN401
    """A copy in which another value stands at a place, or nothing."""
    if not path:
        return value
    copy: Any = dict(node) if isinstance(node, dict) else list(node)
    if gone and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(node[path[0]], path[1:], value, gone=gone)
    return copy


def test_a_sound_file_is_loaded_as_it_is(body: Body, load: Callable[[Body], Body]) -> None:
    assert load(body) == body


@how(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_changed_part_is_loaded_equal_or_refused(
    data: st.DataObject, body: Body, load: Callable[[Body], Body]
) -> None:
    path = data.draw(st.sampled_from(sorted(places(body), key=str)))
    other = changed(body, path, data.draw(_anything), gone=data.draw(st.integers(0, 9)) == 0)
    try:
        loaded = load(other)
    except UsageError:
        return
    assert loaded == other


@pytest.mark.parametrize(
    ("path", "value", "messages"),
    [
        (("columns", 0, "counts", 1), -1, "columns[0].counts[1]"),
        (("columns", 0, "counts"), [1, 2], "there are 10 bins"),
        (("columns", 0, "edges", 1), 1e300, "edges do not rise"),
        (("columns", 0, "long_run", "variance", 0), 2**53 + 1, "columns[0].long_run.variance[0] is 9007199254740993"),
        (("columns", 0, "edges", 1), "a", "columns[0].edges[1]"),
        (("columns", 0, "scale"), 0, "columns[0].scale"),
        (("columns", 0, "dispersion"), [], "dispersion has 0 numbers"),
        (("columns", 0, "missing"), 1.5, "columns[0].missing"),
        (("columns", 1, "name"), "AGE", "same name and role"),
        (("columns",), [], "columns"),
        (("levels", 1, "base_windows"), 3, "levels[1].base_windows is not 2"),
        (("traffic", "step_us"), 0, "traffic.step_us"),
        (("facts", "ahead", "hits"), 10**9, "facts.ahead has more hits than events"),
        (("start",), "yesterday", "start is not a valid time"),
        (("task",), "guess", "task"),
        (("model",), 7, "model"),
    ],
)
def test_what_is_wrong_is_reported_with_its_place(
    body: Body, load: Callable[[Body], Body], path: tuple[str | int, ...], value: object, messages: str
) -> None:
    with pytest.raises(UsageError) as refused:
        load(changed(body, path, value))
    assert messages in str(refused.value)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("[" * 200_000, "nested too deep"),
        ('{"format": ' + "[" * 200_000, "nested too deep"),
        ('{"format": "driftd-reference/2", "events": NaN}', "NaN is not a JSON number"),
        ('{"format": "driftd-reference/2", "events": 1e999}', "is damaged"),
        ('{"format": "driftd-reference/2"}', "is damaged"),
        ('{"events": ' + "9" * 5_000 + "}", "is not JSON"),
        ("\ud800", "is not JSON"),
        (r'{"format": "driftd-reference/2", "\ud800": 1}', "is damaged"),
        (r'{"format": "driftd-reference/2", "events": 1, "hash": "\ud800"}', "is damaged"),
        ("[]", "format 'list' is not"),
        (
            '{"format": "driftd-reference/1", "events": 1}',
            "'driftd-reference/1' is not 'driftd-reference/2'; build it again from the same events: "
            "driftd reference build --config FILE --model NAME --rows 10000 SOURCE",
        ),
        ("", "is not JSON"),
    ],
    ids=lambda text: text[:40],
)
def test_a_file_that_is_not_a_reference_is_refused(tmp_path: Path, text: str, messages: str) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=messages):
        load_reference(file)
