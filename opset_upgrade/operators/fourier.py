"""BlackmanWindow, DFT, HammingWindow, HannWindow, STFT: transforms as products with a constant matrix."""

from functools import partial

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.computed_sizes import Size, counted, parts, sizes, times
from zoosmith.opset_upgrade.building_blocks.constant_limits import limit_list
from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer

_LARGEST = 1 << 22  # elements of a transform's matrix


_MATRIX = "the transform there is a product with a matrix of that size"


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
    size, kinds = g.fixed_size(data, axis, _MATRIX), g.fixed_size(data, -1, "it tells real from complex")
    if not size or kinds not in (1, 2):
        g.refuse(f"its data of {size} elements by {kinds} parts is none of real or complex numbers")
    length, inverse, onesided = _length(node, g, axis), bool(g.attribute("inverse")), bool(g.attribute("onesided"))
    matrix = _fourier_matrix(g, size, kinds, length, inverse, onesided)
    rank = g.rank(data)
    # the axis goes beside the parts (real, imaginary): both are transformed by one product
    order = [k for k in range(rank - 1) if k != axis] + [axis, rank - 1]
    moved = g.op("Transpose", data, perm=order)
    others = [0] * (rank - 2)  # as they are
    rows = g.op("Reshape", moved, g.constant([*others, size * kinds]))
    flat = matrix.reshape(size * kinds, -1)
    product = g.op("MatMul", rows, g.typed_constant(flat, g.element_type(data)))
    apart = g.op("Reshape", product, g.constant([*others, *matrix.shape[2:]]))
    return g.op("Transpose", apart, perm=[order.index(k) for k in range(rank)])


def _length(node: NodeProto, g: Writer, axis: int) -> int:
    known = g.constant_input(1, "the length")
    if known is not None:
        return int(known.item())
    size = g.fixed_size(node.input[0], axis, _MATRIX)
    return 2 * (size - 1) if g.attribute("inverse") and g.attribute("onesided") else size


def _result_shape(node: NodeProto, g: Writer, axis: int) -> tuple[int, ...]:
    shape, length = list(g.static_shape(node.input[0])), _length(node, g, axis)
    onesided = bool(g.attribute("onesided"))
    shape[axis] = length // 2 + 1 if onesided and not g.attribute("inverse") else length
    shape[-1] = 1 if onesided and g.attribute("inverse") else 2
    return tuple(shape)


def _fourier_matrix(g: Writer, size: int, parts: int, length: int, inverse: bool, onesided: bool) -> np.ndarray:
    """The transform as a float64 array: input element, input part, output element, output part.

    Parts are real and imaginary; `parts` is 1 for a real input. Inputs beyond `length` do not count.
    """
    half = length // 2 + 1
    outputs = half if onesided and not inverse else length
    elements = size * parts * outputs * (1 if inverse and onesided else 2)
    if elements > _LARGEST:
        g.refuse(f"it would take a matrix of {elements} elements there")
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
    kinds = g.fixed_size(signal, -1, "it tells real from complex")
    need = partial(_number, g)
    if kinds not in (1, 2):
        g.refuse(f"its data of {kinds} parts is none of real or complex numbers")
    step = need(1, "the step")
    if len(node.input) > 3 and node.input[3]:
        length = need(3, "the length")
    else:
        measured = (window, 0) if window else (signal, 1)
        length = g.fixed_size(*measured, "it is the length of a frame")
    matrix = _fourier_matrix(g, length, kinds, length, False, bool(g.attribute("onesided"))).astype(np.float64)
    frames = g.op("Gather", signal, _frames(g, sizes(g, signal, [1])[0], length, step), axis=1)
    if window:
        frames = g.op("Mul", frames, g.op("Reshape", window, g.constant([length, 1])))
    rows = g.op("Reshape", frames, g.constant([0, 0, length * kinds]))
    flat = g.typed_constant(matrix.reshape(length * kinds, -1), g.element_type(signal))
    shape = g.constant([0, 0, matrix.shape[2], 2])
    g.op("Reshape", g.op("MatMul", rows, flat), shape, output=node.output[0])


def _frames(g: Writer, size: Size, length: int, step: int) -> str:
    """Emit which elements of a signal of that size each frame has."""
    inner = np.arange(length)
    if isinstance(size, int):
        whole = 1 + (size - length) // step
        limit_list(whole * length, g)
        return g.constant(np.arange(whole)[:, None] * step + inner)
    count = parts(g, g.op("Add", size, g.constant([step - length])), step)
    return g.op("Add", times(g, counted(g, count, 1), step), g.constant(inner))


def _number(g: Writer, index: int, what: str) -> int:
    value = g.constant_input(index, what)
    return g.refuse(f"{what} is left out") if value is None else int(value.item())
