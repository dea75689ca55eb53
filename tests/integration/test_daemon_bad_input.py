"""Whatever bytes stand on the topic: counted under their own outcome, dead-lettered, and the next event is taken."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Final, NamedTuple

from tests.engine import START_US, event
from tests.integration.conftest import Running, Site
from tests.real_parts.kafka_client import StoredRecord

CANARY: Final = "canary-4c1a7e"
YEAR_2099_MS: Final = 4_070_908_800_000
MEGABYTES: Final = 5_000_000
DIGITS: Final = "7" * 5_000
Outcomes = dict[tuple[str, str], int]


class Case(NamedTuple):
    """A record and what has to become of its events."""

    name: str
    value: bytes | None
    outcomes: Outcomes
    record_ms: int = START_US // 1000
    indices: str = ""


ACCEPTED: Final[Outcomes] = {("accepted", ""): 1}


def bad(reason: str, number: int = 1) -> Outcomes:
    return {("rejected", reason): number}


def text(**fields: object) -> bytes:
    """An event with the canary in it, at a time that is bound to move the clock if it counts (`...`: no such field)."""
    return json.dumps(event(30, **{"note": CANARY, "score": 0.5, **fields})).encode()


def raw(field: str, given: str) -> bytes:
    """The same with raw text for a field."""
    return text(**{field: "@@"}).replace(b'"@@"', given.encode())


def taken(**features: object) -> bytes:
    """An event that is to be taken, at the clock's own time."""
    return json.dumps(event(0, score=0.5, features=features)).encode()


def number(given: str) -> bytes:
    """The same with raw text for a numeric feature."""
    return taken(AGE="@@").replace(b'"@@"', given.encode())


RECORDS: Final = [
    Case("no bytes", b"", bad("empty")),
    Case("half a JSON text", text()[:-20], bad("json")),
    Case("words", f"hello {CANARY}".encode(), bad("json")),
    Case("UTF-16", text().decode().encode("utf-16"), bad("encoding")),
    Case("half a surrogate pair written as UTF-8", text(id="@").replace(b"@", b"\xed\xa0\x80"), bad("encoding")),
    Case("NaN alone, which JSON libraries read as a number", b"NaN", bad("no_event")),
    Case("a string", json.dumps(CANARY).encode(), bad("no_event")),
    Case("null", b"null", bad("no_event")),
    Case("an empty array", b"[]", bad("no_event")),
    Case("an empty object", b"{}", bad("model")),
    Case("arrays 10,000 deep", b"[" * 10_000 + b"]" * 10_000, bad("nesting")),
    Case("a feature 10,000 deep", number("[" * 10_000 + "]" * 10_000), bad("nesting")),
    Case("objects 10,000 deep that never end", b'{"a":' * 10_000, bad("nesting")),
    Case("5 MB", text(padding="x" * MEGABYTES), bad("too_large")),
    Case("a tombstone", None, {("ignored", "tombstone"): 1}),
]
ENVELOPES: Final = [
    Case("an unknown type", text(type=CANARY), bad("type")),
    Case("a type that is no string", text(type=7), bad("type")),
    Case("a number for a model", text(model=7), bad("model")),
    Case("no model", text(model=...), bad("model")),
    Case("an empty model", text(model=""), bad("model")),
    Case("a fraction for a version", text(version=1.5), bad("version")),
    Case("a list for an id", text(id=[5]), bad("id")),
    Case("a long id", text(id=CANARY * 30), bad("id")),
    Case("a word for a time", text(ts=CANARY), bad("ts")),
    Case("a time without offset", text(ts="2025-11-22T10:00:00"), bad("no_offset")),
    Case("a boolean for a time", text(ts=True), bad("ts")),
    Case("5,000 digits for a time", raw("ts", DIGITS), bad("ts")),
    Case("an array of features", text(features=[1, 2]), bad("features")),
    Case("null for features of a features event", text(type="features", features=None), bad("features")),
    Case("a features event without any", text(type="features"), bad("features")),
    Case("a score above 1", text(score=1.5), bad("score")),
    Case("a score in words", text(score="0.5"), bad("score")),
    Case("NaN for a score", raw("score", "NaN"), bad("score")),
    Case("5,000 digits for a score", raw("score", DIGITS), bad("score")),
    Case("scores that are none", text(scores={"1": 2}), bad("score")),
    Case("an object for a prediction", text(prediction={}), bad("prediction")),
    Case("infinity for a prediction", raw("prediction", "-Infinity"), bad("prediction")),
    Case("a label that is a list", text(label=[1]), bad("label")),
    Case("a label event without id", text(type="label", label=1), bad("id")),
    Case("a label event without label", text(type="label", id="1"), bad("label")),
    Case("a label's value in words", text(type="label", id="1", label=1, value=CANARY), bad("value")),
    Case("tags that are no object", text(tags=[CANARY]), bad("tags")),
    Case("half a surrogate pair in a model's name", text(model="\ud800" + CANARY), bad("names")),
    Case("half a surrogate pair in a feature's name", text(features={"\udfff": 1}), bad("names")),
    Case("a control character in a feature's name", text(features={"A\x00GE": 1}), bad("names")),
    Case("a time in 2099", text(ts="2099-01-01T00:00:00Z"), bad("future")),
    Case("a record time in 2099", text(ts=...), bad("future"), YEAR_2099_MS),
    Case("a record time in 2099 beside a time of now", text(ts=START_US), bad("future"), YEAR_2099_MS),
    Case("a time of long ago", text(ts=0), {("late", ""): 1}),
    Case("an unknown model", text(model="loans"), {("unknown_model", "not_configured"): 1}),
    Case("a version that is not watched", text(version="9"), {("ignored", "version"): 1}),
    Case(
        "an array of good and bad",
        b"[" + b",".join([taken(), text(model=7), b"3", taken()]) + b"]",
        {("accepted", ""): 2, **bad("model", 2)},
        indices="1,2",
    ),
]
#: taken, and the number feature AGE counts as of a wrong type
WRONG_NUMBERS: Final = [
    Case(f"a number feature of {name}", number(given), ACCEPTED)
    for name, given in {
        "infinity": "Infinity",
        "1e999": "1e999",
        "5,000 digits": DIGITS,
        "words": f'"{CANARY}"',
        "an object": "{}",
        "half a surrogate pair": '"\\ud800"',
    }.items()
]
#: taken, and the number feature AGE counts as missing
MISSING_NUMBERS: Final = [Case("a number feature of NaN", number("NaN"), ACCEPTED)]
#: taken, and the category EDU counts as of a wrong type
WRONG_CATEGORIES: Final = [Case("a category of half a surrogate pair", taken(EDU="\ud800"), ACCEPTED)]
CASES: Final = [*RECORDS, *ENVELOPES, *WRONG_NUMBERS, *MISSING_NUMBERS, *WRONG_CATEGORIES]


def header(record: StoredRecord, name: str) -> str:
    return dict(record.headers).get(name, b"(missing)").decode()


def produce(site: Site) -> None:
    """Each case's record with its own key and a header, and a good event behind them all."""
    site.broker.produce(
        site.topic,
        [taken(), *(case.value for case in CASES), taken()],
        keys=[f"{CANARY}-{at}".encode() for at in range(len(CASES) + 2)],
        timestamps_ms=[START_US // 1000, *(case.record_ms for case in CASES), START_US // 1000],
        headers=[[("trace", b"%d" % at)] for at in range(len(CASES) + 2)],
        message_max_bytes="8000000",
    )


def expected_outcomes() -> Outcomes:
    total: Counter[tuple[str, str]] = Counter({("accepted", ""): 2})
    for case in CASES:
        total.update(case.outcomes)
    return dict(total)


def test_bad_records_are_counted_and_dead_lettered_and_stop_nothing(site: Site) -> None:
    site.make_topics(max_message_bytes="8000000", message_timestamp_after_max_ms=str(1 << 60))
    produce(site)
    running = site.start()
    running.wait_records(len(CASES) + 2)
    running.wait_ready()

    clocks, outcomes = running.values("driftd_watermark_timestamp_seconds"), running.outcomes()
    rejected = [(at, case) for at, case in enumerate(CASES, 1) if any(o == "rejected" for o, _ in case.outcomes)]
    wait_letters(running, len(rejected))
    assert running.stop() == 0

    assert outcomes == expected_outcomes()
    assert clocks == {(site.topic, "0"): START_US / 1e6}, "nothing but the good events moves the clock"
    check_letters(site, rejected)
    check_state(site)
    check_silence(running)


def wait_letters(running: Running, number: int) -> None:
    running.wait_until(lambda: running.values("driftd_dead_letters_total")[()] == number, f"{number} dead letters")


def check_letters(site: Site, rejected: list[tuple[int, Case]]) -> None:
    letters = site.broker.records(site.rejects)
    assert [header(letter, "__connect.errors.offset") for letter in letters] == [str(at) for at, _ in rejected]
    for letter, (at, case) in zip(letters, rejected, strict=True):
        ((_, reason),) = [outcome for outcome in case.outcomes if outcome[0] == "rejected"]
        assert header(letter, "driftd.error.code") == reason, case.name
        assert header(letter, "__connect.errors.topic") == site.topic
        assert header(letter, "__connect.errors.partition") == "0"
        assert header(letter, "__connect.errors.exception.message"), case.name
        assert CANARY not in header(letter, "__connect.errors.exception.message")
        assert header(letter, "driftd.error.indices") == (case.indices or "(missing)")
        assert letter.key == f"{CANARY}-{at}".encode()
        if case.value is not None and len(case.value) > MEGABYTES:
            assert letter.value == b"", "the rejects topic does not take so large a record"
            assert header(letter, "driftd.error.value.bytes") == str(len(case.value))
            assert header(letter, "driftd.error.value.sha256") == hashlib.sha256(case.value).hexdigest()
        else:
            assert letter.value == case.value, case.name
            assert header(letter, "trace") == str(at)


def check_state(site: Site) -> None:
    shown, expected = site.shown(), expected_outcomes()
    totals: Counter[str] = Counter()
    for (outcome, _), count in expected.items():
        totals[outcome] += count
    assert shown["outcomes"] == dict(totals)
    assert shown["reasons"] == {f"{outcome}/{reason}": n for (outcome, reason), n in expected.items() if reason}
    (model,) = shown["models"]
    with_features = model["predictions"]
    assert with_features == totals["accepted"]
    assert model["features"]["AGE"]["type"] == len(WRONG_NUMBERS)
    assert model["features"]["AGE"]["missing"] == len(MISSING_NUMBERS)
    assert model["features"]["EDU"]["type"] == len(WRONG_CATEGORIES)
    for counts in model["features"].values():
        assert sum(counts.pop("bins")) + sum(counts.values()) == with_features


def check_silence(running: Running) -> None:
    assert CANARY not in running.text()
    assert DIGITS[:100] not in running.text()
    assert running.out.read_bytes() == b""
    assert not running.lines("bug")


def test_a_million_bad_bytes_between_good_events_cost_no_good_event(site: Site) -> None:
    """The decoder's quick path gives way to the careful one and takes over again."""
    site.make_topics()
    good, rotten = taken(), b"\xff" * 1_000
    site.broker.produce(site.topic, [good if at % 3 else rotten for at in range(3_000)])
    running = site.start()
    running.wait_records(3_000)
    assert running.outcomes() == {("accepted", ""): 2_000, ("rejected", "encoding"): 1_000}
    wait_letters(running, 1_000)
    assert running.stop() == 0
    assert len(site.broker.records(site.rejects)) == 1_000


def test_events_of_unknown_models_are_dead_lettered_where_the_settings_say_so(site: Site) -> None:
    site.make_topics()
    site.broker.produce(site.topic, [text(model="other"), taken()])
    site.write(unknown_models="reject")
    running = site.start()
    running.wait_records(2)
    assert running.outcomes() == {("unknown_model", "not_configured"): 1, ("accepted", ""): 1}
    assert running.stop() == 0
    (letter,) = site.broker.records(site.rejects)
    assert header(letter, "driftd.error.code") == "unknown_model"
    assert letter.value == text(model="other")
