"""Activation functions.

Celu, Clip, Elu, Gelu, HardSigmoid, HardSwish, LeakyRelu, Mish, PRelu, Relu, Selu, Shrink, Softplus, Softsign,
SwiGLU, Swish, ThresholdedRelu.
"""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.building_blocks.type_casts import (
    HALF_FLOATS,
    SINGLE,
    cast_through,
    cast_to_single,
    hold_in_floats,
    multiply_integers_in_double,
)
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

decomposition("HardSwish", "Mish", "SwiGLU", "Swish", "ThresholdedRelu")(inline_body)
type_fallback("Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Selu", "Softplus")(cast_to_single)
type_fallback("PRelu")(multiply_integers_in_double)
type_fallback("Softsign", "ThresholdedRelu")(cast_to_single)


@decomposition("Celu")
@type_fallback("Celu")
def _celu(node: NodeProto, g: Writer) -> None:
    alpha = g.attribute("alpha")
    if alpha <= 0:
        # the operator's text takes positive numbers for 0, its body does not
        g.refuse(f"alpha={alpha:g}, for which its text and its definition by other operators differ")
    # the body in its schema has alpha as a list of one number, which makes such a list of a scalar
    scale = g.scalar_like(node.input[0], alpha)
    ratio = g.op("Div", node.input[0], scale)
    g.op("Mul", scale, g.op("Elu", ratio, alpha=1.0), output=node.output[0])


@decomposition("Shrink")
def _shrink(node: NodeProto, g: Writer) -> None:
    """Integers are compared and moved as fractions, as kernels do it; the schema's body rounds the attributes."""
    kind = g.element_type(node.input[0])
    if kind in (*HALF_FLOATS, TensorProto.FLOAT, TensorProto.DOUBLE):
        inline_body(node, g)
        return
    bias, limit = g.attribute("bias"), g.attribute("lambd")
    opset = g.opset + 1  # that of Where
    data = g.op("Cast", node.input[0], to=hold_in_floats(g, kind))
    low = g.op("Less", data, g.scalar_like(data, -limit))
    high = g.op("Greater", data, g.scalar_like(data, limit))
    raised, lowered = (g.op(way, data, g.scalar_like(data, bias)) for way in ("Add", "Sub"))
    moved = g.op("Where", high, lowered, g.scalar_like(data, 0), opset=opset)
    g.op("Cast", g.op("Where", low, raised, moved, opset=opset), to=kind, output=node.output[0])


@decomposition("Gelu")
def _gelu(node: NodeProto, g: Writer) -> None:
    """By its definition, node by node as exporters write it: ONNX Runtime makes one operator of that again."""
    data = node.input[0]
    one, half = g.scalar_like(data, 1), g.scalar_like(data, 0.5)
    if g.attribute("approximate") == "tanh":
        cube = g.op("Mul", g.op("Pow", data, g.scalar_like(data, 3)), g.scalar_like(data, 0.044715))
        inner = g.op("Mul", g.op("Add", data, cube), g.scalar_like(data, np.sqrt(2 / np.pi)))
        scaled = g.op("Mul", data, half)
        g.op("Mul", scaled, g.op("Add", g.op("Tanh", inner), one), output=node.output[0])
        return
    error = g.op("Erf", g.op("Div", data, g.scalar_like(data, np.sqrt(2))))
    g.op("Mul", g.op("Mul", data, g.op("Add", error, one)), half, output=node.output[0])


@adapter("Clip", source=6, target=11)
def _clip_bounds_to_inputs(node: NodeProto, g: Writer) -> None:
    bounds = [get_attribute(node, name) for name in ("min", "max")]
    drop_attribute(node, "min")
    drop_attribute(node, "max")
    names = ["" if bound is None else g.scalar_like(node.input[0], bound) for bound in bounds]
    set_inputs(node, node.input[0], *names)


@adapter("Clip", source=11, target=6)
def _clip_bounds_to_attributes(node: NodeProto, g: Writer) -> None:
    data = node.input[0]
    names = [input_at(node, 1), input_at(node, 2)]
    values = [g.value(name) if name else None for name in names]
    if any(name and value is None for name, value in zip(names, values, strict=True)):
        # bounds that are computed at run time: the operator by its definition
        for operator, name in zip(("Max", "Min"), names, strict=True):
            if name:
                data = g.op(operator, data, name)
        g.op("Identity", data, output=node.output[0])
        return
    set_inputs(node, data)
    for attribute, value in zip(("min", "max"), values, strict=True):
        if value is not None:
            set_attribute(node, attribute, float(np.ravel(value)[0]))


@type_fallback("Clip")
def _clip(node: NodeProto, g: Writer) -> None:
    data, low, high = node.input[0], input_at(node, 1), input_at(node, 2)
    if g.element_type(data) in HALF_FLOATS:
        cast_through(node, g, SINGLE)
        return
    if low:
        data = g.op("Max", data, low, output="" if high else node.output[0], opset=12)
    if high:
        g.op("Min", data, high, output=node.output[0], opset=12)
    elif not low:
        g.op("Identity", data, output=node.output[0])


@adapter("Clip", source=12, target=11)
def _no_clip_of_doubles(node: NodeProto, g: Writer) -> None:
    """Before 12 ONNX Runtime clips single precision only, and below 11 the limits are of single precision."""
    known = g.type(node.input[0])
    if known is not None and known.tensor_type.elem_type == TensorProto.DOUBLE:
        _clip(node, g)


@adapter("PRelu", source=6, target=7)
def _slope_by_channel(node: NodeProto, g: Writer) -> None:
    """Before 7 a slope of one dimension runs along the channels; since, along the last axis."""
    slope = g.shape(node.input[1])
    if slope is None:
        g.refuse(f"the rank of {node.input[1]!r} is not known")
    if len(slope) == 1 and slope[0] != 1:
        rank = g.rank(node.input[0])
        if rank > 2:
            node.input[1] = g.op("Unsqueeze", node.input[1], axes=list(range(1, rank - 1)))
            g.keep()


@adapter("PRelu", source=7, target=6)
def _slope_of_one_dimension(node: NodeProto, g: Writer) -> None:
    slope, rank = g.shape(node.input[1]), g.rank(node.input[0])
    if slope is None or None in slope:
        g.refuse(
            f"the shape of {node.input[1]!r} is not fixed, and before opset 7 a slope is one value or one a channel"
        )
    sizes = [size for size in slope if size != 1]
    place = rank - len(slope) + next((i for i, size in enumerate(slope) if size != 1), 0)
    if not sizes:
        wanted = [1]
    elif len(sizes) == 1 and place == min(1, rank - 1):
        wanted = [sizes[0] or 0]
    else:
        data = node.input[0]
        positive = g.op("Relu", data)
        negative = g.op("Neg", g.op("Relu", g.op("Neg", data)))
        scaled = g.op("Mul", negative, node.input[1], opset=7)  # which broadcasts, and goes down from there
        g.op("Add", positive, scaled, output=node.output[0])
        return
    if list(slope) != wanted:
        node.input[1] = g.op("Reshape", node.input[1], g.constant(wanted))
        g.keep()


@type_fallback("Relu")
def _relu(node: NodeProto, g: Writer) -> None:
    if g.element_type(node.input[0]) in HALF_FLOATS:
        cast_through(node, g, SINGLE)
    else:
        g.op("Max", node.input[0], g.scalar_like(node.input[0], 0), output=node.output[0])
