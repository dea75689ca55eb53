"""The settings tree: every setting with its type, default and help. Frozen; durations are integer microseconds.

`monitor.settings.load` loads one from a file and the environment. In Python it can be constructed directly; a duration
is then a number of microseconds or a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr, SecretStr

from monitor.clock import DAY_US, MINUTE_US, SECOND_US
from monitor.events import canonical
from monitor.settings.bridge import Bridge
from monitor.settings.fields import Fields, layout_faults
from monitor.settings.kafka import Kafka
from monitor.settings.model import LABELS_HORIZON, Budget, Model
from monitor.settings.outputs import Outputs
from monitor.settings.places import FieldPath, PathType, Place, Rest
from monitor.settings.types import (
    Count,
    CountOrNone,
    Duration,
    Fault,
    FeatureNames,
    File,
    FileContext,
    Name,
    Part,
    Port,
    PositiveDuration,
    Share,
    Switch,
    Text,
    Texts,
    Timezone,
    Topic,
    Url,
    Version,
    shown,
)
from monitor.settings.version_path import PLACEHOLDER, filled, may_stand_in_path

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


#: format and encoding of native events as JSON
PLAIN: Final = ("native", "json")


class Input(Part):
    """A topic that is read. `model` and `version`, where set, win over the payload."""

    topic: Topic = Field(description="the topic", examples=["model-events"])
    format: Literal[
        "native",
        "fields",
        "auto",
        "kserve",
        "oip",
        "seldon",
        "tfserving",
        "mlflow",
        "databricks",
        "sagemaker",
        "vertex",
        "azure",
    ] = Field(
        default="native",
        description="how its records are written; fields: one's own layout, as `fields` says;"
        " auto: that of the first record whose format is recognised",
    )
    encoding: Literal["json", "avro", "protobuf", "json_schema"] = Field(
        default="json", description="what the bytes of its records are; the last three by the schema registry"
    )
    model: Name | None = Field(default=None, description="the model of all its events; the payload's when null")
    version: Version | None = Field(default=None, description="the version of all its events; the payload's when null")
    feature_names: FeatureNames | None = Field(
        default=None,
        description="the features of rows that have no names, in the order of their values; null: the reference's",
        examples=[["age", "income"]],
    )
    timezone: Timezone | None = Field(
        default=None,
        description="where times without an offset are read, such as Europe/Berlin; null: they are rejected",
    )

    fields: Fields | None = Field(default=None, description=Fields.__doc__)
    rows: PathType | None = Field(
        default=None,
        description="with fields: a list whose items are an event each; paths then begin there, ^. at the record",
    )
    ignore: Texts = Field(default=(), description="with fields: top-level fields that are neither features nor named")

    def cross_checks(self) -> Iterator[Fault]:
        if self.feature_names is not None and self.format in {"native", "fields"}:
            yield ("feature_names",), f"has no effect on format: {self.format}, whose rows have names"
        if self.format == "fields":
            if self.fields is None:
                yield ("fields",), "missing; write where each field is, such as {model: {value: NAME}, score: p}"
            else:
                faults = layout_faults(self.fields, rows=self.rows, has_model=self.model is not None)
                yield from ((("fields", *loc), text) for loc, text in faults)
            return
        for name, given in (("fields", self.fields), ("rows", self.rows), ("ignore", self.ignore)):
            if given:
                yield (name,), "goes with format: fields"

    def zone(self) -> ZoneInfo | None:
        """The time zone of times without an offset."""
        return None if self.timezone is None else ZoneInfo(self.timezone)


class Registry(Part):
    """The schema registry, with Confluent's API (also Apicurio, Karapace, Redpanda). Secrets as for Kafka."""

    url: Url | None = Field(
        default=None,
        description="needed for encodings other than json; Apicurio's ends in /apis/ccompat/v7",
        examples=["https://registry:8081"],
    )
    user: Text | None = Field(default=None, description="the user of basic authentication")
    password: SecretStr | None = Field(
        default=None, description="only by environment: DRIFTD_SCHEMA_REGISTRY__PASSWORD"
    )
    password_file: File | None = Field(default=None, description="a file that holds the password and nothing else")
    token: SecretStr | None = Field(
        default=None, description="a bearer token, only by environment: DRIFTD_SCHEMA_REGISTRY__TOKEN"
    )
    token_file: File | None = Field(default=None, description="a file that holds the token and nothing else")
    cafile: File | None = Field(
        default=None, description="PEM file of the authorities to trust; the system's when null"
    )
    timeout: PositiveDuration = Field(default=5 * SECOND_US, description="how long one request may take")

    def cross_checks(self) -> Iterator[Fault]:
        if self.url is not None and "@" in self.url:
            yield ("url",), "a user or password must not be in it; write user, and password_file: a path"
        if (self.user is None) != (self.password is None and self.password_file is None):
            missing = "user" if self.user is None else "password"
            yield (missing,), "missing; user and password go together"
        if self.user is not None and (self.token is not None or self.token_file is not None):
            yield ("token",), "goes without user and password; keep one of both"


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
    pair_within: Duration = Field(
        default=MINUTE_US,
        description="how far apart in time request and response of a call may be, where they are records of their own",
    )


class Limits(Part):
    """Bounds on memory; what exceeds a limit is counted."""

    record_bytes: Count = Field(default=1_048_576, description="bytes of a record's value")
    events_per_record: Count = Field(default=10_000, description="events in one record's array")
    features: Count = Field(default=1_000, description="features of one event, and of one model")
    vector: Count = Field(default=4_096, description="numbers of a vector; longer ones are not watched")
    versions: Count = Field(default=20, description="live versions of one model")
    rejected_share: Share = Field(
        default=0.5,
        description="above this share of rejected among a topic's newest 1,000 events it is not read until a restart;"
        " 1: never",
    )
    pairs_waiting: Count = Field(
        default=100_000, description="requests and responses that wait for each other; of more, the oldest are given up"
    )
    models: Count = Field(
        default=20,
        description="models that are watched though they are not in the settings (unknown_models: warmup)",
    )
    warmup_rows: Count = Field(
        default=400_000,
        description="events that one warm-up learns from; it ends there, with fewer windows than wanted",
    )
    warmup_bytes: Count = Field(
        default=67_108_864,
        description="compressed bytes of the rows of one warm-up; it ends there, with fewer windows than wanted; with"
        " more in open panes of all warm-ups, partitions that are ahead pause",
    )
    waiting_predictions: Count = Field(
        default=1_000_000,
        description="predictions of one model that wait for labels, and labels that wait for predictions; above it the"
        " oldest are let go",
    )
    series: Count = Field(
        default=10_000,
        description="series on /metrics; above it bins are left out, then distances, then figures without finding",
    )


class Settings(Part):
    """The root of the settings tree."""

    kafka: Kafka = Field(default=Kafka(), description=Kafka.__doc__)
    inputs: tuple[Input, ...] = Field(
        min_length=1, description=Input.__doc__, examples=[[{"topic": "model-events", "format": "native"}]]
    )
    schema_registry: Registry = Field(default=Registry(), description=Registry.__doc__)
    outputs: Outputs = Field(default=Outputs(), description=Outputs.__doc__)
    state: State = Field(default=State(), description=State.__doc__)
    http: Http = Field(default=Http(), description=Http.__doc__)
    bridge: Bridge = Field(default=Bridge(), description=Bridge.__doc__)
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
    retire_after: PositiveDuration = Field(
        default=DAY_US,
        description="a version without events for so long, while another version of the model has them, is retired: its"
        " incident resolves, its series and windows go; with its next event it is watched as a new one",
    )
    show_values: Switch = Field(
        default=True, description="whether category values may appear in series and findings; false hashes them"
    )
    limits: Limits = Field(default=Limits(), description=Limits.__doc__)
    models: tuple[Model, ...] = Field(
        default=(), description=Model.__doc__, examples=[[{"name": "credit", "reference": "reference/credit.json"}]]
    )
    unknown_models: Literal["warmup", "ignore", "reject"] = Field(
        default="warmup",
        description="events of other models, and of versions without a reference file: warmup learns a reference from"
        " them; else they are counted as unknown_model; reject also dead-letters them",
    )

    def cross_checks(self) -> Iterator[Fault]:
        for at, entry in enumerate(self.inputs):
            if entry.encoding != "json" and self.schema_registry.url is None:
                text = f"{entry.encoding} needs a schema registry; write schema_registry: {{url: https://HOST:8081}}"
                yield ("inputs", at, "encoding"), text
        outputs = (self.outputs.alerts_topic, self.outputs.rejects_topic)
        for name in ("topic", "labels_topic", "azure_topic"):
            topic = getattr(self.bridge, name)
            if topic is not None and topic in outputs:
                yield ("bridge", name), f"{shown(topic)} is an output of the daemon; write another topic"

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
        """The reference file of a model version; None if it has none or the version is not safe in a file name."""
        if not model.file or (PLACEHOLDER in model.file and not may_stand_in_path(version)):
            return None
        return self.folder / filled(model.file, version)


def model_fingerprint(settings: Settings, model: Model) -> dict[str, Json]:
    """The settings on which the model's saved state depends, as JSON in a fixed order, to be hashed.

    Without budgets, severities, least effects, routing, the list of versions and inputs that override nothing. The
    reference is not part of it either: it has its own hash.
    """
    own = [entry for entry in settings.inputs if entry.model in {None, model.name}]
    own.sort(key=lambda entry: (entry.topic, entry.model or "", entry.version or ""))
    horizon = model.labels.horizon
    labels: dict[str, Json] = {} if horizon == LABELS_HORIZON else {"labels_horizon_us": horizon}
    return {
        "name": model.name,
        "task": model.task,
        "positive": canonical(model.positive),
        "features": {name: feature.kind for name, feature in sorted(model.features.items()) if feature.kind},
        "pane_us": settings.windows.pane,
        "allowed_lateness_us": settings.lateness_us(model),
        **labels,
        **({"segments": list(model.segments)} if model.segments else {}),
        **({"fairness": model.fairness.model_dump(mode="json")} if model.fairness is not None else {}),
        "inputs": [
            _input_fingerprint(entry)
            for entry in own
            if (entry.model, entry.version, entry.timezone) != (None,) * 3 or (entry.format, entry.encoding) != PLAIN
        ],
    }


def _input_fingerprint(entry: Input) -> dict[str, Json]:
    more: dict[str, Json] = {} if entry.timezone is None else {"timezone": entry.timezone}
    if (entry.format, entry.encoding) != PLAIN:
        more |= {"format": entry.format, "encoding": entry.encoding}
    if entry.feature_names is not None:
        more["feature_names"] = list(entry.feature_names)
    if entry.fields is not None:
        places: dict[str, Json] = {name: str(place) for name, place in entry.fields.single().items()}
        places |= {name: _object_text(place) for name, place in entry.fields.objects().items()}
        more |= {"fields": places, "rows": str(entry.rows or ""), "ignore": [*sorted(entry.ignore)]}
    return {"topic": entry.topic, "model": entry.model or "", "version": entry.version, **more}


def _object_text(place: FieldPath | Rest | dict[str, Place]) -> Json:
    if isinstance(place, dict):
        return {name: str(one) for name, one in sorted(place.items())}
    return str(place)
