"""Steps that fail: whether the node is at fault, or the rule."""

from onnx import NodeProto

from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.graph_facts import GraphFacts
from zoosmith.opset_upgrade.node_validity import check_attributes, check_inputs, check_ranks
from zoosmith.opset_upgrade.schemas import operator_of, schema_at
from zoosmith.opset_upgrade.type_inference import fault_of
from zoosmith.opset_upgrade.version_steps import Step, check_types
from zoosmith.opset_upgrade.writer import Writer


def apply_step(step: Step, node: NodeProto, writer: Writer, opset: int) -> None:
    """Take a node, valid at `opset`, through a step.

    Raises Refusal where the step's rule does, or fails on what the node's schema or onnx's inference refuses.
    """
    try:
        step.apply(node, writer)
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        NotImplementedError,
        StopIteration,
    ) as error:
        fault = _misfit(node, opset, writer.facts) or fault_of(node, opset, writer.facts.type, writer.facts.value)
        if fault is None:
            raise
        raise Refusal(f"it is malformed: {fault}") from error


def _misfit(node: NodeProto, opset: int, facts: GraphFacts) -> str | None:
    """What of a node does not fit its operator: inputs, attributes, element types, ranks; None where all fits."""
    operator = operator_of(node)
    if schema_at(operator, opset) is None:
        return None
    try:
        check_inputs(node, operator, opset, complete=False)
        check_attributes(node, opset)
        check_types(node, opset, facts)
        check_ranks(node, facts.shape)
    except Refusal as misfit:
        return str(misfit)
    return None
