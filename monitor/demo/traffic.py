"""Schedule of the demo's events: event time runs fast until it catches up with the clock; one fault begins before."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from monitor.clock import SECOND_US, Clock
from monitor.demo.broker import DemoBroker
from monitor.demo.flights import Flights

#: events per second of event time
RATE: Final = 10
#: speed of event time until it catches up with the clock
SPEED: Final = 60
#: how far in the past the stream begins
LEAD_US: Final = 65 * 60 * SECOND_US
#: seconds of the clock before the fault
FAULT_AFTER: Final = 20
REFERENCE_EVENTS: Final = 10_000
#: most records ahead of the committed offsets: the broker drops its oldest records
AHEAD: Final = 10_000

_BETWEEN_US: Final = SECOND_US // RATE


class Traffic:
    """The stream: the events of the reference, then those that are sent.

    Attributes:
        begin_us: event time of the first event that is sent.
        fault_us: event time from which the fault lasts.
        sent: how many were sent.
    """

    def __init__(self, flights: Flights, clock: Clock) -> None:
        self._flights = flights
        self._clock = clock
        self.begin_us = clock.now_us() - LEAD_US
        self.fault_us = self.begin_us + FAULT_AFTER * SPEED * SECOND_US
        self.sent = 0
        self._began = clock.monotonic()

    def write_reference(self, path: Path) -> None:
        """Write the events right before the stream, one per line."""
        first = self.begin_us - REFERENCE_EVENTS * _BETWEEN_US
        lines = (self._flights.event(first + n * _BETWEEN_US, celsius=False) for n in range(REFERENCE_EVENTS))
        path.write_bytes(b"\n".join(lines) + b"\n")

    def begin(self) -> None:
        """Start: the first event is due now."""
        self._began = self._clock.monotonic()

    def elapsed(self) -> float:
        """Seconds of the clock since the first event."""
        return self._clock.monotonic() - self._began

    def played_us(self) -> int:
        """The event time up to which events are due."""
        return min(self.begin_us + round(self.elapsed() * SPEED * SECOND_US), self._clock.now_us())

    @property
    def faulty(self) -> bool:
        """Whether the last event that was sent has the fault."""
        return self.begin_us + (self.sent - 1) * _BETWEEN_US >= self.fault_us

    def send_due(self, broker: DemoBroker, topic: str, committed: int) -> None:
        """Send the events that are due and not too far ahead of the committed offsets."""
        due = (self.played_us() - self.begin_us) // _BETWEEN_US
        for number in range(self.sent, min(due, committed + AHEAD)):
            ts_us = self.begin_us + number * _BETWEEN_US
            broker.send(topic, number, self._flights.event(ts_us, celsius=ts_us >= self.fault_us), ts_us)
            self.sent = number + 1
