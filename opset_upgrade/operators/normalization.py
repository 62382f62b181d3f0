"""BatchNormalization, GroupNormalization, InstanceNormalization, LayerNormalization, LpNormalization,
MeanVarianceNormalization, RMSNormalization."""

from functools import partial

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.onnx_model.tensor_data import MOST_DIMENSIONS
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting, limit_list
from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, output_at, set_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("BatchNormalization", "InstanceNormalization", "LpNormalization")(cast_to_single)


@decomposition("MeanVarianceNormalization")
def _mean_variance_normalization(node: NodeProto, g: Writer) -> None:
    shape, axes = g.shape(node.input[0]), g.attribute("axes")
    if shape is not None and not all(-len(shape) <= axis < len(shape) for axis in axes):
        # ONNX Runtime runs it: over the whole
        g.refuse(f"axes={list(axes)} of {len(shape)}")
    inline_body(node, g)


@adapter("BatchNormalization", source=1, target=6)
def _drop_hint(node: NodeProto, g: Writer) -> None:
    drop_attribute(node, "consumed_inputs")


@adapter("BatchNormalization", source=6, target=1)
def _hint_is_required(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "consumed_inputs", [0, 0, 0, 1, 1])


@adapter("BatchNormalization", source=6, target=7)
def _inference_only(node: NodeProto, g: Writer) -> None:
    if not get_attribute(node, "is_test", 0):
        _normalize_by_batch(node, g)
        return
    drop_attribute(node, "is_test")


@adapter("BatchNormalization", source=7, target=6)
def _state_inference(node: NodeProto, g: Writer) -> None:
    if any(node.output[1:]):
        _normalize_by_batch(node, g)
    else:
        set_attribute(node, "is_test", 1)


@adapter("BatchNormalization", source=7, target=9)
def _spatial(node: NodeProto, g: Writer) -> None:
    spatial = get_attribute(node, "spatial", 1)
    drop_attribute(node, "spatial")
    if spatial or g.rank(node.input[0]) == 2:
        return
    data, scale, bias, mean, variance = node.input[:5]
    if any(node.output[1:]):
        g.refuse("statistics for every feature (spatial=0) in training mode do not exist there")
    epsilon = g.scalar_like(data, get_attribute(node, "epsilon", 1e-5))
    deviation = g.op("Sqrt", g.op("Add", variance, epsilon))
    normal = g.op("Div", g.op("Sub", data, mean), deviation)
    g.op("Add", g.op("Mul", normal, scale), bias, output=node.output[0])


@adapter("BatchNormalization", source=9, target=14)
def _running_statistics(node: NodeProto, g: Writer) -> None:
    """Before 14 more outputs than one mean training; the saved mean and variance have no place since."""
    if any(node.output[1:]):
        if any(g.is_read(name) for name in node.output[3:]):
            g.refuse("its outputs saved_mean and saved_var do not exist there")
        del node.output[3:]
        set_attribute(node, "training_mode", 1)


@adapter("BatchNormalization", source=14, target=9)
def _training_by_definition(node: NodeProto, g: Writer) -> None:
    training = g.attribute("training_mode")
    drop_attribute(node, "training_mode")
    if training:
        _normalize_by_batch(node, g)
    elif any(g.is_read(name) for name in node.output[1:]):
        g.refuse("running statistics outside training mode do not exist there")
    else:
        del node.output[1:]


def _normalize_by_batch(node: NodeProto, g: Writer) -> None:
    """Training mode by its definition: statistics of the batch, and running ones as their weighted mean."""
    if get_attribute(node, "spatial", 1) == 0:
        g.refuse("statistics for every feature (spatial=0) in training mode do not exist there")
    data, scale, bias, mean, variance = node.input[:5]
    op = partial(g.op, opset=max(g.opset, 7))  # whose arithmetic broadcasts; it goes down from there
    rank = g.rank(data)
    axes = [axis for axis in range(rank) if axis != 1]
    momentum = get_attribute(node, "momentum", 0.9)
    if any(g.is_read(name) for name in node.output[3:]):
        g.refuse("its outputs saved_mean and saved_var do not exist there")
    centre = op("ReduceMean", data, axes=axes)
    apart = op("Sub", data, centre)
    spread = op("ReduceMean", op("Mul", apart, apart), axes=axes)
    column = [1, -1] + [1] * (rank - 2)
    deviation = op("Sqrt", op("Add", spread, g.scalar_like(data, get_attribute(node, "epsilon", 1e-5))))
    scaled = op("Mul", op("Div", apart, deviation), op("Reshape", scale, g.constant(column)))
    op("Add", scaled, op("Reshape", bias, g.constant(column)), output=node.output[0])
    for index, (running, current) in enumerate(((mean, centre), (variance, spread)), start=1):
        name = output_at(node, index)
        if name:
            flat = op("Reshape", current, g.constant([-1]))
            op(
                "Add",
                op("Mul", running, g.scalar_like(running, momentum)),
                op("Mul", flat, g.scalar_like(flat, 1 - momentum)),
                output=name,
            )


@adapter("GroupNormalization", source=18, target=21)
def _scale_by_channel(node: NodeProto, g: Writer) -> None:
    """Since 21 there is one scale a channel; before, one a group."""
    shape, groups = g.shape(node.input[0]), g.attribute("num_groups")
    if shape is not None and len(shape) < 2:
        g.refuse(f"its input has rank {len(shape)}, where the operator takes one of channels along axis 1")
    if shape is None or shape[1] is None:
        g.refuse("the number of channels is not fixed")
    index = g.constant(np.repeat(counting(groups, g), limit_list(shape[1], g) // groups))
    for place in (1, 2):
        node.input[place] = g.op("Gather", node.input[place], index, axis=0)
    g.keep()


@decomposition("GroupNormalization")
def _group_normalization(node: NodeProto, g: Writer) -> None:
    """Normalize each group as one channel; below 21 scale and bias are of groups, since then of channels."""
    data, scale, bias = node.input
    of_groups, groups = g.opset < 18, g.attribute("num_groups")
    kind, rank = g.element_type(data), g.rank(data)
    if not of_groups and kind != TensorProto.FLOAT:  # computed in single precision whatever the type
        inline_body(node, g)
        return
    rows = g.op("Reshape", data, g.constant([0, groups, -1]))
    ones, zeros = (g.typed_constant(np.full(limit_list(groups, g), number), kind) for number in (1, 0))
    weights = (scale, bias) if of_groups else (ones, zeros)
    normal = g.op("InstanceNormalization", rows, *weights, epsilon=g.attribute("epsilon", 1e-5))
    result = g.op("Reshape", normal, g.op("Shape", data), output=node.output[0] if of_groups else "")
    if not of_groups:
        column = g.constant([-1] + [1] * (rank - 2))
        scaled = g.op("Mul", result, g.op("Reshape", scale, column))
        g.op("Add", scaled, g.op("Reshape", bias, column), output=node.output[0])


@decomposition("LayerNormalization")
def _layer_normalization(node: NodeProto, g: Writer) -> None:
    """By its definition, node by node as exporters write it: ONNX Runtime makes one operator of that again."""
    data, axes = _in_stash_type(g, _behind_transpose(g, node.input[0])), _last_axes(node, g)
    mean, deviation = output_at(node, 1), output_at(node, 2)
    centre = g.op("ReduceMean", data, axes=axes, output=mean, opset=16)
    apart = g.op("Sub", data, centre)
    spread = _root_of_mean_square(g, apart, axes)
    if deviation and g.is_read(deviation):
        g.op("Reciprocal", spread, output=deviation)
    normal = _back_from_stash_type(node, g, g.op("Div", apart, spread))
    bias = input_at(node, 2) or _no_bias(g, node.input[1])
    result = g.op("Mul", normal, node.input[1], output="" if bias else node.output[0])
    if bias:
        g.op("Add", result, bias, output=node.output[0])


def _behind_transpose(g: Writer, name: str) -> str:
    """The same tensor, past a Reshape to its own sizes where a Transpose makes it.

    ONNX Runtime moves a Transpose behind what follows, and into the middle of what it would fuse; a Reshape holds it.
    """
    made, shape = g.producer(name), g.shape(name)
    if made is None or made.op_type != "Transpose" or shape is None:
        return name
    return g.op("Reshape", name, g.constant([0] * len(shape)))


def _no_bias(g: Writer, scale: str) -> str:
    """Negative zeros, which change nothing: ONNX Runtime fuses a normalization with a bias only."""
    shape = g.shape(scale)
    if shape is None or None in shape or g.element_type(scale) != TensorProto.FLOAT:
        return ""
    return g.constant(np.full([limit_list(size, g) for size in g.static_shape(scale)], -0.0), np.float32)


@decomposition("RMSNormalization")
def _rms_normalization(node: NodeProto, g: Writer) -> None:
    """By its definition, node by node as exporters write it: ONNX Runtime makes one operator of that again."""
    data = _in_stash_type(g, node.input[0])
    normal = _back_from_stash_type(node, g, g.op("Div", data, _root_of_mean_square(g, data, _last_axes(node, g))))
    g.op("Mul", normal, node.input[1], output=node.output[0])


def _root_of_mean_square(g: Writer, data: str, axes: list[int]) -> str:
    square = g.op("Pow", data, g.scalar_like(data, 2))
    mean = g.op("ReduceMean", square, axes=axes, opset=16)  # where axes are an attribute
    return g.op("Sqrt", g.op("Add", mean, g.scalar_like(mean, g.attribute("epsilon"))))


def _last_axes(node: NodeProto, g: Writer) -> list[int]:
    """The axes that a normalization runs over, counted from the end."""
    axis = g.attribute("axis")
    last = axis if axis < 0 else axis - g.rank(node.input[0])
    if not -MOST_DIMENSIONS <= last < 0:
        g.refuse(f"axis={axis} is none of its data")
    return list(range(last, 0))


def _in_stash_type(g: Writer, name: str) -> str:
    stash = g.attribute("stash_type")
    return name if g.element_type(name) == stash else g.op("Cast", name, to=stash)


def _back_from_stash_type(node: NodeProto, g: Writer, name: str) -> str:
    kind = g.element_type(node.input[0])
    return name if kind == g.attribute("stash_type") else g.op("Cast", name, to=kind)
