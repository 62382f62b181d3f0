"""DepthToSpace and SpaceToDepth."""

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.constant_limits import counting
from zoosmith.opset_upgrade.node_editing import drop_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer


@adapter("DepthToSpace", source=11, target=1)
def _depth_first(node: NodeProto, g: Writer) -> None:
    """Mode CRD: blocks inside channels."""
    mode = g.attribute("mode")
    drop_attribute(node, "mode")
    if mode == "CRD":
        order = _blocks_last(g, node.input[0]).T.reshape(-1)
        node.input[0] = g.op("Gather", node.input[0], g.constant(order), axis=1)
        g.keep()


@adapter("SpaceToDepth", source=28, target=13)
def _columns_first(node: NodeProto, g: Writer) -> None:
    """Mode CRD: blocks inside channels."""
    mode = g.attribute("mode")
    drop_attribute(node, "mode")
    if mode == "CRD":
        result = node.output[0]
        node.output[0] = g.fresh("blocks_first")
        g.keep()
        order = np.argsort(_blocks_last(g, result).T.reshape(-1))
        g.op("Gather", node.output[0], g.constant(order), output=result, axis=1)


def _blocks_last(g: Writer, name: str) -> np.ndarray:
    """The numbers of the channels, of which those of one block lie together: a row for each block."""
    channels = g.fixed_size(name, 1, "mode CRD orders the channels")
    return counting(channels, g).reshape(-1, g.attribute("blocksize") ** 2)
