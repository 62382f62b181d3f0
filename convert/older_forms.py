"""The forms that nodes have below opset 7, where one operand is broadcast by attributes, as far as it can be.

Translators write nodes as opset 7 has them; `Operator.emit` passes those of older models through `older_form`. What an
operator of that opset cannot take is refused with the opset that can, and the reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from onnx import TensorProto, defs

from zoosmith.convert.graph import Attribute, Value
from zoosmith.onnx_model.ports import Dimension

if TYPE_CHECKING:
    from zoosmith.convert.operator import Operator

# from this opset on both operands of two are broadcast
BROADCASTS = 7
_BROADCASTS_MANY = 8
# a Tile of more repeats is not written as a Concat
_MOST_PARTS = 1024
_SWAPPED = {**dict.fromkeys(("Add", "Mul", "And", "Or", "Xor", "Equal")), "Greater": "Less", "Less": "Greater"}
_COMPARISONS = ("Greater", "Less", "Equal")


@dataclass(frozen=True)
class Form:
    """A node as an old opset has it.

    `shape` and `elem_type` are what it makes, where inference goes by later forms; `is_stated` says that onnx's own
    inference of that form does not know them, so that the model has to state them.
    """

    op_type: str
    inputs: Sequence[Value | None]
    attributes: Mapping[str, Attribute]
    elem_type: int = 0
    shape: tuple[Dimension, ...] | None = None
    is_stated: bool = False


_Rewrite: TypeAlias = "Callable[[Operator, Form], Form]"


def older_form(op: "Operator", form: Form) -> Form:
    """Give a node the form that it has at the operator's opset; refuses it below the opset that can express it.

    Args:
        op: the operator that it is written for; its opset is below 7.
        form: the node as opset 7 has it.
    """
    lowest = first_version(form.op_type)
    if op.opset < lowest:
        op.require(lowest, f"ONNX has had {form.op_type} since then")
    rewrite = _REWRITES.get(form.op_type)
    written = rewrite(op, form) if rewrite else form
    _check_types(op, written)
    return written


@cache
def first_version(op_type: str) -> int:
    """The opset that an operator came with; experiments do not count."""
    found = (_schema(op_type, opset) for opset in range(1, defs.onnx_opset_version() + 1))
    return next(each.since_version for each in found if each and each.support_level == defs.OpSchema.SupportType.COMMON)


def _schema(op_type: str, opset: int) -> defs.OpSchema | None:
    try:
        return defs.get_schema(op_type, opset)
    except defs.SchemaError:
        return None


@cache
def _takes(op_type: str, opset: int, place: int, elem_type: int) -> bool:
    """Whether an input may be of this element type; a place beyond the parameters is of the last, variadic one."""
    schema = _schema(op_type, opset)
    if schema is None or not schema.inputs:
        return True
    formal = schema.inputs[min(place, len(schema.inputs) - 1)]
    variables = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
    kind = TensorProto.DataType.Name(elem_type).lower()
    return f"tensor({kind})" in variables.get(formal.type_str, [formal.type_str])


def _check_types(op: "Operator", form: Form) -> None:
    """Refuse an input whose element type the operator takes in a later version only."""
    for place, value in enumerate(form.inputs):
        if value is None or not value.elem_type or _takes(form.op_type, op.opset, place, value.elem_type):
            continue
        kind = TensorProto.DataType.Name(value.elem_type).lower()
        for opset in range(op.opset + 1, defs.onnx_opset_version() + 1):
            if _takes(form.op_type, opset, place, value.elem_type):
                op.require(opset, f"ONNX's {form.op_type} has taken {kind} since then")


# -- operands that are broadcast


def _two_operands(op: "Operator", form: Form) -> Form:
    if "broadcast" in form.attributes:
        return form
    first, second = form.inputs
    assert first is not None and second is not None
    if op.shape(first) == op.shape(second):
        return _shaped(form, first)
    if not _covers(op.shape(first), op.shape(second)):
        if form.op_type in _SWAPPED and not _covers(op.shape(second), op.shape(first)) and second.constant is not None:
            second = _spread(op, second, first)
        if not _covers(op.shape(second), op.shape(first)):
            first = _spread(op, first, second)
        elif form.op_type in _SWAPPED:
            form, (first, second) = replace(form, op_type=_SWAPPED[form.op_type] or form.op_type), (second, first)
        elif form.op_type == "Sub":
            # exact: a - b is -b + a
            form, (first, second) = replace(form, op_type="Add"), (op.emit("Neg", second), first)
        else:
            first = _spread(op, first, second)
    part, axis = _contiguous(op, first, second)
    attributes: dict[str, Attribute] = {**form.attributes, "broadcast": 1}
    if axis + op.rank(part) < op.rank(first):
        attributes["axis"] = axis
    return _shaped(replace(form, inputs=[first, part], attributes=attributes), first)


def _shaped(form: Form, like: Value) -> Form:
    kind = TensorProto.BOOL if form.op_type in _COMPARISONS else like.elem_type
    return replace(form, inputs=form.inputs, elem_type=kind, shape=like.shape)


def _covers(whole: Sequence[Dimension], part: Sequence[Dimension]) -> bool:
    """Whether a shape stays as it is where another is broadcast to it."""
    tail = whole[len(whole) - len(part) :] if len(part) <= len(whole) else None
    return tail is not None and all(size in (1, full) for size, full in zip(part, tail, strict=True))


def _spread(op: "Operator", small: Value, large: Value) -> Value:
    """Broadcast a constant to the shape that it has with the other operand."""
    try:
        sizes = [tuple(size for size in op.shape(each) if isinstance(size, int)) for each in (small, large)]
        shape = np.broadcast_shapes(*sizes)
        whole = [len(size) for size in sizes] == [op.rank(small), op.rank(large)]
    except ValueError:
        whole = False
    if not whole or small.constant is None:
        op.require(BROADCASTS, "below it ONNX broadcasts the second operand only, along dimensions side by side")
    return op.constant(np.broadcast_to(op.constant_of(small, "the operand"), op.limited(*shape)))


def _contiguous(op: "Operator", whole: Value, part: Value) -> tuple[Value, int]:
    """The operand without its outer sizes of 1: a contiguous part of the whole shape, and the axis it begins at."""
    sizes, full = list(op.shape(part)), op.shape(whole)
    place = len(full) - len(sizes)
    wide = [axis for axis, size in enumerate(sizes) if size != 1]
    first, last = (wide[0], wide[-1] + 1) if wide else (0, 0)
    if any(sizes[axis] != full[place + axis] for axis in range(first, last)):
        part = _spread(op, part, whole)
        return part, 0
    outside = [axis for axis in range(len(sizes)) if not first <= axis < last]
    if not outside:
        return part, place
    if part.constant is not None:
        return op.constant(part.constant.array().squeeze(tuple(outside))), place + first
    made = op.emit("Squeeze", part, axes=outside)
    made.set_type(part.elem_type, tuple(sizes[first:last]))
    return made, place + first


def _slopes(op: "Operator", form: Form) -> Form:
    """PRelu with one slope, or one for each channel, which stand at axis 1."""
    x, slope = form.inputs
    assert x is not None and slope is not None
    part, axis = (slope, 0) if op.shape(slope) == (1,) else _contiguous(op, x, slope)
    if op.shape(part) != (1,) and (axis, op.rank(part)) != (1, 1):
        op.require(BROADCASTS, "below it ONNX's PRelu has slopes of the channels at axis 1 only")
    return replace(form, inputs=[x, part], elem_type=x.elem_type, shape=x.shape)


def _equal_operands(op: "Operator", form: Form) -> Form:
    shapes = {op.shape(value) for value in form.inputs if value is not None}
    if len(shapes) > 1:
        op.require(_BROADCASTS_MANY, f"below it ONNX's {form.op_type} takes operands of one shape")
    return form


# -- what became an input, or changed its type


def _cast(op: "Operator", form: Form) -> Form:
    (x,) = form.inputs
    assert x is not None
    to = form.attributes["to"]
    if op.opset >= 6 or not isinstance(to, int):
        return form
    return replace(form, attributes={"to": TensorProto.DataType.Name(to)}, elem_type=to, shape=x.shape, is_stated=True)


def _reshape(op: "Operator", form: Form) -> Form:
    """Reshape-1 takes the new shape from its attribute; inference knows only the later form."""
    if op.opset >= 5:
        return form
    x, shape = form.inputs
    assert x is not None and shape is not None
    if shape.constant is None:
        op.require(5, "below it ONNX's Reshape takes no computed shape")
    wanted = op.constant_of(shape, "the new shape").tolist()
    sizes = _new_sizes(op.shape(x), wanted)
    return replace(form, inputs=[x], attributes={"shape": wanted}, elem_type=x.elem_type, shape=sizes)


def _new_sizes(old: Sequence[Dimension], wanted: Sequence[int]) -> tuple[Dimension, ...]:
    """What Reshape makes of a shape, where 0 keeps a size and -1 takes what is left; None where that is not known."""
    sizes = [old[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    if -1 in wanted:
        place = list(wanted).index(-1)
        others = [*sizes[:place], *sizes[place + 1 :]]
        numbers = [[size for size in part if isinstance(size, int)] for part in (old, others)]
        whole = len(numbers[0]) == len(old) and len(numbers[1]) == len(others)
        sizes[place] = prod(numbers[0]) // (prod(numbers[1]) or 1) if whole else None
    return tuple(sizes)


def _tile(op: "Operator", form: Form) -> Form:
    """Parts side by side, as Tile-1 takes one axis, and its number as a float."""
    x, repeats = form.inputs
    assert x is not None and repeats is not None
    if op.opset >= 6:
        return form
    if repeats.constant is None:
        op.require(6, "below it ONNX's Tile takes no repeats for each axis")
    counts = op.constant_of(repeats, "the repeats").tolist()
    axes = [axis for axis, count in enumerate(counts) if count != 1]
    if not axes:
        return Form("Identity", [x], {})
    if min(counts) < 1 or max(counts) > _MOST_PARTS:
        op.require(6, f"below it {max(counts)} repeats are no node")
    for axis in axes[:-1]:
        x = op.emit("Concat", *[x] * counts[axis], axis=axis)
    return Form("Concat", [x] * counts[axes[-1]], {"axis": axes[-1]})


_REWRITES: dict[str, _Rewrite] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", *_COMPARISONS), _two_operands),
    **dict.fromkeys(("Sum", "Max", "Min", "Mean"), _equal_operands),
    "Cast": _cast,
    "PRelu": _slopes,
    "Reshape": _reshape,
    "Tile": _tile,
}
