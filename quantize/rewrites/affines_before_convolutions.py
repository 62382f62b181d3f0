"""Affines of one scale that only convolutions read, as part of their weights and biases."""

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from zoosmith.onnx_model.names import Names
from zoosmith.optimize.channel_affine import ChannelAffine, read_affine
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    has_float_constants,
    input_constant,
    input_value,
    is_standard,
    name_of,
    new_names,
    new_node,
    only_reader,
    pads,
)
from zoosmith.quantize.writing.weights import by_input_channel

# scales by which a shift is not divided
_LEAST = 1e-6


class AffinesBeforeConvolutions(ir.passes.InPlacePass):
    """Move `scale * x + shift` of one scale for all channels into the convolutions behind it.

    Scales that differ would make the weights of some channels coarse as integers. A shift in front of padding stays, as
    an Add of `shift / scale`: what is padded is 0 behind it.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        # the last one first: behind it another one may be the next
        for node in reversed(list(model.graph)):
            affine = _whole_affine(node)
            if affine is None or not _is_scaled(affine) or not _is_foldable(node, affine):
                continue
            readers = [use.node for use in node.outputs[0].uses()]
            padded = bool(affine.shift.any()) and any(map(pads, readers))
            if padded and abs(affine.scale[0]) < _LEAST:
                continue
            shift = np.zeros_like(affine.shift) if padded else affine.shift
            source = _shifted(model.graph, names, node, affine) if padded else affine.source
            for reader in readers:
                _fold(model.graph, names, reader, source, affine.scale, shift)
            changed = True
        if changed:
            RemoveUnusedNodesPass()(model)
        return ir.passes.PassResult(model, changed)


def _is_scaled(affine: ChannelAffine) -> bool:
    """Whether an affine has one scale, and is no shift alone."""
    return bool(np.ptp(affine.scale) == 0 and affine.scale[0] != 1)


def _whole_affine(node: ir.Node) -> ChannelAffine | None:
    """The affine that a node ends, with those before it that nothing else reads."""
    affine = read_affine(node)
    while affine is not None and only_reader(affine.source) is not None:
        maker = affine.source.producer()
        before = None if maker is None else read_affine(maker)
        if before is None:
            break
        affine = before.then(affine)
    return affine


def _is_foldable(node: ir.Node, affine: ChannelAffine) -> bool:
    """Whether all that reads an affine are convolutions of constant weights."""
    output = node.outputs[0]
    if output.is_graph_output() or not output.uses():
        return False
    for use in output.uses():
        weights = input_constant(use.node, 1)
        known = is_standard(use.node, "Conv") and use.node.graph is node.graph and has_float_constants(use.node)
        if not known or use.idx != 0 or weights is None:
            return False
        if weights.shape[1] * attribute(use.node, "group", 1) != len(affine.scale):
            return False
    return True


def _shifted(graph: ir.Graph, names: Names, node: ir.Node, affine: ChannelAffine) -> ir.Value:
    """The source of an affine with the part of the shift that stays."""
    rank = len(node.outputs[0].shape or ()) or 4
    shift = (affine.shift / affine.scale).astype(np.float32).reshape(-1, *[1] * (rank - 2))
    stem = name_of(node.outputs[0])
    result = ir.Value(name=names.fresh(f"{stem}_shifted"), type=affine.source.type, shape=affine.source.shape)
    added = add_initializer(graph, names.fresh(f"{stem}_shift"), shift)
    graph.insert_before(node, new_node("Add", [affine.source, added], result))
    return result


def _fold(graph: ir.Graph, names: Names, node: ir.Node, source: ir.Value, scale: np.ndarray, shift: np.ndarray) -> None:
    """Let a convolution read the source of an affine."""
    weights, bias = input_constant(node, 1), input_constant(node, 2)
    assert weights is not None
    exact = weights.astype(np.float64)
    moved = (exact * by_input_channel(shift, weights, node.attributes)).sum(axis=tuple(range(1, weights.ndim)))
    values = {1: exact * by_input_channel(scale, weights, node.attributes)}
    if shift.any():
        values[2] = moved if bias is None else bias + moved
    node.replace_input_with(0, source)
    if 2 in values and len(node.inputs) < 3:
        node.resize_inputs(3)
    for index, array in values.items():
        given = input_value(node, index)
        stem = name_of(node.outputs[0] if given is None else given)
        node.replace_input_with(index, add_initializer(graph, names.fresh(f"{stem}_folded"), array.astype(np.float32)))
