"""What posts become: against what the platforms' own packages write for Kafka, and by the daemon's own decoders."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.bridge.answers import RefusedError
from monitor.bridge.ids import items_of, key_of
from monitor.bridge.posts import Carried, Post, any_form, azure, native
from tests.bridges import Captured, captured_posts, header_texts, kserve_posts
from tests.engine import plain
from tests.platform_calls import NAMES
from tests.unit.test_platform_captures import CAPTURED, capture, records_of, settings_of
from tests.unit.test_platform_formats import KEY, outcomes, ran, source_of

SOURCE: Final = "/x/onlineEndpoints/credit/deployments/blue"
JSON: Final = {"content-type": b"application/json"}
NDJSON: Final = {"content-type": b"application/x-ndjson"}


def post(headers: Mapping[str, Any], body: bytes) -> Post:
    return Post(
        {name.lower(): text if isinstance(text, bytes) else text.encode() for name, text in headers.items()}, body
    )


def as_message(carried: Carried) -> dict[str, Any]:
    value = base64.b64encode(carried.value).decode()
    return {"headers": header_texts(carried.headers), "value": value}


@pytest.mark.parametrize("sent", captured_posts("cloudevents"), ids=lambda sent: str(len(sent.body)))
def test_cloudevents_are_what_their_own_package_writes_for_kafka(sent: Captured) -> None:
    carried = any_form(post(sent.headers, sent.body))
    without_charset = [
        {**one, "headers": {k: v.replace("; charset=utf-8", "") for k, v in one["headers"].items()}}
        for one in map(as_message, carried)
    ]
    wanted = [{"headers": one["headers"], "value": one["value"]} for one in sent.for_kafka]
    assert without_charset == wanted or list(map(as_message, carried)) == wanted
    for one, message in zip(carried, sent.for_kafka, strict=True):
        if message["key"] is not None and "ce_id" in message["headers"]:  # in structured mode the key is not read
            assert one.key.decode() == message["key"]


def test_request_and_response_of_a_call_have_the_same_key() -> None:
    records = capture(next(file for file in CAPTURED if file.name == "kserve_v1.json"))["records"]
    keys = [any_form(post(one.headers, one.body))[0].key for one in kserve_posts(records)]
    assert keys[::2] == keys[1::2]
    assert len(set(keys)) == len(keys) / 2


@pytest.mark.parametrize("file", [one for one in CAPTURED if one.name.startswith("kserve")], ids=lambda one: one.stem)
def test_what_the_agent_of_kserve_posts_is_the_record_that_knative_writes(file: Path) -> None:
    for sent in kserve_posts(capture(file)["records"]):
        carried = as_message(any_form(post(sent.headers, sent.body))[0])
        assert carried == {name: sent.for_kafka[0][name] for name in ("headers", "value")}


@pytest.mark.parametrize("form", ["azure", "auto"])
def test_what_azures_collector_posts_is_counted_as_its_lines_are(form: str) -> None:
    content = capture(next(file for file in CAPTURED if file.name == "azure.json"))
    carrier = azure(SOURCE)
    records = [
        {**as_message(one), "topic": "traffic", "key": one.key.decode()}
        for sent in captured_posts("azure")
        for one in carrier(post(sent.headers, sent.body))
    ]
    assert len(records) == len(content["records"])
    found, wanted = (
        ran(settings_of(one, form), source_of(records_of(one)), NAMES)
        for one in ({**content, "records": records}, content)
    )
    assert found[1].letters == wanted[1].letters == []
    assert outcomes(found[0]) == outcomes(wanted[0]) == {"accepted": len(content["events"])}
    counts = [plain(one[0].totals.events[KEY].counts) for one in (found, wanted)]
    assert counts[0] == counts[1]
    by_name = [header_texts(one.headers) for one in carrier(post(captured_posts("azure")[0].headers, b"[{}]"))]
    assert by_name[0]["ce_collectdatatype"] == "pandas.DataFrame"
    assert by_name[0]["ce_agent"].startswith("azureml-ai-monitoring/")


def test_payloads_of_modelmesh_are_carried_whole_with_their_id_as_key() -> None:
    payload = json.dumps({"data": "AA==", "id": "p-1", "modelid": "m", "kind": "request", "metadata": {}}).encode()
    carried = any_form(post(JSON, payload))
    assert carried == [Carried(b"p-1", payload, [("content-type", b"application/json")])]


def test_bytes_of_any_kind_are_carried_with_the_headers_of_platforms() -> None:
    headers = {
        "content-type": "application/x-protobuf",
        "x-request-id": "r-1",
        "seldon-model": "m",
        "mlserver-model": "m",
        "cookie": "c",
        "authorization": "Bearer x",
    }
    (carried,) = any_form(post(headers, b"\x00\x01\xff"))
    assert (carried.key, carried.value) == (b"r-1", b"\x00\x01\xff")
    assert set(header_texts(carried.headers)) == {"content-type", "x-request-id", "seldon-model", "mlserver-model"}


def test_native_lines_are_a_record_each() -> None:
    lines = [b'{"id": "a"}', b'  {"id": 7} \r', b"", b'[{"id": "b"}]', b'{"x": NaN}']
    carried = native(post(NDJSON, b"\xef\xbb\xbf" + b"\n".join(lines)))
    assert [one.value for one in carried] == [line.strip() for line in lines if line]
    assert [one.key for one in carried][:2] == [b"a", b"7"]
    assert len({one.key for one in carried}) == 4


def test_the_same_bytes_without_an_id_have_the_same_key() -> None:
    assert key_of(b'{"x": 1}') == key_of(b'{"x": 1}') != key_of(b'{"x": 2}')


@pytest.mark.parametrize(
    ("carrier", "headers", "body", "words"),
    [
        (native, {}, b"{}", "no Content-Type"),
        (native, {"content-type": "text/csv"}, b"{}", "Content-Type 'text/csv'"),
        (native, JSON, b"", "no body"),
        (native, JSON, b'{"a": 1}\n{"a"', "application/x-ndjson"),
        (native, JSON, b'{"a": 1}\n{"a": 2}\n', "several JSON values; .* application/x-ndjson"),
        (any_form, JSON, b'{"a": 1}\r\n{"a": 2}', "several JSON values; .* application/x-ndjson"),
        (native, JSON, b"17", "no JSON object"),
        (native, NDJSON, b'{}\n{"a": \n', "line 2 is no JSON object"),
        (native, NDJSON, b" \n", "no line"),
        (any_form, {}, b"{}", "neither a CloudEvent"),
        (any_form, {"content-type": "application/x-www-form-urlencoded"}, b"{}", "neither a CloudEvent"),
        (any_form, {"content-type": "text/plain"}, b"", "no body"),
        (any_form, {"ce-specversion": "1.0", "ce-id": "", "ce-type": "t", "ce-source": "s"}, b"", "without ce-id"),
        (any_form, {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s"}, b"", "without ce-type"),
        (any_form, {"content-type": "application/cloudevents-batch+json"}, b"{}", "no batch.*json$"),
        (any_form, {"content-type": "application/cloudevents-batch+json"}, b"[]", "without an event"),
        (azure(None), JSON, b"[]", "no header ce-type"),
    ],
)
def test_what_cannot_be_carried_is_400_with_what_would_be_right(
    carrier: Any,  # noqa: ANN401
    headers: Mapping[str, Any],
    body: bytes,
    words: str,
) -> None:
    with pytest.raises(RefusedError, match=words) as refused:
        carrier(post(headers, body))
    assert refused.value.answer.status == 400


ids = st.text(min_size=1, max_size=20) | st.integers(-(2**63), 2**63 - 1)
values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(ids, st.dictionaries(st.text(max_size=5).filter(lambda name: name != "id"), values, max_size=4))
def test_the_key_is_the_id_at_the_top(identity: str | int, rest: dict[str, Any]) -> None:
    body = json.dumps({**rest, "id": identity}).encode()
    assert key_of(body) == str(identity).encode("utf-8", "replace")


@given(st.binary(max_size=50), st.binary(max_size=5))
def test_any_bytes_have_a_key(body: bytes, request_id: bytes) -> None:
    assert key_of(body, request_id) == key_of(body, request_id) != b""


@given(st.lists(values, max_size=5))
def test_items_are_those_of_the_array(tree: list[Any]) -> None:
    assert [json.loads(item) for item in items_of(json.dumps(tree, indent=1).encode())] == tree


@given(
    st.dictionaries(st.from_regex("(?:ce-[a-z0-9-]{1,8}|content-type|x-request-id)", fullmatch=True), st.binary()),
    st.binary(max_size=60),
    st.sampled_from([any_form, native, azure(None)]),
)
def test_any_post_is_carried_or_refused(headers: dict[str, bytes], body: bytes, carrier: Any) -> None:  # noqa: ANN401
    try:
        carried = carrier(Post(headers, body))
    except RefusedError as refused:
        answer = refused.answer
    else:
        assert carried
        assert all(one.key and one.value is not None for one in carried)
        return
    assert answer.status == 400
    assert answer.body.endswith(b"\n")
