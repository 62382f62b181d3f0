"""What an operator's integer form needs and gives, and the writer that every form writes with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from zoosmith.quantize.calibration import Range
from zoosmith.quantize.encoding import Encoding, round_up
from zoosmith.quantize.graph import Array, Graph
from zoosmith.quantize.weights import quantize_weights


@dataclass(frozen=True)
class Lowering:
    """The integer form of one operator.

    `accepts` says whether this node, as it stands, has an integer form; `write` writes it. Where `starts`, the operator
    is worth quantizing a float input for; the others follow what is quantized already. Where `moves`, its values keep
    their input's encoding; others get one from their calibrated range. Where `by_channel`, each channel of its input
    may have a step of its own.
    """

    accepts: Callable[[Graph, onnx.NodeProto], bool]
    write: Callable[["Writer", onnx.NodeProto, str], None]
    starts: bool
    moves: bool
    by_channel: bool


class Writer:
    """Collects the nodes of the integer graph.

    `encodings` and `names` hold, by the name of the float tensor, how its uint8 form is encoded and called.
    """

    def __init__(self, graph: Graph, ranges: Mapping[str, Range]) -> None:
        self.graph = graph
        self._ranges = ranges
        self.nodes: list[onnx.NodeProto] = []
        self.encodings: dict[str, Encoding] = {}
        self.names: dict[str, str] = {}
        self._shared: dict[tuple[str, float], str] = {}

    def emit(self, op_type: str, inputs: list[str], output: str, name: str = "", **values: Any) -> str:
        """Append a node; gives its output's name."""
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=name, **values))
        return output

    def announce(self, tensor: str, encoding: Encoding | None = None) -> str:
        """The name of the uint8 form of `tensor`, which gets `encoding` or has one already."""
        if encoding is not None:
            self.encodings[tensor] = encoding
        self.names[tensor] = self.graph.fresh(f"{tensor}_quantized")
        return self.names[tensor]

    def parameters(self, tensor: str) -> list[str]:
        """The nominal scale and zero point of the uint8 form of `tensor`, as constants."""
        encoding = self.encodings[tensor]
        return [
            self._scalar("scale", np.float32(encoding.nominal_scale)),
            self._scalar("zero_point", np.uint8(encoding.nominal_zero_point)),
        ]

    def convolution(
        self,
        source: str,
        output: str,
        node: onnx.NodeProto,
        weights: Array,
        bias: Array,
        *,
        into: str = "",
        **values: Any,
    ) -> None:
        """Write a QLinearConv from one uint8 tensor to another, with real `weights` (O, I/groups, ...) and `bias` (O,).

        The channels' steps and zero points go into weights and bias. So does what rounding the weights adds on average,
        where the source's mean is known (Nagel et al., "Data-free quantization", 2019, section 4.2). `into` names the
        uint8 result where that is not the uint8 form of `output` itself.
        """
        entering, leaving = self.encodings[source], self.encodings[output]
        groups, (outputs, inner) = values.get("group", 1), weights.shape[:2]
        group_of = np.repeat(np.arange(groups), outputs // groups)

        def by_input(value: Array) -> Array:
            repeated = np.repeat(value, groups * inner // len(value)).reshape(groups, inner)[group_of]
            return repeated.reshape(outputs, inner, *[1] * (weights.ndim - 2))

        step = np.broadcast_to(leaving.scale, (outputs,))
        axes = tuple(range(1, weights.ndim))
        wanted = weights * by_input(entering.scale) / step.reshape(-1, *[1] * (weights.ndim - 1))
        bias = bias / step + leaving.zero_point - leaving.nominal_zero_point
        mean, spread = self._moments(source, entering)
        packed = quantize_weights(wanted, bias, np.broadcast_to(by_input(spread), weights.shape))
        rounded = packed.weights * packed.scale.reshape(-1, *[1] * (weights.ndim - 1))
        bias = bias + ((wanted - rounded) * by_input(mean)).sum(axis=axes)
        moved = by_input(entering.zero_point - entering.nominal_zero_point)
        start = bias / packed.scale - (packed.weights * moved).sum(axis=axes)
        # the file's scales multiply to scale_in * scale_w / scale_out, which must be the packed scale
        stated = packed.scale * np.float64(np.float32(leaving.nominal_scale)) / np.float32(entering.nominal_scale)
        self.emit(
            "QLinearConv",
            [
                self.names[source],
                *self.parameters(source),
                self.graph.constant(f"{output}_weights", packed.weights),
                self.graph.constant(f"{output}_weights_scale", stated.astype(np.float32)),
                self._scalar("weights_zero_point", np.int8(0)),
                *self.parameters(output),
                self.graph.constant(f"{output}_bias", np.rint(start).astype(np.int32)),
            ],
            into or self.announce(output),
            node.name,
            **values,
        )

    def _moments(self, source: str, entering: Encoding) -> tuple[Array, Array]:
        """Mean and standard deviation of each channel of the source, in its steps from zero."""
        if source not in self._ranges:
            return np.zeros(1), np.ones(1)
        found = self._ranges[source]
        spread = round_up(np.maximum(found.deviation / entering.scale, 1e-3))
        return np.sign(found.mean) * round_up(np.abs(found.mean) / entering.scale), spread

    def _scalar(self, name: str, value: np.generic) -> str:
        key = (value.dtype.name, float(value))
        if key not in self._shared:
            self._shared[key] = self.graph.constant(name, np.asarray(value))
        return self._shared[key]
