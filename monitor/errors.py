"""The three families that decide what becomes of trouble.

    DriftdError
    ├── RejectedRecord      the record is bad: count it, dead-letter it, go on
    ├── OutsideTrouble      Kafka, disk, network: back off, retry, not ready
    │   └── OutsideRefusal  ... refused for good (rights, a missing topic): exit 4 with the remedy
    └── UsageError          settings, references or arguments are wrong: exit 2, all faults at once
        (only at start; a running daemon never raises it)

Anything else that is raised is a bug of ours: nothing is committed, the process ends with 1.
"""

from __future__ import annotations

from collections.abc import Iterable


class DriftdError(Exception):
    """Base of everything this package raises on purpose."""


class RejectedRecord(DriftdError):
    """A record or event that cannot be taken. `reason` is one word of `events.REASONS`.

    `message` says what is wrong and what would be right, without a value of the payload. `shown` is what came, cut
    short, for the terminal of whoever runs a command: it is never logged nor dead-lettered.
    """

    def __init__(self, reason: str, message: str, shown: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.shown = shown


class OutsideTrouble(DriftdError):
    """An outside system failed in a way that may heal: retry with back-off."""


class OutsideRefusal(OutsideTrouble):
    """An outside system refused for good; the message says what a person has to do."""


class UsageError(DriftdError):
    """What the user gave is wrong. `faults` has one line a fault: where, what is wrong, what would be right."""

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))
