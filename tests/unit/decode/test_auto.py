"""`format: auto`: the first record that is recognised decides, and nothing else is guessed."""

from __future__ import annotations

import json

import pytest

from monitor.decode.decoder import decoder_for
from monitor.events import Partition
from tests.engine import admission_of, pipeline_of, run_to_end
from tests.platform_calls import CALL, Called, Record, dumped
from tests.platform_records import KINDS, batch_of, kserve_binary, settings_for
from tests.unit.test_platform_formats import RecordSource, native_of, outcomes, over_of, ran, reference, source_of

#: what has the same bodies as another format, or no mark of its own, is told as that one, or not at all
TOLD_AS = {"tfserving V1": "kserve", "mlflow wrapped": "kserve"}
NOT_TOLD = {"mlflow whole"}


@pytest.mark.parametrize("kind", sorted({*KINDS} - NOT_TOLD))
def test_the_first_record_tells_the_format(kind: str) -> None:
    name, make = KINDS[kind]
    records = make(CALL)
    tree = settings_for("seldon" if name == "seldon" else "auto", format="auto", **over_of(kind))
    pipeline, outputs = ran(tree, source_of(records))
    assert set(pipeline.decoders.formats.values()) == {TOLD_AS.get(kind, name)}
    assert outputs.letters == []
    assert outcomes(pipeline) == {"accepted": 2}


def native_records(call: Called) -> list[Record]:
    return [Record(dumped(event)) for event in native_of(call)]


def test_native_events_are_told() -> None:
    pipeline, _ = ran(settings_for("auto"), source_of(native_records(CALL)))
    assert pipeline.decoders.formats == {"traffic": "native"}
    assert outcomes(pipeline) == {"accepted": 2}


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_records_before_it_and_of_other_formats_are_rejected_however_they_are_polled(chunk: int) -> None:
    unknown, native = Record(dumped({"hello": 1})), native_records(CALL)
    label = Record(dumped({"id": "r-1001", "label": 1}))
    records = [unknown, label, *kserve_binary(CALL), *native, unknown]
    pipeline, outputs = ran(settings_for("auto"), source_of(records, chunk))
    assert pipeline.decoders.formats == {"traffic": "kserve"}
    assert outcomes(pipeline) == {"accepted": 2, "rejected format": 5}
    assert [letter.offset for letter in outputs.letters] == [0, 1, 4, 5, 6]


def test_a_format_that_was_found_is_kept_by_the_state() -> None:
    tree = settings_for("auto")
    first = source_of(kserve_binary(CALL))
    pipeline, _ = pipeline_of(tree, admission_of(tree, reference()), first)
    pipeline.turn()
    state = pipeline.to_state().state()
    later = RecordSource({Partition("traffic", 0): [*kserve_binary(CALL), *native_records(CALL)]})
    again, _ = pipeline_of(tree, admission_of(tree, reference()), later)
    again.restore(state)
    later.next.update(again.positions())
    run_to_end(again, later)
    assert again.decoders.formats == {"traffic": "kserve"}
    assert outcomes(again) == {"rejected format": 2}


def test_a_batch_that_is_not_cut_is_read_too() -> None:
    """Surveys and times of files take whole batches."""
    decoder = decoder_for(settings_for("auto"), "traffic", lambda _: None)
    events, _ = decoder.survey(batch_of(native_records(CALL)))
    assert len(events) == 2
    (found,) = decoder.features(batch_of(native_records(CALL)), [0])
    assert found is not None
    assert found.features == json.loads(native_records(CALL)[0].value or b"")["features"]
