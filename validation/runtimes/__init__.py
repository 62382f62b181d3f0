"""Runtimes other than the installed ONNX Runtime: what they load, their environments, and models run in them."""

from zoosmith.validation.runtimes.environment import base_python as base_python
from zoosmith.validation.runtimes.environment import find_environment as find_environment
from zoosmith.validation.runtimes.environment import install as install
from zoosmith.validation.runtimes.environment import location as location
from zoosmith.validation.runtimes.environment import remove as remove
from zoosmith.validation.runtimes.pins import PinnedRuntime as PinnedRuntime
from zoosmith.validation.runtimes.pins import runtime_for as runtime_for
from zoosmith.validation.runtimes.pins import supported as supported
from zoosmith.validation.runtimes.targets import Target as Target
from zoosmith.validation.runtimes.targets import target_for as target_for
from zoosmith.validation.runtimes.targets import targets as targets
