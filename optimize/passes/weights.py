"""Per-channel affines in the weights of the operator before or after them."""

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.names import Names
from zoosmith.optimize.channel_affine import ChannelAffine, read_affine
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    has_float_constants,
    input_constant,
    is_standard,
    name_of,
    new_names,
    only_reader,
    pads,
    replace_value,
)


class FoldIntoPreviousOperator(ir.passes.InPlacePass):
    """Fold each BatchNormalization into the Conv or Gemm that makes its input."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        for node in list(model.graph):
            affine = read_affine(node) if is_standard(node, "BatchNormalization") else None
            producer = None if affine is None else affine.source.producer()
            if affine is None or producer is None or only_reader(affine.source) is not node:
                continue
            if _scale_outputs(model.graph, names, producer, affine):
                replace_value(node.outputs[0], producer.outputs[0])
                model.graph.remove(node, safe=True)
                changed = True
        return ir.passes.PassResult(model, changed)


class FoldIntoNextConvolution(ir.passes.InPlacePass):
    """Fold each BatchNormalization into the only Conv that reads it; padding would be zeros where its shift belongs."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        for node in list(model.graph):
            affine = read_affine(node) if is_standard(node, "BatchNormalization") else None
            reader = None if affine is None else only_reader(node.outputs[0])
            if affine is None or reader is None or not is_standard(reader, "Conv"):
                continue
            if has_float_constants(reader) and not pads(reader):
                _scale_inputs(model.graph, names, reader, affine)
                model.graph.remove(node, safe=True)
                changed = True
        return ir.passes.PassResult(model, changed)


def _scale_outputs(graph: ir.Graph, names: Names, node: ir.Node, affine: ChannelAffine) -> bool:
    """Give a Conv or Gemm the affine of its output channels; False where it has no constant weights."""
    weights = input_constant(node, 1)
    if not is_standard(node, "Conv", "Gemm") or weights is None or not has_float_constants(node):
        return False
    alpha, beta, axis = 1.0, 1.0, 0
    if node.op_type == "Gemm":
        alpha, beta = (float(np.float32(attribute(node, name, 1.0))) for name in ("alpha", "beta"))
        axis = 0 if attribute(node, "transB", 0) else 1
    channels = weights.shape[axis]
    bias, given = np.zeros(channels), input_constant(node, 2)
    if given is not None:
        # a column in a Gemm is one of the rows, of which there may be as many as channels
        if given.size != 1 and (given.size != channels or given.shape[-1] != channels):
            return False
        bias = np.broadcast_to(given.astype(np.float64).reshape(-1), (channels,)) * beta
    shape = [1] * weights.ndim
    shape[axis] = channels
    scaled = weights.astype(np.float64) * alpha * affine.scale.reshape(shape)
    _set_weights(graph, names, node, scaled, bias * affine.scale + affine.shift)
    return True


def _scale_inputs(graph: ir.Graph, names: Names, node: ir.Node, affine: ChannelAffine) -> None:
    """Let a Conv read what the affine of its input channels reads."""
    weights, bias = input_constant(node, 1), input_constant(node, 2)
    assert weights is not None
    weights = weights.astype(np.float64)
    groups = attribute(node, "group", 1)
    # group g reads channels g*n .. g*n+n-1 and writes as many output channels as every other group
    per_output = np.repeat(np.arange(groups), weights.shape[0] // groups)
    shape = (weights.shape[0], weights.shape[1], *[1] * (weights.ndim - 2))
    scale = affine.scale.reshape(groups, -1)[per_output].reshape(shape)
    shift = affine.shift.reshape(groups, -1)[per_output].reshape(shape)
    added = (weights * shift).sum(axis=tuple(range(1, weights.ndim)))
    node.replace_input_with(0, affine.source)
    _set_weights(graph, names, node, weights * scale, added if bias is None else added + bias)


def _set_weights(graph: ir.Graph, names: Names, node: ir.Node, weights: Array, bias: Array) -> None:
    output = name_of(node.outputs[0])
    node.resize_inputs(3)
    for index, (part, array) in enumerate({"w": weights, "b": bias}.items(), start=1):
        node.replace_input_with(
            index, add_initializer(graph, names.fresh(f"{output}_{part}"), array.astype(np.float32))
        )
    for name in ("alpha", "beta"):
        node.attributes.pop(name, None)
