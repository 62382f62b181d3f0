"""Operators that are several ONNX nodes: moments, norms, weighted and gated sums, comparisons with every class."""

import numpy as np
from onnx import TensorProto

from zoosmith.convert.fill_operators import constant_value
from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, reduce, reshape, scalar, split, unsqueeze
from zoosmith.convert.operator import Operator, element_count
from zoosmith.convert.operators.segments import counted, segment_ids
from zoosmith.convert.registry import at_least, translator


@translator("Moments")
def moments(op: Operator) -> None:
    """Moments: mean and variance over `axes`, all dimensions where none are given."""
    x = op.inputs[0]
    axes = sorted({op.axis(x, axis) for axis in op.integers("axes")}) or list(range(op.rank(x)))
    keepdims = op.flag("keepdims", True)
    mean = reduce(op, "ReduceMean", x, axes, keepdims=True)
    difference = op.emit("Sub", x, mean)
    reduce(op, "ReduceMean", op.emit("Mul", difference, difference), axes, keepdims=keepdims, to=1)
    if keepdims:
        op.emit("Identity", mean, to=0)
    else:
        reduce(op, "ReduceMean", x, axes, keepdims=False, to=0)


@translator("LpNorm")
def lp_norm(op: Operator) -> None:
    """LpNorm: the sum of magnitudes (p 1) or of squares (p 2), without a root; with `average` the mean."""
    x, p = op.inputs[0], op.integer("p", 2)
    if p not in {1, 2}:
        op.refuse(f"argument p={p}: expected 1 or 2")
    terms = op.emit("Abs", x) if p == 1 else op.emit("Mul", x, x)
    total = reduce(op, "ReduceMean" if op.flag("average") else "ReduceSum", terms, None, keepdims=False)
    reshape(op, total, [1], to=0)


@translator("RowwiseMax", "ColwiseMax")
def matrix_max(op: Operator) -> None:
    """RowwiseMax and ColwiseMax: the largest of each row or column of each matrix of a batch."""
    x = op.inputs[0]
    if op.rank(x) != 3:
        op.refuse(f"its input has {op.rank(x)} dimensions, expected 3")
    reduce(op, "ReduceMax", x, [2 if op.type == "RowwiseMax" else 1], keepdims=False, to=0)


@translator("ReduceTailSum")
def reduce_tail_sum(op: Operator) -> None:
    """ReduceTailSum: the sum over all dimensions but the first."""
    x = op.inputs[0]
    reduce(op, "ReduceSum", x, range(1, op.rank(x)), keepdims=False, to=0)


@translator("AveragedLoss")
def averaged_loss(op: Operator) -> None:
    """AveragedLoss: the mean of all elements."""
    reduce(op, "ReduceMean", op.inputs[0], None, keepdims=False, to=0)


@translator("SumElementsInt")
def sum_elements_int(op: Operator) -> None:
    """SumElementsInt: the sum of all elements."""
    reduce(op, "ReduceSum", op.inputs[0], None, keepdims=False, to=0)


@translator("RMSNorm", inputs=3)
def rms_norm(op: Operator) -> None:
    """RMSNorm: from `axis` on, divided by the root of the mean square; 1 / that root is output 1."""
    x, scale, bias = op.inputs
    axis = op.axis(x, op.integer("axis", 1))
    inner = op.sizes_from(x, axis)
    flat = [element_count(inner)]
    if op.shape(scale) == op.shape(bias) == tuple(flat) != inner:
        scale, bias = reshape(op, scale, inner), reshape(op, bias, inner)
    for value, what in ((scale, "the scale"), (bias, "the bias")):
        op.expect_shape(value, inner, what)
    axes = range(axis, op.rank(x))
    mean = reduce(op, "ReduceMean", op.emit("Mul", x, x), axes, keepdims=True)
    inverse = op.emit("Reciprocal", op.emit("Sqrt", op.emit("Add", mean, scalar(op, op.number("eps", 1e-5), x))))
    op.emit("Add", op.emit("Mul", op.emit("Mul", x, inverse), scale), bias, to=0)
    if op.has_output(1):
        reduce(op, "ReduceMax", inverse, axes, keepdims=False, to=1)


@translator("WeightedSum", inputs=at_least(2))
def weighted_sum(op: Operator) -> None:
    """WeightedSum: the sum of every first of two inputs times the one number in the second."""
    terms = op.inputs[::2]
    if len(op.inputs) % 2 or not terms:
        op.refuse(f"it has {len(op.inputs)} inputs, expected pairs of a tensor and its weight")
    products: list[Value] = []
    for term, weight in zip(terms, op.inputs[1::2], strict=True):
        op.expect_shape(term, op.shape(terms[0]), "the tensor")
        if element_count(op.sizes(weight)) != 1:
            op.refuse(f"the weight {weight.name!r} has shape {list(op.shape(weight))}, expected one number")
        products.append(op.emit("Mul", term, weight if op.rank(weight) <= op.rank(term) else reshape(op, weight, [])))
    op.emit("Sum", *products, to=0)


@translator("SumRelu", inputs=at_least(1))
def sum_relu(op: Operator) -> None:
    """SumRelu: the sum of the inputs, not below 0."""
    for value in op.inputs:
        op.expect_shape(value, op.shape(op.inputs[0]), "the operand")
    op.emit("Relu", op.emit("Sum", *op.inputs), to=0)


@translator("Glu")
def glu(op: Operator) -> None:
    """Glu: the first half along `dim`, times the sigmoid of the second."""
    x = op.inputs[0]
    axis = op.axis(x, op.integer("dim", -1))
    size = op.shape(x)[axis]
    if not isinstance(size, int) or size % 2:
        op.refuse(f"dimension {axis} has size {size}, expected an even one")
    values, gates = split(op, x, axis, [size // 2] * 2, [None, None])
    op.emit("Mul", values, op.emit("Sigmoid", gates), to=0)


@translator("OneHot", inputs=2)
def one_hot(op: Operator) -> None:
    """OneHot: a row for each index, 1 at the index, as long as input 1 says."""
    indices, size = op.inputs
    if op.constant_type(indices).kind != "i":
        op.refuse(f"the indices {indices.name!r} are no integers")
    if size.constant is None:
        count = reshape(op, cast(op, size, TensorProto.INT64), [])
        places = cast(op, counted(op, count), indices.elem_type)
    else:
        (count_of_places,) = op.limited(int(size.constant.array().item()))
        places = op.constant(np.arange(count_of_places, dtype=op.constant_type(indices)))
    column = unsqueeze(op, indices, [1]) if op.rank(indices) == 1 else reshape(op, indices, [-1, 1])
    cast(op, op.emit("Equal", column, places), TensorProto.FLOAT, to=0)


@translator("BatchOneHot", inputs=3)
def batch_one_hot(op: Operator) -> None:
    """BatchOneHot: each column against its own list of values."""
    x, lengths, values = op.inputs
    op.expect_shape(lengths, op.shape(x)[1:], "the lengths")
    if lengths.constant is None:
        columns = segment_ids(op, lengths)
    else:
        counts = lengths.constant.array()
        columns = op.constant(np.repeat(np.arange(len(counts), dtype=np.int64), counts))
        op.expect_shape(values, op.shape(columns), "the values")
    same = op.emit("Equal", op.emit("Gather", x, columns, axis=1), values)
    cast(op, same, x.elem_type, to=0)


@translator("FloatToHalf", "HalfToFloat")
def half_precision(op: Operator) -> None:
    """FloatToHalf, to the nearest float16, and HalfToFloat."""
    cast(op, op.inputs[0], TensorProto.FLOAT16 if op.type == "FloatToHalf" else TensorProto.FLOAT, to=0)


@translator("NanCheck", inputs=at_least(1))
def nan_check(op: Operator) -> None:
    """NanCheck: the identity, where Caffe2 does not stop at a NaN."""
    op.emit("Identity", op.inputs[0], to=0, like=op.inputs[0])


@translator("EnforceFinite", "Print", fewest_outputs=0)
def nothing(op: Operator) -> None:
    """EnforceFinite, where Caffe2 does not stop at a NaN or an infinity, and Print: nothing."""


@translator("DiagonalFill", "RangeFill", inputs=(0, 1))
def patterned_fill(op: Operator) -> None:
    """DiagonalFill, a value where all indices are equal, and RangeFill, 0, 1, 2 …: constants."""
    if op.inputs:
        op.refuse("it takes its shape from an input")
    shape = op.integers("shape")
    if any(size < 0 for size in shape):
        op.refuse(f"argument shape={shape} has a negative size")
    places = np.arange(element_count(op.limited(*shape))).reshape(shape)
    if op.type == "RangeFill":
        op.bind(0, op.constant(places.astype(np.float32)))
        return
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) != 1):
        op.refuse(f"argument shape={shape}: expected 2 dimensions, or more of one size")
    dtype, value = constant_value(op.definition)
    # in a matrix with more rows than columns the diagonal goes on from the first column
    step = sum(element_count(shape[n:]) for n in range(1, len(shape) + 1))
    op.bind(0, op.constant(np.where(places % step == 0, value, 0).astype(dtype)))
