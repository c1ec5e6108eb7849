"""Memory that one layer frees is kept for the next, as far as the C library is told to.

glibc gives every block of more than 32 MiB back to the kernel as soon as it is freed. A layer's
output at 32 photos is larger, so that each forward has all its pages zeroed anew: half of the time
of a small network on a CPU.
"""

from __future__ import annotations

import ctypes
import os

# Of mallopt(3); glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Bytes of a block, and of what is free at the heap's end, up to which they are kept: more than the
# largest layer of common networks at 32 photos, little beside what a process takes anyway.
_KEPT = 256 * 2**20
_THEIRS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "LD_PRELOAD")


def keep_freed() -> bool:
    """Have this process and those that it forks keep blocks of up to 256 MiB that are freed.

    Returns:
        Whether it does; not where the C library is another (musl, macOS), or the user has set its
        allocator.
    """
    if any(name in os.environ for name in _THEIRS) or "malloc" in os.environ.get(
        "GLIBC_TUNABLES", ""
    ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT) and mallopt(_TRIM_THRESHOLD, _KEPT))
