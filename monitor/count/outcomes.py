"""Totals of outcomes, for summaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monitor.events import OUTCOMES

#: outcome, reason, events
Counted = tuple[str, str, int]


def outcome_totals(counts: Iterable[Counted]) -> dict[str, int]:
    """Events by outcome, in the order in which outcomes are checked, without those that did not occur."""
    total: Counter[str] = Counter()
    for outcome, _, count in counts:
        total[outcome] += count
    return {outcome: total[outcome] for outcome in OUTCOMES if total[outcome]}


def reason_totals(counts: Iterable[Counted]) -> dict[str, int]:
    """Events that were not accepted, by outcome/reason."""
    total: Counter[str] = Counter()
    for outcome, reason, count in counts:
        if reason:
            total[f"{outcome}/{reason}"] += count
    return dict(sorted(total.items()))
