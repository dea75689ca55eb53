"""Why events were not counted, one line per reason: how many, where first, the cause, the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitor.count.losses import Loss
from monitor.events import DUPLICATE, IGNORED, LATE, REASONS, REJECTED, UNKNOWN_MODEL
from monitor.records import PlaceText
from monitor.run.loss_reasons import UNIQUE_ID, late_remedy, lateness_setting, not_watched
from monitor.settings.duration import about
from monitor.settings.tree import Settings
from monitor.text import many


def loss_lines(
    losses: Iterable[Loss], settings: Settings, events: Mapping[str, int], place: PlaceText
) -> Iterator[str]:
    """One line for each loss; `events` is the number of events per topic."""
    for loss in losses:
        first = place(*loss.first)
        count, all_of_it = many(loss.count, "event"), events.get(loss.topic, loss.count)
        if loss.outcome == REJECTED:
            part = f"all {count}" if loss.count == all_of_it > 1 else f"{loss.count:,} of {many(all_of_it, 'event')}"
            came = f"{loss.shown}: " if loss.shown else ""
            yield f"{part} rejected ({loss.reason}), first at {first}: {came}{loss.message or REASONS[loss.reason]}"
        elif loss.key is None:
            yield f"{count} of further models or versions: {loss.outcome} ({loss.reason}), first at {first}"
        elif loss.outcome in {UNKNOWN_MODEL, IGNORED}:
            yield not_watched(settings, loss.key, loss.outcome, f" ({count}, first at {first})")
        elif loss.outcome == DUPLICATE:
            yield f"{count} of {loss.key} repeat an id (duplicate), first at {first}: {UNIQUE_ID}"
        elif loss.outcome == LATE:
            yield _late(loss, settings, all_of_it, first)


def _late(loss: Loss, settings: Settings, events: int, first: str) -> str:
    line = f"{loss.count:,} late of {loss.key}, up to {about(loss.behind_us)} behind (first at {first})"
    in_a_file = first != str(loss.first)
    if in_a_file and 2 * loss.count > events:
        order = "they are older than ones before them, the file is not in time order"
        return f"{line}: {order}; sort it by ts, or add --sort"
    setting = lateness_setting(settings, loss.key)
    return f"{line}; {late_remedy(loss.behind_us, setting, in_a_file=in_a_file)}"
