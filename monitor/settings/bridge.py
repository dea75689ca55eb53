"""Settings of `driftd bridge`, the HTTP receiver in front of a topic."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from monitor.clock import SECOND_US
from monitor.settings.types import Count, Fault, File, Part, Port, PositiveDuration, Text, Topic


class Bridge(Part):
    """`driftd bridge`, which receives events over HTTP and puts them on topics; `driftd run` needs none of it."""

    host: Text = Field(default="127.0.0.1", description="the address it listens on; 0.0.0.0 for all")
    port: Port = Field(default=9748, description="0 takes a free one")
    topic: Topic | None = Field(
        default=None, description="where posts go whose path names no topic; null: the topic of the only input"
    )
    labels_topic: Topic | None = Field(default=None, description="where posts to /labels go; null: topic")
    azure_topic: Topic | None = Field(
        default=None, description="where posts of Azure's collector to /modeldata/log go; null: topic"
    )
    azure_source: Text | None = Field(
        default=None,
        description="the source of what Azure's collector posts, which does not name its endpoint; null: inputs[].model"
        " has to name the model",
        examples=["/onlineEndpoints/credit/deployments/blue"],
    )
    token_file: File | None = Field(
        default=None,
        description="a file that holds the bearer token of posts and nothing else; read again when it changes."
        " null: anyone may post",
    )
    tls_certfile: File | None = Field(
        default=None,
        description="PEM file of the certificate and its chain, for HTTPS; read again when it changes. null: HTTP",
    )
    tls_keyfile: File | None = Field(
        default=None, description="PEM file of the certificate's key, without a password; null: in tls_certfile"
    )
    body_bytes: Count = Field(default=1_000_000, description="bytes of a request's body; more is answered with 413")
    queue_bytes: Count = Field(
        default=67_108_864,
        description="bytes that wait for the brokers; above it posts are answered with 429 and Retry-After",
    )
    connections: Count = Field(
        default=512, description="open connections; of more, the oldest that waits for no answer is closed"
    )
    request_timeout: PositiveDuration = Field(
        default=10 * SECOND_US, description="how long a client may take to send one request"
    )
    answer_timeout: PositiveDuration = Field(
        default=10 * SECOND_US, description="how long the brokers may take; after it a post is answered with 503"
    )

    def cross_checks(self) -> Iterator[Fault]:
        if self.tls_keyfile is not None and self.tls_certfile is None:
            yield ("tls_certfile",), "missing, and tls_keyfile needs it; write the path of a PEM file"
        if self.queue_bytes < self.body_bytes:
            yield ("queue_bytes",), f"is below body_bytes ({self.body_bytes}): no body of that size would be taken"
