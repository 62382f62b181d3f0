"""Convolutions and matrix products, each as one BLAS product a group."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoosmith.validation.legacy.registry import legacy
from zoosmith.validation.legacy.windows import windows

Array = np.ndarray


@legacy("Conv", first=1, last=10)
def _conv(
    x: Array,
    w: Array,
    bias: Array | None = None,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Array:
    _check_filter(x, w, kernel_shape, channels=w.shape[1] * group, filters=w.shape[0], group=group)
    over = windows(x.shape[2:], w.shape[2:], strides, pads, auto_pad, dilations)
    padded = over.pad(x.astype(_accumulator(x), copy=False), 0)
    batch, channels = x.shape[:2]
    # [N, C, K, P] in one copy; a kernel of one element with stride 1 needs none
    columns = padded[:, :, None] if math.prod(over.kernel) == 1 and max(over.strides, default=1) == 1 else None
    if columns is None:
        columns = np.stack(list(over.taps(padded)), axis=2)
    columns = columns.reshape(batch, group, channels // group * math.prod(over.kernel), math.prod(over.output))
    filters = w.astype(columns.dtype, copy=False).reshape(1, group, w.shape[0] // group, columns.shape[2])
    y = (filters @ columns).reshape(batch, w.shape[0], *over.output)
    if bias is not None:
        y += bias.astype(y.dtype, copy=False).reshape(-1, *[1] * len(over.output))
    return y.astype(x.dtype, copy=False)


@legacy("ConvTranspose", first=1, last=None)
def _conv_transpose(
    x: Array,
    w: Array,
    bias: Array | None = None,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Array:
    rank, kernel = x.ndim - 2, w.shape[2:]
    strides, dilations, extra = strides or [1] * rank, dilations or [1] * rank, output_padding or [0] * rank
    _check_filter(x, w, kernel_shape, channels=w.shape[0], filters=w.shape[0], group=group)
    full = [s * (n - 1) + (k - 1) * d + 1 for s, n, k, d in zip(strides, x.shape[2:], kernel, dilations, strict=True)]
    begin, size = _transposed_span(x.shape[2:], full, strides, extra, pads, output_shape, auto_pad)
    batch, outputs = x.shape[0], w.shape[1] * group
    columns = x.astype(_accumulator(x), copy=False).reshape(batch, group, x.shape[1] // group, -1)
    filters = w.astype(columns.dtype, copy=False).reshape(1, group, w.shape[0] // group, -1)
    products = (filters.swapaxes(2, 3) @ columns).reshape(batch, outputs, math.prod(kernel), *x.shape[2:])
    reach = [max(f, b + n) for f, b, n in zip(full, begin, size, strict=True)]
    canvas = np.zeros((batch, outputs, *reach), columns.dtype)
    for tap, offsets in enumerate(np.ndindex(*kernel)):
        spatial = (
            slice(o * d, o * d + s * (n - 1) + 1, s)
            for o, d, s, n in zip(offsets, dilations, strides, x.shape[2:], strict=True)
        )
        index: tuple[Any, ...] = (..., *spatial)
        canvas[index] += products[:, :, tap]
    wanted: tuple[Any, ...] = (..., *(slice(b, b + n) for b, n in zip(begin, size, strict=True)))
    y = canvas[wanted]
    if bias is not None:
        y = y + bias.astype(y.dtype, copy=False).reshape(-1, *[1] * rank)
    return y.astype(x.dtype, copy=False)


def _transposed_span(
    sizes: Sequence[int],
    full: Sequence[int],
    strides: Sequence[int],
    extra: Sequence[int],
    pads: Sequence[int] | None,
    output_shape: Sequence[int] | None,
    auto_pad: str,
) -> tuple[list[int], list[int]]:
    """Return where the output begins in the full sum of all windows, and its size, for each axis."""
    rank = len(sizes)
    if output_shape is None and auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        output_shape = [n * s for n, s in zip(sizes, strides, strict=True)]
    if output_shape is None:
        begin, end = (list(pads[:rank]), list(pads[rank:])) if pads else ([0] * rank, [0] * rank)
        return begin, [f + x - b - e for f, x, b, e in zip(full, extra, begin, end, strict=True)]
    wanted = list(output_shape)[-rank:]
    total = [max(0, f + x - n) for f, x, n in zip(full, extra, wanted, strict=True)]
    # the odd one goes to the end for SAME_UPPER, else to the beginning, as the pads of opset 11's text say
    return [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in total], wanted


@legacy("Gemm", first=1, last=6)
def _gemm(a: Array, b: Array, c: Array, alpha: float, beta: float, broadcast: int, transA: int, transB: int) -> Array:
    if a.ndim > 2 and not transA:
        # beyond the text, which speaks of matrices: Caffe2's backend runs it as its FC, and the zoo has such files
        a = a.reshape(len(a), -1)
    product = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    if not broadcast and c.shape != product.shape:
        raise ValueError(f"C has shape {list(c.shape)}, expected {list(product.shape)} as broadcast is not set")
    return (product + beta * np.broadcast_to(c, product.shape)).astype(a.dtype, copy=False)


def _check_filter(
    x: Array, w: Array, kernel_shape: Sequence[int] | None, channels: int, filters: int, group: int
) -> None:
    if x.ndim < 3 or x.ndim != w.ndim or x.shape[1] != channels or filters % group:
        raise ValueError(f"X {list(x.shape)} and W {list(w.shape)} do not fit (group={group})")
    if kernel_shape is not None and tuple(kernel_shape) != w.shape[2:]:
        raise ValueError(f"kernel_shape is {list(kernel_shape)} but W has shape {list(w.shape)}")


def _accumulator(x: Array) -> np.dtype:
    # BLAS has no half precision
    return x.dtype if x.dtype.itemsize >= 4 else np.dtype(np.float32)
