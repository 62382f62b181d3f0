"""ArgMax and ArgMin."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import axis_within_from_front
from zoosmith.opset_upgrade.node_editing import drop_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

adapter("ArgMax", "ArgMin", source=11, target=1)(axis_within_from_front)


@adapter("ArgMax", "ArgMin", source=12, target=11)
def _last_among_equals(node: NodeProto, g: Writer) -> None:
    """Before 12 the first of equals is chosen: turn the axis round to choose the last."""
    last = g.attribute("select_last_index")
    drop_attribute(node, "select_last_index")
    if not last:
        return
    shape, axis, result = g.shape(node.input[0]), g.attribute("axis"), node.output[0]
    size = None if shape is None else shape[axis]
    if size is None:
        g.refuse("select_last_index=1 does not exist there, and the size of the axis is not fixed")
    node.input[0] = g.op("Gather", node.input[0], g.constant(list(range(size - 1, -1, -1))), axis=axis)
    node.output[0] = g.fresh("from_the_end")
    g.keep()
    if g.target >= 6:
        g.op("Sub", g.constant(size - 1), node.output[0], output=result)
        return
    # before 6 there is no arithmetic on integers; indices are exact in double
    place = g.op("Cast", node.output[0], to=TensorProto.DOUBLE)
    g.op("Cast", g.op("Sub", g.constant(size - 1, np.float64), place), to=TensorProto.INT64, output=result)
