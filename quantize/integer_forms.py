"""The registry of operators' integer forms; the modules of `operators` fill it."""

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from zoosmith.onnx_model.registry import Registry
from zoosmith.quantize.integer_writer import IntegerWriter

Accepts = Callable[[ir.Node, int], bool]
Write = Callable[[IntegerWriter, ir.Node, ir.Value], None]


@dataclass(frozen=True)
class IntegerForm:
    """The integer form of one operator.

    Attributes:
        accepts: whether this node, as it stands in a model of this opset, has an integer form.
        write: writes the nodes that make the uint8 form of a float value.
        starts: whether the operator is worth quantizing a float input for; others follow what is quantized already.
        moves: whether its values keep the quantization parameters of its input; others get some from their range.
        per_channel: whether each channel of its input may have a scale and zero point of its own.
    """

    accepts: Accepts
    write: Write
    starts: bool
    moves: bool
    per_channel: bool


FORMS: Registry[str, IntegerForm] = Registry("zoosmith.quantize.operators", "integer form")
"""Operator of ONNX's own domain -> its integer form."""


def integer_form(
    *op_types: str, accepts: Accepts, starts: bool = False, moves: bool = False, per_channel: bool = True
) -> Callable[[Write], Write]:
    """Register the integer form of operators: a function that writes what makes the uint8 form of a value."""

    def register(write: Write) -> Write:
        for op_type in op_types:
            FORMS.add(op_type, IntegerForm(accepts, write, starts, moves, per_channel))
        return write

    return register
