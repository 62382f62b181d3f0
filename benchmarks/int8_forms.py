"""One int8 convolution in two ONNX forms, ours and QLinearConv: integers that are not Caffe2's, and time.

python benchmarks/int8_forms.py [--runs 15]

Caffe2's integers are the interpreter's, which the tests hold to the real Caffe2.
"""

import argparse
import statistics
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoosmith.convert import caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import OnnxRuntimeRunner, interpret

# Input's, weights' and output's scale and zero point; the weights' depends on the layer.
_X, _Y = (0.02, 128), (0.05, 110)
_WIDTHS = (10, 12, 15, 10, 12, 8)
_LAYERS = [("3x3, 64 to 64", 3, 64, 56), ("1x1, 256 to 64", 1, 256, 56), ("3x3, 256 to 256", 3, 256, 14)]


def main() -> None:
    """Print a line for each layer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    titles = zip(("integers", "ours wrong", "QLinear wrong", "ours ms", "QLinear ms", "ratio"), _WIDTHS, strict=True)
    print(f"{'layer':18}" + "".join(title.rjust(width) for title, width in titles))
    for name, kernel, channels, size in _LAYERS:
        random = np.random.RandomState(0)
        outputs = 64 if channels != 256 or kernel == 1 else 256
        weights = np.clip(random.normal(128, 30, (outputs, kernel, kernel, channels)), 0, 255).astype(np.uint8)
        scale = 1.3 / 30 / float(np.sqrt(kernel * kernel * channels))
        bias = random.randint(-2000, 2000, outputs).astype(np.int32)
        x = random.standard_normal((1, size, size, channels)).astype(np.float32)
        net = _net(weights, bias, scale, kernel)
        info = {"x": (TensorProto.FLOAT, x.shape)}
        models = [caffe2_to_onnx(net, None, inputs=info, opset=None, names="caffe2"), _qlinear(weights, bias, scale, x)]
        runners = [OnnxRuntimeRunner(model, threads=1) for model in models]
        expected = interpret(net, None, {"x": x})["y"]
        wrong = [int((next(iter(runner.run({"x": x}).values())) != expected).sum()) for runner in runners]
        times: list[list[float]] = [[], []]
        for _ in range(runs):
            for taken, runner in zip(times, runners, strict=True):
                start = time.perf_counter()
                runner.run({"x": x})
                taken.append(1e3 * (time.perf_counter() - start))
        ours, qlinear = map(statistics.median, times)
        line = f"{name:18}{expected.size:>10,}{wrong[0]:>12}{wrong[1]:>15}{ours:>10.2f}{qlinear:>12.2f}"
        print(f"{line}{ours / qlinear:>8.2f}")


def _net(weights: np.ndarray, bias: np.ndarray, scale: float, kernel: int) -> NetDef:
    net = NetDef(name="conv", external_input=["x"], external_output=["y"])

    def add(kind: str, read: list[str], made: str, steps: tuple[float, int]) -> None:
        op = net.op.add(type=kind, input=read, output=[made])
        op.arg.add(name="Y_scale", f=steps[0])
        op.arg.add(name="Y_zero_point", i=steps[1])

    add("Int8GivenTensorFill", [], "w", (scale, 128))
    add("Int8GivenIntTensorFill", [], "b", (scale, 0))
    add("Int8Quantize", ["x"], "q", _X)
    add("Int8Conv", ["q", "w", "b"], "y", _Y)
    net.op[0].arg.add(name="shape", ints=weights.shape)
    net.op[0].arg.add(name="values", s=weights.tobytes())
    net.op[1].arg.add(name="shape", ints=bias.shape)
    net.op[1].arg.add(name="values", ints=bias.tolist())
    net.op[3].arg.add(name="order", s=b"NHWC")
    net.op[3].arg.add(name="kernel", i=kernel)
    net.op[3].arg.add(name="pad", i=kernel // 2)
    return net


def _qlinear(weights: np.ndarray, bias: np.ndarray, scale: float, x: np.ndarray) -> onnx.ModelProto:
    kernel = weights.shape[1]
    steps = {"x": _X, "w": (scale, 128), "y": _Y}
    constants = {f"{name}_scale": np.float32(value) for name, (value, _) in steps.items()}
    constants |= {f"{name}_zero": np.uint8(zero) for name, (_, zero) in steps.items()}
    constants |= {"w": weights.transpose(0, 3, 1, 2).copy(), "b": bias}
    quantized = ["w", "w_scale", "w_zero", "y_scale", "y_zero", "b"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["q"]),
        helper.make_node("Transpose", ["q"], ["front"], perm=[0, 3, 1, 2]),
        helper.make_node("QLinearConv", ["front", "x_scale", "x_zero", *quantized], ["conv"], pads=[kernel // 2] * 4),
        helper.make_node("Transpose", ["conv"], ["y"], perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "qlinear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)


if __name__ == "__main__":
    main()
