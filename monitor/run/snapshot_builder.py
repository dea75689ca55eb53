"""Builds the snapshot from the pipeline; series and status page are made from one snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from monitor.clock import Clock, SystemClock
from monitor.count.admission.versions import Admission
from monitor.count.clocks.event_clock import NO_CLOCK
from monitor.decode.platform import MAY_PAIR
from monitor.events import ModelKey, Partition
from monitor.judge.fleet import Fleet
from monitor.kafka.stalls import Stall
from monitor.log import get_log
from monitor.pipeline import Pipeline
from monitor.publish.snapshot import EndedView, NoticeView, Snapshot
from monitor.publish.status.incident_cards import ENDED
from monitor.run.lost_events import LostEvents
from monitor.run.model_parts import ModelPart, ModelParts, ended_views
from monitor.run.no_ids import no_id_lines
from monitor.run.outputs import KafkaOutputs
from monitor.run.promises import Promises
from monitor.settings.tree import Settings

_log = get_log(__name__)


class SnapshotBuilder:
    """Builds snapshots of a pipeline; created after its state is restored and before it counts anything.

    What is shown of a model version is of one moment, that in which its part was made: within the round that ends with
    the snapshot, or before if nothing of it has changed since. Everything else is of the moment of the snapshot. So two
    model versions may be shown some turns of the loop apart, as their newest events are anyway; their counts never go
    back, and what changes behind their part's making is in the next snapshot.
    """

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        pipeline: Pipeline,
        fleet: Fleet,
        outputs: KafkaOutputs,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._fleet = fleet
        self._admission = admission
        self._outputs = outputs
        self._lost = LostEvents(pipeline.losses, settings)
        self._may_pair = [entry.topic for entry in settings.inputs if entry.format in MAY_PAIR]
        self._promises = Promises(fleet)
        self._parts = ModelParts(settings, admission, pipeline, fleet, self._promises, clock or SystemClock())
        self._retired = set(admission.seen.retired)
        self._gaps_before, self._unjudged_before = Counter(pipeline.gaps), Counter(pipeline.exchange.unjudged)

        admission.when_replaced(self._forget)
        admission.when_learned(self._parts.count_anew)

    def _forget(self, key: ModelKey) -> None:
        """The model version got another reference: its counters start again."""
        self._parts.count_anew(key)
        self._promises.forget(key)
        self._unjudged_before.pop(key, None)

    def _note_retired(self) -> None:
        """Log and forget what was retired since the last snapshot."""
        retired = set(self._admission.seen.retired)
        for key in sorted(retired - self._retired):
            self._parts.drop(key)
            self._promises.forget(key)
            _log.info("version_retired", model=key.model, version=key.version, setting="retire_after")
        self._retired = retired

    def advance(self, seconds: float) -> bool:
        """Make some of the parts of the next snapshot, for about so many seconds; whether all of them are made."""
        return self._parts.advance(seconds)

    def promise(self) -> bool:
        """Compute the next part of a promise, a few milliseconds; whether there was anything to do."""
        return self._promises.step()

    def log_losses(self) -> None:
        """Log new losses of events."""
        self._lost.log()

    def snapshot(
        self, lags: Mapping[Partition, int], stalls: Sequence[Stall] = (), slow_because: str | None = None
    ) -> Snapshot:
        """The next snapshot; parts that are not made yet, all of them without `advance`, are made first."""
        pipeline, retired = self._pipeline, self._admission.seen.retired
        self._note_retired()
        parts = {part.model.key: part for part in self._parts.finish()}
        judged = [parts[key] for key in self._fleet.judges if key in parts]
        unjudged = pipeline.exchange.unjudged - self._unjudged_before
        lost_topics, lost_models = self._lost.shares()
        self._promises.renew()
        return Snapshot(
            restored=True,
            references=len(self._admission.references) > 0 or self._admission.learns_any(),
            records=pipeline.records,
            events=pipeline.outcomes,
            lost_topics=lost_topics,
            lost_models=lost_models,
            not_fine=self._lost.not_fine(pipeline.positions()),
            dead_letters=pipeline.dead_letters,
            formats=dict(pipeline.decoders.formats),
            pairs_waiting=dict.fromkeys(self._may_pair, 0) | pipeline.pairing.waiting.by_topic(),
            pairs_given_up=dict(pipeline.pairing.waiting.given_up),
            retention_gaps={at: pipeline.gaps[at] - self._gaps_before[at] for at in {*lags, *pipeline.gaps}},
            watermarks=_watermarks(pipeline),
            skewed={
                partition: partition_state.clock.skewed
                for partition, partition_state in pipeline.partition_states().items()
            },
            lags=lags,
            unreadable=pipeline.unreadable,
            stalled=tuple(stall.why for stall in stalls),
            positions_stalled=dict.fromkeys(lags, 0) | {stall.partition: 1 for stall in stalls},
            slow_because=slow_because,
            open_panes=pipeline.open_panes(),
            loop_seconds=pipeline.time.spent,
            checkpoint_us=self._outputs.checkpoint_us,
            checkpoint_bytes=self._outputs.checkpoint_bytes,
            checkpoint_parts=self._outputs.checkpoint_parts,
            checkpoint_seconds=pipeline.saving.seconds,
            checkpoint_stop_seconds=pipeline.checkpoints.stopped,
            checkpoint_failures=pipeline.saving.failures,
            models=tuple(part.model for part in parts.values()),
            model_events={of: count for of, count in pipeline.accepted.items() if of[0] not in retired},
            label_fates={of: count for of, count in pipeline.joins.fates.items() if of[0] not in retired},
            outcome_fates={of: count for of, count in pipeline.joins.outcome_fates.items() if of[0] not in retired},
            labels_waiting={key: count for key, count in pipeline.joins.waiting().items() if key not in retired},
            predictions_waiting=pipeline.joins.predictions_waiting(),
            predictions_let_go=pipeline.joins.let_go(),
            labels_joined_us=pipeline.joins.joined_until(),
            labels_held_by=_held_by(pipeline),
            unjudged=Counter({key: count for key, count in unjudged.items() if key not in retired}),
            incidents=tuple(view for part in judged for view in part.incidents),
            findings=tuple(view for part in judged for view in part.findings),
            ended=self._ended(judged),
            notices=tuple(
                NoticeView(one.monitored.key, one.finding.key, one.at_us, one.finding.detail)
                for one in reversed(self._fleet.noted)
            ),
            unwatched=(*no_id_lines(pipeline, self._settings, self._admission), *self._lost.not_watched()),
            links=self._settings.links,
        )

    def _ended(self, judged: Iterable[ModelPart]) -> tuple[EndedView, ...]:
        """The last resolved incidents of all models, the newest first."""
        retired = (judge for judge in self._fleet.judges.values() if judge.retired)
        views = [view for part in judged for view in part.ended]
        views += [view for judge in retired for view in ended_views(judge)]
        return tuple(sorted(views, key=lambda view: -view.ended_us)[:ENDED])


def _watermarks(pipeline: Pipeline) -> dict[Partition, int]:
    return {
        partition: partition_state.clock_us
        for partition, partition_state in pipeline.partition_states().items()
        if partition_state.clock_us != NO_CLOCK
    }


def _held_by(pipeline: Pipeline) -> dict[str, str]:
    """By model, the partition of labels that its join waits for."""
    slowest = pipeline.completeness.labels.slowest
    found = {model: slowest.get(model, slowest.get(None)) for model in pipeline.joins.models}
    return {model: str(one[0]) for model, one in found.items() if one is not None}
