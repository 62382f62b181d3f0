"""Operators that move, cut, repeat or retype elements; what later versions take as inputs are attributes here."""

import math
from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper

from zoosmith.validation.legacy.registry import legacy

Array = np.ndarray


@legacy("Cast", first=1, last=5)
def _cast(x: Array, to: str) -> Array:
    if to not in dict(TensorProto.DataType.items()) or to in ("STRING", "UNDEFINED"):
        raise ValueError(f"cannot cast to {to!r}; the name of a numeric type of TensorProto is expected")
    return x.astype(helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(to)))


@legacy("Concat", first=1, last=3)
def _concat(*inputs: Array, axis: int | None = None) -> Array:
    return np.concatenate(inputs, axis=1 if axis is None else axis)


@legacy("Reshape", first=1, last=4)
def _reshape(x: Array, shape: Sequence[int] | None = None) -> Array:
    sizes = [x.shape[index] if size == 0 else size for index, size in enumerate(shape or ())]
    return x.reshape(sizes)


@legacy("Split", first=1, last=1, count_outputs=True)
def _split(
    x: Array, lengths: Array | None = None, *, outputs: int, axis: int | None = None, split: Sequence[int] | None = None
) -> tuple[Array, ...]:
    axis = axis or 0
    # the tensor of lengths has the type of the input, floats too
    sizes = [int(size) for size in (lengths if lengths is not None else split or ())]
    if not sizes:
        if x.shape[axis] % outputs:
            raise ValueError(f"{x.shape[axis]} elements of axis {axis} do not split into {outputs} equal parts")
        sizes = [x.shape[axis] // outputs] * outputs
    if sum(sizes) != x.shape[axis] or len(sizes) != outputs:
        raise ValueError(f"parts of {sizes} do not make {x.shape[axis]} in {outputs} outputs")
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


@legacy("Tile", first=1, last=5)
def _tile(x: Array, tiles: Array, axis: Array) -> Array:
    repeats = [1] * x.ndim
    repeats[int(axis.item())] = int(tiles.item())
    return np.tile(x, repeats)


@legacy("TopK", first=1, last=9)
def _top_k(x: Array, k: int, axis: int) -> tuple[Array, Array]:
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"k is {k}, but axis {axis} has {x.shape[axis]} elements")
    # a stable sort of the reversed axis, reversed: the lower index comes first among equals
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    order = x.shape[axis] - 1 - np.flip(backwards, axis)
    indices = np.take(order, range(k), axis=axis).astype(np.int64)
    return np.take_along_axis(x, indices, axis), indices


@legacy("Pad", first=1, last=1)
def _pad_1(x: Array, paddings: Sequence[int], mode: str, value: float) -> Array:
    return _pad(x, paddings, mode, value)


@legacy("Pad", first=2, last=10)
def _pad_2(x: Array, pads: Sequence[int], mode: str, value: float) -> Array:
    return _pad(x, pads, mode, value)


def _pad(x: Array, pads: Sequence[int], mode: str, value: float) -> Array:
    if len(pads) != 2 * x.ndim or mode not in ("constant", "reflect", "edge"):
        raise ValueError(f"{len(pads)} pads of mode {mode!r} do not fit {x.ndim} dimensions")
    pairs = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
    # negative pads remove elements
    kept = x[tuple(slice(max(-b, 0), n - max(-e, 0)) for (b, e), n in zip(pairs, x.shape, strict=True))]
    widths = [(max(b, 0), max(e, 0)) for b, e in pairs]
    if mode == "constant":
        return np.pad(kept, widths, constant_values=value)
    return np.pad(kept, widths, mode="reflect" if mode == "reflect" else "edge")


@legacy("Upsample", first=1, last=6)
def _upsample_1(x: Array, height_scale: float, width_scale: float, mode: str) -> Array:
    return _upsample(x, [1.0] * (x.ndim - 2) + [height_scale, width_scale], mode)


@legacy("Upsample", first=7, last=8)
def _upsample_7(x: Array, scales: Sequence[float], mode: str) -> Array:
    return _upsample(x, scales, mode)


@legacy("Upsample", first=9, last=9)
def _upsample_9(x: Array, scales: Array, mode: str) -> Array:
    return _upsample(x, scales.tolist(), mode)


def _upsample(x: Array, scales: Sequence[float], mode: str) -> Array:
    # the text gives no formula for the coordinates; output / scale is what the runtimes of that time do
    if mode not in ("nearest", "bilinear", "linear"):
        raise ValueError(f"mode is {mode!r}; nearest or linear is expected")
    if len(scales) != x.ndim:
        raise ValueError(f"{len(scales)} scales do not fit {x.ndim} dimensions")
    y = x
    for axis, scale in enumerate(map(float, scales)):
        if scale == 1:
            continue
        size = math.floor(x.shape[axis] * scale)
        position = np.minimum(np.arange(size) / scale, x.shape[axis] - 1)
        low = np.floor(position).astype(np.int64)
        if mode == "nearest":
            y = np.take(y, low, axis=axis)
            continue
        weight = (position - low).reshape(-1, *[1] * (x.ndim - 1 - axis))
        high = np.minimum(low + 1, x.shape[axis] - 1)
        y = np.take(y, low, axis=axis) * (1 - weight) + np.take(y, high, axis=axis) * weight
    return y.astype(x.dtype)
