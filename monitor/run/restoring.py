"""Going on from a checkpoint: is it of this cluster and these topics, and what if there is none."""

from __future__ import annotations

from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.kafka.topics import ClusterDescription
from monitor.pipeline import Pipeline
from monitor.settings.tree import Settings
from monitor.state.directory import Loaded
from monitor.state.parts import NO_SUCH_STATE, Whole, no_such_state, state_in


def restored(pipeline: Pipeline, loaded: Loaded, described: ClusterDescription) -> list[ModelKey]:
    """Restore a checkpoint; returns the model versions that start from scratch.

    Raises:
        UsageError: it belongs to another cluster or topic, has another format, or is not a state of driftd.
    """
    state = state_in(loaded)
    require_same_cluster(state.whole, described)
    try:
        return pipeline.restore(state)
    except NO_SUCH_STATE as error:
        raise UsageError(no_such_state(loaded, error)) from error


def require_same_cluster(whole: Whole, described: ClusterDescription) -> None:
    """Check that a state belongs to this cluster and its topics.

    Raises:
        UsageError: another cluster, or a topic that was recreated.
    """
    remedy = "restore what it was, or remove the state folder (or run with --accept-loss) to start from scratch"
    faults = []
    if whole.cluster != described.cluster_id:
        faults.append(f"the state was made on the cluster {whole.cluster}, this is {described.cluster_id}; {remedy}")
    for name, topic in described.topics.items():
        before = whole.topics.get(name)
        if before is not None and before != topic.topic_id:
            faults.append(f"the topic {name} was made again (id {before} before, {topic.topic_id} now); {remedy}")
    if faults:
        raise UsageError(faults)


def lost_state(settings: Settings) -> str:
    """The message if the group has committed offsets but there is no state."""
    return (
        f"state.path: {settings.state.path} holds no state, but the group {settings.kafka.group_id} has committed "
        "offsets: was the volume lost? Restore it; or set kafka.start: committed to go on from the offsets with empty "
        "statistics; or run once with --accept-loss to begin at kafka.start"
    )
