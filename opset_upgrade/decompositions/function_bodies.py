"""Operators that onnx's own schemas define by a function body."""

from typing import Any

from onnx import FunctionProto, NodeProto, TypeProto

from zoosmith.onnx_model.opsets import default_opset
from zoosmith.opset_upgrade.nodes import find_attribute, set_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.schemas import defaults, schema_at
from zoosmith.opset_upgrade.writer import Writer


@decomposition(
    "AffineGrid Attention BlackmanWindow CastLike CausalConvWithState Celu CenterCropPad"
    " DynamicQuantizeLinear Gelu GreaterOrEqual GroupNormalization HammingWindow HannWindow HardSwish"
    " LayerNormalization LessOrEqual LinearAttention MeanVarianceNormalization Mish NegativeLogLikelihoodLoss"
    " RMSNormalization RotaryEmbedding SequenceMap Shrink SoftmaxCrossEntropyLoss SwiGLU Swish ThresholdedRelu"
)
def inline_body(node: NodeProto, g: Writer) -> None:
    """Put the body that the schema of the node's version has in the place of the node."""
    schema: Any = schema_at(node.op_type, g.opset + 1)  # onnx's type stubs leave the function bodies out
    if schema is None or not (schema.has_function or schema.has_context_dependent_function):
        g.refuse("its schema has no function body")
    for name, value in defaults(node.op_type, g.opset + 1).items():
        if find_attribute(node, name) is None:
            set_attribute(node, name, value)
    body = FunctionProto.FromString(_body(schema, node, g))
    g.inline(body, default_opset(body) or g.opset + 1)


def _body(schema: Any, node: NodeProto, g: Writer) -> bytes:
    if schema.has_function:
        return bytes(schema.get_function_with_opset_version(min(schema.function_opset_versions)))
    types = []
    for name in node.input:
        known = g.type(name) if name else TypeProto()
        if known is None:
            g.refuse(f"the type of {name!r} is not known")
        types.append(known.SerializeToString())
    version = min(schema.context_dependent_function_opset_versions)
    body = schema.get_context_dependent_function_with_opset_version(version, node.SerializeToString(), types)
    if not body:
        g.refuse("its schema has no function body for these inputs")
    return bytes(body)


@adapter("Attention", 25, 24)
def _attention_25_to_24(node: NodeProto, g: Writer) -> None:
    if any(find_attribute(node, name) for name in ("left_window_size", "right_window_size")):
        inline_body(node, g)


@adapter("Attention", 24, 23)
def _attention_24_to_23(node: NodeProto, g: Writer) -> None:
    if len(node.input) > 6:
        inline_body(node, g)
