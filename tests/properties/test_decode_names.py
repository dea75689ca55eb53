"""Odd characters in names and texts: both decoders agree, and only names are rejected for them."""

from __future__ import annotations

import pytest

from tests.properties.test_decode_laws import T0_MS, assert_same

NAMES = {"id", "model", "version", "feature", "tag"}
PLACES = (*sorted(NAMES), "category", "prediction", "class", "label", "text", "unknown")
TEMPLATE = (
    b'{"id":"<id>","model":"<model>","version":"<version>","features":{"AGE":1,"<feature>":2,"sex.1":"<category>"},'
    b'"tags":{"<tag>":"<text>"},"prediction":"<prediction>","scores":{"<class>":0.5},"label":"<label>","x":["<unknown>"]}'
)
#: bytes within a string: control characters of the Unicode category Cc; whole characters; what is not a character
CONTROLS = [b"\x7f", b"\xc2\x80", b"\xc2\x85", b"\xc2\x9f"]
CONTROLS += [
    b"\\u0000",
    b"\\u001f",
    b"\\u007f",
    b"\\u007F",
    b"\\u0080",
    b"\\u009f",
    b"\\n",
    b"\\t",
    b"\\r",
    b"\\b",
    b"\\f",
]
WHOLE = [
    b"\xc3\xa9",
    b"\xc2\xa0",
    b"\\u00e9",
    b"\\u00a0",
    b"\\u0041",
    b"\\ud83d\\ude00",
    b"\\\\n",
    b"\\/",
    b'\\"',
    b"NaN",
    b"[[{{",
]
HALVES = [b"\\ud800", b"\\udfff", b"\\ud800\\ud800", b"\\ude00\\ud83d"]
NOT_UTF8 = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80\x80\x80"]
NOT_JSON = [b"\x00", b"\x1f", b"\n", b"\\q", b"\\u12", b'"']


def planted(place: str, odd: bytes) -> bytes:
    """An event of a known model version with some bytes in the middle of one string."""
    value = TEMPLATE.replace(f"<{place}>".encode(), b"a" + odd + b"b")
    for name, usual in (("model", b"credit"), ("version", b"1")):
        value = value.replace(f"<{name}>".encode(), usual)
    return value


def expected_reason(place: str, odd: bytes) -> str | None:
    """The reason word for `odd` at `place`, None where the event is accepted."""
    if odd in NOT_UTF8:
        return "encoding"
    if odd in NOT_JSON:
        return "json"
    if place in NAMES:
        return "names" if odd in CONTROLS + HALVES else None
    halves = {"prediction": "prediction", "label": "label", "text": "tags"}
    return halves.get(place) if odd in HALVES else None


@pytest.mark.parametrize("place", PLACES)
def test_odd_characters_reject_where_they_stand_in_a_name(place: str) -> None:
    usual = planted("unknown", b"")
    for odd in CONTROLS + WHOLE + HALVES + NOT_UTF8 + NOT_JSON:
        value = planted(place, odd)
        for values in ([value], [usual, value, usual]):
            events = assert_same(values, [T0_MS] * len(values))
            reasons = [rejected.reason for rejected in events.rejected]
            assert reasons == [reason for reason in [expected_reason(place, odd)] if reason], (place, odd)
