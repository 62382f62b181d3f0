"""The registry of operators' integer forms; the modules of `operators` fill it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import onnx_ir as ir

from zoosmith.onnx_model.registry import Registry
from zoosmith.optimize.values import is_standard
from zoosmith.quantize.writing.integer_writer import IntegerWriter

Accepts = Callable[[ir.Node, int], bool]
Write = Callable[[IntegerWriter, ir.Node, ir.Value], None]


@dataclass(frozen=True)
class IntegerForm:
    """The integer form of one operator.

    Attributes:
        accepts: whether this node, as it stands in a model of this opset, has an integer form.
        write: writes the nodes that make the uint8 form of a float value.
        starts: whether it has weights of its own.
        moves: whether its values keep the quantization parameters of its input; others get some from their range.
        per_channel: whether each channel of its input may have a scale and zero point of its own.
        every_input: whether it reads all of its inputs in uint8, not the first one alone.
        gives_float: whether what it makes is float, so that `write` makes the value itself.
        between: whether it is written as the float operator in QDQ form, so that its output has one scale.
        lowest: what its values never fall below.
        highest: what they never exceed.
    """

    accepts: Accepts
    write: Write
    starts: bool
    moves: bool
    per_channel: bool
    every_input: bool = False
    gives_float: bool = False
    between: bool = False
    lowest: float = -inf
    highest: float = inf


FORMS: Registry[tuple[str, str], IntegerForm] = Registry("zoosmith.quantize.operators", "integer form")
"""Operator of ONNX's own domain, and name of the function that writes it -> an integer form.

Where an operator has several, no node is accepted by two of them.
"""


def form_of(node: ir.Node, opset: int) -> IntegerForm | None:
    """The integer form of a node of a model of this opset; None where it has none."""
    if is_standard(node, node.op_type):
        for (op_type, _), form in FORMS.entries().items():
            if op_type == node.op_type and form.accepts(node, opset):
                return form
    return None


def integer_form(
    *op_types: str,
    accepts: Accepts,
    starts: bool = False,
    moves: bool = False,
    per_channel: bool = True,
    **others: Any,
) -> Callable[[Write], Write]:
    """Register the integer form of operators: a function that writes what makes the uint8 form of a value.

    The arguments are the attributes of `IntegerForm`.
    """

    def register(write: Write) -> Write:
        for op_type in op_types:
            form = IntegerForm(accepts, write, starts, moves, per_channel, **others)
            FORMS.add((op_type, write.__name__), form)
        return write

    return register
