"""Memory that a process has freed: given back to the system, or kept for what is allocated next."""

import ctypes
import gc
from functools import cache
from typing import Any

# glibc's numbers of its options (malloc.h), and their values in bytes: it takes no larger block than this
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK, _MOST_KEPT = 32 << 20, 64 << 20
# bytes from which on a model is looked for among what Python has not freed
_LARGE = 64 << 20


def give_back(size: int = 0) -> None:
    """Give back freed memory where the C library can be told to (glibc).

    It keeps what was freed in small pieces, and once such pieces were large also those: a model that is gone would
    still take its memory beside the next one. Python keeps a graph whose nodes and values refer to each other until it
    looks for such: it counts objects, not what they hold. That takes 0.1 s or so, which a large model is worth.

    Args:
        size: bytes of the weights of what is gone.
    """
    if size >= _LARGE:
        gc.collect()
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # other C libraries; Windows has no such handle
        return None


def keep_freed() -> None:
    """Let this process keep memory that it frees, for what it allocates next, where the C library is glibc.

    It gives large blocks back to the system as they are freed, and the system clears their pages when they are asked
    for again: half of the time that it takes to decode a small picture and to make an array of it. `give_back` still
    works.
    """
    set_option = _mallopt()
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGEST_BLOCK)
        set_option(_TRIM_THRESHOLD, _MOST_KEPT)


@cache
def _mallopt() -> Any:
    try:
        return ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return None
