"""Messages on lost events for the log and the status page: how many, where, the cause and the remedy.

They contain names of models and versions, never values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from monitor.count.losses import MIN_EVENTS, NEWEST, Loss, Losses, Newest
from monitor.events import DUPLICATE, IGNORED, LATE, REASONS, REJECTED, UNKNOWN_MODEL, ModelKey, Partition
from monitor.log import get_log
from monitor.run.loss_reasons import late_remedy, lateness_setting, not_watched
from monitor.settings.duration import about
from monitor.settings.tree import Settings
from monitor.text import many

_log = get_log(__name__)

#: losses listed per topic
REPORTED = 3
#: model versions that are named because nobody watches them
NOT_WATCHED: Final = 5


class LostEvents:
    """Reports a pipeline's losses."""

    def __init__(self, losses: Losses, settings: Settings) -> None:
        self._losses = losses
        self._settings = settings

    def log(self) -> None:
        """Log a line for each loss that is new or grew tenfold since its last line."""
        for loss in self._losses.news():
            _log.warning("events_lost", **_fields(loss), why=self.why(loss))

    def shares(self) -> tuple[dict[str, float], dict[str, float]]:
        """Share of lost events among the newest, by topic and by model of the settings.

        Without topics and models with too few events.
        """
        return _known_shares(self._losses.topics), _known_shares(self._losses.models)

    def not_watched(self) -> tuple[str, ...]:
        """A sentence for each model version, or name of a model, whose events came and are not watched, most first."""
        return tuple(
            f"{many(loss.count, 'event')} in {loss.topic}: {self.why(loss)}"
            for loss in self._losses.all()
            if loss.outcome in {UNKNOWN_MODEL, IGNORED}
        )[:NOT_WATCHED]

    def not_fine(self, positions: Mapping[Partition, int]) -> tuple[str, ...]:
        """A sentence for each topic that loses too many of its newest events, and each model that loses all.

        `positions` are the next offsets: losses older than the newest events are not reported.
        """
        return tuple(self._not_fine(positions))

    def _not_fine(self, positions: Mapping[Partition, int]) -> Iterator[str]:
        reported: set[str] = set()
        for topic, newest in self._losses.topics_not_fine():
            reported.add(topic)
            yield self._sentence(topic, newest, self._losses.of_topic(topic), positions)
        for model, newest in self._losses.models_not_fine():
            losses = self._losses.of_model(model)
            if not {loss.topic for loss in losses} <= reported:
                yield self._sentence(model, newest, losses, positions)

    def _sentence(self, name: str, newest: Newest, losses: list[Loss], positions: Mapping[Partition, int]) -> str:
        items = [self._item(loss) for loss in losses if _is_new(loss, positions)]
        more = f"; and {len(items) - REPORTED} more kinds" if len(items) > REPORTED else ""
        head = f"{newest.lost:,} of the newest {many(newest.total, 'event')} of {name} are lost"
        return f"{head}: {'; '.join(items[:REPORTED])}{more}" if items else head

    def why(self, loss: Loss) -> str:
        """The cause and the remedy."""
        if loss.outcome == REJECTED:
            return loss.message or REASONS.get(loss.reason, "")
        if loss.outcome == LATE:
            behind = f"up to {about(loss.behind_us)} behind the newest of their partition"
            return f"{behind}; {late_remedy(loss.behind_us, lateness_setting(self._settings, loss.key))}"
        if loss.outcome == DUPLICATE:
            return "an id has to be unique for each prediction; is a producer sending again, or the id a customer's?"
        if loss.key is None:
            return "many other models or versions"
        return not_watched(self._settings, loss.key, loss.outcome)

    def _item(self, loss: Loss) -> str:
        reason = f" ({loss.reason})" if loss.outcome == REJECTED else ""
        count = f"{many(loss.count, 'event')} {_WORDS.get(loss.outcome, loss.outcome)}{reason}"
        return f"{count}, newest {loss.newest}: {self.why(loss)}"


_WORDS: Final[Mapping[str, str]] = {
    REJECTED: "rejected",
    UNKNOWN_MODEL: "of an unknown model",
    "ignored": "of a version that is not listed",
    LATE: "late",
    DUPLICATE: "with an id that came before",
}


def _known_shares(newest: Mapping[str, Newest]) -> dict[str, float]:
    return {name: one.share for name, one in newest.items() if one.total >= MIN_EVENTS or one.all_lost}


def _is_new(loss: Loss, positions: Mapping[Partition, int]) -> bool:
    return positions.get(loss.newest.partition, 0) - loss.newest.offset <= NEWEST


def _fields(loss: Loss) -> dict[str, Any]:
    """The fields of a loss's log line besides the reason."""
    key: ModelKey | None = loss.key
    named = {} if key is None else {"model": key.model, "version": key.version}
    fields = {"topic": loss.topic, "outcome": loss.outcome, "reason": loss.reason, **named, "count": loss.count}
    return {name: value for name, value in fields.items() if value != ""} | {
        "first": str(loss.first),
        "newest": str(loss.newest),
    }
