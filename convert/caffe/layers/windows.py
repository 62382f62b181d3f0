"""Layers that slide a window over height and width."""

from collections.abc import Sequence

import numpy as np

from zoosmith.convert.caffe.layer import Layer, Setting, layer
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.proto.caffe_net_pb2 import ConvolutionParameter, PoolingParameter

# Caffe2's name for the sizes that Caffe's pools have: rounded up, no window that begins in the padding
_CAFFE_LEGACY_POOLING = 3


@layer("Convolution")
def convolution(op: Layer) -> None:
    """Convolution: Conv."""
    param = op.proto.convolution_param
    _check_axis(op, param)
    weight = op.blob(0, "the weight")
    if len(weight.shape) != op.rank or weight.shape[0] != param.num_output:
        op.refuse(
            f"its weight has shape {list(weight.shape)}, expected {param.num_output} filters of {op.rank - 1} sizes"
        )
    inputs = [op.bottom, op.parameter(f"{op.top}_w", weight)]
    if len(op.blobs) > 1:
        inputs.append(op.parameter(f"{op.top}_b", op.vector(1, "the bias")))
    settings = _window(op, param)
    if param.group != 1:
        settings["group"] = param.group
    if len(param.dilation) == 1:
        settings["dilation"] = param.dilation[0]
    elif param.dilation:
        settings["dilation_h"], settings["dilation_w"] = _pair(op, param.dilation, "dilation")
    op.emit("Conv", inputs, op.tops, **settings)
    op.set_single(op.is_single)


@layer("Deconvolution")
def deconvolution(op: Layer) -> None:
    """Deconvolution: ConvTranspose, which has no dilation: its window has zeros between the weights instead."""
    param = op.proto.convolution_param
    _check_axis(op, param)
    weight, settings = op.blob(0, "the weight"), _window(op, param)
    if len(weight.shape) != 4:
        op.refuse(f"its weight has shape {list(weight.shape)}, expected four sizes")
    if any(dilation != 1 for dilation in param.dilation):
        if min(param.dilation) < 1 or weight.shape[2:] != _sizes(op, param, "kernel", 0):
            op.refuse(f"a dilation {list(param.dilation)} of a weight of shape {list(weight.shape)}")
        weight = _dilated(weight, _pair(op, param.dilation, "dilation"))
        settings = {name: value for name, value in settings.items() if not name.startswith("kernel")}
        settings["kernel_h"], settings["kernel_w"] = weight.shape[2:]
    inputs = [op.bottom, op.parameter(f"{op.top}_w", weight)]
    if param.bias_term:
        inputs.append(op.parameter(f"{op.top}_b", op.vector(1, "the bias")))
    if param.group != 1:
        settings["group"] = param.group
    op.emit("ConvTranspose", inputs, op.tops, **settings, order="NCHW")
    op.set_single(False)


def _dilated(weight: Tensor, dilation: tuple[int, int]) -> Tensor:
    """A kernel with zeros between its elements: without dilation it computes the same."""
    values = weight.array()
    sizes = ((size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilation, strict=True))
    spread = np.zeros((*weight.shape[:2], *sizes), values.dtype)
    spread[:, :, :: dilation[0], :: dilation[1]] = values
    return Tensor.of(spread)


@layer("Pooling")
def pooling(op: Layer) -> None:
    """Pooling: MaxPool or AveragePool with Caffe's sizes."""
    param = op.proto.pooling_param
    rounds_up = param.round_mode == PoolingParameter.CEIL
    settings = {**_window(op, param), "order": "NCHW"}
    if rounds_up:
        settings["legacy_pad"] = _CAFFE_LEGACY_POOLING
    if param.global_pooling:
        settings["global_pooling"] = 1
    average = param.pool == PoolingParameter.AVE
    if average and any((param.pad, param.pad_h, param.pad_w)):
        # Caffe divides by the part of a window that lies in the padded image
        if rounds_up and max(param.stride, param.stride_h, param.stride_w) > 1:
            op.refuse("averages with padding, a stride and sizes rounded up, which Caffe2 divides by another number")
        settings["count_include_pad"] = 1
    if param.pool == PoolingParameter.STOCHASTIC:
        op.refuse("a stochastic pool, which Caffe2 does not have")
    if len(op.tops) != 1:
        op.refuse(f"it has {len(op.tops)} tops, expected 1: the places of the largest values are not translated")
    op.emit("AveragePool" if average else "MaxPool", [op.bottom], op.tops, **settings)
    op.set_single(param.global_pooling or op.is_single)


def _check_axis(op: Layer, param: ConvolutionParameter) -> None:
    if param.axis != 1:
        op.refuse(f"axis {param.axis}, expected 1")
    if len(op.bottoms) != 1 or len(op.tops) != 1:
        op.refuse(f"it has {len(op.bottoms)} bottoms and {len(op.tops)} tops, expected one of each")


def _window(op: Layer, param: ConvolutionParameter | PoolingParameter) -> dict[str, Setting]:
    """Stride, padding and kernel in the order and the form of Caffe2's translator: one number where it can be."""
    whole = isinstance(param, PoolingParameter) and param.global_pooling
    settings: dict[str, Setting] = {}
    stride = _sizes(op, param, "stride", 1)
    kernel = _sizes(op, param, "kernel", 0)
    pad = _sizes(op, param, "pad", 0)
    if whole and max(pad) > 0:
        op.refuse("a global pool with padding")
    if not whole and min(kernel) < 1:
        op.refuse("it has no kernel_size")
    if min(stride) < 1:
        op.refuse("a stride of 0")
    if _is_pair(param, "stride"):
        settings["stride_h"], settings["stride_w"] = stride
    else:
        settings["stride"] = stride[0]
    if pad[0] == pad[1]:
        settings["pad"] = pad[0]
    else:
        settings.update(pad_t=pad[0], pad_b=pad[0], pad_l=pad[1], pad_r=pad[1])
    if _is_pair(param, "kernel"):
        settings["kernel_h"], settings["kernel_w"] = kernel
    else:
        settings["kernel"] = kernel[0]
    return settings


def _is_pair(param: ConvolutionParameter | PoolingParameter, name: str) -> bool:
    listed = getattr(param, _field(name))
    return (
        param.HasField(f"{name}_h") or param.HasField(f"{name}_w") or (not isinstance(listed, int) and len(listed) > 1)
    )


def _sizes(op: Layer, param: ConvolutionParameter | PoolingParameter, name: str, default: int) -> tuple[int, int]:
    """A size along height and width, of whichever fields hold it."""
    if param.HasField(f"{name}_h") or param.HasField(f"{name}_w"):
        return getattr(param, f"{name}_h"), getattr(param, f"{name}_w")
    value = getattr(param, _field(name))
    if isinstance(value, int):
        return value, value
    return _pair(op, value, name) if len(value) else (default, default)


def _pair(op: Layer, values: Sequence[int], name: str) -> tuple[int, int]:
    if len(values) > 2:
        op.refuse(f"{len(values)} values of {name}, expected one or two")
    return values[0], values[-1]


def _field(name: str) -> str:
    return "kernel_size" if name == "kernel" else name
