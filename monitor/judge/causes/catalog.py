"""All causes. Whatever iterates over causes, or names one, reads this tuple."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from monitor.judge.causes.around import ALONE, Around
from monitor.judge.causes.cause import Cause, CauseName
from monitor.judge.causes.consecutive import Consecutive
from monitor.judge.causes.constant import Constant
from monitor.judge.causes.detectors import Detectors
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.errors import Errors
from monitor.judge.causes.fact_share import ClockSkew, Duplicates
from monitor.judge.causes.fairness import Fairness
from monitor.judge.causes.features_gone import FeaturesGone
from monitor.judge.causes.label_facts import LabelFacts
from monitor.judge.causes.outcome import Outcomes
from monitor.judge.causes.performance import Performance
from monitor.judge.causes.platform_limit import PlatformLimits
from monitor.judge.causes.quality import Quality
from monitor.judge.causes.relation import Relation
from monitor.judge.causes.residual import Residual
from monitor.judge.causes.schema import Schema
from monitor.judge.causes.segment_quality import SegmentQuality
from monitor.judge.causes.segments import Segments
from monitor.judge.causes.tags_gone import TagsGone
from monitor.judge.causes.traffic import TrafficRate
from monitor.judge.policy import Policy
from monitor.judge.windows.prepared_reference import PreparedReference

#: in the order in which findings are taken: a cause comes before those it explains
CAUSES: Final[tuple[type[Cause[Any]], ...]] = (
    FeaturesGone,
    Quality,
    Constant,
    Residual,
    Distribution,
    Segments,
    SegmentQuality,
    Relation,
    Performance,
    Outcomes,
    Fairness,
    Errors,
    Detectors,
    Consecutive,
    TrafficRate,
    Duplicates,
    ClockSkew,
    Schema,
    PlatformLimits,
    TagsGone,
    LabelFacts,
)


def causes_of(prepared: PreparedReference, policy: Policy, around: Around = ALONE) -> tuple[Cause[Any], ...]:
    """Every cause, for one model version."""
    return tuple(cause.of_judge(prepared, policy, around) for cause in CAUSES)


def _by_name() -> dict[str, tuple[type[Cause[Any]], CauseName]]:
    """Causes that find the same thing of other subjects, or otherwise, share a name: the first one gives the texts."""
    found: dict[str, tuple[type[Cause[Any]], CauseName]] = {}
    for cause in CAUSES:
        for named in cause.names:
            found.setdefault(named.name, (cause, named))
    return found


_BY_NAME: Final = _by_name()
#: {name: its texts}
NAMES: Final[Mapping[str, CauseName]] = {name: named for name, (_, named) in _BY_NAME.items()}
#: {name: names of the causes that hide it for the same subject}
EXPLAINED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    explained: tuple(name.name for cause in CAUSES if explained in cause.explains for name in cause.names)
    for explained in NAMES
}


def cause_named(name: str) -> type[Cause[Any]] | None:
    """The cause with this name in its findings; None for a name of another version of driftd."""
    return _BY_NAME[name][0] if name in _BY_NAME else None


def sample_of(name: str) -> str:
    """What the events of the windows of a finding with this cause are: events, labels, ..., one of them."""
    return NAMES[name].sample if name in NAMES else CauseName(name).sample


def next_step_of(name: str) -> str:
    """What a person does first about a finding with this cause, without a full stop; "" for an unknown cause."""
    return NAMES[name].next_step if name in NAMES else ""


def with_share(figure: str) -> tuple[str, ...]:
    """The names of the causes whose "value" or "effect" (`figure`) is a share of events."""
    return tuple(name for name, named in NAMES.items() if named.share == figure)
