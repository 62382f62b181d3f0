"""Cases for adapters that no backend node test of onnx reaches: one node each, where the step starts."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

from tests.opset_upgrade.nodes import Constant, node_model

Made = tuple[ModelProto, dict[str, np.ndarray]]
Key = tuple[str, int, int]

X = np.linspace(-2, 3, 24, dtype=np.float32).reshape(2, 3, 4)
POSITIVE = np.abs(X) + 0.5
IMAGE = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
CASES: dict[Key, Callable[[], Made]] = {}
REFUSED: dict[Key, Callable[[], Made]] = {}


def case(operator: str, source: int, target: int, *inputs: Any, opset: int | None = None, **how: Any) -> None:
    """Take a node of `operator` from the opset just before the step (upward), or from the step's source (downward)."""
    start = opset or (target - 1 if target > source else source)
    CASES[operator, source, target] = lambda: node_model(operator, start, *inputs, **how)


def refused(operator: str, source: int, target: int, *inputs: Any, **how: Any) -> None:
    REFUSED[operator, source, target] = lambda: node_model(operator, source, *inputs, **how)


_REDUCTIONS = [
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSumSquare"),
]
for _name in _REDUCTIONS:
    case(_name, 13, 18, POSITIVE, axes=[1])
    case(_name, 18, 13, POSITIVE, Constant([-1]))
    case(_name, 11, 1, POSITIVE, axes=[-1])
case("ReduceSum", 11, 13, X, axes=[1])
case("ReduceSum", 13, 11, X, Constant([-1]))
case("ReduceSum", 11, 1, X, axes=[-1])
for _name in ("ReduceLogSum", "ReduceLogSumExp"):
    case(_name, 18, 28, np.array([[1, 2], [3, 40]], dtype=np.int32), Constant([1]))
case("Squeeze", 11, 1, X[:, :1], axes=[-2])
case("Unsqueeze", 11, 1, X, axes=[-1])
case("Gather", 11, 1, X, Constant([0, 2]), axis=-1)
for _name in ("Hardmax", "LogSoftmax", "Softmax"):
    case(_name, 11, 1, X, axis=-1)
case("Split", 11, 2, X, axis=-1, outputs=2)
case("Split", 1, 2, X, Constant([1, 1], np.float32), outputs=2, axis=0)
case("Concat", 1, 4, X, X)
case("Mean", 8, 6, X, X[:1])
case("PRelu", 6, 7, X, Constant([0.1, 0.2, 0.3], np.float32))
case("PRelu", 7, 6, X, Constant([[0.1], [0.2], [0.3]], np.float32))
case("Dropout", 7, 10, X, outputs=2)
case("Dropout", 10, 7, X, outputs=2, kinds=(TensorProto.FLOAT, TensorProto.BOOL))
case("Erf", 9, 13, np.array([-1, 0, 2], dtype=np.int32))


def _if_of_two_shapes() -> Made:
    model = parser.parse_model("""<ir_version: 6, opset_import: ["": 11]> g (bool c, float[2, 3, 4] x) => (float y) {
      z = If (c) <then_branch = t () => (p) { p = ReduceMax<keepdims=0>(x) }, else_branch = e () => (q) { q = Abs(x) }>
      y = ReduceSum <keepdims = 0> (z) }""")
    return model, {"c": np.array(True), "x": X}


CASES["If", 11, 1] = _if_of_two_shapes
case("Pad", 1, 2, X, paddings=[0, 1, 0, 0, 0, 2])
case("Pad", 2, 1, X, pads=[0, 1, 0, 0, 0, 2])
case("Pad", 2, 11, X, pads=[0, 1, 0, 0, 0, 2], value=0.5)
case("Pad", 11, 2, X, Constant([0, 1, 0, 0, 0, 2]), Constant(0.5, np.float32))
case("Pad", 13, 11, X, Constant([0, 1, 0, 0, 0, 2]), mode="wrap")
case("Pad", 18, 13, X, Constant([1, 2]), None, Constant([-1]))
case("Pad", 19, 18, X, Constant([0, 1, 0, 0, 0, 2]), mode="wrap")
case("Tile", 1, 6, X, Constant([2], np.float32), Constant([1], np.float32))
case("Tile", 6, 1, X, Constant([2, 1, 3]))
case("TopK", 1, 10, X, k=2, outputs=2, kinds=(TensorProto.FLOAT, TensorProto.INT64))
case("TopK", 10, 1, X, Constant([2]), outputs=2, kinds=(TensorProto.FLOAT, TensorProto.INT64))
case("Upsample", 1, 7, IMAGE, height_scale=2.0, width_scale=3.0)
case("Upsample", 7, 1, IMAGE, scales=[1.0, 1.0, 2.0, 3.0])
case("Upsample", 7, 9, IMAGE, scales=[1.0, 1.0, 2.0, 2.0])
case("Upsample", 9, 7, IMAGE, Constant([1, 1, 2, 2], np.float32))
case("Resize", 10, 11, IMAGE, Constant([1, 1, 2, 3], np.float32))
case("Resize", 11, 10, IMAGE, Constant([], np.float32), Constant([1, 1, 2, 3], np.float32), mode="linear")
case("Shape", 15, 13, X, start=1, kinds=(TensorProto.INT64,))
case("BatchNormalization", 7, 9, X, *[Constant(np.linspace(1, 2, 12).reshape(3, 4), np.float32)] * 4, spatial=0)
case("Clip", 12, 11, X.astype(np.float64), Constant(0.1, np.float64), kinds=(TensorProto.DOUBLE,))
_FLOATS = (TensorProto.FLOAT,)
case("OneHot", 11, 9, np.array([0, -1, 4, -5]), Constant(4), Constant([0, 1], np.float32), kinds=_FLOATS)
case("Where", 16, 9, X > 0, X > 1, X[:1] < 2, kinds=(TensorProto.BOOL,))
case("GlobalLpPool", 1, 2, IMAGE, p=3.0)
case("GlobalLpPool", 2, 1, IMAGE, p=3)
case("LpPool", 1, 2, IMAGE, p=2.0, kernel_shape=[2, 2])
case("LpPool", 2, 1, IMAGE, p=3, kernel_shape=[2, 2])
case("LpPool", 22, 18, IMAGE[..., :2, :2], kernel_shape=[2, 2], strides=[3, 3], pads=[0, 0, 1, 1], ceil_mode=1)
case("MaxPool", 8, 1, IMAGE, kernel_shape=[2, 2], storage_order=0)
case(
    "GroupNormalization",
    18,
    21,
    IMAGE,
    Constant([2.0, 3.0], np.float32),
    Constant([0.0, 1.0], np.float32),
    num_groups=2,
)
case("DFT", 17, 20, IMAGE[0, :, :, :1], axis=1)
case("Range", 27, 11, np.float32(0), np.float32(5), np.float32(2), stash_type=10)
case("Cast", 19, 13, X, to=TensorProto.INT32, kinds=(TensorProto.INT32,), saturate=0)
case("Cast", 24, 23, X, to=TensorProto.INT32, kinds=(TensorProto.INT32,), round_mode="down")
case("CastLike", 19, 15, X, Constant([1], np.int32), kinds=(TensorProto.INT32,), saturate=0)
case("CastLike", 24, 23, X, Constant([1], np.int32), kinds=(TensorProto.INT32,), round_mode="down")
_LIMITS = Constant(-1.0, np.float64), Constant(2.0, np.float64)
case("Clip", 12, 11, X.astype(np.float64), *_LIMITS, kinds=(TensorProto.DOUBLE,))
_HOT = Constant(3, np.int64), Constant([0.0, 1.0], np.float32)
case("OneHot", 11, 9, np.int64([[-1, 0], [2, -3]]), *_HOT, kinds=(TensorProto.FLOAT,))
case("QuantizeLinear", 19, 13, X, Constant(0.1, np.float32), Constant(3, np.uint8), kinds=(2,), saturate=0)
case("QuantizeLinear", 21, 19, X, Constant(0.1, np.float32), output_dtype=TensorProto.INT8, kinds=(3,))
case("QuantizeLinear", 23, 21, X, Constant(0.1, np.float32), Constant(3, np.uint8), kinds=(2,), precision=1)
case(
    "DequantizeLinear", 23, 21, np.arange(6, dtype=np.uint8), Constant(0.5, np.float32), output_dtype=10, kinds=(10,)
)  # fmt: skip
case("GRU", 1, 3, X, Constant(np.ones((1, 6, 4)) / 9, np.float32), Constant(np.ones((1, 6, 2)) / 9, np.float32),
     hidden_size=2, outputs=2, output_sequence=1)  # fmt: skip
case("GRU", 3, 1, X, Constant(np.ones((1, 6, 4)) / 9, np.float32), Constant(np.ones((1, 6, 2)) / 9, np.float32),
     hidden_size=2, outputs=2, linear_before_reset=0)  # fmt: skip

case("Mod", 28, 13, np.array([5, -5, 5], np.float32), Constant([3, 3, -3], np.float32))
case("Resize", 19, 18, IMAGE, None, Constant([1, 1, 1.3, 1.3], np.float32),
     mode="linear", coordinate_transformation_mode="half_pixel_symmetric")  # fmt: skip

refused("BatchNormalization", 9, 14, X, *[Constant([1, 2, 3], np.float32)] * 4, outputs=5)
refused("MaxPool", 8, 1, IMAGE, kernel_shape=[2, 2], outputs=2, kinds=(1, 7))


def _constant(opset: int, kind: int, shape: list[int], **value: Any) -> Made:
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], **value), helper.make_node("Identity", ["c"], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), {}


def _sparse() -> Made:
    values = numpy_helper.from_array(np.array([1.5, 2.5], dtype=np.float32), "values")
    indices = numpy_helper.from_array(np.array([1, 4], dtype=np.int64), "indices")
    return _constant(11, TensorProto.FLOAT, [2, 3], sparse_value=helper.make_sparse_tensor(values, indices, [2, 3]))


def _scan(opset: int, **attributes: Any) -> Made:
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "x"], ["t"]), helper.make_node("Identity", ["t"], ["o"])],
        "body",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("s", "x")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("t", "o")],
    )
    start = np.zeros(4, dtype=np.float32)
    return node_model("Scan", opset, start, X[0], outputs=2, body=body, num_scan_inputs=1, **attributes)


def _attention(opset: int, *inputs: Any, **attributes: Any) -> Made:
    query = X.reshape(1, 2, 3, 4)
    return node_model("Attention", opset, query, query / 2, query / 3, *inputs, **attributes)


CASES["Attention", 24, 23] = lambda: _attention(24, None, None, None, np.array([2], dtype=np.int64))
CASES["Attention", 25, 24] = lambda: _attention(25, left_window_size=1)
whole = numpy_helper.from_array(np.arange(20_000, dtype=np.int64))
CASES["Constant", 12, 11] = lambda: _constant(12, TensorProto.INT64, [3], value_ints=[1, 2, 3])
CASES["Constant", 11, 9] = _sparse
CASES["Constant", 9, 1] = lambda: _constant(9, TensorProto.INT64, [20_000], value=whole)
CASES["Scan", 9, 8] = lambda: _scan(9)
CASES["Scan", 11, 9] = lambda: _scan(11, scan_input_axes=[-2])
del CASES["MaxPool", 8, 1]
