"""The function of each command: reads its arguments, calls the modules below, prints the result."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from monitor import __version__
from monitor.cli import told
from monitor.cli.check import BAD, check_lines
from monitor.cli.compare import compare_settings
from monitor.cli.importing import imported_as
from monitor.clock import SystemClock, parse_rfc3339
from monitor.count.admission.versions import Admission
from monitor.decode.decoder import FORMATS
from monitor.decode.platform import READERS
from monitor.demo.show import Demo, stop_on_signals
from monitor.errors import DriftdError, UsageError
from monitor.events import ModelKey
from monitor.exit_codes import BUG, DONE, FAILED_ON, INTERRUPTED, REFUSED, USAGE
from monitor.findings import SEVERITY_RANK
from monitor.judge.promise.promised import promise_by_settings, promise_without_settings
from monitor.judge.promise.words import statement, text_table
from monitor.kafka.library_log import REPORTED_BY_US
from monitor.kafka.readers import require_client
from monitor.log import configure_logging, get_log
from monitor.publish.dashboards.dashboard import dashboards as dashboard_texts
from monitor.publish.rules.file import FILE as RULES_FILE
from monitor.publish.rules.file import rules_yaml
from monitor.reference.notes.show import reference_json, reference_text
from monitor.reference.reference import Reference
from monitor.run.accepting import accept as accept_incident
from monitor.run.accepting import require_note
from monitor.run.daemon import Daemon
from monitor.run.first_pass import EventRange
from monitor.run.human_lines import HumanLines
from monitor.run.open_source import SCHEME, Given, OffsetRange
from monitor.run.reference_build import build_reference
from monitor.run.reference_file import load_reference, save_reference
from monitor.run.reference_files import admission_by, load_sound_references, unwatched
from monitor.run.replay import json_line, replay
from monitor.run.state_show import state_json, state_text
from monitor.run.suggesting import suggested_settings
from monitor.run.terminal import Progress, to_stderr, to_stdout
from monitor.settings.document import settings_reference
from monitor.settings.kafka import Kafka
from monitor.settings.load import load_kafka, load_settings
from monitor.settings.tree import Settings
from monitor.sources.files import FileSource, open_source
from monitor.sources.recordings import ENDINGS as RECORDINGS
from monitor.sources.writing import RecordWriter
from monitor.state.directory import StateDirectory
from monitor.state.parts import state_in
from monitor.stats.testing.promise import ModelPromise
from monitor.text import many

#: packages listed by `driftd version`
BUILT_ON: Final = ("kafka-python", "river", "numpy", "scipy", "msgspec", "pydantic", "prometheus-client", "structlog")

#: the value of `--format` that leaves the format to the settings
AS_SETTINGS: Final = "auto"

#: the commands that read what was told
audit, export = told.audit, told.export

_log = get_log(__name__)


def later(arguments: Namespace) -> int:
    """Refuse a command that is not built yet."""
    raise UsageError(f"{arguments.name}: not in this version; the changelog says what is")


def settings(_arguments: Namespace) -> int:
    """The settings reference."""
    to_stdout(settings_reference().rstrip())
    return DONE


def version(arguments: Namespace) -> int:
    """Versions of driftd and its main dependencies."""
    versions = {"driftd": __version__, "python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in BUILT_ON}
    if arguments.json:
        to_stdout(json.dumps(versions))
    else:
        to_stdout("\n".join(f"{name} {number}" for name, number in versions.items()))
    return DONE


def run(arguments: Namespace) -> int:
    """The daemon."""
    configured, admission = _configured(arguments)
    require_client(configured.kafka)
    configure_logging(level=configured.log.level, form=configured.log.format, muted=REPORTED_BY_US)
    daemon = Daemon(
        configured, admission, SystemClock(), config_file=Path(arguments.config), accept_loss=arguments.accept_loss
    )
    daemon.handle_signals()
    try:
        return daemon.run()
    except DriftdError:
        raise
    except Exception as error:  # noqa: BLE001  # the edge of the process: nothing is committed, the position is logged
        _log.critical("bug", error=type(error).__name__, exc_info=error)
        return BUG


def demo(arguments: Namespace) -> int:
    """See it work."""
    if arguments.duration is not None and not arguments.duration > 0:
        raise UsageError(f"--duration: {arguments.duration:g} is not a number of seconds above 0")
    clock = SystemClock()
    as_json = (lambda thing: to_stdout(json_line(thing))) if arguments.json else (lambda _: None)
    shown = Demo(clock, as_json, to_stderr if arguments.json else to_stdout, arguments.duration)
    stop_on_signals(shown)
    shown.run(arguments.port)
    return DONE if shown.page is not None or arguments.duration is not None else INTERRUPTED


def check(arguments: Namespace) -> int:
    """The table of checks; a faulty reference does not hide the other lines."""
    configured = load_settings(Path(arguments.config), os.environ)
    require_client(configured.kafka)
    references, faults = load_sound_references(configured, arguments.config)
    faults += unwatched(configured, references, arguments.config)
    code = DONE
    for line in check_lines(configured, references, faults, offline=arguments.offline, create=arguments.create_topics):
        to_stdout(str(line))
        if line.verdict == BAD and code != USAGE:
            code = USAGE if line.usage else REFUSED
    return code


def reference_build(arguments: Namespace) -> int:
    """A reference from recorded events."""
    configured = _in_format(load_settings(Path(arguments.config), os.environ), arguments.format)
    key = ModelKey(arguments.model, _version_of(configured, arguments))
    event_range = _event_range(arguments)
    output = Path(arguments.output)
    if output.is_dir():
        raise UsageError(f"-o: {output} is a folder; name the file, as {output / f'{arguments.model}.json'}")
    require_note(arguments.note)
    clock = SystemClock()
    given = Given(
        arguments.source, configured, clock, _csv_map(arguments.map), sort=arguments.sort, again=True
    )  # fmt: skip
    with contextlib.closing(given):
        reference = build_reference(
            configured, key, given.open, clock, event_range, to_stderr, accept_partial=arguments.accept_partial
        )
    for note in given.notes():
        to_stderr(note)
    digest = save_reference(replace(reference, note=arguments.note), output)
    to_stderr(_shown(reference, promise_by_settings(configured, key, reference)))
    to_stderr(f"\nwritten to {arguments.output} ({digest})")
    return DONE


def reference_import(arguments: Namespace) -> int:
    """A reference from another system's statistics."""
    require_note(arguments.note)
    to_stderr(imported_as(arguments, Path(arguments.output)))
    return DONE


def reference_show(arguments: Namespace) -> int:
    """A readable table."""
    reference = load_reference(Path(arguments.file))
    if arguments.json:
        to_stdout(json.dumps(reference_json(reference), ensure_ascii=False))
    else:
        alone = reference.is_import_alone
        to_stdout(reference_text(reference) if alone else _shown(reference, promise_without_settings(reference)))
    return DONE


def _shown(reference: Reference, promise: ModelPromise) -> str:
    sentences = [f"  {sentence}" for sentence in statement(promise)]
    return reference_text(reference, ["What is promised:", *sentences, "", *text_table(promise)])


def replay_sources(arguments: Namespace) -> int:
    """Run the engine over a recorded stream."""
    if arguments.report is not None:
        raise UsageError("--report: not in this version")
    if arguments.windows and not arguments.json:
        raise UsageError("--windows: goes with --json")
    if arguments.compare is not None:
        if arguments.format != AS_SETTINGS:
            raise UsageError("--format: does not go with --compare; write inputs[].format in both files of settings")
        if arguments.windows:
            raise UsageError("--windows: does not go with --compare, which is about incidents")
        csv_map, sort = _csv_map(arguments.map), arguments.sort
        return compare_settings(
            arguments, lambda used: Given(arguments.source, used, SystemClock(), csv_map, sort=sort, again=True)
        )
    configured, admission = _configured(arguments, arguments.format)
    clock = SystemClock()
    given = Given(arguments.source, configured, clock, _csv_map(arguments.map), sort=arguments.sort)
    with contextlib.closing(given), contextlib.closing(given.open()) as source:
        progress = Progress(source.progress, clock)
        try:
            done = replay(
                configured, admission, source, clock, _emitter(arguments.json, progress), place=source.place,
                windows=arguments.windows, progress=progress.show,
            )  # fmt: skip
        finally:
            progress.clear()
        lines = [*done.lost, *given.notes()]
    if done.failed and not arguments.accept_partial:
        raise UsageError([done.failed, *lines, "--accept-partial accepts the result all the same"])
    for line in lines:
        to_stderr(line)
    over = (
        arguments.fail_on is not None and done.worst and SEVERITY_RANK[done.worst] >= SEVERITY_RANK[arguments.fail_on]
    )
    return FAILED_ON if over else DONE


def _emitter(as_json: bool, progress: Progress) -> Callable[[dict[str, Any]], None]:
    human_line = HumanLines()

    def messages(thing: dict[str, Any]) -> None:
        line = json_line(thing) if as_json else human_line(thing)
        if line is not None:
            progress.clear()
            to_stdout(line)

    return messages


def record(arguments: Namespace) -> int:
    """Write records to a file, raw or as readable JSON."""
    is_topic = arguments.source.startswith(SCHEME)
    if not is_topic and not (arguments.decode and arguments.source.lower().endswith(RECORDINGS)):
        raise UsageError(f"SOURCE: {arguments.source!r} is not a topic; write kafka://TOPIC?from=PLACE&to=PLACE")
    clock, written = SystemClock(), 0
    with RecordWriter(arguments.output, readable=arguments.decode) as writer:
        source: OffsetRange | FileSource = (
            OffsetRange(arguments.source, _kafka_of(arguments), clock)
            if is_topic
            else open_source([Path(arguments.source)], clock)
        )
        progress = Progress(source.progress, clock)
        try:
            while not source.ended():
                for batch in source.poll(()):
                    writer.write(batch)
                    written += len(batch)
                for change in source.changes():  # also those of the last poll
                    to_stderr(f"{change.partition}: {change}")
                progress.show()
        finally:
            progress.clear()
            source.close()
    to_stderr(f"{many(written, 'record')} written to {arguments.output}")
    if not written and isinstance(source, OffsetRange):
        to_stderr(f"no record lies in that range; {source.contents()}")
        to_stderr("a PLACE is RFC 3339 with offset, Unix milliseconds, offset:N, earliest or latest")
    return DONE


def fields_suggest(arguments: Namespace) -> int:
    """The settings of one's own layout for a topic or file."""
    if arguments.config is not None:
        configured = load_settings(Path(arguments.config), os.environ)
    else:
        alone = Settings.model_validate({"inputs": [{"topic": "none"}]})
        configured = alone.model_copy(update={"kafka": load_kafka(os.environ)})
    to_stdout(suggested_settings(arguments.source, configured, SystemClock()))
    return DONE


def accept(arguments: Namespace) -> int:
    """Acknowledge a page: it becomes a ticket."""
    to_stderr(
        accept_incident(
            load_settings(Path(arguments.config), os.environ), arguments.incident, arguments.note, SystemClock()
        )
    )
    return DONE


def state_show(arguments: Namespace) -> int:
    """Print the content of the newest checkpoint."""
    configured, admission = _configured(arguments)
    if configured.state.store == "memory":
        raise UsageError("state.store: memory keeps no checkpoint that could be shown")
    loaded = StateDirectory(configured.state.path).load(read_only=True)
    if loaded is None:
        raise UsageError(f"state.path: {configured.state.path} holds no checkpoint yet")
    for path, reason in loaded.damaged:
        to_stderr(f"damaged: {path}: {reason}; shown is {loaded.path}")
    shown = state_json(state_in(loaded), admission)
    to_stdout(json.dumps(shown, ensure_ascii=False) if arguments.json else state_text(shown))
    return DONE


def rules(arguments: Namespace) -> int:
    """Write the alerting rules; reads no reference file."""
    text = rules_yaml(load_settings(Path(arguments.config), os.environ))
    _write({RULES_FILE: text}, arguments.output, "name it under rule_files in prometheus.yml")
    return DONE


def dashboards(arguments: Namespace) -> int:
    """Write the dashboard; reads no settings and does not connect to Kafka."""
    _write(dashboard_texts(), arguments.output, "import it in Grafana, see docs/dashboards.md")
    return DONE


def _write(texts: Mapping[str, str], output: str, then: str) -> None:
    """Write files into a folder, created if missing; `-` is standard output."""
    if output == "-":
        to_stdout("\n".join(texts.values()).rstrip())
        return
    folder = Path(output)
    if folder.suffix in {Path(name).suffix for name in texts} and not folder.is_dir():
        raise UsageError(f"-o: {output} is the name of a file; name its folder: -o {folder.parent}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        where = error.filename or folder
        raise UsageError(f"-o: {where}: {error.strerror}; name a folder that can be written to") from error
    for name in texts:
        to_stderr(f"{folder / name} written; {then}")


def _configured(arguments: Namespace, name: str = AS_SETTINGS) -> tuple[Settings, Admission]:
    configured = _in_format(load_settings(Path(arguments.config), os.environ), name)
    return configured, admission_by(configured, arguments.config)


def _kafka_of(arguments: Namespace) -> Kafka:
    if arguments.config is not None:
        return load_settings(Path(arguments.config), os.environ).kafka
    return load_kafka(os.environ)


def _in_format(configured: Settings, name: str) -> Settings:
    """The settings with every input in the format that was given."""
    if name == AS_SETTINGS or (name == "fields" and all(entry.format == "fields" for entry in configured.inputs)):
        return configured
    known = (*FORMATS, *READERS)
    if name not in known:
        raise UsageError(
            f"--format: {name!r} is not a format; write {AS_SETTINGS}: the one of inputs[] in the settings, or "
            f"{', '.join(known)}"
        )
    inputs = tuple(entry.model_copy(update={"format": name, "fields": None}) for entry in configured.inputs)
    return configured.model_copy(update={"inputs": inputs})


def _version_of(configured: Settings, arguments: Namespace) -> str:
    if arguments.version is not None:
        return str(arguments.version)
    model = configured.model(arguments.model)
    versions = model.versions if model is not None else ()
    if len(versions) > 1:
        raise UsageError(f"--version: is missing, and the settings name several: {', '.join(versions)}")
    return versions[0] if versions else ""


def _event_range(arguments: Namespace) -> EventRange:
    by_time = arguments.begin is not None or arguments.end is not None
    if (arguments.rows is not None) == by_time:
        raise UsageError("give --rows N, or --from TIME and --to TIME (every event between them)")
    if arguments.rows is not None and arguments.rows < 1:
        raise UsageError(f"--rows: {arguments.rows} is not a number of predictions; write 10000")
    start, end = (_time(name, text) for name, text in (("--from", arguments.begin), ("--to", arguments.end)))
    if start is not None and end is not None and start >= end:
        raise UsageError(f"--from: {arguments.begin} is not before --to, {arguments.end}")
    return EventRange(rows=arguments.rows, start_us=start, end_us=end)


def _time(name: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_rfc3339(text)
    except ValueError:
        raise UsageError(f"{name}: {text!r} is not a time with offset; write 2026-11-22T10:00:00Z") from None


def _csv_map(given: list[str] | None) -> Mapping[str, str] | None:
    if given is None:
        return None
    for pair in given:
        if "=" not in pair:
            raise UsageError(f"--map: {pair!r} is not COLUMN=FIELD; write for example when=ts")
    return dict(pair.split("=", 1) for pair in given)
