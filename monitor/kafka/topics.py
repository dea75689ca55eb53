"""Describes topics (ids, partitions, the user's rights) and creates the ones that driftd writes to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType

from monitor.errors import ExternalError, PermanentError
from monitor.kafka.connect import client_config, connect, translated_error, translating_errors
from monitor.settings.kafka import Kafka

_LARGEST: Final = "max.message.bytes"
_NO_ERROR: Final = 0
_CLEANUP: Final = "cleanup.policy"
_UNKNOWN_TOPIC: Final = kafka_errors.UnknownTopicOrPartitionError.errno
_ALREADY_THERE: Final = kafka_errors.TopicAlreadyExistsError.errno


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as the cluster described it.

    `topic_id` is "" on brokers before 2.8, which have none. `operations` are what this user may do with it (READ,
    WRITE, DESCRIBE, ...); `leaderless` are the partitions without a leader.
    """

    topic_id: str
    partitions: int
    operations: frozenset[str] = frozenset()
    leaderless: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """A cluster, and the requested topics that exist; `missing` has the names of the others."""

    cluster_id: str
    topics: Mapping[str, TopicDescription]
    missing: tuple[str, ...] = ()


def describe_cluster(settings: Kafka, topics: Iterable[str]) -> ClusterDescription:
    """Describe the cluster and these topics; never creates a topic.

    Raises:
        ExternalError: no answer; PermanentError: no right to describe them, or wrong credentials.
    """
    with admin_client(settings, "check") as admin:
        return describe(admin, sorted(set(topics)))


@contextmanager
def admin_client(settings: Kafka, role: str) -> Iterator[Any]:
    """An admin client of the library, closed at the end."""
    admin = connect(KafkaAdminClient, client_config(settings, role))
    try:
        yield admin
    finally:
        admin.close()


def describe(admin: Any, topics: list[str]) -> ClusterDescription:  # noqa: ANN401  # the library has no types
    """Describe the cluster and these topics with `admin`.

    Raises:
        ExternalError, PermanentError: as `describe_cluster`.
    """
    with translating_errors("describe the cluster"):
        cluster_id = str(admin.describe_cluster()["cluster_id"])
    described, missing = describe_topics(admin, topics)
    return ClusterDescription(cluster_id, described, missing)


def describe_topics(admin: Any, topics: list[str]) -> tuple[dict[str, TopicDescription], tuple[str, ...]]:  # noqa: ANN401  # as above
    """The descriptions of the topics that exist, and the names of those that do not."""
    with translating_errors(f"describe the topics {', '.join(topics)}"):
        answers = admin.describe_topics(topics) if topics else []
    described: dict[str, TopicDescription] = {}
    missing: list[str] = []
    for answer in answers:
        code, name = answer["error_code"], answer["name"]
        if code == _UNKNOWN_TOPIC:
            missing.append(name)
        elif code != _NO_ERROR:
            raise translated_error(kafka_errors.for_code(code)(), f"describe the topic {name}")
        else:
            described[name] = _description(answer)
    return described, tuple(sorted(missing))


def largest_messages(settings: Kafka, topics: Iterable[str]) -> dict[str, int]:
    """The `max.message.bytes` of topics, as far as this user may read their configuration.

    Raises:
        ExternalError: no answer.
    """
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {_LARGEST: None}) for name in topics]
    with admin_client(settings, "check") as admin, translating_errors("read the configuration of topics"):
        try:
            found = admin.describe_configs(asked, config_filter="all")
        except kafka_errors.AuthorizationError:
            return {}
    of_topics = found.get("topic") or {}
    return {name: int(configs[_LARGEST]["value"]) for name, configs in of_topics.items() if _LARGEST in configs}


def _description(answer: Mapping[str, Any]) -> TopicDescription:
    partitions = answer["partitions"]
    return TopicDescription(
        topic_id=str(answer.get("topic_id") or ""),
        partitions=len(partitions),
        operations=frozenset(answer.get("authorized_operations") or ()),
        leaderless=frozenset(part["partition_index"] for part in partitions if part["leader_id"] < 0),
    )


def is_compacted(settings: Kafka, topic: str) -> bool | None:
    """Whether a topic keeps only the newest record of each key; None where this user may not know."""
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {_CLEANUP: None})
    with admin_client(settings, "audit") as admin:
        try:
            with translating_errors(f"read the settings of {topic}"):
                answer = admin.describe_configs([resource], config_filter="all")
            return "compact" in str(answer["topic"][topic][_CLEANUP])
        except (ExternalError, LookupError, TypeError):
            return None


def require_topics(
    described: ClusterDescription,
    settings: Kafka,
    *,
    inputs: Collection[str],
    outputs: Collection[str],
    config_file: str,
) -> None:
    """Require that all topics exist and that this user may read the inputs and write the outputs.

    Rights are only checked if the cluster returned them.

    Raises:
        PermanentError: one line a fault, with the command that creates the topic or gives the right.
    """
    faults = [_missing_input(name, settings) for name in inputs if name in described.missing]
    faults += [_missing_output(name, settings, config_file) for name in outputs if name in described.missing]
    faults += [fault for name in inputs for fault in _lacking(described, name, "READ")]
    faults += [fault for name in outputs for fault in _lacking(described, name, "WRITE")]
    if faults:
        raise PermanentError("\n".join(faults))


def create_command(name: str, settings: Kafka) -> str:
    """The command line of Kafka's own tool that creates the topic."""
    servers = ",".join(settings.bootstrap_servers)
    return f"kafka-topics.sh --bootstrap-server {servers} --create --topic {name}"


def _missing_input(name: str, settings: Kafka) -> str:
    return (
        f"the input topic {name} does not exist; check inputs[].topic, or make it where its producer is set up: "
        f"{create_command(name, settings)}"
    )


def _missing_output(name: str, settings: Kafka, config_file: str) -> str:
    return (
        f"the output topic {name} does not exist; make it by `driftd check --config {config_file} --create-topics` "
        f"or by `{create_command(name, settings)}`"
    )


def _lacking(described: ClusterDescription, name: str, operation: str) -> list[str]:
    topic = described.topics.get(name)
    if topic is None or not topic.operations or operation in topic.operations:
        return []
    return [
        f"this user may not {operation} the topic {name}; give it by "
        f"`kafka-acls.sh --add --topic {name} --operation {operation} --allow-principal User:...`"
    ]


def create_topics(settings: Kafka, names: Collection[str], *, partitions: int = -1, replication: int = -1) -> list[str]:
    """Create the topics that are missing (-1: the brokers' defaults) and wait until they have leaders.

    Returns the names of the created ones; an existing topic is not changed.

    Raises:
        ExternalError: no answer in time; PermanentError: no right to do so, or a policy forbids it.
    """
    created: list[str] = []
    wanted = {name: {"num_partitions": partitions, "replication_factor": replication} for name in sorted(set(names))}
    if not wanted:
        return created
    with admin_client(settings, "check") as admin:
        with translating_errors(f"create the topics {', '.join(wanted)}"):
            answers = admin.create_topics(wanted, raise_errors=False)["topics"]
        for answer in answers:
            code = answer["error_code"]
            if code == _NO_ERROR:
                created.append(answer["name"])
            elif code != _ALREADY_THERE:
                raise _not_created(answer["name"], code)
        with translating_errors(f"see the leaders of the new topics {', '.join(created)}"):
            admin.wait_for_topics(created)
    return created


def _not_created(name: str, code: int) -> ExternalError:
    return translated_error(kafka_errors.for_code(code)(), f"create the topic {name}")
