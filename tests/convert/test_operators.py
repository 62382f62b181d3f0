"""Each operator, its arguments and its spellings, against the interpreter of the source net, at several opsets."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from zoosmith.convert import caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import interpret

IMAGE = [(2, 4, 7, 6)]
UNARY = [
    "Abs",
    "Acos",
    "Asin",
    "Atan",
    "Cbrt",
    "Ceil",
    "Clip",
    "Cos",
    "Cosh",
    "Cube",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "LeakyRelu",
    "Log1p",
    "Logit",
    "Negative",
    "Reciprocal",
    "Relu",
    "ReluN",
    "Rsqrt",
    "Scale",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqr",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Copy",
    "Alias",
    "StopGradient",
    "FlattenToVec",
    "Flatten",
    "MergeDim",
    "NCHW2NHWC",
    "NHWC2NCHW",
    "Transpose",
    "Shape",
    "Normalize",
    "NormalizeL1",
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceL1",
    "ReduceL2",
    "ReduceFrontSum",
    "ReduceFrontMean",
    "ReduceFrontMax",
    "ReduceBackSum",
    "ReduceBackMean",
    "ReduceBackMax",
    "ArgMax",
    "ArgMin",
]

# type, shapes of the inputs, arguments
CASES: list[tuple[str, list[tuple[int, ...]], dict[str, Any]]] = [
    *((kind, [(2, 3, 4, 5)], {}) for kind in UNARY),
    ("Clip", [(3, 4)], {"min": 0.2, "max": 0.4}),
    ("Clip", [(3, 4)], {"min": 0.6, "max": 0.3}),
    ("Gelu", [(3, 4)], {"fast_gelu": 1}),
    ("Softmax", [(2, 3, 4)], {"axis": 2}),
    ("Softmax", [(2, 3, 4)], {"axis": 0}),
    ("PRelu", [(2, 3, 4, 4), (3,)], {}),
    ("PRelu", [(2, 4, 4, 3), (3,)], {"order": "NHWC"}),
    ("PRelu", [(2, 3, 4, 4), (1,)], {}),
    ("Pow", [(3, 4)], {"exponent": 1.7}),
    ("Pow", [(3, 4), (3,)], {"broadcast": 1, "axis": 0}),
    *((kind, [(2, 3, 4, 5), (3, 4)], {"broadcast": 1, "axis": 1}) for kind in ("Add", "Sub", "Mul", "Div")),
    ("Add", [(2, 3, 4, 5), (4, 5)], {"broadcast": 1}),
    ("Add", [(2, 3, 4, 5), (1, 4, 1)], {"broadcast": 1, "axis": 1}),
    ("Add", [(3,), (1, 1, 1)], {"broadcast": 1}),
    ("Add", [(2, 3, 4, 5), (5,)], {"broadcast": 1, "axis_str": "C", "order": "NHWC"}),
    ("Mul", [(2, 1, 4), (3, 1)], {"axis": 1}),
    *((kind, [(3, 4), (3, 4)], {}) for kind in ("Sum", "Max", "Min", "Mean", "LT", "LE", "GT", "GE", "DotProduct")),
    ("ReduceSum", [(2, 3, 4)], {"axes": [0, -1], "keepdims": 0}),
    ("ReduceL2", [(2, 3, 4)], {"axes": [1]}),
    ("ReduceBackMean", [(2, 3, 4)], {"num_reduce_dim": 2}),
    ("ReduceFrontMax", [(2, 3, 4)], {"num_reduce_dim": 3}),
    ("ArgMax", [(2, 3, 4)], {"axis": 1, "keepdims": 0}),
    ("TopK", [(3, 5)], {"k": 2}),
    ("TopK", [(2, 3, 2)], {"k": 5, "axis": 1}),
    ("Conv", [(1, 4, 7, 6), (3, 4, 3, 3), (3,)], {"kernel": 3, "pad": 1, "stride": 2}),
    ("Conv", [(1, 4, 7, 6), (6, 2, 3, 2)], {"kernel_h": 3, "kernel_w": 2, "group": 2, "dilation": 2}),
    ("Conv", [(1, 4, 7, 6), (3, 4, 3, 3)], {"kernels": [3, 3], "pads": [1, 0, 2, 1]}),
    ("Conv", [(1, 4, 8, 6), (3, 4, 3, 3)], {"kernel": 3, "stride": 2, "legacy_pad": 2}),
    ("Conv", [(1, 4, 8, 8), (3, 4, 3, 3)], {"kernel": 3, "stride": 2, "pad": 1, "legacy_pad": 3}),
    ("Conv", [(1, 7, 6, 4), (3, 3, 3, 4), (3,)], {"kernel": 3, "order": "NHWC"}),
    ("Conv", [(1, 2, 9), (3, 2, 3)], {"kernels": [3], "strides": [2]}),
    ("ConvTranspose", [(1, 2, 4, 5), (2, 3, 3, 3), (3,)], {"kernel": 3, "stride": 2, "pad": 1, "adj": 1}),
    ("ConvTranspose", [(1, 4, 5, 2), (2, 3, 3, 3)], {"kernel": 3, "stride": 2, "order": "NHWC"}),
    *(
        (kind, IMAGE, arguments)
        for kind in ("MaxPool", "AveragePool")
        for arguments in (
            {"kernel": 3, "stride": 2, "pad": 1},
            {"kernel": 3, "stride": 2, "legacy_pad": 3},
            {"kernel": 2, "stride": 2, "pad": 1, "legacy_pad": 3},
            {"kernel": 3, "stride": 2, "legacy_pad": 2},
            {"kernel_h": 3, "kernel_w": 2, "pad_t": 0, "pad_l": 1, "pad_b": 2, "pad_r": 0},
            {"global_pooling": 1},
            {"kernel": 3, "order": "NHWC"},
        )
    ),
    ("AveragePool", IMAGE, {"kernel": 3, "stride": 2, "pad": 1, "legacy_pad": 3, "count_include_pad": 1}),
    ("AveragePool", [(1, 1, 8, 9)], {"kernel": 2, "stride": 3, "legacy_pad": 3}),
    ("SpatialBN", [(2, 3, 4, 4), (3,), (3,), (3,), (3,)], {"is_test": 1, "epsilon": 0.01}),
    ("SpatialBN", [(2, 4, 4, 3), (3,), (3,), (3,), (3,)], {"is_test": 1, "order": "NHWC"}),
    ("LRN", [(2, 6, 3, 3)], {"size": 3, "alpha": 0.5, "beta": 0.75, "bias": 2.0}),
    ("LRN", [(2, 6, 3, 3)], {"size": 4, "alpha": 0.5, "beta": 0.75}),
    ("LRN", [(2, 6, 3, 3)], {"size": 3}),
    ("InstanceNorm", [(2, 3, 4, 5), (3,), (3,)], {"epsilon": 0.01}),
    ("InstanceNorm", [(2, 4, 5, 3), (3,), (3,)], {"order": "NHWC"}),
    ("GroupNorm", [(2, 6, 4, 5), (6,), (6,)], {"group": 3}),
    ("GroupNorm", [(2, 4, 5, 6), (6,), (6,)], {"group": 2, "order": "NHWC"}),
    ("LayerNorm", [(2, 3, 4)], {"axis": 2}),
    ("LayerNorm", [(2, 3, 4), (3, 4), (3, 4)], {"elementwise_affine": 1}),
    ("AffineChannel", [(2, 3, 4, 4), (3,), (3,)], {}),
    ("ElementwiseLinear", [(2, 3, 4), (12,), (12,)], {}),
    ("FC", [(2, 3, 4), (5, 12), (5,)], {}),
    ("FC", [(2, 3, 4), (5, 4), (5,)], {"axis": 2}),
    ("FC", [(2, 12), (2, 3, 12), (6,)], {"axis_w": 2}),
    ("FC", [(6,), (5, 6), (5,)], {"axis": 0}),
    ("FCTransposed", [(2, 3, 4), (12, 5), (5,)], {}),
    ("MatMul", [(2, 3, 4), (5, 12)], {"trans_b": 1}),
    ("MatMul", [(3, 2), (3, 4)], {"trans_a": 1}),
    ("BatchMatMul", [(2, 4, 3), (2, 5, 4)], {"trans_a": 1, "trans_b": 1}),
    ("BatchMatMul", [(2, 1, 3, 4), (3, 4, 5)], {"broadcast": 1}),
    ("BatchMatMul", [(4,), (4,)], {}),
    ("Reshape", [(2, 3, 4)], {"shape": [0, -1]}),
    ("Squeeze", [(2, 1, 3, 1)], {"dims": [1, 3]}),
    ("ExpandDims", [(2, 3)], {"dims": [3, 0]}),
    ("Shape", [(2, 3, 4)], {"axes": [2, 0]}),
    ("Tile", [(2, 3)], {"tiles": 3, "axis": 1}),
    ("Slice", [(4, 5)], {"starts": [0, -4], "ends": [-1, -2]}),
    ("Slice", [(4, 5)], {"starts": [1, 0], "ends": [9, -1]}),
    ("Split", [(2, 6)], {}),
    ("Split", [(2, 2, 3)], {"axis": 1, "add_axis": 1}),
    ("Split", [(1, 2, 3, 4)], {"order": "NHWC", "split": [1, 3]}),
    ("Concat", [(2, 3), (2, 4)], {}),
    ("Concat", [(2, 3), (2, 3)], {"axis": -1, "add_axis": 1}),
    ("ResizeNearest", [(1, 2, 4, 5)], {"width_scale": 1.5, "height_scale": 2.0}),
    ("ResizeNearest", [(1, 5, 5, 2)], {"width_scale": 0.7, "height_scale": 0.5, "order": "NHWC"}),
    ("UpsampleBilinear", [(1, 2, 3, 4)], {"width_scale": 2.0, "height_scale": 3.0}),
    ("PadImage", [(1, 2, 4, 4)], {"pads": [1, 0, 2, 1], "mode": "reflect"}),
    ("PadImage", [(1, 4, 4, 2)], {"pad": 1, "mode": "edge", "order": "NHWC"}),
    ("PadImage", [(1, 2, 4, 4)], {"pad_t": -1, "pad_l": 1, "pad_b": 0, "pad_r": 2, "value": 0.5}),
    ("ChannelShuffle", [(2, 6, 3, 3)], {"group": 3}),
    ("ChannelShuffle", [(2, 3, 3, 6)], {"group": 2, "order": "NHWC"}),
    ("Cast", [(3, 4)], {"to": "int32"}),
    ("ConstantFill", [(2, 3)], {"value": 1.5, "extra_shape": [2]}),
]
OUTPUTS = {"TopK": 2, "LayerNorm": 3, "Reshape": 2, "Split": 2, "Concat": 2}


def net_of(kind: str, inputs: int, arguments: dict[str, Any]) -> NetDef:
    names = [f"x{i}" for i in range(inputs)]
    outputs = [f"y{i}" for i in range(OUTPUTS.get(kind, 1))]
    net = NetDef(name=kind, external_input=names, external_output=outputs)
    op = net.op.add(type=kind, input=names, output=outputs)
    for name, value in arguments.items():
        field = {int: "i", float: "f", str: "s", list: "ints"}[type(value)]
        op.arg.add(name=name, **{field: value.encode() if isinstance(value, str) else value})
    return net


def label(case: tuple) -> str:
    return "-".join([case[0], *(f"{name}={value}" for name, value in case[2].items())])


@pytest.mark.parametrize("case", CASES, ids=label)
def test_it_computes_what_the_net_does(case: tuple[str, list[tuple[int, ...]], dict[str, Any]]) -> None:
    kind, shapes, arguments = case
    net = net_of(kind, len(shapes), arguments)
    random = np.random.RandomState(len(label(case)))
    # inside the domain of every function, no variance is negative
    data = {f"x{i}": (random.random_sample(shape) * 0.9 + 0.05).astype(np.float32) for i, shape in enumerate(shapes)}
    expected = interpret(net, None, data)
    for opset in (None, 13, 18, 21):
        model = caffe2_to_onnx(net, inputs={name: (1, array.shape) for name, array in data.items()}, opset=opset)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        feeds = dict(zip((value.name for value in session.get_inputs()), data.values(), strict=True))
        for name, found in zip(net.external_output, session.run(None, feeds), strict=True):
            assert found.dtype == expected[name].dtype
            assert np.allclose(found, expected[name], 1e-4, 1e-5, equal_nan=True), (opset, name)
