"""quixstreams: its JSON topic, and tumbling windows of event time kept in RocksDB, by `reduce`.

`--bare`: its topic and a plain function with a dict for each window in memory, without its windows.
Leaves out: judging, duplicates, changelog topics (its recovery), series. Its windows are by the key of a record.
"""

from __future__ import annotations

import tempfile
import uuid
from typing import Any

from quixstreams import Application, message_context

from tests.benchmarks.peers.tally import WINDOW_MS, Counts, add, values
from tests.benchmarks.yardsticks.meter import Asked, Meter, asked

#: by partition, where they are kept by partition, and start
Windows = dict[tuple[int, int], Counts]


class Reading:
    """Stops the application after the last event; counts what it was given."""

    def __init__(self, app: Any, wanted: Asked) -> None:  # noqa: ANN401 - the library may not be here
        self.meter, self.read = Meter(), 0
        self._app, self._events = app, wanted.events

    def seen(self, _event: object) -> None:
        self.meter.first()
        self.read += 1
        if self.read == self._events:
            self._app.stop()


def main() -> None:
    wanted = asked(__doc__)
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            broker_address=wanted.bootstrap,
            consumer_group=f"tally-{uuid.uuid4()}",
            auto_offset_reset="earliest",
            auto_create_topics=False,
            use_changelog_topics=False,
            state_dir=state,
            loglevel="ERROR",
        )
        topic = app.topic(
            wanted.topic, value_deserializer="json", timestamp_extractor=lambda value, *_: int(value["ts"])
        )
        reading = Reading(app, wanted)
        frame = app.dataframe(topic)
        windows: Windows = {}
        if wanted.bare:
            in_memory(frame, reading, windows)
        else:
            in_its_windows(frame, reading, windows)
        app.run()
        tallied = sum(map(values, windows.values()))
        name = "quixstreams, no windows" if wanted.bare else "quixstreams"
        reading.meter.tell(name, reading.read, tallied=tallied, windows=len({start for _, start in windows}))


def in_memory(frame: Any, reading: Reading, windows: Windows) -> None:  # noqa: ANN401
    def tally(event: Any) -> None:  # noqa: ANN401
        add(windows.setdefault((0, event["ts"] // WINDOW_MS), {}), event)
        reading.seen(event)

    frame.update(tally)


def in_its_windows(frame: Any, reading: Reading, windows: Windows) -> None:  # noqa: ANN401
    def newest(window: Any) -> None:  # noqa: ANN401
        windows[message_context().partition, window["start"]] = window["value"]

    tumbling = frame.update(reading.seen).tumbling_window(duration_ms=WINDOW_MS, grace_ms=600_000)
    tumbling.reduce(reducer=add, initializer=lambda event: add({}, event)).current().update(newest)


if __name__ == "__main__":
    main()
