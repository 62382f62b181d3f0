"""Shape."""

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

_TO_THE_END = np.iinfo(np.int64).max


@adapter("Shape", source=15, target=13)
def _shape_then_slice(node: NodeProto, g: Writer) -> None:
    """Before 15 the shape is given whole."""
    start, end = get_attribute(node, "start", 0), get_attribute(node, "end")
    drop_attribute(node, "start")
    drop_attribute(node, "end")
    if start == 0 and end is None:
        return
    whole = g.op("Shape", node.input[0])
    last = _TO_THE_END if end is None else end
    g.op("Slice", whole, g.constant([start]), g.constant([last]), g.constant([0]), output=node.output[0])
