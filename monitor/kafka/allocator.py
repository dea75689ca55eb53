"""Keeps glibc from handing every fetch response back to the kernel and taking it again, and what it kept in bounds.

A checkpoint takes much memory for a moment, between blocks that stay. What it frees would be held for good.
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
#: seconds between two times that free memory is given back: the pages that are needed again cost some milliseconds
GIVE_BACK_SECONDS: Final = 5.0
_WANTED = ((_M_MMAP_THRESHOLD, 64 * _MIB), (_M_TRIM_THRESHOLD, 256 * _MIB), (_M_ARENA_MAX, 1))


def tune_allocator() -> bool:
    """Set glibc's thresholds so that buffers of a megabyte are kept and used again (mallopt(3)).

    Call it before the first thread starts. Returns True when glibc took all of them; False elsewhere, where nothing
    is changed and nothing but speed is lost.
    """
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    return all(mallopt(option, value) == 1 for option, value in _WANTED)


class FreeMemory:
    """Gives back what a checkpoint has left free (malloc_trim(3)); nothing is done where this is not glibc."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._given_at = float("-inf")
        self._trim = _glibc("malloc_trim")
        if self._trim is not None:
            self._trim.argtypes, self._trim.restype = (ctypes.c_size_t,), ctypes.c_int

    def after_turn(self, checkpoint_at: float) -> bool:
        """Give back, and say so, when the newest checkpoint was made since the last time, and that was long ago."""
        now = self._clock.monotonic()
        due = checkpoint_at > self._given_at and now - self._given_at >= GIVE_BACK_SECONDS
        if due and self._trim is not None:
            self._trim(0)
            self._given_at = now
        return due and self._trim is not None


def _glibc(name: str) -> ctypes._NamedFuncPointer | None:
    """A function of glibc; None elsewhere."""
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        function: ctypes._NamedFuncPointer = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return function
