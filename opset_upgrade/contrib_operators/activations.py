"""Gelu, FastGelu, BiasGelu, QuickGelu, BiasAdd, BiasSplitGelu, GemmFastGelu."""

from onnx import NodeProto

from zoosmith.opset_upgrade.node_editing import input_at
from zoosmith.opset_upgrade.registry import standard_form
from zoosmith.opset_upgrade.writer import Writer


@standard_form("Gelu")
def _gelu(node: NodeProto, g: Writer) -> None:
    g.op("Gelu", node.input[0], output=node.output[0])


@standard_form("BiasGelu")
def _bias_gelu(node: NodeProto, g: Writer) -> None:
    g.op("Gelu", g.op("Add", node.input[0], node.input[1]), output=node.output[0])


@standard_form("FastGelu")
def _fast_gelu(node: NodeProto, g: Writer) -> None:
    data, bias = node.input[0], input_at(node, 1)
    g.op("Gelu", g.op("Add", data, bias) if bias else data, approximate="tanh", output=node.output[0])


@standard_form("GemmFastGelu")
def _gemm_fast_gelu(node: NodeProto, g: Writer) -> None:
    product, bias = g.op("MatMul", node.input[0], node.input[1]), input_at(node, 2)
    g.op("Gelu", g.op("Add", product, bias) if bias else product, approximate="tanh", output=node.output[0])


@standard_form("QuickGelu")
def _quick_gelu(node: NodeProto, g: Writer) -> None:
    data, alpha = node.input[0], g.attribute("alpha", 1.702)
    steep = data if alpha == 1 else g.op("Mul", data, g.scalar_like(data, alpha))
    g.op("Mul", data, g.op("Sigmoid", steep), output=node.output[0])


@standard_form("BiasAdd")
def _bias_add(node: NodeProto, g: Writer) -> None:
    g.op("Add", g.op("Add", node.input[0], node.input[1]), node.input[2], output=node.output[0])


@standard_form("BiasSplitGelu")
def _bias_split_gelu(node: NodeProto, g: Writer) -> None:
    """The first half of the last axis, gated by the Gelu of the second."""
    data = g.op("Add", node.input[0], node.input[1])
    width = g.static_shape(node.input[1])[-1]
    ends, last = (g.constant([0]), g.constant([width // 2]), g.constant([width])), g.constant([-1])
    left, right = (g.op("Slice", data, ends[k], ends[k + 1], last) for k in (0, 1))
    g.op("Mul", left, g.op("Gelu", right), output=node.output[0])
