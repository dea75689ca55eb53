"""The reporter of a service without a broker: what it writes, that it never raises nor waits, what it counts."""

from __future__ import annotations

import datetime
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.client import LOG_EVERY_S, Reporter
from monitor.clock import ManualClock
from monitor.decode.decoder import decoder_for
from monitor.events import Partition
from monitor.kafka import library_log
from monitor.kafka.reporting import QUEUE_FULL, Sending
from monitor.records import RecordBatch
from tests.engine import settings

#: nothing listens there
NOWHERE = "127.0.0.1:1"
NOW_US = 1_764_000_000_000_000
Event = dict[str, Any]


class Written:
    """A reporter whose events are kept instead of sent."""

    def __init__(self, reporter: Reporter, values: list[tuple[bytes | None, bytes]]) -> None:
        self.reporter = reporter
        self.values = values

    def events(self) -> list[Event]:
        return [json.loads(value) for _, value in self.values]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    values: list[tuple[bytes | None, bytes]] = []
    monkeypatch.setattr(Sending, "put", lambda _, key, value: values.append((key, value)))
    with Reporter(NOWHERE, "events", "credit", 1, feature_names=["AGE", "SEX"], clock=ManualClock(NOW_US)) as reporter:
        yield Written(reporter, values)


def test_to_import_it_loads_nothing_that_is_slow() -> None:
    code = "import sys, monitor.client; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "monitor.client" in loaded
    assert not loaded & {"numpy", "scipy", "kafka", "pydantic", "msgspec", "structlog", "river", "monitor.judge"}


def test_one_prediction_is_one_native_event(written: Written) -> None:
    id_of = written.reporter.prediction(
        {"AGE": np.float32(41.5), "SEX": np.int64(2), "ok": np.bool_(True), "city": None, "emb": np.array([1, 2.5])},
        prediction=np.array([True]),
        score=np.float64(0.25),
        tags={"region": "eu"},
    )
    assert written.events() == [
        {
            "type": "prediction",
            "model": "credit",
            "version": "1",
            "id": id_of,
            "ts": NOW_US,
            "features": {"AGE": 41.5, "SEX": 2, "ok": True, "city": None, "emb": [1.0, 2.5]},
            "prediction": True,
            "score": 0.25,
            "tags": {"region": "eu"},
        }
    ]
    assert written.values[0][0] == id_of.encode()  # its label then comes to the same partition


ROWS = [{"AGE": 1.0, "SEX": 2.0}, {"AGE": 3.0, "SEX": 4.0}]


@pytest.mark.parametrize(
    "features",
    [
        pd.DataFrame(ROWS),
        np.array([[1, 2], [3, 4]], np.float32),
        [[1.0, 2.0], [3.0, 4.0]],
        ROWS,
        [np.array([1.0, 2.0]), np.array([3.0, 4.0])],
    ],
    ids=["pandas", "array", "rows", "objects", "list-of-arrays"],
)
def test_a_table_is_an_event_a_row(written: Written, features: object) -> None:
    ids = written.reporter.prediction(
        features, np.array([0, 1]), scores={"a": np.array([0.1, 0.2]), "b": [0.9, 0.8]}, id=["x", 7], ts=[1, None]
    )
    assert ids == ["x", "7"]
    first, second = written.events()
    assert [first["features"], second["features"]] == ROWS
    assert [first["prediction"], second["prediction"]] == [0, 1]
    assert second["scores"] == {"a": 0.2, "b": 0.8}
    assert [first["ts"], second["ts"]] == [1, NOW_US]
    assert [first["id"], second["id"]] == ids


def test_a_list_without_rows_is_no_event(written: Written) -> None:
    assert written.reporter.prediction([], []) == []
    assert (written.events(), written.reporter.dropped) == ([], {})


def test_labels_one_or_many(written: Written) -> None:
    written.reporter.label("x", True, value=Decimal("12.5"))
    written.reporter.label(pd.Series(["y", "z"]), np.array([1.0, np.nan]))
    common = {"type": "label", "model": "credit", "version": "1", "ts": NOW_US}
    assert written.events() == [
        {**common, "id": "x", "label": True, "value": 12.5},
        {**common, "id": "y", "label": 1.0},
        {**common, "id": "z", "label": None},
    ]


def test_outcomes_of_one_or_many_and_without_a_label_nothing_is_said_of_it(written: Written) -> None:
    written.reporter.label("x", outcomes={"judge": np.float32(0.5), "refund": True})
    written.reporter.label(["y", "z"], [1, 0], outcomes={"minutes": np.array([3.0, np.nan])})
    common = {"type": "label", "model": "credit", "version": "1", "ts": NOW_US}
    assert written.events() == [
        {**common, "id": "x", "outcomes": {"judge": 0.5, "refund": True}},
        {**common, "id": "y", "label": 1, "outcomes": {"minutes": 3.0}},
        {**common, "id": "z", "label": 0, "outcomes": {"minutes": None}},
    ]


def test_the_decoder_of_the_daemon_takes_every_event(written: Written) -> None:
    when = datetime.datetime(2025, 11, 24, 16, tzinfo=datetime.UTC)
    written.reporter.prediction(ROWS, [True, False], score=[0.5, 0.25], ts=[when, when])
    written.reporter.features({"AGE": 3}, ts="2025-11-24T16:00:00Z")
    written.reporter.label("x", 1)
    values: list[bytes | None] = [value for _, value in written.values]
    batch = RecordBatch(Partition("events", 0), values, np.arange(4), None, 4, NOW_US)
    events = decoder_for(settings(), "events", lambda _: None).decode(batch)
    assert (len(events), events.rejected) == (4, [])
    assert events.kind.tolist() == [0, 0, 1, 2]
    assert {str(key) for key in events.keys} == {"credit/1"}
    assert (events.ts[:3] == round(when.timestamp() * 1e6)).all()


class Hostile:
    """Its instances raise whatever is asked of them, also of pytest: tests are given the class."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    def __len__(self) -> int:
        raise RuntimeError


def made_hostile(thing: object) -> object:
    if isinstance(thing, list):
        return [made_hostile(one) for one in thing]
    if isinstance(thing, dict):
        return {name: made_hostile(one) for name, one in thing.items()}
    return thing() if thing is Hostile else thing


@pytest.mark.parametrize(
    "thing",
    [None, 3, "text", object(), Hostile, [Hostile], {"a": Hostile}, {"a": "\ud800"}],
    ids=["none", "number", "text", "object", "hostile", "hostile-row", "hostile-value", "surrogate"],
)
def test_what_is_no_event_is_counted_and_never_raises(written: Written, thing: object) -> None:
    made = made_hostile(thing)
    written.reporter.prediction(made)
    written.reporter.features(made)
    assert written.values == []
    assert written.reporter.dropped == {"invalid": 2}


def test_labels_that_cannot_be_are_counted_and_never_raise(written: Written) -> None:
    for thing in (None, Hostile(), [None], [Hostile()]):
        written.reporter.label(thing, 1)
    written.reporter.label(["a", "b"], [1])
    assert written.values == []
    assert written.reporter.dropped == {"invalid": 6}


def test_a_table_that_cannot_be_written_counts_its_rows(written: Written, caplog: pytest.LogCaptureFixture) -> None:
    assert written.reporter.prediction(pd.DataFrame(ROWS), [1, 2, 3]) == []
    assert written.reporter.dropped == {"invalid": 2}
    assert (
        "credit 1 to events: events that were not sent: 2 (2 invalid); prediction: 3 values for 2 rows" in caplog.text
    )


def test_drops_are_logged_once_a_minute_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(NOW_US)
    reporter = Reporter(NOWHERE, "events", "credit", clock=clock)
    for _ in range(3):
        reporter.prediction(None)
    clock.advance(LOG_EVERY_S - 1)
    reporter.prediction(None)
    assert len(caplog.records) == 1
    clock.advance(1)
    reporter.prediction(None)
    reporter.prediction(None)
    reporter.close()
    said = [record.getMessage() for record in caplog.records]
    assert [line.split("(")[1].split(")")[0] for line in said] == ["1 invalid", "4 invalid", "1 invalid"]


def test_a_full_queue_drops_and_counts_and_the_caller_never_waits() -> None:
    reporter = Reporter(NOWHERE, "events", "credit", queue_bytes=20_000)
    for _ in range(1_000):
        reporter.prediction({"AGE": 1})
    dropped = reporter.dropped
    assert set(dropped) == {QUEUE_FULL}
    assert 20 < 1_000 - dropped[QUEUE_FULL] < 200  # what 20 kB hold; a batch may have been taken out of it
    reporter.close(0.1)
    assert sum(reporter.dropped.values()) == 1_000


def test_a_broker_that_is_down_is_named_in_the_log_and_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter(NOWHERE, "events", "credit", flush_seconds=10, security={"protocol": "PLAINTEXT"})
    reporter.prediction({"AGE": 1})
    for _ in range(200):  # the attempt to connect takes 5 s
        if caplog.records:
            break
        time.sleep(0.1)
    assert "did not answer: 127.0.0.1:1 (connection refused)" in caplog.text
    assert {record.name for record in caplog.records} == {"monitor.client"}  # not the library's own lines
    assert not reporter.flush(0.01)
    reporter.close(0.1)
    assert reporter.dropped == {"not_delivered": 1}
    reporter.prediction({"AGE": 1})
    assert reporter.dropped == {"not_delivered": 1, "closed": 1}


def test_wrong_settings_are_named_and_nothing_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter(NOWHERE, "events", "credit", security={"protocol": "SASL_SSL", "sasl_mechanisme": "PLAIN"})
    assert reporter.prediction({"AGE": 1}) != ""  # the caller's labels have an id to go by all the same
    assert reporter.dropped == {"settings": 1}
    assert "SASL_MECHANISME" in caplog.text
    reporter.close()


def test_security_may_come_from_the_environment_of_the_daemon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DRIFTD_KAFKA__SECURITY__SASL_PASSWORD", "hush")
    security = {"protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "me"}
    with Reporter(NOWHERE, "events", "credit", security=security) as reporter:
        reporter._sending.close(0)  # type: ignore[union-attr]  # nothing is to be sent
    assert caplog.text == ""


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # as services that fork are
def test_a_forked_process_starts_with_nothing_of_its_parent(caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter(NOWHERE, "events", "credit")
    reporter.prediction({"AGE": 1})
    reporter.prediction(None)
    reading, writing = os.pipe()
    library_log._lock.acquire()  # as a thread of the parent may at that moment, which is not in the child to release it
    child = os.fork()
    if child == 0:
        try:
            library_log.connection_failure()
            reporter.prediction({"AGE": 2})
            reporter.close(0.1)
            os.write(writing, json.dumps(reporter.dropped).encode())
        finally:
            os._exit(0)
    library_log._lock.release()
    os.close(writing)
    os.waitpid(child, 0)
    assert json.loads(os.read(reading, 1_000)) == {"not_delivered": 1}
    os.close(reading)
    reporter.close(0.1)
    assert reporter.dropped == {"invalid": 1, "not_delivered": 1}


@pytest.fixture(autouse=True)
def quiet_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
