"""Client settings, translated errors, back-off, the handler on the library's log, and the allocator."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors

from monitor.clock import ManualClock
from monitor.errors import ExternalError, PermanentError, TransientError, UsageError
from monitor.kafka.allocator import TRIM_INTERVAL_SECONDS, FreeMemory, tune_allocator
from monitor.kafka.connect import client_config, running_config, translated_error, translating_errors, until_connected
from monitor.kafka.library_log import connection_failure, meaning_of
from monitor.settings.kafka import Kafka


def kafka_settings(**changed: object) -> Kafka:
    return Kafka.model_validate({"bootstrap_servers": ["127.0.0.1:9092"], **changed})


def test_every_client_takes_the_shared_settings() -> None:
    config = client_config(kafka_settings(), "role")
    for client in (KafkaConsumer, KafkaProducer, KafkaAdminClient):
        assert set(config) <= set(client.DEFAULT_CONFIG)


def test_a_request_time_out_stays_between_what_the_library_takes() -> None:
    for given, used in (("1ms", 2_000), ("7s", 7_000), ("30m", 300_000)):
        config = client_config(kafka_settings(request_timeout=given), "role")
        assert config["request_timeout_ms"] == used
        assert config["bootstrap_timeout_ms"] <= 5_000
        assert used < config["connections_max_idle_ms"]


def test_user_and_password_are_given_only_with_sasl() -> None:
    assert "sasl_plain_password" not in client_config(kafka_settings(), "role")
    sasl = {"protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password": "p"}
    config = client_config(kafka_settings(security=sasl), "role")
    assert (config["sasl_mechanism"], config["sasl_plain_username"], config["sasl_plain_password"]) == (
        "PLAIN",
        "u",
        "p",
    )


def test_files_of_tls_that_cannot_be_used_are_all_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text("no certificate")
    security = {
        "protocol": "SSL",
        "ssl_cafile": str(tmp_path / "missing.pem"),
        "ssl_certfile": str(tmp_path / "own.pem"),
    }
    with pytest.raises(UsageError) as error:
        client_config(kafka_settings(security=security), "role")
    assert [fault.split(":")[0] for fault in error.value.faults] == [
        "kafka.security.ssl_cafile",
        "kafka.security.ssl_certfile",
    ]


def test_a_file_of_tls_that_is_gone_while_running_may_come_back(tmp_path: Path) -> None:
    settings = kafka_settings(security={"protocol": "SSL", "ssl_cafile": str(tmp_path / "missing.pem")})
    with pytest.raises(ExternalError, match=r"ssl_cafile: No such file") as failure:
        running_config(settings, "role")
    assert not isinstance(failure.value, PermanentError)
    assert running_config(kafka_settings(), "role") == client_config(kafka_settings(), "role")


@pytest.mark.parametrize(
    "error",
    [
        kafka_errors.TopicAuthorizationFailedError(),
        kafka_errors.GroupAuthorizationFailedError(),
        kafka_errors.ClusterAuthorizationFailedError(),
        kafka_errors.TransactionalIdAuthorizationFailedError(),
        kafka_errors.SaslAuthenticationFailedError(),
        kafka_errors.UnsupportedSaslMechanismError(),
        kafka_errors.InvalidTopicError(),
        kafka_errors.KafkaConfigurationError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_no_retry_heals_is_a_refusal(error: Exception) -> None:
    permanent = translated_error(error, "read records")
    assert isinstance(permanent, PermanentError)
    assert str(permanent).startswith(f"cannot read records: {type(error).__name__}: ")


@pytest.mark.parametrize(
    "error",
    [
        kafka_errors.KafkaConnectionError(),
        kafka_errors.KafkaTimeoutError(),
        kafka_errors.NotLeaderForPartitionError(),
        kafka_errors.RequestTimedOutError(),
        kafka_errors.CoordinatorNotAvailableError(),
        kafka_errors.UnknownError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_recoverable_error_is_transient(error: Exception) -> None:
    failure = translated_error(error, "read records")
    assert type(failure) is TransientError


def test_an_error_s_own_words_are_not_repeated() -> None:
    assert "payload" not in str(translated_error(kafka_errors.KafkaError("payload"), "read records"))


def test_a_partition_without_leader_is_a_transient_error() -> None:
    with pytest.raises(ExternalError, match="no leader"), translating_errors("ask"):
        raise KeyError("topic-0")


def test_waiting_for_brokers_grows_to_a_bound_and_ends_with_what_was_made() -> None:
    waits: list[float] = []

    def make() -> str:
        if len(waits) < 12:
            raise TransientError("not yet")
        return "made"

    assert until_connected(make, lambda: False, waits.append) == "made"
    bounds = [min(0.5 * 2**index, 10.0) for index in range(12)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))


def test_waiting_for_brokers_ends_when_asked_to_and_at_a_refusal() -> None:
    def failure() -> None:
        raise TransientError("not yet")

    def permanent() -> None:
        raise PermanentError("never")

    stops = iter([False, False, True])
    assert until_connected(failure, lambda: next(stops), lambda _: None) is None
    with pytest.raises(PermanentError, match="never"):
        until_connected(permanent, lambda: False, lambda _: None)


def test_the_library_s_log_has_the_reason_of_a_failed_connection() -> None:
    logged = connection_failure()
    logged.reset()
    library = logging.getLogger("kafka.net.manager")
    library.warning("Bootstrap connection to %s failed: %s", "b", kafka_errors.SaslAuthenticationFailedError())
    library.error("Connection failed: %s", "[SSL: CERTIFICATE_VERIFY_FAILED]")
    library.warning("Bootstrap connection to %s failed: %s", "b", "socket disconnected")
    library.warning("something else")

    assert logged.text == "Bootstrap connection to b failed: socket disconnected"
    assert logged.untrusted
    assert logged.auth_error is kafka_errors.SaslAuthenticationFailedError
    logged.reset()
    assert (logged.text, logged.untrusted, logged.auth_error) == ("", False, None)


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("KafkaConnectionError: 111 ECONNREFUSED (backoff 0.10 secs)", "connection refused"),
        ("KafkaConnectionError: 113 EHOSTUNREACH", "no route to host"),
        ("KafkaConnectionError: DNS Resolution failure", "no such host"),
        ("KafkaConnectionError: [Errno 104] Connection reset by peer", "closed the connection: is it a Kafka"),
        ("KafkaConnectionError: socket disconnected", "closed the connection: is it a Kafka listener"),
        ("InvalidReceiveError: Invalid frame length: 352518912", "answered, but not as Kafka does: is it"),
        ("KafkaConnectionError: Handshake failed: [SSL: WRONG_VERSION_NUMBER]", "the TLS handshake failed: is it"),
        ("[Error 7] RequestTimedOutError: Request timed out after 1499 ms", "no answer in time: is it"),
        ("SomethingNew", "the connection failed"),
    ],
)
def test_a_log_line_of_the_library_is_explained(line: str, meaning: str) -> None:
    assert meaning_of(f"Bootstrap connection to bootstrap-0 failed: {line}").startswith(meaning)


def test_an_unreachable_advertised_address_is_distinguished_from_a_silent_broker() -> None:
    @translating_errors("ask")
    def ask(*lines: str) -> None:
        for line in lines:
            logging.getLogger("kafka.net.manager").error("Connection failed: %s", line)
        raise kafka_errors.KafkaTimeoutError

    with pytest.raises(ExternalError, match=r"KafkaTimeoutError \(a broker at its advertised address: no such host\)"):
        ask("DNS Resolution failure")
    with pytest.raises(ExternalError, match=r"^cannot ask now: KafkaTimeoutError$"):
        ask()


def test_the_library_never_logs_below_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    library = logging.getLogger("kafka")
    monkeypatch.setattr(library, "level", logging.DEBUG)
    connection_failure()
    assert not logging.getLogger("kafka.conn").isEnabledFor(logging.INFO)


def test_free_memory_is_given_back_after_a_checkpoint_and_not_too_often() -> None:
    clock = ManualClock()
    memory = FreeMemory(clock)
    first = clock.monotonic()
    clock.advance(1)
    glibc = platform.libc_ver()[0] == "glibc"
    assert memory.after_turn(first) == glibc
    clock.advance(TRIM_INTERVAL_SECONDS + 1)
    assert not memory.after_turn(first)  # no checkpoint since
    assert memory.after_turn(clock.monotonic()) == glibc
    clock.advance(TRIM_INTERVAL_SECONDS / 2)
    assert not memory.after_turn(clock.monotonic())
    clock.advance(TRIM_INTERVAL_SECONDS)
    assert memory.after_turn(clock.monotonic()) == glibc


def test_tuning_the_allocator_can_be_repeated() -> None:
    assert tune_allocator() == tune_allocator()
