"""The series of formats that are found, and of calls whose request and response are records of their own."""

from __future__ import annotations

from typing import Final

from monitor.publish.column_series import Series

CALL_SERIES: Final = (
    Series(
        "driftd_input_format_info",
        "gauge",
        ("topic", "format"),
        "1 for the format that the records of a topic were found to have (format: auto).",
        "Absent while no record of the topic was recognised. With another format than expected, write inputs[].format.",
        lambda snapshot: ((pair, 1) for pair in snapshot.formats.items()),
    ),
    Series(
        "driftd_pairs_waiting",
        "gauge",
        ("topic",),
        "Requests and responses that wait for their other side; their events have no outcome yet.",
        "Near limits.pairs_waiting one side is missing, or its partitions are far behind.",
        lambda snapshot: (((topic,), sides) for topic, sides in snapshot.pairs_waiting.items()),
    ),
    Series(
        "driftd_pairs_given_up_total",
        "counter",
        ("topic", "side"),
        "Requests and responses whose other side did not come within windows.pair_within. A request counts for"
        " features, a response for score and prediction.",
        "A few at the start of reading are usual. Many: one side is not logged, or in a topic that is not an input.",
        lambda snapshot: snapshot.pairs_given_up.items(),
    ),
)
