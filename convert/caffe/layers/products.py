"""Layers that multiply by a matrix."""

from math import prod

import numpy as np

from zoosmith.convert.caffe.layer import Layer, layer
from zoosmith.convert.fill_operators import Tensor


@layer("InnerProduct")
def inner_product(op: Layer) -> None:
    """InnerProduct: FC."""
    param = op.proto.inner_product_param
    if param.axis < 1:
        op.refuse(f"axis {param.axis}, expected 1 or more")
    weight = op.blob(0, "the weight")
    # in old files a matrix is the end of four dimensions
    if len(weight.shape) < 2 or prod(weight.shape[:-2]) != 1:
        op.refuse(f"its weight has shape {list(weight.shape)}, expected a matrix")
    rows = weight.shape[-1 if param.transpose else -2]
    if rows != param.num_output:
        op.refuse(f"its weight has shape {list(weight.shape)}, expected {param.num_output} outputs")
    matrix = Tensor(weight.dtype, weight.shape[-2:], weight.content)
    bias = op.vector(1, "the bias") if param.bias_term else np.zeros(param.num_output, np.float32)
    inputs = [op.bottom, op.parameter(f"{op.top}_w", matrix), op.parameter(f"{op.top}_b", bias)]
    axis = {"axis": param.axis} if param.axis != 1 else {}
    op.emit("FCTransposed" if param.transpose else "FC", inputs, op.tops, **axis)
    op.set_rank(param.axis + 1)
    op.set_single(param.axis == 1)
