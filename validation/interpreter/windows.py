"""Sliding windows of convolutions and pools: Caffe2's argument spellings and its sizes."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.values import limited


class LegacyPad(IntEnum):
    """Values of the argument `legacy_pad`."""

    NOTSET = 0
    VALID = 1
    SAME = 2
    CAFFE = 3


@dataclass(frozen=True)
class Windows:
    """One window geometry, every tuple with one entry per spatial dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    """Padding, before and after; what legacy padding adds at the end is in it."""
    output: tuple[int, ...]


def spatial(op: Operator, name: str, rank: int, default: int) -> tuple[int, ...]:
    """`kernel`, `stride` or `dilation` in their spellings: one for all, `_h` and `_w`, or the plural."""
    if op.has(name):
        return (op.integer(name),) * rank
    pair = (f"{name}_h", f"{name}_w")
    found = tuple(map(op.integer, pair)) if op.has(*pair) else op.integers(f"{name}s")
    if found and len(found) != rank:
        raise op.error(f"argument {name} has {len(found)} values for {rank} spatial dimensions")
    return found or (default,) * rank


def explicit_pads(op: Operator, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding before and after each spatial dimension: `pad`, `pad_t`, `pad_l`, `pad_b`, `pad_r`, or `pads`."""
    sides = ("pad_t", "pad_l", "pad_b", "pad_r")
    if op.has("pad"):
        pads: tuple[int, ...] = (op.integer("pad"),) * 2 * rank
    elif op.has(*sides):
        pads = tuple(map(op.integer, sides))
    else:
        pads = op.integers("pads") or (0,) * 2 * rank
    if len(pads) != 2 * rank:
        raise op.error(f"has {len(pads)} pads for {rank} spatial dimensions, expected {2 * rank}")
    return pads[:rank], pads[rank:]


def windows(op: Operator, size: tuple[int, ...], kernel: tuple[int, ...] | None = None) -> Windows:
    """The windows of a convolution or pool over an image of this size; `kernel` where the weights say it."""
    rank = len(size)
    if kernel is None:
        kernel = size if op.flag("global_pooling") else spatial(op, "kernel", rank, 0)
    stride = spatial(op, "stride", rank, 1)
    dilation = spatial(op, "dilation", rank, 1)
    if min(*kernel, *stride, *dilation) < 1:
        raise op.error(f"kernel {kernel}, stride {stride} and dilation {dilation} must be positive")
    begin, end = explicit_pads(op, rank)
    if op.flag("global_pooling") and {*begin, *end, *(d - 1 for d in dilation), *(s - 1 for s in stride)} != {0}:
        raise op.error("global_pooling allows no pad, stride or dilation")
    legacy = op.integer("legacy_pad", 0)
    if legacy not in set(LegacyPad):
        raise op.error(f"legacy_pad {legacy} is unknown, expected 0 to 3")
    if op.flag("global_pooling"):
        legacy = LegacyPad.NOTSET
    if legacy in {LegacyPad.VALID, LegacyPad.SAME} and (op.has("pad") or op.has("pads") or any((*begin, *end))):
        raise op.error(f"legacy_pad {legacy} allows no explicit pads")
    # With legacy_pad 3 Caffe2 would read beyond its memory.
    if legacy in {LegacyPad.SAME, LegacyPad.CAFFE} and set(dilation) != {1}:
        raise op.error(f"legacy_pad {legacy} allows no dilation")
    found = [
        _along(*axis, legacy=LegacyPad(legacy)) for axis in zip(size, kernel, stride, dilation, begin, end, strict=True)
    ]
    output, begin, end = (tuple(values) for values in zip(*found, strict=True))
    if min(output) < 1 or (legacy == LegacyPad.CAFFE and any(e < b for b, e in zip(begin, end, strict=True))):
        raise op.error(f"its window {kernel} does not fit the input {size} with padding {begin} and {end}")
    return Windows(kernel, stride, dilation, begin, end, output)


def _along(
    size: int, kernel: int, stride: int, dilation: int, begin: int, end: int, *, legacy: LegacyPad
) -> tuple[int, int, int]:
    """Output size and padding along one dimension."""
    extent = dilation * (kernel - 1) + 1
    if legacy == LegacyPad.SAME:
        needed = (-(-size // stride) - 1) * stride + kernel - size
        # C++ divides toward zero.
        begin = int(needed / 2)
        return (size + needed - extent) // stride + 1, begin, needed - begin
    if legacy == LegacyPad.CAFFE:
        # Caffe rounds up, and drops a last window that would start in the padding.
        output = -(-(size + 2 * begin - kernel) // stride) + 1
        if begin > 0 and (output - 1) * stride >= size + begin:
            output -= 1
        standard = (size + 2 * begin - kernel) // stride + 1
        return output, begin, begin + stride * (output - standard)
    return (size + begin + end - extent) // stride + 1, begin, end


def pad_spatial(image: np.ndarray, begin: tuple[int, ...], end: tuple[int, ...], value: float = 0.0) -> np.ndarray:
    """The image (N, C, spatial …) with constant padding; negative padding crops."""
    crop = tuple(slice(max(0, -b), size + min(0, e)) for b, e, size in zip(begin, end, image.shape[2:], strict=True))
    image = image[(slice(None), slice(None), *crop)]
    widths = [(0, 0), (0, 0), *((max(0, b), max(0, e)) for b, e in zip(begin, end, strict=True))]
    limited(*(size + sum(width) for size, width in zip(image.shape, widths, strict=True)))
    return np.pad(image, widths, constant_values=value) if any(map(any, widths)) else image


def window_view(padded: np.ndarray, window: Windows) -> np.ndarray:
    """A view (N, C, output …, kernel …) of every window of a padded image."""
    rank = len(window.kernel)
    for size, kernel, stride, dilation, output in zip(
        padded.shape[2:], window.kernel, window.stride, window.dilation, window.output, strict=True
    ):
        if (output - 1) * stride + dilation * (kernel - 1) + 1 > size:
            raise ValueError(f"a window of {kernel} ends outside of {size} padded pixels")
    steps = padded.strides[2:]
    return np.lib.stride_tricks.as_strided(
        padded,
        (*padded.shape[:2], *window.output, *window.kernel),
        (
            *padded.strides[:2],
            *(steps[d] * window.stride[d] for d in range(rank)),
            *(steps[d] * window.dilation[d] for d in range(rank)),
        ),
        writeable=False,
    )


def channels_first(image: np.ndarray) -> np.ndarray:
    """(N, spatial …, C) as (N, C, spatial …)."""
    return np.moveaxis(image, -1, 1)


def channels_last(image: np.ndarray) -> np.ndarray:
    """(N, C, spatial …) as (N, spatial …, C)."""
    return np.moveaxis(image, 1, -1)
