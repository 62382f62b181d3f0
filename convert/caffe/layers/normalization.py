"""Layers that bring channels to a common scale."""

import numpy as np

from zoosmith.convert.caffe.layer import Layer, layer
from zoosmith.convert.proto.caffe_net_pb2 import LRNParameter


@layer("LRN")
def lrn(op: Layer) -> None:
    """LRN across channels; output 1 is the scale."""
    param = op.proto.lrn_param
    if param.norm_region != LRNParameter.ACROSS_CHANNELS:
        op.refuse("a norm_region within a channel, which Caffe2's LRN does not have")
    op.emit(
        "LRN",
        [op.bottom],
        [op.top, f"_{op.top}_scale"],
        size=param.local_size,
        alpha=param.alpha,
        beta=param.beta,
        bias=param.k,
        order="NCHW",
    )
    op.set_single(op.is_single)


@layer("BatchNorm")
def batch_norm(op: Layer) -> None:
    """BatchNorm: SpatialBN with the stored sums divided by the weight that they have gathered.

    Models of Intel's and NVIDIA's Caffe hold scale and bias of a Scale layer as well.
    """
    param = op.proto.batch_norm_param
    if param.HasField("use_global_stats") and not param.use_global_stats:
        op.refuse("use_global_stats: false, the statistics of the batch; a net for inference says true or nothing")
    mean, variance = (op.vector(index, what).array() for index, what in enumerate(("the mean", "the variance")))
    gathered = op.vector(2, "the weight of the statistics").array()
    if len(gathered) != 1 or gathered[0] == 0:
        op.refuse("its statistics have no weight: they were never gathered")
    factor = np.float32(1) / gathered[0]
    if len(op.blobs) > 3:
        scale, bias = op.vector(3, "the scale").array(), op.vector(4, "the bias").array()
    else:
        scale, bias = np.ones_like(mean), np.zeros_like(mean)
    arrays = {"scale": scale, "bias": bias, "mean": factor * mean, "var": factor * variance}
    names = [op.parameter(f"{op.top}_{name}", array) for name, array in arrays.items()]
    op.emit("SpatialBN", [op.bottom, *names], op.tops, is_test=1, epsilon=param.eps, order="NCHW")
    op.set_single(op.is_single)


@layer("Scale")
def scale(op: Layer) -> None:
    """Scale: Mul, then Add where it has a bias; with a second bottom that one is the factor."""
    param = op.proto.scale_param
    if param.axis < 0:
        op.refuse(f"axis {param.axis}, expected 0 or more")
    settings = {"axis": param.axis, "broadcast": 1}
    if len(op.bottoms) == 2:
        if param.bias_term:
            op.refuse("a factor that is computed, with a bias")
        op.emit("Mul", op.bottoms, op.tops, **settings)
    elif param.num_axes != 1:
        op.refuse(f"num_axes {param.num_axes}, expected 1")
    else:
        factor = op.parameter(f"{op.top}scale_w", op.vector(0, "the factor"))
        product = f"{op.top}_internal" if param.bias_term else op.top
        op.emit("Mul", [op.bottom, factor], [product], **settings)
        if param.bias_term:
            bias = op.parameter(f"{op.top}scale_b", op.vector(1, "the bias"))
            op.emit("Add", [product, bias], op.tops, **settings)
    op.set_single(op.is_single)
