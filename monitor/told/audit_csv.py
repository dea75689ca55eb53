"""An audit as CSV: one row for each finding of each line, a line without findings has one row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, Final

from monitor.clock import rfc3339
from monitor.told.audit import Audit
from monitor.told.line import Line

_OF_LINE: Final = (
    "incident", "model", "version", "transition", "act", "notice", "severity", "at", "since", "predictions", "labels",
    "reference", "settings", "summary", "note",
)  # fmt: skip
_OF_FINDING: Final = (
    "subject", "cause", "segment", "figure", "severity", "statistic", "value", "threshold", "p", "effect",
    "effect_unit", "direction", "detail",
)  # fmt: skip
COLUMNS: Final = (
    "kind", "sent", "place", "team", "chain", "number", "hash", "verifies", *_OF_LINE,
    *(f"finding_{name}" for name in _OF_FINDING), "window_start", "window_end", "window_events", "records",
)  # fmt: skip
#: a text that begins so would be a formula in a spreadsheet
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def audit_csv(audit: Audit) -> str:
    """The file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for line in _lines(audit):
        for row in _rows(line, audit):
            writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def _lines(audit: Audit) -> list[Line]:
    told = [line for story in audit.stories for line in story.lines]
    told += [*audit.acts, *audit.monitoring.starts, *audit.monitoring.gaps]
    return sorted((line for line in told if audit.is_within(line)), key=lambda line: line.told_us)


def _rows(line: Line, audit: Audit) -> Iterator[dict[str, Any]]:
    link, data = line.link, line.data
    row: dict[str, Any] = {
        "kind": line.kind,
        "sent": "" if line.sent_us is None else rfc3339(line.sent_us),
        "place": line.place,
        "team": audit.team_of(str(data.get("model", ""))),
        **{name: _plain(data[name]) for name in _OF_LINE if name in data},
    }
    if link is not None:
        row |= {"chain": link.chain, "number": link.number, "hash": link.hash, "verifies": line.verifies()}
    findings = data.get("findings") or [{}]
    for finding in findings:
        yield row | _of_finding(finding)


def _of_finding(finding: dict[str, Any]) -> dict[str, Any]:
    found = {f"finding_{name}": _plain(finding[name]) for name in _OF_FINDING if name in finding}
    window, records = finding.get("window"), finding.get("records")
    if isinstance(window, dict):
        found |= {f"window_{name}": _plain(window.get(name, "")) for name in ("start", "end", "events")}
    return found | ({"records": json.dumps(records, ensure_ascii=False)} if records else {})


def _plain(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _cell(value: object) -> object:
    """Text that would be a formula is marked as text, as OWASP advises."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
