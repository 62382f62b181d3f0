"""What a rule sees of the model around its node, and how it writes the nodes that replace it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, helper

from zoosmith.onnx_model.argument_names import argument
from zoosmith.opset_upgrade.caveats import Admitted, CaveatKind
from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.graph_editing import open_shape
from zoosmith.opset_upgrade.graph_facts import GraphFacts, VersionedNode
from zoosmith.opset_upgrade.node_editing import get_attribute
from zoosmith.opset_upgrade.schemas import ML_DOMAIN, defaults, operator_of, type_string

Branch = tuple[str, Sequence[str], Mapping[str, Any]]
"""Operator, inputs and attributes of a node that stands alone in a branch."""


class Writer:
    """What a rule sees and writes at one node.

    A rule that only edits `node` in place emits nothing: the node stays where it is. One that emits nodes with `op`
    replaces the node by them, and calls `keep` where the edited node itself belongs among them.

    Attributes:
        opset: the opset at which everything that the rule leaves must be valid.
        target: the opset that the whole model is on its way to.
        nodes: what was emitted, each with the opset at which it is valid.
        removed: whether the node goes without any other in its place.
        admitted: where what was emitted does not hold.
    """

    def __init__(
        self, facts: GraphFacts, node: NodeProto, opset: int, target: int, source: int, *, exact: bool = False
    ) -> None:
        self.facts = facts
        self.opset = opset
        self.target = target
        self.nodes: list[VersionedNode] = []
        self.removed = False
        self.admitted: list[Admitted] = []
        self._exact = exact
        self._node = node
        self._source = source

    # -- the node

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of the node's attribute, else the default of its schema, else `default`. Strings come as str."""
        value = get_attribute(self._node, name)
        if value is None:
            value = defaults(operator_of(self._node), self._source).get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def refuse(self, reason: str) -> NoReturn:
        """Give up on this node: it cannot keep its meaning at the target."""
        raise Refusal(reason)

    def admit(self, kind: CaveatKind, reason: str) -> None:
        """State that what the rule emits does not hold everywhere; refuses where only exact ways are asked for.

        Args:
            kind: what kind of difference there may be.
            reason: what it comes from, in words that follow a colon.
        """
        caveat = Admitted(kind, reason)
        if self._exact:
            raise Refusal(f"no exact way is known ({caveat}; leave out {argument('exact')} to take it)")
        if caveat not in self.admitted:
            self.admitted.append(caveat)

    # -- facts

    def type(self, name: str) -> TypeProto | None:
        """The type of a value, None if it is not known."""
        return self.facts.type(name)

    def element_type(self, name: str) -> int:
        """The TensorProto element type of a tensor; refuses if it is not known."""
        value_type = self.facts.type(name)
        if value_type is None or not value_type.tensor_type.elem_type:
            raise Refusal(f"the element type of {name!r} is not known")
        return value_type.tensor_type.elem_type

    def type_string(self, name: str) -> str:
        """The type of a value as schemas write it, `tensor(float)`; refuses if it is not known."""
        value_type = self.facts.type(name)
        found = None if value_type is None else type_string(value_type)
        if found is None:
            raise Refusal(f"the type of {name!r} is not known")
        return found

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """The shape of a tensor, None for a dimension that is not fixed; None if not even the rank is known."""
        return self.facts.shape(name)

    def static_shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, all dimensions fixed; refuses if they are not."""
        shape = self.facts.shape(name)
        if shape is None or None in shape:
            raise Refusal(f"the shape of {name!r} is not fixed{self._open_axes(name)}", for_sizes=True)
        return tuple(dimension for dimension in shape if dimension is not None)

    def _open_axes(self, name: str) -> str:
        """Which axes have no fixed size, and their symbols; empty where not even the rank is known."""
        known = self.facts.type(name)
        dimensions = enumerate(() if known is None else known.tensor_type.shape.dim)
        axes = [
            f"axis {axis}" + (f" is {size.dim_param!r}" if size.dim_param else "")
            for axis, size in dimensions
            if not size.HasField("dim_value")
        ]
        return f" ({', '.join(axes)})" if axes else ""

    def fixed_size(self, name: str, axis: int, why: str) -> int:
        """The size of a tensor along an axis; refuses, and says why it must be known, if it is not fixed."""
        shape = self.facts.shape(name)
        size = None if shape is None else shape[axis]
        if size is None:
            raise Refusal(f"size {axis} of {name!r} is not fixed, and {why}", for_sizes=True)
        return size

    def rank(self, name: str) -> int:
        """The rank of a tensor; refuses if it is not known."""
        shape = self.facts.shape(name)
        if shape is None:
            raise Refusal(f"the rank of {name!r} is not known", for_sizes=True)
        return len(shape)

    def value(self, name: str) -> np.ndarray | None:
        """The value of a tensor that depends on constants only, None if it does not (or is large)."""
        return self.facts.value(name)

    def producer(self, name: str) -> NodeProto | None:
        """The node that makes a value, in this graph or in one around it; None for inputs and initializers."""
        owner = self.facts.owner(name)
        found = None if owner is None else owner.producer(name)
        return None if found is None else found.node

    def is_read(self, name: str) -> bool:
        """Whether anything reads a value that the node makes; False for the empty name of an output left out."""
        return self.facts.is_read(name)

    def constant_input(self, index: int, what: str) -> np.ndarray | None:
        """The value of an input, None if the node leaves it out; refuses if it is computed at run time."""
        if index >= len(self._node.input) or not self._node.input[index]:
            return None
        value = self.facts.value(self._node.input[index])
        if value is None:
            raise Refusal(f"{what} ({self._node.input[index]!r}) is computed at run time", for_sizes=True)
        return value

    def required_constant(self, index: int, what: str) -> np.ndarray:
        """The value of an input; refuses if the node leaves it out, or if it is computed at run time."""
        value = self.constant_input(index, what)
        if value is None:
            raise Refusal(f"{what} is left out")
        return value

    # -- writing

    def op(
        self,
        operator: str,
        *inputs: str,
        output: str = "",
        opset: int | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Emit a node with one output.

        Args:
            operator: its name.
            inputs: names of the inputs, empty for those left out.
            output: name of the output; a new one if it is not given.
            opset: where the node is valid, if that is not `self.opset`.
            domain: of the operator.
            attributes: those that are None are left out.

        Returns:
            The name of the output.
        """
        made = NodeProto(op_type=operator, domain=domain, output=[output or self.fresh(operator)])
        made.input[:] = _without_trailing_blanks(inputs)
        if self._node.name:
            made.name = self.facts.names.fresh(f"{self._node.name}/{operator}")
        for key, value in attributes.items():
            if value is not None:
                made.attribute.append(helper.make_attribute(key, value))
        self.emit(made, opset)
        return made.output[0]

    def emit(self, node: NodeProto, opset: int | None = None) -> None:
        """Emit a node that was made elsewhere, valid at `opset` of its domain (default: `self.opset`).

        A rule of ai.onnx.ml that emits nodes of the default domain need not say where: by default, at the graph's.
        """
        if opset is None:
            foreign = node.domain != self._node.domain and self._node.domain == ML_DOMAIN
            opset = self.facts.opset if foreign else self.opset
        made = VersionedNode(node, opset)
        self.nodes.append(made)
        self.facts.add_producer(*made)

    def choose(self, condition: str, then: Branch, otherwise: Branch, *, one_shape: bool = False) -> str:
        """Emit an If whose branches are one node each; returns the name of its output.

        `one_shape` states that both branches come to one shape.
        """
        graphs = []
        for operator, inputs, attributes in (then, otherwise):
            made = helper.make_node(operator, list(inputs), [self.fresh(operator)], **attributes)
            graphs.append(GraphProto(name=operator, node=[made], output=[ValueInfoProto(name=made.output[0])]))
        if self.target < 11 and not one_shape:
            # before 11 shape inference requires one shape of both branches: leave it open in both
            for graph, taken_if in zip(graphs, (True, False), strict=True):
                open_shape(graph, 0, condition, self.fresh, taken_if=taken_if)
        return self.op("If", condition, then_branch=graphs[0], else_branch=graphs[1])

    def either(
        self, condition: str, then: Callable[[], str], otherwise: Callable[[], str], opset: int | None = None
    ) -> str:
        """Emit an If whose branches hold what two functions emit; returns the name of its output.

        Args:
            condition: a tensor of one bool.
            then: emits a branch at `self.opset` and returns the name of its result.
            otherwise: the same for the other branch; both results are of one shape.
            opset: where all of it is valid, if that is not `self.opset`, which it is meanwhile.
        """
        graphs = []
        own, self.opset = self.opset, opset or self.opset
        for build in (then, otherwise):
            outer, self.nodes = self.nodes, []
            result = build()
            inner, self.nodes = self.nodes, outer
            assert all(at == self.opset for _, at in inner), "a branch has one opset"
            made = [node for node, _ in inner]
            graphs.append(GraphProto(name="branch", node=made, output=[ValueInfoProto(name=result)]))
        chosen = self.op("If", condition, then_branch=graphs[0], else_branch=graphs[1])
        self.opset = own
        return chosen

    def keep(self) -> None:
        """Emit the node itself, as edited."""
        self.emit(self._node)

    def again(self) -> None:
        """Emit the node itself as it came, to take the same step once more: with inputs of which more is known."""
        self.emit(self._node, self._source)

    def fold(self) -> bool:
        """Emit the node's outputs as the constants that they are, in place of whatever was emitted.

        Returns False, and does nothing, if an output is not known: it depends on what the model is fed, or onnx's
        evaluator makes another shape than its inference.
        """
        names = [name for name in self._node.output if name]
        values = [self.facts.value(name) for name in names]
        known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        # types are asked for last: what is emitted next may tell more of them
        if not names or len(known) < len(names) or not all(map(self._is_stated, known, known.values())):
            return False
        self.nodes.clear()
        self.admitted.clear()
        for name, value in zip(names, values, strict=True):
            self.op("Identity", self.facts.constant(value), output=name)  # type: ignore[arg-type]  # none is None
        return True

    def _is_stated(self, name: str, value: np.ndarray) -> bool:
        """Whether a value is of the shape that is known of it."""
        shape = self.facts.shape(name)
        if shape is None:
            return True
        return len(shape) == value.ndim and all(size in (None, n) for size, n in zip(shape, value.shape, strict=True))

    def inline(self, function: FunctionProto, opset: int) -> None:
        """Emit a function's body in place of the node, with its formal names, attributes and inner names replaced."""
        names = {"": ""}
        for formals, actuals in ((function.input, self._node.input), (function.output, self._node.output)):
            for index, formal in enumerate(formals):
                names[formal] = actuals[index] if index < len(actuals) else ""
        missing = {formal for index, formal in enumerate(function.output) if not names[formal]}
        for formal in missing:
            names[formal] = self.fresh(formal)
        given = {attribute.name: attribute for attribute in self._node.attribute}
        body = list(function.node)
        for inner in body:
            for name in inner.output:
                if name not in names:
                    names[name] = self.fresh(name)
        for inner in body:
            made = NodeProto()
            made.CopyFrom(inner)
            made.name = ""
            _rename(made, names, given, self.fresh)
            self.emit(made, opset)

    def fresh(self, hint: str) -> str:
        """A value name that the model does not use."""
        stem = next((name for name in self._node.output if name), self._node.name)
        return self.facts.names.fresh(f"{stem}/{hint}")

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """The name of a constant tensor of that value (a number, a list or an array)."""
        try:
            array = np.asarray(value, dtype=dtype)
        except OverflowError:  # a product of sizes that no memory holds
            self.refuse(f"its sizes come to {value}, which is no number of type {np.dtype(dtype)}")
        return self.facts.constant(array)

    def initializer(self, constant: NodeProto, tensor: TensorProto) -> None:
        """Give a tensor as initializer in place of the Constant node that held it."""
        if not self.facts.take_tensor(constant.output[0], tensor):
            raise Refusal("a Constant of this type does not exist there, and a function has no initializers")
        self.removed = True

    def typed_constant(self, array: np.ndarray, element_type: int) -> str:
        """The name of a constant tensor of an ONNX element type, also of those that numpy lacks."""
        return self.facts.typed_constant(array, element_type)

    def state_type(self, name: str, like: TypeProto | None, element_type: int) -> None:
        """State the type of a new tensor: the shape of `like` (None: not known) and an element type."""
        self.facts.state_type(name, like, element_type)

    def scalar_like(self, name: str, number: float) -> str:
        """The name of a constant scalar that has the element type of the tensor `name`; refuses one of texts."""
        kind = self.element_type(name)
        if kind == TensorProto.STRING:
            self.refuse(f"{name!r} holds texts, where the operator takes numbers")
        return self.typed_constant(np.asarray(number), kind)


def _without_trailing_blanks(names: Iterable[str]) -> list[str]:
    kept = list(names)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _rename(node: NodeProto, names: dict[str, str], given: dict[str, Any], fresh: Callable[[str], str]) -> None:
    """Replace names and the attributes that refer to a parameter of the function, in subgraphs too."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    _fill_parameters(node, given)
    # from the last to the first, the order in which new names are made
    for attribute in reversed(node.attribute):
        for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") or attribute.graphs else ():
            _rename_graph(graph, names, given, fresh)


def _fill_parameters(node: NodeProto, given: dict[str, Any]) -> None:
    """Replace each attribute that refers to a parameter of the function by what is given for it; drop it if nothing."""
    for index in reversed(range(len(node.attribute))):
        attribute = node.attribute[index]
        if not attribute.ref_attr_name:
            continue
        actual = given.get(attribute.ref_attr_name)
        if actual is None:
            del node.attribute[index]
            continue
        name = attribute.name
        attribute.CopyFrom(actual)
        attribute.name = name


def _rename_graph(graph: GraphProto, names: dict[str, str], given: dict[str, Any], fresh: Callable[[str], str]) -> None:
    """Rename within a subgraph, whose own names hide those around it and must be unique in the model."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own.update(name for inner in graph.node for name in inner.output if name)
    visible = {**names, **{name: fresh(name) for name in sorted(own)}}
    for inner in graph.node:
        _rename(inner, visible, given, fresh)
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = visible.get(value.name, value.name)
    for tensor in graph.initializer:
        tensor.name = visible[tensor.name]
