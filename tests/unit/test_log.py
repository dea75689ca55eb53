"""Log lines: their form, and what must never be in one."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import ManualClock, parse_rfc3339
from monitor.errors import ExternalError, TransientError, UsageError
from monitor.events import ModelKey, Partition
from monitor.log import ITEM_LIMIT, LIBRARY_LINES, REDACTED, REPEAT_MEMORY, TEXT_LIMIT, configure_logging, get_log

NOW_US = 1_800_000_000_123_456
CANARY = "hunter2canary"
LIBRARY = logging.getLogger("kafka.net.manager")


class Output:
    """What was logged, and the clock it was logged by."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.clock = ManualClock(NOW_US)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]


@pytest.fixture
def out() -> Iterator[Output]:
    root, kafka = logging.getLogger(), logging.getLogger("kafka")
    before = list(root.handlers), root.level, kafka.level
    root.handlers[:] = []
    output = Output()
    configure_logging(output.stream, "info", output.clock)
    yield output
    root.handlers[:], root.level = before[0], before[1]
    kafka.setLevel(before[2])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_time_level_logger_event_and_fields(out: Output) -> None:
    get_log("monitor.run.daemon").info("checkpoint_written", bytes=5120, partition=Partition("events", 3), took=0.25)
    assert out.last.pop("ts").endswith("Z")
    assert parse_rfc3339(out.last["ts"]) == NOW_US
    assert {name: out.last[name] for name in out.last if name != "ts"} == {
        "level": "info",
        "logger": "monitor.run.daemon",
        "event": "checkpoint_written",
        "bytes": 5120,
        "partition": "events-3",
        "took": 0.25,
    }


def test_a_log_made_before_logging_was_configured_writes_to_the_configured_stream(out: Output) -> None:
    log = get_log("early")
    second = io.StringIO()
    configure_logging(second, "info", out.clock)
    log.info("started")
    assert out.stream.getvalue() == ""
    assert json.loads(second.getvalue())["event"] == "started"


def test_what_is_below_the_level_is_not_written(out: Output) -> None:
    get_log("a").debug("detail")
    assert out.lines == []


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'loud' is none of debug, info, warning, error"):
        configure_logging(io.StringIO(), "loud")


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31mred", "\udc80", "\u2028", '"quoted"', "日本"])
def test_text_of_others_cannot_break_out_of_its_line(out: Output, text: str) -> None:
    get_log("a").warning("seen", model=text)
    raw = out.stream.getvalue()
    assert raw.count("\n") == 1
    assert raw.rstrip("\n").isascii()
    assert raw.rstrip("\n").isprintable()
    assert out.last["model"] == text


@pytest.mark.parametrize(
    "fields",
    [
        {"sasl_plain_password": CANARY},
        {"ssl_key_passphrase": CANARY},
        {"Authorization": f"Basic {CANARY}"},
        {"oauth_token": [CANARY]},
        {"settings": {"kafka": {"security": {"password": CANARY}}}},
        {"listed": [{"api_key": CANARY}]},
        {"url": f"https://user:{CANARY}@example.test/hook"},
        {"text": f"cannot log in with password={CANARY}, giving up"},
        {"text": f"'sasl_plain_password': '{CANARY}'"},
        {"text": f"Authorization: Bearer {CANARY}"},
        {"payload": CANARY.encode()},
        {"error": ValueError(CANARY)},
    ],
)
def test_secrets_and_payloads_are_not_written(out: Output, fields: dict[str, Any]) -> None:
    get_log("a").info("connecting", **fields)
    assert out.last["event"] == "connecting"
    assert CANARY not in out.stream.getvalue()


def test_a_field_with_a_secret_is_named_without_its_value(out: Output) -> None:
    get_log("a").info("connecting", password=CANARY, user="driftd")
    assert (out.last["password"], out.last["user"]) == (REDACTED, "driftd")


def test_long_texts_are_cut_and_say_by_how_much(out: Output) -> None:
    get_log("a").info("seen", short="x" * TEXT_LIMIT, long="x" * (TEXT_LIMIT + 7))
    assert out.last["short"] == "x" * TEXT_LIMIT
    assert out.last["long"] == "x" * TEXT_LIMIT + "... (+7 characters)"


def test_long_lists_are_cut_and_say_by_how_much(out: Output) -> None:
    get_log("a").info("seen", items=list(range(ITEM_LIMIT + 3)))
    assert out.last["items"] == [*range(ITEM_LIMIT), "and 3 more"]


def test_an_object_that_holds_itself_is_cut(out: Output) -> None:
    loop: list[object] = []
    loop.append(loop)
    get_log("a").info("seen", loop=loop)
    assert len(out.lines) == 1


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=20,
    )
)
def test_every_value_gives_one_line_of_strict_json(value: object) -> None:
    stream = io.StringIO()
    configure_logging(stream, "info", ManualClock(NOW_US))
    try:
        get_log("a").info("seen", given=value)
    finally:
        logging.getLogger().handlers[:] = [
            one for one in logging.getLogger().handlers if not type(one).__module__.startswith("monitor.")
        ]
        structlog.reset_defaults()
    (line,) = stream.getvalue().splitlines()

    def refuse(word: str) -> None:
        raise AssertionError(word)

    assert "given" in json.loads(line, parse_constant=refuse)


def test_a_traceback_has_types_and_places_but_no_foreign_messages(out: Output) -> None:
    def parse(text: str) -> float:
        return float(text)

    try:
        try:
            parse(CANARY)
        except ValueError as error:
            raise TransientError("the disk is full") from error
    except ExternalError:
        get_log("a").exception("failed")
    reported = out.last["exception"]
    assert reported[0] == "TransientError: the disk is full"
    assert "ValueError" in reported
    assert any(line.endswith("in parse") for line in reported)
    assert (out.last["level"], CANARY in out.stream.getvalue()) == ("error", False)


def test_lines_of_a_muted_library_are_not_written_but_reach_its_other_handlers(out: Output) -> None:
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    listener = Listener()
    configure_logging(out.stream, "info", out.clock, muted=("kafka",))
    logging.getLogger("kafka").addHandler(listener)
    try:
        LIBRARY.error("Connection failed")
    finally:
        logging.getLogger("kafka").removeHandler(listener)
    assert heard == ["Connection failed"]
    assert out.lines == []
    logging.getLogger("kafkaesque").error("another library")
    get_log("monitor.kafka.connect").error("our own line")
    assert [line["event"] for line in out.lines] == ["library_message", "our own line"]


def test_an_error_of_the_system_keeps_its_words(out: Output) -> None:
    get_log("a").warning("failed", error=OSError(28, "No space left on device"))
    assert out.last["error"] == "OSError: No space left on device"


def test_a_stream_that_fails_costs_the_line_and_nothing_else() -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    configure_logging(Full(), "info", ManualClock())
    try:
        get_log("a").info("lost")
    finally:
        logging.getLogger().handlers[:] = [
            one for one in logging.getLogger().handlers if not type(one).__module__.startswith("monitor.")
        ]
        structlog.reset_defaults()


def test_lines_of_libraries_take_the_same_form_from_warning_up(out: Output) -> None:
    LIBRARY.info("connected")
    LIBRARY.warning("node %s is away", 3)
    (line,) = out.lines
    assert (line["event"], line["logger"], line["level"]) == ("library_message", "kafka.net.manager", "warning")
    assert (line["message"], parse_rfc3339(line["ts"])) == ("node 3 is away", NOW_US)


def test_debug_logging_of_ours_does_not_open_the_libraries_debug_lines(out: Output) -> None:
    configure_logging(out.stream, "debug", out.clock)
    get_log("a").debug("ours")
    LIBRARY.debug("request with %s", CANARY)
    assert [line["event"] for line in out.lines] == ["ours"]


def test_configuring_twice_does_not_write_twice(out: Output) -> None:
    configure_logging(out.stream, "info", out.clock)
    LIBRARY.warning("away")
    assert len(out.lines) == 1


def test_repeats_of_a_library_line_are_one_line_in_ten_seconds_with_their_number(out: Output) -> None:
    for second in range(21):
        LIBRARY.error("node %d: connection %d failed", 1, second)
        out.clock.advance(1.0)
    assert [(line["message"][-9:], line.get("repeated")) for line in out.lines] == [
        (" 0 failed", None),
        ("10 failed", 9),
        ("20 failed", 9),
    ]


def test_different_lines_loggers_and_levels_are_held_back_apart(out: Output) -> None:
    LIBRARY.warning("one")
    LIBRARY.warning("two")
    LIBRARY.error("one")
    logging.getLogger("kafka.other").warning("one")
    LIBRARY.warning("one")
    assert len(out.lines) == 4


def test_a_library_that_logs_from_many_places_is_a_few_lines_a_minute_with_the_number_left_out(
    out: Output,
) -> None:
    for second in range(180):
        for place in range(8):
            logging.getLogger(f"kafka.place{place}").error("no broker %d", second)
        logging.getLogger("asyncio").error("slow: %d", second // 100)
        out.clock.advance(1.0)
    lines = [line for line in out.lines if line["logger"].startswith("kafka.")]
    assert LIBRARY_LINES <= len(lines) <= 3 * LIBRARY_LINES
    assert any(line.get("left_out", 0) > 0 for line in lines)
    assert any(line["logger"] == "asyncio" for line in out.lines), "another library speaks for itself"


@pytest.mark.parametrize(
    "text",
    [
        "cannot read: TopicAuthorizationFailedError: the user has no right",
        "cannot log in: DelegationTokenExpiredError: ask for a new one",
        "TokenException: it is too old",
    ],
)
def test_the_name_of_an_error_is_not_a_secret_and_its_message_is_kept(out: Output, text: str) -> None:
    get_log("a").warning("turn_failed", why=text)
    assert out.last["why"] == text


def test_the_memory_of_a_librarys_lines_is_bounded(out: Output) -> None:
    (handler,) = [one for one in logging.getLogger().handlers if type(one).__module__ == "monitor.log"]
    for number in range(REPEAT_MEMORY + 50):
        LIBRARY.warning("topic %s", "x" * (number % 40) + chr(0x4E00 + number))
    assert len(out.lines) == LIBRARY_LINES
    assert len(handler._seen) == REPEAT_MEMORY  # type: ignore[attr-defined]  # the handler is private to its module


def test_a_librarys_broken_log_call_is_still_a_line(out: Output) -> None:
    root = logging.getLogger()
    root.handlers[:] = [
        one for one in root.handlers if type(one).__module__ == "monitor.log"
    ]  # pytest's own one raises
    LIBRARY.warning("%d of %d", "many")
    assert out.last["message"] == "%d of %d"


def test_a_model_key_is_written_as_its_name(out: Output) -> None:
    get_log("a").info("opened", key=ModelKey("credit", "1"))
    assert out.last["key"] == "credit/1"
