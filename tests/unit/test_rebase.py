"""Another reference at a restart is an operator's act: the incident resolves with that reason, and it is recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np

from monitor.chain import Head
from monitor.clock import rfc3339
from monitor.findings import Rebase
from monitor.kafka.acts import act_in
from monitor.kafka.alerts import messages_of
from monitor.reference.reference import Reference
from monitor.state.codec import decode, encode
from monitor.state.finding_trees import rebase_of, rebase_tree
from monitor.state.parts import OutboxState, State
from tests.engine import (
    CREDIT,
    EVENTS,
    Credit,
    Event,
    MemorySource,
    Recorded,
    admission_of,
    build,
    credit_reference,
    pipeline_of,
    run_to_end,
    settings,
)

TREE = settings()
NOTE = "new customers since Monday"


def older(made: Event, _rng: np.random.Generator) -> None:
    made["features"]["AGE"] += 8


@cache
def stream() -> list[Event]:
    return list(Credit(2_500, seed=5, change=1_000, fault=older))


@cache
def new_reference() -> Reference:
    return replace(build(TREE, stream()[1_000:]), note=NOTE)


@cache
def before() -> State:
    """A state with an open page."""
    source, outputs = MemorySource({EVENTS: stream()}), Recorded()
    pipeline, _ = pipeline_of(TREE, admission_of(TREE, credit_reference()), source, outputs)
    run_to_end(pipeline, source)
    pipeline.checkpoint()
    assert outputs.reported[-1].severity == "page"
    assert outputs.rebased == []
    return outputs.saved[-1]


def restarted(state: State, reference: Reference, *failing: str) -> Recorded:
    """The outputs of a start that saves once; calls that are named fail."""
    outputs = Recorded()
    outputs.failing = set(failing)
    pipeline, _ = pipeline_of(TREE, admission_of(TREE, reference), MemorySource({EVENTS: []}), outputs)
    pipeline.restore(state)
    pipeline.saving.attempt(pipeline.checkpoint)
    return outputs


def test_another_reference_resolves_the_page_and_is_recorded_with_both_hashes_and_the_note() -> None:
    outputs = restarted(before(), new_reference())
    (resolved,), (rebase,) = outputs.reported, outputs.rebased
    assert resolved.transition == "resolved"
    assert "(reference changed)" in resolved.summary
    assert rebase.reference == (credit_reference().hash, new_reference().hash)
    assert rebase.settings[0] != rebase.settings[1]
    assert (rebase.key, rebase.note, rebase.at_us) == (CREDIT, NOTE, resolved.at_us)


def test_it_is_recorded_once() -> None:
    """A checkpoint holds what is sent after it: it comes twice if the process ends right then, under the same id."""
    first = restarted(before(), new_reference())
    second = restarted(first.saved[-1], new_reference())
    assert [one.id for one in second.rebased] == [one.id for one in first.rebased]
    pipeline, _ = pipeline_of(TREE, admission_of(TREE, new_reference()), MemorySource({EVENTS: []}), Recorded())
    pipeline.restore(second.saved[-1])
    pipeline.checkpoint()
    assert pipeline.to_state().state().outbox == OutboxState(head=Head())


def test_what_was_not_acknowledged_is_in_the_state_and_recorded_after_the_next_start() -> None:
    first = restarted(before(), new_reference(), "publish")
    assert first.rebased == []
    second = restarted(first.saved[-1], new_reference())
    (rebase,) = second.rebased
    assert rebase == restarted(before(), new_reference()).rebased[0]


def test_the_same_reference_and_other_settings_are_no_rebase() -> None:
    assert restarted(before(), credit_reference()).rebased == []
    tree = settings({"allowed_lateness": "5m"})
    outputs = Recorded()
    pipeline, _ = pipeline_of(tree, admission_of(tree, credit_reference()), MemorySource({EVENTS: []}), outputs)
    assert pipeline.restore(before()) == [CREDIT]
    pipeline.checkpoint()
    assert "(settings changed)" in outputs.reported[-1].summary
    assert outputs.rebased == []


REBASE = Rebase(CREDIT, 1_764_000_000_000_000, ("sha256:aa", "sha256:bb"), ("sha256:cc", "sha256:dd"), NOTE)


def test_the_record_is_a_cloud_event_that_is_no_request() -> None:
    (message,) = messages_of(REBASE, "alerts", "driftd", 1_764_000_001_000_000)
    event = json.loads(message.value or b"")
    assert (event["type"], event["source"], event["subject"]) == ("io.driftd.act", "driftd/driftd", "credit/1")
    assert event["time"] == rfc3339(1_764_000_001_000_000)
    assert event["data"] == {
        "kind": "act", "act": "rebase", "model": "credit", "version": "1", "at": rfc3339(REBASE.at_us), "note": NOTE,
        "reference": {"before": "sha256:aa", "after": "sha256:bb"},
        "settings": {"before": "sha256:cc", "after": "sha256:dd"},
    }  # fmt: skip
    assert message.key == b"credit/1"
    assert act_in(message.value) is None


def test_it_survives_its_encoding() -> None:
    assert rebase_of(decode(encode(rebase_tree(REBASE)))) == REBASE
