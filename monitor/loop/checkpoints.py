"""One checkpoint at a time: cut in the loop, at one moment, and written and published beside it.

1. Rejects are acknowledged: only then may a position after them be saved.
2. The state is saved, with the transitions that are not sent yet.
3. The transitions are sent and acknowledged: nothing is published that the saved state does not contain.
4. The consumer group's offsets are committed, for lag tools; after a restart the saved positions are used.

All four are of the moment of the cut; the loop counts on meanwhile, and learns at its next turn how far they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from monitor.chain import Head, Told
from monitor.clock import Clock
from monitor.errors import ExternalError, TransientError
from monitor.events import Partition
from monitor.loop.beside import Beside
from monitor.loop.saving import Saving
from monitor.loop.sinks import Outputs
from monitor.loop.stage2 import Stage2
from monitor.notices import Notice
from monitor.state.parts import Cut


@dataclass(slots=True)
class _Checkpoint:
    """A checkpoint that is being made; the last two say how far it is, and only its maker changes them."""

    cut: Cut
    unsent: list[Told]
    head: Head
    positions: Mapping[Partition, int]
    kept: bool = False
    sent: list[Told] = field(default_factory=list)

    def make(self, outputs: Outputs) -> None:
        """Save the state, then publish."""
        outputs.flush_rejects()  # 1
        outputs.save(self.cut)  # 2
        self.kept = True
        if self.unsent:
            outputs.publish(self.unsent, self.head)  # 3
            self.sent = self.unsent
        outputs.commit(self.positions)  # 4


class Checkpoints:
    """Makes the checkpoints of a pipeline.

    Attributes:
        stopped: the longest time for which the newest one has held up the loop at once, in seconds.
    """

    def __init__(
        self,
        outputs: Outputs,
        stage2: Stage2,
        saving: Saving,
        clock: Clock,
        beside: Beside,
        cut: Callable[[], tuple[Cut, Mapping[Partition, int]]],
    ) -> None:
        """`cut` gives the state of this moment, and the positions in it; it may raise ExternalError."""
        self._outputs = outputs
        self._stage2 = stage2
        self._saving = saving
        self._clock = clock
        self._beside = beside
        self._cut = cut
        self._made: _Checkpoint | None = None
        self.stopped = 0.0

    def step(self) -> bool:
        """Take note of how far the one is that is being made, or begin one if it is due; whether it did any of that.

        A failure is logged and kept by the schedule, which tries again; a bug is raised.
        """
        began, busy = self._clock.monotonic(), self._made is not None
        try:
            if busy:
                self._take_note(0)
            if self._made is None and self._saving.due(urgent=self._is_urgent()):
                busy = True
                self._begin()
        except ExternalError as failure:
            self._saving.failed(failure)
        if busy:
            self.stopped = max(self.stopped, self._clock.monotonic() - began)
        return busy

    def make(self, timeout_s: float | None = None) -> None:
        """Make one of this moment, after the one that is being made, and wait for it.

        Raises:
            ExternalError: it failed, or is not done in time: then it goes on.
        """
        until = None if timeout_s is None else self._clock.monotonic() + timeout_s
        if self._made is not None:
            try:
                self._take_note(timeout_s)
            except ExternalError as failure:
                self._saving.failed(failure)
            self._require_none()
        self._begin()
        if self._made is not None:
            self._take_note(None if until is None else max(until - self._clock.monotonic(), 0.0))
        self._require_none()

    def _is_urgent(self) -> bool:
        """Whether something waits to be told that is more than a notice."""
        return any(not isinstance(one, Notice) for one in self._stage2.unsent)

    def _begin(self) -> None:
        self.stopped = 0.0
        self._saving.begin()
        cut, positions = self._cut()
        unsent, head = list(self._stage2.unsent), self._stage2.head
        made = self._made = _Checkpoint(self._outputs.freeze(cut), unsent, head, positions)
        self._beside.start(lambda: made.make(self._outputs))
        self._take_note(0)

    def _take_note(self, timeout_s: float | None) -> None:
        """What the one that is being made has done by now, or up to `timeout_s` from now.

        Raises:
            ExternalError: it failed; what it had done before is noted.
        """
        made = self._made
        assert made is not None  # noqa: S101  # that is when it is called
        try:
            ended = self._beside.ended(timeout_s)
        except BaseException:
            self._made = None
            self._note(made)
            raise
        self._note(made)
        if ended:
            self._made = None
            self._saving.succeeded()

    def _note(self, made: _Checkpoint) -> None:
        """Each may be noted again."""
        if made.kept:
            self._saving.state_is_kept()
        self._stage2.sent(made.sent)

    def _require_none(self) -> None:
        if self._made is not None:
            message = "the checkpoint before is not written yet"
            raise TransientError(message)
