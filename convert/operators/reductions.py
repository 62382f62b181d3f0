"""Reductions over dimensions, ArgMax and TopK."""

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, clip, reduce, reshape, scalar, unsqueeze
from zoosmith.convert.operator import Operator, element_count
from zoosmith.convert.registry import translator

_FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}


@translator("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2")
def reduction(op: Operator) -> None:
    """Reductions over `axes`, all dimensions where none are given; dimensions are kept by default."""
    x = op.inputs[0]
    if op.type in {"ReduceMean", "ReduceL1", "ReduceL2"}:
        _expect_floats(op, x)
    axes = sorted({op.axis(x, axis) for axis in op.integers("axes")}) or None
    if op.type in {"ReduceMax", "ReduceMin"} and 0 in [op.shape(x)[axis] for axis in axes or range(op.rank(x))]:
        op.refuse("its input has no elements to choose from")
    reduce(op, op.type, x, axes, keepdims=op.flag("keepdims", True), to=0)


@translator(
    "ReduceFrontSum",
    "ReduceFrontMean",
    "ReduceFrontMax",
    "ReduceBackSum",
    "ReduceBackMean",
    "ReduceBackMax",
    inputs=(1, 2),
)
def reduce_ends(op: Operator) -> None:
    """Reductions over the first or last `num_reduce_dim` dimensions; `lengths` says how many elements of each count."""
    x, *lengths = op.inputs
    front = op.type.startswith("ReduceFront")
    kind = op.type.removeprefix("ReduceFront").removeprefix("ReduceBack")
    rank, count = op.rank(x), op.integer("num_reduce_dim", 1)
    if not 0 <= count <= rank:
        op.refuse(f"argument num_reduce_dim={count}, and the input has {rank} dimensions")
    axes = list(range(count)) if front else list(range(rank - count, rank))
    if lengths:
        if count != 1:
            op.refuse("it has lengths and reduces more than one dimension")
        _reduce_lengths(op, kind, axes[0])
    elif kind == "Mean" and x.elem_type not in _FLOATS:
        # the mean of integers truncates
        total = reduce(op, "ReduceSum", x, axes, keepdims=False)
        op.emit("Div", total, scalar(op, element_count([op.sizes(x)[axis] for axis in axes]), x), to=0)
    else:
        reduce(op, f"Reduce{kind}", x, axes, keepdims=False, to=0)


def _reduce_lengths(op: Operator, kind: str, axis: int) -> None:
    """Reduce the first elements along an axis; the first one counts even where the length is 0, as in Caffe2."""
    op.require(9, "ONNX has had Where since then")
    x, lengths = op.inputs
    sizes = op.sizes(x)
    rest = [size for i, size in enumerate(sizes) if i != axis]
    per_row = reshape(op, lengths, rest)
    at_least_one = op.emit("Max", cast(op, per_row, TensorProto.FLOAT), op.constant(np.array(1, np.float32)))
    counted = cast(op, at_least_one, lengths.elem_type)
    places = np.arange(sizes[axis], dtype=np.int32).reshape([-1 if i == axis else 1 for i in range(len(sizes))])
    mask = op.emit("Less", op.constant(places), unsqueeze(op, counted, [axis]))
    empty = float(np.finfo(np.float32).min) if kind == "Max" else 0
    kept = op.emit("Where", mask, x, scalar(op, empty, x))
    if kind == "Mean":
        total = reduce(op, "ReduceSum", kept, [axis], keepdims=False)
        op.emit("Div", total, cast(op, per_row, x.elem_type), to=0)
    else:
        reduce(op, f"Reduce{kind}", kept, [axis], keepdims=False, to=0)


@translator("ArgMax", "ArgMin")
def arg_extreme(op: Operator) -> None:
    """ArgMax and ArgMin, of the first of equals; along the last axis by default."""
    x = op.inputs[0]
    axis = op.axis(x, op.integer("axis", -1))
    if op.shape(x)[axis] == 0:
        op.refuse("its input has no elements to choose from")
    op.emit(op.type, x, to=0, axis=axis, keepdims=int(op.flag("keepdims", True)))


# what exceeds the dimension is written as a constant
_LARGEST_K = 2**20


@translator("TopK", inputs=(1, 2))
def top_k(op: Operator) -> None:
    """TopK along an axis, the lowest index first among equals; a k beyond the dimension is filled with 0 and -1."""
    x, *k_input = op.inputs
    k = int(op.constant_of(k_input[0], "k").item()) if k_input else op.integer("k")
    axis = op.axis(x, op.integer("axis", -1))
    if not 0 < k <= _LARGEST_K:
        op.refuse(f"k={k}: expected 1 to {_LARGEST_K}")
    if op.shape(x)[axis] == 0:
        op.refuse("its input has no elements to choose from")
    if x.elem_type != TensorProto.FLOAT:
        op.require(11, "ONNX's TopK has taken other elements than floats since then")
    size = op.shape(x)[axis]
    found = min(k, size) if isinstance(size, int) else k
    short = k - found
    to = [None, None] if short else [0, 1]
    attributes = {"axis": axis}
    if op.opset < 10:
        values, indices = op.emit_many("TopK", [x], to, axis=axis, k=found)
    else:
        values, indices = op.emit_many("TopK", [x, op.int64s(found)], to, axis=axis)
    if short:
        sizes = op.limited(*(short if i == axis else size for i, size in enumerate(op.sizes(x))))
        dtype = op.constant_type(x)
        op.emit("Concat", values, op.constant(np.zeros(sizes, dtype)), to=0, attributes=attributes)
        op.emit("Concat", indices, op.constant(np.full(sizes, -1, np.int64)), to=1, attributes=attributes)
    if op.has_output(2):
        op.bind(2, lambda: _flat_indices(op, x, indices, axis, short))


def _flat_indices(op: Operator, x: Value, indices: Value, axis: int, short: int) -> Value:
    """Indices into the flattened input, -1 for the filling."""
    sizes = op.sizes(x)
    stride = element_count(sizes[axis + 1 :])
    places = np.arange(element_count(op.limited(*sizes)), dtype=np.int64).reshape(sizes).take([0], axis=axis)
    flat = op.emit("Add", op.emit("Mul", indices, scalar(op, stride, indices)), op.constant(places))
    if short:
        filling = [short if i == axis else size for i, size in enumerate(sizes)]
        flat = op.emit("Concat", flat, op.constant(np.full(filling, -1, np.int64)), axis=axis)
    return op.emit("Reshape", flat, op.int64s(-1), to=2)


@translator("DotProduct", inputs=2)
def dot_product(op: Operator) -> None:
    """DotProduct: the sum of products over all dimensions but the first; elementwise on vectors."""
    x, y = op.inputs
    op.expect_shape(y, op.shape(x), "the second operand")
    if op.rank(x) <= 1:
        op.emit("Mul", x, y, to=0)
    else:
        reduce(op, "ReduceSum", op.emit("Mul", x, y), range(1, op.rank(x)), keepdims=False, to=0)


@translator("SquaredL2Distance", inputs=2)
def squared_l2_distance(op: Operator) -> None:
    """SquaredL2Distance: half the sum of squared differences over all dimensions but the first."""
    x, y = op.inputs
    op.expect_shape(y, op.shape(x), "the second operand")
    difference = op.emit("Sub", x, y)
    half = op.emit("Mul", op.emit("Mul", difference, difference), scalar(op, 0.5, x))
    if op.rank(x) <= 1:
        op.emit("Identity", half, to=0)
    else:
        reduce(op, "ReduceSum", half, range(1, op.rank(x)), keepdims=False, to=0)


@translator("L1Distance", inputs=2)
def l1_distance(op: Operator) -> None:
    """L1Distance: the sum of absolute differences over all dimensions but the first."""
    x, y = op.inputs
    op.expect_shape(y, op.shape(x), "the second operand")
    difference = op.emit("Abs", op.emit("Sub", x, y))
    if op.rank(x) <= 1:
        op.emit("Identity", difference, to=0)
    else:
        reduce(op, "ReduceSum", difference, range(1, op.rank(x)), keepdims=False, to=0)


@translator("CosineSimilarity", inputs=2)
def cosine_similarity(op: Operator) -> None:
    """CosineSimilarity over all dimensions but the first; of vectors, of each pair of elements."""
    x, y = op.inputs
    op.expect_shape(y, op.shape(x), "the second operand")

    def total(a: Value, b: Value) -> Value:
        product = op.emit("Mul", a, b)
        return reduce(op, "ReduceSum", product, range(1, op.rank(x)), keepdims=False) if op.rank(x) > 1 else product

    norms = [op.emit("Sqrt", clip(op, total(a, a), 1e-12, None)) for a in (x, y)]
    op.emit("Div", total(x, y), op.emit("Mul", *norms), to=0)


@translator("SumElements", "SumSqrElements")
def sum_elements(op: Operator) -> None:
    """SumElements and SumSqrElements: the sum, or with `average` the mean, of all elements or their squares."""
    x = op.inputs[0]
    _expect_floats(op, x)
    terms = op.emit("Mul", x, x) if op.type == "SumSqrElements" else x
    reduce(op, "ReduceMean" if op.flag("average") else "ReduceSum", terms, None, keepdims=False, to=0)


def _expect_floats(op: Operator, x: Value) -> None:
    if x.elem_type not in _FLOATS:
        op.refuse(f"its elements are {TensorProto.DataType.Name(x.elem_type)}, expected floats")
