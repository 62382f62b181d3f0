"""The published Caffe2 net of DenseNet-121, built from the architecture (Huang et al., arXiv 1608.06993)."""

from collections.abc import Mapping
from functools import cache

from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef

GROWTH = 32
BOTTLENECK = 4 * GROWTH
STEM = 64
LAYERS = (6, 12, 24, 16)
CLASSES = 1000
EPSILON = 1e-5

INPUT = "data"
OUTPUT = "fc6"
NET_NAME = "densenet121"
INPUT_SHAPE = (1, 3, 224, 224)

# what a BatchNormalization and the Scale after it read, in the order of the net's external inputs
NORM_PARAMETERS = ("scale", "bias", "mean", "var", "w", "b")


def predict_net() -> NetDef:
    """Return the net; its serialisation is the published predict_net.pb, byte for byte."""
    return _Builder().net


def parameter_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of the 848 parameters, in the order in which the net lists them."""
    return dict(_shapes())


@cache
def _shapes() -> Mapping[str, tuple[int, ...]]:
    return _Builder().shapes


class _Builder:
    def __init__(self) -> None:
        self.net = NetDef(name=NET_NAME)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._conv(INPUT, "conv1", INPUT_SHAPE[1], STEM, kernel=7, stride=2, pad=3)
        blob = self._norm_relu("conv1", "conv1/bn", STEM)
        self._pool("MaxPool", blob, "pool1", kernel=3, stride=2, pad=1)
        blob, channels = "pool1", STEM
        for stage, layers in enumerate(LAYERS, start=2):
            for layer in range(1, layers + 1):
                blob = self._dense_layer(blob, stage, layer, channels)
                channels += GROWTH
            blob = self._norm_relu(blob, f"conv{stage}_blk/bn", channels)
            if stage < len(LAYERS) + 1:
                self._conv(blob, f"conv{stage}_blk", channels, channels // 2)
                channels //= 2
                self._pool("AveragePool", f"conv{stage}_blk", f"pool{stage}", kernel=2, stride=2)
                blob = f"pool{stage}"
        self._pool("AveragePool", blob, "pool5", kernel=0, global_pooling=1)
        self._conv("pool5", OUTPUT, channels, CLASSES, bias=True)
        self.net.external_input.extend([*self.shapes, INPUT])
        self.net.external_output.append(OUTPUT)

    def _dense_layer(self, blob: str, stage: int, layer: int, channels: int) -> str:
        name = f"conv{stage}_{layer}"
        self._conv(self._norm_relu(blob, f"{name}/x1/bn", channels), f"{name}/x1", channels, BOTTLENECK)
        normed = self._norm_relu(f"{name}/x1", f"{name}/x2/bn", BOTTLENECK)
        self._conv(normed, f"{name}/x2", BOTTLENECK, GROWTH, kernel=3, pad=1)
        joined = f"concat_{stage}_{layer}"
        self._operator("Concat", [blob, f"{name}/x2"], [joined, f"_{joined}_dims"])
        return joined

    def _conv(
        self, blob: str, name: str, channels: int, filters: int, *,
        kernel: int = 1, stride: int = 1, pad: int = 0, bias: bool = False,
    ) -> None:  # fmt: skip
        inputs = [blob, self._parameter(f"{name}_w", filters, channels, kernel, kernel)]
        if bias:
            inputs.append(self._parameter(f"{name}_b", filters))
        self._operator("Conv", inputs, [name], stride=stride, pad=pad, kernel=kernel)

    def _norm_relu(self, blob: str, name: str, channels: int) -> str:
        *norm, weight, bias = (self._parameter(f"{name}_{kind}", channels) for kind in NORM_PARAMETERS)
        self._operator("SpatialBN", [blob, *norm], [name], is_test=1, epsilon=EPSILON)
        self._operator("Mul", [name, weight], [f"{name}_internal"], axis=1, broadcast=1)
        self._operator("Add", [f"{name}_internal", bias], [name], axis=1, broadcast=1)
        self._operator("Relu", [name], [name])
        return name

    def _pool(
        self, kind: str, blob: str, name: str, *, kernel: int, stride: int = 1, pad: int = 0, **more: int
    ) -> None:
        self._operator(kind, [blob], [name], stride=stride, pad=pad, kernel=kernel, **more)

    def _parameter(self, name: str, *shape: int) -> str:
        self.shapes[name] = shape
        return name

    def _operator(self, kind: str, inputs: list[str], outputs: list[str], **arguments: int | float) -> None:
        # the published file carries an empty engine and an empty device option in every operator
        operator = OperatorDef(type=kind, input=inputs, output=outputs, engine="")
        operator.device_option.SetInParent()
        for name, value in arguments.items():
            argument = operator.arg.add(name=name)
            if isinstance(value, float):
                argument.f = value
            else:
                argument.i = value
        self.net.op.append(operator)
