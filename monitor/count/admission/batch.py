"""Which events of a batch are let in: asked once for each model version they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.admission.versions import Decision
from monitor.count.losses import Refused
from monitor.decode.columns import Events
from monitor.events import ACCEPTED, ModelKey

Mask = NDArray[np.bool_]


class Admitted(NamedTuple):
    """The answer for those rows of a batch that were asked about; arrays (n,) over all its events.

    `asked` are these rows, `rows` those of them that are let in, `lateness_us` how late an event may be. `refused` are
    the others, by key.
    """

    asked: Mask
    rows: Mask
    lateness_us: NDArray[np.int64]
    refused: list[Refused]


def admit(events: Events, asked: Mask, decision_of: Callable[[ModelKey], Decision]) -> Admitted:
    """Ask for each model version that an event of the `asked` ones names, in the order in which they come."""
    if len(events.keys) == 1 and len(events) and asked.all():
        return _of_one(events, asked, decision_of(events.keys[0]))
    let_in, lateness_us = np.zeros(len(events.keys), np.bool_), np.zeros(len(events.keys), np.int64)
    refused = []
    for at in np.flatnonzero(np.bincount(events.key[asked], minlength=len(events.keys))).tolist():
        decision = decision_of(events.keys[at])
        let_in[at], lateness_us[at] = decision.outcome == ACCEPTED, decision.lateness_us
        if not let_in[at]:
            rows = np.flatnonzero(asked & (events.key == at))
            refused.append(Refused(decision.outcome, decision.reason, events.keys[at], rows))
    return Admitted(asked, asked & let_in[events.key], lateness_us[events.key], refused)


def _of_one(events: Events, asked: Mask, decision: Decision) -> Admitted:
    """The answer for a batch of one model version, as most are."""
    lateness_us = np.full(len(events), decision.lateness_us)
    if decision.outcome == ACCEPTED:
        return Admitted(asked, asked, lateness_us, [])
    refused = Refused(decision.outcome, decision.reason, events.keys[0], np.arange(len(events)))
    return Admitted(asked, np.zeros(len(events), np.bool_), lateness_us, [refused])
