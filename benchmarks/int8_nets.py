"""Float nets of well-known shapes, made by code with seeded weights: what int8_real_models.py measures beside files."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """Builds a model node by node; weights keep the size of activations, as He et al. initialize."""

    def __init__(self, name: str, shape: list[int | str], opset: int = 17) -> None:
        self.name = name
        self.opset = opset
        self.stream = np.random.RandomState(0)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.input = helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)

    def constant(self, value: np.ndarray, dtype: type = np.float32) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def normal(self, *shape: int, spread: float = 1.0) -> str:
        return self.constant(self.stream.randn(*shape) * spread)

    def add(self, op_type: str, *inputs: str, **attributes: object) -> str:
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], **attributes))
        return output

    def conv(self, x: str, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, group: int = 1) -> str:
        spread = (2 / (inputs // group * kernel * kernel)) ** 0.5
        weights = self.normal(outputs, inputs // group, kernel, kernel, spread=spread)
        pads = [kernel // 2] * 4
        return self.add(
            "Conv", x, weights, self.normal(outputs, spread=0.1), strides=[stride] * 2, pads=pads, group=group
        )

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        product = self.add("MatMul", x, self.normal(inputs, outputs, spread=inputs**-0.5))
        return self.add("Add", product, self.normal(outputs, spread=0.1))

    def logits(self, x: str, inputs: int, outputs: int) -> str:
        x = self.add("Flatten", self.add("GlobalAveragePool", x))
        weights = self.normal(outputs, inputs, spread=inputs**-0.5)
        return self.add("Gemm", x, weights, self.normal(outputs, spread=0.1), transB=1)

    def model(self, output: str) -> onnx.ModelProto:
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, self.name, [self.input], outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)


def resnet18() -> onnx.ModelProto:
    """ResNet-18 (He et al., 2015) of 224 x 224, BatchNormalizations folded."""
    net = Net("resnet18", [1, 3, 224, 224])
    x = net.add("Relu", net.conv("data", 3, 64, 7, 2))
    x = net.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inputs = 64
    for outputs in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and outputs > 64 else 1
            y = net.conv(net.add("Relu", net.conv(x, inputs, outputs, 3, stride)), outputs, outputs, 3)
            shortcut = x if inputs == outputs else net.conv(x, inputs, outputs, 1, stride)
            x = net.add("Relu", net.add("Add", y, shortcut))
            inputs = outputs
    return net.model(net.logits(x, 512, 1000))


# kernel, expanded, outputs, squeeze-and-excite, HardSwish, stride: Howard et al., "Searching for MobileNetV3", table 1
_MOBILE_BLOCKS = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)


def mobilenet_v3() -> onnx.ModelProto:
    """MobileNetV3-Large of 224 x 224, BatchNormalizations folded."""
    net = Net("mobilenet_v3", [1, 3, 224, 224])
    x = net.add("HardSwish", net.conv("data", 3, 16, 3, 2))
    inputs = 16
    for kernel, expanded, outputs, squeezed, hard_swish, stride in _MOBILE_BLOCKS:
        activation = "HardSwish" if hard_swish else "Relu"
        y = x if expanded == inputs else net.add(activation, net.conv(x, inputs, expanded))
        y = net.add(activation, net.conv(y, expanded, expanded, kernel, stride, expanded))
        if squeezed:
            gate = net.add("Relu", net.conv(net.add("GlobalAveragePool", y), expanded, expanded // 4))
            gate = net.add("HardSigmoid", net.conv(gate, expanded // 4, expanded), alpha=1 / 6)
            y = net.add("Mul", y, gate)
        y = net.conv(y, expanded, outputs)
        x = net.add("Add", x, y) if stride == 1 and inputs == outputs else y
        inputs = outputs
    x = net.add("HardSwish", net.conv(x, 160, 960))
    return net.model(net.logits(x, 960, 1000))


def _transformer(net: Net, x: str, length: int, width: int, heads: int, layers: int, first_norm: bool) -> str:
    """Layers of attention and of a GELU between two dense layers; normalized before (ViT) or after (BERT)."""

    def normalized(value: str) -> str:
        return net.add("LayerNormalization", value, net.constant(np.ones(width)), net.constant(np.zeros(width)))

    def by_head(value: str, order: list[int]) -> str:
        shape = net.constant(np.array([1, length, heads, width // heads]), np.int64)
        return net.add("Transpose", net.add("Reshape", value, shape), perm=order)

    def attention(value: str) -> str:
        query, key, values = (net.dense(value, width, width) for _ in range(3))
        scores = net.add("MatMul", by_head(query, [0, 2, 1, 3]), by_head(key, [0, 2, 3, 1]))
        scores = net.add("Mul", scores, net.constant(np.array((width // heads) ** -0.5)))
        mixed = net.add("MatMul", net.add("Softmax", scores, axis=-1), by_head(values, [0, 2, 1, 3]))
        mixed = net.add("Transpose", mixed, perm=[0, 2, 1, 3])
        return net.dense(net.add("Reshape", mixed, net.constant(np.array([1, length, width]), np.int64)), width, width)

    def perceptron(value: str) -> str:
        hidden = net.dense(value, width, 4 * width)
        erf = net.add("Erf", net.add("Div", hidden, net.constant(np.array(2**0.5))))
        gelu = net.add("Mul", hidden, net.add("Add", erf, net.constant(np.array(1.0))))
        return net.dense(net.add("Mul", gelu, net.constant(np.array(0.5))), 4 * width, width)

    for _ in range(layers):
        for part in (attention, perceptron):
            x = net.add("Add", x, part(normalized(x))) if first_norm else normalized(net.add("Add", x, part(x)))
    return x


def vit_s(layers: int = 4) -> onnx.ModelProto:
    """ViT-S/16 of 224 x 224 (196 patches, width 384, 6 heads), 4 of its 12 equal layers."""
    net = Net("vit_s", [1, 3, 224, 224])
    patches = net.add("Conv", "data", net.normal(384, 3, 16, 16, spread=0.04), strides=[16, 16])
    x = net.add("Reshape", patches, net.constant(np.array([1, 384, 196]), np.int64))
    x = net.add("Add", net.add("Transpose", x, perm=[0, 2, 1]), net.normal(1, 196, 384, spread=0.5))
    x = _transformer(net, x, 196, 384, 6, layers, True)
    return net.model(net.dense(net.add("ReduceMean", x, axes=[1], keepdims=0), 384, 1000))


def bert_base(layers: int = 2) -> onnx.ModelProto:
    """BERT-base of 128 tokens (width 768, 12 heads) from the embeddings on, 2 of its 12 equal layers."""
    net = Net("bert_base", [1, 128, 768])
    return net.model(_transformer(net, "data", 128, 768, 12, layers, False))


NETS: dict[str, Callable[[], onnx.ModelProto]] = {
    "resnet18": resnet18,
    "mobilenet_v3": mobilenet_v3,
    "vit_s": vit_s,
    "bert_base": bert_base,
}
"""Name -> function that makes the net."""
