"""Version steps: which ones an operator takes between two opsets, and what each of them does to a node."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

from onnx import NodeProto, defs

from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.graph_facts import GraphFacts
from zoosmith.opset_upgrade.node_editing import drop_attribute, find_attribute, get_attribute, set_attribute
from zoosmith.opset_upgrade.node_validity import WITHOUT_MEANING
from zoosmith.opset_upgrade.registry import (
    ADAPTERS,
    DECOMPOSITIONS,
    STANDARD_FORMS,
    STANDARD_OPSET,
    TYPE_FALLBACKS,
    Adapter,
    Rule,
)
from zoosmith.opset_upgrade.schemas import (
    defaults,
    formals,
    history,
    is_optional,
    operator_name,
    operator_of,
    parameter_types,
    schema_at,
    schema_before,
    type_string,
)
from zoosmith.opset_upgrade.version_fit import VersionFit
from zoosmith.opset_upgrade.writer import Writer

Kind = Literal["native", "derived", "decomposed", "refused"]

_BLOCKED = "com.microsoft.nchwc."


@dataclass(frozen=True)
class Step:
    """One step of one operator.

    Attributes:
        operator: its qualified name.
        source: version of the schema before the step.
        target: version after it; None where the operator does not exist below `source`.
        opset: the opset at which the result must be valid.
        kind: how the step is done.
        rule: does it; None if the node can stay as it is whatever it holds.
    """

    operator: str
    source: int
    target: int | None
    opset: int
    kind: Kind
    rule: Rule | None

    def apply(self, node: NodeProto, g: Writer) -> None:
        """Take the node through the step."""
        if self.rule is not None:
            self.rule(node, g)


@cache
def next_step(operator: str, opset: int, target: int) -> Step | None:
    """The next step that touches a node of `operator` on its way from `opset` to `target`; None if there is none.

    Raises Refusal if the operator does not exist at `opset`.
    """
    schema = schema_at(operator, opset) or _revived(operator, opset, target)
    if schema is None:
        raise Refusal(f"no such operator in opset {opset}")
    if target >= opset:
        for after in history()[operator]:
            if opset < after.since_version <= target:
                step = _up(operator, schema_before(operator, after.since_version) or schema, after)
                if step.rule is not None:
                    return step
        return None
    while schema is not None and schema.since_version > target:
        step = _down(operator, schema)
        if step.rule is not None:
            return step
        schema = schema_before(operator, schema.since_version)
    return None


@cache
def standard_step(operator: str) -> Step:
    """The step that takes a node of ONNX Runtime's own domain, by its name there, to standard operators."""
    rule = STANDARD_FORMS.find(operator)
    if rule is None:
        why = "no form in standard operators is known"
        if operator.startswith(_BLOCKED):
            why = f"{_BLOCKED}* are laid out for one machine: let ONNX Runtime optimize at level extended, not all"
        return Step(operator, 1, None, STANDARD_OPSET, "refused", _refusing(why))
    return Step(operator, 1, None, STANDARD_OPSET, "decomposed", rule)


def _revived(operator: str, opset: int, target: int) -> defs.OpSchema | None:
    """The schema of a deprecated operator that a rule takes further, as 21 did with GroupNormalization.

    Up, that is a version up to `target` that corrects it; down, a decomposition.
    """
    schemas = history().get(operator, ())
    known = [schema for schema in schemas if schema.since_version <= opset]
    corrected = any(opset < schema.since_version <= target and not schema.deprecated for schema in schemas)
    return known[-1] if known and (corrected or DECOMPOSITIONS.find(operator) is not None) else None


def check_types(node: NodeProto, opset: int, facts: GraphFacts) -> None:
    """Raise Refusal if a value of known type is one that the node's operator does not take or make at `opset`."""
    schema = schema_at(operator_of(node), opset)
    if schema is None:
        raise Refusal(f"no such operator in opset {opset}")
    for parameters, names in ((schema.inputs, node.input), (schema.outputs, node.output)):
        for formal, name in formals(parameters, names):
            known = facts.type(name)
            found = None if known is None else type_string(known)
            if found is not None and found not in parameter_types(operator_of(node), opset, formal):
                raise Refusal(f"{name!r} is {found}, which {node.op_type} does not take there")


def all_steps() -> list[Step]:
    """Every version step of every operator, up and down, in the order of names and versions."""
    steps = []
    for operator, schemas in history().items():
        for before, after in pairwise(schemas):
            steps.append(_up(operator, before, after))
        steps.extend(_down(operator, each) for each in schemas if each.since_version > 1 and not each.deprecated)
    return steps


@cache
def _up(operator: str, before: defs.OpSchema, after: defs.OpSchema) -> Step:
    source, target = before.since_version, after.since_version
    native = ADAPTERS.find((operator, source, target))
    if native is not None:
        return Step(operator, source, target, target, "native", native.rule)
    why = _lost(before, after)
    if why or after.deprecated:
        return Step(operator, source, target, target, "refused", _refusing(why or "the operator was removed"))
    return Step(operator, source, target, target, "derived", _derive(before, after))


@cache
def _down(operator: str, schema: defs.OpSchema) -> Step:
    source, opset = schema.since_version, schema.since_version - 1
    before = schema_before(operator, source)
    if before is None:
        rule = DECOMPOSITIONS.find(operator)
        if rule is None:
            return Step(operator, source, None, opset, "refused", _refusing("the operator does not exist before"))
        return Step(operator, source, None, opset, "decomposed", rule)
    native = ADAPTERS.find((operator, source, before.since_version))
    if native is not None:
        return Step(operator, source, before.since_version, opset, "native", _checked(schema, before, native))
    why = _lost(schema, before)
    if why:
        return Step(operator, source, before.since_version, opset, "refused", _refusing(why))
    return Step(operator, source, before.since_version, opset, "derived", _derive(schema, before))


def _refusing(why: str) -> Rule:
    def refuse(node: NodeProto, g: Writer) -> None:
        g.refuse(why)

    return refuse


def _lost(before: defs.OpSchema, after: defs.OpSchema) -> str:
    """Why the step cannot be derived whatever the node holds; empty if it can."""
    for name, attribute in after.attributes.items():
        if attribute.required and (name not in before.attributes):
            return f"attribute {name} is required there"
    for name, attribute in before.attributes.items():
        if attribute.required and name not in after.attributes:
            return f"attribute {name} does not exist there"
    for name in set(before.attributes) & set(after.attributes):
        if before.attributes[name].type != after.attributes[name].type:
            return f"attribute {name} has another type there"
    for formal in after.inputs[len(before.inputs) :]:
        if not is_optional(formal):
            return f"input {formal.name} is required there"
    return ""


def _derive(before: defs.OpSchema, after: defs.OpSchema) -> Rule | None:
    """The step that follows from the two schemas; None if no node needs to be looked at."""
    old, new = (defaults(operator_name(schema), schema.since_version) for schema in (before, after))
    gone = [name for name in before.attributes if name not in after.attributes]
    changed = {n: v for n, v in old.items() if n in after.attributes and new.get(n, v if n not in new else None) != v}
    changed.update({n: v for n, v in old.items() if n in after.attributes and n not in new})
    fit = VersionFit(before, after)
    if not gone and not changed and not fit.differ:
        return None

    def derived(node: NodeProto, g: Writer) -> None:
        if fit.differ:
            fit.check_names(node)
            misfit = fit.misfit(node, g.type_string)
            if misfit is not None:
                _fall_back(node, g, misfit)
                return
        for name, value in changed.items():
            if find_attribute(node, name) is None:
                set_attribute(node, name, value)
        for name in gone:
            if name not in WITHOUT_MEANING and find_attribute(node, name) is not None:
                value = get_attribute(node, name)
                if name not in old or value != old[name]:
                    g.refuse(f"attribute {name}={value!r} does not exist there")
            drop_attribute(node, name)

    return derived


def _checked(before: defs.OpSchema, after: defs.OpSchema, native: Adapter) -> Rule:
    """A native downgrade after the check of types that the derived ones have."""
    fit = VersionFit(before, after)
    if native.any_type or not fit.types_differ:
        return native.rule

    def checked(node: NodeProto, g: Writer) -> None:
        misfit = fit.misfit(node, g.type_string)
        if misfit is None:
            native.rule(node, g)
        else:
            _fall_back(node, g, misfit)

    return checked


def _fall_back(node: NodeProto, g: Writer, misfit: tuple[str, str]) -> None:
    """Express a node of a type that the version does not take by the operator's type fallback; refuse without one."""
    fallback = TYPE_FALLBACKS.find(operator_of(node))
    if fallback is not None:
        fallback(node, g)
        return
    name, found = misfit
    g.refuse(f"{name!r} is {found}, which it does not take there")
