"""Branches of If that are taken always."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.names import Names
from zoosmith.optimize.values import (
    attribute,
    input_constant,
    input_value,
    is_standard,
    name_of,
    new_names,
    new_node,
    replace_value,
    sizes,
)

Simplify = Callable[[ir.Model], object]

# operators whose first input has three axes
_RECURRENT = ("LSTM", "GRU", "RNN")


class InlineBranches(ir.passes.InPlacePass):
    """Put the branch of an If in its place where it is known which one is taken.

    That is so where the condition is a constant; and where it asks for an axis of size 1, drops that axis if there is
    one, and the model cannot run to its end if there is none, as the rank of a later value would be wrong. So
    PyTorch exports `squeeze(axis)` of an open size. What is left, a Squeeze, refuses other sizes as well.

    Args:
        simplify: folds the constants of a model and states its shapes, in place, and takes no assumption.
    """

    def __init__(self, simplify: Simplify) -> None:
        super().__init__()
        self._simplify = simplify

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        changed = inline_decided(model)
        for node in [] if changed else list(model.graph):
            if _is_conditional_squeeze(node) and self._cannot_be_left_out(model, node):
                _inline(model, node, node.attributes["then_branch"].as_graph())
                changed = True
                break
        return ir.passes.PassResult(model, changed)

    def _cannot_be_left_out(self, model: ir.Model, node: ir.Node) -> bool:
        trial = model.clone()
        name = name_of(node.outputs[0])
        [same] = [each for each in trial.graph if each.outputs and each.outputs[0].name == name]
        _inline(trial, same, same.attributes["else_branch"].as_graph())
        self._simplify(trial)
        return any(_is_impossible(each) for each in trial.graph)


def inline_decided(model: ir.Model) -> bool:
    """Inline the branches of each If of the graph whose condition is a constant; return whether there was one."""
    changed = False
    for node in list(model.graph):
        condition = input_constant(node, 0) if is_standard(node, "If") else None
        if condition is not None and condition.size == 1:
            _inline(model, node, node.attributes["then_branch" if condition.item() else "else_branch"].as_graph())
            changed = True
    return changed


def _is_conditional_squeeze(node: ir.Node) -> bool:
    """Whether an If drops one axis of a value where that is of size 1, and else leaves the value as it is."""
    if not is_standard(node, "If") or len(node.outputs) != 1:
        return False
    then_nodes, else_nodes = (list(node.attributes[name].as_graph()) for name in ("then_branch", "else_branch"))
    if len(then_nodes) != 1 or len(else_nodes) != 1:
        return False
    [squeeze], [identity] = then_nodes, else_nodes
    source = input_value(squeeze, 0)
    shape = sizes(source)
    if not is_standard(squeeze, "Squeeze") or not is_standard(identity, "Identity") or not shape:
        return False
    axes = input_constant(squeeze, 1) if len(squeeze.inputs) > 1 else attribute(squeeze, "axes")
    if input_value(identity, 0) is not source or axes is None or np.size(axes) != 1:
        return False
    return _asks_for_one(input_value(node, 0), source, int(np.ravel(axes)[0]) % len(shape), len(shape))


def _asks_for_one(condition: ir.Value | None, source: ir.Value | None, axis: int, rank: int) -> bool:
    """Whether a condition is that a value has size 1 along an axis."""
    equal = condition.producer() if condition is not None else None
    if equal is None or not is_standard(equal, "Equal"):
        return False
    for size, one in ((0, 1), (1, 0)):
        number, gather = input_constant(equal, one), input_value(equal, size)
        chosen = gather.producer() if gather is not None else None
        if number is None or number.size != 1 or number.item() != 1 or chosen is None:
            continue
        index, shape = input_constant(chosen, 1), input_value(chosen, 0)
        of_shape = shape.producer() if shape is not None and is_standard(chosen, "Gather") else None
        if of_shape is None or not is_standard(of_shape, "Shape") or of_shape.attributes or index is None:
            continue
        if input_value(of_shape, 0) is source and index.size == 1 and index.item() % rank == axis:
            return True
    return False


def _is_impossible(node: ir.Node) -> bool:
    """Whether a node cannot run for the rank of what it reads."""
    rank = _rank(input_value(node, 0))
    if rank is None:
        return False
    if is_standard(node, *_RECURRENT):
        return rank != 3
    weights = _rank(input_value(node, 1)) if is_standard(node, "Conv") else None
    return weights is not None and weights != rank


def _rank(value: ir.Value | None) -> int | None:
    """The rank of a value; behind an operator that shape inference finds wrong it states none, so that this asks on."""
    shape, maker = sizes(value), value.producer() if value is not None else None
    if shape is not None:
        return len(shape)
    if maker is None or not is_standard(maker, "Identity", "Squeeze", "Unsqueeze"):
        return None
    before, axes = _rank(maker.inputs[0]), input_constant(maker, 1)
    if before is None or maker.op_type == "Identity":
        return before
    count = len(attribute(maker, "axes", ())) if axes is None else axes.size
    return None if not count else before + (count if maker.op_type == "Unsqueeze" else -count)


def _inline(model: ir.Model, node: ir.Node, branch: ir.Graph) -> None:
    """Put the nodes of a branch in place of its If."""
    graph = model.graph
    for each in node.attributes.values():
        if each.as_graph() is not branch:
            _let_go(each.as_graph())
    names, defined = new_names(model), Counter(name for name in _defined(model))
    outputs = list(branch.outputs)
    branch.outputs.clear()
    for value in list(branch.initializers.values()):
        del branch.initializers[name_of(value)]
        _rename(value, names, defined)
        graph.register_initializer(value)
    for inner in list(branch):
        branch.remove(inner)
        for value in inner.outputs:
            _rename(value, names, defined)
        graph.insert_before(node, inner)
    for old, made in zip(node.outputs, outputs, strict=True):
        result = ir.Value()
        graph.insert_before(node, new_node("Identity", [made], result))
        replace_value(old, result)
        result.shape = made.shape if made.shape is not None else result.shape
    graph.remove(node, safe=True)


def _let_go(branch: ir.Graph) -> None:
    """Let the nodes of a branch, and of graphs inside it, read nothing, so that nothing seems to be in use by them."""
    for node in ir.traversal.RecursiveGraphIterator(branch):
        for index in range(len(node.inputs)):
            node.replace_input_with(index, None)


def _rename(value: ir.Value, names: Names, defined: Counter[str]) -> None:
    """Give a value another name where branches have values of the same one."""
    if value.name and defined[value.name] > 1:
        value.name = names.fresh(value.name)


def _defined(model: ir.Model) -> Iterator[str]:
    for graph in model.graphs():
        yield from (value.name or "" for value in (*graph.inputs, *graph.initializers.values()))
        yield from (value.name or "" for node in graph for value in node.outputs)
