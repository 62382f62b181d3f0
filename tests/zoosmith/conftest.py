from collections.abc import Iterator
from pathlib import Path

import pytest

import zoosmith
from tests.zoosmith.built import Built
from zoosmith.validation import cache_folder


@pytest.fixture(scope="session")
def default_build(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The published rows with synthetic weights, as `zoosmith build` without arguments makes them."""
    out = tmp_path_factory.mktemp("build")
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
