"""How long one run of a model may take, stated once for all the runs of a piece of work."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SECONDS: ContextVar[float | None] = ContextVar("seconds for a run", default=None)


@contextmanager
def runs_limited(seconds: float | None) -> Iterator[None]:
    """Stop what takes longer: each loading and each run of a model in the block for which no other time is given.

    Threads of a `ThreadExecutor` keep to it as well, processes do not.

    Args:
        seconds: for one of them; None to let them run.
    """
    token = _SECONDS.set(seconds)
    try:
        yield
    finally:
        _SECONDS.reset(token)


def run_limit() -> float | None:
    """Seconds that a run may take here; None without a limit."""
    return _SECONDS.get()
