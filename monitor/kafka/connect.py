"""How every client of the brokers is set up and made, and how the library's errors are sorted."""

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
from monitor.settings.tree import Kafka
from monitor.tenfold import Tenfold

Made = TypeVar("Made")

_log = get_log(__name__)

_RECONNECT_MAX_MS: Final = 5_000
_BOOTSTRAP_MS: Final = 5_000
_IDLE_MS: Final = 540_000
#: the library wants it above the fetch's wait and below the idle time
_REQUEST_MS: Final = (2_000, 300_000)
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
    """Keyword arguments that consumer, producer and admin client share; `role` names the connection at the brokers.

    Raises:
        UsageError: a file of kafka.security cannot be read or does not fit.
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
    """The same for a process that had it once: a file that is being replaced may be there again in a moment.

    Raises:
        ExternalError: a file of kafka.security cannot be read or does not fit now.
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
        _try_files(config)
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


def _try_files(config: dict[str, Any]) -> None:
    """The library reads them again at each connection, so that renewed ones count; a wrong one it only logs."""
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
    """Make a client of the library. A constructor that fails would leave its thread and sockets behind: closed here.

    Raises:
        ExternalError: no broker answered; PermanentError: brokers answered and refused for good.
    """
    heard = connection_failure()
    heard.forget()
    network: list[Any] = []

    def remembered(**arguments: Any) -> Any:  # noqa: ANN401  # the library's own untyped seam
        network.append(KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**arguments))
        return network[-1]

    try:
        return factory(kafka_client=remembered, **config)
    except kafka_errors.KafkaError as error:
        for client in network:
            client.close()
        if heard.untrusted:
            message = (
                f"cannot connect to Kafka: the broker's certificate is not trusted ({heard.text}); check "
                "kafka.security.ssl_cafile, the certificate's dates and the host name in kafka.bootstrap_servers"
            )
            raise PermanentError(message) from error
        if heard.not_admitted is not None:
            raise sorted_error(heard.not_admitted(), "connect to Kafka") from error
        failure = sorted_error(error, "connect to Kafka", heard.text + _often_missed(config))
        unanswered = _unanswered(network, heard.by_node)
        if unanswered and not isinstance(failure, PermanentError):
            message = f"cannot connect to Kafka now: {unanswered}; {_START_THEM}{_often_missed(config)}"
            raise TransientError(message) from error
        raise failure from error


def _unanswered(network: list[Any], by_node: Mapping[str, str]) -> str:
    """Which addresses of the settings did not answer, and why; "" when none was heard of."""
    brokers = [broker for client in network for broker in client.cluster.bootstrap_brokers()]
    if not any(broker.node_id in by_node for broker in brokers):
        return ""
    reported = (
        f"{f'[{broker.host}]' if ':' in broker.host else broker.host}:{broker.port} "
        f"({by_node.get(broker.node_id, 'not tried')})"
        for broker in brokers
    )
    return f"kafka.bootstrap_servers did not answer: {', '.join(sorted(reported))}"


def _often_missed(config: Mapping[str, Any]) -> str:
    """A broker refuses a user and ends the connection at once: the library mostly reports only the latter."""
    if not config["security_protocol"].startswith("SASL"):
        return ""
    return "; if the brokers run, they may not know kafka.security.sasl_username or its sasl_password"


def sorted_error(error: Exception, doing: str, detail: str = "") -> ExternalError:
    """The operator's sentence for an error of the library: PermanentError for good, else ExternalError."""
    messages = type(error).__name__ + (f" ({detail})" if detail else "")
    for kind, remedy in _REMEDIES:
        if isinstance(error, kind):
            return PermanentError(f"cannot {doing}: {messages}: {remedy}")
    return TransientError(f"cannot {doing} now: {messages}")


@contextmanager
def sorting_errors(doing: str) -> Iterator[None]:
    """Turns what the library raises within into ExternalError or PermanentError; `doing` continues "cannot ..."."""
    listener = connection_failure()
    before = listener.heard
    try:
        yield
    except kafka_errors.LogTruncationError:
        raise  # says which offsets are gone: for the caller that knows the positions
    except kafka_errors.KafkaError as error:
        broken = f"a broker at its advertised address: {listener.why}" if listener.heard > before else ""
        raise sorted_error(error, doing, broken) from error
    except KeyError as error:  # the library's answer to offsets of a partition that has no leader
        message = f"cannot {doing} now: a partition has no leader"
        raise TransientError(message) from error


def until_connected(make: Callable[[], Made], stop: Callable[[], bool], wait: Callable[[float], object]) -> Made | None:
    """Call `make` until it gives something, with growing pauses (jittered) while it raises ExternalError.

    `wait(seconds)` sleeps, and may return early when asked to stop. Returns None when `stop()` became true.

    Raises:
        PermanentError: trying again will not help.
    """
    pause, messages = _BACKOFF_S[0], Tenfold()
    while not stop():
        try:
            return make()
        except PermanentError:
            raise
        except ExternalError as failure:
            seconds = pause * random.uniform(0.5, 1.0)  # noqa: S311  # spreads retries, no secret
            if messages.again(str(failure)):
                _log.warning("kafka_not_connected", failure=str(failure), next_try_seconds=round(seconds, 1))
            wait(seconds)
            pause = min(pause * 2, _BACKOFF_S[1])
    return None
