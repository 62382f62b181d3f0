"""How a message names an argument: as Python has it, or as the option of a command.

A message is made far below the call whose argument it means, often in another process. So the names stand in the
environment, which the processes of a command inherit.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_VARIABLE = "ZOOSMITH_ARGUMENT_NAMES"


@contextmanager
def arguments_named(names: Mapping[str, str]) -> Iterator[None]:
    """Let messages name arguments otherwise, in this process and in those that are started in the block.

    Args:
        names: what stands for an argument, as in `{"dims": "--dim"}`; others keep the name that they have in Python.
    """
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = json.dumps(dict(names))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


def argument(name: str, value: str = "") -> str:
    """Name an argument in a message.

    Args:
        name: as Python has it.
        value: what could be given, as in `N=2`.

    Returns:
        The name in backquotes, or what `arguments_named` put in its place; then the value.
    """
    named = json.loads(os.environ.get(_VARIABLE, "{}")).get(name, f"`{name}`")
    return f"{named} {value}" if value else str(named)
