"""Choosing elements by condition, index or position."""

from math import prod

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from zoosmith.opset_upgrade.nodes import drop_attribute, find_attribute, input_at
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer

AXES_AS_INPUTS = 13
"""The opset in whose form Squeeze, Unsqueeze, Slice and ReduceSum are emitted here; the engine takes them further."""

_LARGEST = 1 << 20  # elements of a constant that a decomposition may bring into the model


@decomposition("Where")
def _where(node: NodeProto, g: Writer) -> None:
    # arithmetic would turn an infinity that is not chosen into NaN: the elements are picked from both by index
    shapes = [g.static_shape(name) for name in node.input]
    shape = np.broadcast_shapes(*shapes)
    known = g.value(node.input[0])
    if known is not None and known.size and (known.all() or not known.any()):
        taken = 1 if known.all() else 2
        g.op("Identity", _expand(g, node.input[taken], shapes[taken], shape), outputs=node.output)
        return
    count = _bounded(prod(shape), g)
    if not count:
        g.refuse("an empty tensor cannot be reshaped there")
    chosen, yes, no = (
        g.op("Reshape", _expand(g, name, own, shape), g.constant([-1]))
        for name, own in zip(node.input, shapes, strict=True)
    )
    both = g.op("Concat", no, yes, axis=0)
    offset = g.op("Mul", g.op("Cast", chosen, to=TensorProto.INT64), g.constant([count]))
    picked = g.op("Gather", both, g.op("Add", offset, g.constant(np.arange(count))), axis=0)
    g.op("Reshape", picked, g.constant(shape), outputs=node.output)


@decomposition("Expand")
def _expand_by_tile(node: NodeProto, g: Writer) -> None:
    shape = g.static_shape(node.input[0])
    result = np.broadcast_shapes(shape, tuple(_constant(g, 1, "the shape").tolist()))
    if 0 in shape and prod(result) == 0 and shape != result:
        g.refuse("an empty tensor cannot be repeated there")
    aligned = (1,) * (len(result) - len(shape)) + shape
    reshaped = node.input[0] if aligned == shape else g.op("Reshape", node.input[0], g.constant(aligned))
    repeats = [n if m == 1 else 1 for m, n in zip(aligned, result, strict=True)]
    if result:
        g.op("Tile", reshaped, g.constant(repeats), outputs=node.output)
    else:
        g.op("Identity", reshaped, outputs=node.output)


@decomposition("ConstantOfShape")
def _constant_of_shape(node: NodeProto, g: Writer) -> None:
    attribute = find_attribute(node, "value")
    value = np.zeros(1, np.float32) if attribute is None else numpy_helper.to_array(attribute.t)
    g.op("Expand", g.scope.constant(value.reshape(())), node.input[0], outputs=node.output)


@decomposition("Range")
def _range(node: NodeProto, g: Writer) -> None:
    start, _, step = node.input
    (count,) = g.static_shape(node.output[0])
    kind = g.element_type(start)
    places = g.scope.typed_constant(np.arange(_bounded(count, g)), kind)
    g.op("Add", g.op("Mul", places, step), start, outputs=node.output)


@decomposition("EyeLike")
def _eye_like(node: NodeProto, g: Writer) -> None:
    rows, columns = g.static_shape(node.input[0])
    _bounded(rows * columns, g)
    dtype = g.attribute("dtype") or g.element_type(node.input[0])
    eye = np.eye(rows, columns, k=g.attribute("k"))
    g.op("Identity", g.scope.typed_constant(eye, dtype), outputs=node.output)


@decomposition("Trilu")
def _trilu(node: NodeProto, g: Writer) -> None:
    data, diagonal = node.input[0], input_at(node, 1)
    rows, columns = (g.shape(data) or (None, None))[-2:]
    known = g.value(diagonal) if diagonal else np.zeros(1)
    keep: str
    if rows is not None and columns is not None and known is not None:
        _bounded(rows * columns, g)
        lies_on, k = np.arange(columns)[None, :] - np.arange(rows)[:, None], int(known.item())
        keep = g.constant(lies_on >= k if g.attribute("upper") else lies_on <= k, dtype=bool)
    else:
        down, along = (_counted(g, data, axis, size) for axis, size in ((-2, rows), (-1, columns)))
        # the diagonal that an element lies on: 0 is the main one, above it they count up
        diagonals = g.op("Sub", along, g.op("Unsqueeze", down, g.constant([1]), opset=AXES_AS_INPUTS))
        first = g.op("Reshape", diagonal, g.constant([1])) if diagonal else g.constant([0])
        keep = g.op("Not", g.op("Less" if g.attribute("upper") else "Greater", diagonals, first))
    g.op("Where", keep, data, g.scalar_like(data, 0), outputs=node.output)


def _counted(g: Writer, data: str, axis: int, size: int | None) -> str:
    """0, 1, 2 ... along an axis of `data`."""
    if size is not None:
        return g.constant(np.arange(size))
    length = g.op("Gather", g.op("Shape", data), g.constant(g.rank(data) + axis), axis=0)
    return str(g.op("Range", g.constant(0), length, g.constant(1), opset=11))


@decomposition("OneHot")
def _one_hot(node: NodeProto, g: Writer) -> None:
    indices, _, values = node.input
    rank = g.rank(indices) + 1
    axis = g.attribute("axis") % rank
    stated = g.shape(node.output[0])
    depth = stated[axis] if stated is not None else None
    if depth is None:
        depth = int(_constant(g, 1, "the depth").item())
    places = g.constant(np.arange(depth).reshape([-1] + [1] * (rank - 1 - axis)))
    wanted = g.op("Cast", indices, to=TensorProto.INT64)
    wanted = g.op("Unsqueeze", wanted, g.constant([axis]), opset=AXES_AS_INPUTS)
    from_end = g.op("Add", wanted, g.constant([depth]))
    hot = g.op("Or", g.op("Equal", wanted, places), g.op("Equal", from_end, places))
    off, on = (g.op("Gather", values, g.constant([index]), axis=0) for index in (0, 1))
    g.op("Where", hot, on, off, outputs=node.output, opset=9)


@decomposition("GatherElements")
def _gather_elements(node: NodeProto, g: Writer) -> None:
    data, indices = node.input
    shape, picked = g.static_shape(data), g.static_shape(indices)
    place = places_of_elements(g, indices, shape, picked)
    g.op("Gather", g.op("Reshape", data, g.constant([-1])), place, axis=0, outputs=node.output)


@decomposition("GatherND")
def _gather_nd(node: NodeProto, g: Writer) -> None:
    data, indices = node.input
    shape, where = g.static_shape(data), g.static_shape(indices)
    batch = g.attribute("batch_dims", 0)
    depth = batch + where[-1]
    strides = _strides(shape[:depth])
    from_start = count_from_start(g, indices, list(shape[batch:depth]))
    place = g.op("Mul", from_start, g.constant(strides[batch:]))
    place = g.op("ReduceSum", place, g.constant([-1]), keepdims=0, opset=AXES_AS_INPUTS)
    if batch:
        grids = np.indices(where[:batch]).reshape(batch, *where[:batch], *[1] * (len(where) - 1 - batch))
        base = sum(grid * stride for grid, stride in zip(grids, strides, strict=False))
        place = g.op("Add", place, g.constant(base))
    flat = g.op("Reshape", data, g.constant([prod(shape[:depth]), *shape[depth:]]))
    g.op("Gather", flat, place, axis=0, outputs=node.output)


@adapter("GatherND", 12, 11)
def _gather_nd_12_to_11(node: NodeProto, g: Writer) -> None:
    if g.attribute("batch_dims"):
        _gather_nd(node, g)
    else:
        drop_attribute(node, "batch_dims")


@decomposition("ScatterND")
def _scatter_nd(node: NodeProto, g: Writer) -> None:
    data, indices, updates = node.input
    shape, where = g.static_shape(data), g.static_shape(indices)
    depth, count = where[-1], prod(where[:-1])
    rest = prod(shape[depth:])
    place = places_of_slices(g, indices, shape[:depth])
    place = g.op("Expand", g.op("Reshape", place, g.constant([count, 1])), g.constant([count, rest]))
    flat = g.op("Reshape", data, g.constant([prod(shape[:depth]), rest]))
    placed = g.op("Scatter", flat, place, g.op("Reshape", updates, g.constant([count, rest])), axis=0)
    g.op("Reshape", placed, g.constant(shape), outputs=node.output)


@decomposition("TensorScatter")
def _tensor_scatter(node: NodeProto, g: Writer) -> None:
    cache, update, first = node.input[0], node.input[1], input_at(node, 2)
    shape, given = g.static_shape(cache), g.static_shape(update)
    axis = g.attribute("axis") % len(shape)
    along = [given[axis] if k == axis else 1 for k in range(len(shape))]
    place = g.constant(np.arange(given[axis]).reshape(along))
    if first:
        start = g.op("Reshape", first, g.constant([-1] + [1] * (len(shape) - 1)))
        place = g.op("Add", start, place)
    if g.attribute("mode") == "circular":
        place = g.op("Mod", place, g.constant([shape[axis]]))
    place = g.op("Expand", place, g.constant(given))
    g.op("ScatterElements", cache, place, update, axis=axis, outputs=node.output)


@decomposition("ScatterElements")
def _scatter_elements(node: NodeProto, g: Writer) -> None:
    data, indices, updates = node.input
    axis = g.attribute("axis") % g.rank(data)
    place = count_from_start(g, indices, [g.static_shape(data)[axis]])
    g.op("Scatter", data, place, updates, axis=axis, outputs=node.output)


def places_of_elements(g: Writer, indices: str, shape: tuple[int, ...], picked: tuple[int, ...]) -> str:
    """Emit where in the flat data of that shape the elements lie that `indices` (of shape `picked`) name by an axis."""
    _bounded(prod(picked), g)
    axis = g.attribute("axis") % len(shape)
    strides = _strides(shape)
    base = sum(
        (grid * stride for k, (grid, stride) in enumerate(zip(np.indices(picked), strides, strict=True)) if k != axis),
        np.zeros(picked, np.int64),
    )
    along = g.op("Mul", count_from_start(g, indices, [shape[axis]]), g.constant([strides[axis]]))
    return str(g.op("Add", along, g.constant(base)))


def places_of_slices(g: Writer, indices: str, sizes: tuple[int, ...]) -> str:
    """Emit the numbers of the slices that the rows of `indices` name, of data whose first axes have those sizes."""
    place = g.op("Mul", count_from_start(g, indices, list(sizes)), g.constant(_strides(sizes)))
    return str(g.op("ReduceSum", place, g.constant([-1]), keepdims=0, opset=AXES_AS_INPUTS))


def count_from_start(g: Writer, indices: str, sizes: list[int]) -> str:
    """Emit int64 indices in which the negative ones, which count from the end, count from the start as well."""
    wide = indices
    if g.element_type(indices) != TensorProto.INT64:
        wide = g.op("Cast", indices, to=TensorProto.INT64)
    known = g.value(indices)
    if known is not None and known.size and known.min() >= 0:
        return wide
    negative = g.op("Cast", g.op("Less", wide, g.constant([0])), to=TensorProto.INT64)
    return g.op("Add", wide, g.op("Mul", negative, g.constant(sizes)))


def _constant(g: Writer, index: int, what: str) -> np.ndarray:
    value = g.constant_input(index, what)
    return g.refuse(f"{what} is left out") if value is None else value


def _expand(g: Writer, name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    return name if shape == wanted else g.op("Expand", name, g.constant(wanted))


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [prod(shape[k + 1 :]) for k in range(len(shape))]


def _bounded(count: int, g: Writer) -> int:
    if count > _LARGEST:
        g.refuse(f"it would take a constant of {count} elements there")
    return count
