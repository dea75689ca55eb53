"""Judges a table by a reference: the findings that `driftd replay` has of the same rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    settings file: {"budget": {"pages": 1, "per": "30d"}, "tolerance": {"accuracy": 0.02}}.

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
    key = ModelKey(of.key.model, of.key.version if version is None else version)
    silent = (frozenset() if "ts" in roles.columns else OF_TIMES) | (
        frozenset() if "label" in roles.columns else OF_LABELS
    )
    configured = _settings(reference, dict(settings or {}), silent)
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
