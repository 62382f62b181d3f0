"""Measure operators of com.microsoft against the standard ones that they stand for, in one run.

python benchmarks/int8_contrib.py [--rounds 25] [KIND ...]

Each form stands in a net of its own, with the sizes of real nets; the nets run in turns, one thread, with all of ONNX
Runtime's optimizations. A line has the microseconds of one run of each form, the standard one first: medians over
rounds of four runs. Forms that are not faster are measured here as well; what pays is written by
quantize/writing/contrib_operators.py, and the Sum by quantize/writing/normalizations.py.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import onnx
import onnxruntime
from int8_nets import Net
from onnx import TensorProto, helper

CONTRIB = "com.microsoft"
# how often a form stands in its net
COUNT = 4

Forms = dict[str, onnx.ModelProto]


def model_of(net: Net, *outputs: str) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(net.nodes, "net", [net.input], values, net.initializers)
    opsets = [helper.make_opsetid("", net.opset), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def products(rows: int, inputs: int, outputs: int) -> Forms:
    """The sums of three products of one uint8 tensor with a bias each."""

    def of(form: str) -> onnx.ModelProto:
        net = Net("net", [1, rows, inputs])
        scale, zero_point, one = (
            net.constant(np.array(0.02)),
            net.constant(np.array(128), np.uint8),
            net.constant(np.array(1)),
        )
        encoded = net.add("QuantizeLinear", "data", scale, zero_point)
        made = []
        for _ in range(3):
            weights = net.constant(net.stream.randint(-60, 60, (inputs, outputs)), np.int8)
            columns, bias = net.constant(np.linspace(0.0005, 0.001, outputs)), net.normal(outputs)
            if form == "MatMulInteger, Cast, Mul, Add":
                sums = net.add("Cast", net.add("MatMulInteger", encoded, weights, zero_point), to=TensorProto.FLOAT)
                made.append(net.add("Add", net.add("Mul", sums, columns), bias))
            elif form == "DynamicQuantizeMatMul":
                made.append(net.add(form, "data", weights, columns, "", bias, domain=CONTRIB))
            elif form == "MatMulIntegerToFloat, Add":
                given = (encoded, weights, one, columns, zero_point)
                made.append(net.add("Add", net.add("MatMulIntegerToFloat", *given, domain=CONTRIB), bias))
            else:
                given = (encoded, weights, one, columns, zero_point, "", bias)
                made.append(net.add("MatMulIntegerToFloat", *given, domain=CONTRIB))
        return model_of(net, *made)

    words = ("MatMulInteger, Cast, Mul, Add", "MatMulIntegerToFloat, Add", "MatMulIntegerToFloat")
    return {word: of(word) for word in (*words, "DynamicQuantizeMatMul")}


def gelus(rows: int, width: int) -> Forms:
    """GELU of what a product makes, and of the same with a bias that a Gelu leaves to the product."""

    def of(form: str) -> onnx.ModelProto:
        net = Net("net", [1, rows, width])
        x = "data"
        for _ in range(COUNT):
            x = net.add("Abs", x)
            if form == "Gelu":
                x = net.add("Gelu", x, domain=CONTRIB)
                continue
            x = net.add("Add", x, net.normal(width)) if form == "BiasGelu" else x
            plus = net.add("Add", net.add("Erf", net.add("Div", x, net.constant(np.array(2**0.5)))), one(net))
            x = net.add("Mul", x, plus)
            x = x if form == "without the half" else net.add("Mul", x, net.constant(np.array(0.5)))
        return model_of(net, x)

    return {word: of(word) for word in ("Erf", "without the half", "BiasGelu", "Gelu")}


def one(net: Net) -> str:
    return net.constant(np.array(1.0))


def normalizations(rows: int, width: int) -> Forms:
    """LayerNormalization of the sum of two tensors."""

    def of(op_type: str) -> onnx.ModelProto:
        net = Net("net", [1, rows, width])
        x = "data"
        for _ in range(COUNT):
            total = net.add(op_type, x, net.add("Abs", x))
            x = net.add("LayerNormalization", total, net.constant(np.ones(width)), net.constant(np.zeros(width)))
        return model_of(net, x)

    return {op_type: of(op_type) for op_type in ("Add", "Sum")}


def attentions(rows: int, width: int, heads: int) -> Forms:
    """Attention of one batch, from queries, keys and values on."""

    def of(form: str) -> onnx.ModelProto:
        net = Net("net", [1, rows, width])
        x = "data"

        def by_head(value: str, order: list[int]) -> str:
            shape = net.constant(np.array([1, rows, heads, width // heads]), np.int64)
            return net.add("Transpose", net.add("Reshape", value, shape), perm=order)

        for _ in range(COUNT):
            query, key, value = (net.add(op_type, x) for op_type in ("Abs", "Neg", "Tanh"))
            if form == "MultiHeadAttention":
                x = net.add(form, query, key, value, domain=CONTRIB, num_heads=heads)
                continue
            scores = net.add("MatMul", by_head(query, [0, 2, 1, 3]), by_head(key, [0, 2, 3, 1]))
            scores = net.add("Mul", scores, net.constant(np.array((width // heads) ** -0.5)))
            mixed = net.add("MatMul", net.add("Softmax", scores, axis=-1), by_head(value, [0, 2, 1, 3]))
            mixed = net.add("Transpose", mixed, perm=[0, 2, 1, 3])
            x = net.add("Reshape", mixed, net.constant(np.array([1, rows, width]), np.int64))
        return model_of(net, x)

    return {word: of(word) for word in ("MatMul, Softmax, MatMul", "MultiHeadAttention")}


def projected_attentions(rows: int, width: int, heads: int) -> Forms:
    """Queries, keys and values as integer products of one uint8 tensor with biases, and their attention."""

    def of(form: str) -> onnx.ModelProto:
        net = Net("net", [1, rows, width])
        scale, zero_point, one = (
            net.constant(np.array(0.02)),
            net.constant(np.array(128), np.uint8),
            net.constant(np.array(1)),
        )
        stream = net.stream

        def encoded(value: str) -> str:
            return net.add("QuantizeLinear", value, scale, zero_point)

        def by_head(value: str, order: list[int]) -> str:
            shape = net.constant(np.array([1, rows, heads, width // heads]), np.int64)
            return net.add("Transpose", net.add("Reshape", value, shape), perm=order)

        def product(value: str) -> str:
            weights = net.constant(stream.randint(-60, 60, (width, width)), np.int8)
            given = (value, weights, one, net.constant(np.full(width, 0.0005)), zero_point, "", net.normal(width))
            return net.add("MatMulIntegerToFloat", *given, domain=CONTRIB)

        x = "data"
        for _ in range(COUNT):
            read = encoded(x)
            if form == "QAttention":
                weights = net.constant(stream.randint(-60, 60, (width, 3 * width)), np.int8)
                scales, zeros = net.constant(np.full(3 * width, 0.0005)), net.constant(np.zeros(3 * width), np.int8)
                given = (read, weights, net.normal(3 * width), scale, scales, "", zero_point, zeros)
                x = net.add(form, *given, domain=CONTRIB, num_heads=heads)
                continue
            query, key, value = product(read), product(read), product(read)
            if form == "MultiHeadAttention":
                x = net.add(form, query, key, value, domain=CONTRIB, num_heads=heads)
                continue
            query, key, value = by_head(query, [0, 2, 1, 3]), by_head(key, [0, 2, 3, 1]), by_head(value, [0, 2, 1, 3])
            if form == "QLinearMatMul, QLinearSoftmax":
                parts = [each for name in (query, key) for each in (encoded(name), scale, zero_point)]
                scores = net.add("QLinearMatMul", *parts, scale, zero_point)
                share, none = net.constant(np.array(1 / 255)), net.constant(np.array(0), np.uint8)
                given = (scores, scale, zero_point, share, none)
                shares = net.add("QLinearSoftmax", *given, domain=CONTRIB, axis=-1, opset=13)
                parts = (shares, share, none, encoded(value), scale, zero_point, scale, zero_point)
                mixed = net.add("DequantizeLinear", net.add("QLinearMatMul", *parts), scale, zero_point)
            else:
                scores = net.add("MatMul", query, key)
                scores = net.add("Mul", scores, net.constant(np.array((width // heads) ** -0.5)))
                mixed = net.add("MatMul", net.add("Softmax", scores, axis=-1), value)
            mixed = net.add("Transpose", mixed, perm=[0, 2, 1, 3])
            x = net.add("Reshape", mixed, net.constant(np.array([1, rows, width]), np.int64))
        return model_of(net, x)

    words = ("MatMul, Softmax, MatMul", "MultiHeadAttention", "QAttention", "QLinearMatMul, QLinearSoftmax")
    return {word: of(word) for word in words}


def recurrences(inputs: int, units: int, steps: int) -> Forms:
    """LSTM of one direction, and with int8 matrices."""

    def of(op_type: str) -> onnx.ModelProto:
        net = Net("net", [steps, 1, inputs])
        matrices = [net.stream.uniform(-1, 1, (1, 4 * units, size)) * units**-0.5 for size in (inputs, units)]
        if op_type == "LSTM":
            given, rest = [net.constant(matrix) for matrix in matrices], []
        else:
            scales = [np.abs(matrix).max(axis=2) / 127 for matrix in matrices]
            packed = [np.rint(matrix / scale[..., None]) for matrix, scale in zip(matrices, scales, strict=True)]
            given = [net.constant(np.moveaxis(weights, 1, 2), np.int8) for weights in packed]
            zeros = [net.constant(np.zeros(scale.shape), np.int8) for scale in scales]
            rest = ["", "", "", "", net.constant(scales[0]), zeros[0], net.constant(scales[1]), zeros[1]]
        bias = net.constant(np.zeros((1, 8 * units)))
        domain = {"domain": CONTRIB} if rest else {}
        return model_of(net, net.add(op_type, "data", *given, bias, *rest, hidden_size=units, **domain))

    return {op_type: of(op_type) for op_type in ("LSTM", "DynamicQuantizeLSTM")}


KINDS: dict[str, tuple[Callable[..., Forms], tuple[tuple[int, ...], ...]]] = {
    "product": (products, ((1, 256, 512), (40, 120, 240), (128, 768, 768), (196, 384, 1536))),
    "gelu": (gelus, ((128, 3072), (196, 1536), (960, 192))),
    "normalization": (normalizations, ((128, 768), (196, 384))),
    "attention": (attentions, ((16, 64, 4), (40, 120, 8), (196, 384, 6), (128, 768, 12))),
    "projected attention": (projected_attentions, ((16, 64, 4), (40, 120, 8), (196, 384, 6), (128, 768, 12))),
    "lstm": (recurrences, ((32, 32, 16), (64, 64, 16), (128, 128, 1), (128, 128, 40), (256, 256, 40))),
}


def measured(forms: Forms, rounds: int) -> dict[str, float]:
    """Microseconds of a run of each form."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    sessions = {
        word: onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for word, model in forms.items()
    }
    times: dict[str, list[float]] = {word: [] for word in forms}
    for index in range(rounds + 2):
        for word, session in sessions.items():
            [port] = session.get_inputs()
            data = np.random.RandomState(1).randn(*port.shape).astype(np.float32)
            begin = time.perf_counter()
            for _ in range(4):
                session.run(None, {"data": data})
            if index >= 2:
                times[word].append((time.perf_counter() - begin) / 4)
    return {word: 1e6 * median(taken) for word, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=[*KINDS])
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args()
    for kind in arguments.kinds:
        make, shapes = KINDS[kind]
        for shape in shapes:
            found = measured(make(*shape), arguments.rounds)
            figures = ", ".join(f"{word} {taken:.0f}" for word, taken in found.items())
            print(f"{kind} {' x '.join(map(str, shape))}: {figures}", flush=True)


if __name__ == "__main__":
    main()
