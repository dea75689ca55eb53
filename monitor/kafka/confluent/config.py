"""Translates the keywords of kafka-python's clients into the configuration of a librdkafka consumer."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from monitor.errors import UsageError

_MIB: Final = 1 << 20
#: KiB of fetched records that wait to be taken; a broker's last answer may come on top
_QUEUED_KIB: Final = 16 << 10
#: records that wait to be taken: each takes some hundred bytes besides its own
_QUEUED_RECORDS: Final = 20_000

Table = Mapping[str, tuple[str, Callable[[Any], Any]] | None]


def _same(value: Any) -> Any:  # noqa: ANN401
    return value


def _joined(servers: Sequence[str]) -> str:
    return ",".join(servers)


def _version(numbers: Sequence[int]) -> str:
    return ".".join(map(str, (*numbers, 0, 0)[: max(3, len(numbers))]))


def _host_name_check(wanted: bool) -> str:
    return "https" if wanted else "none"


#: of every keyword of kafka-python that driftd gives: librdkafka's name and how the value is translated; None where it
#: has no such setting and needs none
TABLE: Final[Table] = {
    "bootstrap_servers": ("bootstrap.servers", _joined),
    "client_id": ("client.id", _same),
    "api_version": ("broker.version.fallback", _version),
    "request_timeout_ms": ("socket.timeout.ms", _same),
    "bootstrap_timeout_ms": None,  # it connects in the background
    "reconnect_backoff_max_ms": ("reconnect.backoff.max.ms", _same),
    "connections_max_idle_ms": ("connections.max.idle.ms", _same),
    "metadata_max_age_ms": ("topic.metadata.refresh.interval.ms", _same),
    "security_protocol": ("security.protocol", _same),
    "ssl_cafile": ("ssl.ca.location", _same),
    "ssl_certfile": ("ssl.certificate.location", _same),
    "ssl_keyfile": ("ssl.key.location", _same),
    "ssl_password": ("ssl.key.password", _same),
    "ssl_check_hostname": ("ssl.endpoint.identification.algorithm", _host_name_check),
    "sasl_mechanism": ("sasl.mechanism", _same),
    "sasl_plain_username": ("sasl.username", _same),
    "sasl_plain_password": ("sasl.password", _same),
}

_FETCH: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
    "isolation.level": "read_committed",
    "check.crcs": True,
    "enable.partition.eof": True,  # says where the position is behind control records
    "fetch.queue.backoff.ms": 10,  # at the default of 1000 it idles whenever the queue is full
    "queued.max.messages.kbytes": _QUEUED_KIB,
    "queued.min.messages": _QUEUED_RECORDS,
    "fetch.max.bytes": 4 * _MIB,
    "fetch.message.max.bytes": _MIB // 2,
    "receive.message.max.bytes": 128 * _MIB,  # a broker sends one record whole even if it is above the fetch limits
    "max.poll.interval.ms": 86_400_000,  # a pause of reading is no fault
    "log_level": 0,  # errors come to a callback
}
#: files that the library reads once, when a consumer is made
_FILES: Final = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")


def consumer_config(given: Mapping[str, Any], group_id: str) -> dict[str, Any]:
    """The configuration of a consumer for kafka-python's keywords `given`.

    Raises:
        UsageError: a keyword has no translation.
    """
    config: dict[str, Any] = {"group.id": group_id, **_FETCH}
    if unknown := sorted(set(given) - set(TABLE)):
        raise UsageError(f"kafka.client: confluent has no {', '.join(unknown)}; use kafka.client: kafka-python")
    for name, value in given.items():
        if (translated := TABLE[name]) is not None and value is not None:
            theirs, translate = translated
            config[theirs] = translate(value)
    if config["security.protocol"].endswith("SSL"):
        # as Python's: the authorities of the system, and the key in the same file as the certificate
        config.setdefault("ssl.ca.location", ssl.get_default_verify_paths().cafile or "probe")
        if certificate := config.get("ssl.certificate.location"):
            config.setdefault("ssl.key.location", certificate)
    return config


def files_of(config: Mapping[str, Any]) -> tuple[tuple[int, int, int], ...]:
    """What changes when one of the certificate files is replaced."""
    found = []
    for path in filter(None, (config.get(name) for name in _FILES)):
        try:
            status = os.stat(path)
        except OSError:  # in the middle of a replacement, or "probe"
            continue
        found.append((status.st_mtime_ns, status.st_ino, status.st_size))
    return tuple(found)
