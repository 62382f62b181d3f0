"""Operators written again as an equal one was: deep nets repeat few forms, and following a translator costs most."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from zoosmith.convert.graph import Dimension, Graph, Value, Written
from zoosmith.convert.naming import Names
from zoosmith.convert.operator import Operator
from zoosmith.convert.proto.caffe2_pb2 import OperatorDef

# everything that a translator of `alike` operators looks at
Key: TypeAlias = tuple[object, ...]


class _Made(NamedTuple):
    """A value that a node makes: the output of the operator whose name it has, None for a helper's, and its type."""

    output: int | None
    elem_type: int
    shape: tuple[Dimension, ...]


class _Node(NamedTuple):
    """A node without its names: what it reads are places among the values that the operator has to do with."""

    fields: bytes
    inputs: list[int]
    made: list[_Made]


class Form(NamedTuple):
    """What an operator became. The values it has to do with: `fixed` ones, its inputs, then what its nodes make.

    The first fixed one is None, which stands for an input left out and an output not made.
    """

    fixed: list[Value | None]
    nodes: list[_Node]
    results: list[int]

    def write(self, graph: Graph, names: Names, inputs: Sequence[Value], outputs: Sequence[str]) -> list[Value | None]:
        """Write the nodes for other inputs and outputs, and give the value of each output, None for one not made."""
        values = [*self.fixed, *inputs]
        for fields, read, made in self.nodes:
            written = [outputs[new.output] if new.output is not None else names.helper() for new in made]
            for value, new in zip(graph.write(fields, [values[i] for i in read], written), made, strict=True):
                value.know(new.elem_type, new.shape)
                values.append(value)
        return [values[place] for place in self.results]


def form_key(op: OperatorDef, inputs: Sequence[Value], outputs: int) -> Key | None:
    """What operators of one form have in common; None where an input's type and shape are not known yet."""
    arguments = b"".join([argument.SerializeToString() for argument in op.arg[:]])
    known = [value.known for value in inputs]
    return (op.type, op.engine, arguments, outputs, *known) if None not in known else None


def form_of(op: Operator, written: Sequence[Written], outputs: int) -> Form | None:
    """Learn the form of a translated operator; None where it holds something that belongs to this operator alone."""
    shared = {
        id(value): value for node in written for value in node.inputs if value is not None and op.graph.is_shared(value)
    }
    fixed = [None, *shared.values()]
    values = [*fixed, *op.inputs]
    places = {id(value): place for place, value in enumerate(values)}
    if op.shares or len(places) < len(values):
        return None
    nodes = []
    for node in written:
        made = []
        for value in node.outputs:
            if value.known is None or value.shape is None:
                return None
            output = op.output_names.index(value.name) if value.name in op.output_names else None
            made.append(_Made(output, value.elem_type, value.shape))
        read = [places.get(id(value)) for value in node.inputs]
        if None in read:
            return None
        nodes.append(_Node(node.fields, [place for place in read if place is not None], made))
        for value in node.outputs:
            places[id(value)] = len(places)
    results = [places.get(id(op.bound.get(index))) for index in range(outputs)]
    if None in results:
        return None
    return Form(fixed, nodes, [place for place in results if place is not None])
