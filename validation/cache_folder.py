"""Where zoosmith keeps what it fetched, installed or measured before."""

import os
from pathlib import Path

import platformdirs


def cache_folder(kind: str) -> Path:
    """A folder below ZOOSMITH_CACHE, else below the user's cache folder; it need not exist.

    Args:
        kind: its name: `hub`, `runtimes`, `ranges`.
    """
    return Path(os.environ.get("ZOOSMITH_CACHE") or platformdirs.user_cache_dir("zoosmith")) / kind
