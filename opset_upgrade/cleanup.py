"""Clean up the nodes that replace one node: fold constants, remove copies and what nothing reads."""

from collections.abc import Iterable, Sequence

from onnx import NodeProto, helper

from zoosmith.onnx_model.traversal import read_names, subgraphs
from zoosmith.opset_upgrade.graph_facts import GraphFacts
from zoosmith.opset_upgrade.node_editing import get_attribute


def is_known(node: NodeProto, facts: GraphFacts) -> bool:
    """Whether every output of the node has a value that depends on constants only."""
    return not subgraphs(node) and all(not name or facts.value(name) is not None for name in node.output)


def taken_branch(node: NodeProto, facts: GraphFacts) -> list[NodeProto] | None:
    """The nodes of the branch that an If takes whose condition depends on constants only; None for any other node.

    Names within the branch must be unique in the model.
    """
    if node.op_type != "If" or node.domain:
        return None
    condition = facts.value(node.input[0])
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


def clean_up(nodes: Sequence[NodeProto], results: Iterable[str], facts: GraphFacts) -> list[NodeProto]:
    """Replace nodes with known values by constants, and leave out those that nothing reads.

    Args:
        nodes: in topological order; edited in place.
        results: names that are read elsewhere.
        facts: the facts of the graph that the nodes are in.
    """
    wanted = {name for name in results if name}
    known: set[str] = set()
    copied: set[str] = set()
    kept: list[NodeProto] = []
    for node in nodes:
        if is_known(node, facts):
            known.update(node.output)
            kept.extend(_copies([name for name in node.output if name in wanted], facts))
            copied.update(wanted.intersection(node.output))
            continue
        node.input[:] = [_constant(facts, name) if name and name in known else name for name in node.input]
        inside = read_names(node) & known - copied  # what its graphs read
        kept.extend(_copies(sorted(inside), facts))
        copied |= inside
        kept.append(node)
    return _without_dead(_without_copies(kept, wanted, facts), wanted)


def _constant(facts: GraphFacts, name: str) -> str:
    value = facts.value(name)
    assert value is not None  # is_known
    return facts.constant(value)


def _copies(names: Iterable[str], facts: GraphFacts) -> list[NodeProto]:
    return [helper.make_node("Identity", [_constant(facts, name)], [name]) for name in names]


def _without_copies(nodes: Iterable[NodeProto], wanted: set[str], facts: GraphFacts) -> list[NodeProto]:
    """Leave out nodes that change nothing, by giving their readers or their maker the other name."""
    nodes = list(nodes)
    made = {name for node in nodes for name in node.output}
    inside = {name for node in nodes for name in read_names(node) if name not in node.input}
    names: dict[str, str] = {}
    kept: list[NodeProto] = []
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        if _is_copy(node, facts):
            source, copy = node.input[0], node.output[0]
            if copy not in wanted and copy not in inside:
                names[copy] = source
                continue
            if source in made - wanted - inside:
                for other in kept:
                    other.input[:] = [copy if name == source else name for name in other.input]
                    other.output[:] = [copy if name == source else name for name in other.output]
                names.update({name: copy for name, now in names.items() if now == source})
                names[source] = copy
                made.discard(source)
                continue
        kept.append(node)
    return kept


def _is_copy(node: NodeProto, facts: GraphFacts) -> bool:
    if node.domain or node.op_type not in ("Identity", "Cast"):
        return False
    known = facts.type(node.input[0])
    to_same = known is not None and known.tensor_type.elem_type == get_attribute(node, "to")
    return node.op_type == "Identity" or to_same


def _without_dead(nodes: Iterable[NodeProto], wanted: set[str]) -> list[NodeProto]:
    read = set(wanted)
    alive = []
    for node in reversed(list(nodes)):
        if read.isdisjoint(node.output):
            continue
        read |= read_names(node)
        alive.append(node)
    return alive[::-1]
