"""Informational findings are reported once for each change: not again while their windows overlap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.findings import Finding, FindingKey


class ReportedInfo:
    """Until when, in event time, each key of an informational finding was reported."""

    def __init__(self) -> None:
        self._until_us: dict[FindingKey, int] = {}

    def news(self, found: Iterable[Finding]) -> list[Finding]:
        """Those whose windows do not overlap the last reported one of the same key."""
        news = []
        for finding in found:
            if finding.window.start_us >= self._until_us.get(finding.key, finding.window.start_us):
                news.append(finding)
            self._until_us[finding.key] = finding.window.end_us
        return news

    def to_state(self) -> dict[FindingKey, int]:
        return dict(self._until_us)

    def restore(self, until_us: Mapping[FindingKey, int]) -> None:
        self._until_us = dict(until_us)
