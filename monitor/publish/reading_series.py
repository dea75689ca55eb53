"""The series of reading: positions, what was passed over, and where the loop's time goes."""

from __future__ import annotations

from typing import Final

from monitor.publish import rows
from monitor.publish.column_series import Series

READING_SERIES: Final = (
    Series(
        "driftd_dead_letters_total",
        "counter",
        (),
        "Records handed to the rejects topic.",
        "Read the newest records of the rejects topic: their headers name the reason and the position.",
        lambda snapshot: [((), snapshot.dead_letters)],
    ),
    Series(
        "driftd_offset_gap_records_total",
        "counter",
        ("topic", "partition"),
        "Offsets that were gone before they were read (retention). They are in no statistic.",
        "Lengthen the topic's retention, or find out why driftd was down or behind for longer than that.",
        lambda snapshot: rows.by_partition(snapshot.retention_gaps),
    ),
    Series(
        "driftd_unreadable_records_total",
        "counter",
        ("topic", "partition", "reason"),
        "Records that cannot be decompressed or parsed, skipped batch by batch: checksum, codec, structure, too_large,"
        " torn. They are in no statistic and in no outcome.",
        "The log has the place. Checksum or torn: check the broker's disk. Too_large: raise limits.record_bytes if such"
        " records are meant.",
        rows.unreadable,
    ),
    Series(
        "driftd_position_stalled",
        "gauge",
        ("topic", "partition"),
        "1 while the position stands still for more than a minute though there is more in the partition.",
        "The page and the log say why: an open transaction (`kafka-transactions.sh find-hanging`), or a leader that"
        " gives nothing.",
        lambda snapshot: rows.by_partition(snapshot.positions_stalled),
    ),
    Series(
        "driftd_loop_seconds_total",
        "counter",
        ("step",),
        "Where the loop's time goes: poll, decode, count, judge, checkpoint, publish, idle (waiting for records).",
        "Idle near 0: it takes all it can; the largest other step says what to make cheaper.",
        lambda snapshot: [((step,), seconds) for step, seconds in snapshot.loop_seconds.items()],
    ),
    Series(
        "driftd_fast_path",
        "gauge",
        ("reason",),
        "1 if record batches are unpacked by driftd itself or by librdkafka (kafka.client: confluent), 0 with the"
        " reason if kafka-python decodes each record: turned_off, self_check, public_poll.",
        "0 costs CPU. Self_check or public_poll: the log says what is missing; install the version of kafka-python in"
        " requirements.txt. With public_poll a damaged batch stops reading.",
        lambda snapshot: (
            [] if snapshot.slow_because is None else [((snapshot.slow_because,), not snapshot.slow_because)]
        ),
    ),
    Series(
        "driftd_lag_records",
        "gauge",
        ("topic", "partition"),
        "Offsets between what was read and the end of the partition.",
        "Steadily rising: more traffic than one process can handle; give it a dedicated core.",
        lambda snapshot: rows.by_partition(snapshot.lags),
    ),
    Series(
        "driftd_watermark_timestamp_seconds",
        "gauge",
        ("topic", "partition"),
        "Event time up to which the partition is complete.",
        "Standing still with traffic: the producer's clock stands.",
        rows.watermarks,
    ),
    Series(
        "driftd_clock_skew_events_total",
        "counter",
        ("topic", "partition"),
        "Accepted events whose time lay so far ahead that it does not count yet: more than 5 minutes, allowed_lateness"
        " and ten usual distances ahead of the partition's clock, which most of its last 20 events do not confirm.",
        "Rising steadily: a producer's clock is ahead; its events are judged when the others come to their time. A few"
        " after each pause in traffic are usual.",
        rows.skewed,
    ),
)
