"""The settings tree: its values, its methods, and the fingerprint of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.settings.kafka import Kafka, Security
from monitor.settings.model import Budget, Feature, Model
from monitor.settings.tree import Input, Settings, Windows, model_fingerprint
from monitor.settings.types import FileContext

SECOND = 1_000_000
TREE: dict[str, Any] = {"inputs": [{"topic": "events"}], "models": [{"name": "credit", "reference": "c.json"}]}


def settings(**over: object) -> Settings:
    return Settings.model_validate(TREE | over)


def fingerprint(model: Mapping[str, object] | None = None, **over: object) -> str:
    tree = settings(**over, models=[TREE["models"][0] | dict(model or {})])
    return json.dumps(model_fingerprint(tree, tree.models[0]))


def test_the_defaults_are_those_of_the_interface() -> None:
    tree = settings()
    assert tree.kafka.bootstrap_servers == ("localhost:9092",)
    assert (tree.kafka.group_id, tree.kafka.start, tree.kafka.security.protocol) == ("driftd", "latest", "PLAINTEXT")
    assert (tree.outputs.alerts_topic, tree.outputs.rejects_topic) == ("driftd.alerts", "driftd.rejects")
    assert (tree.state.store, tree.state.path, tree.state.every) == ("directory", Path("/var/lib/driftd"), 10 * SECOND)
    assert (tree.http.host, tree.http.port) == ("127.0.0.1", 9747)
    assert tree.bridge.model_dump(exclude_none=True) == {
        "host": "127.0.0.1",
        "port": 9748,
        "body_bytes": 1_000_000,
        "queue_bytes": 67_108_864,
        "connections": 512,
        "request_timeout": 10 * SECOND,
        "answer_timeout": 10 * SECOND,
    }
    assert (tree.budget.pages, tree.budget.per) == (1, 30 * 86400 * SECOND)
    assert tree.windows == Windows(
        pane=10 * SECOND,
        allowed_lateness=60 * SECOND,
        max_skew=60 * SECOND,
        idle_after=60 * SECOND,
        pair_within=60 * SECOND,
    )
    assert (tree.id_memory, tree.show_values, tree.unknown_models) == (100_000, True, "warmup")
    assert tree.limits.model_dump() == {
        "record_bytes": 1_048_576,
        "events_per_record": 10_000,
        "features": 1_000,
        "vector": 4_096,
        "versions": 20,
        "models": 20,
        "pairs_waiting": 100_000,
        "warmup_bytes": 67_108_864,
        "warmup_rows": 400_000,
        "waiting_predictions": 1_000_000,
        "series": 10_000,
        "rejected_share": 0.5,
    }


def test_python_may_build_settings_with_durations_in_microseconds() -> None:
    tree = Settings(
        kafka=Kafka(security=Security()),
        inputs=(Input(topic="events"),),
        windows=Windows(pane=5 * SECOND),
        models=(Model(name="credit", reference="c.json", features={"AGE": Feature(kind="numeric")}),),
    )
    assert tree.windows.pane == 5 * SECOND
    assert tree.model("credit") is tree.models[0]
    assert tree.model("other") is None


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings().windows.pane = 1


def test_a_models_own_lateness_and_budget_win() -> None:
    tree = settings(
        models=[
            {"name": "a", "reference": "a.json"},
            {"name": "b", "reference": "b.json", "allowed_lateness": "10m", "budget": {"pages": 2, "per": "1d"}},
            {"name": "c", "reference": "c.json", "allowed_lateness": "0s"},
        ]
    )
    a, b, c = tree.models
    assert [tree.lateness_us(model) for model in (a, b, c)] == [60 * SECOND, 600 * SECOND, 0]
    assert tree.budget_of(a) is tree.budget
    assert tree.budget_of(b) == Budget(pages=2, per=86400 * SECOND)


def test_a_reference_is_found_from_the_files_folder() -> None:
    models = [{"name": "credit", "reference": "refs/credit-{version}.json"}, {"name": "b", "reference": "/abs/b.json"}]
    tree = Settings.model_validate(TREE | {"models": models}, context=FileContext(Path("/etc/driftd")))
    assert tree.folder == Path("/etc/driftd")
    assert tree.reference_path(tree.models[0], "1.2") == Path("/etc/driftd/refs/credit-1.2.json")
    assert tree.reference_path(tree.models[1], "a b") == Path("/abs/b.json")


@pytest.mark.parametrize("version", ["", "..", ".", "a/b", "../x", "a b", "v" * 65, "1\n"])
def test_a_version_that_may_not_stand_in_a_files_name_has_no_reference(version: str) -> None:
    tree = settings(models=[{"name": "credit", "reference": "{version}/r.json"}])
    assert tree.reference_path(tree.models[0], version) is None


@pytest.mark.parametrize(
    "model",
    [
        {"task": "regression"},
        {"positive": "bad"},
        {"features": {"AGE": {"kind": "ignore"}}},
        {"allowed_lateness": "2m"},
    ],
)
def test_a_fingerprint_changes_with_what_changes_the_meaning_of_the_state(model: dict[str, object]) -> None:
    assert fingerprint(model) != fingerprint()


@pytest.mark.parametrize(
    "over",
    [
        {"windows": {"pane": "20s"}},
        {"windows": {"allowed_lateness": "2m"}},
        {"inputs": [{"topic": "events", "model": "credit"}]},
        {"inputs": [{"topic": "events", "version": "7"}]},
        {"inputs": [{"topic": "events", "format": "kserve"}]},
        {"inputs": [{"topic": "events", "format": "kserve", "feature_names": ["a", "b"]}]},
        {"inputs": [{"topic": "events", "format": "fields", "fields": {"model": "m", "score": "p"}}]},
    ],
)
def test_a_fingerprint_changes_with_what_all_models_share(over: dict[str, object]) -> None:
    assert fingerprint(None, **over) != fingerprint()


@pytest.mark.parametrize(
    "model",
    [
        {"versions": ["1"]},
        {"budget": {"pages": 3}},
        {"team": "risk", "runbook": "https://example.org/r"},
        {"max_severity": "ticket", "severity": {"missing": "info"}, "least_effect": {"missing": 0.5}},
        {"silence": [{"weekly": "Sat 22:00-Sun 04:00"}], "exclude": [{"daily": "22:00-04:00"}]},
        {"features": {"AGE": {"severity": "info", "least_effect": 0.5, "mute": True, "direction": "up"}}},
        {"allowed_lateness": "1m"},
        {"positive": "1"},
        {"positive": True},
        {"reference": "other.json"},
    ],
)
def test_a_fingerprint_keeps_through_what_does_not(model: dict[str, object]) -> None:
    assert fingerprint(model) == fingerprint()


@pytest.mark.parametrize(
    "over",
    [
        {"id_memory": 5},
        {"budget": {"pages": 3}},
        {"http": {"port": 1}},
        {"bridge": {"port": 1, "topic": "other"}},
        {"kafka": {"group_id": "other"}},
        {"inputs": [{"topic": "other"}, {"topic": "events"}]},
        {"inputs": [{"topic": "events"}, {"topic": "theirs", "model": "theirs"}]},
    ],
)
def test_a_fingerprint_keeps_through_what_is_not_the_models(over: dict[str, object]) -> None:
    assert fingerprint(None, **over) == fingerprint()


def test_a_fingerprint_changes_with_the_layout_of_its_input() -> None:
    def of(fields: dict[str, object], **more: object) -> str:
        entry = {"topic": "events", "format": "fields", "fields": {"model": "m", "score": "p"} | fields, **more}
        return fingerprint(None, inputs=[entry])

    first: dict[str, object] = {"features": {"A": "a", "B": "b"}}
    changed = [
        of({}), of(first), of({"features": {"A": "a"}}), of({"features": "rest"}), of({"features": "'rest'"}),
        of({"score": "q"}), of({}, rows="r"), of({}, ignore=["x"]), of({"score": {"header": "p"}}),
    ]  # fmt: skip
    assert len(set(changed)) == len(changed)
    assert of({"features": {"B": "b", "A": "a"}}) == of(first)


def test_a_fingerprint_does_not_depend_on_the_order_things_are_written_in() -> None:
    one = {"versions": ["1", "2"], "features": {"A": {"kind": "numeric"}, "B": {"kind": "ignore"}}}
    two = {"versions": ["2", "1"], "features": {"B": {"kind": "ignore"}, "A": {"kind": "numeric"}}}
    inputs = [{"topic": "a", "model": "credit"}, {"topic": "b", "version": "1"}, {"topic": "b2", "model": "credit"}]
    assert fingerprint(one, inputs=inputs) == fingerprint(two, inputs=inputs[::-1])
