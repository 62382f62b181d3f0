"""Which values the operators of a model want from its inputs: indices in their range, and the corners of functions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, inf, prod
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnx.inliner import inline_local_functions

from zoosmith.onnx_model.constants import constant_tensor, values_at_hand
from zoosmith.onnx_model.operator_families import ARITHMETIC, ORDERS
from zoosmith.onnx_model.opsets import CONTRIB_DOMAIN, DEFAULT_DOMAINS, default_opset
from zoosmith.onnx_model.ports import input_ports
from zoosmith.onnx_model.shape_inference import infer_shapes
from zoosmith.onnx_model.traversal import subgraphs

# from here on indices may count from the end
_NEGATIVE_INDICES = 11
# operators whose output holds values of these inputs, in any order and number; None for all inputs
_PASSING: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("Identity", "Cast", "CastLike", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"), (0,)),
    **dict.fromkeys(("Slice", "Expand", "Tile", "Split", "Pad", "Dropout", "Gather", "GatherElements"), (0,)),
    **dict.fromkeys(("GatherND", "DepthToSpace", "SpaceToDepth", "ReverseSequence", "Compress", "Trilu"), (0,)),
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND"), (0, 2)),
    **dict.fromkeys(("Concat", "Max", "Min", "Clip"), None),
    "Where": (1, 2),
}


@dataclass(frozen=True)
class WantedValues:
    """What operators want from the values of one input.

    Attributes:
        low: the least value that they take, -inf where any is taken.
        high: the largest.
        corners: values at which a function changes its course, and values on both sides of them.
    """

    low: float = -inf
    high: float = inf
    corners: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Source:
    """Where a value comes from: an input of the model, times a factor, plus something between two numbers."""

    name: str
    factor: float = 1.0
    least: float = 0.0
    most: float = 0.0


@dataclass
class _Found:
    low: float = -inf
    high: float = inf
    corners: set[float] = field(default_factory=set)


def wanted_values(model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> dict[str, WantedValues]:
    """Follow every input to the operators that read it, as far as its values only move, are shifted or scaled.

    Args:
        model: with or without the data of its large tensors.
        shapes: of its inputs in the run that values are wanted for.

    Returns:
        What is wanted from every input that is not an initializer, by name.
    """
    inlined = inline_local_functions(model) if model.functions else model
    return _Search(inlined, shapes).found()


class _Search:
    def __init__(self, model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
        self._model = model
        self._given = shapes
        self._opset = default_opset(model) or 1
        self._inferred: dict[str, tuple[int, ...]] | None = None
        self._wanted = {port.name: _Found() for port in input_ports(model.graph) if port.required}

    def found(self) -> dict[str, WantedValues]:
        sources = {name: [_Source(name)] for name in self._wanted}
        self._walk(self._model.graph, sources, {}, {})
        return {
            name: WantedValues(found.low, found.high, tuple(sorted(found.corners)))
            for name, found in self._wanted.items()
        }

    def _walk(
        self,
        graph: GraphProto,
        sources: dict[str, list[_Source]],
        outer_constants: dict[str, TensorProto],
        outer_shapes: dict[str, tuple[int, ...]],
    ) -> None:
        constants, shapes = dict(outer_constants), dict(outer_shapes)
        for tensor in graph.initializer:
            shapes[tensor.name] = tuple(tensor.dims)
            constants[tensor.name] = tensor
        for node in graph.node:
            if (constant := constant_tensor(node)) is not None:
                constants[node.output[0]] = constant
                shapes[node.output[0]] = tuple(constant.dims)
            read = [sources.get(name, []) for name in node.input]
            carried = list(subgraphs(node))
            if not any(read) and not carried:
                continue
            view = _Node(node, constants, shapes, self._shape_of, self._opset)
            for position, low, high in _index_ranges(view):
                if position < len(read):
                    self._limit(read[position], low, high)
            for position, corners in _corners(view):
                if position < len(read):
                    self._add_corners(read[position], corners)
            passed = _passed(view, read)
            if passed:
                for name in node.output:
                    sources[name] = passed
            for _, inner in carried:
                self._walk(inner, {**sources, **_bound(node, inner, read)}, constants, shapes)

    def _limit(self, sources: Sequence[_Source], low: float, high: float) -> None:
        for source in sources:
            ends = ((low - source.least) / source.factor, (high - source.most) / source.factor)
            found = self._wanted[source.name]
            found.low, found.high = max(found.low, min(ends)), min(found.high, max(ends))

    def _add_corners(self, sources: Sequence[_Source], corners: Sequence[float]) -> None:
        for source in sources:
            self._wanted[source.name].corners.update((corner - source.least) / source.factor for corner in corners)

    def _shape_of(self, name: str) -> tuple[int, ...] | None:
        """Of a value of the outer graph that is no constant: by shape inference with the sizes of the run."""
        if self._inferred is None:
            self._inferred = _inferred_shapes(self._model, self._given)
        return self._inferred.get(name)


@dataclass(frozen=True)
class _Node:
    """One node as the tables below look at it."""

    proto: NodeProto
    constants: Mapping[str, TensorProto]
    shapes: Mapping[str, tuple[int, ...]]
    infer: Callable[[str], tuple[int, ...] | None]
    opset: int

    def shape(self, position: int) -> tuple[int, ...] | None:
        if position >= len(self.proto.input):
            return None
        name = self.proto.input[position]
        return self.shapes[name] if name in self.shapes else self.infer(name)

    def constant(self, position: int) -> np.ndarray | None:
        value = self.constants.get(self.proto.input[position]) if position < len(self.proto.input) else None
        return None if value is None else values_at_hand(value)

    def attribute(self, name: str, default: Any = None) -> Any:
        for attribute in self.proto.attribute:
            if attribute.name == name and not attribute.ref_attr_name:
                return helper.get_attribute_value(attribute)
        return default

    def size(self, position: int, axis: int) -> int:
        """The size of an input along an axis; 1, of which only index 0 is sure to be there, where it is not known."""
        shape = self.shape(position)
        return shape[axis] if shape is not None and -len(shape) <= axis < len(shape) else 1

    def rank(self, position: int) -> int:
        shape = self.shape(position)
        return 1 if shape is None else max(1, len(shape))


def _inferred_shapes(model: ModelProto, given: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    sized = ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        if value.name in given and value.type.HasField("tensor_type"):
            del value.type.tensor_type.shape.dim[:]
            for size in given[value.name]:
                value.type.tensor_type.shape.dim.add(dim_value=size)
    # what the file states of values between may contradict these sizes
    del sized.graph.value_info[:]
    for output in sized.graph.output:
        output.type.tensor_type.ClearField("shape") if output.type.HasField("tensor_type") else None
    try:
        sized = infer_shapes(sized)
    except Exception:  # its C++ core raises errors without a common base; without shapes index 0 is taken
        return {name: tuple(shape) for name, shape in given.items()}
    shapes = {name: tuple(shape) for name, shape in given.items()}
    for value in (*sized.graph.value_info, *sized.graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def _passed(node: _Node, read: Sequence[Sequence[_Source]]) -> list[_Source]:
    """The sources of a node's outputs."""
    op_type, domain = node.proto.op_type, node.proto.domain
    if domain not in DEFAULT_DOMAINS:
        return []
    if op_type in _PASSING:
        positions = _PASSING[op_type]
        chosen = range(len(read)) if positions is None else [place for place in positions if place < len(read)]
        return [source for place in chosen for source in read[place]]
    if op_type == "Neg":
        return [_Source(s.name, -s.factor, -s.most, -s.least) for s in read[0]]
    if op_type not in ARITHMETIC or len(read) != 2:
        return []
    place = 0 if read[0] else 1
    constant = node.constant(1 - place)
    if constant is None or not constant.size or constant.dtype.kind not in "iuf":
        return []
    least, most = float(constant.min()), float(constant.max())
    if op_type == "Add":
        return [_Source(s.name, s.factor, s.least + least, s.most + most) for s in read[place]]
    if op_type == "Sub" and place == 0:
        return [_Source(s.name, s.factor, s.least - most, s.most - least) for s in read[0]]
    if op_type == "Sub":
        return [_Source(s.name, -s.factor, least - s.most, most - s.least) for s in read[1]]
    if least != most or least <= 0 or (op_type == "Div" and place == 1):
        return []
    factor = least if op_type == "Mul" else 1 / least
    return [_Source(s.name, s.factor * factor, s.least * factor, s.most * factor) for s in read[place]]


def _bound(node: NodeProto, graph: GraphProto, read: Sequence[list[_Source]]) -> dict[str, list[_Source]]:
    """The sources of the inputs that an operator gives to a graph that it carries."""
    names = [value.name for value in graph.input]
    if node.op_type == "Loop":
        # number and condition of the round come first on both sides
        given = dict(zip(names[2:], read[2:], strict=False))
    elif node.op_type == "Scan":
        given = dict(zip(names, read, strict=False))
    else:
        given = {}
    return {name: given.get(name, []) for name in names}


Range = tuple[int, float, float]
"""Which input of a node, and the least and largest value that it takes there."""


def _index_ranges(node: _Node) -> Iterator[Range]:
    rule = _RANGES.get((node.proto.domain or "", node.proto.op_type))
    return iter(()) if rule is None else rule(node)


def _from_end(node: _Node, size: int) -> float:
    return -size if node.opset >= _NEGATIVE_INDICES else 0


def _along_axis(node: _Node) -> Iterator[Range]:
    size = node.size(0, node.attribute("axis", 0))
    yield 1, _from_end(node, size), size - 1


def _along_first_axes(node: _Node) -> Iterator[Range]:
    indices = node.shape(1)
    batch = node.attribute("batch_dims", 0) if node.proto.op_type == "GatherND" else 0
    depth = indices[-1] if indices else 1
    size = min((node.size(0, batch + axis) for axis in range(depth)), default=1)
    yield 1, _from_end(node, size), size - 1


def _one_hot(node: _Node) -> Iterator[Range]:
    depth = node.constant(1)
    if depth is not None and depth.size == 1:
        size = int(depth.reshape(-1)[0])
        yield 0, -size, size - 1
    yield 1, 1, 8


def _embedding_layer(node: _Node) -> Iterator[Range]:
    for ids, table in ((0, 2), (1, 4)):
        yield ids, 0, node.size(table, 0) - 1


def _between(position: int, low: float, high: float) -> Callable[[_Node], Iterator[Range]]:
    return lambda node: iter([(position, low, high)])


def _axes(*positions: int) -> Callable[[_Node], Iterator[Range]]:
    def ranges(node: _Node) -> Iterator[Range]:
        rank = node.rank(0)
        return iter([(position, 0 if node.opset < _NEGATIVE_INDICES else -rank, rank - 1) for position in positions])

    return ranges


def _lengths(position: int, axis_of_time: Callable[[_Node], int]) -> Callable[[_Node], Iterator[Range]]:
    return lambda node: iter([(position, 1, node.size(0, axis_of_time(node)))])


def _top(node: _Node) -> Iterator[Range]:
    yield 1, 1, node.size(0, node.attribute("axis", -1))


def _classes(node: _Node) -> Iterator[Range]:
    yield 1, 0, node.size(0, 1) - 1


def _pooled(node: _Node) -> Iterator[Range]:
    shape = node.shape(0)
    yield 1, 0, (prod(shape) if shape else 1) - 1


def _divisor(node: _Node) -> Iterator[Range]:
    shape = node.constant(1)
    # a division of integers by 0 ends the process
    if shape is None and node.proto.op_type in ("Div", "Mod"):
        yield 1, 1, 9


_RANGES: dict[tuple[str, str], Callable[[_Node], Iterator[Range]]] = {
    **{("", op_type): _along_axis for op_type in ("Gather", "GatherElements", "Scatter", "ScatterElements")},
    **{("", op_type): _along_first_axes for op_type in ("GatherND", "ScatterND")},
    **{("", op_type): _classes for op_type in ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")},
    **{
        ("", op_type): _lengths(4, lambda node: 1 if node.attribute("layout", 0) else 0)
        for op_type in ("RNN", "GRU", "LSTM")
    },
    **{("", op_type): _axes(1) for op_type in ("Unsqueeze", "Squeeze", "CumSum")},
    ("", "OneHot"): _one_hot,
    ("", "TopK"): _top,
    ("", "ReverseSequence"): _lengths(1, lambda node: node.attribute("time_axis", 0)),
    ("", "RoiAlign"): lambda node: iter([(2, 0, node.size(0, 0) - 1)]),
    ("", "MaxUnpool"): _pooled,
    ("", "SequenceAt"): _between(1, -1, 0),
    ("", "SequenceErase"): _between(1, -1, 0),
    ("", "SequenceInsert"): _between(2, -1, 0),
    ("", "BitShift"): _between(1, 0, 7),
    ("", "Tile"): _between(1, 1, 3),
    ("", "Expand"): _between(1, 1, 1),
    ("", "ConstantOfShape"): _between(0, 1, 4),
    ("", "Pad"): _between(1, 0, 2),
    ("", "Div"): _divisor,
    ("", "Mod"): _divisor,
    ("ai.onnx.ml", "ArrayFeatureExtractor"): lambda node: iter([(1, 0, node.size(0, -1) - 1)]),
    (CONTRIB_DOMAIN, "EmbedLayerNormalization"): _embedding_layer,
}

Corner = tuple[int, Sequence[float]]
"""Which input of a node, and its corners there."""

_TIES = (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)


def _corners(node: _Node) -> Iterator[Corner]:
    if node.proto.domain in DEFAULT_DOMAINS and node.proto.op_type in _CORNERS:
        yield from _CORNERS[node.proto.op_type](node)


def _at(*values: float, position: int = 0) -> Callable[[_Node], Iterator[Corner]]:
    return lambda node: iter([(position, values)])


def _around(*limits: float) -> tuple[float, ...]:
    return tuple(value for limit in limits for value in (limit - 1, limit, limit + 1))


def _clip(node: _Node) -> Iterator[Corner]:
    stated = [node.attribute("min"), node.attribute("max")]
    for place in (1, 2):
        constant = node.constant(place)
        if constant is not None and constant.size == 1:
            stated.append(float(constant.reshape(-1)[0]))
    limits = [float(limit) for limit in stated if limit is not None and abs(limit) < 1e6]
    yield 0, _around(*limits)


def _compared(node: _Node) -> Iterator[Corner]:
    for place in (0, 1):
        constant = node.constant(1 - place)
        if constant is not None and 0 < constant.size <= 16 and constant.dtype.kind in "iuf":
            yield place, _around(*(float(value) for value in constant.reshape(-1) if abs(value) < 2**31))


def _hard_sigmoid(node: _Node) -> Iterator[Corner]:
    slope, shift = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    if slope:
        yield 0, _around(-shift / slope, (1 - shift) / slope)


def _quantized(node: _Node) -> Iterator[Corner]:
    scale = node.constant(1)
    if scale is not None and scale.size:
        step = float(scale.reshape(-1)[0])
        yield 0, [step * place for place in (*_TIES, -300.0, 300.0, -140.5, 127.5)]


def _with(name: str, default: float) -> Callable[[_Node], Iterator[Corner]]:
    return lambda node: iter(
        [(0, _around(float(node.attribute(name, default)), -float(node.attribute(name, default))))]
    )


_CORNERS: dict[str, Callable[[_Node], Iterator[Corner]]] = {
    "Round": _at(*_TIES),
    **dict.fromkeys(("Floor", "Ceil", "Cast"), _at(-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.5)),
    **dict.fromkeys(
        ("Abs", "Sign", "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "NonZero", "Not"), _at(-1.0, 0.0, 1.0)
    ),
    **dict.fromkeys(
        ("Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Gelu", "Mish", "Exp"), _at(-20.0, -5.0, 0.0, 5.0, 20.0)
    ),
    **dict.fromkeys(("Equal", *ORDERS), _compared),
    **dict.fromkeys(("ArgMax", "ArgMin", "Hardmax", "MaxPool"), _at(1.0, 1.0, -1.0)),
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _at(-4.0, -3.0, 0.0, 3.0, 4.0),
    "ThresholdedRelu": _with("alpha", 1.0),
    "Shrink": _with("lambd", 0.5),
    "QuantizeLinear": _quantized,
    "GridSample": _at(-2.0, -1.5, -1.0, 1.0, 1.5, 2.0, position=1),
    "Mod": _at(-7.0, -1.0, 0.0, 1.0, 7.0),
    "IsInf": _at(inf, -inf),
}


def integer_range(wanted: WantedValues, low: int, high: int) -> tuple[int, int]:
    """The half-open range of integers between `low` and `high` that stays inside what operators take."""
    if wanted.low == -inf and wanted.high == inf:
        return low, high
    least = -(floor(-wanted.low)) if wanted.low > -inf else low
    most = floor(wanted.high) if wanted.high < inf else max(high - 1, least)
    return (least, most + 1) if most >= least else (0, 1)
