import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoosmith
from tests.zoosmith.built import Built
from zoosmith.validation import cache_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@pytest.fixture(scope="session")
def default_build(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The published rows with synthetic weights, as `zoosmith build` without arguments makes them.

    Made once for all processes of a run of the tests, which only read it.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or fcntl is None:
        return _built(tmp_path_factory.mktemp("build"))
    shared = tmp_path_factory.getbasetemp().parent
    made = shared / "default_build.pickle"
    with open(shared / "default_build.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_bytes(pickle.dumps(_built(shared / "default_build")))
    return pickle.loads(made.read_bytes())


def _built(out: Path) -> Built:
    return Built(out, zoosmith.build(out))


@pytest.fixture(autouse=True, scope="session")
def ranges_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands that run in this process keep ranges in a folder of the tests, not in the user's."""
    place, kept = cache_folder.cache_folder, tmp_path_factory.mktemp("ranges")

    def elsewhere(kind: str) -> Path:
        return kept if kind == "ranges" else place(kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_folder, "cache_folder", elsewhere)
        yield
