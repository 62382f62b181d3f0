"""MaxRoiPool and RoiAlign."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.constant_limits import limit_constant
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.node_editing import drop_attribute, set_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("MaxRoiPool", "RoiAlign")(cast_to_single)


@adapter("RoiAlign", source=10, target=16)
def _unshifted(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "coordinate_transformation_mode", "output_half_pixel")


@adapter("RoiAlign", source=16, target=10)
def _only_unshifted(node: NodeProto, g: Writer) -> None:
    """Without the shift, version 10 also makes every region one element wide and high at least."""
    if g.attribute("coordinate_transformation_mode") == "half_pixel":
        _align_by_gather(node, g, shifted=True)
    else:
        drop_attribute(node, "coordinate_transformation_mode")


@decomposition("RoiAlign")
def _by_gather(node: NodeProto, g: Writer) -> None:
    _align_by_gather(node, g, shifted=False)


def _align_by_gather(node: NodeProto, g: Writer, *, shifted: bool) -> None:
    """Gather the four elements around each sample, and average the samples of each bin."""
    data, _, images = node.input
    samples = g.attribute("sampling_ratio")
    if not (g.attribute("output_height") and g.attribute("output_width")):
        g.refuse("its regions are of no rows or no columns")
    if g.attribute("mode") != "avg" or not samples or g.element_type(data) != TensorProto.FLOAT:
        form = f"mode={g.attribute('mode')!r}, sampling_ratio={samples} of {g.type_string(data)}"
        g.refuse(f"RoiAlign of these regions with {form} does not exist there")
    height, width = (g.op("Gather", g.op("Shape", data), g.constant([axis]), axis=0) for axis in (2, 3))
    rows, columns = (g.attribute(name) * samples for name in ("output_height", "output_width"))
    down = _sampled(node, g, (1, 3), (height, rows), shifted)
    along = _sampled(node, g, (0, 2), (width, columns), shifted)
    last = g.op("Transpose", data, perm=[0, 2, 3, 1])
    channels = g.op("Gather", g.op("Shape", data), g.constant([1]), axis=0)
    elements = g.op("Reshape", last, g.op("Concat", g.constant([-1]), channels, axis=0))
    first = g.op("Mul", g.op("Reshape", images, g.constant([-1, 1, 1])), g.op("Mul", height, width))
    total = ""
    for row, share in down:
        start = g.op("Add", first, g.op("Mul", g.op("Reshape", row, g.constant([0, 0, 1])), width))
        across = g.op("Reshape", share, g.constant([0, 0, 1, 1]))
        for column, weight in along:
            index = g.op("Add", start, g.op("Reshape", column, g.constant([-1, 1, columns])))
            part = g.op("Mul", across, g.op("Reshape", weight, g.constant([-1, 1, columns, 1])))
            part = g.op("Mul", g.op("Gather", elements, index, axis=0), part)
            total = g.op("Add", total, part) if total else part
    found = g.op("Transpose", total, perm=[0, 3, 1, 2])
    window = [samples, samples]
    g.op("AveragePool", found, kernel_shape=window, strides=window, output=node.output[0])


def _sampled(
    node: NodeProto, g: Writer, corners: tuple[int, int], axis: tuple[str, int], shifted: bool
) -> list[tuple[str, str]]:
    """The two elements on either side of each sample along an axis, with their weights; each (regions, samples).

    Args:
        node: the RoiAlign.
        g: the writer.
        corners: the columns of the regions where these begin and end.
        axis: its size, shape [1], and the number of samples.
        shifted: whether coordinates are those of the middles of the elements.
    """
    size, count = axis
    scale = g.constant([g.attribute("spatial_scale")], np.float32)
    begin, end = (g.op("Mul", g.op("Gather", node.input[1], g.constant([k]), axis=1), scale) for k in corners)
    length = g.op("Sub", end, begin)
    if shifted:
        begin = g.op("Sub", begin, g.constant([0.5], np.float32))
    else:
        length = g.op("Max", length, g.constant([1], np.float32))
    places = g.constant([[(k + 0.5) / count for k in range(limit_constant(count, g))]], np.float32)
    place = g.op("Add", begin, g.op("Mul", length, places))
    whole = g.op("Cast", size, to=TensorProto.FLOAT)
    outside = g.op("Or", g.op("Less", place, g.constant([-1], np.float32)), g.op("Greater", place, whole))
    inside = g.op("Cast", g.op("Not", outside), to=TensorProto.FLOAT)
    last = g.op("Sub", whole, g.constant([1], np.float32))
    place = g.op("Min", g.op("Max", place, g.constant([0], np.float32)), last)
    lower = g.op("Floor", place)
    upper = g.op("Min", g.op("Add", lower, g.constant([1], np.float32)), last)
    part = g.op("Sub", place, lower)
    weights = g.op("Sub", inside, g.op("Mul", inside, part)), g.op("Mul", inside, part)
    indices = (g.op("Cast", each, to=TensorProto.INT64) for each in (lower, upper))
    return list(zip(indices, weights, strict=True))
