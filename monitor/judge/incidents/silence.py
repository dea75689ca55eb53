"""A silence of the calendar at one moment: which findings it holds back from paging.

A held finding is a ticket. It pages when events from after the silence alone show it; or, as a small change needs
windows that hold events of the silence too, once it has not ended in so many base windows outside of silences.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from monitor.settings.calendar import Calendar
from monitor.stats.testing.ending import MIN_END_WINDOWS

#: most base windows outside of silences in which a held finding may end before it pages
MOST_HELD: Final = 16


class Silence(NamedTuple):
    """The silence at a moment, or the last one before it: until when, and why; `now` if it lasts."""

    now: bool
    until_us: int
    reason: str

    def holds(self, since_us: int, base_windows: int, passed: int) -> bool:
        """Whether it holds a finding back whose shortest window over begins at `since_us`.

        `base_windows` is the length it opened on, `passed` how many closed outside of silences while it was held.
        """
        if self.now:
            return True
        return since_us < self.until_us and passed < min(max(MIN_END_WINDOWS, 2 * base_windows), MOST_HELD)


def silence_at(calendar: Calendar, us: int) -> Silence | None:
    """The silence at an event time, or the last one before it; None where there is none."""
    covered = calendar.at(us)
    found = calendar.last_before(us) if covered is None else covered
    return None if found is None else Silence(covered is not None, found.end_us, found.reason)
