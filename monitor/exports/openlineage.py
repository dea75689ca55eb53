"""Run events of OpenLineage, a JSON object a line, with `dataQualityAssertions` of each verdict and
`dataQualityMetrics` of each window.

Source of the form: OpenLineage's spec, `OpenLineage.json` 2-0-2 and the facets named below. A run is a verdict or a
window that closed, its job the monitoring of a model version, its inputs the topics.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from monitor.clock import parse_rfc3339, rfc3339
from monitor.exports.form import Written
from monitor.exports.picked import Found, Picked
from monitor.findings import PAGE
from monitor.settings.tree import Settings
from monitor.told.line import Line

PRODUCER: Final = "urn:driftd:export"
_SPEC: Final = "https://openlineage.io/spec"
EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
#: name and version of each facet
ASSERTIONS: Final = ("DataQualityAssertionsDatasetFacet", "1-1-0")
METRICS: Final = ("DataQualityMetricsInputDatasetFacet", "1-0-3")
NOMINAL: Final = ("NominalTimeRunFacet", "1-0-1")
#: quality counts of a window that are no value at all
_NULL: Final = ("missing", "absent")
_BEYOND: Final = ("outside", "unseen", "type")

Tree = dict[str, Any]


def events(picked: Picked) -> Written:
    """The lines: a START and a COMPLETE event for each verdict and for each window that closed."""
    lines = [event for line in _with_those_before(picked.transitions) for event in _verdict(*line, picked.settings)]
    lines += [event for several in _closed(picked.windows) for event in _window(several, picked.settings)]
    lines.sort(key=lambda event: parse_rfc3339(event["eventTime"]))
    return Written("\n".join(json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in lines))


def _with_those_before(lines: Iterable[Line]) -> Iterator[tuple[Line, Line | None]]:
    """Each transition, with the one of the same incident before it."""
    last: dict[str, Line] = {}
    for line in lines:
        yield line, last.get(line.data["incident"])
        last[line.data["incident"]] = line


def _verdict(line: Line, before: Line | None, settings: Settings) -> Iterator[Tree]:
    data = line.data
    found = [Found(data["model"], data["version"], line, one, is_open=True) for one in data.get("findings", ())]
    was = [] if before is None else before.data.get("findings", ())
    earlier = [Found(data["model"], data["version"], line, one, is_open=False) for one in was]
    over = {_name(one) for one in found}
    assertions = [_assertion(one, success=False) for one in found]
    assertions += [_assertion(one, success=True) for one in earlier if _name(one) not in over]
    start_us = min((one.window[0] for one in found), default=parse_rfc3339(data["since"]))
    facets: Tree = {"dataQualityAssertions": _facet(ASSERTIONS, assertions=assertions)}
    if found:
        rows = max(one.window[2] for one in found)
        facets["dataQualityMetrics"] = _facet(METRICS, rowCount=rows, columnMetrics={})
    topics = {place.rpartition("-")[0] for one in found for place in one.finding.get("records", {})}
    name = line.name or f"{data['incident']}/{data['transition']}/{data['at']}"
    times = start_us, max(parse_rfc3339(data["at"]), start_us)
    yield from _run(name, (data["model"], data["version"]), times, sorted(topics), facets, settings)


def _assertion(one: Found, *, success: bool) -> Tree:
    out: Tree = {
        "assertion": one.text("cause"),
        "success": success,
        "name": _name(one),
        "severity": "error" if one.text("severity") == PAGE else "warn",
        "description": one.description,
    }
    if one.column:
        out["column"] = one.column
    if not success:
        numbers = (("expected", one.number("threshold")), ("actual", one.number("value")))
        out |= {name: repr(value) for name, value in numbers if value is not None}
    return out


def _name(one: Found) -> str:
    return "/".join(one.text(part) for part in ("subject", "cause", "segment", "figure") if one.text(part))


def _closed(windows: Iterable[Tree]) -> Iterator[Sequence[Tree]]:
    """The columns of each window as it closed: longer ones are made of these."""
    several: dict[tuple[str, ...], list[Tree]] = {}
    for one in windows:
        if one.get("base_windows") == 1 and "bins" in one:
            key = (one["model"], one["version"], one["window"]["start"], one["window"]["end"])
            several.setdefault(key, []).append(one)
    yield from several.values()


def _window(columns: Sequence[Tree], settings: Settings) -> Iterator[Tree]:
    first = columns[0]
    key, window = (str(first["model"]), str(first["version"])), first["window"]
    metrics = {str(one["subject"]): _column(one) for one in columns}
    facets = {"dataQualityMetrics": _facet(METRICS, rowCount=window["events"], columnMetrics=metrics)}
    times = parse_rfc3339(window["start"]), parse_rfc3339(window["end"])
    name = "/".join((*key, window["start"], window["end"]))
    yield from _run(name, key, times, [], facets, settings)


def _column(one: Tree) -> Tree:
    values = sum(one["bins"]) + sum(one.get(name, 0) for name in _BEYOND)
    return {"nullCount": sum(one.get(name, 0) for name in _NULL), "count": values}


def _run(
    name: str,
    key: tuple[str, str],
    times: tuple[int, int],
    topics: Sequence[str],
    facets: Mapping[str, Tree],
    settings: Settings,
) -> Iterator[Tree]:
    """Both events of a run; the same run id each time it is written."""
    start, end = rfc3339(times[0]), rfc3339(times[1])
    of_run = {"nominalTime": _facet(NOMINAL, nominalStartTime=start, nominalEndTime=end)}
    group = settings.kafka.group_id
    common: Tree = {
        "run": {"runId": str(uuid5(NAMESPACE_URL, f"driftd/{group}/{name}")), "facets": of_run},
        "job": {"namespace": f"driftd/{group}", "name": "/".join(filter(None, key))},
        "producer": PRODUCER,
        "schemaURL": EVENT,
    }
    names = topics or sorted({one.topic for one in settings.inputs})
    inputs = [{"namespace": f"kafka://{settings.kafka.bootstrap_servers[0]}", "name": topic} for topic in names]
    judged: list[Tree] = [{**one, "inputFacets": dict(facets)} for one in inputs]
    yield {"eventType": "START", "eventTime": start, **common, "inputs": inputs}
    yield {"eventType": "COMPLETE", "eventTime": end, **common, "inputs": judged}


def _facet(schema: tuple[str, str], **fields: object) -> Tree:
    name, version = schema
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}", **fields}
