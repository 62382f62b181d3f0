"""Which function translates which Caffe2 operator. A family of operators is a module of `convert/operators/`."""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from zoosmith.convert.operator import Operator

Translate = Callable[[Operator], None]


class Translator(NamedTuple):
    """A translator, the lowest opset that has a form for its operator, and whether equal operators become alike."""

    translate: Translate
    since: int
    alike: bool


_TRANSLATORS: dict[str, Translator] = {}


def translator(*op_types: str, since: int = 7, alike: bool = False) -> Callable[[Translate], Translate]:
    """Register a function as translator of these Caffe2 operators, from opset `since` on.

    An operator that needs more for some arguments only says so itself, with `Operator.require`. `alike` promises that
    what it writes depends on the arguments and on the inputs' types and shapes alone, not on any content, name, engine
    or device: then an operator equal in these is not translated again, only written again.
    """

    def register(function: Translate) -> Translate:
        for op_type in op_types:
            if op_type in _TRANSLATORS:
                raise ValueError(f"two translators for {op_type}")
            _TRANSLATORS[op_type] = Translator(function, since, alike)
        return function

    return register


@cache
def translators() -> dict[str, Translator]:
    """Give all translators by Caffe2 operator name."""
    package = importlib.import_module("zoosmith.convert.operators")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _TRANSLATORS
