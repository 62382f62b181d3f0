import pytest

import zoosmith
from tests.zoosmith.built import Built


@pytest.fixture(scope="session")
def default_build(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The published rows with synthetic weights, as `zoosmith build` without arguments makes them."""
    out = tmp_path_factory.mktemp("build")
    return Built(out, zoosmith.build(out))
