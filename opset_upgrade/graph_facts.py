"""What is known of the values of one graph: names, constants, types, and values that depend on constants only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, helper, numpy_helper
from onnx.external_data_helper import uses_external_data

from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.ports import fixed_sizes, tensor_shape
from zoosmith.onnx_model.traversal import read_names, subgraphs
from zoosmith.opset_upgrade import constant_folding
from zoosmith.opset_upgrade.constant_folding import SMALL
from zoosmith.opset_upgrade.node_editing import get_attribute, tensor_array
from zoosmith.opset_upgrade.type_inference import infer_node, infer_outputs

_OPEN = int(np.iinfo(np.int64).min)


class Body(Protocol):
    """What GraphProto and FunctionProto share."""

    @property
    def node(self) -> Sequence[NodeProto]:
        """The nodes, in topological order."""


class VersionedNode(NamedTuple):
    """A node and the opset at which it is valid."""

    node: NodeProto
    opset: int


class GraphFacts:
    """One graph or function body on its way to another opset.

    Args:
        source: the graph as it came, never changed; facts are found in it.
        names: the names of the whole model.
        opset: the opset of `source`.
        parent: the facts of the graph around a subgraph, whose values the subgraph sees.
        seeds: called once, when a type is first asked for: what shape inference knows of this graph's values.
        overridable: initializers that the caller may replace at run time.
        original: whether the graph came with the model; a rule made it otherwise.
    """

    def __init__(
        self,
        source: Body,
        names: Names,
        opset: int,
        parent: GraphFacts | None,
        seeds: Callable[[], Mapping[str, TypeProto]],
        overridable: frozenset[str] = frozenset(),
        original: bool = True,
    ) -> None:
        self.source = source
        self.names = names
        self.opset = opset
        self.parent = parent
        self.constants: dict[tuple[Any, tuple[int, ...], bytes | tuple[Any, ...]], TensorProto] = {}
        self.tensors: list[TensorProto] = []
        self.original = original
        self._seeds = seeds
        self._overridable = overridable
        self._types: dict[str, TypeProto | None] | None = None
        self._stated: Mapping[str, TypeProto] = {}
        self._values: dict[str, np.ndarray | None] = {}
        self._initializers: dict[str, TensorProto] | None = None
        self._producers: dict[str, VersionedNode] | None = None
        self._newer: dict[str, VersionedNode] = {}
        self._read: set[str] | None = None
        self._indices: set[str] = set()

    # -- constants

    def constant(self, array: np.ndarray) -> str:
        """The name of a constant of that dtype, shape and value; the same one for the same value."""
        return self._constant(array)

    def typed_constant(self, array: np.ndarray, element_type: int) -> str:
        """The name of a constant of an ONNX element type, also of those that numpy lacks."""
        return self._constant(array.astype(helper.tensor_dtype_to_np_dtype(element_type)))

    def _constant(self, array: np.ndarray) -> str:
        is_text = array.dtype.kind in "OUS"
        key = (object, array.shape, tuple(array.flat)) if is_text else (array.dtype, array.shape, array.tobytes())
        if key not in self.constants:
            tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
            tensor.name = self.names.fresh("const")
            self.constants[key] = tensor
            self._values[tensor.name] = numpy_helper.to_array(tensor)
        return self.constants[key].name

    def take_tensor(self, name: str, tensor: TensorProto) -> bool:
        """Make a tensor an initializer of this graph under the given name; False for a function, which has none."""
        if not isinstance(self.source, GraphProto):
            return False
        kept = TensorProto()
        kept.CopyFrom(tensor)
        kept.name = name
        self.tensors.append(kept)
        return True

    # -- producers

    def add_producer(self, node: NodeProto, opset: int) -> None:
        """Tell of a node that was emitted or changed: its outputs are explained by it from now on."""
        copy = NodeProto()
        copy.CopyFrom(node)
        if self._read is not None:
            self._read.update(read_names(copy))
        for name in copy.output:
            if name:
                self._newer[name] = VersionedNode(copy, opset)
                if self._values.get(name, copy) is None:  # the new node may state what the old one did not
                    del self._values[name]

    def producer(self, name: str) -> VersionedNode | None:
        """The node of this graph that makes a value; None for inputs."""
        return self._newer[name] if name in self._newer else self._first_producer(name)

    def _first_producer(self, name: str) -> VersionedNode | None:
        if self._producers is None:
            self._producers = {
                output: VersionedNode(node, self.opset) for node in self.source.node for output in node.output
            }
        return self._producers.get(name)

    def _evaluated_producer(self, name: str) -> VersionedNode | None:
        """The producer, as it came if the evaluator does not know what became of it: both make the same value."""
        newer = self._newer.get(name)
        return (
            newer
            if newer is not None and constant_folding.is_evaluated(*newer)
            else self._first_producer(name) or newer
        )

    @cached_property
    def input_names(self) -> list[str]:
        """The names of the inputs of the graph or function, in their order."""
        given: Iterable[Any] = getattr(self.source, "input", ())
        return [value.name for value in given] if isinstance(self.source, GraphProto) else list(given)

    @cached_property
    def initializer_names(self) -> set[str]:
        """The names of the initializers of the graph, sparse ones among them."""
        if not isinstance(self.source, GraphProto):
            return set()
        names = {tensor.name for tensor in self.source.initializer}
        return names.union(tensor.values.name for tensor in self.source.sparse_initializer)

    def defines(self, name: str) -> bool:
        """Whether the graph as it came, or one around it, makes a value, is given it or has it as initializer."""
        facts: GraphFacts | None = self
        while facts is not None:
            if name in facts.initializer_names or name in facts.input_names or facts._first_producer(name) is not None:
                return True
            facts = facts.parent
        return False

    def is_read(self, name: str) -> bool:
        """Whether a node of this graph, or of one in it, reads a value of it, or the graph gives it out."""
        if self._read is None:
            newer = (found.node for found in self._newer.values())
            self._read = {read for node in (*self.source.node, *newer) for read in read_names(node)}
            outputs: Iterable[ValueInfoProto | str] = getattr(self.source, "output", ())
            self._read.update(value if isinstance(value, str) else value.name for value in outputs)
        return name in self._read

    def owner(self, name: str) -> GraphFacts | None:
        """The facts of the innermost graph that has the value: this one or one around it."""
        facts: GraphFacts | None = self
        while facts is not None and not facts._has(name):
            facts = facts.parent
        return facts

    def _has(self, name: str) -> bool:
        return (
            self.producer(name) is not None
            or name in self.initializers()
            or name in self._values
            or name in self._known()
            or name in self._stated
        )

    def initializers(self) -> dict[str, TensorProto]:
        """The initializers of this graph by name."""
        if self._initializers is None:
            self._initializers = {tensor.name: tensor for tensor in getattr(self.source, "initializer", ())}
        return self._initializers

    def state_indices(self, name: str) -> None:
        """Tell that a new tensor holds sizes or indices, which are never negative, and small."""
        self._indices.add(name)

    def are_indices(self, name: str) -> bool:
        """Whether that was told of a tensor."""
        return name in self._indices or (self.parent is not None and self.parent.are_indices(name))

    def lies_in_file(self, name: str) -> bool:
        """Whether a value is a small initializer whose data was not loaded: with it, more would be known."""
        owner = self.owner(name)
        tensor = None if owner is None else owner.initializers().get(name)
        return tensor is not None and uses_external_data(tensor) and prod(tensor.dims) <= SMALL

    # -- types

    def type(self, name: str) -> TypeProto | None:
        """The type of a value; None where it is unknown."""
        if not name:
            return None
        known = self._known()
        if name in known:
            return known[name]
        facts = self.owner(name)
        return None if facts is None else facts._own_type(name)

    def state_type(self, name: str, like: TypeProto | None, element_type: int) -> None:
        """Tell the type of a new tensor: the shape of another one (None: not known), its own element type."""
        stated = TypeProto()
        if like is not None:
            stated.CopyFrom(like)
        stated.tensor_type.elem_type = element_type
        self._known()[name] = stated

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """The shape of a tensor, None for a dimension that is not fixed; None if not even the rank is known."""
        value_type = self.type(name)
        return None if value_type is None else fixed_sizes(tensor_shape(value_type))

    def _known(self) -> dict[str, TypeProto | None]:
        if self._types is None:
            self._stated = self._seeds()
            # of a tensor without a shape more may be found from what makes it
            complete = (item for item in self._stated.items() if _has_shape(item[1]))
            self._types = dict(complete)
        return self._types

    def _own_type(self, name: str) -> TypeProto | None:
        types = self._known()
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in types:
                waiting.pop()
                continue
            found = self.producer(current)
            if found is None:
                types[current] = self._constant_type(current) or self._stated.get(current)
                continue
            missing = [i for i in found.node.input if i and i not in types and self._is_local(i)]
            if missing and not any(i in waiting for i in missing):
                waiting.extend(missing)
                continue
            self._infer(found, types)
        return types[name]

    def _infer(self, maker: VersionedNode, types: dict[str, TypeProto | None]) -> None:
        """Add the types of what a node makes to `types`, None for those that inference does not find."""
        outputs = maker.node.output
        types.update({output: None for output in outputs if output not in types})
        inferred: Mapping[str, TypeProto]
        if subgraphs(maker.node):
            inferred = infer_node(*maker, self.type, self.value)[()]
        else:
            inferred = infer_outputs(*maker, self.type, self.value)
        for output in outputs:
            if types[output] is None:
                types[output] = inferred.get(output) or self._stated.get(output)

    def _constant_type(self, name: str) -> TypeProto | None:
        tensor = self.initializers().get(name)
        if tensor is not None:
            return helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        value = self._values.get(name)
        if value is None:
            return None
        return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), list(value.shape))

    # -- values

    def value(self, name: str) -> np.ndarray | None:
        """The value of a small tensor that depends on constants only, None if it does not."""
        if not name:  # an output that is left out is none
            return None
        if name in self._values:
            return self._values[name]
        facts = self.owner(name)
        return None if facts is None else facts._own_value(name)

    def _own_value(self, name: str) -> np.ndarray | None:
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in self._values:
                waiting.pop()
                continue
            found = self._evaluated_producer(current)
            if found is None:
                self._values[current] = self._initializer_value(current)
                continue
            read = () if constant_folding.reads_shape_only(found.node) else found.node.input
            missing = [i for i in read if i and i not in self._values and self._is_local(i)]
            if missing and not any(i in waiting for i in missing):
                waiting.extend(missing)
                continue
            # not known while it is asked for: a malformed model may have a cycle
            self._values.update((output, None) for output in found.node.output if output)
            self._values.update(self._folded(found))
        return self._values[name]

    def _folded(self, maker: VersionedNode) -> dict[str, np.ndarray | None]:
        """Values of a node's outputs; of sizes that are picked from a shape, the others need not be known."""
        node = maker.node
        values = constant_folding.fold(*maker, self.shape, self.value, SMALL)
        if node.op_type not in ("Gather", "Slice") or values.get(node.output[0]) is not None:
            return values
        given = self._sizes_read(node.input[0])
        if given is None:
            return values

        def value_of(name: str) -> np.ndarray | None:
            return given if name == node.input[0] else self.value(name)

        picked = constant_folding.fold(*maker, self.shape, value_of, SMALL)
        return {name: None if found is None or (found == _OPEN).any() else found for name, found in picked.items()}

    def _sizes_read(self, name: str) -> np.ndarray | None:
        """The sizes that a Shape node gives, `_OPEN` for those that only the run tells; None for another node."""
        maker = self._evaluated_producer(name)
        shape = self.shape(maker.node.input[0]) if maker is not None and maker.node.op_type == "Shape" else None
        if maker is None or shape is None or maker.node.domain:
            return None
        start, end = get_attribute(maker.node, "start", 0), get_attribute(maker.node, "end")
        return np.array([_OPEN if size is None else size for size in shape[start:end]], dtype=np.int64)

    def take_default(self, name: str, refresh: Callable[[], None]) -> bool:
        """Take an initializer that the caller may override for a constant; False if it is none.

        `refresh` is called before types are asked for anew.
        """
        facts = self.owner(name)
        if facts is None or name not in facts._overridable:
            return False
        facts._overridable = facts._overridable - {name}
        refresh()
        scope: GraphFacts | None = self
        while scope is not None:  # what was not known may be now
            scope._values = {known: value for known, value in scope._values.items() if value is not None}
            if scope._types is not None:
                found = {known: type_ for known, type_ in scope._types.items() if type_ and _has_shape(type_)}
                scope._types = None
                scope._known().update(found)
            scope = scope.parent
        return True

    def _is_local(self, name: str) -> bool:
        return self.producer(name) is not None or name in self.initializers()

    def _initializer_value(self, name: str) -> np.ndarray | None:
        tensor = self.initializers().get(name)
        if tensor is None or name in self._overridable:
            return None
        return small_value(tensor)


def _has_shape(value_type: TypeProto) -> bool:
    return value_type.tensor_type.HasField("shape") or value_type.WhichOneof("value") != "tensor_type"


def small_value(tensor: TensorProto) -> np.ndarray | None:
    """The value of a tensor that lies in the model and is small, else None."""
    if tensor.data_location == TensorProto.EXTERNAL or int(np.prod(tensor.dims, dtype=object)) > SMALL:
        return None
    return tensor_array(tensor)
