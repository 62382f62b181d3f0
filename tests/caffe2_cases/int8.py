"""Int8 operators, each between a quantization and a dequantization; all outputs are compared as integers."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase
from tests.validation.caffe2_nets import net_of

DATA = Data(12)
GIVEN: dict[str, object] = {"Y_scale": 0.02, "Y_zero_point": 128}
TARGET: dict[str, object] = {"Y_scale": 0.05, "Y_zero_point": 110}
PROBABILITY: dict[str, object] = {"Y_scale": 1 / 256, "Y_zero_point": 0}
IMAGE = (1, 5, 6, 4)


def quantized(
    operator: str,
    *shapes: tuple[int, ...],
    weights: tuple[int, ...] = (),
    outputs: str = "y",
    scale: dict[str, object] = TARGET,
    **arguments: object,
) -> OperatorCase:
    """An operator over quantized inputs of these shapes; with `weights` also over weights of that shape and a bias.

    The bias has the size of the weights' first dimension, of its last one for a transposed convolution.
    """
    read = [f"q{n}" for n in range(len(shapes))]
    operators: list[tuple] = [("Int8Quantize", f"x{n}", f"q{n}", GIVEN) for n in range(len(shapes))]
    values = DATA.integers(*weights, high=256).astype(np.uint8) if weights else None
    if values is not None:
        count = weights[-1 if operator == "Int8ConvTranspose" else 0]
        bias = {"shape": [count], "values": [100 * n for n in range(count)], "Y_scale": 0.0002, "Y_zero_point": 0}
        operators.append(("Int8GivenIntTensorFill", "", "b", bias))
        operators.append(("Int8GivenTensorFill", "", "w", {"shape": list(weights), **GIVEN, "Y_scale": 0.01}))
        read += ["w", "b"]
    operators.append((operator, " ".join(read), outputs, {**arguments, **scale}))
    operators.append(("Int8Dequantize", "y", "f"))
    inputs = {f"x{n}": DATA.floats(*shape) for n, shape in enumerate(shapes)}
    net = net_of(*operators, inputs=" ".join(inputs), outputs="y f")
    if values is not None:
        net.op[len(shapes) + 1].arg.add(name="values", s=values.tobytes())
    return OperatorCase(operator, net, inputs)


def _one_of_many(operator: str) -> OperatorCase:
    """A case about another operator of the net: the quantization, the fills."""
    whole = quantized("Int8FC", (2, 6), weights=(3, 6))
    return OperatorCase(operator, whole.net, whole.inputs)


def _regions() -> OperatorCase:
    net = net_of(
        ("Int8Quantize", "x", "q", GIVEN),
        (
            "Int8RoIAlign",
            "q r",
            "y",
            {"spatial_scale": 0.5, "sampling_ratio": 2, "pooled_h": 2, "pooled_w": 3, **TARGET},
        ),
        inputs="x r",
    )
    rois = np.float32([[0, 0, 1, 7, 9], [0, 2, 2, 11, 8]])
    return OperatorCase("Int8RoIAlign", net, {"x": DATA.floats(1, 6, 7, 3), "r": rois})


_HELPERS = ("Int8Quantize", "Int8Dequantize", "Int8GivenTensorFill", "Int8GivenIntTensorFill")

CASES = [
    *(_one_of_many(kind) for kind in _HELPERS),
    quantized("Int8FC", (2, 3, 4), weights=(5, 12)),
    *(
        quantized(kind, IMAGE, weights=(3, 3, 3, 4), kernel=3, pad=1, order="NHWC")
        for kind in ("Int8Conv", "Int8ConvRelu")
    ),
    quantized("Int8ConvTranspose", IMAGE, weights=(4, 3, 3, 2), kernel=3, stride=2, order="NHWC"),
    *(quantized(kind, (3, 4), (3, 4)) for kind in ("Int8Add", "Int8AddRelu", "Int8Sum", "Int8SumRelu")),
    *(
        quantized(kind, IMAGE, kernel=3, stride=2, pad=1, order="NHWC")
        for kind in ("Int8AveragePool", "Int8AveragePoolRelu")
    ),
    *(
        quantized(kind, IMAGE, kernel=2, stride=2, order="NHWC", scale=GIVEN)
        for kind in ("Int8MaxPool", "Int8MaxPoolRelu")
    ),
    quantized("Int8Relu", (3, 4), scale=GIVEN),
    quantized("Int8LeakyRelu", (3, 4), alpha=0.3),
    quantized("Int8Sigmoid", (3, 4), scale=PROBABILITY),
    quantized("Int8Softmax", (3, 4), scale=PROBABILITY),
    quantized("Int8Flatten", (2, 3, 4), scale=GIVEN),
    quantized("Int8Reshape", (2, 3, 4), scale=GIVEN, shape=[0, -1], outputs="y old"),
    quantized("Int8Transpose", (2, 3, 4), scale=GIVEN, axes=[2, 0, 1]),
    quantized("Int8Concat", (2, 3), (2, 5), scale=GIVEN, axis=1),
    quantized("Int8Slice", (4, 5), scale=GIVEN, starts=[1, 0], ends=[3, -1]),
    quantized("Int8ResizeNearest", IMAGE, scale=GIVEN, height_scale=2.0, width_scale=1.5),
    quantized("Int8ChannelShuffle", IMAGE, scale=GIVEN, group=2, kernel=1, order="NHWC"),
    _regions(),
]
