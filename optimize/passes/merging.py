"""One BatchNormalization for each chain of per-channel affines."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.operator_families import ARITHMETIC
from zoosmith.optimize.channel_affine import ChannelAffine, read_affine
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    input_constant,
    is_standard,
    name_of,
    new_names,
    new_node,
    only_reader,
    replace_value,
)


class MergeAffines(ir.passes.InPlacePass):
    """Replace each chain of affines that only its own links read by one BatchNormalization of mean 0 and variance 1."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        merged: dict[ir.Value, ChannelAffine] = {}
        absorbed: list[ir.Node] = []
        for node in model.graph:
            affine = read_affine(node)
            if affine is None or (affine.source not in merged and _is_free_standing_arithmetic(node)):
                continue
            before = merged.get(affine.source)
            producer = affine.source.producer()
            if before is not None and producer is not None and only_reader(affine.source) is node:
                del merged[affine.source]
                absorbed.append(producer)
                affine = before.then(affine)
            merged[node.outputs[0]] = affine
        names = new_names(model)
        replaced: dict[ir.Value, ir.Value] = {}
        for output, affine in merged.items():
            last = output.producer()
            if last is None or (last.inputs[0] is affine.source and _is_merged(last)):
                continue
            source = replaced.get(affine.source, affine.source)
            replaced[output] = _write_affine(model.graph, names, last, replace(affine, source=source))
            absorbed.append(last)
        model.graph.remove(absorbed, safe=True)
        return ir.passes.PassResult(model, bool(replaced))


def _is_free_standing_arithmetic(node: ir.Node) -> bool:
    """Whether it reads no convolution nor affine that it could join: then one Mul or Add is cheaper.

    What others read as well stays as it is; the Div of a GELU reads such a sum, and runtimes know a GELU by its nodes.
    """
    if not is_standard(node, *ARITHMETIC):
        return False
    producers = [value.producer() for value in node.inputs if value is not None and only_reader(value) is node]
    return not any(
        producer is not None
        and (is_standard(producer, "Conv", "Gemm", "BatchNormalization") or read_affine(producer) is not None)
        for producer in producers
    )


def _is_merged(node: ir.Node) -> bool:
    """Whether it is a BatchNormalization of mean 0 and variance 1 already."""
    mean, variance = input_constant(node, 3), input_constant(node, 4)
    return (
        is_standard(node, "BatchNormalization")
        and attribute(node, "epsilon") == 0
        and mean is not None
        and variance is not None
        and not np.any(mean)
        and bool(np.all(variance == 1))
    )


def _write_affine(graph: ir.Graph, names: Names, node: ir.Node, affine: ChannelAffine) -> ir.Value:
    """Put a BatchNormalization in front of `node` and let its output replace that of `node`; returns that output."""
    channels = len(affine.scale)
    arrays = {
        "scale": affine.scale,
        "shift": affine.shift,
        "mean": np.zeros(channels),
        "variance": np.ones(channels),
    }
    parameters = [
        add_initializer(graph, names.fresh(f"{name_of(node.outputs[0])}_{part}"), array.astype(np.float32))
        for part, array in arrays.items()
    ]
    output = ir.Value()
    graph.insert_before(
        node, new_node("BatchNormalization", [affine.source, *parameters], output, node.name, epsilon=0.0)
    )
    replace_value(node.outputs[0], output)
    return output
