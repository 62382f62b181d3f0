"""Small nets of the kinds that quantization meets, with seeded weights."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def op_types(model: onnx.ModelProto) -> list[str]:
    """The operators of a graph, in the order of its nodes."""
    return [node.op_type for node in model.graph.node]


def operators(model: onnx.ModelProto) -> Counter[str]:
    """How many nodes of each operator a graph has."""
    return Counter(op_types(model))


class Net:
    """Builds a model node by node."""

    def __init__(self, shape: Sequence[int | str], *, seed: int = 0, opset: int = 12) -> None:
        self.stream = np.random.RandomState(seed)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.input = helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)

    def constant(self, value: np.ndarray, name: str | None = None) -> str:
        name = name or f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def normal(self, *shape: int, spread: float = 1.0) -> str:
        return self.constant((self.stream.randn(*shape) * spread).astype(np.float32))

    def add(self, op_type: str, *inputs: str, name: str | None = None, **values: object) -> str:
        output = name or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], **values))
        return output

    def conv(
        self, source: str, inputs: int, outputs: int, kernel: int = 1, *, bias: bool = False, **values: object
    ) -> str:
        weights = self.normal(outputs, inputs, kernel, kernel, spread=(inputs * kernel * kernel) ** -0.5)
        more = [self.normal(outputs, spread=0.1)] if bias else []
        return self.add("Conv", source, weights, *more, kernel_shape=[kernel, kernel], **values)

    def batch_normalization(self, source: str, channels: int) -> str:
        scale, mean = self.stream.randn(channels) + 1, self.stream.randn(channels) * 0.3
        variance = self.stream.rand(channels) + 0.3
        parts = [scale, self.stream.randn(channels) * 0.3, mean, variance]
        return self.add("BatchNormalization", source, *[self.constant(part.astype(np.float32)) for part in parts])

    def scale(self, source: str, channels: int) -> str:
        """Caffe2's Scale as its exporter writes it: Mul and Add of unsqueezed vectors."""
        for op_type in ("Mul", "Add"):
            vector = self.normal(channels)
            source = self.add(op_type, source, self.add("Unsqueeze", vector, axes=[1, 2]))
        return source

    def model(self, *outputs: str) -> onnx.ModelProto:
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", [self.input], values, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=7)
        return onnx.shape_inference.infer_shapes(model)


def dense_block(*, seed: int = 0) -> onnx.ModelProto:
    """A DenseNet in small: stem, two layers whose affines follow a Concat, a transition, and logits."""
    net = Net([1, 3, 32, 32], seed=seed)
    x = net.conv("data", 3, 16, 7, strides=[2, 2], pads=[3, 3, 3, 3])
    x = net.add("Relu", net.scale(net.batch_normalization(x, 16), 16))
    x = net.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 16
    for _ in range(2):
        y = net.add("Relu", net.scale(net.batch_normalization(x, channels), channels))
        y = net.add("Relu", net.batch_normalization(net.conv(y, channels, 32), 32))
        y = net.conv(y, 32, 8, 3, pads=[1, 1, 1, 1])
        x = net.add("Concat", x, y, axis=1)
        channels += 8
    y = net.add("Relu", net.scale(net.batch_normalization(x, channels), channels))
    y = net.add("AveragePool", net.conv(y, channels, 16), kernel_shape=[2, 2], strides=[2, 2])
    y = net.add("Relu", net.batch_normalization(y, 16))
    return net.model(net.conv(net.add("GlobalAveragePool", y), 16, 10, bias=True))


def residual(*, opset: int = 12) -> onnx.ModelProto:
    """A ResNet in small: an Add of two branches, a Flatten, two fully connected layers and a Softmax."""
    net = Net(["N", 3, 16, 16], opset=opset)
    x = net.add("Relu", net.batch_normalization(net.conv("data", 3, 8, 3, pads=[1, 1, 1, 1]), 8))
    y = net.batch_normalization(net.conv(x, 8, 8, 3, pads=[1, 1, 1, 1]), 8)
    x = net.add("Relu", net.add("Add", x, y))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Flatten", net.conv(x, 8, 4, bias=True))
    x = net.add("Relu", net.add("Gemm", x, net.normal(20, 256, spread=0.06), net.normal(20), transB=1))
    return net.model(net.add("Softmax", net.add("MatMul", x, net.normal(20, 10, spread=0.2)), axis=1))
