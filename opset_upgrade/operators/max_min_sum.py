"""Max, Mean, Min, Sum: the element-wise operators of any number of inputs."""

from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.broadcasting import repeat_to_one_shape
from zoosmith.opset_upgrade.building_blocks.type_casts import EXACT, cast_through
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

adapter("Max", "Mean", "Min", "Sum", source=8, target=6)(repeat_to_one_shape)


@type_fallback("Max", "Min")
def _extreme(node: NodeProto, g: Writer) -> None:
    if g.element_type(node.input[0]) not in (TensorProto.INT64, TensorProto.UINT64):
        cast_through(node, g, EXACT)
        return
    found = node.input[0]
    for index, name in enumerate(node.input[1:], 2):
        better = g.op("Greater" if node.op_type == "Max" else "Less", found, name)
        found = g.op("Where", better, found, name, output=node.output[0] if index == len(node.input) else "")
    if len(node.input) == 1:
        g.op("Identity", found, output=node.output[0])
