"""Judges a table by a reference: the findings that `driftd replay` has of the same rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from monitor.clock import SystemClock, parse_rfc3339
from monitor.count.admission.versions import Admission
from monitor.errors import UsageError
from monitor.events import ModelKey
from monitor.findings import INFO
from monitor.frames.columns import columns_of
from monitor.judge.fleet import Fleet
from monitor.reference.configured import as_configured, contradictions
from monitor.reference.references import EVERY_VERSION, References
from monitor.run.replay import replay
from monitor.settings.tree import Settings
from monitor.tables.building import TableReference, table_settings
from monitor.tables.judgement import Judgement, column_rows, findings_of
from monitor.tables.roles import FIRST_ROW_US, Roles, native_events
from monitor.tables.source import TableRows

#: causes about times, which mean nothing where rows have none, and those about labels
OF_TIMES: Final = frozenset({"traffic", "clock"})
OF_LABELS: Final = frozenset({"label_delay", "label_coverage"})


def judge_data(
    data: object,
    reference: TableReference,
    *,
    timestamps: str | None = None,
    prediction: str | None = None,
    score: str | Mapping[Any, str] | None = None,
    label: str | None = None,
    tags: Collection[str] | None = None,
    ignore: Collection[str] | None = None,
    version: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Judgement:
    """What has changed in a table since the reference: findings, incidents, and a row for each column.

    Columns are named as in `build_reference`; what is not named is as it was there, if `reference` comes from there.
    `version` is that of the model the rows are of, when it is another one. `settings` are those of the model, as in the
    settings file: {"budget": {"pages": 1, "per": "30d"}, "tolerance": {"accuracy": 0.02}}. Where they are silent,
    `segments` are the reference's, and `fairness` is that of `build_reference`.

    Rows without `timestamps` are taken in the order of the table, at the rate of the reference's rows; what is found
    says in `since_row` where it began, and nothing is said of traffic.

    Raises:
        UsageError: every fault of the arguments and the table; fewer rows than a window holds (250); more than half of
            the rows were lost.
    """
    columns = columns_of(data)
    named = Roles.of(timestamps, prediction, score, label, tags or (), ignore or ())
    roles, notes = named.over(reference.roles, columns)
    of = reference.reference
    if of.is_import_alone:
        raise UsageError(
            "the reference is an import alone: run or replay completes it in a warm-up, which writes the file"
        )
    key = ModelKey(of.key.model, of.key.version if version is None else version)
    silent = (frozenset() if "ts" in roles.columns else OF_TIMES) | (
        frozenset() if "label" in roles.columns else OF_LABELS
    )
    given = dict(settings or {})
    notes += _cut(reference, given, roles.tags)
    configured = _settings(reference, given, silent)
    of = as_configured(of, configured.models[0])
    admission = Admission(configured, References({key.model: {EVERY_VERSION: of}}))
    clock = SystemClock()
    rows = TableRows(native_events(columns, roles, key, reference.step_us), configured, clock)
    lines: list[dict[str, Any]] = []
    done = replay(configured, admission, rows.open(), clock, lines.append, place=rows.place)
    if done.failed:
        raise UsageError([done.failed, *done.lost, *notes])
    fleet = done.pipeline.fleet
    assert isinstance(fleet, Fleet)  # noqa: S101  # what a replay judges with
    lines = [line for line in lines if line.get("cause") not in silent]
    now = [finding.to_json() for finding in fleet.judges[key].book.findings()]
    if "ts" not in roles.columns:
        lines = [_by_row(line, reference.step_us) for line in lines]
        now = [_with_row(finding, reference.step_us) for finding in now]
    table = column_rows(fleet.judges[key], done.pipeline.totals.events[key], findings_of(lines, now))
    return Judgement(of, lines, [*notes, *done.lost], table, now)


def _by_row(line: dict[str, Any], step_us: int) -> dict[str, Any]:
    """The line of rows that are `step_us` apart, with the numbers of the rows where its findings began."""
    if line["kind"] == "transition":
        return {**line, "findings": [_with_row(finding, step_us) for finding in line["findings"]]}
    return _with_row(line, step_us) if line["kind"] == "finding" else line


def _with_row(finding: dict[str, Any], step_us: int) -> dict[str, Any]:
    return {**finding, "since_row": max((parse_rfc3339(finding["since"]) - FIRST_ROW_US) // step_us, 0)}


def _cut(reference: TableReference, given: dict[str, Any], tags: Collection[str]) -> Iterator[str]:
    """Add `segments` and `fairness` of the reference to the settings that are `given` without; lines for what cannot
    be taken over: what the settings ignore is no segment, nor is a tag that the table does not have among its `tags`.
    """
    segments = reference.reference.segments
    by = () if segments is None else segments.by
    if "segments" not in given:
        lacking = [one.feature for one in by if one.is_tag and one.feature not in tags]
        given["segments"] = [one.feature for one in by if one.feature not in {*lacking, *_of_another_kind(given)}]
        known = () if reference.roles is None else reference.roles.tags
        for name in lacking:
            if name not in known:  # else it was said that its column is missing
                yield f"segments: the reference's tag {name!r} is not among tags=[...]: nothing is said of its segments"
    if "fairness" not in given and reference.fairness is not None:
        cut = given["segments"] if isinstance(given["segments"], list | tuple) else ()
        if missing := [name for name in reference.fairness["by"] if name not in cut]:
            yield f"fairness: not judged, as {', '.join(missing)} cuts no segments here"
        else:
            given["fairness"] = reference.fairness


def _of_another_kind(given: Mapping[str, Any]) -> Iterator[str]:
    """Features that are no categories by the settings, which are not checked yet."""
    features = given.get("features")
    for name, of in features.items() if isinstance(features, Mapping) else ():
        if isinstance(of, Mapping) and of.get("kind") not in {None, "categorical"}:
            yield name


def _settings(reference: TableReference, given: dict[str, Any], silent: Collection[str]) -> Settings:
    """The settings of the model; the reference's positive class and time zone where they are silent.

    The `silent` causes open no incident.

    Raises:
        UsageError: they are wrong, or contradict the reference.
    """
    of = reference.reference
    if of.task == "binary":
        given.setdefault("positive", of.positive)
    if of.seasons is not None:
        given.setdefault("timezone", of.seasons.calendar.timezone)
    if silent:
        given["severity"] = {**given.get("severity", {}), **dict.fromkeys(silent, INFO)}
    configured = table_settings(of.key.model, given)
    if faults := [f"settings: {fault}" for fault in contradictions(of, configured.models[0])]:
        raise UsageError(faults)
    return configured
