"""Normalizations."""

from convert.graph import Attribute
from convert.operator import Operator
from convert.operators.convolution import to_channels_first
from convert.registry import translator


@translator("SpatialBN", since=1)
def spatial_bn(op: Operator) -> None:
    """SpatialBN of a trained net; its training form, which uses the batch's own statistics, is refused."""
    x, *parameters = op.inputs
    if not op.flag("is_test"):
        op.refuse("argument is_test=0: it would normalize with the statistics of the batch")
    x = to_channels_first(op, x)
    channels = op.shape(x)[1]
    for what, parameter in zip(("scale", "bias", "mean", "variance"), parameters, strict=True):
        op.expect_shape(parameter, [channels], f"the {what}")
    attributes: dict[str, Attribute] = {"epsilon": op.number("epsilon", 1e-5)}
    if op.opset < 7:
        attributes["is_test"] = 1
    if op.opset < 6:
        attributes["consumed_inputs"] = [0, 0, 0, 1, 1]
    like = x if op.opset < 7 else None
    if not op.channels_last:
        op.emit("BatchNormalization", x, *parameters, to=0, like=like, attributes=attributes)
        return
    rank = op.rank(x)
    result = op.emit("BatchNormalization", x, *parameters, like=like, attributes=attributes)
    op.emit("Transpose", result, to=0, perm=[0, *range(2, rank), 1])


@translator("LRN", since=1)
def lrn(op: Operator) -> None:
    """LRN across channels. Output 1 is bias + alpha / size x the windowed sum of squares."""
    if op.channels_last:
        op.refuse("argument order='NHWC'")
    size = op.integer("size")
    alpha, beta, bias = op.number("alpha"), op.number("beta"), op.number("bias", 1.0)
    op.emit("LRN", op.inputs[0], to=0, size=size, alpha=alpha, beta=beta, bias=bias)
