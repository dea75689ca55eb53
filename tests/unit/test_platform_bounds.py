"""Records of platforms of which a few bytes stand for more than is made of them, and whose ids are none."""

from __future__ import annotations

import base64
import json
import struct
import tracemalloc
from contextlib import suppress

import pytest

from monitor.decode.columns import Limits, Rules
from monitor.decode.encodings.encoding import RecordInfo
from monitor.decode.formats.call import Call
from monitor.decode.formats.tensors import MOST_REPEATED
from monitor.decode.platform import READERS, PlatformLayout, received
from monitor.errors import RejectedRecord
from tests.platform_calls import CALL, T0_US, Record, dumped, text
from tests.platform_records import batch_of, ce
from tests.protobuf import field, tensor_proto
from tests.unit.test_platform_faults import ROW, letters


def test_a_length_header_of_thousands_of_digits_is_rejected() -> None:
    metadata = text({"Inference-Header-Content-Length": "9" * 5_000})
    headers = ce("response", CALL, **{"content-type": "application/octet-stream", "ce_metadata": metadata})
    found, messages = letters("kserve", Record(b'{"predictions": [1]}', headers))
    assert found == {"rejected body": 1}
    assert messages == ["Inference-Header-Content-Length has more than 9 digits"]


def v2(*tensors: tuple[list[int], list[float]]) -> bytes:
    listed = [
        {"name": f"x{at}", "datatype": "FP32", "shape": shape, "data": data} for at, (shape, data) in enumerate(tensors)
    ]
    return dumped({"id": "r-1", "model_name": "credit", "inputs": listed})


def predict_log(*tensors: bytes) -> bytes:
    inputs = b"".join(field(2, field(1, f"x{at}") + field(2, tensor)) for at, tensor in enumerate(tensors))
    return field(6, field(1, field(1, field(1, "credit")) + inputs))


def fp32(n: int) -> bytes:
    """A tensor whose one value is that of n rows."""
    return tensor_proto(1, n, field(5, struct.pack("<f", 1.0)))


def infer(*shapes: list[int]) -> bytes:
    empty = (
        field(5, field(1, f"x{at}") + field(2, "FP32") + b"".join(field(3, size) for size in shape))
        for at, shape in enumerate(shapes)
    )
    return dumped(
        {"id": "r", "modelid": "credit", "kind": "request", "data": base64.b64encode(b"".join(empty)).decode()}
    )


def classify_log(context: int, examples: int) -> bytes:
    """Examples without features of their own, with a context of so many."""
    features = b"".join(field(1, field(1, f"c{at}") + field(2, b"")) for at in range(context))
    listed = field(2, field(1, features)) + field(1, b"") * examples
    return field(2, field(1, field(1, field(1, "credit")) + field(2, field(2, listed))))


COLUMNS = dumped({"inputs": {"a": [1] * 9_000} | {f"c{at}": 1 for at in range(200)}})
#: values of a record that stand for more than are written
SMALL = {
    "mlflow columns": ("mlflow", COLUMNS, "body"),
    "mlflow rows": ("mlflow", dumped({"inputs": {"a": [1] * 10_001, "b": 1}}), "too_many_events"),
    "oip no elements": ("oip", v2(([10_001, 0], [])), "too_many_events"),
    "oip many without elements": ("oip", v2(*[([9_000, 0], [])] * 200), "body"),
    "oip one row for all": ("oip", v2(([9_000], [1.0] * 9_000), *[([1], [1.0])] * 200), "body"),
    "oip sizes": ("oip", v2(([50_000_000] * 65 + [0], [])), "body"),
    "modelmesh no elements": ("oip", infer([10_001, 0]), "too_many_events"),
    "modelmesh many without elements": ("oip", infer(*[[9_000, 0]] * 200), "body"),
    "tfserving one value": ("tfserving", predict_log(fp32(10_001)), "too_many_events"),
    "tfserving many of one value": ("tfserving", predict_log(*[fp32(9_000)] * 200), "body"),
    "tfserving context": ("tfserving", classify_log(200, 9_000), "body"),
    "tfserving examples": ("tfserving", classify_log(1, 10_001), "too_many_events"),
}


@pytest.mark.parametrize("kind", SMALL)
def test_what_a_few_bytes_would_make_too_much_of_is_refused_before_it_is_made(kind: str) -> None:
    name, value, reason = SMALL[kind]
    parsed: object = json.loads(value) if value[:1] == b"{" else value
    record = Record(value)
    batch = batch_of([record])
    tracemalloc.start()
    try:
        with pytest.raises(RejectedRecord) as caught:
            READERS[name](received(parsed, RecordInfo(batch, 0, T0_US)), Limits(1 << 20, 10_000, 1_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.reason == reason
    assert peak < 4_000_000
    assert ("10,000" if reason == "too_many_events" else "") in caught.value.message
    assert letters(name, record, model="credit")[0] == {f"rejected {reason}": 1}


def test_values_that_are_those_of_every_row_may_still_be_many() -> None:
    columns = MOST_REPEATED // 9_000
    body = {"inputs": {"a": [1] * 9_000} | {f"c{at}": 1 for at in range(columns)}}
    parsed = READERS["mlflow"](
        received(body, RecordInfo(batch_of([Record(b"{}")]), 0, T0_US)), Limits(1 << 20, 10_000, 1_000)
    )
    assert isinstance(parsed, Call)
    assert parsed.rows is not None
    assert (len(parsed.rows), len(parsed.rows[0])) == (9_000, columns + 1)


def ids_of(name: str, *records: Record) -> list[tuple[str, str]]:
    """Ids of the calls, or of their sides, and what pairs these."""
    found = []
    batch = batch_of(records)
    for at, record in enumerate(records):
        info = RecordInfo(batch, at, T0_US)
        read_as = READERS[name](received(json.loads(record.value or b""), info), Limits(1 << 20, 10_000, 1_000))
        assert isinstance(read_as, Call)
        found.append((read_as.id, read_as.pair))
    return found


@pytest.mark.parametrize("name", ["mlflow", "tfserving"])
def test_calls_without_an_id_on_a_topic_keyed_by_model_are_no_duplicates(name: str) -> None:
    whole = {"request": {"inputs": [ROW]}, "response": {"predictions": [0.5]}}
    records = [Record(dumped(body), {}, b"credit") for body in (whole, {"inputs": [ROW]}, {"predictions": [0.5]}) * 2]
    assert ids_of(name, *records) == [("", "")] * 6
    found, _ = letters(name, *records[::3], model="credit", version="12")
    assert found == {"accepted": 2}
    headers = {"x-request-id": "r-7"}
    assert ids_of(name, Record(dumped(whole), headers, b"credit")) == [("r-7", "")]


def test_a_body_of_v2_has_its_own_id_whatever_its_key_is_but_for_mlserver() -> None:
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}]}
    own = [Record(dumped(body | {"id": f"r-{at}"}), {}, b"credit") for at in range(2)]
    assert ids_of("oip", *own) == [("r-0", "r-0"), ("r-1", "r-1")]
    assert ids_of("oip", Record(dumped(body), {}, b"k")) == [("k", "k")]
    by_server = Record(dumped(body | {"id": "r-0"}), {"mlserver-model": "credit"}, b"k")
    assert ids_of("oip", by_server) == [("k", "k")], "MLServer's response has the key as its id"


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({"request": {"instances": [1] * 100_000}}, "too_many_events"),
        ({"response": {"predictions": [1] * 100_000}}, "too_many_events"),
        ({"id": "x" * 100_000, "request": {"instances": [[1]] * 1_000}}, "id"),
    ],
)
def test_events_of_many_rows_or_a_long_id_are_bounded(tree: object, reason: str) -> None:
    layout = PlatformLayout("mlflow", Rules(Limits(1 << 20, 10_000, 1_000), 0), ["age"], lambda _: None, lambda _: True)
    call = layout.read(tree, RecordInfo(batch_of([Record(b"{}")]), 0, T0_US))
    assert isinstance(call, Call)
    tracemalloc.start()
    try:
        with suppress(RejectedRecord):
            layout.events_of(call)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
    found, _ = letters("mlflow", Record(dumped(tree)), model="credit", version="12", feature_names=["age"])
    assert list(found) == [f"rejected {reason}"]
