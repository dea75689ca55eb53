"""The three families of exceptions: they decide what happens after a failure.

    DriftdError
    ├── RejectedRecord      the record is bad: count it, dead-letter it, go on
    ├── ExternalError       Kafka, the disk or the network failed
    │   ├── TransientError  it may work again by itself: back off, retry, not ready
    │   └── PermanentError  refused for good (rights, a missing topic): at start exit 4 with the remedy; a running
    │       │               daemon tries again
    │       └── PositionsLost  offsets mean other records now: ends a running daemon, too
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


class ExternalError(DriftdError):
    """An external system (Kafka, the disk, the network) failed; one of the two below."""


class TransientError(ExternalError):
    """The failure may pass by itself: retry with back-off."""


class PermanentError(ExternalError):
    """An external system refused for good; the message says what a person has to do."""


class PositionsLost(PermanentError):
    """A topic is gone, was made again or was cut: going on would count other records under the old offsets."""


class UsageError(DriftdError):
    """What the user gave is wrong. `faults` has one line a fault: where, what is wrong, what would be right."""

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))
