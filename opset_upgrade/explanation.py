"""What became of each operator in a conversion."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from onnx import ModelProto

from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, default_opset
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.opset_upgrade.schemas import schema_at

How = Literal["kept", "schema", "adapter", "decomposition", "constant"]
"""`kept`: the node is as it was. `schema`: attributes were stated or dropped, as the schemas of both versions tell.
`adapter`: a rule of the version step. `decomposition`: other operators, since the opset has none of this name.
`constant`: its value is known, and no node computes it any more."""


class Change(NamedTuple):
    """What became of one node, or of all nodes of an operator to which the same happened.

    Attributes:
        operator: its name in the original.
        source: version of its schema in the original.
        target: version of its schema in the result; None where the opset has no such operator.
        how: what was done.
        before: number of nodes in the original.
        after: number of nodes in their place, without constants.
    """

    operator: str
    source: int
    target: int | None
    how: How
    before: int
    after: int

    def __str__(self) -> str:
        versions = f"{self.source}" if self.source == self.target else f"{self.source} -> {self.target or 'none'}"
        return f"{self.operator} {versions}: {self.how}, {self.before} -> {self.after} nodes"

    def as_dict(self) -> dict[str, str | int | None]:
        """The change as JSON has it."""
        return {
            "operator": self.operator,
            "from": self.source,
            "to": self.target,
            "how": self.how,
            "nodes_before": self.before,
            "nodes_after": self.after,
        }


def explain(original: ModelProto, target: int, changes: Iterable[Change]) -> list[Change]:
    """What became of every operator of a model, in the order of names.

    Args:
        original: the model before the conversion.
        target: the opset of the result.
        changes: those of single nodes, as a `Conversion` has them.

    Returns:
        One entry for each operator and what happened to it; nodes of other domains are not listed.
    """
    source = default_opset(original) or target
    before: Counter[Change] = Counter()
    after: Counter[Change] = Counter()
    kept = Counter(node.op_type for node in all_nodes(original) if node.domain in DEFAULT_DOMAINS)
    for change in changes:
        key = Change(change.operator, change.source, change.target, change.how, 0, 0)
        before[key] += change.before
        after[key] += change.after
        kept[change.operator] -= change.before
    for operator, count in kept.items():
        schema = schema_at(operator, source)
        if schema is not None and count > 0:
            since = schema.since_version
            key = Change(operator, since, version_of(operator, target), "kept", 0, 0)
            before[key] += count
            after[key] += count
    rows = [Change(k.operator, k.source, k.target, k.how, count, after[k]) for k, count in before.items()]
    return sorted(rows, key=lambda row: (row.operator, row.source, row.how))


def version_of(operator: str, opset: int) -> int | None:
    """Version of the operator's schema that is in force at an opset; None where there is none."""
    schema = schema_at(operator, opset)
    return None if schema is None else schema.since_version
