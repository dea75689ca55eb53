"""What every format of a platform has to stand: the same facts in all of them, one test a fact."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import pytest

from monitor.clock import rfc3339
from monitor.decode.platform import READERS
from monitor.stats.bins.reference_bins import ABSENT, MISSING, QUALITY_COUNTS, TYPE
from monitor.stats.tallies.tally import Tally
from tests.platform_calls import CALL, T0_US, Called, Record, dumped, text
from tests.platform_records import (
    KINDS,
    ce,
    infer_request,
    infer_response,
    kserve_binary,
    mlflow_whole,
    mlserver,
    prediction_log,
    seldon,
)
from tests.platform_tables import azure, databricks_gateway, sagemaker, sagemaker_csv, vertex
from tests.protobuf import field, tensor_proto
from tests.unit.test_platform_formats import KEY, outcomes, over_of, read

ROW: Final = CALL.rows[0]
#: kinds whose rows are objects, so that a value may be of any type, and absent
OBJECTS: Final = ("kserve structured", "kserve blob logger", "databricks legacy", "vertex", "azure")
#: kinds whose rows are lists of JSON
LISTS: Final = ("kserve binary", "mlflow whole", "databricks gateway", "sagemaker JSON", "vertex export")
#: kinds whose records are objects of JSON
JSON: Final = [
    kind
    for kind, (_, make) in KINDS.items()
    if (make(CALL)[0].value or b"")[:1] == b"{" and not kind.endswith(("Connect", "binary tensors"))
]
#: kinds whose records say no time: it is Kafka's
WITHOUT_TIME: Final = ("mlserver", "modelmesh", "seldon")


def of(kind: str, *rows: dict[str, Any]) -> list[Record]:
    """The records of a call with such rows."""
    return KINDS[kind][1](Called("r-7", T0_US, list(rows), [0.5] * len(rows)))


def total_of(kind: str, records: list[Record]) -> Tally:
    pipeline, outputs = read(KINDS[kind][0], records, **over_of(kind))
    assert outputs.letters == []
    return pipeline.totals.events[KEY]


def facts(total: Tally, column: int = 1) -> dict[str, int]:
    """Of `income`, or of the column at another place of age, income and grade."""
    counts = total.counts[column, -len(QUALITY_COUNTS) :].tolist()
    found = {"missing": counts[MISSING], "absent": counts[ABSENT], "type": counts[TYPE]}
    return {name: count for name, count in found.items() if count}


def changed(record: Record, **more: object) -> Record:
    return record._replace(value=dumped(json.loads(record.value or b"") | more))


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_number_in_a_string_is_of_the_wrong_type(kind: str) -> None:
    assert facts(total_of(kind, of(kind, ROW, ROW | {"income": "52000.0"}))) == {"type": 1}


@pytest.mark.parametrize("kind", LISTS)
def test_it_is_so_in_a_list_and_null_and_nan_are_missing(kind: str) -> None:
    rows = [ROW | {"income": value} for value in ("52000.0", None, float("nan"), 1.5)]
    assert facts(total_of(kind, of(kind, *rows))) == {"type": 1, "missing": 2}


@pytest.mark.parametrize("kind", ["kserve CSV", "sagemaker CSV", "sagemaker base64", "sagemaker batch transform"])
def test_in_csv_numbers_are_text_and_what_is_empty_or_nan_is_missing(kind: str) -> None:
    rows = [ROW | {"income": value} for value in ("52000.0", "", "NaN", "much")]
    assert facts(total_of(kind, of(kind, *rows))) == {"type": 1, "missing": 2}


@pytest.mark.parametrize(
    "kind", ["mlserver", "kserve V2", "kserve binary tensors", "seldon", "modelmesh", "prediction log"]
)
def test_nan_in_a_tensor_is_missing(kind: str) -> None:
    assert facts(total_of(kind, of(kind, ROW | {"income": float("nan")}, ROW))) == {"missing": 1}


@pytest.mark.parametrize("kind", ["mlserver", "kserve V2"])
def test_null_in_a_tensor_of_json_is_missing(kind: str) -> None:
    assert facts(total_of(kind, of(kind, ROW | {"income": None}, ROW))) == {"missing": 1}


def without_income(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"inputs": [one for one in body["inputs"] if one["name"] != "income"]}


def test_a_tensor_that_is_not_there_is_an_absent_column() -> None:
    request, response = mlserver(CALL)
    request = request._replace(value=dumped(without_income(json.loads(request.value or b""))))
    assert facts(total_of("mlserver", [request, response])) == {"absent": 2}
    spec = field(1, field(1, "credit") + field(2, field(1, 12)))
    age = field(2, field(1, "age") + field(2, tensor_proto(9, 1, field(10, bytes([35])))))
    assert facts(total_of("prediction log", [Record(field(6, field(1, spec + age)))])) == {"absent": 1}


@pytest.mark.parametrize("kind", JSON)
def test_a_field_that_nobody_knows_changes_nothing(kind: str) -> None:
    records = KINDS[kind][1](CALL)
    plain, more = (total_of(kind, some) for some in (records, [changed(one, new_field=[1]) for one in records]))
    assert more.counts.tolist() == plain.counts.tolist()
    assert more.events == plain.events == 2


@pytest.mark.parametrize("kind", KINDS)
def test_unicode_and_a_very_long_category_are_values(kind: str) -> None:
    total = total_of(kind, of(kind, ROW | {"grade": "Ä𝄞" * 10_000}, ROW | {"grade": "等级"}))
    assert (total.events, facts(total, 2)) == (2, {})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITHOUT_TIME])
def test_a_clock_an_hour_ahead_is_in_the_future(kind: str) -> None:
    name, make = KINDS[kind]
    ahead = make(CALL._replace(ts_us=T0_US + 3_600_000_000 + 700_000_000))
    pipeline, _ = read(name, ahead, **over_of(kind))
    assert list(outcomes(pipeline)) == ["rejected future"]


SHORT: Final[dict[str, tuple[str, list[Record]]]] = {
    "kserve": ("kserve", [Record(dumped({"instances": [[1, 2]]}), ce("request", CALL)), kserve_binary(CALL)[1]]),
    "mlflow": ("mlflow", [changed(mlflow_whole(CALL)[0], request={"inputs": [[1, 2]]}, response=None)]),
    "databricks": ("databricks", [changed(databricks_gateway(CALL)[0], request=text({"instances": [[1, 2]]}))]),
    "sagemaker": ("sagemaker", [sagemaker(CALL, "35,52000.0\n", "0.5", "CSV", "text/csv")]),
    "vertex": ("vertex", [changed(vertex(CALL)[0], request_payload=["[35, 52000.0]"])]),
    "oip": ("oip", [Record(dumped({"id": "1", "model_name": "credit", "model_version": "12", "inputs": [
        {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]}))]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHORT)
def test_a_row_of_another_number_of_values_is_never_named_by_guess(name: str) -> None:
    form, records = SHORT[name]
    pipeline, _ = read(form, records, model="credit", version="12")
    found = outcomes(pipeline)
    assert set(found) <= {"accepted", "rejected arity"}
    total = pipeline.totals.events.get(KEY)
    if total is not None:
        counts = [facts(total, column).get("absent", 0) for column in range(3)]
        assert counts == [total.events] * 3 or "rejected arity" in found


UNEVEN: Final = [
    (
        "oip",
        {"inputs": [{"name": n, "shape": [s], "datatype": "INT64", "data": [1] * s} for n, s in (("a", 2), ("b", 3))]},
    ),
    ("mlflow", {"inputs": {"a": [1, 2], "b": [1, 2, 3]}}),
]


@pytest.mark.parametrize(("name", "body"), UNEVEN)
def test_columns_of_different_lengths_are_no_rows(name: str, body: dict[str, Any]) -> None:
    pipeline, outputs = read(name, [Record(dumped({"id": "1"} | body))], model="credit")
    assert list(outcomes(pipeline)) in (["rejected body"], ["rejected arity"])
    assert len(outputs.letters) == 1


def test_tensors_of_different_lengths_are_no_rows() -> None:
    shapes = [field(5, field(1, name) + field(2, "INT64") + field(3, n)) for name, n in (("a", 2), ("b", 3))]
    contents = [field(7, bytes(8 * n)) for n in (2, 3)]
    value = field(1, "credit") + field(2, "12") + field(3, "42") + b"".join(shapes + contents)
    tensors = [field(2, field(1, f"x{n}") + field(2, tensor_proto(9, n, field(10, bytes([1] * n))))) for n in (2, 3)]
    log = field(6, field(1, field(1, field(1, "credit")) + b"".join(tensors)))
    for name, record in (("seldon", seldon(CALL)[0]._replace(value=value)), ("tfserving", Record(log))):
        pipeline, outputs = read(name, [record])
        assert list(outcomes(pipeline)) in (["rejected body"], ["rejected arity"]), name
        assert len(outputs.letters) == 1


def without_response() -> dict[str, list[Record]]:
    line = json.loads(sagemaker_csv(CALL)[0].value or b"")
    del line["captureData"]["endpointOutput"]
    spec = field(1, field(1, "credit") + field(2, field(1, 12)))
    ages = field(2, field(1, "age") + field(2, tensor_proto(9, 2, field(10, bytes([35, 41])))))
    return {
        "mlflow": [changed(mlflow_whole(CALL)[0], response=None)],
        "sagemaker": [sagemaker_csv(CALL)[0]._replace(value=dumped(line))],
        "vertex": [changed(vertex(CALL)[0], response_payload=[])],
        "tfserving": [Record(field(6, field(1, spec + ages)))],
        "azure": azure(CALL)[:1],
        "oip": mlserver(CALL)[:1],
        "seldon": seldon(CALL)[:1],
        "kserve": kserve_binary(CALL)[:1],
        "databricks": [changed(databricks_gateway(CALL)[0], response=None)],
    }


@pytest.mark.parametrize("name", READERS)
def test_rows_without_an_answer_count_for_their_features(name: str) -> None:
    over = {"model": "credit"} if name == "databricks" else {}
    pipeline, outputs = read(name, without_response()[name], **over)
    total = pipeline.totals.events[KEY]
    assert outputs.letters == []
    assert (outcomes(pipeline), total.events, total.predictions) == ({"accepted": 2}, 2, 0)


MESSAGES: Final = [
    ("tfserving", prediction_log(CALL)[0].value or b""),
    ("oip", infer_request(CALL, raw=True)),
    ("oip", infer_response(CALL, raw=False)),
]


@pytest.mark.parametrize("cut", [1, 5, 20, 40])
@pytest.mark.parametrize(("name", "whole"), MESSAGES)
def test_protobuf_that_is_cut_off_is_rejected(name: str, whole: bytes, cut: int) -> None:
    value = whole[:-cut]
    if name == "oip":
        data = base64.b64encode(value).decode()
        kind = "request" if whole is MESSAGES[1][1] else "response"
        value = dumped({"id": "1", "modelid": "credit", "kind": kind, "data": data})
    pipeline, outputs = read(name, [Record(value)])
    assert list(outcomes(pipeline)) in (["rejected protobuf"], ["rejected body"])
    assert len(outputs.letters) == 1


def test_azure_has_two_modes_of_envelope() -> None:
    structured = azure(CALL)
    binary = []
    for one in structured:
        event = json.loads(one.value or b"")
        headers = {f"ce_{name}": value for name, value in event.items() if isinstance(value, str)}
        binary.append(Record(dumped(event["data"]), headers | {"content-type": "application/json"}))
    first, second = (total_of("azure", records) for records in (structured, binary))
    assert first.counts.tolist() == second.counts.tolist()


@pytest.mark.parametrize("name", READERS)
def test_a_label_may_come_before_its_prediction_twice_and_be_taken_back(name: str) -> None:
    kind = "tfserving V1" if name == "tfserving" else next(one for one, (form, _) in KINDS.items() if form == name)
    label = {"id": "r-1001", "model": "credit", "version": "12", "ts": rfc3339(T0_US)}
    records = KINDS[kind][1](CALL)
    labels = [Record(dumped(label | {"label": value, "row": 1}), topic=records[0].topic) for value in (1, 0, None)]
    pipeline, outputs = read(name, [labels[0], *records, *labels], **over_of(kind))
    assert outputs.letters == []
    assert outcomes(pipeline) == {"accepted": 2 + 4}
    assert pipeline.totals.labels.of(KEY).total == 4
