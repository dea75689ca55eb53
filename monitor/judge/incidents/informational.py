"""Bounds what informational findings say at one moment: a change of everything is one message, not one a column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from monitor.findings import Finding
from monitor.text import listed

#: findings of one cause and figure at one moment that are sent, the largest, and others that are named with the last
MOST: Final = 3
NAMED: Final = 10


def bounded(findings: Iterable[Finding]) -> list[Finding]:
    """The largest of each cause and figure, largest first; the last one names the columns of the others."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.key.cause, finding.key.figure, finding.statistic), []).append(finding)
    out: list[Finding] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda one: (-one.exceedance, one.key))
        kept, others = ordered[:MOST], list(dict.fromkeys(one.key.subject for one in ordered[MOST:]))
        if others:
            words = f"the same, but smaller, in {listed(others, NAMED)}"
            kept[-1] = replace(kept[-1], detail=f"{kept[-1].detail}; {words}")
        out += kept
    return out
