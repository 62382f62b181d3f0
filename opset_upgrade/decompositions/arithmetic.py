"""Element-wise numbers: powers, remainders, rounding, hyperbolic functions."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.registry import decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
_LARGE = (TensorProto.INT64, TensorProto.UINT64)


@type_fallback("Pow")
def _pow(node: NodeProto, g: Writer) -> None:
    base, exponent = node.input
    kinds = [g.element_type(name) for name in node.input]
    known = g.value(exponent)
    small = known is not None and known.size > 0 and float(np.abs(known.astype(np.float64)).max()) < 1 << 24
    if kinds[1] in _LARGE and not small:
        g.refuse(f"{exponent!r} is {g.type_string(exponent)}, of which a double does not hold every value")
    if kinds[0] in _LARGE and kinds[1] not in _FLOATS:
        g.refuse(f"{base!r} is {g.type_string(base)}, of which a double does not hold every power")
    wide = [g.op("Cast", name, to=TensorProto.DOUBLE) for name in node.input]
    g.op("Cast", g.op("Pow", *wide), to=kinds[0], outputs=node.output)


@decomposition("Mod")
def _mod(node: NodeProto, g: Writer) -> None:
    kind = g.element_type(node.input[0])
    as_in_c = bool(g.attribute("fmod"))
    if kind == TensorProto.FLOAT16 and as_in_c:
        _half_remainder(node, g)
        return
    if kind in _FLOATS:
        g.refuse("the remainder of floats is not exact in other operators")
    left, right = node.input
    if kind not in (*_LARGE, TensorProto.INT32):
        left, right = (g.op("Cast", name, to=TensorProto.INT64) for name in node.input)
    rest = g.op("Sub", left, g.op("Mul", g.op("Div", left, right), right))
    if kind not in (TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64):
        # right for division that rounds down as well as for division towards zero
        zero = g.scalar_like(rest, 0)
        sign = left if as_in_c else right
        turned = g.op("Xor", g.op("Less", rest, zero), g.op("Less", sign, zero))
        wrong = g.op("And", turned, g.op("Not", g.op("Equal", rest, zero)))
        change = g.op("Mul", right, g.op("Cast", wrong, to=g.element_type(rest)))
        if as_in_c:
            apart = g.op("Xor", g.op("Less", rest, zero), g.op("Less", right, zero))
            towards = g.op("Cast", g.op("Not", apart), to=g.element_type(rest))
            step = g.op("Sub", g.op("Mul", towards, g.scalar_like(rest, 2)), g.scalar_like(rest, 1))
            rest = g.op("Sub", rest, g.op("Mul", change, step))
        else:
            rest = g.op("Add", rest, change)
    g.op("Cast", rest, to=kind, outputs=node.output)


def _half_remainder(node: NodeProto, g: Writer) -> None:
    # quotients of half-precision numbers have at most 40 bits before the point: all of this is exact in a double
    left, right = (g.op("Cast", name, to=TensorProto.DOUBLE) for name in node.input)
    large, unit = g.op("Abs", left), g.op("Abs", right)
    whole = g.op("Mul", unit, g.op("Floor", g.op("Div", large, unit)))
    rest = g.op("Mul", g.op("Sub", large, whole), g.op("Sign", left))
    endless = g.op("Greater", unit, g.constant(1e300, dtype=np.float64))
    finite = g.op("Less", large, g.constant(1e300, dtype=np.float64))
    rest = g.op("Where", g.op("And", endless, finite), left, rest)
    g.op("Cast", rest, to=TensorProto.FLOAT16, outputs=node.output)


@decomposition("Round")
def _round(node: NodeProto, g: Writer) -> None:
    data = node.input[0]
    floor = g.op("Floor", data)
    half, two = g.scalar_like(data, 0.5), g.scalar_like(data, 2)
    above = g.op("Sub", data, floor)
    odd = g.op("Sub", floor, g.op("Mul", two, g.op("Floor", g.op("Div", floor, two))))
    tie_up = g.op("And", g.op("Not", g.op("Less", above, half)), g.op("Greater", odd, half))
    up = g.op("Cast", g.op("Or", g.op("Greater", above, half), tie_up), to=g.element_type(data))
    g.op("Add", floor, up, outputs=node.output)


@decomposition("Cosh")
def _cosh(node: NodeProto, g: Writer) -> None:
    data = node.input[0]
    both = g.op("Add", g.op("Exp", data), g.op("Exp", g.op("Neg", data)))
    g.op("Mul", both, g.scalar_like(data, 0.5), outputs=node.output)


@decomposition("Sinh")
def _sinh(node: NodeProto, g: Writer) -> None:
    # a product keeps small values, of which a difference of exponentials would leave nothing
    g.op("Mul", g.op("Tanh", node.input[0]), g.op("Cosh", node.input[0], opset=9), outputs=node.output)


@decomposition("Asinh")
def _asinh(node: NodeProto, g: Writer) -> None:
    data, one = _in_double(node, g)
    size = g.op("Abs", data)
    root = g.op("Sqrt", g.op("Add", g.op("Mul", size, size), one))
    result = g.op("Mul", g.op("Log", g.op("Add", size, root)), g.op("Sign", data, opset=9))
    g.op("Cast", result, to=g.element_type(node.input[0]), outputs=node.output)


@decomposition("Acosh")
def _acosh(node: NodeProto, g: Writer) -> None:
    data, one = _in_double(node, g)
    root = g.op("Sqrt", g.op("Sub", g.op("Mul", data, data), one))
    g.op("Cast", g.op("Log", g.op("Add", data, root)), to=g.element_type(node.input[0]), outputs=node.output)


@decomposition("Atanh")
def _atanh(node: NodeProto, g: Writer) -> None:
    data, one = _in_double(node, g)
    ratio = g.op("Div", g.op("Add", one, data), g.op("Sub", one, data))
    result = g.op("Mul", g.op("Log", ratio), g.constant(0.5, dtype=np.float64))
    g.op("Cast", result, to=g.element_type(node.input[0]), outputs=node.output)


def _in_double(node: NodeProto, g: Writer) -> tuple[str, str]:
    """The input in double precision, in which what cancels near zero does not show in single; and a one."""
    if g.element_type(node.input[0]) == TensorProto.DOUBLE:
        g.refuse("it would lose the precision of a double")
    return g.op("Cast", node.input[0], to=TensorProto.DOUBLE), g.constant(1, dtype=np.float64)
