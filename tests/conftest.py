"""What tests of several rooms share: the real Caffe2, and no time limit for a generated example."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from zoosmith.validation.caffe2 import Caffe2Worker
from zoosmith.validation.runtimes import base_python, find_environment, install, runtime_for

# a busy machine is no reason to fail, and in CI a run says the same each time
settings.register_profile("zoosmith", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("long", deadline=None, max_examples=5000)  # pytest --hypothesis-profile=long
settings.load_profile("zoosmith")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `.ci/long` raises."""
    parser.addoption("--kills", type=int, default=2, help="at how many moments a build is killed")


# tests run side by side: numpy takes one core each
threadpool_limits(1)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a valid file of every kind, for commands that only read it."""
    from tests.attacks.commands import make_sound_files

    folder = tmp_path_factory.mktemp("sound")
    make_sound_files(folder)
    return folder


@pytest.fixture(scope="session")
def caffe2_environment() -> Path:
    """The Python that has the real Caffe2; installed (half a minute) where a Python 3.9 is there to install it with."""
    caffe2 = runtime_for("caffe2")
    if find_environment(caffe2) is None and base_python(caffe2) is None:
        pytest.skip(
            "NOT COMPARED WITH THE REAL CAFFE2: it is not installed and there is no Python 3.9 to install it with"
        )
    return install(caffe2)


@pytest.fixture(scope="session")
def caffe2_worker(caffe2_environment: Path) -> Iterator[Caffe2Worker]:
    """One process with the real Caffe2, shared by all tests."""
    with Caffe2Worker() as worker:
        yield worker
