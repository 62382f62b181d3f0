"""Acos, Acosh, Asin, Asinh, Atan, Atanh, Cos, Cosh, Sin, Sinh, Tan."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.registry import decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Sin", "Sinh", "Tan")(cast_to_single)


@decomposition("Cosh")
def _cosh(node: NodeProto, g: Writer) -> None:
    # exp(x) / 2 as a product of two: exp(x) alone is infinite where the half of it is a number yet
    half = g.scalar_like(node.input[0], 0.5)
    data = g.op("Mul", node.input[0], half)
    roots = g.op("Exp", data), g.op("Exp", g.op("Neg", data))
    rising, falling = (g.op("Mul", g.op("Mul", root, half), root) for root in roots)
    g.op("Add", rising, falling, output=node.output[0])


@decomposition("Sinh")
def _sinh(node: NodeProto, g: Writer) -> None:
    # a product keeps small values, of which a difference of exponentials would leave nothing
    g.op("Mul", g.op("Tanh", node.input[0]), g.op("Cosh", node.input[0], opset=9), output=node.output[0])


@decomposition("Asinh")
def _asinh(node: NodeProto, g: Writer) -> None:
    data, one = _in_double(node, g)
    size = g.op("Abs", data)
    root = g.op("Sqrt", g.op("Add", g.op("Mul", size, size), one))
    result = g.op("Mul", g.op("Log", g.op("Add", size, root)), g.op("Sign", data, opset=9))
    g.op("Cast", result, to=g.element_type(node.input[0]), output=node.output[0])


@decomposition("Acosh")
def _acosh(node: NodeProto, g: Writer) -> None:
    data, one = _in_double(node, g)
    # two roots: that of x^2 - 1 is a number below -1, where the result is none
    root = g.op("Mul", g.op("Sqrt", g.op("Sub", data, one)), g.op("Sqrt", g.op("Add", data, one)))
    g.op("Cast", g.op("Log", g.op("Add", data, root)), to=g.element_type(node.input[0]), output=node.output[0])


@decomposition("Atanh")
def _atanh(node: NodeProto, g: Writer) -> None:
    data, one = _in_double(node, g)
    ratio = g.op("Div", g.op("Add", one, data), g.op("Sub", one, data))
    result = g.op("Mul", g.op("Log", ratio), g.constant(0.5, dtype=np.float64))
    g.op("Cast", result, to=g.element_type(node.input[0]), output=node.output[0])


def _in_double(node: NodeProto, g: Writer) -> tuple[str, str]:
    """The input in double precision, in which what cancels near zero does not show in single; and a one."""
    if g.element_type(node.input[0]) == TensorProto.DOUBLE:
        g.refuse("it would lose the precision of a double")
    return g.op("Cast", node.input[0], to=TensorProto.DOUBLE), g.constant(1, dtype=np.float64)
