"""A child process that ends when the process that started it is gone, however that ended."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

# seconds for cleaning up
_GRACE = 5.0


def end_on_request() -> None:
    """Let what this process runs end with an exception at SIGTERM, so that it can clean up."""
    signal.signal(signal.SIGTERM, _end)


def end_with_parent(wait: Callable[[], object]) -> None:
    """End this process as SIGTERM does when its parent is gone; at once where that takes longer than five seconds.

    Args:
        wait: returns when the parent is gone.
    """

    def watch() -> None:
        wait()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="zoosmith-parent", daemon=True).start()


def wait_for_reader(pipe: int) -> None:
    """Wait until nobody can read any more what is written into a pipe; for ever where the system cannot tell."""
    if not hasattr(select, "poll"):
        threading.Event().wait()
    poll = select.poll()
    poll.register(pipe, 0)  # errors alone
    poll.poll()


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
