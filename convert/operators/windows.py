"""The sliding window of convolutions and pools: Caffe2's spellings of it, and its legacy paddings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from zoosmith.convert.operator import Operator
from zoosmith.onnx_model.ports import Dimension

_VALID, _SAME, _CAFFE = 1, 2, 3
_SIDES = ("t", "l", "b", "r")
# Caffe2's arguments -> ONNX's attributes
_SPELLINGS = {
    **dict.fromkeys(("stride", "strides", "stride_h"), "strides"),
    **dict.fromkeys(("pad", "pads", *(f"pad_{side}" for side in _SIDES)), "pads"),
    **dict.fromkeys(("dilation", "dilations", "dilation_h"), "dilations"),
    **dict.fromkeys(("kernel", "kernels", "kernel_h"), "kernel_shape"),
}
# what an attribute that is left out means
_DEFAULTS: dict[str, int | None] = {"strides": 1, "pads": 0, "dilations": 1, "kernel_shape": None}


@dataclass
class Window:
    """Sizes for each spatial dimension; `pads` holds all begins, then all ends, as in Caffe2 and ONNX.

    `outside` counts the last windows that a legacy padding places after the end of the input, where they see nothing.
    """

    kernel: list[int]
    strides: list[int]
    pads: list[int]
    dilations: list[int]
    legacy_pad: int
    outside: list[int] = field(default_factory=list)

    def first(self) -> "Window":
        """Give the first dimension of an image's window, which is what Caffe2's pools use of it on a signal."""
        return Window(self.kernel[:1], self.strides[:1], self.pads[::2], self.dilations[:1], self.legacy_pad)

    def reach_outside(self, spatial: Sequence[int]) -> None:
        """Pad so far that the windows after the end of the input exist; they see zeros."""
        rank = len(self.kernel)
        for i, size in enumerate(spatial):
            if self.outside and self.outside[i]:
                last = (size + self.pads[i] + self.pads[i + rank] - self.kernel[i]) // self.strides[i] + 1
                self.pads[i + rank] = last * self.strides[i] + self.kernel[i] - size - self.pads[i]

    def attributes(self, op: Operator) -> dict[str, list[int]]:
        """Give ONNX's attributes in the order of the arguments they come from; what is added comes last."""
        sizes = {"strides": self.strides, "pads": self.pads, "dilations": self.dilations, "kernel_shape": self.kernel}
        attributes = {}
        for argument in op.arguments:
            name = _SPELLINGS.get(argument)
            if name is not None:
                attributes[name] = sizes[name]
        for name, plain in _DEFAULTS.items():
            if name not in attributes and any(size != plain for size in sizes[name]):
                attributes[name] = sizes[name]
        return attributes


def read_window(op: Operator) -> Window:
    """Read the window's arguments as Caffe2 does; the kernel is empty where none is given."""
    kernel = read_sizes(op, "kernel", "kernels")
    rank = len(kernel)
    window = Window(
        kernel,
        read_sizes(op, "stride", "strides") or [1] * rank,
        _pads(op) or [0] * (2 * rank),
        read_sizes(op, "dilation", "dilations") or [1] * rank,
        op.integer("legacy_pad"),
    )
    # a global pool has no use for its kernel, and published nets state 0
    used = [*window.strides, *window.dilations, *([] if op.flag("global_pooling") else kernel)]
    if used and min(used) < 1:
        op.refuse(f"kernel {kernel}, strides {window.strides}, dilations {window.dilations}: expected at least 1")
    if kernel and not (len(window.strides) == len(window.dilations) == rank == len(window.pads) / 2):
        op.refuse(f"its kernel {kernel}, strides {window.strides}, pads {window.pads} differ in dimensions")
    return window


def output_sizes(window: Window, spatial: Sequence[Dimension]) -> list[Dimension]:
    """Sizes of the result of a convolution or pool, known where the input's are."""
    rank = len(window.kernel)
    sizes: list[Dimension] = []
    for i, size in enumerate(spatial):
        reach = window.dilations[i] * (window.kernel[i] - 1) + 1
        padding = window.pads[i] + window.pads[i + rank]
        sizes.append((size + padding - reach) // window.strides[i] + 1 if isinstance(size, int) else None)
    return sizes


def resolve_padding(op: Operator, window: Window, spatial: Sequence[int]) -> None:
    """Turn a legacy padding into explicit pads for this input size."""
    if window.legacy_pad in {_VALID, _SAME} and (op.has("pad") or all(op.has(f"pad_{side}") for side in _SIDES)):
        op.refuse(f"argument legacy_pad={window.legacy_pad} together with explicit pads")
    rank = len(window.kernel)
    if window.legacy_pad == _VALID:
        window.pads = [0] * (2 * rank)
    elif window.legacy_pad == _SAME:
        if any(dilation != 1 for dilation in window.dilations):
            op.refuse("argument legacy_pad=2 (SAME) together with a dilation")
        for i, size in enumerate(spatial):
            target = -(-size // window.strides[i])
            needed = (target - 1) * window.strides[i] + window.kernel[i] - size
            if needed < -1:
                op.refuse("argument legacy_pad=2 (SAME) with a stride that skips the borders")
            window.pads[i] = max(needed, 0) // 2
            window.pads[i + rank] = max(needed, 0) - window.pads[i]
    elif window.legacy_pad == _CAFFE:
        if any(dilation != 1 for dilation in window.dilations):
            op.refuse("argument legacy_pad=3 together with a dilation")
        for i, size in enumerate(spatial):
            window.pads[i + rank], outside = _caffe_end(window, i, size)
            window.outside.append(outside)
    elif window.legacy_pad != 0:
        op.refuse(f"argument legacy_pad={window.legacy_pad}: expected 0 to 3")


def _caffe_end(window: Window, i: int, size: int) -> tuple[int, int]:
    """End pad, and how many windows lie after the end of the input.

    Caffe rounds the output size up, and where there is padding drops a last window that would start in it.
    """
    kernel, stride, head = window.kernel[i], window.strides[i], window.pads[i]
    count = ceil((size + 2 * head - kernel) / stride + 1)
    behind = int((count - 1) * stride >= size + head)
    inside = count - behind
    return max((inside - 1) * stride + kernel - size - head, 0), 0 if head > 0 else behind


def read_sizes(op: Operator, single: str, several: str) -> list[int]:
    """Read a size for each dimension: one for both of an image, one for height and one for width, or a list."""
    if op.has(single):
        return [op.integer(single)] * 2
    if op.has(f"{single}_h") and op.has(f"{single}_w"):
        return [op.integer(f"{single}_h"), op.integer(f"{single}_w")]
    return op.integers(several)


def _pads(op: Operator) -> list[int]:
    if op.has("pad"):
        return [op.integer("pad")] * 4
    if all(op.has(f"pad_{side}") for side in _SIDES):
        return [op.integer(f"pad_{side}") for side in _SIDES]
    return op.integers("pads")
