"""DepthToSpace and SpaceToDepth."""

from onnx import NodeProto

from zoosmith.opset_upgrade.node_editing import drop_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer


@adapter("DepthToSpace", source=11, target=1)
def _depth_first(node: NodeProto, g: Writer) -> None:
    """Mode CRD: blocks inside channels."""
    mode = g.attribute("mode")
    drop_attribute(node, "mode")
    if mode == "CRD":
        n, c, h, w = g.static_shape(node.input[0])
        b = g.attribute("blocksize")
        split = g.op("Reshape", node.input[0], g.constant([n, c // (b * b), b, b, h, w]))
        turned = g.op("Transpose", split, perm=[0, 1, 4, 2, 5, 3])
        g.op("Reshape", turned, g.constant([n, c // (b * b), h * b, w * b]), output=node.output[0])


@adapter("SpaceToDepth", source=28, target=13)
def _columns_first(node: NodeProto, g: Writer) -> None:
    """Mode CRD: blocks inside channels."""
    mode = g.attribute("mode")
    drop_attribute(node, "mode")
    if mode == "CRD":
        n, c, h, w = g.static_shape(node.input[0])
        b = g.attribute("blocksize")
        split = g.op("Reshape", node.input[0], g.constant([n, c, h // b, b, w // b, b]))
        turned = g.op("Transpose", split, perm=[0, 1, 3, 5, 2, 4])
        g.op("Reshape", turned, g.constant([n, c * b * b, h // b, w // b]), output=node.output[0])
