"""SkipLayerNormalization, SkipSimplifiedLayerNormalization, EmbedLayerNormalization, GroupNorm, SkipGroupNorm;
LayerNormalization and SimplifiedLayerNormalization, which ONNX Runtime writes into the default domain at opsets that do
not have them."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.node_editing import input_at, output_at
from zoosmith.opset_upgrade.registry import standard_form
from zoosmith.opset_upgrade.writer import Writer

_EPSILON = 1e-12  # the default of the operators of com.microsoft


@standard_form("LayerNormalization", domain="")
def _layer_normalization(node: NodeProto, g: Writer) -> None:
    if any(node.output[1:]):
        g.refuse("its outputs for training do not exist there")
    axis, epsilon = g.attribute("axis", -1), g.attribute("epsilon", 1e-5)
    g.op("LayerNormalization", *node.input, output=node.output[0], axis=axis, epsilon=epsilon)


@standard_form("SimplifiedLayerNormalization")
@standard_form("SimplifiedLayerNormalization", domain="")
def _simplified(node: NodeProto, g: Writer) -> None:
    if any(node.output[1:]):
        g.refuse("its outputs for training do not exist there")
    axis = g.attribute("axis", -1)
    axes = [axis] if axis == -1 else [*range(axis % g.rank(node.input[0]), g.rank(node.input[0]))]
    _scale_by_root_mean_square(g, node.input[0], node.input[1], axes, g.attribute("epsilon", 1e-5), node.output[0])


@standard_form("SkipLayerNormalization")
def _skip(node: NodeProto, g: Writer) -> None:
    total = _sum_of_skip(node, g, input_at(node, 4))
    epsilon, scale, bias = g.attribute("epsilon", _EPSILON), node.input[2], input_at(node, 3)
    g.op("LayerNormalization", total, scale, bias, output=node.output[0], axis=-1, epsilon=epsilon)


@standard_form("SkipSimplifiedLayerNormalization")
def _skip_simplified(node: NodeProto, g: Writer) -> None:
    total = _sum_of_skip(node, g, input_at(node, 3))
    _scale_by_root_mean_square(g, total, node.input[2], [-1], g.attribute("epsilon", _EPSILON), node.output[0])


@standard_form("EmbedLayerNormalization")
def _embed(node: NodeProto, g: Writer) -> None:
    """Rows of up to three tables by their numbers, added and normalized; and the number of tokens of each sequence."""
    tokens, segments, words, positions, kinds, scale, bias, mask, places = (input_at(node, k) for k in range(9))
    length = g.op("Shape", tokens, start=1, end=2)
    if places:
        placed = g.op("Gather", positions, places, axis=0)
    else:
        placed = g.op("Slice", positions, g.constant([0]), length, g.constant([0]))
    total = g.op("Add", g.op("Gather", words, tokens, axis=0), placed, output="" if kinds else output_at(node, 2))
    if kinds:
        total = g.op("Add", total, g.op("Gather", kinds, segments, axis=0), output=output_at(node, 2))
    epsilon = g.attribute("epsilon", _EPSILON)
    g.op("LayerNormalization", total, scale, bias, output=node.output[0], axis=-1, epsilon=epsilon)
    counts = output_at(node, 1)
    if counts and mask:
        g.op("ReduceSum", mask, g.constant([1]), keepdims=0, output=counts)
    elif counts:
        batch = g.op("Shape", tokens, start=0, end=1)
        g.op("Expand", g.constant([0], dtype=np.int32), batch, output=counts)


@standard_form("GroupNorm")
def _group_norm(node: NodeProto, g: Writer) -> None:
    """GroupNormalization of 21 with the channels first or last, and SiLU after it."""
    _normalize_groups(node, g, node.input[0])


@standard_form("SkipGroupNorm")
def _skip_group_norm(node: NodeProto, g: Writer) -> None:
    """GroupNorm of a sum, whose second part may be one number for each channel."""
    data, skip, bias = node.input[0], node.input[3], input_at(node, 4)
    if not g.attribute("channels_last", 1):
        g.refuse("with the channels first it has no kernel to compare with")
    total = output_at(node, 1)
    if g.rank(skip) == 2:
        skip = g.op("Unsqueeze", skip, g.constant([1, 2]))
    added = g.op("Add", data, skip, output="" if bias else total)
    if bias:
        added = g.op("Add", added, bias, output=total)
    g.state_type(added, g.type(data), g.element_type(data))
    _normalize_groups(node, g, added)


def _normalize_groups(node: NodeProto, g: Writer, data: str) -> None:
    rank = g.rank(data)
    last, silu = g.attribute("channels_last", 1), g.attribute("activation")
    if last:
        data = g.op("Transpose", data, perm=[0, rank - 1, *range(1, rank - 1)])
    groups, epsilon = g.attribute("groups"), g.attribute("epsilon", 1e-5)
    plain = not last and not silu
    result = g.op(
        *("GroupNormalization", data, *node.input[1:3]),
        output=node.output[0] if plain else "",
        num_groups=groups,
        epsilon=epsilon,
    )
    if silu:
        result = g.op("Mul", result, g.op("Sigmoid", result), output="" if last else node.output[0])
    if last:
        g.op("Transpose", result, perm=[0, *range(2, rank), 1], output=node.output[0])


def _sum_of_skip(node: NodeProto, g: Writer, bias: str) -> str:
    if output_at(node, 1) or output_at(node, 2):
        g.refuse("its outputs mean and inv_std_var do not exist there")
    total = output_at(node, 3)
    added = g.op("Add", node.input[0], node.input[1], output="" if bias else total)
    return g.op("Add", added, bias, output=total) if bias else added


def _scale_by_root_mean_square(g: Writer, data: str, scale: str, axes: list[int], epsilon: float, output: str) -> None:
    """Compute in single precision, as kernels do, and round once."""
    kind, scale_kind = g.element_type(data), g.element_type(scale)
    single = data if kind == TensorProto.FLOAT else g.op("Cast", data, to=TensorProto.FLOAT)
    mean = g.op("ReduceMean", g.op("Mul", single, single), g.constant(axes), keepdims=1)
    root = g.op("Sqrt", g.op("Add", mean, g.constant(epsilon, dtype=np.float32)))
    normal = g.op("Div", single, root)
    if scale_kind != TensorProto.FLOAT:
        normal = g.op("Cast", normal, to=scale_kind)
    g.op("Mul", normal, scale, output=output)
