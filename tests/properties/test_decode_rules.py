"""Different spellings of one event are the same event: null and absence, integers and text, NaN and null, zones."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.test_decode_laws import LIMITS, T0_MS, assert_same, event_texts, quality_counts

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, LAST = datetime.fromisoformat("1980-01-01"), datetime.fromisoformat("2025-01-01")

classes = st.sampled_from([0, 1, True, "yes", 2.5])
shares = st.sampled_from([0, 0.25, 1])
cells = st.sampled_from([31, 2.5, "f", None, True, [1]])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.just("prediction"),
    "id": st.sampled_from(["p-1", "17"]),
    "version": st.sampled_from(["1", "2", ""]),
    "ts": st.sampled_from([T0_MS, "2025-11-24T16:00:00Z"]),
    "features": st.dictionaries(st.sampled_from(["AGE", "sex.1", "x"]), cells),
    "prediction": classes,
    "score": shares,
    "scores": st.dictionaries(st.sampled_from(["1", "yes"]), shares),
    "label": classes,
    "value": st.just(3),
    "tags": st.just({"region": "eu"}),
}
events = st.fixed_dictionaries({"model": st.just("credit")}, optional=FIELDS)


def as_json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def assert_alike(first: list[bytes], second: list[bytes], zone: ZoneInfo | None = None) -> None:
    times_ms = [T0_MS] * len(first)
    assert quality_counts(assert_same(first, times_ms, zone)) == quality_counts(assert_same(second, times_ms, zone))


def is_label(event: dict[str, Any]) -> bool:
    """`label: null` says something in a label event alone."""
    return event.get("type") is None and not {"features", "prediction", "score"} & event.keys()


@settings(max_examples=150, deadline=None)
@given(st.lists(events, max_size=5))
def test_null_is_the_same_as_absence_in_every_field(plain: list[dict[str, Any]]) -> None:
    with_nulls = []
    for event in plain:
        nulls = dict.fromkeys(FIELDS)
        if is_label(event):
            del nulls["label"]
        with_nulls.append(nulls | event)
    assert_alike([as_json(event) for event in plain], [as_json(event) for event in with_nulls])


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=5))
def test_null_in_tags_and_scores_is_the_same_as_absence(plain: list[dict[str, Any]]) -> None:
    with_nulls = [
        {n: {"none": None, **v} if n in {"tags", "scores"} else v for n, v in event.items()} for event in plain
    ]
    assert_alike([as_json(event) for event in plain], [as_json(event) for event in with_nulls])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**30), 10**30), st.integers(0, 3) | st.integers(), st.sampled_from(["prediction", "label"])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_integers_as_id_and_version_are_their_decimal_text(named: list[tuple[int, int, str]]) -> None:
    usual: dict[str, Any] = {"model": "credit", "features": {"AGE": 1, "sex.1": "f"}, "label": 1}
    integers = [as_json({**usual, "type": kind, "id": a, "version": b}) for a, b, kind in named]
    texts = [as_json({**usual, "type": kind, "id": str(a), "version": str(b)}) for a, b, kind in named]
    assert_alike(integers * 2, texts * 2)
    assert_alike([b"[" + b",".join(integers) + b"]"], [b"[" + b",".join(texts) + b"]"])


@settings(max_examples=100, deadline=None)
@given(st.lists(event_texts(), min_size=1, max_size=5))
def test_a_byte_order_mark_changes_nothing(texts: list[str]) -> None:
    values = [text.encode() for text in texts if len(text.encode()) + 3 <= LIMITS.record_bytes]
    assert_alike(values, [b"\xef\xbb\xbf" + value for value in values])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=40), st.sets(st.integers(0, 39)))
def test_nan_is_null_in_features_of_either_kind(pairs: list[tuple[object, object]], holes: set[int]) -> None:
    def values(hole: object) -> list[bytes]:
        rows = [(hole, hole) if i in holes else pair for i, pair in enumerate(pairs)]
        return [as_json({"model": "credit", "version": "1", "features": {"AGE": a, "sex.1": b}}) for a, b in rows]

    assert_alike(values(None), values(float("nan")))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans() | st.sampled_from([0.5, None]), min_size=1, max_size=8))
def test_booleans_are_one_and_zero_in_a_numeric_column(numbers: list[float | None]) -> None:
    def values(column: list[float | None]) -> list[bytes]:
        return [as_json({"model": "credit", "version": "1", "features": {"AGE": number}}) for number in column]

    assert_alike(values(numbers), values([None if number is None else float(number) for number in numbers]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.datetimes(FIRST, LAST), min_size=1, max_size=5))
def test_a_time_without_an_offset_is_that_of_the_zone(local: list[datetime]) -> None:
    def values(texts: list[str]) -> list[bytes]:
        return [as_json({"model": "credit", "features": {}, "ts": text}) for text in texts]

    zoned = [moment.replace(tzinfo=BERLIN).isoformat(timespec="microseconds") for moment in local]
    naive = [moment.isoformat(" ", timespec="microseconds") for moment in local]
    whole = [(text, bare) for text, bare in zip(zoned, naive, strict=True) if len(text) == 32]  # no seconds in it
    assert_alike(values([text for text, _ in whole]), values([bare for _, bare in whole]), BERLIN)
    bad = assert_same(values(naive), [T0_MS] * len(naive)).rejected
    assert [one.reason for one in bad] == ["no_offset"] * len(naive)
