"""Where rules are registered: adapters by operator and versions, decompositions and type fallbacks by operator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoosmith.onnx_model.opsets import CONTRIB_DOMAIN
from zoosmith.onnx_model.registry import Registry
from zoosmith.opset_upgrade.schemas import qualified

if TYPE_CHECKING:
    from onnx import NodeProto

    from zoosmith.opset_upgrade.writer import Writer

Rule = Callable[["NodeProto", "Writer"], None]
"""Takes a node through one version step: edits it in place, or emits the nodes that replace it (see `Writer`)."""

VersionStep = tuple[str, int, int]
"""Qualified name of the operator, source version and target version."""


@dataclass(frozen=True)
class Adapter:
    """A registered adapter.

    Attributes:
        rule: the function.
        any_type: whether it is called for nodes whose types the target version does not take as well.
    """

    rule: Rule
    any_type: bool


_OPERATORS = "zoosmith.opset_upgrade.operators"

ADAPTERS: Registry[VersionStep, Adapter] = Registry(_OPERATORS, "adapter")
DECOMPOSITIONS: Registry[str, Rule] = Registry(_OPERATORS, "decomposition")
TYPE_FALLBACKS: Registry[str, Rule] = Registry(_OPERATORS, "type fallback")

STANDARD_OPSET = 21
"""The opset at which the standard operators are valid that a rule for an operator of ONNX Runtime emits."""

STANDARD_FORMS: Registry[str, Rule] = Registry("zoosmith.opset_upgrade.contrib_operators", "standard form")


def adapter(
    *operators: str, source: int, target: int, any_type: bool = False, domain: str = ""
) -> Callable[[Rule], Rule]:
    """Register a rule for the step of operators from one version to the next.

    The rule gets a node that is valid at `source` and leaves what is valid at `target`: going up, at the opset
    `target`; going down, at every opset from `target` to `source - 1`.

    Args:
        operators: their names in the domain.
        source: version of the operator's schema (`since_version`) before the step.
        target: version after the step, the neighbour of `source` in the operator's history; a lower one is a downgrade.
        any_type: a downgrade is called for nodes whose types the target version takes; with this, for all nodes.
        domain: of the operators.

    Raises:
        RuntimeError: the step of an operator has an adapter already.
    """

    def register(rule: Rule) -> Rule:
        for operator in operators:
            ADAPTERS.add((qualified(domain, operator), source, target), Adapter(rule, any_type))
        return rule

    return register


def decomposition(*operators: str, domain: str = "") -> Callable[[Rule], Rule]:
    """Register how operators are expressed just below the opset that brought them.

    The rule emits nodes that are valid at `writer.opset`, the opset before the operator's first version; they are
    themselves taken further down, so that the rule needs to handle no older opset.

    Args:
        operators: their names in the domain.
        domain: of the operators.

    Raises:
        RuntimeError: an operator has a decomposition already.
    """

    def register(rule: Rule) -> Rule:
        for operator in operators:
            DECOMPOSITIONS.add(qualified(domain, operator), rule)
        return rule

    return register


def type_fallback(*operators: str) -> Callable[[Rule], Rule]:
    """Register how operators are expressed when the version below does not take the node's types.

    The rule is called in place of a downgrade whose type check failed, with a node that is valid above the step; it
    emits nodes that are valid at `writer.opset`, or refuses.

    Args:
        operators: their names in the default domain.

    Raises:
        RuntimeError: an operator has a type fallback already.
    """

    def register(rule: Rule) -> Rule:
        for operator in operators:
            TYPE_FALLBACKS.add(qualified("", operator), rule)
        return rule

    return register


def standard_form(*operators: str, domain: str = CONTRIB_DOMAIN) -> Callable[[Rule], Rule]:
    """Register how operators of ONNX Runtime's own domain are expressed in standard operators.

    The rule emits nodes that are valid at `writer.opset`, which is `STANDARD_OPSET`; they are themselves taken to the
    model's opset, up or down.

    Args:
        operators: their names in the domain.
        domain: com.microsoft, or the default one for what ONNX Runtime writes there and ONNX does not have.

    Raises:
        RuntimeError: an operator has a standard form already.
    """

    def register(rule: Rule) -> Rule:
        for operator in operators:
            STANDARD_FORMS.add(qualified(domain, operator), rule)
        return rule

    return register
