"""All causes. Everything that goes through them, or names one, reads this tuple."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from monitor.judge.causes.cause import Cause, CauseName
from monitor.judge.causes.constant import Constant
from monitor.judge.causes.distribution import Distribution
from monitor.judge.causes.errors import Errors
from monitor.judge.causes.features_gone import FeaturesGone
from monitor.judge.causes.quality import Quality
from monitor.judge.policy import Policy
from monitor.judge.prepared_reference import PreparedReference

#: in the order in which their findings are taken: what explains another one comes before it
CAUSES: Final[tuple[type[Cause[Any]], ...]] = (FeaturesGone, Quality, Constant, Distribution, Errors)


def causes_of(prepared: PreparedReference, policy: Policy) -> tuple[Cause[Any], ...]:
    """Every cause, for one model version."""
    return tuple(cause(prepared, policy) for cause in CAUSES)


def _named() -> Iterator[tuple[str, tuple[type[Cause[Any]], CauseName]]]:
    """Several causes may find the same thing of different subjects; they give it the same name."""
    return ((named.name, (cause, named)) for cause in CAUSES for named in cause.names)


_BY_NAME: Final = dict(_named())
#: {name: what it is called}
NAMES: Final[Mapping[str, CauseName]] = {name: named for name, (_, named) in _BY_NAME.items()}
#: {name: the names of causes beside which it is no news of the same subject}
EXPLAINED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    explained: tuple(name.name for cause in CAUSES if explained in cause.explains for name in cause.names)
    for explained in NAMES
}


def cause_named(name: str) -> type[Cause[Any]] | None:
    """The cause whose findings bear this name; None for one of another version."""
    return _BY_NAME[name][0] if name in _BY_NAME else None


def with_share(figure: str) -> tuple[str, ...]:
    """The names of the causes of which this figure ("value" or "effect") is a share of events."""
    return tuple(name for name, named in NAMES.items() if named.share == figure)
