"""Einsum, operand by operand: sums of what only one holds, matrix products of what two share."""

import re

from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.computed_sizes import Size, as_vector, counted, reshaped, sizes, total
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.registry import decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("Einsum")(cast_to_single)


Labels = tuple[str, ...]
"""One label for each axis; those that an ellipsis stands for are numbers, counted from the last."""


@decomposition("Einsum")
def _einsum(node: NodeProto, g: Writer) -> None:
    terms, result = _parse(g.attribute("equation"), [g.rank(name) for name in node.input])
    if len(terms) != len(node.input):
        g.refuse("its equation has not as many terms as it has inputs")
    operands = [_diagonals(g, name, labels) for name, labels in zip(node.input, terms, strict=True)]
    name, labels = operands[0]
    for index, (other, others) in enumerate(operands[1:], 1):
        later = {label for _, rest in operands[index + 1 :] for label in rest} | set(result)
        name, labels = _summed(g, name, labels, later | set(others))
        summed = _summed(g, other, others, later | set(labels))
        name, labels = _joined(g, name, labels, *summed, later)
    name, labels = _summed(g, name, labels, set(result))
    if set(labels) != set(result):
        g.refuse("its result has an axis that no input has")
    g.op("Identity", _permuted(g, name, [labels.index(label) for label in result]), output=node.output[0])


def _parse(equation: str, ranks: list[int]) -> tuple[list[Labels], Labels]:
    left, arrow, right = equation.replace(" ", "").partition("->")
    written = [re.findall(r"\.\.\.|[A-Za-z]", term) for term in left.split(",")]
    hidden = [
        rank - len([label for label in term if label != "..."]) for term, rank in zip(written, ranks, strict=False)
    ]
    widest = max([count for term, count in zip(written, hidden, strict=False) if "..." in term], default=0)
    terms = [_spelled(term, count) for term, count in zip(written, hidden, strict=False)]
    if arrow:
        return terms, _spelled(re.findall(r"\.\.\.|[A-Za-z]", right), widest)
    every = [label for term in written for label in term if label != "..."]
    once = sorted(label for label in set(every) if every.count(label) == 1)
    return terms, (*_spelled(["..."], widest), *once)


def _spelled(term: list[str], hidden: int) -> Labels:
    numbers = tuple(str(number) for number in reversed(range(hidden)))
    return tuple(name for label in term for name in (numbers if label == "..." else (label,)))


def _diagonals(g: Writer, name: str, labels: Labels) -> tuple[str, Labels]:
    """Leave one axis of those that share a label."""
    while len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        first, second = [axis for axis, label in enumerate(labels) if label == twice][:2]
        size = _sizes(g, name, labels, [twice])[twice]
        order = [axis for axis in range(len(labels)) if axis not in (first, second)] + [first, second]
        name = _permuted(g, name, order)
        name = g.op("Reshape", name, g.constant([0] * (len(order) - 2) + [-1]))
        name = g.op("Gather", name, _diagonal(g, size), axis=len(order) - 2)
        labels = (*(labels[axis] for axis in order[:-2]), twice)
    return name, labels


def _diagonal(g: Writer, size: Size) -> str:
    """Emit where in a flattened square its diagonal lies."""
    if isinstance(size, int):
        return g.constant(counting(size, g) * (size + 1))
    return g.op("Mul", counted(g, size), g.op("Add", size, g.constant([1])))


def _summed(g: Writer, name: str, labels: Labels, wanted: set[str]) -> tuple[str, Labels]:
    axes = [axis for axis, label in enumerate(labels) if label not in wanted]
    if not axes:
        return name, labels
    name = g.op("ReduceSum", name, g.constant(axes), keepdims=0, opset=AXES_AS_INPUTS)
    return name, tuple(label for label in labels if label in wanted)


def _joined(g: Writer, left: str, lefts: Labels, right: str, rights: Labels, later: set[str]) -> tuple[str, Labels]:
    """Multiply two operands and sum over what they share and nothing needs later."""
    shared = [label for label in lefts if label in rights]
    batch = [label for label in shared if label in later]
    inner = [label for label in shared if label not in later]
    rows = [label for label in lefts if label not in shared]
    columns = [label for label in rights if label not in shared]
    if not inner:
        labels = (*batch, *rows, *columns)
        return g.op("Mul", _aligned(g, left, lefts, labels), _aligned(g, right, rights, labels)), labels
    one = _grouped(g, left, lefts, batch, rows, inner)
    two = _grouped(g, right, rights, batch, inner, columns)
    product = g.op("MatMul", one, two)
    if len(rows) == len(columns) == 1:
        return product, (*batch, *rows, *columns)
    parts = _sizes(g, left, lefts, rows) | _sizes(g, right, rights, columns)
    return reshaped(g, product, [*[0] * len(batch), *parts.values()]), (*batch, *rows, *columns)


def _aligned(g: Writer, name: str, labels: Labels, wanted: Labels) -> str:
    name = _permuted(g, name, [labels.index(label) for label in wanted if label in labels])
    missing = [axis for axis, label in enumerate(wanted) if label not in labels]
    return g.op("Unsqueeze", name, g.constant(missing), opset=AXES_AS_INPUTS) if missing else name


def _grouped(g: Writer, name: str, labels: Labels, batch: list[str], *groups: list[str]) -> str:
    """The operand as a batch of matrices."""
    order = [*batch, *groups[0], *groups[1]]
    moved = _permuted(g, name, [labels.index(label) for label in order])
    if all(len(group) == 1 for group in groups):
        return moved
    known = _sizes(g, name, labels, [label for group in groups if len(group) != 1 for label in group])
    shape = [-1 if len(group) == 1 else total(g, [known[label] for label in group]) for group in groups]
    if shape.count(-1) == 0:
        return reshaped(g, moved, [*[0] * len(batch), *shape])
    return g.op("Reshape", moved, as_vector(g, [*[0] * len(batch), *shape]))


def _permuted(g: Writer, name: str, order: list[int]) -> str:
    return name if order == sorted(order) else g.op("Transpose", name, perm=order)


def _sizes(g: Writer, name: str, labels: Labels, wanted: list[str]) -> dict[str, Size]:
    return dict(zip(wanted, sizes(g, name, [labels.index(label) for label in wanted]), strict=True))
