"""Abs, Add, Div, Erf, Mod, Mul, Neg, Pow, Round, Sign, Sub."""

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.broadcasting import align_by_unsqueeze, to_limited_broadcast
from zoosmith.opset_upgrade.building_blocks.type_casts import (
    cast_to_exact,
    cast_to_single,
    cast_to_wrapping,
    integers_through_double,
)
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)


_LARGE = (TensorProto.INT64, TensorProto.UINT64)


type_fallback("Abs", "Neg")(cast_to_exact)

adapter("Add", "Div", "Mul", "Sub", source=6, target=7)(align_by_unsqueeze)
adapter("Add", "Div", "Mul", "Sub", source=7, target=6)(to_limited_broadcast)
type_fallback("Add", "Div", "Mul", "Sub")(cast_to_wrapping)

adapter("Erf", source=9, target=13)(integers_through_double)

adapter("Pow", source=1, target=7)(align_by_unsqueeze)
adapter("Pow", source=7, target=1)(to_limited_broadcast)

type_fallback("Round")(cast_to_single)


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
    g.op("Cast", g.op("Pow", *wide), to=kinds[0], output=node.output[0])


@adapter("Mod", source=28, target=13)
def _floats_as_in_c(node: NodeProto, g: Writer) -> None:
    """Before 28 the remainder of floats has the sign of the dividend: add the divisor where that is not its own."""
    if g.attribute("fmod") or g.element_type(node.input[0]) not in (*_FLOATS, TensorProto.BFLOAT16):
        return
    divisor = node.input[1]
    rest = g.op("Mod", *node.input, fmod=1)
    zero = g.scalar_like(divisor, 0)
    apart = g.op("Xor", g.op("Less", rest, zero), g.op("Less", divisor, zero))
    wrong = g.op("And", apart, g.op("Not", g.op("Equal", rest, zero)))
    g.op("Where", wrong, g.op("Add", rest, divisor), rest, output=node.output[0])


@decomposition("Mod")
def _mod(node: NodeProto, g: Writer) -> None:
    kind = g.element_type(node.input[0])
    as_in_c = bool(g.attribute("fmod"))
    if kind in (TensorProto.FLOAT, TensorProto.FLOAT16):
        _remainder_in_double(node, g, kind)
        return
    if kind in _FLOATS:
        g.refuse("the remainder of doubles is not exact in other operators")
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
    g.op("Cast", rest, to=kind, output=node.output[0])


def _remainder_in_double(node: NodeProto, g: Writer, kind: int) -> None:
    """As in C, `left` less `right` as often as it fits.

    Quotients of half-precision numbers have at most 40 bits before the point: all of this is exact in a double. In
    single precision a product of `right` and 28 bits is exact, and a quotient that is not whole is so far from the next
    whole number (1 / 2^24) that it is not rounded to it.
    """
    if kind == TensorProto.FLOAT:
        g.admit("approximate", "the remainder of floats is exact while their quotient is below 2^28")
    left, right = (g.op("Cast", name, to=TensorProto.DOUBLE) for name in node.input)
    large, unit = g.op("Abs", left), g.op("Abs", right)
    # by way of integers: ONNX Runtime had no Floor of doubles up to 1.6; infinite quotients leave NaN
    quotient = g.op("Div", large, unit)
    whole = g.op("Cast", g.op("Cast", quotient, to=TensorProto.INT64), to=TensorProto.DOUBLE)
    nothing = g.op("Mul", quotient, g.constant(0, dtype=np.float64))
    rest = g.op("Add", g.op("Sub", large, g.op("Mul", unit, whole)), nothing)
    rest = g.op("Mul", rest, g.op("Sign", left))
    endless = g.op("Greater", unit, g.constant(1e300, dtype=np.float64))
    finite = g.op("Less", large, g.constant(1e300, dtype=np.float64))
    # in single precision, which holds the result: of doubles ONNX Runtime had no Where up to 1.6
    single = node.input[0] if kind == TensorProto.FLOAT else g.op("Cast", node.input[0], to=TensorProto.FLOAT)
    rest = g.op("Where", g.op("And", endless, finite), single, g.op("Cast", rest, to=TensorProto.FLOAT))
    g.op("Cast", rest, to=kind, output=node.output[0])


@decomposition("Round")
def _round(node: NodeProto, g: Writer) -> None:
    data = node.input[0]
    kind = g.element_type(data)
    floor = g.op("Floor", data)
    above = g.op("Sub", data, floor)
    # 0.5 where the floor is odd: such a tie is lifted above the half by the least that the type holds there
    pairs = g.op("Mul", floor, g.scalar_like(data, 0.5))
    odd = g.op("Sub", pairs, g.op("Floor", pairs))
    least = float(np.finfo(helper.tensor_dtype_to_np_dtype(kind)).eps)
    lifted = g.op("Add", above, g.op("Mul", odd, g.scalar_like(data, least)))
    up = g.op("Cast", g.op("Greater", lifted, g.scalar_like(data, 0.5)), to=kind)
    g.op("Add", floor, up, output=node.output[0])


@decomposition("Sign")
def _sign(node: NodeProto, g: Writer) -> None:
    data = node.input[0]
    zero = g.scalar_like(data, 0)
    kind = g.element_type(data)
    above = g.op("Cast", g.op("Greater", data, zero), to=TensorProto.FLOAT)
    below = g.op("Cast", g.op("Less", data, zero), to=TensorProto.FLOAT)
    g.op("Cast", g.op("Sub", above, below), to=kind, output=node.output[0])


_ERF = (
    *(1.12837971, 1.02765481e-1, -1.84383668e-4, -6.25719595e-4),
    *(8.97125954e-5, -5.98569202e-6, 1.58960305e-7),
)
"""Coefficients of P in erf(x) = tanh(x P(x^2)), fitted to the least maximum of the error for |x| <= 4.

The error is at most 6e-8; beyond 4, x P(x^2) grows on, so that the tanh is 1 in single precision.
"""


@decomposition("Erf")
def _erf_as_tanh(node: NodeProto, g: Writer) -> None:
    kind = g.element_type(node.input[0])
    if kind not in (*_FLOATS, TensorProto.BFLOAT16):
        g.refuse(f"of {g.type_string(node.input[0])} it has no approximation there")
    g.admit("approximate", "as the tanh of a polynomial, with an error of at most 3e-7")
    wide = kind if kind == TensorProto.DOUBLE else TensorProto.FLOAT
    data = node.input[0] if wide == kind else g.op("Cast", node.input[0], to=wide)
    square = g.op("Mul", data, data)
    *lower, highest = (g.typed_constant(np.asarray(number), wide) for number in _ERF)
    total = highest
    for number in reversed(lower):
        total = g.op("Add", g.op("Mul", total, square), number)
    scaled = g.op("Mul", total, data)
    if wide == kind:
        g.op("Tanh", scaled, output=node.output[0])
    else:
        g.op("Cast", g.op("Tanh", scaled), to=kind, output=node.output[0])
