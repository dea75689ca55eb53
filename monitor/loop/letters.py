"""Dead letters of what was not counted, and the notice of records that were gone."""

from __future__ import annotations

from monitor.count.task import Taken
from monitor.decode.columns import Events
from monitor.notices import GAP, Notice
from monitor.records import DeadLetter, OffsetGap, RecordBatch, UnreadableRecords


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


def notice_of_gap(gap: OffsetGap, now_us: int) -> Notice:
    """The notice of records that were gone before they were read."""
    facts = {"partition": str(gap.partition), "first": gap.expected, "next": gap.found}
    return Notice(GAP, now_us, f"{gap.partition}/{gap.expected}", facts)
