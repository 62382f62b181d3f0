"""What a graph tells of its inputs: which one is a signal, and which numbers choose what is computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from zoosmith.onnx_model.constants import Array, constant_tensor
from zoosmith.onnx_model.mapped import values_of
from zoosmith.onnx_model.operator_families import ORDERS
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS
from zoosmith.onnx_model.ports import Port, input_ports
from zoosmith.onnx_model.traversal import all_nodes, subgraphs
from zoosmith.validation.inputs.wanted_values import wanted_values

# what leaves a signal as it is
_MOVES = {
    *("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Expand", "Split"),
    *("Pad", "Gather", "Concat"),
}
# what transforms signals by its very name
_TRANSFORMS = ("STFT", "DFT")
# channels of a signal, and positions of a kernel that may be a Fourier transform
_FEW, _WIDE = 4, 32
# of the kernels: how many hold so much of their energy in so many frequencies around the strongest one
_MOST_KERNELS, _ENERGY, _AROUND = 0.8, 0.8, 2
_INTEGERS = (TensorProto.INT32, TensorProto.INT64)
# numbers of one input that are told apart
_MOST_CHOICES = 12


@dataclass(frozen=True)
class Signal:
    """An input that is a signal.

    Attributes:
        port: the input.
        kernels: widths of the Fourier transforms that read it, the widest first; none where no graph states one.
    """

    port: Port
    kernels: tuple[int, ...]


def signal_input(model: ModelProto) -> Signal | None:
    """The float32 input that a Fourier transform reads, also inside of nodes; None where there is not exactly one.

    A transform is an STFT or DFT, or a Conv of few channels whose kernels hold one frequency each. Kernels that a net
    has learned do not: what they read may be any series, and no sound.
    """
    names = frozenset(port.name for port in input_ports(model.graph) if port.required)
    transformed: dict[str, set[int]] = {}
    _follow(model.graph, {name: name for name in names}, {}, transformed)
    ports = [port for port in input_ports(model.graph) if port.name in transformed]
    if len(ports) != 1 or ports[0].elem_type != TensorProto.FLOAT or not ports[0].shape:
        return None
    return Signal(ports[0], tuple(sorted(transformed[ports[0].name], reverse=True)))


def choices(model: ModelProto) -> dict[str, list[int]]:
    """For each integer input of one element, the numbers that the graph compares it with and those beside them."""
    ports = [
        port
        for port in input_ports(model.graph)
        if port.required and port.elem_type in _INTEGERS and all(size == 1 for size in port.shape or ())
    ]
    wanted = wanted_values(model, {port.name: (1,) * len(port.shape or ()) for port in ports}) if ports else {}
    ordered = any(node.op_type in ORDERS for node in all_nodes(model))
    result = {}
    for port in ports:
        found = wanted[port.name]
        numbers = [int(each) for each in found.corners if each == int(each) and found.low <= each <= found.high]
        if not ordered:
            # of the numbers beside, one is as good as any other
            compared = [each for each in numbers if {each - 1, each + 1} <= {*numbers}]
            numbers = sorted({*compared, *numbers[-1:]})
        if 1 < len(numbers) <= _MOST_CHOICES:
            result[port.name] = numbers
    return result


def _follow(
    graph: GraphProto,
    outer: Mapping[str, str],
    outer_constants: Mapping[str, TensorProto],
    transformed: dict[str, set[int]],
) -> None:
    """Add to `transformed` the inputs that transforms read, and their widths.

    Args:
        graph: of the model, or inside of a node.
        outer: values of the outer graph that are an input of the model but for moves, with its name.
        outer_constants: those of the outer graph.
        transformed: what was found before.
    """
    inputs, constants = dict(outer), dict(outer_constants)
    constants.update((tensor.name, tensor) for tensor in graph.initializer)
    for node in graph.node:
        tensor = constant_tensor(node)
        if tensor is not None:
            constants[node.output[0]] = tensor
        for _, inner in subgraphs(node):
            _follow(inner, inputs, constants, transformed)
        moved = [inputs[name] for name in node.input if name in inputs]
        if not moved or node.domain not in DEFAULT_DOMAINS:
            continue
        if node.op_type in _MOVES:
            inputs.update((name, moved[0]) for name in node.output)
        width = _width(node, constants)
        if width is not None and node.input[0] in inputs:
            transformed.setdefault(inputs[node.input[0]], set()).update([width] if width else [])


def _width(node: NodeProto, constants: Mapping[str, TensorProto]) -> int | None:
    """Of the kernels of a transform, 0 where it states none; None for other nodes."""
    if node.op_type in _TRANSFORMS:
        return 0
    if node.op_type != "Conv" or len(node.input) < 2 or node.input[1] not in constants:
        return None
    weights = values_of(constants[node.input[1]])
    return weights.shape[-1] if _is_transform(weights) else None


def _is_transform(weights: Array) -> bool:
    """Whether each kernel holds one frequency."""
    width = weights.shape[-1]
    if weights.shape[1] >= _FEW or prod(weights.shape[2:]) != width or width < _WIDE:
        return False
    energies = np.abs(np.fft.rfft(weights.reshape(-1, width).astype(np.float64), axis=1)) ** 2
    energies = energies[energies.sum(axis=1) > 0]
    if not len(energies):
        return False
    away = np.abs(np.arange(energies.shape[1])[None, :] - energies.argmax(axis=1)[:, None])
    shares = np.where(away <= _AROUND, energies, 0).sum(axis=1) / energies.sum(axis=1)
    return bool((shares >= _ENERGY).mean() >= _MOST_KERNELS)
