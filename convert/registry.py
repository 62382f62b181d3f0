"""Which function translates which Caffe2 operator. A family of operators is a module of `convert/operators/`."""

from collections.abc import Callable
from sys import maxsize
from typing import NamedTuple

from zoosmith.convert.operator import Operator
from zoosmith.onnx_model.registry import Registry

Translate = Callable[[Operator], None]


class Translator(NamedTuple):
    """A translator, the lowest opset that has a form for its operator, and how many inputs and outputs it has."""

    translate: Translate
    since: int
    inputs: tuple[int, ...] | range
    fewest_outputs: int


_TRANSLATORS: Registry[str, Translator] = Registry("zoosmith.convert.operators", "translator")


def at_least(count: int) -> range:
    """So many inputs or more, for `translator`.

    Args:
        count: the fewest inputs.
    """
    return range(count, maxsize)


def translator(
    *op_types: str, since: int = 1, inputs: int | tuple[int, ...] | range = 1, fewest_outputs: int = 1
) -> Callable[[Translate], Translate]:
    """Register a function as translator of Caffe2 operators.

    Args:
        op_types: Caffe2's names of the operators.
        since: lowest ONNX opset that has a form for them, held by `tests/convert/test_lowest_opsets.py`; an operator
            that needs more for some arguments only says so itself, with `Operator.require`.
        inputs: how many inputs they have, each count where there are several. The counts are those of Caffe2's own
            schemas (`NumInputs`), less those that the function cannot serve; an operator of another count is refused
            before its translator is called.
        fewest_outputs: how many outputs they have at least; an operator of fewer is refused in the same way.

    Returns:
        The decorator.

    Raises:
        RuntimeError: an operator has two translators.
    """
    counts = (inputs,) if isinstance(inputs, int) else inputs

    def register(function: Translate) -> Translate:
        for op_type in op_types:
            _TRANSLATORS.add(op_type, Translator(function, since, counts, fewest_outputs))
        return function

    return register


def translators() -> dict[str, Translator]:
    """Give all translators by Caffe2 operator name."""
    return _TRANSLATORS.entries()
