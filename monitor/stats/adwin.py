"""River's ADWIN (Bifet and Gavalda 2007) without River's heavy imports.

`river.drift` imports pandas and scikit-learn, which takes a second of CPU or more, and 95 MB. The detector itself is
River's compiled core, whose import takes a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

#: River's defaults
CLOCK: Final = 32
MAX_BUCKETS: Final = 5
MIN_WINDOW_LENGTH: Final = 5
GRACE_PERIOD: Final = 10


class _Core(Protocol):
    def update(self, value: float) -> bool: ...
    def get_total(self) -> float: ...
    def get_width(self) -> float: ...


class Adwin:
    """Detects changes of the mean of a sequence."""

    def __init__(self, delta: float) -> None:
        """`delta`: the significance, in (0, 1)."""
        self._core: _Core = _core_of()(
            delta=delta,
            clock=CLOCK,
            max_buckets=MAX_BUCKETS,
            min_window_length=MIN_WINDOW_LENGTH,
            grace_period=GRACE_PERIOD,
        )

    def update(self, value: float) -> bool:
        """Take the next value; True if a change of the mean is detected with it."""
        return bool(self._core.update(value))

    @property
    def estimation(self) -> float:
        """The mean since the last change."""
        width = self._core.get_width()
        return self._core.get_total() / width if width else 0.0


class _Public:
    """The same through `river.drift`, for versions of River whose core is elsewhere."""

    def __init__(self, **arguments: float) -> None:
        from river.drift import ADWIN  # noqa: PLC0415  # slow import: only if needed

        self._detector = ADWIN(**arguments)  # type: ignore[no-untyped-call]  # River has no types here

    def update(self, value: float) -> bool:
        self._detector.update(value)  # type: ignore[no-untyped-call]  # as above
        return bool(self._detector.drift_detected)

    def get_total(self) -> float:
        return float(self._detector.total)

    def get_width(self) -> float:
        return float(self._detector.width)


def _core_of() -> Callable[..., _Core]:
    try:
        from river._river_rust.drift import AdaptiveWindowing  # noqa: PLC0415  # it may not be there
    except ImportError:
        return _Public
    core: type[_Core] = AdaptiveWindowing
    return core
