"""BlackmanWindow, DFT, HammingWindow, HannWindow, STFT: transforms as products with a constant matrix."""

from functools import partial

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.computed_sizes import counted, sizes
from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer

_LARGEST = 1 << 22  # elements of a transform's matrix


decomposition("BlackmanWindow", "HammingWindow", "HannWindow")(inline_body)


@decomposition("DFT")
def _dft(node: NodeProto, g: Writer) -> None:
    axis = g.attribute("axis") % g.rank(node.input[0])
    g.op("Identity", _along(node, g, axis), output=node.output[0])


@adapter("DFT", source=17, target=20)
def _axis_to_input(node: NodeProto, g: Writer) -> None:
    axis = get_attribute(node, "axis", 1)
    drop_attribute(node, "axis")
    set_inputs(node, node.input[0], input_at(node, 1), g.constant(axis))


@adapter("DFT", source=20, target=17)
def _dft_20_to_17(node: NodeProto, g: Writer) -> None:
    place = input_at(node, 2)
    axis = g.value(place) if place else np.array(-2)
    if axis is None:
        _dft_at_run_time(node, g, place)
        return
    set_attribute(node, "axis", int(axis.item()) % g.rank(node.input[0]))
    set_inputs(node, node.input[0], input_at(node, 1))


def _dft_at_run_time(node: NodeProto, g: Writer, place: str) -> None:
    """Transform along each axis whose result would have the stated shape, and choose."""
    data = node.input[0]
    rank, wanted = g.rank(data), g.static_shape(node.output[0])
    axes = [axis for axis in range(rank - 1) if _result_shape(node, g, axis) == wanted]
    if not axes:
        g.refuse("no axis would give the stated shape")
    place = g.op("Reshape", place, g.constant([1]))
    found = _along(node, g, axes[-1])
    for axis in axes[:-1]:
        here = g.op("Or", g.op("Equal", place, g.constant([axis])), g.op("Equal", place, g.constant([axis - rank])))
        found = g.op("Where", here, _along(node, g, axis), found)
    g.op("Identity", found, output=node.output[0])


def _along(node: NodeProto, g: Writer, axis: int) -> str:
    data = node.input[0]
    shape = g.static_shape(data)
    length, inverse, onesided = _length(node, g, axis), bool(g.attribute("inverse")), bool(g.attribute("onesided"))
    matrix = _fourier_matrix(shape[axis], shape[-1], length, inverse, onesided)
    if matrix.size > _LARGEST:
        g.refuse(f"it would take a matrix of {matrix.size} elements there")
    rank = len(shape)
    # the axis goes beside the parts (real, imaginary): both are transformed by one product
    order = [k for k in range(rank - 1) if k != axis] + [axis, rank - 1]
    others = [shape[k] for k in order[:-2]]
    moved = g.op("Transpose", data, perm=order)
    rows = g.op("Reshape", moved, g.constant([*others, shape[axis] * shape[-1]]))
    flat = matrix.reshape(shape[axis] * shape[-1], -1)
    product = g.op("MatMul", rows, g.typed_constant(flat, g.element_type(data)))
    apart = g.op("Reshape", product, g.constant([*others, *matrix.shape[2:]]))
    return g.op("Transpose", apart, perm=[order.index(k) for k in range(rank)])


def _length(node: NodeProto, g: Writer, axis: int) -> int:
    known = g.constant_input(1, "the length")
    if known is not None:
        return int(known.item())
    size = g.static_shape(node.input[0])[axis]
    return 2 * (size - 1) if g.attribute("inverse") and g.attribute("onesided") else size


def _result_shape(node: NodeProto, g: Writer, axis: int) -> tuple[int, ...]:
    shape, length = list(g.static_shape(node.input[0])), _length(node, g, axis)
    onesided = bool(g.attribute("onesided"))
    shape[axis] = length // 2 + 1 if onesided and not g.attribute("inverse") else length
    shape[-1] = 1 if onesided and g.attribute("inverse") else 2
    return tuple(shape)


def _fourier_matrix(size: int, parts: int, length: int, inverse: bool, onesided: bool) -> np.ndarray:
    """The transform as a float64 array: input element, input part, output element, output part.

    Parts are real and imaginary; `parts` is 1 for a real input. Inputs beyond `length` do not count.
    """
    half = length // 2 + 1
    outputs = half if onesided and not inverse else length
    angle = 2 * np.pi * (np.outer(np.arange(size), np.arange(outputs)) % length) / length
    cosine, sine = np.cos(angle), np.sin(angle) * (1 if inverse else -1)
    matrix = np.stack([np.stack([cosine, sine], -1), np.stack([-sine, cosine], -1)], 1)
    weight = np.ones(size)
    if inverse:
        weight /= length
        if onesided:
            # the other half of the spectrum is the mirror of this one
            weight[1 : (length + 1) // 2] *= 2
            weight[half:] = 0
    weight[length:] = 0
    matrix = matrix * weight[:, None, None, None]
    return matrix[:, :parts, :, : 1 if inverse and onesided else 2]


@decomposition("STFT")
def _stft(node: NodeProto, g: Writer) -> None:
    signal, window = node.input[0], input_at(node, 2)
    parts = g.fixed_size(signal, 2, "it tells whether the signal is complex")
    need = partial(_number, g)
    step = need(1, "the step")
    if len(node.input) > 3 and node.input[3]:
        length = need(3, "the length")
    else:
        whole = (window, 0) if window else (signal, 1)
        length = g.fixed_size(*whole, "it is the length of a frame")
    matrix = _fourier_matrix(length, parts, length, False, bool(g.attribute("onesided"))).astype(np.float64)
    if matrix.size > _LARGEST:
        g.refuse(f"it would take a matrix of {matrix.size} elements there")
    frames = g.op("Gather", signal, _places_of_frames(g, signal, step, length), axis=1)
    if window:
        frames = g.op("Mul", frames, g.op("Reshape", window, g.constant([length, 1])))
    rows = g.op("Reshape", frames, g.constant([0, 0, length * parts]))
    flat = g.typed_constant(matrix.reshape(length * parts, -1), g.element_type(signal))
    shape = g.constant([0, 0, matrix.shape[2], 2])
    g.op("Reshape", g.op("MatMul", rows, flat), shape, output=node.output[0])


def _places_of_frames(g: Writer, signal: str, step: int, length: int) -> str:
    """Emit which elements each frame has: a row for each."""
    (size,) = sizes(g, signal, [1])
    if isinstance(size, int):
        return g.constant(np.arange(1 + (size - length) // step)[:, None] * step + np.arange(length))
    steps = g.op("Div", g.op("Sub", size, g.constant([length])), g.constant([step]))
    first = counted(g, g.op("Add", steps, g.constant([1])), trailing=1)
    return g.op("Add", g.op("Mul", first, g.constant([step])), g.constant(np.arange(length)))


def _number(g: Writer, index: int, what: str) -> int:
    value = g.constant_input(index, what)
    return g.refuse(f"{what} is left out") if value is None else int(value.item())
