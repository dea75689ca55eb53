"""A rejection names what is wrong and what would be right, and quotes no value of the payload."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.unit.decode.test_native import as_bytes, decode, event

ANSWER = "an-answer-of-the-payload"
PLAIN = event(prediction=ANSWER)
TEXT = json.dumps(PLAIN)


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [
        (b"\0\0\0\0\x07" + TEXT.encode(), "wrapped", ["five bytes", "schema registry", "inputs[].encoding"]),
        (b"\0\0\0\x01\xc8" + TEXT.encode(), "wrapped", ["five bytes", "schema registry"]),
        (b"\0\0\0\0\x07\x02\x06abc", "wrapped", ["schema registry", "Avro"]),
        (json.dumps(TEXT).encode(), "wrapped", ["inside a JSON string"]),
        ({"schema": {}, "payload": PLAIN}, "wrapped", ["Kafka Connect", "`payload`"]),
        ({"specversion": "1.0", "type": "a.b", "data": PLAIN}, "wrapped", ["CloudEvent", "`data`"]),
        ({"meta": 1, "body": PLAIN}, "wrapped", ["`body`"]),
        ({"meta": 1, "body": TEXT}, "wrapped", ["`body`", "inside a JSON string"]),
        ({"records": [PLAIN]}, "wrapped", ["`records`"]),
        (base64.b64encode(TEXT.encode()), "wrapped", ["base64"]),
        (json.dumps(base64.b64encode(TEXT.encode()).decode()).encode(), "wrapped", ["base64"]),
        (b"\x1f\x8b\x08\0\0", "wrapped", ["gzip"]),
        (TEXT.encode("utf-16"), "encoding", ["UTF-16", "FF FE"]),
        (TEXT.encode("utf-16-be"), "encoding", ["UTF-16"]),
        (TEXT.encode("utf-16-le"), "encoding", ["UTF-16"]),
        ("{", "json", ["pretty-printed", "one JSON value a line"]),
        (f' "prediction": "{ANSWER}",', "json", ["pretty-printed", "one JSON value a line"]),
        (" },", "json", ["pretty-printed"]),
        (str(PLAIN), "json", ["Python dict", "json.dumps"]),
        (TEXT[:-5], "json", ["cut off"]),
        (TEXT + TEXT, "json", ["several JSON values"]),
        (event(ts="2026-09-21T14:13:20"), "no_offset", ["no offset", "write", "inputs[].timezone"]),
        (event(ts="2026-09-21"), "ts", ["a date without a time"]),
        (event(ts="1764000000000"), "ts", ["number in quotes"]),
        (event(ts=[2026, 9, 21]), "ts", ["a list", "WRITE_DATES_AS_TIMESTAMPS"]),
        (event(features=[1, 2]), "features", ["`features` is a list", "names", "{name: value}"]),
        (event(features=json.dumps({"a": ANSWER})), "features", ["inside a JSON string"]),
        (event(prediction=[ANSWER]), "prediction", ["`prediction` is a list", "`scores`"]),
        (event(score=[0.1, 0.9]), "score", ["`score` is a list", "probability"]),
        (event(score=83.5), "score", ["above 1", "0 to 1"]),
        (event(score="0,835"), "score", ["decimal comma", "write a point"]),
        (event(score=-1), "score", ["below 0"]),
        (event(scores={"1": 2}), "score", ["`scores`", "above 1"]),
        (event(id=[ANSWER]), "id", ["`id` is a list"]),
        (event(model=7), "model", ["`model` is a number", "inputs[].model"]),
        (event(model=...), "model", ["`model` is missing", "inputs[].model"]),
        (event(type="label", outcomes={}), "label", ["`outcomes` is empty", "write a label or an outcome"]),
        (event(type="label"), "label", ["`label` is missing", "or `outcomes`"]),
        (event(type="label", outcomes=[5]), "outcomes", ["`outcomes` is a list", "{name: value}"]),
        (event(type="label", outcomes={"rating": {"a": ANSWER}}), "outcomes", ["a value in `outcomes` is an object"]),
        (event(label=float("nan")), "label", ["`label` is NaN", "null"]),
    ],
)
def test_a_rejection_names_what_is_wrong(value: bytes | str | dict[str, Any], reason: str, words: list[str]) -> None:
    (rejected,) = decode(value if isinstance(value, bytes) else as_bytes(value)).rejected
    assert rejected.reason == reason
    assert [word for word in words if word not in rejected.message] == []
    assert ANSWER not in rejected.message
    assert len(rejected.shown) <= 60
    assert rejected.shown.isprintable()


def test_alike_faults_have_one_message() -> None:
    values = [as_bytes(event(ts=f"2026-09-21T14:13:{second}", id=f"p-{second}")) for second in range(10, 60)]
    assert len({rejected.message for rejected in decode(*values).rejected}) == 1
