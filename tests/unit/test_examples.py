"""The examples of services in docs/examples: what they report is what the daemon takes.

FastAPI and MLflow are not among the libraries of the tests. Where they are not installed, what they do for an example
is left out (a route is its function, a base class is empty), and all that the example itself does is run.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import GaussianNB

from monitor.client import INVALID, SETTINGS, Reporter
from monitor.decode.decoder import decoder_for
from monitor.events import KINDS, Partition
from monitor.kafka.reporting import CLOSED, NOT_DELIVERED, QUEUE_FULL, REFUSED, TOO_LARGE, Sending
from monitor.records import RecordBatch
from tests.engine import settings

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PAGE = (EXAMPLES.parent / "python.md").read_text(encoding="utf-8")
NOWHERE = "127.0.0.1:1"
Event = dict[str, Any]


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What is reported; every event of it is one that the daemon's decoder takes."""
    reported: list[bytes] = []
    monkeypatch.setattr(Sending, "put", lambda _, _key, value: reported.append(value))
    monkeypatch.setenv("KAFKA", NOWHERE)
    yield reported
    many = len(reported)
    assert many > 0
    batch = RecordBatch(Partition("t", 0), [*reported], np.arange(many), None, many, 1_764_000_000_000_000)
    events = decoder_for(settings(), "t", lambda _: None).decode(batch)
    assert (len(events), events.rejected) == (many, [])
    assert [KINDS[code] for code in events.kind.tolist()] == [json.loads(value)["type"] for value in reported]


def test_the_calls_of_the_page_are_taken(values: list[bytes]) -> None:
    block = re.search(r"```python\n(from monitor.client.*?)```", PAGE, re.DOTALL)
    assert block is not None
    exec(block[1].replace("localhost:9092", NOWHERE), {})  # noqa: S102  # our own page
    assert [json.loads(value)["type"] for value in values] == ["prediction", "label", "features"]


def test_the_page_names_every_reason() -> None:
    table = PAGE.split("dropped because", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {
        QUEUE_FULL,
        TOO_LARGE,
        REFUSED,
        CLOSED,
        NOT_DELIVERED,
        INVALID,
        SETTINGS,
    }


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    if importlib.util.find_spec(name.split(".", maxsplit=1)[0]) is not None:
        return
    module = ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)
    if "." in name:
        parent, _, child = name.rpartition(".")
        stand_in(monkeypatch, parent, **{child: module})


class _Routes:
    def post(self, _path: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
        return lambda function: function


def test_a_fastapi_service_reports_its_answers_and_outcomes(
    values: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "fastapi", FastAPI=_Routes)
    service = example("fastapi_service")
    customer = service.Customer(age=50, balance=3_000, city="Oslo")
    answer = service.score(customer)
    service.outcome(answer["id"], service.Outcome(defaulted=True))
    prediction, label = (json.loads(value) for value in values)
    assert prediction["features"] == {"age": 50.0, "balance": 3_000.0, "city": "Oslo"}
    assert prediction["score"] == answer["risk"]
    assert prediction["prediction"] is False
    assert (label["id"], label["label"]) == (prediction["id"], True)


def test_a_scikit_learn_service_reports_frames_and_labels_whole(values: list[bytes]) -> None:
    example("sklearn_service").main()
    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    events = [json.loads(value) for value in values]
    predictions, labels = events[: len(data) - 300], events[len(data) - 300 :]
    assert pd.DataFrame([event["features"] for event in predictions]).equals(data[300:].reset_index(drop=True))
    assert [event["label"] for event in labels] == target[300:].tolist()
    assert [event["id"] for event in labels] == [event["id"] for event in predictions]


def test_an_mlflow_model_reports_each_predict(values: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    inner = GaussianNB().fit(data, target)
    stand_in(monkeypatch, "mlflow.pyfunc", PythonModel=object, load_model=lambda _: inner)
    module = example("mlflow_model")
    monkeypatch.setattr(module.mlflow.pyfunc, "load_model", lambda _: inner)
    reported = module.Reported(model="credit", version="7", bootstrap_servers=NOWHERE)
    reported.load_context(SimpleNamespace(artifacts={"model": "somewhere"}))
    answer = reported.predict(None, data[:5])
    events = [json.loads(value) for value in values]
    assert [event["prediction"] for event in events] == answer.tolist()
    assert [event["features"] for event in events] == data[:5].to_dict("records")
    assert isinstance(reported.reporter, Reporter)
