"""A checkpoint that is whole and makes no sense is a wrong setting with a remedy, never a trace."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SECOND_US
from monitor.errors import UsageError
from monitor.kafka.topics import ClusterDescription
from monitor.pipeline import Pipeline
from monitor.run.restoring import restored
from monitor.state.directory import Loaded, StateDirectory
from tests.engine import (
    EVENTS,
    Credit,
    Event,
    MemorySource,
    admission_of,
    credit_reference,
    pipeline_of,
    run_to_end,
    settings,
)
from tests.golden_state import CLUSTER, GOLDEN
from tests.restarts import loaded_state

TASK, MODEL, JOIN, OUTBOX = "task/0", 'model/["credit", "1"]', "join/credit", "outbox"
TASK_LABELS, MODEL_LABELS = "task_labels/0", 'model_labels/["credit", "1"]'
LABEL: Event = {"type": "label", "model": "credit", "version": "1", "id": "1-0", "label": 1}
WRONG = [None, 7, "text", [1, 2], [{"a": 1}], {"a": 1}]


def pipeline() -> Pipeline:
    tree = settings()
    events = [one | {"label": one["prediction"]} for one in Credit(600)]
    events[100:100] = [LABEL | {"ts": events[100]["ts"] + seconds * SECOND_US} for seconds in (0, 3_600)]
    made, _ = pipeline_of(tree, admission_of(tree, credit_reference()), MemorySource({EVENTS: events}))
    return made


@cache
def saved() -> Loaded:
    made = pipeline()
    run_to_end(made, MemorySource({}))
    return loaded_state(made)


def refused(loaded: Loaded) -> str:
    with pytest.raises(UsageError) as fault:
        restored(pipeline(), loaded, ClusterDescription(CLUSTER, {}))
    return str(fault.value)


def test_the_state_itself_is_taken() -> None:
    assert restored(pipeline(), saved(), ClusterDescription(CLUSTER, {})) == []
    assert saved().parts.keys() == {TASK, TASK_LABELS, MODEL, MODEL_LABELS, JOIN, OUTBOX}


def changed(tree: dict[str, Any], field: str, wrong: object) -> dict[str, Any]:
    """With something else, or nothing, in a field; its name has a dot for each step into the tree."""
    tree = copy.deepcopy(tree)
    *way, last = field.split(".")
    place = tree
    for step in way:
        place = place[step]
    assert last in place
    place[last] = wrong
    if wrong is None:
        del place[last]
    return tree


@pytest.mark.parametrize("field", ["cluster", "format", "gaps", "seen", "topics"])
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_a_whole_of_another_shape_is_reported_with_the_file_and_the_remedy(field: str, wrong: object) -> None:
    known = saved()
    tree = changed(known.tree, field, wrong)
    valid = field == "cluster" and wrong == "text"
    message = refused(Loaded(tree, known.parts, 3, known.path, ()))
    assert (
        "this is golden; restore" in message
        if valid
        else "move it away" in message or "the state has format" in message
    )


FIELDS = [
    *(f"{TASK}.{field}" for field in ("version", "number", "partitions", "open", "open.whose", "outcomes")),
    *(f"{TASK}.partitions.events.{field}" for field in ("next_offset", "clock", "ids")),
    *(f"{MODEL}.{field}" for field in ("version", "model", "model_version", "events", "events.counts", "exchange")),
    *(
        f"{MODEL}.judge.{field}"
        for field in ("predictions", "recent", "pyramid", "budget", "book", "book.open", "info")
    ),
    *(f"{TASK_LABELS}.{field}" for field in ("version", "number", "clocks", "waiting", "inline")),
    f"{TASK_LABELS}.clocks.events",
    *(f"{MODEL_LABELS}.{field}" for field in ("version", "model", "model_version", "totals", "waiting")),
    *(f"{MODEL_LABELS}.{field}" for field in ("handed_on_until", "totals.labels", "totals.pairs")),
    *(f"{JOIN}.{field}" for field in ("version", "model", "places", "fates", "codes", "until", "panes", "tables")),
    f"{OUTBOX}.version",
    f"{OUTBOX}.unsent",
]
#: values that the field may have
FITS = [
    (f"{TASK}.number", 7),
    (f"{TASK}.partitions.events.next_offset", 7),
    (f"{MODEL}.judge.predictions", 7),
    (f"{MODEL}.model_version", "text"),
    (f"{MODEL_LABELS}.handed_on_until", 7),
    (f"{MODEL_LABELS}.totals.labels", 7),
    (f"{TASK_LABELS}.clocks", None),  # the version before had none
    (f"{TASK_LABELS}.clocks.events", None),
    (f"{JOIN}.until", 7),
    (f"{JOIN}.model", "text"),
]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_a_part_of_another_shape_is_reported_with_the_file_the_part_and_the_remedy(field: str, wrong: object) -> None:
    if (field, wrong) in FITS:
        pytest.skip("it fits")
    known = saved()
    message = refused(Loaded(known.tree, changed(known.parts, field, wrong), 3, known.path, ()))
    assert message.startswith("state.path: checkpoint-3 is intact, but this version does not understand it (")
    assert message.endswith("; move it away, and the previous checkpoint is used")


def test_what_is_wrong_is_named_and_where() -> None:
    known = saved()
    parts = changed(known.parts, f"{TASK}.partitions.events.next_offset", "text")
    assert f"(ValidationError: {TASK}: Expected `int`, got `str` - at `$.partitions[...].next_offset`)" in refused(
        Loaded(known.tree, parts, 3, known.path, ())
    )
    parts = changed(known.parts, f"{MODEL}.version", 4)
    assert f"(ValidationError: {MODEL}: version 4 of a part; this build reads versions up to 3)" in refused(
        Loaded(known.tree, parts, 3, known.path, ())
    )
    assert "(ValidationError: strange/1: this version does not know this part)" in refused(
        Loaded(known.tree, known.parts | {"strange/1": {}}, 3, known.path, ())
    )


@pytest.mark.parametrize("name", [TASK_LABELS, MODEL, MODEL_LABELS, OUTBOX])
def test_a_part_that_is_missing_is_told(name: str) -> None:
    known = saved()
    parts = {other: tree for other, tree in known.parts.items() if other != name}
    message = refused(Loaded(known.tree, parts, 3, known.path, ()))
    assert "move it away" in message


@pytest.mark.parametrize("form", [99, None])
def test_a_state_of_another_format_is_refused(form: object) -> None:
    known = saved()
    told = refused(Loaded(known.tree | {"format": form}, {}, 3, known.path, ()))
    assert told == f"the state has format {form}, this version reads 1 to 4"


#: of those that format 3 had, the fields that held labels
WITHIN = [
    *(f"{TASK}.{field}" for field in ("version", "number", "partitions", "open", "open.whose", "open.tallies")),
    *(f"{TASK}.{field}" for field in ("labels", "open.tallies.events", "open.tallies.pairs")),
    *(f"{MODEL}.{field}" for field in ("version", "model", "model_version", "events", "events.labels", "events.pairs")),
    *(f"{MODEL}.{field}" for field in ("labels", "exchange", "exchange.judged_until", "exchange.labels")),
]
LABELS_OF = {TASK: TASK_LABELS, MODEL: MODEL_LABELS}
FITS_WITHIN = [(f"{TASK}.number", 7), (f"{MODEL}.model", "text"), (f"{MODEL}.model_version", "text")]
FITS_WITHIN += [(f"{MODEL}.{field}", 7) for field in ("labels", "events.labels", "exchange.judged_until")]


@pytest.mark.parametrize("field", WITHIN)
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_a_part_with_its_labels_within_that_has_another_shape_is_told(field: str, wrong: object) -> None:
    if (field, wrong) in FITS_WITHIN:
        pytest.skip("it fits")
    known = StateDirectory(GOLDEN / "state_format_3" / "state").load(read_only=True)
    assert known is not None
    told = refused(Loaded(known.tree, changed(known.parts, field, wrong), 3, Path("checkpoint-3"), ()))
    assert "is intact, but this version does not understand it (" in told
    assert f": {field.partition('.')[0]}" in told or f": {LABELS_OF[field.partition('.')[0]]}" in told
    assert told.endswith("; move it away, and the previous checkpoint is used")


@pytest.mark.parametrize("part", ["cluster", "exchange", "fleet", "format", "gaps", "met", "totals", "units"])
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_a_part_of_another_shape_in_a_state_of_the_version_before_is_reported_too(part: str, wrong: object) -> None:
    known = StateDirectory(GOLDEN / "state_format_2" / "state").load(read_only=True)
    assert known is not None
    tree = changed(known.tree, part, wrong)
    message = refused(Loaded(tree, {}, 3, Path("checkpoint-3"), ()))
    assert "move it away" in message or "format" in message or "the cluster text" in message
