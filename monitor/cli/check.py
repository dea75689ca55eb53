"""`driftd check`: verifies settings, references, Kafka and the state folder before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from monitor.bridge.access import Access
from monitor.bridge.routes import routes, topics_of
from monitor.clock import SystemClock
from monitor.errors import ExternalError, PermanentError, UsageError
from monitor.events import ModelKey, Partition
from monitor.judge.promise.promised import promise_by_settings
from monitor.judge.promise.words import statement
from monitor.judge.words.detectors import detector_notes
from monitor.judge.words.setting_notes import setting_notes
from monitor.kafka.group import GroupOffsets
from monitor.kafka.topics import ClusterDescription, create_command, create_topics, describe_cluster
from monitor.reference.notes.events import reference_notes
from monitor.reference.notes.fairness import fairness_lines
from monitor.reference.notes.imported import WAITS, import_lines
from monitor.reference.notes.outcomes import unknown_outcomes
from monitor.reference.notes.paging import at_every_length, may_page, order_note, paging_notes, season_notes
from monitor.reference.notes.performance import horizon_notes
from monitor.reference.notes.relations import relation_notes
from monitor.reference.notes.segments import segment_outcomes, segment_performance
from monitor.reference.reference import Reference
from monitor.reference.references import EVERY_VERSION, References
from monitor.run.open_source import newest_records
from monitor.run.reference_files import ReferenceFault
from monitor.run.restoring import lost_state
from monitor.run.understood import understand
from monitor.settings.duration import in_words
from monitor.settings.model import Model
from monitor.settings.tree import Settings
from monitor.state.directory import has_checkpoint
from monitor.stats.performance.judged_errors import judged
from monitor.text import many

OK, BAD, NOTE, MADE = "ok", "BAD", "note", "made"
#: seconds a check waits for the brokers
ANSWER_SECONDS: Final = 10
#: records of a partition that are read to show how they are understood
SAMPLE: Final = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: result, what was checked, details. `usage`: the fault is in the settings or files."""

    verdict: str
    what: str
    more: str = ""
    usage: bool = False

    def __str__(self) -> str:
        return f"{self.verdict:<5} {self.what:<34} {self.more}".rstrip()


def check_offline(settings: Settings, references: References, faults: Sequence[ReferenceFault]) -> Iterator[Line]:
    """Lines for references and the state folder; `faults` are those of references (those of settings were raised).

    `references` are the valid ones.
    """
    yield Line(OK, "settings", f"{many(len(settings.models), 'model')}, {many(len(settings.inputs), 'input')}")
    for model in settings.models:
        yield from _calendar_lines(model)
    names = {model.name: f"models[{at}]" for at, model in enumerate(settings.models)}
    for key, reference in references:
        yield from _reference_lines(reference, names[key.model])
        yield from _rate_lines(settings, key, reference)
        yield from _promise_lines(settings, key, reference)
        yield from _relation_lines(key, reference)
        model = next(one for one in settings.models if one.name == key.model)
        yield from _segment_lines(key, reference, model)
        yield from _tolerance_lines(reference, model, names[key.model])
        for note in horizon_notes(reference, model.labels.horizon):
            yield Line(NOTE, f"{names[key.model]}.labels.horizon", note)
        for place, note in unknown_outcomes(reference, model):
            yield Line(NOTE, f"{names[key.model]}.{place}", note)
    for key, imported in references.imports():
        yield from _import_lines(key, imported)
    for model in settings.models:
        for place, note in setting_notes(model):
            yield Line(NOTE, f"{names[model.name]}.{place}", note)
        for at, note in detector_notes(model):
            yield Line(NOTE, f"{names[model.name]}.detectors[{at}]", note)
    for fault in faults:
        yield Line(BAD, f"reference {fault.key.model} {fault.key.version}".rstrip(), fault.text, usage=True)
    if settings.state.store == "directory":
        yield _state_line(settings)
    if _has_bridge(settings):
        yield from _bridge_lines(settings)


def _has_bridge(settings: Settings) -> bool:
    return "bridge" in settings.model_fields_set


def _bridge_lines(settings: Settings) -> Iterator[Line]:
    """Where posts go, and the files of token and certificate."""
    try:
        found = routes(settings)
        Access(settings.bridge)
    except UsageError as error:
        for fault in error.faults:
            yield Line(BAD, "bridge", fault, usage=True)
        return
    ways = [f"{path} to {route.topic}" for path, route in found.items() if route.name != "topics"]
    yield Line(OK, "bridge", ", ".join(ways))


def _calendar_lines(model: Model) -> Iterator[Line]:
    """The times in which a model does not page, and those that are not judged."""
    for what, windows in (("silent", model.silence), ("excluded", model.exclude)):
        times = [f"{one.when(model.timezone or 'UTC')}{f': {one.reason}' if one.reason else ''}" for one in windows]
        if times:
            yield Line(OK, f"{what} {model.name}", "; ".join(times))


def _reference_lines(reference: Reference, settings_name: str) -> Iterator[Line]:
    """The size of a reference, then notes on it."""
    what = f"reference {reference.key.model} {reference.key.version}"
    learned = [level for level in reference.levels if level.learned]
    places, columns = may_page(reference), many(len(reference.columns), "column")
    paging, limited = len(places), sum(not at_every_length(reference, at) for at in places)
    reach = f"distributions of {paging} of {columns} may page" if paging else "distributions: tickets only"
    longest = f", {limited} of them in windows of up to {learned[-1].events:,.0f} events" if limited and learned else ""
    yield Line(OK if paging else NOTE, what, f"{many(reference.events, 'event')}; {reach}{longest}")
    order = [note] if (note := order_note(reference)) else []
    season = season_notes(reference, f"{settings_name}.timezone")
    for note in (*order, *season, *paging_notes(reference), *reference_notes(reference, settings_name)):
        yield Line(NOTE, what, note)


def _rate_lines(settings: Settings, key: ModelKey, reference: Reference) -> Iterator[Line]:
    """A note if the rate of events cannot be judged with the settings' panes."""
    traffic, pane = reference.traffic, settings.windows.pane
    if traffic is not None and traffic.levels and not traffic.in_panes_of(pane):
        yield Line(
            NOTE,
            f"traffic {key.model} {key.version}".rstrip(),
            f"the rate of events is not judged, only whether they stop: windows.pane ({in_words(pane)}) does not "
            f"divide the reference's steps of {in_words(traffic.step_us)}; build the reference again with these "
            "settings",
        )


def _import_lines(key: ModelKey, imported: Reference) -> Iterator[Line]:
    """What an import waits for, and what it cannot give."""
    what = f"reference {key.model} {'' if key.version == EVERY_VERSION else key.version}".rstrip()
    yield Line(NOTE, what, WAITS)
    yield from (Line(NOTE, what, line) for line in map(str.strip, import_lines(imported)))


def _promise_lines(settings: Settings, key: ModelKey, reference: Reference) -> Iterator[Line]:
    """What is promised of a model version at the reference's own traffic."""
    for sentence in statement(promise_by_settings(settings, key, reference)):
        yield Line(OK, f"promise {key.model} {key.version}".rstrip(), sentence)


def _segment_lines(key: ModelKey, reference: Reference, model: Model) -> Iterator[Line]:
    """In which segments performance and outcomes are judged, and which groups are compared."""
    name = f"{key.model} {key.version}".rstrip()
    for words in filter(None, (segment_performance(reference), segment_outcomes(reference))):
        yield Line(NOTE if "not judged" in words else OK, f"segments {name}", words)
    for is_judged, words in fairness_lines(reference, model):
        yield Line(OK if is_judged else NOTE, f"fairness {name}", words)


def _tolerance_lines(reference: Reference, model: Model, place: str) -> Iterator[Line]:
    """What is tolerated of figures that are not judged of such a model."""
    figures = judged(replace(reference.meaning, costs=model.cell_costs()))
    for name in sorted(set(model.tolerance) - set(figures)):
        of = f"{reference.key.model} {reference.key.version} ({reference.task})"
        yield Line(NOTE, f"{place}.tolerance.{name}", f"has no effect; judged of {of}: {', '.join(figures)}")


def _relation_lines(key: ModelKey, reference: Reference) -> Iterator[Line]:
    """The pairs of columns that are watched, and what is not."""
    watched = reference.relations is not None and len(reference.relations.pairs)
    notes = relation_notes([column.name for column in reference.columns], reference.relations)
    for at, note in enumerate(notes):
        yield Line(OK if watched and not at else NOTE, f"relations {key.model} {key.version}".rstrip(), note)


def _state_line(settings: Settings) -> Line:
    path = settings.state.path
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        return Line(OK, "state folder", str(path) if existing == path else f"{path} (will be made)")
    return Line(BAD, "state folder", f"{existing} is not writable; give it to this user or set state.path")


def check_kafka(settings: Settings, references: References, *, create: bool) -> Iterator[Line]:
    """Lines for brokers, topics, partitions and ACLs. With `create`, missing output topics are created.

    Raises:
        ExternalError: no answer; PermanentError: refused, and a retry would not help.
    """
    inputs = [entry.topic for entry in settings.inputs]
    outputs = [topic for topic in (settings.outputs.alerts_topic, settings.outputs.rejects_topic) if topic]
    posted = _bridge_topics(settings)
    described = describe_cluster(settings.kafka, [*inputs, *outputs, *posted])
    yield Line(OK, "kafka", f"cluster {described.cluster_id} by {', '.join(settings.kafka.bootstrap_servers)}")
    made: list[str] = []
    if create:
        made = create_topics(settings.kafka, [name for name in outputs if name in described.missing])
        described = describe_cluster(settings.kafka, [*inputs, *outputs, *posted])
    lines = {name: _topic_line("input", name, described, settings, "READ") for name in inputs}
    yield from lines.values()
    if not any(name in described.missing for name in inputs):
        yield _group_line(settings, described, inputs)
    for name, line in lines.items():
        if line.verdict == OK:
            yield from _understood_lines(settings, name, references)
    for name in outputs:
        line = _topic_line("output", name, described, settings, "WRITE")
        yield Line(MADE, line.what, line.more) if name in made and line.verdict == OK else line
    for name in posted:
        yield _topic_line("bridge", name, described, settings, "WRITE")
    yield from _acts_line(settings, described)


def _bridge_topics(settings: Settings) -> list[str]:
    """The topics that the bridge writes to; none if it is not set up, or wrongly."""
    try:
        return topics_of(settings) if _has_bridge(settings) else []
    except UsageError:  # a line of its own
        return []


def _understood_lines(settings: Settings, topic: str, references: References) -> Iterator[Line]:
    """Some of the newest records as they are understood; bad if none of them is."""
    what = f"input topic {topic}"
    try:
        batches = newest_records(settings.kafka, SystemClock(), topic, settings.limits.record_bytes, SAMPLE)
        found = understand(settings, topic, batches, references)
    except ExternalError as failure:  # also of a schema registry
        yield Line(BAD, what, str(failure))
        return
    if found.rejected and not found.events:
        yield Line(BAD, what, f"none of its newest {many(found.records, 'record')} is understood")
    for text in found.lines():
        yield Line(NOTE, what, text)


def _acts_line(settings: Settings, described: ClusterDescription) -> Iterator[Line]:
    """A note if the alert topic cannot be read: only `driftd accept` needs that."""
    name = settings.outputs.alerts_topic
    topic = described.topics.get(name or "")
    if topic is not None and topic.operations and "READ" not in topic.operations:
        yield Line(NOTE, f"output topic {name}", "this user may not READ it: driftd accept has no effect")


def _group_line(settings: Settings, described: ClusterDescription, inputs: list[str]) -> Line:
    """Committed offsets with an empty state folder mean a lost volume: `run` would refuse to start."""
    what = f"group {settings.kafka.group_id}"
    group = GroupOffsets(settings.kafka)
    try:
        partitions = [Partition(name, n) for name in inputs for n in range(described.topics[name].partitions)]
        committed = group.committed(partitions)
    finally:
        group.close(ANSWER_SECONDS)
    lost = settings.state.store == "directory" and committed and not has_checkpoint(settings.state.path)
    if lost and settings.kafka.start != "committed":
        return Line(BAD, what, lost_state(settings))
    return Line(
        OK, what, f"committed offsets in {many(len(committed), 'partition')}" if committed else "no committed offsets"
    )


def _topic_line(role: str, name: str, described: ClusterDescription, settings: Settings, operation: str) -> Line:
    what = f"{role} topic {name}"
    topic = described.topics.get(name)
    if topic is None:
        remedy = (
            "make it: driftd check --create-topics, or "
            if role == "output"
            else f"check {'inputs[].topic' if role == 'input' else 'the topics of bridge'}, or make it: "
        )
        return Line(BAD, what, f"does not exist; {remedy}{create_command(name, settings.kafka)}")
    if topic.leaderless:
        return Line(BAD, what, f"partitions without a leader: {sorted(topic.leaderless)}")
    if topic.operations and operation not in topic.operations:
        return Line(BAD, what, f"this user may not {operation} it")
    return Line(OK, what, many(topic.partitions, "partition"))


def check_lines(
    settings: Settings, references: References, faults: Sequence[ReferenceFault], *, offline: bool, create: bool
) -> Iterator[Line]:
    """All lines of the table; arguments as for `check_offline`."""
    yield from check_offline(settings, references, faults)
    if offline:
        return
    try:
        yield from check_kafka(settings, references, create=create)
    except PermanentError as permanent:
        yield Line(BAD, "kafka", str(permanent))
    except ExternalError as failure:
        yield Line(BAD, "kafka", str(failure))
