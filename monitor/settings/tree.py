"""The settings tree: every setting with its type, default and help. Frozen; durations are integer microseconds.

`monitor.settings.load` loads one from a file and the environment. In Python it can be constructed directly; a duration
is then a number of microseconds or a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr, SecretStr

from monitor.clock import DAY_US, MINUTE_US, SECOND_US
from monitor.events import canonical
from monitor.settings.types import (
    ApiVersion,
    Class,
    Count,
    CountOrNone,
    Duration,
    Effect,
    Fault,
    File,
    FileContext,
    Name,
    Pages,
    Part,
    Port,
    PositiveDuration,
    ReferencePath,
    Servers,
    Severity,
    Share,
    Start,
    Switch,
    Text,
    Timezone,
    Topic,
    Url,
    Version,
    Versions,
    shown,
)
from monitor.settings.version_path import ALLOWED, PLACEHOLDER, filled, may_stand_in_path

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Cause: TypeAlias = Literal[
    "distribution", "missing", "absent", "unseen", "outside", "constant", "type", "score", "prediction"
]


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
    security: Security = Field(default=Security(), description=Security.__doc__)


class Input(Part):
    """A topic that is read. `model` and `version`, where set, win over the payload."""

    topic: Topic = Field(description="the topic", examples=["model-events"])
    format: Literal["native"] = Field(default="native", description="how its records are written")
    model: Name | None = Field(default=None, description="the model of all its events; the payload's when null")
    version: Version | None = Field(default=None, description="the version of all its events; the payload's when null")
    timezone: Timezone | None = Field(
        default=None,
        description="where times without an offset are read, such as Europe/Berlin; null: they are rejected",
    )

    def zone(self) -> ZoneInfo | None:
        """The time zone of times without an offset."""
        return None if self.timezone is None else ZoneInfo(self.timezone)


class Outputs(Part):
    """The topics that are written; they have to exist."""

    alerts_topic: Topic | None = Field(default="driftd.alerts", description="transitions of incidents; null: none")
    rejects_topic: Topic | None = Field(
        default="driftd.rejects", description="records with a rejected event; null: none"
    )

    def cross_checks(self) -> Iterator[Fault]:
        if self.alerts_topic is not None and self.alerts_topic == self.rejects_topic:
            yield ("rejects_topic",), f"{shown(self.rejects_topic)} is alerts_topic too; write another topic or null"


class State(Part):
    """Where the state is kept."""

    store: Literal["directory", "memory"] = Field(
        default="directory", description="memory survives no restart and commits no offset"
    )
    path: File = Field(default=Path("/var/lib/driftd"), description="the folder of the checkpoints")
    every: PositiveDuration = Field(
        default=10 * SECOND_US, description="time between checkpoints; a transition is checkpointed at once"
    )


class Http(Part):
    """The server of /metrics, /livez, /readyz and the status page."""

    host: Text = Field(default="127.0.0.1", description="the address it listens on; 0.0.0.0 for all")
    port: Port = Field(default=9747, description="0 takes a free one")


class Log(Part):
    """The log on standard error while it runs."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the lowest level that is written; of libraries, warnings and errors at most"
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="console: lines for people, coloured unless NO_COLOR is set; json: one object a line;"
        " auto: console on a terminal, else json",
    )


class Links(Part):
    """Links in rules, notifications, the page and the alert topic. Without a setting its link is left out."""

    status: Url | None = Field(
        default=None, description="driftd's own page, as people reach it", examples=["https://driftd.example"]
    )
    runbooks: Url | None = Field(
        default=None,
        description="where docs/runbooks is published: the alert's name is added, or put in the place of {alert}",
        examples=["https://wiki.example/driftd"],
    )
    dashboards: Url | None = Field(
        default=None, description="Grafana, into which the dashboard was imported", examples=["https://grafana.example"]
    )


class Budget(Part):
    """How many false pages a model may cost, shared equally by its live versions."""

    pages: Pages = Field(default=1.0, description="false pages ...")
    per: PositiveDuration = Field(default=30 * DAY_US, description="... in this time")


class Windows(Part):
    """Event time: panes are aligned to Unix time; windows are made of whole panes."""

    pane: PositiveDuration = Field(
        default=10 * SECOND_US, description="the shortest window; the resolution of event time"
    )
    allowed_lateness: Duration = Field(
        default=MINUTE_US, description="how far an event may be behind the newest one of its partition"
    )
    max_skew: Duration = Field(default=MINUTE_US, description="how far an event may be ahead of its record's timestamp")
    idle_after: PositiveDuration = Field(
        default=MINUTE_US, description="after so long without records, a partition at its end no longer delays windows"
    )


class Limits(Part):
    """Bounds on memory; what exceeds a limit is counted."""

    record_bytes: Count = Field(default=1_048_576, description="bytes of a record's value")
    events_per_record: Count = Field(default=10_000, description="events in one record's array")
    features: Count = Field(default=1_000, description="features of one event, and of one model")
    versions: Count = Field(default=20, description="live versions of one model")
    rejected_share: Share = Field(
        default=0.5,
        description="above this share of rejected among a topic's newest 1,000 events it is not read until a restart;"
        " 1: never",
    )
    series: Count = Field(
        default=10_000,
        description="series on /metrics; above it bins are left out, then distances, then figures without finding",
    )


class Feature(Part):
    """A feature of a model."""

    kind: Literal["numeric", "categorical", "ignore"] | None = Field(
        default=None, description="the reference's when null"
    )
    severity: Severity | None = Field(default=None, description="of all its findings; null: by cause")
    least_effect: Effect | None = Field(
        default=None, description="a smaller change of it does not page; null: by cause"
    )
    mute: Switch = Field(default=False, description="its findings are shown and open no incident")


class Model(Part):
    """A model that is watched."""

    name: Name = Field(description="as in the events", examples=["credit"])
    versions: Versions = Field(default=(), description="the versions that are watched; [] is any")
    task: Literal["binary", "multiclass", "regression", "none"] | None = Field(
        default=None, description="inferred from the reference when null"
    )
    reference: ReferencePath = Field(
        description="the file to compare with, relative to the folder of this file",
        examples=["reference/credit-{version}.json"],
    )
    features: dict[Name, Feature] = Field(default={}, description="by name; other features are as in the reference")
    positive: Class = Field(default=1, description="the positive class of a binary task; 1, true and '1' are the same")
    allowed_lateness: Duration | None = Field(default=None, description="windows.allowed_lateness when null")
    budget: Budget | None = Field(default=None, description="the budget of all models when null")
    max_severity: Literal["page", "ticket"] = Field(default="page", description="ticket is a trial without pages")
    severity: dict[Cause, Severity] = Field(default={}, description="by cause; built-in defaults for the others")
    least_effect: dict[Cause, Effect] = Field(
        default={}, description="by cause; a smaller change does not page; built-in defaults for the others"
    )
    team: Text | None = Field(default=None, description="a label of driftd_model_info, for routing")
    runbook: Url | None = Field(default=None, description="a label of driftd_model_info, for whoever is paged")

    def cross_checks(self) -> Iterator[Fault]:
        yield from _twice("versions", self.versions)
        if "positive" in self.model_fields_set and self.task not in {None, "binary"}:
            yield ("positive",), f"means nothing for task: {self.task}; leave it out"
        if PLACEHOLDER in self.reference:
            for index, version in enumerate(self.versions):
                if not may_stand_in_path(version):
                    text = f"{shown(version)} cannot fill {PLACEHOLDER} in reference; write {ALLOWED}"
                    yield ("versions", index), text


class Settings(Part):
    """The root of the settings tree."""

    kafka: Kafka = Field(default=Kafka(), description=Kafka.__doc__)
    inputs: tuple[Input, ...] = Field(
        min_length=1, description=Input.__doc__, examples=[[{"topic": "model-events", "format": "native"}]]
    )
    outputs: Outputs = Field(default=Outputs(), description=Outputs.__doc__)
    state: State = Field(default=State(), description=State.__doc__)
    http: Http = Field(default=Http(), description=Http.__doc__)
    log: Log = Field(default=Log(), description=Log.__doc__)
    links: Links = Field(default=Links(), description=Links.__doc__)
    budget: Budget = Field(default=Budget(), description=Budget.__doc__)
    windows: Windows = Field(default=Windows(), description=Windows.__doc__)
    id_memory: CountOrNone = Field(
        default=100_000, description="how many predictions back, per partition, a repeated id is a duplicate; 0: none"
    )
    lasting_after: PositiveDuration = Field(
        default=DAY_US,
        description="event time after which a page that is still open becomes a ticket, and the model may page again",
    )
    show_values: Switch = Field(
        default=True, description="whether category values may appear in series and findings; false hashes them"
    )
    limits: Limits = Field(default=Limits(), description=Limits.__doc__)
    models: tuple[Model, ...] = Field(
        min_length=1, description=Model.__doc__, examples=[[{"name": "credit", "reference": "reference/credit.json"}]]
    )
    unknown_models: Literal["ignore", "reject"] = Field(
        default="ignore", description="how events of other models are counted; reject also dead-letters them"
    )

    _folder: Path = PrivateAttr(default=Path())

    def model_post_init(self, context: object, /) -> None:
        if isinstance(context, FileContext):
            self._folder = context.folder

    @property
    def folder(self) -> Path:
        """The folder of the settings file, where relative paths start; the working directory without a file."""
        return self._folder

    def model(self, name: str) -> Model | None:
        """The model of that name, or None."""
        return next((model for model in self.models if model.name == name), None)

    def input_of(self, topic: str) -> Input | None:
        """The input of that topic. For any other name (a file) the only input, None if there are several."""
        named = next((entry for entry in self.inputs if entry.topic == topic), None)
        return self.inputs[0] if named is None and len(self.inputs) == 1 else named

    def lateness_us(self, model: Model) -> int:
        """The allowed lateness of the model, in microseconds."""
        return self.windows.allowed_lateness if model.allowed_lateness is None else model.allowed_lateness

    def budget_of(self, model: Model) -> Budget:
        """The model's own budget, or the global one."""
        return self.budget if model.budget is None else model.budget

    def reference_path(self, model: Model, version: str) -> Path | None:
        """The reference file of a model version; None if the version is not safe as part of a file name."""
        if PLACEHOLDER in model.reference and not may_stand_in_path(version):
            return None
        return self.folder / filled(model.reference, version)


def model_fingerprint(settings: Settings, model: Model) -> dict[str, Json]:
    """The settings on which the model's saved state depends, as JSON in a fixed order, to be hashed.

    Without budgets, severities, least effects, routing, the list of versions and inputs that override nothing. The
    reference is not part of it either: it has its own hash.
    """
    own = [entry for entry in settings.inputs if entry.model in {None, model.name}]
    own.sort(key=lambda entry: (entry.topic, entry.model or "", entry.version or ""))
    return {
        "name": model.name,
        "task": model.task,
        "positive": canonical(model.positive),
        "features": {name: feature.kind for name, feature in sorted(model.features.items()) if feature.kind},
        "pane_us": settings.windows.pane,
        "allowed_lateness_us": settings.lateness_us(model),
        "inputs": [
            _input_fingerprint(entry) for entry in own if (entry.model, entry.version, entry.timezone) != (None,) * 3
        ],
    }


def _input_fingerprint(entry: Input) -> dict[str, Json]:
    zone: dict[str, Json] = {} if entry.timezone is None else {"timezone": entry.timezone}
    return {"topic": entry.topic, "model": entry.model or "", "version": entry.version, **zone}


def _twice(name: str, values: tuple[str, ...]) -> Iterator[Fault]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield (name, index), f"{shown(value)} occurs twice; keep one"
