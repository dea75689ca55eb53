"""Which way records come out of the library: by ourselves where that passes, else the library's; the log says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import kafka
import pytest
import structlog
from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch
from structlog.testing import capture_logs

from monitor.kafka import reading_path, unpack
from monitor.kafka.fetch_state import FetchState
from monitor.kafka.reading_path import FAST, PUBLIC, SELF_CHECK, TURNED_OFF, ReadingPath, self_check
from monitor.kafka.record_batch import chunk_of


@pytest.fixture(autouse=True)
def _every_level_is_logged() -> None:
    structlog.reset_defaults()  # other tests log from a level on


def consumer() -> Any:  # noqa: ANN401
    """What is taken hold of in the library's consumer."""
    fetcher = SimpleNamespace(
        _parse_fetched_data=lambda completion: completion,
        _next_in_line_exception_metadata=None,
        _next_partition_records=None,
        PartitionRecords=Fetcher.PartitionRecords,
    )
    return SimpleNamespace(_fetcher=fetcher)


def chosen(client: Any, *, wanted: bool = True) -> tuple[ReadingPath, FetchState]:  # noqa: ANN401
    state = FetchState(lambda _: None, 1, 1)
    return ReadingPath(client, state, wanted=wanted), state


def test_every_codec_passes_the_check_of_the_library_that_is_installed() -> None:
    assert not self_check()
    path, state = chosen(consumer())
    assert (path.reason, state.fast) == (FAST, True)


def test_a_setting_turns_it_off() -> None:
    client = consumer()
    with capture_logs() as logged:
        path, state = chosen(client, wanted=False)
    assert not logged
    assert (path.reason, state.fast) == (TURNED_OFF, False)
    assert client._fetcher.PartitionRecords is not Fetcher.PartitionRecords, "damaged batches are still skipped"


@pytest.mark.parametrize("name", ["offsets", "times_ms", "values", "envelopes"])
def test_a_decoder_that_differs_in_anything_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(records: Any) -> Any:  # noqa: ANN401
        chunk = chunk_of(records)
        one = chunk.part(0, 0) if name == "values" else chunk
        setattr(one, name, (lambda _: None) if name == "envelopes" else getattr(one, name)[::-1])
        return one

    monkeypatch.setattr(reading_path, "chunk_of", other)
    path, state = chosen(consumer())
    assert (path.reason, state.fast) == (SELF_CHECK, False)
    assert "the self-check of no codec failed" in self_check()


def test_a_library_that_decodes_otherwise_or_not_at_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        message = "moved"
        raise AttributeError(message)

    monkeypatch.setattr(DefaultRecordBatch, "__iter__", refuse)
    assert self_check() == "the self-check of no codec failed: AttributeError: moved"


def test_batches_that_are_not_understood_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_MOST_HEADERS", 0)
    assert self_check() == "the self-check of no codec failed: the batch is not understood"


@pytest.mark.parametrize("absent", ["_parse_fetched_data", "_next_partition_records"])
def test_without_what_is_taken_hold_of_the_public_poll_is_left_as_it_is(absent: str) -> None:
    client = consumer()
    delattr(client._fetcher, absent)
    with capture_logs() as logged:
        path, state = chosen(client)
    assert [(one["event"], absent in one["why"]) for one in logged] == [("fast_path_not_taken", True)]
    assert (path.reason, state.fast) == (PUBLIC, False)
    assert client._fetcher.PartitionRecords is Fetcher.PartitionRecords
    path.before_poll()
    record = SimpleNamespace(offset=3, timestamp=5, key=b"k", value=b"v", headers=[("h", None)])
    (chunk,) = path.chunks([record])
    assert (chunk.offsets.tolist(), chunk.times_ms.tolist(), chunk.values) == ([3], [5], [b"v"])
    assert chunk.envelope(0) == (b"k", (("h", None),))


def test_a_version_that_was_not_tried_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "__version__", "3.99.0")
    with capture_logs() as logged:
        assert chosen(consumer())[0].reason == FAST
    assert [(one["event"], one["library"]) for one in logged] == [("fast_path_untried", "kafka-python 3.99.0")]


def test_other_arguments_of_what_is_replaced_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __init__(self, fetch_offset: int, tp: object, records: object) -> None: ...

    monkeypatch.setattr(Fetcher, "PartitionRecords", Other)
    assert chosen(consumer())[0].reason == PUBLIC
