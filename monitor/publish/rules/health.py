"""The alerts about the monitor itself: down, not restored, behind, or without checkpoints."""

from __future__ import annotations

from typing import Final

from monitor.clock import SECOND_US
from monitor.publish.rules.alert import CRITICAL, ONE_OF_ALL, SUM_OF_ALL, WARNING, Alert
from monitor.settings.tree import Settings

#: a checkpoint is stale at this age in seconds, or after this many checkpoint intervals if that is later
CHECKPOINT_LEAST_SECONDS: Final = 120
CHECKPOINTS_MISSED: Final = 12
#: lag in seconds from which on the alert on a growing lag fires
BEHIND_SECONDS: Final = 300


def down() -> Alert:
    lost = f'{ONE_OF_ALL} (up{{job="driftd"}}) == 0\nor on ()\nabsent(driftd_build_info)'
    return Alert(
        "DriftdDown", lost, CRITICAL, "5m", "1m",
        "driftd has not answered for 5 minutes: no model is watched",
        "Prometheus reaches no driftd. Its records wait in Kafka and are judged once it is back, "
        "if that is before the topic's retention removes them.",
    )  # fmt: skip


def not_restored() -> Alert:
    return Alert(
        "DriftdNotRestored", f"{ONE_OF_ALL} (driftd_restored) == 0", CRITICAL, "5m", "1m",
        "driftd has waited 5 minutes for its state: no model is watched",
        "It runs and has not begun to judge; until then no model has any series.",
    )  # fmt: skip


def checkpoint_stale(settings: Settings) -> Alert:
    limit = max(CHECKPOINT_LEAST_SECONDS, CHECKPOINTS_MISSED * settings.state.every // SECOND_US)
    return Alert(
        "DriftdCheckpointStale",
        f"time() - {ONE_OF_ALL} (driftd_checkpoint_timestamp_seconds) > {limit}", WARNING, "1m", "1m",
        "driftd has not written a checkpoint for {{ $value | humanizeDuration }}",
        "After a restart it would read and judge again from the newest checkpoint on; "
        "usually the disk of state.path is full or read-only.",
    )  # fmt: skip


def checkpoint_failing() -> Alert:
    return Alert(
        "DriftdCheckpointFailing", f"{SUM_OF_ALL} (increase(driftd_checkpoint_failures_total[5m])) > 0",
        WARNING, "1m", "5m",
        "driftd cannot save its state or send its messages, and holds incidents back",
        "Status page and series keep working, nothing is sent to the alert topic, and reading stops after a while. "
        "/readyz and the log have the reason.",
    )  # fmt: skip


def lag_growing() -> Alert:
    """The lag in seconds at the read rate of the last five minutes, not in records."""
    by_topic = "sum without (instance, pod, partition)"
    behind = f"{by_topic} (driftd_lag_records) > {BEHIND_SECONDS} * {by_topic} (rate(driftd_records_total[5m]))"
    return Alert(
        "DriftdLagGrowing", f"{behind}\nand\n{by_topic} (deriv(driftd_lag_records[15m])) >= 0", WARNING, "10m", "5m",
        "driftd is more than 5 minutes behind on {{ $labels.topic }} and does not catch up",
        "{{ $value | humanize }} records wait. Verdicts come as late as the events are read; they stay exact.",
    )  # fmt: skip
