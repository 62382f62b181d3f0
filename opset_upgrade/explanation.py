"""What became of each operator in a conversion."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from onnx import ModelProto

from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, default_opset, imported_versions
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.opset_upgrade.schemas import NEWEST_VERSIONS, operator_of, schema_at

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


def explain(
    original: ModelProto, target: int, changes: Iterable[Change], domains: Mapping[str, int] | None = None
) -> list[Change]:
    """What became of every operator of a model, in the order of names.

    Args:
        original: the model before the conversion.
        target: the opset of the result.
        changes: those of single nodes, as a `Conversion` has them.
        domains: versions of other domains in the result; one that is not named stayed.

    Returns:
        One entry for each operator and what happened to it. Operators of other domains bear their domain in front, and
        where ONNX has no schema of them, the version of the domain that the model imports.
    """
    sources = imported_versions(original)
    targets = {**sources, **(domains or {})}
    sources[""], targets[""] = default_opset(original) or target, target
    before: Counter[Change] = Counter()
    after: Counter[Change] = Counter()
    kept: Counter[str] = Counter()
    of_domain: dict[str, str] = {}
    for node in all_nodes(original):
        kept[operator_of(node)] += 1
        of_domain[operator_of(node)] = "" if node.domain in DEFAULT_DOMAINS else node.domain
    for change in changes:
        key = Change(change.operator, change.source, change.target, change.how, 0, 0)
        before[key] += change.before
        after[key] += change.after
        kept[change.operator] -= change.before
    for operator, count in kept.items():
        source, end = (_version_in(of_domain[operator], operator, versions) for versions in (sources, targets))
        if source is not None and count > 0:
            key = Change(operator, source, end, "kept", 0, 0)
            before[key] += count
            after[key] += count
    rows = [Change(k.operator, k.source, k.target, k.how, count, after[k]) for k, count in before.items()]
    return sorted(rows, key=lambda row: (row.operator, row.source, row.how))


def _version_in(domain: str, operator: str, versions: Mapping[str, int]) -> int | None:
    imported = versions.get(domain, 1)
    return version_of(operator, imported) if domain in NEWEST_VERSIONS else imported


def version_of(operator: str, opset: int) -> int | None:
    """Version of the operator's schema that is in force at an opset; None where there is none."""
    schema = schema_at(operator, opset)
    return None if schema is None else schema.since_version
