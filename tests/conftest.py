"""Fixtures of all tests: a real Kafka, unique topic names, the recorded streams.

A missing part is a skip with its reason on a laptop and a failure in CI (CI=true).
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.real_parts.install import ROOT, in_ci, missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker

_numbers = itertools.count(1)

# How long an example takes says how busy the machine is, nothing of the code. In CI it is Hypothesis's own default.
hypothesis.settings.register_profile("without_deadline", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("without_deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the broker or its parts with `kafka`, so that it can be deselected."""
    for item in items:
        if {"kafka", "kafka_parts"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def kafka_parts() -> None:
    """Java and Kafka's jars are installed; for tests that start their own brokers."""
    if missing := missing_kafka_parts():
        reason = f"no real Kafka here: {'; '.join(missing)} (make real-parts)"
        if in_ci():
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka(kafka_parts: None) -> Iterator[KafkaBroker]:
    """One broker for the whole run, with both listeners. Do not stop it, and use topics of your own."""
    with KafkaBroker(sasl=True) as broker:
        yield broker


@pytest.fixture
def fresh_topic(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Each call returns a unique topic name; the topic is not created."""
    test = re.sub(r"[^a-zA-Z0-9._-]+", "-", str(request.node.name))[:80]
    return lambda: f"{test}-{next(_numbers)}"


@pytest.fixture
def topic(fresh_topic: Callable[[], str]) -> str:
    """A unique topic name; the topic is not created."""
    return fresh_topic()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the recorded streams: TEST_DRIFTD_DATA, or `shared/data` next to the checkout."""
    return _folder_beside("data", "TEST_DRIFTD_DATA")


@pytest.fixture(scope="session")
def quality_scripts() -> Path:
    """The folder of the quality measurements: TEST_DRIFTD_QUALITY, or `shared/quality` next to the checkout."""
    return _folder_beside("quality", "TEST_DRIFTD_QUALITY")


def _folder_beside(name: str, variable: str) -> Path:
    given = os.environ.get(variable)
    folder = Path(given) if given else ROOT.parent / "shared" / name
    if folder.is_dir():
        return folder
    if given:
        pytest.fail(f"{variable} names {given}, which is no folder")
    pytest.skip(f"no recorded material: set {variable} to a folder like shared/{name}")
