"""Settings of glibc's malloc: reuse the buffers of fetch responses, and return what a checkpoint freed to the kernel.

With the default thresholds glibc returns every fetch buffer to the kernel and maps it again for the next fetch. With
higher ones it would keep the peak of a checkpoint for ever, so free memory is trimmed from time to time.
"""

from __future__ import annotations

import ctypes
import platform
from typing import Final

from monitor.clock import Clock

_MIB = 1 << 20
#: from <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
#: least seconds between two calls of malloc_trim: faulting the pages in again costs some milliseconds
TRIM_INTERVAL_SECONDS: Final = 5.0
_WANTED = ((_M_MMAP_THRESHOLD, 64 * _MIB), (_M_TRIM_THRESHOLD, 256 * _MIB), (_M_ARENA_MAX, 1))


def tune_allocator() -> bool:
    """Set glibc's thresholds so that buffers of a megabyte are kept and reused (mallopt(3)).

    Call it before the first thread starts. Returns True when glibc accepted all of them. Without glibc it does nothing
    and returns False: only speed is lost.
    """
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    return all(mallopt(option, value) == 1 for option, value in _WANTED)


class FreeMemory:
    """Returns the memory that a checkpoint freed to the kernel (malloc_trim(3)); does nothing without glibc."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._trimmed_at = float("-inf")
        self._trim = _glibc("malloc_trim")
        if self._trim is not None:
            self._trim.argtypes, self._trim.restype = (ctypes.c_size_t,), ctypes.c_int

    def after_turn(self, checkpoint_at: float) -> bool:
        """Trim if there was a checkpoint since the last trim and the interval has passed; returns whether it did.

        `checkpoint_at` is the monotonic time of the newest checkpoint in seconds.
        """
        now = self._clock.monotonic()
        due = checkpoint_at > self._trimmed_at and now - self._trimmed_at >= TRIM_INTERVAL_SECONDS
        if due and self._trim is not None:
            self._trim(0)
            self._trimmed_at = now
        return due and self._trim is not None


def _glibc(name: str) -> ctypes._NamedFuncPointer | None:
    """A function of glibc; None on another C library."""
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        function: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return function
