"""ExpandDims, GatherND, Pad, Range, Trilu: operators of com.microsoft that ONNX took over, or has one close to."""

from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.node_editing import input_at
from zoosmith.opset_upgrade.registry import standard_form
from zoosmith.opset_upgrade.writer import Writer


@standard_form("Trilu")
def _trilu(node: NodeProto, g: Writer) -> None:
    g.op("Trilu", *node.input, output=node.output[0], upper=g.attribute("upper", 1))


@standard_form("GatherND")
def _gather_nd(node: NodeProto, g: Writer) -> None:
    g.op("GatherND", node.input[0], g.op("Cast", node.input[1], to=TensorProto.INT64), output=node.output[0])


@standard_form("Pad")
def _pad(node: NodeProto, g: Writer) -> None:
    """The pads may stand in one row of a matrix."""
    data, pads, value = node.input[0], node.input[1], input_at(node, 2)
    shape = g.shape(pads)
    if shape is None or len(shape) != 1:
        pads = g.op("Reshape", pads, g.constant([-1]))
    g.op("Pad", data, pads, value, mode=g.attribute("mode", "constant"), output=node.output[0])


@standard_form("Range")
def _range(node: NodeProto, g: Writer) -> None:
    start, limit, delta = (input_at(node, place) for place in range(3))
    step = delta or g.scalar_like(start, 1)
    scalars = [g.op("Reshape", name, g.constant([], dtype="int64")) for name in (start, limit, step)]
    g.op("Range", *scalars, output=node.output[0])


@standard_form("ExpandDims")
def _expand_dims(node: NodeProto, g: Writer) -> None:
    """The axis counts from the end of the input where it is negative, and of the result in ONNX."""
    axis = g.required_constant(1, "the axis").reshape(-1)
    place = int(axis[0])
    place = place if place >= 0 else place + g.rank(node.input[0]) + 1
    g.op("Unsqueeze", node.input[0], g.constant([place]), output=node.output[0])
