"""Configures and creates every Kafka client, and translates the library's errors into our own."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from kafka import KafkaConsumer
from kafka import errors as kafka_errors
from pydantic import SecretStr

from monitor.clock import SECOND_US
from monitor.errors import ExternalError, PermanentError, TransientError, UsageError
from monitor.kafka.library_log import connection_failure
from monitor.log import get_log
from monitor.settings.kafka import Kafka
from monitor.tenfold import Tenfold

Made = TypeVar("Made")

_log = get_log(__name__)

_RECONNECT_MAX_MS: Final = 5_000
_BOOTSTRAP_MS: Final = 5_000
_IDLE_MS: Final = 540_000
#: least and most request time-out: the library requires it to be above fetch_max_wait_ms and below the idle time
_REQUEST_MS: Final = (2_000, 300_000)
#: first and longest pause between two attempts, in seconds
_BACKOFF_S: Final = (0.5, 10.0)
_START_THEM: Final = "start the brokers there, or write where they are"

_REMEDIES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (
        kafka_errors.TopicAuthorizationFailedError,
        "the user has no right to the topic; give READ and DESCRIBE on input topics, WRITE and DESCRIBE on output "
        "topics (kafka-acls.sh --add)",
    ),
    (
        kafka_errors.GroupAuthorizationFailedError,
        "the user has no right to the group; give READ on kafka.group_id (kafka-acls.sh --add --group)",
    ),
    (
        kafka_errors.ClusterAuthorizationFailedError,
        "the user has no right to the cluster; give the operation on it, or let an administrator do this step",
    ),
    (kafka_errors.AuthorizationError, "the user has no right to do this; see the brokers' access lists"),
    (
        kafka_errors.SaslAuthenticationFailedError,
        "the brokers do not know this user or password; check kafka.security.sasl_username and sasl_password",
    ),
    (
        kafka_errors.UnsupportedSaslMechanismError,
        "the brokers do not offer this SASL mechanism; check kafka.security.sasl_mechanism",
    ),
    (kafka_errors.IllegalSaslStateError, "the listener wants no SASL; check kafka.security.protocol and the port"),
    (kafka_errors.SecurityDisabledError, "the brokers have no access lists; nothing can be asked about rights"),
    (kafka_errors.InvalidTopicError, "the brokers do not take this topic's name"),
    (kafka_errors.InvalidRecordError, "the topic does not take such a record; a compacted one wants keys"),
    (kafka_errors.InvalidGroupIdError, "the brokers do not take this name; check kafka.group_id"),
    (kafka_errors.InvalidReplicationFactorError, "the cluster has fewer brokers than replicas asked for"),
    (kafka_errors.InvalidPartitionsError, "the brokers do not take this number of partitions"),
    (kafka_errors.InvalidConfigurationError, "the brokers do not take the topic's configuration"),
    (kafka_errors.PolicyViolationError, "the cluster's policy forbids it; let an administrator do this step"),
    (kafka_errors.UnsupportedVersionError, "the brokers are too old for this; Apache Kafka 2.1 or newer is needed"),
    (kafka_errors.KafkaConfigurationError, "the Kafka client does not take these settings"),
)


def client_config(settings: Kafka, role: str) -> dict[str, Any]:
    """Keyword arguments that consumer, producer and admin client share; `role` becomes part of the client id.

    Raises:
        UsageError: a file of kafka.security cannot be read or is not valid.
    """
    request_ms = min(max(settings.request_timeout * 1000 // SECOND_US, _REQUEST_MS[0]), _REQUEST_MS[1])
    return {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "client_id": f"{settings.client_id}-{role}",
        "api_version": settings.api_version,
        "request_timeout_ms": request_ms,
        "bootstrap_timeout_ms": min(request_ms, _BOOTSTRAP_MS),
        "reconnect_backoff_max_ms": _RECONNECT_MAX_MS,
        "connections_max_idle_ms": _IDLE_MS,
        "metadata_max_age_ms": 30_000,
        **_security_config(settings),
    }


def running_config(settings: Kafka, role: str) -> dict[str, Any]:
    """`client_config` for a process that runs: a file that cannot be read may be in the middle of a replacement.

    Raises:
        ExternalError: a file of kafka.security cannot be read or is not valid now.
    """
    try:
        return client_config(settings, role)
    except UsageError as error:
        message = f"cannot connect to Kafka now: {'; '.join(error.faults)}"
        raise TransientError(message) from error


def _security_config(settings: Kafka) -> dict[str, Any]:
    security = settings.security
    config: dict[str, Any] = {"security_protocol": security.protocol}
    if security.protocol in {"SSL", "SASL_SSL"}:
        config |= {
            "ssl_cafile": _path(security.ssl_cafile),
            "ssl_certfile": _path(security.ssl_certfile),
            "ssl_keyfile": _path(security.ssl_keyfile),
            "ssl_password": _secret(security.ssl_key_password),
            "ssl_check_hostname": security.ssl_check_hostname,
        }
        _check_files(config)
    if security.protocol in {"SASL_PLAINTEXT", "SASL_SSL"}:
        config |= {
            "sasl_mechanism": security.sasl_mechanism,
            "sasl_plain_username": security.sasl_username,
            "sasl_plain_password": _secret(security.sasl_password),
        }
    return config


def _secret(given: SecretStr | None) -> str | None:
    return None if given is None else given.get_secret_value()


def _path(path: object) -> str | None:
    return str(path) if path is not None else None


def _check_files(config: dict[str, Any]) -> None:
    """Load the certificate files once, because the library only logs a wrong one.

    The library gets the paths and reads them at each connection, so that renewed files take effect.

    Raises:
        UsageError: a file cannot be read or is not valid.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    faults = []
    try:
        if config["ssl_cafile"]:
            context.load_verify_locations(config["ssl_cafile"])
    except OSError as error:
        faults.append(f"kafka.security.ssl_cafile: {_why(error)}; write the path of a readable PEM file")
    try:
        if config["ssl_certfile"]:
            context.load_cert_chain(config["ssl_certfile"], config["ssl_keyfile"], config["ssl_password"] or "")
    except OSError as error:
        faults.append(
            f"kafka.security.ssl_certfile: {_why(error)}; write a PEM file, its key in ssl_keyfile and the key's "
            "password in ssl_key_password"
        )
    if faults:
        raise UsageError(faults)


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def connect(factory: Callable[..., Made], config: dict[str, Any]) -> Made:
    """Create a client of the library. If its constructor fails, close the network client that it would leak.

    Raises:
        ExternalError: no broker answered; PermanentError: brokers answered and refused for good.
    """
    logged = connection_failure()
    logged.reset()
    network: list[Any] = []

    def network_client(**arguments: Any) -> Any:  # noqa: ANN401  # of the library, without types
        network.append(KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**arguments))
        return network[-1]

    try:
        return factory(kafka_client=network_client, **config)
    except kafka_errors.KafkaError as error:
        for client in network:
            client.close()
        if logged.untrusted:
            message = (
                f"cannot connect to Kafka: the broker's certificate is not trusted ({logged.text}); check "
                "kafka.security.ssl_cafile, the certificate's dates and the host name in kafka.bootstrap_servers"
            )
            raise PermanentError(message) from error
        if logged.auth_error is not None:
            raise translated_error(logged.auth_error(), "connect to Kafka") from error
        failure = translated_error(error, "connect to Kafka", logged.text + _sasl_hint(config))
        unanswered = _unanswered(network, logged.by_node)
        if unanswered and not isinstance(failure, PermanentError):
            message = f"cannot connect to Kafka now: {unanswered}; {_START_THEM}{_sasl_hint(config)}"
            raise TransientError(message) from error
        raise failure from error


def _unanswered(network: list[Any], by_node: Mapping[str, str]) -> str:
    """The bootstrap servers that did not answer, with the reasons; "" if the library logged nothing about them."""
    brokers = [broker for client in network for broker in client.cluster.bootstrap_brokers()]
    if not any(broker.node_id in by_node for broker in brokers):
        return ""
    addresses = (
        f"{f'[{broker.host}]' if ':' in broker.host else broker.host}:{broker.port} "
        f"({by_node.get(broker.node_id, 'not tried')})"
        for broker in brokers
    )
    return f"kafka.bootstrap_servers did not answer: {', '.join(sorted(addresses))}"


def _sasl_hint(config: Mapping[str, Any]) -> str:
    """A hint at wrong credentials, "" without SASL.

    A broker that refuses a user closes the connection at once, and the library mostly reports only that.
    """
    if not config["security_protocol"].startswith("SASL"):
        return ""
    return "; if the brokers run, they may not know kafka.security.sasl_username or its sasl_password"


def translated_error(error: Exception, doing: str, detail: str = "") -> ExternalError:
    """Our exception for an error of the library, with a remedy: PermanentError for good, else TransientError.

    `doing` continues "cannot ...".
    """
    name = type(error).__name__ + (f" ({detail})" if detail else "")
    for kind, remedy in _REMEDIES:
        if isinstance(error, kind):
            return PermanentError(f"cannot {doing}: {name}: {remedy}")
    return TransientError(f"cannot {doing} now: {name}")


@contextmanager
def translating_errors(doing: str) -> Iterator[None]:
    """Translate what the library raises within the block (`translated_error`); `doing` continues "cannot ..."."""
    logged = connection_failure()
    before = logged.count
    try:
        yield
    except kafka_errors.LogTruncationError:
        raise  # holds the offsets that are gone: for the caller, which has the positions
    except kafka_errors.KafkaError as error:
        broken = f"a broker at its advertised address: {logged.why}" if logged.count > before else ""
        raise translated_error(error, doing, broken) from error
    except KeyError as error:  # the library raises it for the offsets of a partition without a leader
        message = f"cannot {doing} now: a partition has no leader"
        raise TransientError(message) from error


def until_connected(make: Callable[[], Made], stop: Callable[[], bool], wait: Callable[[float], object]) -> Made | None:
    """Call `make` until it returns, with exponential back-off and jitter while it raises ExternalError.

    `wait(seconds)` sleeps, and may return early when asked to stop. Returns None when `stop()` became true.

    Raises:
        PermanentError: trying again will not help.
    """
    pause, failures = _BACKOFF_S[0], Tenfold()
    while not stop():
        try:
            return make()
        except PermanentError:
            raise
        except ExternalError as failure:
            seconds = pause * random.uniform(0.5, 1.0)  # noqa: S311  # spreads retries, no secret
            if failures.again(str(failure)):
                _log.warning("kafka_not_connected", failure=str(failure), next_try_seconds=round(seconds, 1))
            wait(seconds)
            pause = min(pause * 2, _BACKOFF_S[1])
    return None
