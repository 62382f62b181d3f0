"""A GELU by an Erf: found, and made whole where its factor 0.5 went into what reads it."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from zoosmith.optimize.values import (
    add_initializer,
    constant,
    input_constant,
    is_standard,
    name_of,
    new_names,
    new_node,
    only_reader,
)


@dataclass(frozen=True)
class Gelu:
    """The operators x * (1 + erf(x / sqrt(2))) / 2 in any order.

    Attributes:
        source: x.
        last: makes the result.
        doubled: the division by 2 is missing.
    """

    source: ir.Value
    last: ir.Node
    doubled: bool


def read_gelu(erf: ir.Node) -> Gelu | None:
    """The GELU that an Erf is part of."""
    root = None if erf.inputs[0] is None else erf.inputs[0].producer()
    source = None if root is None else _times(root, 2**-0.5)
    plus = only_reader(erf.outputs[0])
    if source is None or plus is None or not is_standard(plus, "Add") or _other(plus, 1.0) is None:
        return None
    sum_, product = plus.outputs[0], only_reader(plus.outputs[0])
    if product is None:
        return None
    after = only_reader(product.outputs[0])
    if _times(product, 0.5) is sum_:
        whole = after is not None and is_standard(after, "Mul") and source in after.inputs
        return Gelu(source, after, False) if after is not None and whole else None
    if not is_standard(product, "Mul"):
        return None
    factor = next((value for value in product.inputs if value is not sum_), None)
    half = None if factor is None else factor.producer()
    if half is not None and _times(half, 0.5) is source:
        return Gelu(source, product, False)
    if factor is not source:
        return None
    if after is not None and _times(after, 0.5) is product.outputs[0]:
        return Gelu(source, after, False)
    return Gelu(source, product, True)


def complete_gelus(model: ir.Model) -> None:
    """Put the factor 0.5 back where only QuantizeLinear reads a GELU without it, in place.

    A factor goes into the weights of the convolution behind it, but ONNX Runtime has one kernel for a whole GELU only.
    Half of the values have the same uint8 form at half of the scale.
    """
    names = new_names(model)
    for erf in [node for node in model.graph if is_standard(node, "Erf")]:
        gelu = read_gelu(erf)
        if gelu is None or not gelu.doubled:
            continue
        output = gelu.last.outputs[0]
        uses = list(output.uses())
        scales = [
            input_constant(use.node, 1) for use in uses if is_standard(use.node, "QuantizeLinear") and not use.idx
        ]
        if not uses or output.is_graph_output() or len(scales) < len(uses) or any(scale is None for scale in scales):
            continue
        half = add_initializer(model.graph, names.fresh("half"), np.array(0.5, np.float32))
        halved = ir.Value(name=names.fresh(f"{name_of(output)}_half"), type=output.type, shape=output.shape)
        model.graph.insert_after(gelu.last, new_node("Mul", [output, half], halved))
        for use, scale in zip(uses, scales, strict=True):
            assert scale is not None
            use.node.replace_input_with(0, halved)
            name = names.fresh(f"{name_of(halved)}_scale")
            use.node.replace_input_with(1, add_initializer(model.graph, name, scale / np.float32(2)))


def _times(node: ir.Node, number: float) -> ir.Value | None:
    """What a node multiplies by a number, or divides by its reciprocal; None where it does something else."""
    if is_standard(node, "Mul"):
        return _other(node, number)
    return _other(node, 1 / number) if is_standard(node, "Div") and constant(node.inputs[0]) is None else None


def _other(node: ir.Node, number: float) -> ir.Value | None:
    """The other one of two inputs, where one is this number."""
    for value, other in (node.inputs, node.inputs[::-1]):
        found = constant(value)
        if found is not None and found.size == 1 and abs(found.item() - number) < 1e-6:
            return other
    return None
