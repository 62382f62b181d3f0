"""Memory that a process has freed, given back to the system."""

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """Give back freed memory where the C library can be told to (glibc).

    It keeps what was freed in small pieces, and once such pieces were large also those: a model that is gone would
    still take its memory beside the next one.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # other C libraries; Windows has no such handle
        return None
