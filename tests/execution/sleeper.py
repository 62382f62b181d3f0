"""A function that does not come to an end, for other processes."""

import tempfile
import time
from pathlib import Path


def sleep_in(folder: str) -> None:
    """Sleep as long as nothing ends it, with a temporary folder in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        Path(work, "ready").touch()
        time.sleep(600)
