"""Layers that join blobs, copy them, or give them another shape."""

from itertools import pairwise

from zoosmith.convert.caffe.layer import Layer, layer
from zoosmith.convert.proto.caffe_net_pb2 import EltwiseParameter


@layer("Concat")
def concat(op: Layer) -> None:
    """Concat; output 1 is the sizes of the inputs along the axis."""
    param = op.proto.concat_param
    axis = param.concat_dim if param.HasField("concat_dim") else param.axis
    settings = {"order": "NCHW"} if axis == 1 else {"axis": axis + op.rank if axis < 0 else axis}
    op.emit("Concat", [op.bottom, *op.bottoms[1:]], [op.top, f"_{op.top}_dims"], **settings)
    op.set_single(op.is_single and axis == 1)


@layer("Eltwise")
def eltwise(op: Layer) -> None:
    """Eltwise: Sum, with factors after a Scale of each term; a chain of Mul; Max."""
    param = op.proto.eltwise_param
    terms = list(op.bottoms)
    if len(terms) < 2:
        op.refuse(f"it has {len(terms)} bottoms, expected 2 or more")
    if param.operation == EltwiseParameter.PROD:
        product = terms[0]
        for number, term in enumerate(terms[1:], 1):
            target = op.top if number == len(terms) - 1 else f"{op.top}_product{number}"
            op.emit("Mul", [product, term], [target])
            product = target
    elif param.operation == EltwiseParameter.MAX:
        op.emit("Max", terms, op.tops)
    else:
        if param.coeff and len(param.coeff) != len(terms):
            op.refuse(f"{len(param.coeff)} coefficients of {len(terms)} bottoms")
        for index, coefficient in enumerate(param.coeff):
            if coefficient != 1:
                scaled = f"{op.top}_term{index}"
                op.emit("Scale", [terms[index]], [scaled], scale=coefficient)
                terms[index] = scaled
        op.emit("Sum", terms, op.tops)
    op.set_single(op.is_single)


@layer("Split")
def split(op: Layer) -> None:
    """Split: a copy for each reader."""
    for top in op.tops:
        op.emit("Copy", [op.bottom], [top])


@layer("Slice")
def slice_layer(op: Layer) -> None:
    """Slice: Split into equal parts, or a Slice for each part between two slice points."""
    param = op.proto.slice_param
    axis = param.slice_dim if param.HasField("slice_dim") else param.axis
    axis = axis + op.rank if axis < 0 else axis
    if not 0 <= axis < op.rank:
        op.refuse(f"axis {axis} of {op.rank} dimensions")
    points = [0, *param.slice_point]
    if not param.slice_point:
        op.emit("Split", [op.bottom], op.tops, axis=axis)
    elif len(points) != len(op.tops) or any(first >= last for first, last in pairwise(points)):
        op.refuse(f"slice points {points[1:]} of {len(op.tops)} tops, expected one fewer than tops, increasing from 1")
    else:
        # an end of -1 is that of the dimension
        for top, first, last in zip(op.tops, points, [*points[1:], -1], strict=True):
            starts = [first if place == axis else 0 for place in range(op.rank)]
            ends = [last if place == axis else -1 for place in range(op.rank)]
            op.emit("Slice", [op.bottom], [top], starts=starts, ends=ends)
    op.set_single(False)


@layer("Flatten")
def flatten(op: Layer) -> None:
    """Flatten of all dimensions from axis 1, or 0, on."""
    param = op.proto.flatten_param
    if param.axis not in {0, 1} or param.end_axis not in {-1, op.rank - 1}:
        op.refuse(f"axes {param.axis} to {param.end_axis}, expected 0 or 1 to -1")
    op.emit("Flatten" if param.axis else "FlattenToVec", [op.bottom], op.tops)
    op.set_rank(param.axis + 1)
    op.set_single(param.axis == 1)


@layer("Reshape")
def reshape(op: Layer) -> None:
    """Reshape of all dimensions; output 1 is the old shape."""
    param = op.proto.reshape_param
    if param.axis or param.num_axes != -1:
        op.refuse("a part of the dimensions, expected all of them (axis 0, num_axes -1)")
    op.emit("Reshape", [op.bottom], [op.top, f"_{op.bottom}_dims"], shape=list(param.shape.dim))
    op.set_rank(len(param.shape.dim))
    op.set_single(False)
