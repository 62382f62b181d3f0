"""Fold per-channel affines into each other and into convolutions; put average pooling before 1 x 1 convolutions."""

from math import prod

import numpy as np
import onnx
from onnx import helper

from zoosmith.quantize.affine import ARITHMETIC, Affine, read_affine
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.graph import Graph, attributes, is_standard

OLDEST_OPSET = 7


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function with fewer nodes; float32 results differ only in rounding.

    BatchNormalization, Mul, Add, Sub and Div by per-channel constants become one affine: inside the convolution (or
    Gemm) before it where nothing else reads that, inside the one after it where that pads nothing, else one
    BatchNormalization of mean 0 and variance 1. An average pooling behind a 1 x 1 convolution moves before it, where
    the convolution has fewer positions to compute. Other types than float32 are left as they are.

    Raises QuantizeError below opset 7, where operators broadcast by attributes and BatchNormalization may train.
    """
    graph = Graph(model)
    if graph.opset < OLDEST_OPSET:
        raise QuantizeError(f"opset {graph.opset}, expected {OLDEST_OPSET} or later: convert the model first")
    _drop_dropout(graph)
    _fold_shape_operators(graph)
    _merge_affines(graph)
    _pool_first(graph)
    _fold_backward(graph)
    _fold_forward(graph)
    return graph.model()


def _drop_dropout(graph: Graph) -> None:
    """Take out what only training needs: a Dropout without a mask that is read, nor a training mode that may be set."""
    readers, outputs = graph.readers(), graph.output_names()
    for node in [node for node in graph.nodes if is_standard(node, "Dropout")]:
        mode = graph.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else False
        masked = any(name in readers or name in outputs for name in node.output[1:] if name)
        if mode is None or np.any(mode) or masked or node.output[0] in outputs:
            continue
        for reader in readers.get(node.output[0], []):
            for place, name in enumerate(reader.input):
                if name == node.output[0]:
                    reader.input[place] = node.input[0]
                    readers.setdefault(node.input[0], []).append(reader)
        graph.nodes.remove(node)


def _fold_shape_operators(graph: Graph) -> None:
    """Evaluate Unsqueeze and Identity of constants: what stands between a channel vector and its Mul or Add."""
    kept = []
    for node in graph.nodes:
        value = graph.constants.get(node.input[0]) if node.input else None
        if value is not None and is_standard(node, "Identity"):
            graph.constants[node.output[0]] = value
        elif value is not None and is_standard(node, "Unsqueeze"):
            axes = attributes(node).get("axes") if len(node.input) == 1 else graph.constants.get(node.input[1])
            if axes is None:
                kept.append(node)
                continue
            graph.constants[node.output[0]] = np.expand_dims(value, tuple(int(axis) for axis in axes))
        else:
            kept.append(node)
    graph.nodes = kept


def _merge_affines(graph: Graph) -> None:
    """Replace each chain of affines that only its own links read by one BatchNormalization."""
    readers, outputs = graph.readers(), graph.output_names()
    merged: dict[str, Affine] = {}
    for node in list(graph.nodes):
        affine = read_affine(graph, node)
        if affine is None or (affine.source not in merged and _is_free_standing_arithmetic(graph, node)):
            continue
        before = merged.get(affine.source)
        if before is not None and len(readers[affine.source]) == 1 and affine.source not in outputs:
            del merged[affine.source]
            graph.nodes = [other for other in graph.nodes if affine.source not in other.output]
            affine = before.then(affine)
        merged[node.output[0]] = affine
    graph.nodes = [
        _affine_node(graph, node, merged[node.output[0]]) if node.output[0] in merged else node for node in graph.nodes
    ]


def _is_free_standing_arithmetic(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether it reads no convolution nor affine: then one Mul or Add is cheaper than a BatchNormalization."""
    if not is_standard(node, *ARITHMETIC):
        return False
    producers = graph.producers()
    return not any(
        name in producers and (is_standard(producers[name], "Conv", "Gemm", "BatchNormalization", *ARITHMETIC))
        for name in node.input
    )


def _affine_node(graph: Graph, node: onnx.NodeProto, affine: Affine) -> onnx.NodeProto:
    output = node.output[0]
    channels = len(affine.scale)
    values = (affine.scale, affine.shift, np.zeros(channels), np.ones(channels))
    names = [
        graph.constant(f"{output}_{part}", value.astype(np.float32))
        for part, value in zip(("scale", "shift", "mean", "variance"), values, strict=True)
    ]
    return helper.make_node("BatchNormalization", [affine.source, *names], [output], name=node.name, epsilon=0.0)


def _fold_backward(graph: Graph) -> None:
    """Fold each affine into the Conv or Gemm that makes its input."""
    readers, producers, outputs = graph.readers(), graph.producers(), graph.output_names()
    for node in list(graph.nodes):
        affine = read_affine(graph, node) if is_standard(node, "BatchNormalization") else None
        if affine is None:
            continue
        before = producers.get(affine.source)
        if before is None or len(readers[affine.source]) != 1 or affine.source in outputs:
            continue
        if not _scale_outputs(graph, before, affine):
            continue
        before.output[0] = node.output[0]
        producers[node.output[0]] = before
        graph.nodes.remove(node)


def _scale_outputs(graph: Graph, node: onnx.NodeProto, affine: Affine) -> bool:
    """Give a Conv or Gemm the affine of its output channels; False where it has no constant weights."""
    if not is_standard(node, "Conv", "Gemm") or any(name and name not in graph.constants for name in node.input[1:]):
        return False
    if graph.constants[node.input[1]].dtype != np.float32:
        return False
    weights = graph.constants[node.input[1]].astype(np.float64)
    values = attributes(node)
    alpha, beta, axis = 1.0, 1.0, 0
    if node.op_type == "Gemm":
        alpha, beta = values.get("alpha", 1.0), values.get("beta", 1.0)
        axis = 0 if values.get("transB", 0) else 1
    channels = weights.shape[axis]
    bias = np.zeros(channels)
    if len(node.input) > 2 and node.input[2]:
        given = graph.constants[node.input[2]].astype(np.float64)
        if given.size not in (1, channels) or given.shape[-1:] not in ((), (1,), (channels,)):
            return False
        bias = np.broadcast_to(given.reshape(-1), (channels,)) * beta
    shape = [1] * weights.ndim
    shape[axis] = channels
    _set_weights(graph, node, weights * alpha * affine.scale.reshape(shape), bias * affine.scale + affine.shift)
    return True


def _set_weights(graph: Graph, node: onnx.NodeProto, weights: np.ndarray, bias: np.ndarray) -> None:
    output = node.output[0]
    names = [node.input[0], graph.constant(f"{output}_w", weights.astype(np.float32))]
    names.append(graph.constant(f"{output}_b", bias.astype(np.float32)))
    del node.input[:]
    node.input.extend(names)
    for attribute in list(node.attribute):
        if attribute.name in ("alpha", "beta"):
            node.attribute.remove(attribute)


def _fold_forward(graph: Graph) -> None:
    """Fold each affine into the only Conv that reads it; padding would put zeros where the affine's shift belongs."""
    readers, outputs = graph.readers(), graph.output_names()
    for node in list(graph.nodes):
        affine = read_affine(graph, node) if is_standard(node, "BatchNormalization") else None
        if affine is None or node.output[0] in outputs or len(readers.get(node.output[0], ())) != 1:
            continue
        after = readers[node.output[0]][0]
        if not is_standard(after, "Conv") or any(name and name not in graph.constants for name in after.input[1:]):
            continue
        values = attributes(after)
        if any(values.get("pads", ())) or values.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            continue
        weights = graph.constants[after.input[1]].astype(np.float64)
        groups = values.get("group", 1)
        # group g reads channels g*n .. g*n+n-1 and writes as many output channels as every other group
        per_output = np.repeat(np.arange(groups), weights.shape[0] // groups)
        shape = (weights.shape[0], weights.shape[1], *[1] * (weights.ndim - 2))
        scale = affine.scale.reshape(groups, -1)[per_output].reshape(shape)
        shift = affine.shift.reshape(groups, -1)[per_output].reshape(shape)
        bias = (weights * shift).sum(axis=tuple(range(1, weights.ndim)))
        if len(after.input) > 2 and after.input[2]:
            bias = bias + graph.constants[after.input[2]]
        after.input[0] = affine.source
        _set_weights(graph, after, weights * scale, bias)
        graph.nodes.remove(node)


def _pool_first(graph: Graph) -> None:
    """Swap a 1 x 1 convolution and the average pooling behind it: both are linear, pooling leaves fewer positions."""
    readers, producers, outputs = graph.readers(), graph.producers(), graph.output_names()
    for pool in [node for node in graph.nodes if is_standard(node, "AveragePool", "GlobalAveragePool")]:
        conv = producers.get(pool.input[0])
        if conv is None or len(readers[pool.input[0]]) != 1 or pool.input[0] in outputs:
            continue
        if not _is_pointwise(graph, conv) or not _shrinks(pool):
            continue
        source, middle, output = conv.input[0], pool.input[0], pool.output[0]
        pool.input[0], pool.output[0] = source, middle
        conv.input[0], conv.output[0] = middle, output


def _is_pointwise(graph: Graph, node: onnx.NodeProto) -> bool:
    if not is_standard(node, "Conv") or node.input[1] not in graph.constants:
        return False
    values = attributes(node)
    one = prod(graph.constants[node.input[1]].shape[2:]) == 1 and all(step == 1 for step in values.get("strides", ()))
    return one and not any(values.get("pads", ())) and values.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")


def _shrinks(pool: onnx.NodeProto) -> bool:
    """Whether the pooling has a stride, and divides by the positions that it sums, so that a bias passes through."""
    if pool.op_type == "GlobalAveragePool":
        return True
    values = attributes(pool)
    padded = any(values.get("pads", ())) or values.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
    return prod(values.get("strides", (1,))) > 1 and not (padded and values.get("count_include_pad", 0))
