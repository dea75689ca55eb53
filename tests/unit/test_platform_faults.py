"""What is unusual or wrong in records of platforms: each ends in one outcome that says why."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from monitor.clock import rfc3339
from monitor.count.columns.schema import SchemaCounter
from monitor.decode.columns import Shape
from monitor.decode.decoder import decoder_for
from monitor.events import ModelKey
from monitor.stats.bins.reference_bins import ABSENT, MISSING, QUALITY_COUNTS, TYPE
from monitor.stats.tallies.further import NEW, NEW_FIELDS, SAMPLED, VALUES
from monitor.stats.tallies.tally import Tally
from tests.platform_calls import CALL, NAMES, T0_US, Called, Record, dumped, text
from tests.platform_records import (
    KINDS,
    batch_of,
    binary_tensors,
    ce,
    infer_request,
    kserve_binary,
    seldon,
    settings_for,
)
from tests.platform_tables import databricks_gateway, sagemaker, sagemaker_csv
from tests.protobuf import field, tensor_proto
from tests.unit.test_platform_formats import KEY, outcomes, over_of, ran, read, reference, source_of


def letters(name: str, *records: Record, **over: object) -> tuple[dict[str, int], list[str]]:
    """The outcomes of records, and the messages of their dead letters."""
    pipeline, outputs = read(name, records, **over)
    return outcomes(pipeline), [letter.message for letter in outputs.letters]


def features_of(name: str, record: Record, **over: object) -> Any:  # noqa: ANN401 - features of any kind
    """The features of the first row, as they came."""
    decoder = decoder_for(settings_for(name, **over), record.topic, lambda _: None)
    (found,) = decoder.features(batch_of([record]), [0])
    return None if found is None else found.features


def with_rows(rows: list[dict[str, Any]], scores: list[float] | None = None) -> Called:
    return Called("r-7", T0_US, rows, [0.5] * len(rows) if scores is None else scores)


def facts(total: Tally) -> dict[str, int]:
    """Of the column `income`."""
    of_column = total.counts[1, -len(QUALITY_COUNTS) :].tolist()
    return {name: of_column[at] for name, at in (("missing", MISSING), ("absent", ABSENT), ("type", TYPE))}


ROW = CALL.rows[0]


@pytest.mark.parametrize("kind", ["kserve structured", "databricks legacy", "vertex", "azure"])
def test_null_absent_and_nan_are_told_apart(kind: str) -> None:
    name, make = KINDS[kind]
    rows = [ROW | {"income": None}, {"age": 35, "grade": "A"}, ROW | {"income": float("nan")}, ROW]
    pipeline, _ = read(name, make(with_rows(rows)))
    total = pipeline.totals.events.get(KEY)
    assert total is not None
    assert facts(total) == {"missing": 2, "absent": 1, "type": 0}


def test_a_number_in_a_string_is_of_the_wrong_type() -> None:
    rows = [ROW | {"income": "52000.0"}]
    pipeline, _ = read("kserve", kserve_binary(with_rows(rows)))
    total = pipeline.totals.events.get(KEY)
    assert outcomes(pipeline) == {"accepted": 1}
    assert total is not None
    assert facts(total) == {"missing": 0, "absent": 0, "type": 1}


def test_a_field_that_nobody_knows_changes_nothing() -> None:
    tree = json.loads(databricks_gateway(CALL)[0].value or b"")
    assert letters("databricks", Record(dumped(tree | {"new_column": [1]})), model="credit") == ({"accepted": 2}, [])


def test_a_row_with_another_number_of_values_is_an_event_without_the_features_of_the_reference() -> None:
    request = Record(dumped({"instances": [[35, 52000.0, "A"], [41, 38000.0]]}), ce("request", CALL))
    pipeline, _ = read("kserve", [request, kserve_binary(CALL)[1]])
    assert outcomes(pipeline) == {"accepted": 2}
    total = pipeline.totals.events[KEY]
    assert facts(total) == {"missing": 0, "absent": 1, "type": 0}


def test_the_number_of_its_values_is_a_new_column_that_takes_the_place_of_the_others() -> None:
    row = json.loads(databricks_gateway(with_rows([ROW]))[0].value or b"") | {"request": text({"inputs": [[1, 2]]})}
    tree = settings_for("databricks", model="credit")
    decoder = decoder_for(tree, "traffic", lambda _: Shape((), "1", names=()))
    (found,) = decoder.features(batch_of([Record(dumped(row))]), [0])
    assert found is not None
    features = found.features
    assert features == {"row of 2 values": [1, 2]}
    counts = SchemaCounter(reference()).of(features)
    assert counts[NEW_FIELDS] == counts[NEW + "row of 2 values"] == counts[SAMPLED] == 1
    assert [counts[f"{VALUES}{at}:row of 2 values"].sum() for at in range(3)] == [1, 1, 1], "all of them are gone"


def test_where_no_reference_is_known_it_is_rejected() -> None:
    row = json.loads(databricks_gateway(CALL)[0].value or b"") | {"request": text({"inputs": [[1, 2], [1, 2, 3]]})}
    decoder = decoder_for(settings_for("databricks", model="credit"), "traffic", lambda _: None)
    (rejected,) = decoder.decode(batch_of([Record(dumped(row))])).rejected
    assert (rejected.reason, rejected.indices) == ("arity", (0,))
    assert rejected.message == "a row has 2 values, 3 feature names are known"


def test_a_frame_whose_rows_are_not_as_long_as_its_own_columns_is_rejected() -> None:
    frame = {"dataframe_split": {"columns": list(NAMES), "data": [[1, 2], [1, 2, "A"]]}}
    row = json.loads(databricks_gateway(CALL)[0].value or b"") | {"request": text(frame)}
    assert letters("databricks", Record(dumped(row)), model="credit")[0] == {"accepted": 1, "rejected arity": 1}


def test_rows_without_names_need_them_in_the_settings_or_the_reference() -> None:
    found, messages = letters("kserve", *kserve_binary(CALL), feature_names=None)
    assert found == {"rejected arity": 2}
    assert messages == [
        "a row has 3 values without names, and no reference has them; give them in inputs[].feature_names"
    ]


@pytest.mark.parametrize("kind", ["kserve binary", "kserve CSV", "sagemaker CSV"])
def test_names_of_the_reference_are_as_good_as_those_of_the_settings(kind: str) -> None:
    name, make = KINDS[kind]
    with_settings, _ = read(name, make(CALL), **over_of(kind))
    by_reference, _ = ran(settings_for(name, **over_of(kind), feature_names=None), source_of(make(CALL)), tuple(NAMES))
    for pipeline in (with_settings, by_reference):
        assert outcomes(pipeline) == {"accepted": 2}
    (one,), (other,) = (pipeline.totals.events.values() for pipeline in (with_settings, by_reference))
    assert one.counts.tolist() == other.counts.tolist()
    assert one.counts.sum()


def test_names_of_the_settings_win_over_those_of_the_reference() -> None:
    turned = ("income", "age", "grade")
    pipeline, _ = ran(settings_for("kserve"), source_of(kserve_binary(CALL)), turned)
    expected, _ = read("kserve", kserve_binary(CALL))
    assert pipeline.totals.events[KEY].counts.tolist() == expected.totals.events[KEY].counts.tolist()


def test_names_of_the_settings_are_those_of_a_single_tensor_and_without_them_it_is_a_vector() -> None:
    body = {"inputs": [{"name": "x", "shape": [2, 3], "datatype": "FP64", "data": [1, 2, 3, 4, 5, 6]}]}
    record = Record(dumped({"request": body}))
    assert features_of("mlflow", record) is None, "its events come from pairs"
    for names, expected in ((list(NAMES), {"age": 1, "income": 2, "grade": 3}), (None, {"x": [1, 2, 3]})):
        row = json.loads(databricks_gateway(CALL)[0].value or b"") | {"request": text(body)}
        assert features_of("databricks", Record(dumped(row)), feature_names=names) == expected


def test_more_answers_than_rows_are_rejected() -> None:
    found, messages = letters("kserve", *kserve_binary(CALL._replace(scores=[0.1, 0.2, 0.3])))
    assert found == {"rejected arity": 1}
    assert messages == ["the request has 2 rows and the response 3 answers"]


def test_unicode_and_a_very_long_category_are_values() -> None:
    rows = [ROW | {"grade": "Ä𝄞" * 50_000}, ROW | {"grade": "等级"}]
    assert letters("kserve", *kserve_binary(with_rows(rows)))[0] == {"accepted": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_of_ten_megabytes_is_too_large(kind: str) -> None:
    name, make = KINDS[kind]
    record = make(CALL)[0]
    found, messages = letters(name, record._replace(value=(record.value or b"") + b" " * 10_000_000), **over_of(kind))
    assert found == {"rejected too_large": 1}
    assert messages == ["the value is larger than limits.record_bytes (1,048,576)"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tombstone_is_ignored(kind: str) -> None:
    name, make = KINDS[kind]
    assert letters(name, make(CALL)[0]._replace(value=None)) == ({"ignored tombstone": 1}, [])


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("sagemaker", sagemaker(CALL, "MzU*", "MC44MQ==", "BASE64", "text/csv")),
        ("oip", Record(dumped({"id": "1", "modelid": "credit", "kind": "request", "data": "*"}))),
        (
            "kserve",
            Record(
                dumped(
                    {
                        "specversion": "1.0",
                        "type": "org.kubeflow.serving.inference.request",
                        "id": "1",
                        "data_base64": "*",
                    }
                )
            ),
        ),
    ],
)
def test_bad_base64_is_rejected(name: str, record: Record) -> None:
    assert letters(name, record) == ({"rejected base64": 1}, ["the captured body is not valid base64"])


@pytest.mark.parametrize("cut", [1, 5, 20, 40])
def test_protobuf_that_is_cut_off_is_rejected(cut: int) -> None:
    whole = seldon(CALL)[0]
    found, messages = letters("seldon", whole._replace(value=(whole.value or b"")[:-cut]))
    assert list(found) in (["rejected protobuf"], ["rejected body"])
    assert len(messages) == 1


def test_seldon_behind_a_schema_registry_is_read() -> None:
    request, response = seldon(CALL)
    framed = [one._replace(value=b"\0\0\0\0\7\0" + (one.value or b"")) for one in (request, response)]
    assert letters("seldon", *framed) == ({"accepted": 2}, [])


def test_binary_tensors_are_read_without_the_length_of_their_json() -> None:
    value, _ = binary_tensors(CALL)
    found, messages = letters(
        "kserve", Record(value, ce("request", CALL, **{"content-type": "application/octet-stream"}))
    )
    assert (found, messages) == ({"accepted": 2}, [])


def test_binary_tensors_that_are_cut_off_are_rejected() -> None:
    value, _ = binary_tensors(CALL)
    record = Record(value[:-3], ce("request", CALL, **{"content-type": "application/octet-stream"}))
    assert letters("kserve", record)[0] == {"rejected body": 1}


def test_a_clock_an_hour_ahead_is_in_the_future() -> None:
    ahead = CALL._replace(ts_us=T0_US + 3_600_000_000 + 700_000_000)
    assert letters("kserve", *kserve_binary(ahead))[0] == {"rejected future": 4}, "each side counts for its two rows"
    many = with_rows([ROW] * 7)._replace(ts_us=ahead.ts_us)
    request, response = kserve_binary(many)
    assert letters("kserve", request)[0] == letters("kserve", response)[0] == {"rejected future": 7}
    (whole,) = databricks_gateway(many)
    assert letters("databricks", whole, model="credit")[0] == {"rejected future": 7}, "as of a call that comes whole"


def error_response() -> list[Record]:
    return [kserve_binary(CALL)[0], Record(dumped({"error": "no"}), ce("response", CALL))]


def databricks_failed() -> list[Record]:
    tree = json.loads(databricks_gateway(CALL)[0].value or b"")
    return [
        Record(dumped(tree | {"status_code": 500, "response": text({"error_code": "X"}), "served_entity_id": "12"}))
    ]


def too_large_response() -> list[Record]:
    tree = json.loads(databricks_gateway(CALL)[0].value or b"")
    return [Record(dumped(tree | {"response": None, "logging_error_codes": ["MAX_RESPONSE_SIZE_EXCEEDED"]}))]


@pytest.mark.parametrize(
    ("name", "make"),
    [("kserve", error_response), ("databricks", databricks_failed), ("databricks", too_large_response)],
)
def test_rows_without_an_answer_count_for_features_only(name: str, make: Callable[[], list[Record]]) -> None:
    pipeline, outputs = read(name, make(), model="credit")
    total = pipeline.totals.events.get(KEY)
    assert outputs.letters == []
    assert outcomes(pipeline) == {"accepted": 2}
    assert total is not None
    assert total.predictions == 0
    assert total.events == 2


def test_an_answer_without_its_request_counts_for_the_score_only() -> None:
    pipeline, _ = read("kserve", kserve_binary(CALL)[1:])
    total = pipeline.totals.events.get(KEY)
    assert total is not None
    assert (total.predictions, total.events) == (2, 2)
    assert pipeline.pairing.waiting.given_up == {("traffic", "response"): 1}


def test_sides_too_far_apart_in_time_are_no_call() -> None:
    request, _ = kserve_binary(CALL)
    _, response = kserve_binary(CALL._replace(ts_us=T0_US + 61_000_000))
    pipeline, _ = read("kserve", [request, response])
    assert outcomes(pipeline) == {"accepted": 4}
    assert sum(pipeline.pairing.waiting.given_up.values()) == 2


FOREIGN = [
    ("kserve", Record(dumped({"captureData": {}}))),
    ("oip", Record(dumped({"instances": [[1]]}))),
    ("seldon", Record(dumped({"x": 1}), topic="seldon.prod.model.credit.inputs")),
    ("tfserving", Record(dumped({"hello": 1}))),
    ("mlflow", Record(dumped([1]))),
    ("databricks", Record(dumped({"instances": [[1]]}))),
    ("sagemaker", Record(dumped({"databricks_request_id": "1"}))),
    ("vertex", Record(dumped({"captureData": {}}))),
    ("azure", Record(dumped({"instances": [[1]]}))),
]


@pytest.mark.parametrize(("name", "record"), FOREIGN)
def test_a_record_of_another_format_is_rejected_as_such(name: str, record: Record) -> None:
    found, messages = letters(name, record)
    assert list(found) in (["rejected format"], ["rejected body"])
    assert len(messages) == 1


LEFT_ASIDE = [
    ("kserve", Record(dumped({}), ce("request", CALL, ce_type="io.example.other"))),
    ("kserve", Record(dumped({}), ce("request", CALL, ce_component="explainer"))),
    ("kserve", Record(dumped({"messages": [{"role": "user", "content": "x"}]}), ce("request", CALL))),
    ("azure", Record(dumped({"specversion": "1.0", "type": "azureml.inference.notes", "data": []}))),
    (
        "azure",
        Record(dumped({"specversion": "1.0", "type": "azureml.inference.request", "datainblob": "true", "data": "u"})),
    ),
    ("mlflow", Record(dumped({"messages": []}), ce("request", CALL))),
]


@pytest.mark.parametrize(("name", "record"), LEFT_ASIDE)
def test_a_record_of_a_kind_without_rows_is_left_aside(name: str, record: Record) -> None:
    assert letters(name, record) == ({"ignored kind": 1}, [])


LABELS = [
    ("kserve", {"id": "r-1001", "row": 1, "label": 1}),
    ("kserve", {"inference_id": "r-1001#1", "label": True, "label_time": rfc3339(T0_US)}),
    ("azure", {"correlation_id": "r-1001_1", "label": "x"}),
    ("databricks", {"client_request_id": "r-1001", "row": 1, "label": 0}),
    ("sagemaker", {"groundTruthData": {"data": "0\n1", "encoding": "CSV"}, "eventMetadata": {"eventId": "r-1001"}}),
]


@pytest.mark.parametrize(("name", "label"), LABELS)
def test_labels_carry_the_id_of_the_event_of_their_row(name: str, label: dict[str, Any]) -> None:
    tree = settings_for(name, model="credit", version="12")
    decoder = decoder_for(tree, "traffic", lambda _: None)
    labels = decoder.decode(batch_of([Record(dumped(label))]))
    native = decoder_for(settings_for("native", model="credit", version="12"), "traffic", lambda _: None)
    events = [{"type": "label", "id": f"r-1001#{row}", "label": 1} for row in (0, 1)]
    expected = native.decode(batch_of([Record(dumped(event)) for event in events]))
    assert labels.id_key.tolist()[-1] == expected.id_key.tolist()[1]
    assert labels.rejected == []


def test_a_label_may_come_before_its_prediction_twice_and_be_taken_back() -> None:
    label = {"id": "r-1001", "model": "credit", "version": "12"}
    labels = [Record(dumped(label | {"label": value})) for value in (1, 0, None)]
    pipeline, outputs = read("kserve", [labels[0], *kserve_binary(CALL), *labels])
    assert outputs.letters == []
    assert outcomes(pipeline) == {"accepted": 2 + 4}


def test_ground_truth_in_a_captured_line_waits_for_nobody() -> None:
    line = json.loads(sagemaker_csv(CALL)[0].value or b"")
    record = Record(
        dumped(line | {"groundTruthData": {"data": "1\n0", "encoding": "CSV"}}), sagemaker_csv(CALL)[0].headers
    )
    pipeline, _ = read("sagemaker", [record])
    assert outcomes(pipeline) == {"accepted": 2}
    assert pipeline.totals.labels.of(KEY).total == 2


def test_headers_copied_from_http_are_read() -> None:
    headers = ce("request", CALL, ce_annotations="%7B%22modelVersion%22%3A%2212%22%7D")
    dashed = {name.replace("ce_", "ce-", 1): value for name, value in headers.items()}
    for one in (headers, dashed):
        pipeline, _ = read("kserve", [Record(dumped({"instances": [[35, 1.0, "A"]]}), one)])
        assert pipeline.totals.events.get(ModelKey("credit", "12")) is not None


def test_a_short_list_in_a_tensor_repeats_its_last_value() -> None:
    age = tensor_proto(9, 2, field(10, bytes([35])))
    spec = field(1, "credit") + field(2, field(1, 12))
    request = field(1, spec) + field(2, field(1, "age") + field(2, age))
    pipeline, _ = read("tfserving", [Record(field(6, field(1, request)))])
    total = pipeline.totals.events.get(KEY)
    assert outcomes(pipeline) == {"accepted": 2}
    assert total is not None
    assert total.counts[0].max() == 2


def test_a_base64_wrapped_request_of_modelmesh_is_the_same_message() -> None:
    data = base64.b64encode(infer_request(CALL, raw=True)).decode()
    record = Record(dumped({"id": "r-1", "modelid": "credit", "kind": "request", "data": data, "metadata": {}}))
    assert letters("oip", record) == ({"accepted": 2}, [])
