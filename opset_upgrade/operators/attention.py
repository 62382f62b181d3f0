"""Attention, CausalConvWithState, LinearAttention, RotaryEmbedding."""

from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.node_editing import find_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer

decomposition("Attention", "CausalConvWithState", "LinearAttention", "RotaryEmbedding")(inline_body)


@adapter("Attention", source=24, target=23)
def _attention_24_to_23(node: NodeProto, g: Writer) -> None:
    if len(node.input) > 6:
        inline_body(node, g)


@adapter("Attention", source=25, target=24)
def _attention_25_to_24(node: NodeProto, g: Writer) -> None:
    if any(find_attribute(node, name) for name in ("left_window_size", "right_window_size")):
        inline_body(node, g)
