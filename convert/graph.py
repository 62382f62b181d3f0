"""The ONNX graph while it grows: values whose type and shape are inferred on demand."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto
from onnx.reference import ReferenceEvaluator

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.onnx_model.in_place import point_to
from zoosmith.onnx_model.ports import Dimension, tensor_shape
from zoosmith.onnx_model.shape_inference import infer_shapes

Attribute: TypeAlias = int | float | str | bytes | Sequence[int] | Sequence[float] | np.ndarray | GraphProto

# numpy's element types as ONNX's
ELEMENT_TYPES = {
    np.dtype("<f4"): TensorProto.FLOAT,
    np.dtype("u1"): TensorProto.UINT8,
    np.dtype("i1"): TensorProto.INT8,
    np.dtype("<u2"): TensorProto.UINT16,
    np.dtype("<i2"): TensorProto.INT16,
    np.dtype("<i4"): TensorProto.INT32,
    np.dtype("<i8"): TensorProto.INT64,
    np.dtype("?"): TensorProto.BOOL,
    np.dtype("<f2"): TensorProto.FLOAT16,
    np.dtype("<f8"): TensorProto.DOUBLE,
}
# constants up to this size take part in shape inference: targets of Reshape, starts of Slice
_SHAPE_BYTES = 1024
# older forms of operators that later ones replaced are inferred as these
_INFERRED_OPSET = 9
# onnx's evaluator takes older forms of operators for the later ones
_EVALUATED_SINCE = 7


class Value:
    """A tensor of the graph: its name, its type and shape once known, its content where it is a constant.

    `scale` and `zero_point` stand beside 8-bit integers, as in Caffe2's int8 tensors; None for everything else.
    """

    __slots__ = (
        "_constant",
        "_elem_type",
        "_graph",
        "_info",
        "_shape",
        "computable",
        "likely_shape",
        "name",
        "ready",
        "scale",
        "zero_point",
    )

    def __init__(self, graph: "Graph", name: str, constant: Tensor | None = None, *, computable: bool = False) -> None:
        self._graph = graph
        self.name = name
        self._constant = constant
        self.computable = computable
        self._info: ValueInfoProto | None = None
        self._elem_type = 0
        self._shape: tuple[Dimension, ...] | None = None
        # whether type and shape can be asked without inference
        self.ready = False
        # what to state of an output whose number of dimensions depends on the data
        self.likely_shape: tuple[Dimension, ...] | None = None
        self.scale: float | None = None
        self.zero_point: int | None = None

    def set_type(self, elem_type: int, shape: tuple[Dimension, ...] | None) -> None:
        """State type and shape."""
        self._elem_type, self._shape, self._info, self.ready = elem_type, shape, None, True

    def read_info(self, info: ValueInfoProto) -> None:
        """Take type and shape from a description."""
        self.set_type(info.type.tensor_type.elem_type, tensor_shape(info.type))
        self._info = info

    @property
    def stored(self) -> Tensor | None:
        """Content of a constant that no node makes."""
        return self._constant

    @property
    def constant(self) -> Tensor | None:
        """Content where it is known: of constants, and of what nodes make of constants alone."""
        if self._constant is None and self.computable:
            self._constant = self._graph.compute(self)
            self.computable = self._constant is not None
        return self._constant

    @property
    def elem_type(self) -> int:
        """ONNX element type; 0 where inference does not find it."""
        if not self.ready:
            self._graph.infer()
        return self._elem_type

    @property
    def shape(self) -> tuple[Dimension, ...] | None:
        """Sizes, names of symbolic ones, None for unknown ones; None where not even the rank is known."""
        if not self.ready:
            self._graph.infer()
        return self._shape

    def describe_in(self, values: Any) -> None:
        """Append name, type and shape to a repeated field of value infos."""
        if self._info is not None:
            values.append(self._info)
        else:
            info = values.add()
            info.name = self.name
            info.MergeFromString(_type_field(self.elem_type, self.shape or self.likely_shape or ()))


class Graph:
    """Nodes in order, and the values they read and write. Shape inference runs in batches, each node in one of them.

    A graph made with `outer` is the body of one of its nodes: it sees all values of the outer graph, and its constants
    are the outer graph's.
    """

    def __init__(self, opset: int, outer: "Graph | None" = None) -> None:
        self.opset = opset
        self.model = ModelProto()
        self.model.opset_import.add(domain="", version=opset)
        self.proto: GraphProto = self.model.graph
        self._nodes = self.proto.node
        self._outer = outer
        self._depth: int = outer._depth + 1 if outer else 0
        self._values: dict[str, Value] = outer._values if outer else {}
        self._used: dict[str, None] = outer._used if outer else {}
        # the graph that holds the node which makes a value, and the place of the node in it
        self._makers: dict[str, tuple[Graph, int]] = outer._makers if outer else {}
        self.shared: dict[Tensor, Value] = outer.shared if outer else {}
        self._pending: list[int] = []
        self._stand_ins: dict[int, str] = {}
        self._attributes: dict[tuple, bytes] = outer._attributes if outer else {}

    def release(self) -> None:
        """Drop the values, which refer to this graph, so that it can be freed."""
        self._values.clear()
        self._makers.clear()
        self.shared.clear()

    def body(self, name: str) -> "Graph":
        """Begin a graph that becomes an attribute of a node of this one."""
        body = Graph(self.opset, self)
        body.proto.name = name
        return body

    def input(self, name: str, elem_type: int, shape: Sequence[Dimension]) -> Value:
        """Add a value that is given from outside."""
        value = Value(self, name)
        value.set_type(elem_type, tuple(shape))
        self._values[name] = value
        return value

    def constant(self, name: str, tensor: Tensor) -> Value:
        """Add a constant; it reaches the file only if a node or an output uses it."""
        elem_type = ELEMENT_TYPES.get(tensor.dtype)
        if elem_type is None:
            raise ConvertError(f"constant {name!r}: ONNX has no element type for {tensor.dtype}")
        value = Value(self, name, tensor, computable=True)
        value.set_type(elem_type, tensor.shape)
        self._values[name] = value
        return value

    def node(
        self,
        op_type: str,
        inputs: Sequence[Value | None],
        outputs: Sequence[str],
        attributes: Mapping[str, Attribute],
        *,
        named: bool = False,
        like: Value | None = None,
    ) -> list[Value]:
        """Append a node; a None among the inputs is an optional one left out.

        `named` writes the empty name field that the zoo's nodes carry. `like` is a value whose type and shape the one
        output has.
        """
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        fields = [_head(op_type, named), *[self._attribute(name, content) for name, content in attributes.items()]]
        values = self._append(b"".join(fields), inputs, outputs)
        if like is not None and like.ready:
            values[0].set_type(like.elem_type, like.shape)
        else:
            place = len(self._nodes) - 1
            self._pending.append(place)
            if like is not None:
                self._stand_ins[place] = like.name
        return values

    def _append(self, fields: bytes, inputs: Sequence[Value | None], outputs: Sequence[str]) -> list[Value]:
        """Append a node given by its serialized fields but for the names; of its values nothing is known yet."""
        place = len(self._nodes)
        node = self._nodes.add()
        names = [value.name if value is not None else "" for value in inputs]
        node.input.extend(names)
        node.output.extend(outputs)
        node.MergeFromString(fields)
        for name in names:
            self._used[name] = None
        computable = True
        for value in inputs:
            if value is not None and not value.computable:
                computable = False
                break
        values = []
        for name in outputs:
            self._makers[name] = self, place
            self._values[name] = made = Value(self, name, computable=computable)
            values.append(made)
        return values

    def compute(self, value: Value) -> Tensor | None:
        """Evaluate what nodes make of constants; None where ONNX's evaluator has no such node."""
        model = ModelProto(ir_version=onnx.IR_VERSION)
        model.opset_import.add(version=self.opset)
        waiting, seen = [value.name], {"", value.name}
        # a body is written after what its outer graph holds so far
        makers: dict[tuple[int, int], NodeProto] = {}
        while waiting:
            name = waiting.pop()
            stored = self._values[name].stored
            if stored is not None:
                model.graph.initializer.append(tensor_proto(name, stored))
                continue
            graph, place = self._makers[name]
            if self.opset < _EVALUATED_SINCE:
                return None
            node = makers[graph._depth, place] = graph.proto.node[place]
            inputs = set(node.input) - seen
            seen |= inputs
            waiting += sorted(inputs)
        model.graph.node.extend(makers[order] for order in sorted(makers))
        model.graph.output.add(name=value.name)
        try:
            (content,) = ReferenceEvaluator(model).run(None, {})
            return Tensor.of(np.asarray(content))
        except Exception:  # the evaluator raises many classes; what it cannot do stays with the net
            return None

    def has(self, name: str) -> bool:
        """Tell whether a value of this name exists."""
        return name in self._values

    def is_made(self, name: str) -> bool:
        """Tell whether a node makes the value of this name."""
        return name in self._makers

    def close(self, outputs: Sequence[Value], names: Sequence[str]) -> None:
        """Make values the outputs of a body: those that no node of it makes under a name of their own get one.

        Args:
            outputs: the values, which may be the outer graph's, and one of them several times.
            names: names that no value has yet, one for each output.
        """
        closed: list[Value] = []
        for value, name in zip(outputs, names, strict=True):
            made = value
            if self._makers.get(value.name, (None, 0))[0] is not self or value in closed:
                (made,) = self.node("Identity", [value], [name], {}, like=value)
            made.describe_in(self.proto.output)
            closed.append(made)

    def used_constants(self, besides: Sequence[Value]) -> list[Value]:
        """Constants that some node reads, in the order of first use, but for those of `besides`."""
        others = {value.name for value in besides}
        used = [name for name in self._used if name and name not in self._makers and name not in others]
        return [self._values[name] for name in used if self._values[name].stored is not None]

    def add_initializer(self, value: Value) -> None:
        """Write a constant's content into the model."""
        tensor = value.stored
        if tensor is not None:
            # filled field by field, which costs half of what arguments do
            proto = self.proto.initializer.add()
            proto.name = value.name
            proto.data_type = value.elem_type
            proto.dims.extend(tensor.shape)
            if tensor.span is not None:
                point_to(proto, tensor.span)
            else:
                proto.raw_data = tensor.data

    def infer(self) -> None:
        """Infer types and shapes of all values that came since the last call."""
        if self._outer:
            self._outer.infer()
        if not self._pending:
            return
        batch, unknown = self._pending_nodes()
        self._describe_known(batch.graph, unknown)
        self._pending.clear()
        self._stand_ins.clear()
        try:
            inferred = infer_shapes(batch)
        except onnx.shape_inference.InferenceError as error:
            reason = " ".join(str(error).split())
            raise ConvertError(f"the shapes in the net do not fit together: {reason}") from error
        for info in inferred.graph.value_info:
            value = unknown.pop(info.name, None)
            if value is not None and not value.ready:
                value.read_info(info)
        for value in unknown.values():
            if not value.ready:
                value.set_type(0, None)

    def _pending_nodes(self) -> tuple[ModelProto, dict[str, Value]]:
        """A model of the nodes that came since the last inference, and by name the values that they make."""
        batch = ModelProto(ir_version=onnx.IR_VERSION)
        batch.opset_import.add(version=max(self.opset, _INFERRED_OPSET))
        batch.graph.name = "batch"
        unknown: dict[str, Value] = {}
        for place in self._pending:
            node = self.proto.node[place]
            values = [self._values[name] for name in node.output if name]
            if all(value.ready for value in values):
                continue
            unknown.update((value.name, value) for value in values)
            if place in self._stand_ins:
                node = NodeProto(op_type="Identity", input=[self._stand_ins[place]], output=node.output)
            batch.graph.node.append(node)
        return batch, unknown

    def _describe_known(self, graph: GraphProto, unknown: Mapping[str, Value]) -> None:
        """Describe what the nodes read and do not make: types and shapes, and the contents of small constants."""
        for name in dict.fromkeys(name for node in graph.node for name in node.input):
            value = self._values.get(name)
            if value is None or not value.ready or name in unknown:
                continue
            if value.elem_type and value.shape is not None:
                value.describe_in(graph.input)
                content = value.stored
                if content is not None and content.nbytes <= _SHAPE_BYTES:
                    graph.initializer.append(tensor_proto(name, content))

    def _attribute(self, name: str, content: Attribute) -> bytes:
        """The field `attribute` of a node, serialized: nodes have few different ones, and copying messages is slow."""
        if isinstance(content, np.ndarray):
            tensor = tensor_proto("", Tensor.of(content))
            return _as_field(AttributeProto(name=name, type=AttributeProto.TENSOR, t=tensor))
        if isinstance(content, GraphProto):
            return _as_field(onnx.helper.make_attribute(name, content))
        key = (name, type(content), tuple(content) if isinstance(content, (list, tuple)) else content)
        field = self._attributes.get(key)
        if field is None:
            field = self._attributes[key] = _as_field(onnx.helper.make_attribute(name, content))
        return field


@lru_cache(maxsize=1024)
def _head(op_type: str, named: bool) -> bytes:
    node = NodeProto(op_type=op_type)
    if named:
        node.name = ""
    return node.SerializeToString()


def _as_field(attribute: AttributeProto) -> bytes:
    return NodeProto(attribute=[attribute]).SerializeToString()


def value_info(name: str, elem_type: int, shape: Sequence[Dimension]) -> ValueInfoProto:
    """Describe a tensor: its element type and its shape, with names for symbolic sizes and None for unknown ones."""
    info = ValueInfoProto(name=name)
    info.MergeFromString(_type_field(elem_type, tuple(shape)))
    return info


@lru_cache(maxsize=4096)
def _type_field(elem_type: int, shape: tuple[Dimension, ...]) -> bytes:
    """The field `type` of a value info, serialized."""
    tensor = TypeProto.Tensor(elem_type=elem_type)
    tensor.shape.SetInParent()
    for size in shape:
        if isinstance(size, str):
            tensor.shape.dim.add(dim_param=size)
        elif size is None:
            tensor.shape.dim.add()
        elif not -(2**63) <= size < 2**63:
            raise ConvertError(f"a value of the net would have the size {size}, which no tensor has")
        else:
            tensor.shape.dim.add(dim_value=size)
    return ValueInfoProto(type=TypeProto(tensor_type=tensor)).SerializeToString()


def tensor_proto(name: str, tensor: Tensor) -> TensorProto:
    """Make the TensorProto of a constant."""
    return TensorProto(name=name, data_type=ELEMENT_TYPES[tensor.dtype], dims=tensor.shape, raw_data=tensor.data)
