"""What stands for one node, without what need not be computed at run time."""

from collections.abc import Iterable, Sequence

from onnx import NodeProto, helper

from opset_upgrade.nodes import read_names, subgraphs
from opset_upgrade.scope import Scope


def is_known(node: NodeProto, scope: Scope) -> bool:
    """Whether every output of the node has a value that depends on constants only."""
    return not subgraphs(node) and all(not name or scope.value(name) is not None for name in node.output)


def taken_branch(node: NodeProto, scope: Scope) -> list[NodeProto] | None:
    """The nodes of the branch that an If takes whose condition depends on constants only; None for any other node.

    Names within the branch must be unique in the model.
    """
    if node.op_type != "If" or node.domain:
        return None
    condition = scope.value(node.input[0])
    if condition is None:
        return None
    branch = dict(subgraphs(node))["then_branch" if condition.item() else "else_branch"]
    if branch.initializer or branch.sparse_initializer:
        return None
    copies = [
        helper.make_node("Identity", [made.name], [name])
        for made, name in zip(branch.output, node.output, strict=False)
        if name
    ]
    return [*branch.node, *copies]


def tidy(nodes: Sequence[NodeProto], results: Iterable[str], scope: Scope) -> list[NodeProto]:
    """Replace nodes with known values by constants of the scope, and leave out those that nothing reads.

    Args:
        nodes: in topological order; edited in place.
        results: names that are read elsewhere.
        scope: the scope of the nodes.
    """
    wanted = {name for name in results if name}
    known: set[str] = set()
    copied: set[str] = set()
    kept: list[NodeProto] = []
    for node in nodes:
        if is_known(node, scope):
            known.update(node.output)
            kept.extend(_copies([name for name in node.output if name in wanted], scope))
            copied.update(wanted.intersection(node.output))
            continue
        node.input[:] = [_constant(scope, name) if name and name in known else name for name in node.input]
        inside = read_names(node) & known - copied  # what its graphs read
        kept.extend(_copies(sorted(inside), scope))
        copied |= inside
        kept.append(node)
    return _without_dead(kept, wanted)


def _constant(scope: Scope, name: str) -> str:
    value = scope.value(name)
    assert value is not None  # is_known
    return scope.constant(value)


def _copies(names: Iterable[str], scope: Scope) -> list[NodeProto]:
    return [helper.make_node("Identity", [_constant(scope, name)], [name]) for name in names]


def _without_dead(nodes: Iterable[NodeProto], wanted: set[str]) -> list[NodeProto]:
    read = set(wanted)
    alive = []
    for node in reversed(list(nodes)):
        if read.isdisjoint(node.output):
            continue
        read |= read_names(node)
        alive.append(node)
    return alive[::-1]
