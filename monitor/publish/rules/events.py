"""The alerts about lost, unjudged and unreadable events, and about stalled partitions."""

from __future__ import annotations

from monitor.count.losses import TOLERATED_SHARE
from monitor.publish.rules.alert import ONE_OF_ALL, SUM_OF_ALL, WARNING, Alert


def events_lost() -> Alert:
    """The ratios are of the newest events, and do not change while nothing arrives."""
    of_topic = f"{ONE_OF_ALL} (driftd_lost_events_ratio) > {TOLERATED_SHARE:g}"
    of_model = f"{ONE_OF_ALL} (driftd_model_lost_events_ratio) == 1"
    return Alert(
        "DriftdEventsLost", f"{of_topic}\nor\n{of_model}", WARNING, "2m", "2m",
        "{{ $value | humanizePercentage }} of the newest events of "
        "{{ with $labels.topic }}topic {{ . }}{{ else }}model {{ $labels.model }}{{ end }} are lost" + _mostly(),
        "They are not judged. driftd's status page and its log (events_lost) show which events, where, and the "
        "remedy.",
    )  # fmt: skip


def _mostly() -> str:
    """`, most of them rejected (ts)`: the outcome with the largest increase, or without any the largest total."""
    chosen = 'topic=%[1]q,outcome!="accepted",reason!~"tombstone|kind"'
    lately = f"sum by (outcome, reason) (increase(driftd_events_total{{{chosen}}}[15m])) > 0"
    ever = f"sum by (outcome, reason) (driftd_events_total{{{chosen}}}) > 0"
    mostly = (
        ", most of them {{ with first . }}{{ .Labels.outcome }}{{ with .Labels.reason }} ({{ . }}){{ end }}{{ end }}"
    )
    first, second = (f"query (printf `topk(1, {one})` $labels.topic)" for one in (lately, ever))
    return f"{{{{ with {first} }}}}{mostly}{{{{ else }}}}{{{{ with {second} }}}}{mostly}{{{{ end }}}}{{{{ end }}}}"


def events_unjudged() -> Alert:
    """Above one event in a hundred: a few old events of a partition that was idle need no action."""
    unjudged = f"{SUM_OF_ALL} (increase(driftd_unjudged_events_total[15m]))"
    accepted = 'sum without (instance, pod, type) (increase(driftd_model_events_total{type!="label"}[15m]))'
    return Alert(
        "DriftdEventsUnjudged",
        f"({unjudged} > 0.01 * {accepted})",
        WARNING, "5m", "5m",
        "{{ $labels.model }} {{ $labels.version }}: {{ $value | humanize }} events in 15 minutes came too late "
        "to be judged",
        "They were accepted and are in all totals, but drift in them is not detected: their windows had been judged "
        "when they came.",
        ("model", "version"),
    )  # fmt: skip


def records_unreadable() -> Alert:
    """Includes series that did not exist 15 minutes ago: they have no increase yet."""
    total = f"{SUM_OF_ALL} (driftd_unreadable_records_total)"
    new = f"({total} > 0 unless {SUM_OF_ALL} (driftd_unreadable_records_total offset 15m))"
    return Alert(
        "DriftdRecordsUnreadable",
        f"{new}\nor\n{SUM_OF_ALL} (increase(driftd_unreadable_records_total[15m])) > 0",
        WARNING, "1m", "5m",
        '{{ $value | printf "%.0f" }} records of {{ $labels.topic }}-{{ $labels.partition }} cannot be read '
        "({{ $labels.reason }})",
        "driftd skipped their batches and read on: they are in no statistic. The log has the position.",
    )  # fmt: skip


def position_stalled() -> Alert:
    return Alert(
        "DriftdPositionStalled", f"{ONE_OF_ALL} (driftd_position_stalled) == 1", WARNING, "2m", "1m",
        "driftd makes no progress in {{ $labels.topic }}-{{ $labels.partition }}, though it has more records",
        "Its events are not judged, and verdicts that need them wait. driftd's status page and log name the reason, "
        "usually a transaction that a producer has left open.",
    )  # fmt: skip
