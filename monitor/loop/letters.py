"""Dead letters of what was not counted."""

from __future__ import annotations

from monitor.count.task import Taken
from monitor.decode.columns import Events
from monitor.records import DeadLetter, RecordBatch, UnreadableRecords


def letters_of(batch: RecordBatch, events: Events, taken: Taken, *, unknown: bool) -> list[DeadLetter]:
    """The letters of a batch: of rejected events, and with `unknown` of those of unknown models."""
    letters = [
        batch.letter(rejected.index, rejected.reason, rejected.message, rejected.indices)
        for rejected in events.rejected
    ]
    if taken.unknown_offsets and unknown:
        places = {offset: index for index, offset in enumerate(batch.offsets.tolist())}
        message = "no model of the settings, or no reference for its version"
        letters += [batch.letter(places[offset], "unknown_model", message, ()) for offset in taken.unknown_offsets]
    return letters


def letter_of_unreadable(lost: UnreadableRecords) -> DeadLetter:
    """The letter of records that cannot be decoded."""
    why = f"{lost.records} records cannot be read: {lost.message}"
    return DeadLetter(lost.partition, lost.first, None, (), lost.value, f"unreadable_{lost.reason}", why)
