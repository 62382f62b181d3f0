"""HardSwish as a HardSigmoid and a Mul, which have integer forms."""

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import (
    constant,
    input_value,
    is_standard,
    name_of,
    new_names,
    new_node,
    only_reader,
    replace_value,
    sizes,
)


class GatedActivations(ir.passes.InPlacePass):
    """Rewrite HardSwish behind a convolution as x * HardSigmoid(x).

    HardSwish is also recognized where an exporter spelled it out as x * clip(x + 3, 0, 6) / 6.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        for node in list(model.graph):
            found = _hard_swish(node)
            if found is None or sizes(found[0]) is None or len(sizes(found[0]) or ()) != 4:
                continue
            source, output = found
            gate = ir.Value(name=names.fresh(f"{name_of(output)}_gate"), type=source.type, shape=source.shape)
            result = ir.Value(name=names.fresh(f"{name_of(output)}_gated"), type=source.type, shape=source.shape)
            last = output.producer()
            assert last is not None
            sigmoid = new_node("HardSigmoid", [source], gate, alpha=1 / 6, beta=0.5)
            model.graph.insert_before(last, [sigmoid, new_node("Mul", [source, gate], result)])
            replace_value(output, result)
            changed = True
        if changed:
            RemoveUnusedNodesPass()(model)
        return ir.passes.PassResult(model, changed)


def _hard_swish(node: ir.Node) -> tuple[ir.Value, ir.Value] | None:
    """The input and output of a HardSwish that begins at a node: the operator, or x + 3 where that begins one."""
    if is_standard(node, "HardSwish") and node.inputs[0] is not None:
        return node.inputs[0], node.outputs[0]
    affine = read_affine(node)
    # x + 3, which folding has made a BatchNormalization
    moved = affine is not None and np.allclose(affine.scale, 1, atol=1e-6) and np.allclose(affine.shift, 3, atol=1e-6)
    source = affine.source if affine is not None and moved else None
    clip = only_reader(node.outputs[0]) if source is not None else None
    if source is None or clip is None or not is_standard(clip, "Clip") or _clip_bounds(clip) != (0.0, 6.0):
        return None
    product = only_reader(clip.outputs[0])
    if product is None or not is_standard(product, "Mul") or source not in product.inputs:
        return None
    last = only_reader(product.outputs[0])
    if last is not None and (_with_scalar(last, "Div", 6.0) or _with_scalar(last, "Mul", 1 / 6)):
        return source, last.outputs[0]
    return None


def _with_scalar(node: ir.Node, op_type: str, number: float) -> ir.Value | None:
    """What a node adds a number to, multiplies or divides by it; None where it does not."""
    if not is_standard(node, op_type):
        return None
    left, right = node.inputs
    pairs = [(left, right)] if op_type == "Div" else [(left, right), (right, left)]
    for source, other in pairs:
        value = constant(other)
        if source is not None and value is not None and value.size == 1 and abs(value.item() - number) < 1e-6:
            return source
    return None


def _clip_bounds(node: ir.Node) -> tuple[float, float]:
    bounds = []
    for position, (name, default) in enumerate((("min", -np.inf), ("max", np.inf)), start=1):
        given = constant(input_value(node, position))
        attribute = node.attributes.get(name)
        bounds.append(float(given) if given is not None else default if attribute is None else attribute.as_float())
    return bounds[0], bounds[1]
