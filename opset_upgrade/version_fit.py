"""Whether a node fits the neighbouring version of its operator: its inputs and outputs, and their types."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from onnx import NodeProto
from onnx.defs import OpSchema

from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.schemas import is_optional, operator_name, parameter_types

_VARIADIC = OpSchema.FormalParameterOption.Variadic


class _Parameter(NamedTuple):
    """One formal parameter of which the other version takes fewer types, or types that are to be equal.

    Attributes:
        first: index of the first actual name that it stands for.
        last: index of the last one; None for a variadic one.
        types: that the other version takes.
        alike: the type variable of the other version that is to have one type; empty where that follows already.
    """

    first: int
    last: int | None
    types: frozenset[str]
    alike: str


class _Names(NamedTuple):
    """How many names of one side (inputs, outputs) the other version takes.

    Attributes:
        side: `input` or `output`.
        known: what the version that a node comes from calls its parameters.
        most: how many the other version takes; None for any number.
        required: index and name of those that it requires.
    """

    side: str
    known: tuple[str, ...]
    most: int | None
    required: tuple[tuple[int, str], ...]


class VersionFit:
    """What a node of one version of an operator must hold to another one; found once, from the two schemas.

    Args:
        before: the schema that nodes come with.
        after: the one that they are to be valid by.
    """

    def __init__(self, before: OpSchema, after: OpSchema) -> None:
        inputs, outputs = (before.inputs, after.inputs), (before.outputs, after.outputs)
        names = (operator_name(before), before.since_version), (operator_name(after), after.since_version)
        unified = _unified(*inputs)
        self._inputs = _narrower_parameters(*inputs, names, unified)
        self._outputs = _narrower_parameters(*outputs, names, False)
        self._names = (_names_of("input", *inputs), _names_of("output", *outputs))
        self.types_differ = unified or bool(self._inputs or self._outputs)
        """Whether a node might not fit for its types."""
        self.differ = self.types_differ or any(_may_leave_out(*pair) for pair in (inputs, outputs))
        """Whether a node might not fit for its types, or for the inputs or outputs that it has or leaves out."""

    def check_names(self, node: NodeProto) -> None:
        """Raise Refusal if the node has an input or output that does not exist there, or lacks one that has to."""
        for (side, known, most, required), names in zip(self._names, (node.input, node.output), strict=True):
            count = len(names)
            if most is not None and count > most:
                for index in range(most, count):
                    if names[index]:
                        raise Refusal(f"{side} {known[min(index, len(known) - 1)]} does not exist there")
            for index, name in required:
                if index >= count or not names[index]:
                    raise Refusal(f"{side} {name} is required there")

    def misfit(self, node: NodeProto, type_of: Callable[[str], str]) -> tuple[str, str] | None:
        """The first value whose type the other version does not take, with its type; None if all fit.

        `type_of` gives the type string of a value; what it raises goes through.
        """
        seen: dict[str, str] = {}
        for parameters, names in ((self._inputs, node.input), (self._outputs, node.output)):
            for first, last, types, alike in parameters:
                for name in names[first : None if last is None else last + 1]:
                    if not name:
                        continue
                    found = type_of(name)
                    if found not in types or (alike and seen.setdefault(alike, found) != found):
                        return name, found
        return None


def _narrower_parameters(
    ours: Sequence[OpSchema.FormalParameter],
    theirs: Sequence[OpSchema.FormalParameter],
    names: tuple[tuple[str, int], tuple[str, int]],
    unified: bool,
) -> tuple[_Parameter, ...]:
    return tuple(_narrower(ours, theirs, names, unified))


def _narrower(
    ours: Sequence[OpSchema.FormalParameter],
    theirs: Sequence[OpSchema.FormalParameter],
    names: tuple[tuple[str, int], tuple[str, int]],
    unified: bool,
) -> Iterator[_Parameter]:
    count = max(len(ours), len(theirs)) if ours and theirs else 0
    for index in range(count):
        formal, other = (_standing_for(parameters, index) for parameters in (ours, theirs))
        if formal is None or other is None:
            return
        wide, narrow = parameter_types(*names[0], formal), parameter_types(*names[1], other)
        if unified or wide - narrow:
            both = formal.option == other.option == _VARIADIC and index == count - 1
            yield _Parameter(index, None if both else index, narrow, other.type_str if unified else "")


def _standing_for(parameters: Sequence[OpSchema.FormalParameter], index: int) -> OpSchema.FormalParameter | None:
    """The formal parameter of an actual name by its index; the last one stands for all that follow if variadic."""
    if index < len(parameters):
        return parameters[index]
    return parameters[-1] if parameters[-1].option == _VARIADIC else None


def _names_of(
    side: str, ours: Sequence[OpSchema.FormalParameter], theirs: Sequence[OpSchema.FormalParameter]
) -> _Names:
    variadic = bool(theirs) and theirs[-1].option == _VARIADIC
    required = tuple((index, formal.name) for index, formal in enumerate(theirs) if not is_optional(formal))
    return _Names(side, tuple(formal.name for formal in ours), None if variadic else len(theirs), required)


def _may_leave_out(ours: Sequence[OpSchema.FormalParameter], theirs: Sequence[OpSchema.FormalParameter]) -> bool:
    """Whether a node may have, or leave out, what it may not in the other version."""
    if len(theirs) < len(ours):
        return True
    return any(is_optional(formal) and not is_optional(other) for formal, other in zip(ours, theirs, strict=False))


def _unified(ours: Sequence[OpSchema.FormalParameter], theirs: Sequence[OpSchema.FormalParameter]) -> bool:
    """Whether inputs that may have different types in one version must have the same one in the other."""
    pairs = {(other.type_str, formal.type_str) for formal, other in zip(ours, theirs, strict=False)}
    return len(pairs) > len({theirs for theirs, _ in pairs})
