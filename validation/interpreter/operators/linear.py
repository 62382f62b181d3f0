"""Matrix products, and what goes with them in classifiers and attention."""

import math

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator

# Large float32 weights are widened so many elements at a time.
_BLOCK_ELEMENTS = 1 << 22


def _split_shape(x: np.ndarray, axis: int) -> tuple[int, int]:
    return math.prod(x.shape[:axis]), math.prod(x.shape[axis:])


@operator("FC", raw=True)
def fc(op: Operator, x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x (leading …, K) from `axis` on, weights (N, K), bias (N): gives (leading …, N)."""
    outputs, inner = _split_shape(weights, op.axis(weights.ndim, 1, "axis_w"))
    return _fully_connected(op, x, weights.reshape(outputs, inner), bias)


@operator("FCTransposed", raw=True)
def fc_transposed(op: Operator, x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """FC with weights (K, N)."""
    inner, outputs = _split_shape(weights, op.axis(weights.ndim, 1, "axis_w"))
    return _fully_connected(op, x, weights.reshape(inner, outputs).T, bias)


def _fully_connected(op: Operator, x: np.ndarray, matrix: np.ndarray, bias: np.ndarray) -> np.ndarray:
    axis = op.axis(x.ndim)
    rows, inner = _split_shape(x, axis)
    outputs = len(matrix)
    if inner != matrix.shape[1] or bias.size != outputs:
        raise op.error(f"input {x.shape} from axis {axis}, weights {matrix.shape} and bias {bias.shape} do not fit")
    left = x.reshape(rows, inner).astype(np.float64)
    result = np.empty((rows, outputs))
    step = max(1, _BLOCK_ELEMENTS // max(1, inner))
    for start in range(0, outputs, step):
        block = matrix[start : start + step].astype(np.float64)
        result[:, start : start + step] = left @ block.T
    result += bias.reshape(-1).astype(np.float64)
    return result.reshape(*x.shape[:axis], outputs)


@operator("MatMul")
def matmul(op: Operator, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two tensors flattened to matrices at `axis_a` and `axis_b` (default 1); never batched."""
    left = a.reshape(_split_shape(a, op.axis(a.ndim, 1, "axis_a")))
    right = b.reshape(_split_shape(b, op.axis(b.ndim, 1, "axis_b")))
    return (left.T if op.flag("trans_a") else left) @ (right.T if op.flag("trans_b") else right)


@operator("BatchMatMul")
def batch_matmul(op: Operator, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Matrix products over broadcast leading dimensions; two vectors give one element, shape (1,)."""
    if b.ndim == 1 and a.ndim > 1 and op.flag("trans_a"):
        raise op.error("trans_a with a vector as second input is not supported: Caffe2 gives a wrong shape")
    if min(a.ndim, b.ndim) > 1 and math.prod(a.shape[:-2]) != math.prod(b.shape[:-2]) and not op.flag("broadcast"):
        raise op.error(f"inputs {a.shape} and {b.shape} differ in their leading dimensions without broadcast")
    if a.ndim > 1 and op.flag("trans_a"):
        a = np.swapaxes(a, -1, -2)
    if b.ndim > 1 and op.flag("trans_b"):
        b = np.swapaxes(b, -1, -2)
    product = np.matmul(a, b)
    return product.reshape(1) if a.ndim == b.ndim == 1 else product


@operator("ElementwiseLinear")
def elementwise_linear(op: Operator, x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x * weights + bias, both (D), where D is everything from `axis` (default 1) on."""
    rows = x.reshape(_split_shape(x, op.axis(x.ndim)))
    return (rows * weights + bias).reshape(x.shape)


@operator("Softmax")
def softmax(op: Operator, x: np.ndarray) -> np.ndarray:
    """Softmax over everything from `axis` (default 1) on."""
    rows = x.reshape(_split_shape(x, op.axis(x.ndim)))
    powers = np.exp(rows - rows.max(1, keepdims=True, initial=-np.inf))
    return (powers / powers.sum(1, keepdims=True)).reshape(x.shape)


@operator("SoftmaxWithLoss")
def softmax_with_loss(op: Operator, x: np.ndarray, *labels: np.ndarray) -> tuple[np.ndarray, None]:
    """The softmax; the loss is not computed."""
    return softmax(op, x), None


def _pairs(op: Operator, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if x.shape != y.shape:
        raise op.error(f"its inputs {x.shape} and {y.shape} differ in shape")
    shape = (x.shape[0] if x.ndim else 1, math.prod(x.shape[1:]))
    return x.reshape(shape), y.reshape(shape)


@operator("DotProduct")
def dot_product(op: Operator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sums of products over all dimensions but the first."""
    a, b = _pairs(op, x, y)
    return (a * b).sum(1)


@operator("SquaredL2Distance")
def squared_l2_distance(op: Operator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Half the squared distance over all dimensions but the first."""
    a, b = _pairs(op, x, y)
    return 0.5 * np.square(a - b).sum(1)


@operator("L1Distance")
def l1_distance(op: Operator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sums of absolute differences over all dimensions but the first."""
    a, b = _pairs(op, x, y)
    return np.abs(a - b).sum(1)


@operator("CosineSimilarity")
def cosine_similarity(op: Operator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Dot product over the product of lengths, each at least 1e-12 squared, over all dimensions but the first."""
    a, b = _pairs(op, x, y)
    lengths = np.sqrt(np.maximum((a * a).sum(1), 1e-12) * np.maximum((b * b).sum(1), 1e-12))
    return (a * b).sum(1) / lengths


@operator("RowMul")
def row_mul(op: Operator, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each entry of the first dimension times its weight."""
    return x * weights.reshape(-1, *[1] * (x.ndim - 1))
