"""FusedConv, NhwcConv, NhwcFusedConv, FusedGemm, FusedMatMul, FusedMatMulActivation, TransposeMatMul."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.node_editing import find_attribute, input_at
from zoosmith.opset_upgrade.registry import standard_form
from zoosmith.opset_upgrade.writer import Writer

_PARAMETERS: Mapping[str, Sequence[str]] = {
    "Relu": (),
    "Tanh": (),
    "Sigmoid": (),
    "Softplus": (),
    "Softsign": (),
    "Elu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "LeakyRelu": ("alpha",),
    "Selu": ("alpha", "gamma"),
    "ThresholdedRelu": ("alpha",),
}
"""Activations that are operators of the same name, with the attributes that their parameters become, in order."""


@standard_form("NhwcConv", "NhwcFusedConv")
def _channels_last(node: NodeProto, g: Writer) -> None:
    """The channels of input, kernel and result come last."""
    turned = NodeProto()
    turned.CopyFrom(node)
    first = [0, 3, 1, 2]
    for index in (0, 1, 3):
        if input_at(node, index):
            turned.input[index] = g.op("Transpose", node.input[index], perm=first)
    result, turned.output[0] = node.output[0], g.fresh("first")
    _fused_conv(turned, g)
    g.op("Transpose", turned.output[0], perm=[0, 2, 3, 1], output=result)


@standard_form("FusedConv")
def _fused_conv(node: NodeProto, g: Writer) -> None:
    """Conv, a tensor that is added to its result, an activation."""
    attributes = {
        name: g.attribute(name)
        for name in ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
        if find_attribute(node, name) is not None
    }
    activation, added = g.attribute("activation", ""), input_at(node, 3)
    output = node.output[0]
    result = g.op("Conv", *node.input[:3], output="" if activation or added else output, **attributes)
    if added:
        result = g.op("Add", result, added, output="" if activation else output)
    if activation:
        _activate(g, activation, list(g.attribute("activation_params", [])), result, output)


@standard_form("FusedGemm")
def _fused_gemm(node: NodeProto, g: Writer) -> None:
    attributes = {name: g.attribute(name, 1.0) for name in ("alpha", "beta")}
    attributes.update({name: g.attribute(name, 0) for name in ("transA", "transB")})
    activation = g.attribute("activation", "")
    result = g.op("Gemm", *node.input, output="" if activation else node.output[0], **attributes)
    if activation:
        _activate(g, activation, _named_parameters(g, activation), result, node.output[0])


@standard_form("FusedMatMul", "TransposeMatMul")
def _fused_matmul(node: NodeProto, g: Writer) -> None:
    _product(node, g, node.output[0])


@standard_form("FusedMatMulActivation")
def _fused_matmul_activation(node: NodeProto, g: Writer) -> None:
    activation = g.attribute("activation")
    if activation == "Softmax":
        g.op("Softmax", _product(node, g, ""), axis=g.attribute("activation_axis", -1), output=node.output[0])
        return
    _activate(g, activation, _named_parameters(g, activation), _product(node, g, ""), node.output[0])


def _product(node: NodeProto, g: Writer, output: str) -> str:
    """alpha * A' * B', where A' and B' are A and B with axes exchanged."""
    alpha = g.attribute("alpha", 1.0)
    left, right = (
        _transposed(g, node.input[index], g.attribute(f"transBatch{side}", 0), g.attribute(f"trans{side}", 0))
        for index, side in enumerate("AB")
    )
    result = g.op("MatMul", left, right, output="" if alpha != 1 else output)
    return g.op("Mul", result, g.scalar_like(result, alpha), output=output) if alpha != 1 else result


def _transposed(g: Writer, name: str, batch: int, last: int) -> str:
    if not batch and not last:
        return name
    rank = g.rank(name)
    axes = [*range(rank)]
    if batch:
        axes = [*axes[1:-1], 0, axes[-1]]
    if last and rank > 1:
        axes[-2:] = axes[:-3:-1]
    return g.op("Transpose", name, perm=axes) if axes != [*range(rank)] else name


def _named_parameters(g: Writer, activation: str) -> list[float]:
    """The parameters of an activation, in order; those that are left out have the default of its operator."""
    given = [g.attribute(f"activation_{name}") for name in _PARAMETERS.get(activation, ())]
    return [value for value in given if value is not None]


def _activate(g: Writer, activation: str, parameters: Sequence[float], data: str, output: str) -> None:
    if activation == "Clip" and len(parameters) == 2:
        low, high = (g.typed_constant(np.asarray(each), g.element_type(data)) for each in parameters)
        g.op("Clip", data, low, high, output=output)
    elif activation in _PARAMETERS:
        named: dict[str, Any] = dict(zip(_PARAMETERS[activation], parameters, strict=False))
        g.op(activation, data, output=output, **named)
    else:
        g.refuse(f"activation={activation} with {len(parameters)} parameters has no standard form that is known")
