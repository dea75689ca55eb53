"""Settings of the Kafka cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, SecretStr

from monitor.clock import SECOND_US
from monitor.settings.types import ApiVersion, Fault, File, Part, PositiveDuration, Servers, Start, Switch, Text


class Security(Part):
    """How to connect to the brokers. Secrets come by environment or from a separate file, never from this one."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="the protocol of the brokers' listener"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="needed with SASL_PLAINTEXT and SASL_SSL"
    )
    sasl_username: Text | None = Field(default=None, description="needed with SASL")
    sasl_password: SecretStr | None = Field(
        default=None, description="only by environment: DRIFTD_KAFKA__SECURITY__SASL_PASSWORD"
    )
    sasl_password_file: File | None = Field(default=None, description="a file that holds the password and nothing else")
    ssl_cafile: File | None = Field(
        default=None, description="PEM file of the authorities to trust; the system's when null"
    )
    ssl_certfile: File | None = Field(default=None, description="PEM file of the client's own certificate")
    ssl_keyfile: File | None = Field(default=None, description="PEM file of the certificate's key")
    ssl_key_password: SecretStr | None = Field(
        default=None, description="only by environment: DRIFTD_KAFKA__SECURITY__SSL_KEY_PASSWORD"
    )
    ssl_key_password_file: File | None = Field(
        default=None, description="a file that holds the key's password and nothing else"
    )
    ssl_check_hostname: Switch = Field(
        default=True, description="whether a broker's certificate has to match its host name"
    )

    def cross_checks(self) -> Iterator[Fault]:
        sasl, tls = self.protocol.startswith("SASL"), self.protocol.endswith("SSL")
        needs = {"sasl_mechanism": "PLAIN", "sasl_username": "a name"}
        for name in ("sasl_mechanism", "sasl_username", "sasl_password", "sasl_password_file"):
            if not sasl and getattr(self, name) is not None:
                yield (name,), f"means nothing with {self.protocol}; write protocol: SASL_SSL or leave it out"
            if sasl and name in needs and getattr(self, name) is None:
                yield (name,), f"missing, and {self.protocol} needs it; write {needs[name]}"
        if sasl and self.sasl_password is None and self.sasl_password_file is None:
            yield ("sasl_password",), f"missing, and {self.protocol} needs it; write sasl_password_file: a path"
        for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_key_password", "ssl_key_password_file"):
            if not tls and getattr(self, name) is not None:
                yield (name,), f"means nothing with {self.protocol}; write protocol: SSL or leave it out"
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            yield ("ssl_certfile",), "missing, and ssl_keyfile needs it; write the path of a PEM file"


class Kafka(Part):
    """The cluster that is read and written."""

    client: Literal["kafka-python", "confluent"] = Field(
        default="kafka-python",
        description="the library that reads the input topics; confluent takes less CPU, and needs driftd[confluent]",
    )
    bootstrap_servers: Servers = Field(default=("localhost:9092",), description="brokers to ask first")
    group_id: Text = Field(default="driftd", description="the consumer group whose offsets mirror the positions")
    start: Start = Field(
        default="latest",
        description="where to begin when no state exists; its offsets are checkpointed before the first poll",
    )
    client_id: Text = Field(default="driftd", description="what the brokers' logs and quotas call this client")
    request_timeout: PositiveDuration = Field(default=30 * SECOND_US, description="how long one request may take")
    api_version: ApiVersion | None = Field(
        default=None, description="the brokers' version, if they do not report it; detected when null"
    )
    fast_path: Switch = Field(
        default=True,
        description="whether record batches are unpacked by driftd itself; the library decodes each record when false",
    )
    security: Security = Field(default=Security(), description=Security.__doc__)

    def cross_checks(self) -> Iterator[Fault]:
        if self.client == "confluent" and not self.fast_path:
            yield ("fast_path",), "means nothing with client: confluent, which unpacks records itself; leave it out"
