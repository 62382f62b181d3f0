"""Sizes and pads of sliding windows, shared by convolutions and pools."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Windows:
    """Where the windows of an operator lie over the spatial axes of its input; one entry a spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    output: tuple[int, ...]

    def pad(self, x: np.ndarray, value: float) -> np.ndarray:
        """Return `x` [N, C, ...] with `value` around it."""
        if not any(self.begin) and not any(self.end):
            return x
        return np.pad(x, [(0, 0), (0, 0), *zip(self.begin, self.end, strict=True)], constant_values=value)

    def taps(self, padded: np.ndarray) -> Iterator[np.ndarray]:
        """Yield, for each element of the kernel in row-major order, what every window has there: [N, C, *output]."""
        for offsets in product(*map(range, self.kernel)):
            spatial = (
                slice(offset * dilation, offset * dilation + stride * (size - 1) + 1, stride)
                for offset, dilation, stride, size in zip(
                    offsets, self.dilations, self.strides, self.output, strict=True
                )
            )
            index: tuple[Any, ...] = (..., *spatial)
            yield padded[index]


def windows(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto_pad: str,
    dilations: Sequence[int] | None = None,
) -> Windows:
    """Return the windows over spatial `sizes`; `pads` holds all begins, then all ends. Raises ValueError."""
    rank = len(sizes)
    strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * 2 * rank
    if not len(kernel) == len(strides) == len(dilations) == rank or len(pads) != 2 * rank:
        raise ValueError(f"kernel_shape, strides, dilations and pads do not all fit {rank} spatial dimensions")
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    begin, end = list(pads[:rank]), list(pads[rank:])
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        total = [max(0, (-(-n // s) - 1) * s + e - n) for n, s, e in zip(sizes, strides, extent, strict=True)]
        small, large = [t // 2 for t in total], [t - t // 2 for t in total]
        begin, end = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
    elif auto_pad == "VALID":
        begin, end = [0] * rank, [0] * rank
    elif auto_pad != "NOTSET":
        raise ValueError(f"auto_pad is {auto_pad!r}; NOTSET, VALID, SAME_UPPER or SAME_LOWER is expected")
    output = tuple((n + b + e - x) // s + 1 for n, b, e, x, s in zip(sizes, begin, end, extent, strides, strict=True))
    if min(output, default=1) < 1:
        raise ValueError(f"a window of {extent} does not fit into {list(sizes)} with pads {begin + end}")
    return Windows(tuple(kernel), tuple(strides), tuple(dilations), tuple(begin), tuple(end), output)
