"""The three families of exceptions, which decide what happens after a failure.

    DriftdError
    ├── RejectedRecord      the record is bad: count it, dead-letter it, go on
    ├── ExternalError       Kafka, the disk or the network failed
    │   ├── TransientError  it may recover by itself: back off, retry, not ready
    │   └── PermanentError  refused for good (rights, a missing topic): exit 4 with the remedy at start; a running
    │       │               daemon retries
    │       └── PositionsLost  the stored offsets are no longer valid: also ends a running daemon
    └── UsageError          settings, references or arguments are wrong: exit 2, all faults at once
        (only at start; a running daemon never raises it)

Any other exception is a bug: nothing is committed, and the process exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterable


class DriftdError(Exception):
    """Base of everything this package raises on purpose."""


class RejectedRecord(DriftdError):
    """A record or event that is not valid. `reason` is a key of `events.REASONS`.

    `message` has what is wrong and what would be right, without a value of the payload. `shown` is the offending value,
    cut short, for the terminal of whoever runs a command: it is never logged nor dead-lettered.
    """

    def __init__(self, reason: str, message: str, shown: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.shown = shown


class ExternalError(DriftdError):
    """An external system (Kafka, the disk, the network) failed; always one of the two below."""


class TransientError(ExternalError):
    """The system may recover by itself: retry with back-off."""


class PermanentError(ExternalError):
    """The system refused for good; the message has the remedy."""


class PositionsLost(PermanentError):
    """A topic is gone, was recreated or truncated: the stored offsets would address other records."""


class UsageError(DriftdError):
    """Wrong input of the user. `faults` has one line a fault: where, what is wrong, what would be right."""

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))
