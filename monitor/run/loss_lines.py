"""Why events were not counted, one line per reason: how many, where first, the cause, the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from monitor.count.losses import Loss
from monitor.events import DUPLICATE, IGNORED, LATE, REASONS, REJECTED, UNKNOWN_MODEL, Partition
from monitor.run.late_remedy import late_remedy, lateness_setting
from monitor.settings.duration import about
from monitor.settings.tree import Settings
from monitor.text import listed, many

#: formats a record's position for people
PlaceText: TypeAlias = Callable[[Partition, int], str]

#: most names in a list
_NAMED: Final = 10


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
        elif (loss.outcome, loss.reason) == (UNKNOWN_MODEL, "not_configured"):
            known = listed((model.name for model in settings.models), _NAMED)
            yield f'model "{loss.key.model}" is not in the settings ({count}, first at {first}); known: {known}'
        elif loss.outcome == UNKNOWN_MODEL:
            yield (
                f"{loss.key}: there is no reference of that version ({count}, first at {first}); make it: "
                "driftd reference build"
            )
        elif loss.outcome == IGNORED:
            model = settings.model(loss.key.model)
            versions = listed((f'"{version}"' for version in (model.versions if model else ())), _NAMED)
            yield (
                f'version "{loss.key.version}" of {loss.key.model} is not listed ({count}, first at {first}); '
                f"listed: {versions}"
            )
        elif loss.outcome == DUPLICATE:
            yield (
                f"{count} of {loss.key} repeat an id (duplicate), first at {first}; `id` has to be unique for each "
                "prediction, leave it out where there is none"
            )
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
