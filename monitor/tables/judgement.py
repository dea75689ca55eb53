"""What a judged table gives: findings and incidents, a row for each column, and a picture of them."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from monitor.findings import SEVERITY_RANK
from monitor.judge.model import ModelJudge
from monitor.judge.windows.all_values import moments
from monitor.publish.status.drawing import drawing
from monitor.publish.status.html import text
from monitor.reference.reference import Reference
from monitor.run.human_lines import HumanLines
from monitor.stats.bins.reference_bins import NUMERIC, QUALITY_COUNTS
from monitor.stats.distances import DISTANCES, ORDERED_ONLY
from monitor.stats.tallies.tally import BELOW, Tally

Line = dict[str, Any]

_STYLE: Final = (
    ".driftd td,.driftd th{text-align:left;vertical-align:top}"
    ".driftd td:nth-child(n+5){white-space:nowrap}"
    ".driftd svg{width:90px;height:20px;overflow:visible}.driftd path{fill:#8aa9c8}"
    ".driftd path+path,.driftd .only path{fill:none;stroke:#b4430a;stroke-width:1.5px}"
)
_HEADS: Final = ("column", "kind", "reference (area), table (line)", "findings", "mean", "missing", "psi")


class Judgement:
    """The verdict on one table.

    Attributes:
        findings: each finding that came up, worst first, as `driftd replay --json` has it in a transition, with two
            more fields: `open` (whether it is still so at the end of the table: then its figures are those of the end)
            and, for rows without times, `since_row`. Columns that only left the ordinary are `info`.
        transitions: what became of incidents, in order: the lines of `driftd replay --json`.
        columns: a row for each column; see `to_pandas`.
        summary: the last line of `driftd replay --json`: counts and performance.
        notes: what a person should know of the table: rows that were lost, and why.
    """

    def __init__(
        self,
        reference: Reference,
        lines: Sequence[Line],
        notes: Sequence[str],
        columns: Sequence[Line],
        now: Sequence[Line] = (),
    ) -> None:
        """`now` are the findings that are open at the end of the table, with their figures of then."""
        self.reference = reference
        self.lines = list(lines)
        self.transitions = [line for line in lines if line["kind"] == "transition"]
        self.summary = next(line for line in reversed(self.lines) if line["kind"] == "summary")
        self.findings = findings_of(lines, now)
        self.columns = list(columns)
        self.notes = list(notes)

    @property
    def severity(self) -> str:
        """`page`, `ticket`, `info`: that of the worst finding; "" if there is none."""
        return max((one["severity"] for one in self.findings), key=SEVERITY_RANK.__getitem__, default="")

    def to_pandas(self) -> Any:  # noqa: ANN401  # pandas is no dependency
        """`columns` as a DataFrame, the column's name as its index. Shares and distances are of all rows.

        Raises:
            ImportError: pandas is not installed.
        """
        frame = importlib.import_module("pandas").DataFrame(self.columns)
        return frame.drop(columns=["findings", "reference_bins", "bins"]).set_index("column")

    def __str__(self) -> str:
        return "\n".join([*filter(None, map(HumanLines(), self.lines)), *self.notes])

    def __repr__(self) -> str:
        of, found = self.reference.key, f"{len(self.findings)} findings, worst: {self.severity}"
        return f"<judgement of {of}: {self._rows():,} rows; {found if self.findings else 'no finding'}>"

    def _rows(self) -> int:
        return int(self.summary["records"])

    def _repr_html_(self) -> str:
        """The table of the columns, with the shares by bin of reference and table, for Jupyter."""
        head = "".join(f"<th>{name}</th>" for name in _HEADS)
        worst = f"{len(self.findings)} findings, the worst: {self.severity}" if self.findings else "no finding"
        title = f"{text(str(self.reference.key))}: {self._rows():,} rows, {worst}"
        rows = "".join(map(_html_row, sorted(self.columns, key=_rank)))
        names = {row["column"] for row in self.columns}
        others = "".join(
            f"<p>{text(one['subject'], 80)}: {_html_finding(one)}</p>"
            for one in self.findings
            if one["subject"] not in names
        )
        notes = "".join(f"<p>{text(note)}</p>" for note in self.notes)
        return (
            f'<div class="driftd"><style>{_STYLE}</style><p><b>{title}</b></p>{others}{notes}'
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )


def findings_of(lines: Iterable[Line], now: Iterable[Line] = ()) -> list[Line]:
    """Each finding once, as it is `now`, or was last while it had its worst severity; the worst first, then in order
    of time."""
    found: dict[tuple[str, ...], Line] = {}
    open_in: dict[str, set[tuple[str, ...]]] = {}
    for line in lines:
        if line["kind"] == "transition":
            named = {_key(finding): finding for finding in line["findings"]}
            open_in[line["incident"]] = set() if line["transition"] == "resolved" else set(named)
        elif line["kind"] == "finding":
            named = {_key(line): {name: value for name, value in line.items() if name not in _OF_LINE}}
        else:
            continue
        for key, finding in named.items():
            known = found.get(key)
            if known is None or SEVERITY_RANK[finding["severity"]] >= SEVERITY_RANK[known["severity"]]:
                found[key] = finding
    found |= {_key(finding): finding for finding in now if _key(finding) in found}
    still = {key for keys in open_in.values() for key in keys}
    ordered = sorted(found.items(), key=lambda one: -SEVERITY_RANK[one[1]["severity"]])
    return [{**finding, "open": key in still} for key, finding in ordered]


_OF_LINE: Final = frozenset({"kind", "model", "version", "at", "reference", "settings"})


def _key(finding: Mapping[str, Any]) -> tuple[str, ...]:
    return finding["subject"], finding["cause"], finding["segment"], finding.get("figure", "")


def column_rows(judge: ModelJudge, total: Tally, findings: Iterable[Line]) -> list[Line]:
    """A row for each column of the reference: its `findings`, and the figures of all rows that were counted.

    `missing`, `absent`, `outside`, `unseen` and `type` are shares of the rows; a `mean` is of all numbers; distances
    are those of `driftd replay --windows`, NaN where one side has no values.
    """
    by_subject: dict[str, list[Line]] = {}
    for finding in findings:
        by_subject.setdefault(finding["subject"], []).append(finding)
    return [
        _column_row(judge, total, at, by_subject.get(subject, [])) for at, subject in enumerate(judge.prepared.subjects)
    ]


def _column_row(judge: ModelJudge, total: Tally, at: int, findings: Sequence[Line]) -> Line:
    prepared = judge.prepared
    column, width, reference = prepared.columns[at], prepared.width, prepared.reference
    counts, sums = total.counts[at], total.sums[at]
    numeric = column.bins.kind == NUMERIC and not column.is_presence
    sides = reference.counts[at], counts
    quality = [side[width:].tolist() for side in sides]
    events = [max(int(reference.carried[at]), 1), max(total.events, 1)]
    everywhere = column.bins.everywhere(sides[0], 0), column.bins.everywhere(counts, int(sums[BELOW]))
    return {
        "column": prepared.subjects[at],
        "kind": column.kind,
        "severity": findings[0]["severity"] if findings else "",
        "causes": ", ".join(dict.fromkeys(finding["cause"] for finding in findings)),
        "detail": findings[0]["detail"] if findings else "",
        "findings": list(findings),
        **_shares("reference_", quality[0], events[0]),
        **_shares("", quality[1], events[1]),
        "reference_mean": column.center if numeric else math.nan,
        "mean": moments(column, counts, sums, width).mean if numeric else math.nan,
        **{
            name: float(distance(*everywhere)) if numeric or name not in ORDERED_ONLY else math.nan
            for name, distance in DISTANCES.items()
        },
        "reference_bins": everywhere[0].tolist(),
        "bins": everywhere[1].tolist(),
    }


def _shares(prefix: str, counts: Sequence[int], events: int) -> dict[str, float]:
    return {f"{prefix}{name}": count / events for name, count in zip(QUALITY_COUNTS, counts, strict=True)}


def _rank(row: Line) -> tuple[int, float]:
    """Columns with the worst findings first, then those that are farthest away."""
    severity = SEVERITY_RANK.get(row["severity"], -1)
    return -severity, -(row["psi"] if not math.isnan(row["psi"]) else -1.0)


def _html_row(row: Line) -> str:
    picture = drawing(row["reference_bins"], row["bins"]).replace("<svg", '<svg viewBox="0 0 90 20"', 1)
    percent: Callable[[float], str] = "{:.1%}".format
    cells = (
        text(row["column"], 80),
        row["kind"],
        picture,
        "<br>".join(map(_html_finding, row["findings"])),
        _before_and_now(row["reference_mean"], row["mean"], "{:.4g}".format),
        _before_and_now(row["reference_missing"], row["missing"], percent),
        "" if math.isnan(row["psi"]) else f"{row['psi']:.3f}",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _html_finding(finding: Line) -> str:
    since = f"row {finding['since_row']:,}" if "since_row" in finding else finding["since"]
    what = " ".join([finding["cause"], *([finding["figure"]] if "figure" in finding else [])])
    return f"<b>{finding['severity']}</b> {text(what)} since {since}: {text(finding['detail'])}"


def _before_and_now(before: float, now: float, shown: Callable[[float], str]) -> str:
    return "" if math.isnan(before) else f"{shown(before)} → {shown(now)}"
