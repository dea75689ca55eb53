"""Keeps glibc from handing every fetch response back to the kernel and taking it again."""

from __future__ import annotations

import ctypes
import platform

_MIB = 1 << 20
#: from <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_WANTED = ((_M_MMAP_THRESHOLD, 64 * _MIB), (_M_TRIM_THRESHOLD, 256 * _MIB), (_M_ARENA_MAX, 1))


def tune_allocator() -> bool:
    """Set glibc's thresholds so that buffers of a megabyte are kept and used again (mallopt(3)).

    Call it before the first thread starts. Returns True when glibc took all of them; False elsewhere, where nothing
    is changed and nothing but speed is lost.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    return all(mallopt(option, value) == 1 for option, value in _WANTED)
