"""Tells another system what is told on the alert topic, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from monitor.clock import MINUTE_US, Clock
from monitor.errors import ExternalError, PermanentError
from monitor.exports.picked import Picked

#: what was told so long before the last look is read once more: brokers and machines have clocks of their own
_OVERLAP_US: Final = 10 * MINUTE_US


def follow(
    find: Callable[[int | None], Picked],
    tell: Callable[[Picked], Iterable[str]],
    start_us: int | None,
    clock: Clock,
    wait: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Tell what was told from `start_us` on, and after each `wait` what is new, until `wait` returns true.

    `find` returns what was told from a time on, `tell` yields in words what it did. Where Kafka or the other system
    does not answer, that is said, and the next look begins where this one did.

    Raises:
        PermanentError: one of them refuses.
    """
    while True:
        begun_us = clock.now_us()
        try:
            for line in tell(find(start_us)):
                say(line)
            start_us = begun_us - _OVERLAP_US
        except PermanentError:
            raise
        except ExternalError as error:
            say(f"{error}; tried again")
        if wait():
            return
